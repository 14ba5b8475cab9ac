/**
 * One whole call on real parts: an expert and two Guardians dial in over TLS with baresip, hear each other, an escalation calls another expert out, with a
 * room, a browser and video beside, and what happened is checked in the ledger.
 *
 *     baresip ×3 ── TLS ──► Kamailio ──► sip-engine ──► application ──► IF.guard, media plane, ledger
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters, styleText } from 'node:util'
import { silentLog } from '#kernel'
import { toneLevel } from '#media'
import { type Baresip, startBaresip } from '#scripts/baresip/baresip.ts'
import { type Suite, type SuiteEvent, startSuite } from '#suite'
import { escalateWithBridges, hasVideo, inRoom, openRoom, runIsolated, source } from './demo-bridges.ts'

const realm = 'infrafabric'
const password = 'demo-only'
const council = 'sip:council-safety@external.advisor'

/** Who takes part, and the tone each says: three frequencies that are no multiples of each other. */
const parties = [
  { user: 'expert-safety', address: 'expert-safety@external.advisor', toneHz: 440 },
  { user: 'guardian-1', address: 'guardian-1@council.local', toneHz: 620 },
  { user: 'guardian-2', address: 'guardian-2@council.local', toneHz: 1050 }
] as const
/** An expert for ethics who dials into a conference about safety: IF.guard has to say no. */
const outsider = { user: 'expert-ethics', address: 'expert-ethics@external.advisor', toneHz: 300 } as const

/** Whom the suite calls out. */
const called = { user: 'expert-security', address: 'expert-security@external.advisor', toneHz: 770 } as const

/** dBFS at which a tone counts as heard, and below which it counts as absent. */
const heardDbfs = -25
const absentDbfs = -45
const talkMs = 4000
/** What the council's page looks like during the call. */
const picture = 'var/demo-council.png'

const say = (line = '') => process.stdout.write(`${line}\n`)
/** A line of details: no longer than the terminal is wide. */
const sayDetail = (line: string) => {
  const { columns } = process.stdout
  const plain = stripVTControlCharacters(line)
  say(columns !== undefined && plain.length > columns ? `${plain.slice(0, columns - 1)}…` : line)
}
const title = (text: string) => say(`\n${styleText('bold', text)}`)
const mark = (good: boolean, text: string) => styleText(good ? 'green' : 'red', text)
let failures = 0
const check = (good: boolean, what: string) => {
  if (!good) failures++
  say(`  ${mark(good, good ? '✔' : '✘')} ${what}`)
}

/** baresip 1.0 knows digest by MD5 only, and gives up where SHA-256 is offered beside it: these accounts are kept for MD5. */
async function writeCredentials(folder: string): Promise<void> {
  const users = Object.fromEntries(
    [...parties, outsider].map(({ user }) => [
      user,
      { realm, ha1Md5: createHash('md5').update(`${user}:${realm}:${password}`).digest('hex'), ha1Sha256: null }
    ])
  )
  await writeFile(join(folder, 'credentials.json'), JSON.stringify({ users }), { mode: 0o600 })
}

/** The example registry, with where the phone of the one who is called out can be reached. */
async function writeRegistry(folder: string, sipPort: number): Promise<void> {
  const example = await readFile(new URL('../plugins/guard/experts.example.yaml', import.meta.url), 'utf8')
  const contact = `contact: sip:${called.user}@127.0.0.1:${sipPort}`
  await writeFile(join(folder, 'registry.yaml'), example.replace(`id: ${called.user}\n`, `id: ${called.user}\n    ${contact}\n`))
}

function phone({ address, user, toneHz }: { address: string; user: string; toneHz: number }, suite: Suite): Promise<Baresip> {
  const { address: host, port } = suite.addresses.tls!
  return startBaresip({ address, transport: 'tls', outbound: { host, port }, digest: { user, password }, source: { toneHz } })
}

/** Runs the real command; what it prints is shown. The folder of the suite goes without saying, that of a copy does not. @returns its exit code */
function ifctl(...words: string[]): Promise<number> {
  const shown = words.map((word, n) => (words[n - 1] === '--data' ? basename(word) : word)).join(' ')
  say(styleText('dim', `  $ ifctl ${shown.replace(/ --data data$/, '')}`))
  return new Promise((resolve) => {
    execFile(process.execPath, ['cli/ifctl.cjs', ...words], { timeout: 20_000 }, (error, stdout) => {
      for (const line of stdout.trimEnd().split('\n')) sayDetail(`  ${line}`)
      resolve(error === null ? 0 : typeof error.code === 'number' ? error.code : 1)
    })
  })
}

/** The call as it happens, with the time since the beginning. */
function timeline(beganMs: number): (event: SuiteEvent) => void {
  const line = (at: number, text: string) => sayDetail(`  ${((at - beganMs) / 1000).toFixed(3).padStart(7)} s  ${text}`)
  const who = (uri: string) => uri.replace(/^sips?:|;.*$/g, '')
  return (event) => {
    switch (event.type) {
      case 'received':
        return line(event.at, `${who(event.fromUri)} dials ${who(event.toUri)}`)
      case 'decided':
        return line(
          event.at,
          `IF.guard: ${mark(event.verdict === 'approve', event.verdict)} ${event.expertId ?? 'unknown'} (${event.code})`
        )
      case 'calling':
        return line(event.at, `the suite calls ${who(event.toUri)} into ${event.conference}`)
      case 'answered':
        return line(event.at, `answered after ${event.setupMs.toFixed(1)} ms in the application`)
      case 'established':
        return line(event.at, `${event.participant} is in ${event.conference} with ${event.codec}`)
      case 'rejected':
        return line(event.at, `${mark(false, `rejected with ${event.status}`)} (${event.code})`)
      case 'call-bridge':
        return line(
          event.at,
          event.skipped === null
            ? `bridge ${event.bridge}: ${mark(event.state === 'ACTIVE', event.state)}`
            : `bridge ${event.bridge}: ${event.skipped}`
        )
      case 'ended':
        return line(event.at, `call ended by ${event.by}: ${event.reason}, ${(event.durationMs / 1000).toFixed(1)} s`)
      default:
        return
    }
  }
}

async function sound(phones: readonly Baresip[]): Promise<void> {
  title('Did sound go through? Each phone recorded what it heard.')
  for (const [n, listener] of parties.entries()) {
    const recording = await phones[n]!.recording()
    if (recording === null) {
      check(false, `${listener.user} recorded nothing`)
      continue
    }
    const { sampleRateHz, samples } = recording
    // A second from the middle: all three are there and none is dialling or leaving.
    const middle = samples.subarray(
      Math.max(0, (samples.length >> 1) - sampleRateHz / 2),
      (samples.length >> 1) + sampleRateHz / 2
    )
    for (const speaker of parties) {
      const level = toneLevel(middle, sampleRateHz, speaker.toneHz)
      const self = speaker === listener
      const text = `${listener.user.padEnd(14)} ${self ? 'does not hear itself' : `hears ${speaker.user}`.padEnd(20)}  ${speaker.toneHz} Hz at ${level.toFixed(1)} dBFS`
      check(self ? level < absentDbfs : level > heardDbfs, text)
    }
  }
}

/** A Guardian's room calls the council by H.323: hears those who dialled in by SIP, and is heard by them. */
async function room(suite: Suite): Promise<void> {
  title('A Guardian joins from a room, by H.323')
  const { phone, endpoint, close } = await openRoom(suite, parties[2].user)
  try {
    const call = endpoint.dial('council', inRoom)
    await call.connected
    await sleep(2000)
    const heard = phone.takeHeard().subarray(-8000)
    for (const { user: speaker, toneHz } of parties) {
      const level = toneLevel(heard, 8000, toneHz)
      check(level > heardDbfs, `the room hears ${speaker.padEnd(14)} ${toneHz} Hz at ${level.toFixed(1)} dBFS`)
    }
    for (const { number, name, protocol } of suite.inside.h323!.mcu.conference('council').terminals)
      say(`  terminal ${number}: ${name}${protocol === 'h323' ? ', by H.323' : ''}`)
    call.release()
    await call.ended
  } finally {
    await close()
  }
}

async function record(data: string, suite: Suite, expertTrace: string, refusedTrace: string): Promise<void> {
  title("The expert's call in the ledger")
  await ifctl('witness', 'trace', expertTrace, '--data', data)
  title('Why was the other expert not let in?')
  await ifctl('guard', 'explain', refusedTrace, '--data', data)
  title('Is the record whole?')
  check((await ifctl('witness', 'verify', '--data', data)) === 0, 'the ledger is valid')

  title('And a copy that somebody has tampered with?')
  const tampered = async (name: string, change: (database: DatabaseSync) => void, exitCode: number) => {
    const copy = join(data, '..', name)
    cpSync(suite.data.ledger, join(copy, 'ledger'), { recursive: true })
    const database = new DatabaseSync(join(copy, 'ledger', 'ledger.db'))
    change(database)
    database.close()
    check((await ifctl('witness', 'verify', '--data', copy)) === exitCode, `${name}: exit code ${exitCode}`)
  }
  await tampered('altered', acceptTheRefused, 11)
  await tampered(
    'truncated',
    (database) => database.exec('DELETE FROM segment WHERE first = (SELECT max(first) FROM segment)'),
    10
  )
}

/** Makes the decision against the second expert one for him. */
function acceptTheRefused(database: DatabaseSync): void {
  const segments = database.prepare('SELECT first, data FROM segment').all() as { first: number; data: Uint8Array }[]
  const write = database.prepare('UPDATE segment SET data = ? WHERE first = ?')
  for (const { first, data } of segments) {
    const at = Buffer.from(data.buffer, data.byteOffset, data.length).indexOf('"verdict":"reject"')
    if (at < 0) continue
    data.set(Buffer.from('"verdict":"accept"'), at)
    write.run(data, first)
  }
}

async function run(folder: string): Promise<void> {
  const beganMs = Date.now()
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  await writeCredentials(data)
  const expert = await startBaresip({
    address: called.address,
    transport: 'udp',
    answer: 'auto',
    source: { toneHz: called.toneHz }
  })
  await writeRegistry(data, expert.sipPort)
  const traces = new Map<string, string>()
  const show = timeline(beganMs)
  title('Starting Kamailio, SIP engine, application, gatekeeper, IF.guard, media plane and ledger')
  const suite = await startSuite(
    {
      data,
      realm,
      listen: { tls: 0 },
      limits: { requestsPer10s: 200 },
      h323: { enabled: true, ras: 0, signalling: 0 },
      webrtc: { enabled: true, port: 0, maxBrowsers: 5 },
      ndi: { enabled: hasVideo, addresses: ['127.0.0.1'], ingest: { source, height: 480 } }
    },
    {
      log: silentLog,
      onEvent: (event) => {
        if (event.type === 'received') traces.set(event.fromUri.replace(/^sips?:/, ''), event.traceId)
        show(event)
      }
    }
  )
  const phones: Baresip[] = []
  try {
    say(`  edge on ${suite.addresses.tls!.address}:${suite.addresses.tls!.port} (TLS), ledger key ${suite.vkey.slice(0, 40)}…`)
    for (const party of [...parties, outsider]) phones.push(await phone(party, suite))
    title(`Three people dial ${council}, and one who is not called for it`)
    for (const caller of phones) await caller.dial(council)
    await Promise.all(phones.slice(0, 3).map((caller) => caller.next('CALL_ESTABLISHED', 10_000)))
    const refused = await phones[3]!.next('CALL_CLOSED', 10_000)
    check(refused.parameter.startsWith('403'), `${outsider.user} is told: ${refused.parameter}`)
    await sleep(talkMs)
    await room(suite)
    for (const caller of phones.slice(0, 3)) await caller.hangup()
    await Promise.all(phones.slice(0, 3).map((caller) => caller.next('CALL_CLOSED', 5000)))
    await sound(phones)
    const who = { expert: called.user, room: parties[2].user, browser: parties[1].user }
    await escalateWithBridges({ suite, data, expert, who, picture, say, title, check, ifctl })
    await suite.inside.witness.flush(5000)
    await record(data, suite, traces.get(parties[0].address)!, traces.get(outsider.address)!)
  } finally {
    await Promise.all([...phones, expert].map((each) => each.stop()))
    await suite.stop()
  }
}

/** Commands and pages for whoever has seen it work. */
function whatNext(): void {
  title('What next')
  for (const [what, why] of [
    ['npx ifctl up', 'the suite itself; it tells how to dial in'],
    ['npx ifctl escalate safety', 'in another terminal: calls an expert'],
    ['npx ifctl witness verify', 'then check its record as an auditor would'],
    ...(existsSync(picture) ? [[picture, 'what the council saw in its browser']] : []),
    ['docs/tutorial-escalation.md', 'an escalation step by step']
  ] as const)
    say(`  ${what!.padEnd(28)} ${why}`)
}

const isolated = runIsolated(import.meta.filename)
if (isolated !== null) process.exit(isolated)
const folder = await mkdtemp(join(tmpdir(), 'infrafabric-demo-'))
const beganMs = Date.now()
try {
  await run(folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}
title(
  failures === 0
    ? mark(true, `All of it held, in ${((Date.now() - beganMs) / 1000).toFixed(1)} s. Nothing is left running.`)
    : mark(false, `${failures} checks failed`)
)
if (failures === 0) whatNext()
process.exitCode = failures === 0 ? 0 : 1
