/** The suite is killed while an expert is in the council: the next one goes on with the call, or closes the record and hangs up on the phone. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { ledgerFiles, readEntries } from '#ledger'
import { failureText, startSipp } from '#sipp'
import type { Suite, SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { freeTcpPort, freeUdpPort } from '../edge/free-ports.ts'
import { answeringExpert, hasBaresip } from '../testing/baresip.ts'
import { terminal } from '../testing/h323.ts'
import { folderWithExpert, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

/** A suite with one expert, in a process that can be killed. */
async function killableSuite(t: ExecutionContext, contact: string, settings: SuiteSettings, folder?: string) {
  const data = folder ?? (await folderWithExpert(t, contact, { guardians: ['guardian-1'] }))
  const child = fork(
    fileURLToPath(new URL('../testing/suite-process.ts', import.meta.url)),
    [JSON.stringify({ listen: { tls: 0 }, ...settings, data })],
    { execArgv: ['--disable-warning=ExperimentalWarning'] }
  )
  t.teardown(() => void child.kill('SIGKILL'))
  const [{ ras, h323Accounts }] = (await once(child, 'message')) as [{ ras: Suite['addresses']['ras']; h323Accounts: string }]
  const entriesOf = (wanted: string) =>
    readEntries(ledgerFiles(join(data, 'ledger')).database).filter(({ event }) => event === wanted)
  return {
    data,
    entriesOf,
    /** What terminals need to find it. */
    suite: { data: { h323Accounts }, addresses: { ras } } as Pick<Suite, 'data' | 'addresses'>,
    escalate: async () => {
      const escalated = await ifctl(['escalate', 'safety', '--trace', 'case-42'], { env: { IF_DATA: data } })
      t.is(escalated.code, 0, escalated.stderr + escalated.stdout)
      await until(() => entriesOf('CONNECTED').length > 0)
    },
    kill: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

const withPhone = hasBaresip ? test.serial : test.serial.skip

withPhone(
  'a call goes on after the suite was killed and started anew: same dialog, sound again, the phone hangs up',
  async (t) => {
    const expert = await answeringExpert(t, 440)
    const listen = { tls: await freeTcpPort('127.0.0.1'), udp: await freeUdpPort('127.0.0.1') }
    const first = await killableSuite(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, { listen })
    await first.escalate()
    await first.kill()

    const { suite, entriesOf, rtp, phone, verify } = await runSuite(t, { data: first.data, listen })
    await until(() => suite.status().sip.takenUp === 1 && entriesOf('CONNECTED').length === 2)
    const before = entriesOf('CONNECTED')[0]!
    const [closed] = entriesOf('TERMINATED')
    t.like(closed, { trace_id: before.trace_id, payload: { reason: 'application-restart', takenUp: true, byeFollows: false } })
    const after = entriesOf('CONNECTED')[1]!
    t.like(after, { parent_trace_id: 'case-42', payload: { conference: 'council', expertId: 'expert-safety' } })
    t.is(after.payload.callId, before.payload.callId)
    t.like(entriesOf('INVITE')[1], { payload: { takesUp: before.trace_id } })
    t.is(entriesOf('policy_decision').length, 2, 'IF.guard is asked again')

    const sound = await rtp({ says: tone(1000) })
    const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: sound.sdp() })
    t.is(guardian.status, 200)
    sound.talkTo(guardian.response.body)
    t.true(await hears(sound, 440), 'the expert is heard')
    await guardian.bye()

    await expert.hangup()
    await until(() => entriesOf('TERMINATED').length === 3)
    t.like(
      entriesOf('TERMINATED').find(({ trace_id }) => trace_id === after.trace_id),
      { payload: { hungUpBy: 'callee' } }
    )
    t.is((await verify()).verdict, 'valid')
  }
)

withPhone('a call goes on after every kill: each run counts its requests behind those of the one before', async (t) => {
  const expert = await answeringExpert(t, 440)
  const listen = { tls: await freeTcpPort('127.0.0.1'), udp: await freeUdpPort('127.0.0.1') }
  const contact = `sip:expert-safety@127.0.0.1:${expert.sipPort}`
  const first = await killableSuite(t, contact, { listen })
  await first.escalate()
  await first.kill()
  const second = await killableSuite(t, contact, { listen }, first.data)
  await until(() => second.entriesOf('CONNECTED').length === 2)
  await second.kill()

  const { suite, entriesOf, verify } = await runSuite(t, { data: first.data, listen })
  await until(() => suite.status().sip.takenUp === 1 && entriesOf('CONNECTED').length === 3)
  const callIds = entriesOf('CONNECTED').map(({ payload }) => payload.callId)
  t.is(new Set(callIds).size, 1)
  const counted = entriesOf('sip_dialog_established').map(({ payload }) => payload.localCSeq)
  t.deepEqual([...counted].sort(), counted, 'each higher than the one before')
  t.is(new Set(counted).size, 3)
  await expert.hangup()
  await until(() => entriesOf('TERMINATED').length === 3)
  t.is((await verify()).verdict, 'valid')
})

withPhone('where the ledger is in Redis, the calls that a killed run left are found there', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const expert = await answeringExpert(t, 440)
  const settings: SuiteSettings = {
    listen: { tls: await freeTcpPort('127.0.0.1'), udp: await freeUdpPort('127.0.0.1') },
    ledger: { store: { kind: 'redis', url: redis.url } }
  }
  const first = await killableSuite(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, settings)
  const escalated = await ifctl(['escalate', 'safety', '--data', first.data])
  t.is(escalated.code, 0, escalated.stderr + escalated.stdout)
  await first.kill()
  const { suite } = await runSuite(t, { ...settings, data: first.data })
  await until(() => suite.status().sip.takenUp === 1)
  t.is(suite.status().sip.closedAfterRestart, 1)
  await expert.hangup()
  await until(() => suite.status().sip.active === 0)
  t.is(suite.status().sip.ended, 1)
})

withPhone('a call that is taken up has its bridges again: terminals are called, pages have their channel', async (t) => {
  const expert = await answeringExpert(t, 1700)
  const settings: SuiteSettings = {
    listen: { tls: await freeTcpPort('127.0.0.1'), udp: await freeUdpPort('127.0.0.1') },
    h323: { enabled: true, ras: await freeUdpPort('127.0.0.1'), signalling: 0, router: 0 },
    webrtc: { enabled: true, port: 0 }
  }
  const first = await killableSuite(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, settings)
  const room = await terminal(t, first, 'guardian-1', 440)
  room.answerAll()
  await first.escalate()
  const bridged = () => first.entriesOf('BRIDGE_STATE_CHANGED').filter(({ component }) => component === 'IF.bridge.call')
  const become = (state: string) => bridged().filter(({ payload }) => payload.state === state)
  await until(() => become('ACTIVE').length === 2)
  const before = become('ACTIVE').find(({ payload }) => payload.bridge === 'h323')!
  await first.kill()

  const running = await runSuite(t, { ...settings, data: first.data })
  const { suite } = running
  await until(() => suite.status().sip.takenUp === 1)
  const closed = become('CLOSED').filter(({ trace_id }) => trace_id === before.trace_id)
  t.is(closed.length, 2)
  for (const { payload } of closed) t.like(payload, { previous: 'ACTIVE', reason: 'application-restart' })
  const shown = async () => (await ifctl(['escalate', 'bridges', '--data', suite.data.folder])).stdout
  await until(
    async () => /^ {2}h323 to guardian-1: ACTIVE$/m.test(await shown()) && /^ {2}webrtc: ACTIVE$/m.test(await shown()),
    30_000
  )
  t.true(await hears(room.phone, 1700), 'the room hears the expert again')
  const after = become('ACTIVE').findLast(({ payload }) => payload.bridge === 'h323')!
  t.like(after, { parent_trace_id: 'case-42', payload: { target: 'guardian-1', takesUp: before.trace_id } })

  await expert.hangup()
  await until(() => room.endpoint.calls().length === 0)
  await until(() => become('CLOSED').length === 4)
  t.is((await running.verify()).verdict, 'valid')
})

test.serial('a phone that was called out does not stay in a call in which nobody is left', async (t) => {
  const phone = await startSipp({ scenario: 'uas-expert', calls: 1, receiveTimeoutMs: 60_000, timeoutMs: 70_000 })
  t.teardown(() => phone.stop())
  await phone.ready
  const first = await killableSuite(t, `sip:expert-safety@127.0.0.1:${phone.port}`, {})
  await first.escalate()
  await first.kill()
  const { suite, entriesOf, verify } = await runSuite(t, { data: first.data, restart: 'hang-up' })
  const result = await phone.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(suite.status().sip.closedAfterRestart, 1)
  t.like(entriesOf('TERMINATED')[0], { payload: { reason: 'application-restart', byeFollows: true } })
  t.is((await verify()).verdict, 'valid')
})
