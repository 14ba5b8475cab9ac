/** Phones of IPv6 in the running suite, beside those of IPv4: calls in, calls out, sound in one conference. */
import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { toneLevel } from '#media'
import { runSipp, startSipp } from '#sipp'
import { readCredentials, resolveSuiteConfig } from '#suite'
import { startBaresip } from '../../scripts/baresip/baresip.ts'
import { hasBaresip } from '../testing/baresip.ts'
import { folderWithExpert, type RunningSuite, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const loopback6 = '::1'
const has6 = networkInterfaces().lo?.some(({ address }) => address === loopback6) === true
const test6 = has6 ? test : test.skip
const withBaresip = has6 && hasBaresip ? test : test.skip

const listen = { tls: 0, udp: 0, address6: loopback6 }

/** A Guardian with IPv4 in the council, who says 1 kHz. */
async function guardian({ phone, rtp }: RunningSuite) {
  const sound = await rtp({ says: tone(1000) })
  const call = await (await phone('guardian-1')).invite({ to: 'council', sdp: sound.sdp() })
  sound.talkTo(call.response.body)
  return { sound, call }
}

const escalate = async ({ suite }: RunningSuite) => {
  const message = { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } } as const
  const { escalation } = await suite.escalator.escalate(message, { by: 'test' })
  return escalation.id
}

test6('an expert with IPv6 dials in over TLS and talks with a Guardian who has IPv4; both stand in the record', async (t) => {
  const running = await runSuite(t, { listen })
  const { phone, rtp, entriesOf, verify, suite } = running
  t.is(suite.addresses.ipv6, loopback6)
  const { sound, call } = await guardian(running)
  const six = await rtp({ address: loopback6, srtp: true, says: tone(440) })
  const expert = await (await phone('expert-safety', { host: loopback6 })).invite({ sdp: six.sdp() })
  t.is(expert.status, 200)
  t.regex(expert.response.body, /c=IN IP6 ::1\r/)
  six.talkTo(expert.response.body)
  t.deepEqual(await Promise.all([hears(six, 1000), hears(sound, 440)]), [true, true])
  await expert.bye()
  await call.bye()
  await until(() => entriesOf('TERMINATED').length === 2)
  t.deepEqual(
    entriesOf('INVITE').map(({ payload }) => (payload.edge as { sourceAddress: string }).sourceAddress),
    ['127.0.0.1', loopback6]
  )
  t.is((await verify()).verdict, 'valid')
})

test6('an expert is called out at a contact with IPv6, and offered sound there', async (t) => {
  const expert = await startSipp({ scenario: 'uas-expert', localAddress: loopback6, calls: 1, timeoutMs: 30_000 })
  t.teardown(() => expert.stop())
  await expert.ready
  const data = await folderWithExpert(t, `"sip:expert-safety@[::1]:${expert.port}"`)
  const running = await runSuite(t, { data, listen })
  const id = await escalate(running)
  t.like(await running.suite.escalator.result(id), { result: { status: 'connected' } })
  const call = running.suite.status().calls.find(({ direction }) => direction === 'outbound')
  t.is(call?.bridge, 'CONNECTED')
  running.suite.escalator.cancel(id, 'test')
  await running.suite.escalator.ended(id)
  t.is((await expert.result).outcome, 'passed')
  t.is((await running.verify()).verdict, 'valid')
})

withBaresip('baresip with IPv6 registers over TLS, is called there, and talks with who has IPv4', async (t) => {
  const data = await folderWithExpert(t, 'registered', { host: '127.0.0.1', guardians: ['guardian-1'] })
  const running = await runSuite(t, { data, listen, md5OnlyUsers: ['expert-safety'], escalation: { tls: 'required' } })
  const { suite, entriesOf, verify } = running
  const { sound, call } = await guardian(running)
  const { users } = await readCredentials(suite.data.credentials)
  const expert = await startBaresip({
    host: loopback6,
    address: 'expert-safety@127.0.0.1',
    transport: 'tls',
    outbound: { host: loopback6, port: suite.addresses.tls!.port },
    digest: { user: 'expert-safety', password: users['expert-safety']!.password! },
    registerIntervalS: 300,
    answer: 'auto',
    source: { toneHz: 440 }
  })
  t.teardown(expert.stop)
  await until(() => entriesOf('sip_registered').length === 1)
  const id = await escalate(running)
  const result = await suite.escalator.result(id)
  t.like(result, { result: { status: 'connected' } })
  t.true(await hears(sound, 440))
  // what the expert hears is recorded in the meantime
  await pause(1000)
  suite.escalator.cancel(id, 'test')
  await expert.next('CALL_CLOSED', 10_000)
  const { samples, sampleRateHz } = (await expert.recording())!
  const parts = Array.from({ length: Math.floor(samples.length / 1600) }, (_, n) => samples.slice(1600 * n, 1600 * (n + 1)))
  t.true(
    parts.some((part) => toneLevel(part, sampleRateHz, 1000) > -30),
    'the expert hears the Guardian'
  )
  await call.bye()
  t.is((await verify()).verdict, 'valid')
})

test6('without the setting nothing listens on IPv6', async (t) => {
  const running = await runSuite(t, { listen: { tls: 0, udp: 0 } })
  const result = await runSipp({
    scenario: 'uac-options',
    localAddress: loopback6,
    target: { host: loopback6, port: running.suite.addresses.udp!.port },
    calls: 1,
    retransmits: false,
    timeoutMs: 3000,
    receiveTimeoutMs: 1000
  })
  t.not(result.outcome, 'passed')
})

test('addresses of IPv6 are checked', (t) => {
  for (const address6 of ['127.0.0.1', 'localhost', '[::1]'])
    t.throws(() => resolveSuiteConfig('suite', { listen: { address6 } }), { message: /address6/ }, address6)
  t.notThrows(() => resolveSuiteConfig('suite', { allowlist: [{ network: '2001:db8::/32', name: 'Advisory' }] }))
})
