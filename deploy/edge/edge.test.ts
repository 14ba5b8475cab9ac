/** The whole suite with the real Kamailio: phones over TLS, from the handshake to the verified ledger. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { explain, generateKeyPair, readSigningKey, signRequest } from '#guard'
import { createAuthority, issueCertificate } from '#kamailio'
import { errorCode } from '#kernel'
import { header, type InviteOptions, openPhone, statusOf } from '../../gateways/sip/testing/phone.ts'
import { dayMs, expiredCertificate } from '../testing/expired.ts'
import { type RunningSuite, runSuite, temporaryFolder, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'
import { freeTcpPort } from './free-ports.ts'

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'

/** Layer that decided about a call, and the state of all seven, from the ledger alone. */
function explained({ entries }: RunningSuite, callId: string) {
  const ofCall = entries().filter(({ payload }) => payload.callId === callId)
  const { decidedBy, code, verdict, layers } = explain(ofCall.map((entry) => ({ ...entry, traceId: entry.trace_id })))
  return { decidedBy, code, verdict, states: layers.map(({ state }) => state) }
}

test.serial('an expert dials in over TLS, talks in the council, hangs up, and the ledger verifies', async (t) => {
  const running = await runSuite(t)
  const { suite, phone, rtp, entriesOf, verify } = running
  const sound = { expert: await rtp({ says: tone(440) }), guardian: await rtp({ says: tone(1000) }) }
  const expert = await (await phone('expert-safety')).invite({ sdp: sound.expert.sdp() })
  const guardian = await (await phone('guardian-1', { algorithm: 'MD5' })).invite({ to: 'council', sdp: sound.guardian.sdp() })
  t.deepEqual([expert.status, guardian.status], [200, 200])
  sound.expert.talkTo(expert.response.body)
  sound.guardian.talkTo(guardian.response.body)
  t.true(await hears(sound.expert, 1000))
  t.true(await hears(sound.guardian, 440))
  t.is(statusOf(await expert.request('INVITE', { body: sound.expert.sdp('sendonly') })), 200)
  t.true(suite.status().calls.some(({ bridge }) => bridge === 'HOLD'))
  t.is(statusOf(await expert.request('UPDATE', { body: sound.expert.sdp() })), 200)
  t.is(statusOf(await expert.bye()), 200)
  const stopped = suite.stop()
  t.is(
    header(await guardian.ended(), 'reason'),
    'SIP;cause=503;text="Service shutting down"',
    'BYE finds the phone over its own connection'
  )
  await stopped
  t.like(entriesOf('INVITE')[0]!.payload, {
    edge: { transport: 'tls', tlsVersion: 'TLSv1.3', authenticatedUser: 'expert-safety', digestAlgorithm: 'SHA-256' }
  })
  t.like(entriesOf('INVITE')[1]!.payload, { edge: { digestAlgorithm: 'MD5' } })
  t.is(entriesOf('TERMINATED').length, 2)
  t.is((await verify()).verdict, 'valid')
  t.like(explained(running, expert.callId), { verdict: 'connected', decidedBy: null })
  t.deepEqual(new Set(explained(running, expert.callId).states), new Set(['passed']))
})

test.serial(
  'signed calls: a good signature connects; a wrong one, a replay and another’s name are stopped at policy',
  async (t) => {
    const data = await temporaryFolder(t)
    const keys = generateKeyPair()
    const example = await readFile(fileURLToPath(new URL('../../plugins/guard/experts.example.yaml', import.meta.url)), 'utf8')
    await writeFile(
      join(data, 'registry.yaml'),
      example.replace(/publicKey: null([\s\S]*?)signature: optional/, `publicKey: ${keys.publicKey}$1signature: required`)
    )
    const running = await runSuite(t, { data })
    const caller = await running.phone('expert-safety')
    const signingKey = readSigningKey(keys.privateKey)
    type Attempt = Parameters<NonNullable<InviteOptions['headers']>>[0]
    const sign = (attempt: Attempt, hazard = 'safety', nonce?: string) => ({
      'X-IF-Trace-ID': 'case-42',
      'X-IF-Hazard': hazard,
      'X-IF-Signature': signRequest(
        signingKey,
        { ...attempt, traceId: 'case-42', hazard: 'safety', method: 'INVITE', body: Buffer.from(attempt.body) },
        Date.now(),
        nonce
      )
    })
    // Times of signatures are whole seconds, and one from before the start could be a replay of what an earlier run saw.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const good = await caller.invite({ sdp, headers: (attempt) => sign(attempt) })
    t.is(good.status, 200, JSON.stringify(explained(running, good.callId)))
    await good.bye()
    t.is(running.entriesOf('sip_hash_verified')[0]!.parent_trace_id, 'case-42')

    const unsigned = await caller.invite({ sdp })
    const altered = await caller.invite({ sdp, headers: (attempt) => sign(attempt, 'alignment') })
    const nonce = 'A'.repeat(24)
    const once = await caller.invite({ sdp, headers: (attempt) => sign(attempt, 'safety', nonce) })
    await once.bye()
    const replayed = await caller.invite({ sdp, headers: (attempt) => sign(attempt, 'safety', nonce) })
    const impostor = await (await running.phone('expert-ethics', { uri: 'sip:expert-safety@external.advisor' })).invite({ sdp })
    const stranger = await (await running.phone('expert-ethics', { uri: 'sip:mallory@external.advisor' })).invite({ sdp })
    const wrongHazard = await (await running.phone('expert-ethics')).invite({ sdp })
    const cases = [
      [unsigned, 'guard.signature.missing', 'security_rejected'],
      [altered, 'guard.signature.invalid', 'security_rejected'],
      [replayed, 'guard.signature.replayed', 'security_rejected'],
      [impostor, 'guard.registered.identity-mismatch', 'security_rejected'],
      [stranger, 'guard.registered.unknown', 'rejected'],
      [wrongHazard, 'guard.specialisation.mismatch', 'rejected']
    ] as const
    await until(() => running.entries().filter(({ event }) => /REJECTED$/.test(event)).length >= cases.length)
    for (const [call, code] of cases) {
      t.is(call.status, 403, code)
      t.like(explained(running, call.callId), { decidedBy: 'policy', code })
    }
    t.is((await running.verify()).verdict, 'valid')
  }
)

test.serial('the edge’s own refusals stand in the ledger under their layer', async (t) => {
  const running = await runSuite(t, { limits: { callsPerMinute: 3 } })
  const wrong = await (await running.phone('expert-safety', { password: 'wrong' })).invite({ sdp })
  t.is(wrong.status, 403)
  await until(() => running.entriesOf('SECURITY_REJECTED').some(({ payload }) => payload.layer === 'digest'))
  t.like(explained(running, wrong.callId), { decidedBy: 'digest', code: 'edge.digest.bad-credentials' })

  const caller = await running.phone('expert-ethics')
  for (let call = 0; call < 3; call++) await (await caller.invite({ to: 'council-ethics', sdp })).bye()
  const fourth = await caller.invite({ to: 'council-ethics', sdp })
  t.is(fourth.status, 480)
  await until(() => running.entriesOf('SECURITY_REJECTED').some(({ payload }) => payload.layer === 'rate'))
  t.like(explained(running, fourth.callId), { decidedBy: 'rate' })

  const shown = await (await running.phone('expert-safety', await expiredCertificate(running.suite))).invite({ sdp })
  t.is(shown.status, 403)
  await until(() => running.entriesOf('SECURITY_REJECTED').some(({ payload }) => payload.layer === 'tls'))
  t.like(explained(running, shown.callId), { decidedBy: 'tls' })
})

test.serial('an expired server certificate keeps the suite from starting; one about to expire is warned of', async (t) => {
  const data = await temporaryFolder(t)
  const own = join(data, 'own')
  await mkdir(own)
  const authority = await createAuthority(own)
  const settings = (name: string) => ({
    data,
    certificates: { certificate: join(own, `${name}.pem`), key: join(own, `${name}.key`), ca: authority.certificate }
  })
  const make = (name: string, days: number) =>
    issueCertificate(authority, {
      name,
      commonName: name,
      usage: 'server',
      subjectAltNames: ['IP:127.0.0.1'],
      notBefore: new Date(Date.now() - 30 * dayMs),
      notAfter: new Date(Date.now() + days * dayMs)
    })
  await make('expired', -1)
  const error = await t.throwsAsync(runSuite(t, settings('expired')))
  t.is(errorCode(error), 'suite.start.edge')
  t.regex(error!.message, /expired/)
  await make('old', 10)
  const { events, suite } = await runSuite(t, settings('old'))
  t.true(events.some((event) => event.type === 'warning' && event.code === 'suite.certificate'))
  t.is(suite.status().certificateDaysLeft, 9)
})

test.serial('a user kept on MD5 whom the registry does not know keeps the suite from starting, and is named', async (t) => {
  const error = await t.throwsAsync(runSuite(t, { md5OnlyUsers: ['expert-safety', 'expert-saftey'] }))
  t.is(errorCode(error), 'suite.start.edge')
  t.regex(error!.message, /md5OnlyUsers: no party of the registry is called expert-saftey$/)
})

test.serial(
  'Kamailio killed mid-call: sound goes on, it comes back, and the phone’s BYE reaches the call over a new connection',
  async (t) => {
    const { suite, phone, rtp, events, entriesOf } = await runSuite(t)
    const sound = { expert: await rtp({ says: tone(440) }), guardian: await rtp({ says: tone(1000) }) }
    const expertPhone = await phone('expert-safety')
    const expert = await expertPhone.invite({ sdp: sound.expert.sdp() })
    const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: sound.guardian.sdp() })
    sound.expert.talkTo(expert.response.body)
    sound.guardian.talkTo(guardian.response.body)
    t.true(await hears(sound.guardian, 440))
    const before = suite.inside.edge!.pid()!
    process.kill(before, 'SIGKILL')
    await expertPhone.closed
    t.true(await hears(sound.guardian, 440), 'the Guardian hears the expert without the edge')
    await until(() => events.some((event) => event.type === 'part' && event.part === 'edge' && event.state === 'restarted'))
    t.not(suite.inside.edge!.pid(), before)
    t.is(suite.status().sip.active, 2)
    expert.moveTo(await phone('expert-safety'))
    t.is(statusOf(await expert.bye()), 200)
    await until(() => entriesOf('TERMINATED').length === 1)
    t.like(entriesOf('TERMINATED')[0], { payload: { hungUpBy: 'caller', reason: 'bye' } })
    const next = await (await phone('expert-safety')).invite({ sdp: sound.expert.sdp() })
    t.is(next.status, 200, 'new calls are taken')
    await next.bye()
  }
)

test.serial(
  'the suite killed mid-call: the edge it leaves behind is ended by the next run, which takes the same port',
  async (t) => {
    const data = await temporaryFolder(t)
    const settings = { data, listen: { tls: await freeTcpPort('127.0.0.1') } }
    const child = fork(fileURLToPath(new URL('../testing/suite-process.ts', import.meta.url)), [JSON.stringify(settings)], {
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
    t.teardown(() => void child.kill('SIGKILL'))
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    await t.throwsAsync(runSuite(t, { data }), { message: /works on this data folder/ })
    const credentials = JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8'))
    const ca = await readFile(join(data, 'certificates', 'ca.pem'), 'utf8')
    const uri = 'sip:expert-safety@external.advisor'
    const caller = await openPhone({ port, ca, uri, password: credentials.users['expert-safety'].password })
    t.teardown(caller.close)
    const call = await caller.invite({ sdp })
    t.is(call.status, 200)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { suite, entriesOf, verify, phone } = await runSuite(t, settings)
    t.is(suite.addresses.tls!.port, port)
    t.like(entriesOf('TERMINATED')[0], { payload: { callId: call.callId, reason: 'application-restart' } })
    t.is((await verify()).verdict, 'valid')
    call.moveTo(await phone('expert-safety'))
    t.is(statusOf(await call.bye()), 481)
  }
)

test.serial('an expert added to the registry can call without a restart', async (t) => {
  const { suite, phone, events } = await runSuite(t)
  await appendFile(
    suite.data.registry,
    '\n  - id: guardian-9\n    uri: sip:guardian-9@council.local\n    organisation: Guardian Council\n    digestUser: guardian-9\n'
  )
  await until(() => events.some((event) => event.type === 'registry' && event.ok && event.newUsers.includes('guardian-9')))
  const call = await (await phone('guardian-9')).invite({ to: 'council', sdp })
  t.is(call.status, 200)
  await call.bye()
  await appendFile(suite.data.registry, 'broken: [')
  await until(() => events.some((event) => event.type === 'registry' && !event.ok))
  t.is(suite.status().registry.parties, 6)
  t.true(suite.status().registry.problems.length > 0)
})

test.serial('late offer, CANCEL, forged and escaped edge headers, and garbage, each through the edge', async (t) => {
  const running = await runSuite(t)
  const { phone, entriesOf, suite } = running
  const caller = await phone('expert-safety')
  const late = await caller.invite({ answer: () => sdp })
  t.is(late.status, 200)
  t.regex(late.response.body, /^v=0/)
  await until(() => entriesOf('CONNECTED').length === 1)
  await late.bye()

  const cancelled = await caller.invite({ sdp, onSent: (cancel) => void setTimeout(cancel, 2) })
  t.true(cancelled.status === 487 || cancelled.status === 200)
  await until(() => suite.status().sip.active === 0 || cancelled.status === 200)
  if (cancelled.status === 200) await cancelled.bye()

  const forged = await caller.invite({
    sdp,
    headers: () => ({ 'X-IF-Edge-User': 'guardian-1', 'x-if-edge-certificate': 'sip:ceo@x' })
  })
  t.is(forged.status, 200, 'the edge removes what callers claim in its name')
  t.like(entriesOf('INVITE').at(-1)!.payload, { edge: { authenticatedUser: 'expert-safety', certificateIdentity: null } })
  await forged.bye()
  const escaped = caller.invite({ sdp, headers: () => ({ '%58-IF-Edge-Certificate': 'sip:ceo@x' }) }).then(
    ({ status }) => status,
    () => 'silence'
  )
  const outcome = await Promise.race([escaped, new Promise((resolve) => setTimeout(resolve, 1000, 'silence'))])
  t.not(outcome, 200, 'a name that another reader would unescape is refused or dropped')
  t.is(
    entriesOf('INVITE').filter(({ payload }) => (payload.edge as { certificateIdentity?: string })?.certificateIdentity).length,
    0
  )

  const vandal = await phone('expert-safety')
  vandal.sendRaw('\u0000\u0001\u0002 nonsense\r\n\r\n')
  vandal.sendRaw(`INVITE sip:council@x SIP/2.0\r\nContent-Length: 999999999\r\n\r\n${'A'.repeat(100_000)}`)
  const after = await (await phone('expert-safety')).invite({ sdp })
  t.is(after.status, 200)
  await after.bye()
  await until(() => suite.status().sip.active === 0)
  t.is((await running.verify()).verdict, 'valid')
})
