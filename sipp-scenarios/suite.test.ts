/** Every calling scenario against the running suite, through the edge, with what the ledger has to say about it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { explain, generateKeyPair, readSigningKey, type SignedFields, signRequest } from '#guard'
import { silentLog } from '#kernel'
import { type LedgerEntry, ledgerFiles, readEntries, verifyLedger } from '#ledger'
import { failureText, runSipp, type SippOptions, sentHeader } from '#sipp'
import { readCredentials, type Suite, startSuite } from '#suite'
import { freeUdpPort } from '../deploy/edge/free-ports.ts'
import { until } from '../deploy/testing/harness.ts'

const domain = 'external.advisor'
const loopback6 = '::1'
const hasIpv6 = networkInterfaces().lo?.some(({ address }) => address === loopback6) === true
const users = ['expert-safety', 'expert-ethics', 'expert-security']
const keys = generateKeyPair()
const signingKey = readSigningKey(keys.privateKey)

let folder: string
let suite: Suite
let udpPort: number
let ca: string
let passwords: Readonly<Record<string, string>>
let nextAddress = 10
/** A machine that is busy writes things down later, not never. */
const recordedWithinMs = 30_000
const ownAddress = () => `127.0.0.${nextAddress++}`

/** The suite shares its process with those who start and follow SIPp: a few of them at a time, so that they do not keep it from answering. */
const atOnce = 12
const waiting: (() => void)[] = []
let running = 0
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  while (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
  running++
  try {
    return await work()
  } finally {
    running--
    waiting.shift()?.()
  }
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scenarios '))
  const example = await readFile(fileURLToPath(new URL('../plugins/guard/experts.example.yaml', import.meta.url)), 'utf8')
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  await writeFile(
    join(data, 'registry.yaml'),
    example
      .replace(/(id: expert-security[\s\S]*?)publicKey: null/, `$1publicKey: ${keys.publicKey}`)
      .replace(/(id: expert-ethics\n)/, '$1    contact: registered\n')
  )
  udpPort = await freeUdpPort('127.0.0.1')
  suite = await startSuite(
    {
      data,
      listen: { tls: 0, udp: udpPort, address6: hasIpv6 ? loopback6 : null },
      logLevel: 'silent',
      md5OnlyUsers: users,
      // more than all the others send, and so few that a flood of 1,500 is over it however it falls into the spans of ten seconds in which the edge counts
      limits: { requestsPer10s: 600, callsPerMinute: 100 },
      media: { timeoutMs: 60_000 }
    },
    { log: silentLog }
  )
  ca = await readFile(suite.data.ca, 'utf8')
  const credentials = await readCredentials(suite.data.credentials)
  passwords = Object.fromEntries(users.map((user) => [user, credentials.users[user]!.password!]))
  // Times of signatures are whole seconds, and one from before the start could be a replay of what an earlier run saw.
  await new Promise((resolve) => setTimeout(resolve, 1000))
})

test.after.always(async () => {
  await suite?.stop()
  await rm(folder, { recursive: true, force: true })
})

const digest = (user: string) => `[authentication username=${user} password=${passwords[user]}]`

interface Call extends Partial<SippOptions> {
  readonly user?: string
  readonly hazard?: string
  readonly credentials?: string
  readonly furtherFields?: readonly string[]
  /** A failure that is right, too, where two things cross on the wire. */
  readonly orElse?: RegExp
}

/** An answer again, since the ACK was late on a busy machine (RFC 3261 §13.3.1.4): SIPp knows such of UDP only. */
const answeredAgain = /while (?:pausing|sending) .*received SIP\/2\.0 (?:100 Trying|200 OK)/

/** Runs a scenario and expects it to pass. @returns the Call-ID. */
async function play(t: ExecutionContext, scenario: string, call: Call = {}, again = ''): Promise<string> {
  const { user = 'expert-safety', hazard = 'safety', credentials = digest(user), furtherFields = [], orElse, ...options } = call
  const callId = `${t.title.replace(/[^a-z0-9]+/gi, '-')}-${scenario}${again}`
  const csvFile = join(folder, `${callId}.csv`)
  await writeFile(csvFile, `SEQUENTIAL\n${[user, credentials, hazard, ...furtherFields].join(';')}\n`)
  const transport = options.transport ?? 'tls'
  const result = await inTurn(() =>
    runSipp({
      scenario,
      transport,
      target: { host: '127.0.0.1', port: transport === 'udp' ? udpPort : suite.addresses.tls!.port },
      tls: { ca },
      service: `council-${hazard}`,
      keys: { domain },
      csvFiles: [csvFile],
      callId: `${callId}-%u@suite.test`,
      pauseMs: 300,
      receiveTimeoutMs: 30_000,
      timeoutMs: 60_000,
      ...options
    })
  )
  // who signed did so for one Call-ID
  if (again === '' && furtherFields.length === 0 && answeredAgain.test(failureText(result) ?? '')) {
    t.log(failureText(result))
    return play(t, scenario, call, '-again')
  }
  if (orElse?.test(failureText(result) ?? '') === true) t.pass()
  else t.is(result.outcome, 'passed', `${scenario}: ${failureText(result)}`)
  return `${callId}-1@suite.test`
}

function entriesOf(callId: string): LedgerEntry[] {
  return readEntries(ledgerFiles(suite.data.ledger).database).filter(({ payload }) => payload.callId === callId)
}

const eventsOf = (callId: string) => entriesOf(callId).map(({ event }) => event)

async function recorded(t: ExecutionContext, callId: string, event: string): Promise<void> {
  await until(() => eventsOf(callId).includes(event), recordedWithinMs).catch(() =>
    t.fail(`${callId}: no ${event}, but ${eventsOf(callId)}`)
  )
}

async function connectedAndEnded(t: ExecutionContext, callId: string, how: Record<string, unknown> = { hungUpBy: 'caller' }) {
  await recorded(t, callId, 'TERMINATED')
  const entries = entriesOf(callId)
  t.true(entries.some(({ event }) => event === 'CONNECTED'))
  t.like(entries.find(({ event }) => event === 'TERMINATED')!.payload, how)
  t.is(entries.filter(({ event }) => event === 'INVITE').length, 1)
}

async function refusedAt(
  t: ExecutionContext,
  callId: string,
  layer: ReturnType<typeof explain>['decidedBy'],
  code: string | RegExp
) {
  await until(() => entriesOf(callId).some(({ event }) => /REJECTED$/.test(event)), recordedWithinMs).catch(() =>
    t.fail(`${callId}: not refused in the ledger, but ${eventsOf(callId)}`)
  )
  const explained = explain(entriesOf(callId).map((entry) => ({ ...entry, traceId: entry.trace_id })))
  t.is(explained.decidedBy, layer)
  if (typeof code === 'string') t.is(explained.code, code)
  else t.regex(explained.code ?? '', code)
  t.false(eventsOf(callId).includes('CONNECTED'))
}

const answered: Readonly<Record<string, Call>> = {
  'uac-expert': {},
  'uac-expert-with-tone': { user: 'expert-ethics', hazard: 'ethics', pauseMs: 500 },
  'uac-expert-late-offer': {},
  'uac-expert-hold-resume': {},
  'uac-expert-update': {},
  'uac-expert-session-timer': {},
  'uac-drop-one-200': { transport: 'udp' },
  'uac-retransmit': { transport: 'udp', retransmits: false }
}
for (const [scenario, call] of Object.entries(answered)) {
  test(`${scenario}: connected, ended by the caller`, async (t) => connectedAndEnded(t, await play(t, scenario, call)))
}
test('uac-expert over UDP', async (t) => connectedAndEnded(t, await play(t, 'uac-expert', { transport: 'udp' })))

/** As a caller with IPv6. */
const over6 = (transport: 'udp' | 'tls') => ({
  transport,
  localAddress: loopback6,
  target: { host: loopback6, port: transport === 'udp' ? udpPort : suite.addresses.tls!.port }
})
const test6 = hasIpv6 ? test : test.skip
for (const transport of ['udp', 'tls'] as const) {
  test6(`uac-expert-with-tone over IPv6 and ${transport}: connected, heard, and recorded with its address`, async (t) => {
    const callId = await play(t, 'uac-expert-with-tone', {
      ...over6(transport),
      user: 'expert-ethics',
      hazard: 'ethics',
      pauseMs: 500
    })
    await connectedAndEnded(t, callId)
    const { edge } = entriesOf(callId).find(({ event }) => event === 'INVITE')!.payload as { edge: Record<string, unknown> }
    t.like(edge, { sourceAddress: loopback6, transport })
  })
}
test6('uac-expert-bad-password over IPv6: layer digest', async (t) => {
  await play(t, 'uac-expert-bad-password', {
    ...over6('udp'),
    credentials: `[authentication username=expert-safety password=wrong]`
  })
})

test('uac-header-smuggling: judged by the real facts', async (t) => {
  const callId = await play(t, 'uac-header-smuggling')
  await connectedAndEnded(t, callId)
  t.like(entriesOf(callId).find(({ event }) => event === 'INVITE')!.payload, {
    edge: { transport: 'tls', authenticatedUser: 'expert-safety', digestAlgorithm: 'MD5', certificateIdentity: null }
  })
})

test('uac-expert-cancel', async (t) => {
  // A 200 that crossed the CANCEL is ended by whichever BYE comes first: SIPp's, or the suite's, which SIPp does not expect.
  // The answer to the CANCEL and that to the INVITE may come in either order.
  const callId = await play(t, 'uac-expert-cancel', { orElse: /unexpected BYE|received SIP\/2\.0 487/ })
  await until(
    () => eventsOf(callId).some((event) => ['FAILED', 'TERMINATED', 'CANCELLED'].includes(event)),
    recordedWithinMs
  ).catch(() => t.fail(`${eventsOf(callId)}`))
})

test('uac-expert-no-ack: the suite gives up after 64×T1', async (t) => {
  const callId = await play(t, 'uac-expert-no-ack', { receiveTimeoutMs: 60_000, timeoutMs: 90_000 })
  await recorded(t, callId, 'TERMINATED')
  t.like(entriesOf(callId).find(({ event }) => event === 'TERMINATED')!.payload, {
    hungUpBy: 'sip-server',
    reason: 'ack-timeout'
  })
})

test('uac-expert-bad-password', async (t) =>
  refusedAt(t, await play(t, 'uac-expert-bad-password'), 'digest', 'edge.digest.bad-credentials'))
// The edge sums refusals up by address and layer, and the relay for TLS calls from one address: hence UDP from an address of the test's own.
test('uac-unknown-caller', async (t) => {
  const callId = await play(t, 'uac-unknown-caller', { transport: 'udp', localAddress: ownAddress() })
  await refusedAt(t, callId, 'digest', 'edge.digest.bad-credentials')
})

test('uac-expert-replayed-digest: credentials of another call', async (t) => {
  const logDirectory = join(folder, 'first')
  const place = { transport: 'udp', localAddress: ownAddress() } as const
  await connectedAndEnded(t, await play(t, 'uac-expert', { ...place, logDirectory }))
  const used = sentHeader(await readFile(join(logDirectory, 'messages.log'), 'utf8'), 'Proxy-Authorization')[0]!
  const callId = await play(t, 'uac-expert-replayed-digest', { ...place, credentials: `Proxy-Authorization: ${used}` })
  await refusedAt(t, callId, 'digest', 'edge.digest.replayed')
})

test('uac-expert-refused: outside the specialisation', async (t) => {
  const callId = await play(t, 'uac-expert-refused', { user: 'expert-ethics' })
  await refusedAt(t, callId, 'policy', 'guard.specialisation.mismatch')
})

test('uac-expert-session-timer-too-small', async (t) => {
  const callId = await play(t, 'uac-expert-session-timer-too-small')
  t.false(eventsOf(callId).includes('CONNECTED'))
})

const hazard = 'security'
/** Fields of signed.csv for the call that {@link play} is about to make. */
function signature(t: ExecutionContext, scenario: string, changed: Partial<SignedFields> = {}, at = Date.now(), nonce?: string) {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const header = signRequest(
    signingKey,
    {
      traceId,
      hazard,
      fromUri: `sip:expert-security@${domain}`,
      toUri: `sip:council-security@${domain}`,
      callId: `${t.title.replace(/[^a-z0-9]+/gi, '-')}-${scenario}-1@suite.test`,
      cseq: 2,
      method: 'INVITE',
      body: Buffer.alloc(0),
      ...changed
    },
    at,
    nonce
  )
  const part = (name: string) => new RegExp(`(?:^|;)${name}=([^;]*)`).exec(header)![1]!
  return [traceId, part('kid'), part('iat'), part('nonce'), part('sig')]
}
const signed = { user: 'expert-security', hazard }

test('uac-expert-signed: the signature is verified and the call connected', async (t) => {
  const callId = await play(t, 'uac-expert-signed', { ...signed, furtherFields: signature(t, 'uac-expert-signed') })
  await connectedAndEnded(t, callId)
  t.true(eventsOf(callId).includes('sip_hash_verified'))
})
test('uac-expert-signature-refused: for another hazard', async (t) => {
  const furtherFields = signature(t, 'uac-expert-signature-refused', { hazard: 'safety' })
  const callId = await play(t, 'uac-expert-signature-refused', { ...signed, furtherFields })
  await refusedAt(t, callId, 'policy', 'guard.signature.invalid')
})
test('uac-expert-signature-refused: an hour old', async (t) => {
  const furtherFields = signature(t, 'uac-expert-signature-refused', {}, Date.now() - 3_600_000)
  const callId = await play(t, 'uac-expert-signature-refused', { ...signed, furtherFields })
  await refusedAt(t, callId, 'policy', /^guard\.signature\./)
})
test('uac-expert-signature-refused: a nonce used before', async (t) => {
  const nonce = 'B'.repeat(24)
  const first = signature(t, 'uac-expert-signed', {}, Date.now(), nonce)
  await connectedAndEnded(t, await play(t, 'uac-expert-signed', { ...signed, furtherFields: first }))
  const second = signature(t, 'uac-expert-signature-refused', {}, Date.now(), nonce)
  const callId = await play(t, 'uac-expert-signature-refused', { ...signed, furtherFields: second })
  await refusedAt(t, callId, 'policy', 'guard.signature.replayed')
})

for (const scenario of ['uac-header-smuggling-unauthenticated', 'uac-malformed-cseq', 'uac-malformed-max-forwards']) {
  test(`${scenario} never reaches the council`, async (t) => {
    const callId = await play(t, scenario)
    t.false(eventsOf(callId).some((event) => event === 'INVITE' || event === 'CONNECTED'))
  })
}
for (const scenario of [
  'uac-malformed-uri',
  'uac-malformed-content-length',
  'uac-malformed-oversized',
  'uac-malformed-no-call-id'
]) {
  test(`${scenario} over UDP never reaches the council`, async (t) => {
    const callId = await play(t, scenario, { transport: 'udp' })
    t.false(eventsOf(callId).some((event) => event === 'INVITE' || event === 'CONNECTED'))
  })
}
test('uac-options', async (t) => void (await play(t, 'uac-options')))
test('uac-register: 405', async (t) => {
  t.deepEqual(eventsOf(await play(t, 'uac-register')), [])
})
test('uac-register-expert: there, then gone', async (t) => {
  await play(t, 'uac-register-expert', { user: 'expert-ethics', authUri: domain })
  const told = readEntries(ledgerFiles(suite.data.ledger).database).filter(({ event }) => /^sip_(un)?registered$/.test(event))
  t.deepEqual(
    told.map(({ event, payload }) => [event, payload.user]),
    [
      ['sip_registered', 'expert-ethics'],
      ['sip_unregistered', 'expert-ethics']
    ]
  )
})
test('uac-torture: read like any other', async (t) => {
  t.deepEqual(eventsOf(await play(t, 'uac-torture', { transport: 'udp' })), [])
})
test('uac-expert-long: refreshed five times', async (t) => {
  await connectedAndEnded(t, await play(t, 'uac-expert-long', { pauseMs: 100 }))
})
for (const [scenario, event] of [
  ['uac-options-storm', 'OPTIONS'],
  ['uac-invite-flood', 'INVITE']
] as const) {
  test(`${scenario}: the address is cut off, a record is kept, and others call as before`, async (t) => {
    const localAddress = ownAddress()
    await play(t, scenario, { transport: 'udp', localAddress, calls: 1500, rate: 750, limit: 1500 })
    const record = () =>
      readEntries(ledgerFiles(suite.data.ledger).database).find(
        ({ payload }) => payload.layer === 'pike' && payload.source === localAddress && payload.method === event
      )
    await until(() => record() !== undefined, recordedWithinMs, `no record of ${scenario}`)
    await connectedAndEnded(t, await play(t, 'uac-expert', { transport: 'udp' }))
  })
}

test.after('uac-expert-hung-up: the suite ends the call as it stops; the ledger of all of this verifies', async (t) => {
  const hungUp = play(t, 'uac-expert-hung-up')
  await until(() => suite.status().calls.length === 1)
  await until(() => suite.status().calls[0]!.bridge === 'CONNECTED')
  await suite.stop()
  const callId = await hungUp
  await connectedAndEnded(t, callId, { hungUpBy: 'application' })
  const files = ledgerFiles(suite.data.ledger)
  t.is((await verifyLedger(files.database, { vkey: suite.vkey, publishedPath: files.published })).verdict, 'valid')
})
