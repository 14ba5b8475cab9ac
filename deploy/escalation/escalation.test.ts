/** Calls out by the whole suite: IF.guard, our own signature, Kamailio, and SIPp as the expert. */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { EscalationView, IfMessageInput } from '#escalate'
import { canonicalText, parseSignature } from '#guard'
import { failureText, type SippOptions, type SippProcess, startSipp } from '#sipp'
import type { SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { freeUdpPort } from '../edge/free-ports.ts'
import { runSuite, temporaryFolder, until } from '../testing/harness.ts'

const experts = ['safety', 'second', 'contrarian'] as const
type Expert = (typeof experts)[number]

/** A suite with three experts of safety on ports of their own. */
async function start(t: ExecutionContext, settings: SuiteSettings = {}) {
  const data = join(await temporaryFolder(t), 'data')
  await mkdir(data, { mode: 0o700 })
  const ports = { safety: 0, second: 0, contrarian: 0 }
  for (const name of experts) ports[name] = await freeUdpPort('127.0.0.1')
  const entries = experts.map((name) =>
    [
      `  - id: expert-${name}`,
      `    uri: sip:expert-${name}@external.advisor`,
      '    organisation: Advisory',
      `    specialisations: [safety${name === 'safety' ? '' : ', bias'}]`,
      `    digestUser: expert-${name}`,
      `    contact: sip:expert-${name}@127.0.0.1:${ports[name]}`,
      `    contrarian: ${name === 'contrarian'}`
    ].join('\n')
  )
  await writeFile(join(data, 'registry.yaml'), `experts:\n${entries.join('\n')}\n`)
  const running = await runSuite(t, { data, ...settings })
  const { escalator } = running.suite
  /** SIPp as an expert's phone. */
  const phone = async (name: Expert, scenario: string, options: Partial<SippOptions> = {}): Promise<SippProcess> => {
    const started = await startSipp({
      scenario,
      localPort: ports[name],
      calls: 1,
      pauseMs: 300,
      receiveTimeoutMs: 15_000,
      timeoutMs: 30_000,
      keys: { domain: 'external.advisor' },
      ...options
    })
    t.teardown(() => started.stop())
    await started.ready
    return started
  }
  const escalate = async (payload: Partial<IfMessageInput['payload']> = {}): Promise<EscalationView> =>
    (await escalator.escalate(message(payload), { by: 'test' })).escalation
  const entriesOfTrace = (trace: string) =>
    running.entries().filter(({ trace_id, parent_trace_id }) => trace_id === trace || parent_trace_id === trace)
  return { ...running, escalator, phone, escalate, entriesOfTrace, ports }
}

const message = (payload: Partial<IfMessageInput['payload']> = {}): IfMessageInput => ({
  performative: 'escalate',
  sender: 'if://agent/monitor',
  payload: { hazard: 'safety', expert: 'expert-safety', ...payload }
})

async function passed(t: ExecutionContext, ...phones: SippProcess[]) {
  for (const phone of phones) {
    const result = await phone.result
    t.is(result.outcome, 'passed', failureText(result) ?? '')
  }
}

test.serial('an IFMessage brings an expert into the council: guarded, signed, rung, bridged, recorded, ended', async (t) => {
  const logDirectory = await temporaryFolder(t)
  const { suite, phone: open, escalate, entriesOfTrace, verify: verifyAll } = await start(t)
  const phone = await open('safety', 'uas-expert', { logDirectory })
  const escalation = await escalate({ trace_id: 'case-42' })
  t.is(escalation.state, 'hunting')
  const connected = await suite.escalator.result(escalation.id)
  t.like(connected, { state: 'connected', result: { status: 'connected' } })
  t.like(connected.legs[0]!.branches[0], { expert: 'expert-safety', state: 'connected', sip_status: 200 })
  t.is(suite.inside.media.roster('council').length, 1)
  suite.escalator.cancel(escalation.id, 'test')
  t.like(await suite.escalator.ended(escalation.id), { state: 'ended', result: { status: 'connected' } })
  await passed(t, phone)
  t.is(suite.inside.media.roster('council').length, 0)

  const invite = (await readFile(join(logDirectory, 'messages.log'), 'utf8')).split(/(?=INVITE sip:)/)[1]!
  const get = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)\\r?$`, 'mi').exec(invite)![1]!
  const uri = (name: string) => /<([^>]+)>/.exec(get(name))![1]!
  const header = parseSignature(get('X-IF-Signature'))
  const body = /\r?\n\r?\n(v=0[\s\S]*?)(?=\r?\n\r?\n?-{10}|$)/.exec(invite)![1]!
  t.like(Object.fromEntries(['X-IF-Trace-ID', 'X-IF-Hazard'].map((name) => [name, get(name)])), {
    'X-IF-Trace-ID': 'case-42',
    'X-IF-Hazard': 'safety'
  })
  const own = createPublicKey(await readFile(suite.data.escalationKey, 'utf8'))
  const covered = ['\r\n', ''].some((end) =>
    verify(
      null,
      canonicalText(
        {
          traceId: 'case-42',
          hazard: 'safety',
          fromUri: uri('From'),
          toUri: uri('To'),
          callId: get('Call-ID'),
          cseq: 1,
          method: 'INVITE',
          body: Buffer.from(body.replace(/\r?\n/g, '\r\n') + end)
        },
        header.issuedAt,
        header.nonce
      ),
      own,
      header.signature
    )
  )
  t.true(covered, 'the signature covers the INVITE as the expert got it')

  const names = entriesOfTrace('case-42').map(({ event }) => event)
  for (const name of [
    'escalation_requested',
    'policy_decision',
    'INVITE',
    'sip_invite_sent',
    'sip_100_trying',
    'sip_180_ringing',
    'sip_200_ok',
    'sip_ack_sent',
    'sip_dialog_established',
    'CONNECTED',
    'BRIDGE_ESTABLISHED',
    'escalation_result',
    'sip_bye_sent',
    'TERMINATED',
    'escalation_ended'
  ])
    t.true(names.includes(name), `${name} in ${names}`)
  t.true(names.indexOf('INVITE') < names.indexOf('sip_invite_sent'))
  t.is((await verifyAll()).verdict, 'valid')
})

test.serial('a call out is vouched for: Identity with our number, signed by the key of our certificate', async (t) => {
  const logDirectory = await temporaryFolder(t)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(logDirectory, 'stir.pem')
  await writeFile(key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  const identity = { key, certificateUrl: 'https://cert.example.org/sti.pem', attestation: 'A' as const }
  const running = await start(t, { escalation: { number: '+12155551212', identity } })
  const phone = await running.phone('safety', 'uas-expert', { logDirectory })
  const { id } = await running.escalate({ trace_id: 'vouched' })
  t.like(await running.escalator.result(id), { result: { status: 'connected' } })
  running.escalator.cancel(id, 'test')
  await passed(t, phone)
  const invite = (await readFile(join(logDirectory, 'messages.log'), 'utf8')).split(/(?=INVITE sip:)/)[1]!
  t.regex(invite, /^From: <sip:\+12155551212@council\.invalid>/m)
  const [, token, parameters] = /^Identity:[ \t]*([\w.-]+);(.*?)\r?$/m.exec(invite)!
  t.is(parameters, 'info=<https://cert.example.org/sti.pem>;alg=ES256;ppt=shaken')
  const [head, claims, signature] = token!.split('.') as [string, string, string]
  const { orig, dest, attest, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  t.deepEqual([orig, dest, attest], [{ tn: '12155551212' }, { uri: ['sip:expert-safety@external.advisor'] }, 'A'])
  t.true(Math.abs(iat - Date.now() / 1000) < 60)
  const signed = Buffer.from(`${head}.${claims}`)
  t.true(verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')))
})

test.serial('one suite, every way in which a call out can go', async (t) => {
  const { suite, escalator, phone, escalate, entriesOfTrace, ports } = await start(t, { escalation: { callsPerExpert: 2 } })
  const resultOf = async (payload: Partial<IfMessageInput['payload']> = {}) => {
    const { id } = await escalate(payload)
    return escalator.result(id)
  }
  const over = async ({ id }: EscalationView) => {
    escalator.cancel(id, 'test')
    return escalator.ended(id)
  }

  // IF.guard refuses before a packet leaves
  const logDirectory = await temporaryFolder(t)
  const untouched = await phone('safety', 'uas-expert', { logDirectory })
  const refused = await resultOf({ hazard: 'bias', expert: 'expert-safety' })
  t.like(refused, { result: { status: 'rejected', code: 'guard.specialisation.mismatch' } })
  t.false(entriesOfTrace(refused.trace_id).some(({ event }) => event === 'INVITE' || event === 'sip_invite_sent'))
  t.is((await untouched.stop()).calls.created, 0)

  // busy, then the next expert; contact is where the registry says
  const busy = await phone('safety', 'uas-expert-busy')
  const second = await phone('second', 'uas-expert')
  const next = await resultOf({ expert: null })
  t.like(next, { result: { status: 'connected' }, legs: [{ expert: 'expert-second' }] })
  t.like(next.legs[0]!.branches[0], { expert: 'expert-safety', state: 'failed', code: 'sip.486' })
  await over(next)
  await passed(t, busy, second)

  // declined
  const declines = await phone('safety', 'uas-expert-declines')
  t.like(await resultOf(), { result: { status: 'rejected', code: 'sip.603' } })
  await passed(t, declines)

  // no answer: CANCEL
  const silent = await phone('safety', 'uas-expert-no-answer')
  const unanswered = await resultOf({ ring_timeout_s: 1 })
  t.like(unanswered, { result: { status: 'failed', code: 'call-out.no-answer' } })
  await escalator.ended(unanswered.id)
  await passed(t, silent)

  // the answer crosses the CANCEL: ACK and BYE
  const crossing = await phone('safety', 'uas-expert-answers-cancelled')
  const crossed = await resultOf({ ring_timeout_s: 1 })
  t.like(crossed, { result: { status: 'failed', code: 'call-out.no-answer' } })
  await escalator.ended(crossed.id)
  await passed(t, crossing)

  // 503 with Retry-After, then the same expert again
  const later = await phone('safety', 'uas-expert-unavailable-once', { calls: 2 })
  const again = await resultOf()
  t.like(again.legs[0]!.branches[1], { attempt: 2, state: 'connected' })
  await over(again)
  await passed(t, later)

  // hung up by the expert
  const hangsUp = await phone('safety', 'uas-expert-hangs-up')
  const talked = await resultOf()
  t.is(talked.result!.status, 'connected')
  await escalator.ended(talked.id)
  t.like(
    entriesOfTrace(talked.trace_id).find(({ event }) => event === 'TERMINATED'),
    { payload: { hungUpBy: 'callee', reason: 'bye' } }
  )
  await passed(t, hangsUp)

  // early media that nobody hears, and forks
  for (const scenario of ['uas-expert-early-media', 'uas-expert-forks']) {
    const early = await phone('safety', scenario)
    const connected = await resultOf()
    t.is(connected.result!.status, 'connected', scenario)
    t.true(
      escalator.events
        .after(0)
        .some(
          (event) =>
            event.escalation === connected.id && event.type === 'ringing' && event.sip_status === 183 && event.early_media
        )
    )
    await over(connected)
    await passed(t, early)
  }

  // 422: a longer session interval
  const interval = await phone('safety', 'uas-expert-session-interval')
  const longer = await resultOf()
  t.is(longer.result!.status, 'connected', JSON.stringify(longer.result))
  await over(longer)
  await passed(t, interval)

  // held and resumed by the expert
  const holds = await phone('safety', 'uas-expert-holds')
  const holding = await resultOf()
  await until(() =>
    entriesOfTrace(holding.trace_id).some(({ payload }) => payload.previous === 'HOLD' && payload.state === 'CONNECTED')
  )
  await over(holding)
  await passed(t, holds)

  // held by us: 491, and again when it is our turn
  const glare = await phone('safety', 'uas-expert-glare')
  const yielded = await resultOf()
  t.deepEqual(await escalator.hold(yielded.id, true, 'test'), { ok: true })
  await until(() => entriesOfTrace(yielded.trace_id).some(({ payload }) => payload.state === 'HOLD'))
  await over(yielded)
  await passed(t, glare)

  // handed over to another expert, who stays until the escalation is ended
  const transfers = await phone('safety', 'uas-expert-transfers', { service: 'expert-second' })
  const takes = await phone('second', 'uas-expert')
  const transferred = await resultOf()
  await passed(t, transfers)
  await until(() => suite.status().calls.length === 1 && suite.status().calls[0]!.expertId === 'expert-second')
  t.is(suite.inside.media.roster('council').length, 1)
  await over(transferred)
  await passed(t, takes)
  t.true(entriesOfTrace(transferred.trace_id).some(({ event }) => event === 'sip_transfer_ended'))

  // an attended transfer: the call to the other expert takes the place of the one that the two had
  const replaces = 'abc@phone;to-tag=1;from-tag=2'
  const consulted = await phone('safety', 'uas-expert-transfers', {
    service: 'expert-second',
    keys: { domain: `external.advisor?Replaces=${encodeURIComponent(replaces)}` }
  })
  const messages = await temporaryFolder(t)
  const replaced = await phone('second', 'uas-expert', { logDirectory: messages })
  const attended = await resultOf()
  await passed(t, consulted)
  await until(() => suite.status().calls.length === 1 && suite.status().calls[0]!.expertId === 'expert-second')
  await over(attended)
  await passed(t, replaced)
  const invite = await readFile(join(messages, 'messages.log'), 'utf8')
  t.regex(invite, new RegExp(`^Replaces: ${replaces}\\s*$`, 'm'))
  t.regex(invite, /^Require: replaces\s*$/m)

  // handed over to somebody who is busy, and to a stranger
  const fails = await phone('safety', 'uas-expert-transfer-fails', { service: 'expert-second' })
  const engaged = await phone('second', 'uas-expert-busy')
  const kept = await resultOf()
  await passed(t, engaged)
  await over(kept)
  await passed(t, fails)
  const stranger = await phone('safety', 'uas-expert-transfer-refused', { service: 'premium-number' })
  const refusedTransfer = await resultOf()
  await until(() => entriesOfTrace(refusedTransfer.trace_id).some(({ event }) => event === 'sip_refer_received'))
  await over(refusedTransfer)
  await passed(t, stranger)

  // all at once: who answers first is heard, the other is cancelled
  const rings = await phone('safety', 'uas-expert-no-answer')
  const answers = await phone('second', 'uas-expert')
  const parallel = await resultOf({ expert: null, hunt: 'parallel' })
  t.like(parallel.legs[0], { expert: 'expert-second' })
  await over(parallel)
  await passed(t, rings, answers)
  t.true(
    entriesOfTrace(parallel.trace_id).some(
      ({ event, payload }) => event === 'TERMINATED' && payload.reason === 'answered-elsewhere'
    )
  )

  // an expert and a contrarian in one conference
  const both = [await phone('safety', 'uas-expert'), await phone('contrarian', 'uas-expert')]
  const argued = await resultOf({ contrarian: true })
  await until(() => escalator.get(argued.id)!.legs.every(({ expert }) => expert !== null))
  t.is(suite.inside.media.roster('council').length, 2)
  await over(argued)
  await passed(t, ...both)

  // nobody there at all
  const dead = await resultOf({ ring_timeout_s: 1 })
  t.like(dead, { result: { status: 'failed' } })
  await escalator.ended(dead.id)
  t.is(suite.status().sip.active, 0)
  t.is(suite.inside.media.roster('council').length, 0)
  t.true(ports.safety > 0)
})

test.serial(
  'a rule that speaks of an attack: security_rejected, before a packet leaves, and ifctl says so by its exit code',
  async (t) => {
    const rules = join(await temporaryFolder(t), 'rules.cedar')
    const shipped = await readFile(new URL('../../plugins/guard/rules/guard.cedar', import.meta.url), 'utf8')
    const lure = [
      '@id("lure")',
      '@code("guard.rule.lure")',
      '@reason("nobody is called about bias tonight")',
      '@attack',
      'forbid (principal, action == Action::"outbound", resource)',
      'when { context.request.hazard == "bias" };'
    ]
    await writeFile(rules, `${lure.join('\n')}\n${shipped}`)
    const { suite, entriesOfTrace } = await start(t, { guard: { rules } })
    const { code, stdout } = await ifctl(['escalate', 'bias', '--trace', 'case-7', '--data', suite.data.folder])
    t.is(code, 31, stdout)
    t.regex(stdout, /expert: security_rejected \(guard\.rule\.lure\): nobody is called about bias tonight/)
    const told = entriesOfTrace('case-7')
    t.like(
      told.find(({ event }) => event === 'escalation_result'),
      { payload: { status: 'security_rejected', code: 'guard.rule.lure' } }
    )
    t.true(told.some(({ event }) => event === 'SECURITY_REJECTED'))
    t.false(told.some(({ event }) => event === 'sip_invite_sent'))
  }
)

test.serial('a late offer is answered in the ACK, and early media is heard where policy says so', async (t) => {
  const { escalator, phone, escalate, entriesOfTrace } = await start(t, { escalation: { offer: 'late' } })
  const offers = await phone('safety', 'uas-expert-late-offer')
  const { id, trace_id } = await escalate()
  t.like(await escalator.result(id), { result: { status: 'connected' } })
  escalator.cancel(id, 'test')
  await escalator.ended(id)
  await passed(t, offers)
  t.like(
    entriesOfTrace(trace_id).find(({ event }) => event === 'sip_invite_sent'),
    { payload: { lateOffer: true, sdpSha256: null } }
  )
})
