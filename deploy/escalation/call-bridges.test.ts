/** The bridges of one call by the whole suite: an expert's telephone, Guardians' terminals and browsers. */
import { readFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import type { BridgeView, EscalationView } from '#escalate'
import type { ControlFile, Suite, SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import type { Baresip } from '../../scripts/baresip/baresip.ts'
import { answeringExpert, hasBaresip } from '../testing/baresip.ts'
import { terminal } from '../testing/h323.ts'
import { edgeHeaders, folderWithExpert, type RunningSuite, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const withPhone = hasBaresip ? test.serial : test.skip

const h323 = { enabled: true, ras: 0, signalling: 0, router: 0 } as const
const bridges = { retriesMs: [100, 200, 400], operationMs: 3000 }

async function metricsOf({ data }: Suite): Promise<string> {
  const { url, token } = JSON.parse(await readFile(data.control, 'utf8')) as ControlFile
  return (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
}

interface Council extends RunningSuite {
  readonly expert: Baresip
  /** Calls the expert, who answers. */
  readonly escalate: () => Promise<EscalationView>
  readonly bridgeOf: (id: string, name: string) => BridgeView
  readonly bridgeIs: (id: string, name: string, state: BridgeView['state']) => Promise<void>
}

/** A suite with one expert, whose phone answers, and two Guardians. */
async function council(t: ExecutionContext, settings: SuiteSettings): Promise<Council> {
  const expert = await answeringExpert(t, 1700)
  const data = await folderWithExpert(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, {
    guardians: ['guardian-1', 'guardian-2']
  })
  const running = await runSuite(t, { data, h323, escalation: { bridges }, ...settings })
  const { escalator } = running.suite
  const bridgeOf = (id: string, name: string) => escalator.get(id)!.bridges.find(({ bridge }) => bridge === name)!
  return {
    ...running,
    expert,
    escalate: async () => {
      const message = { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } } as const
      const { escalation } = await escalator.escalate(message, { by: 'test' })
      return escalator.result(escalation.id)
    },
    bridgeOf,
    bridgeIs: (id, name, state) =>
      until(() => bridgeOf(id, name)?.state === state, 10_000, `${name} is ${JSON.stringify(bridgeOf(id, name))}, not ${state}`)
  }
}

withPhone(
  'a Guardian’s terminal is called to the expert, heard, called again when it is lost, and let go at the end',
  async (t) => {
    const running = await council(t, {})
    const { suite, escalate, bridgeIs, bridgeOf, entriesOf } = running
    const room = await terminal(t, running, 'guardian-1', 440)
    room.answerAll()
    const { id, result, trace_id } = await escalate()
    t.like(result, { status: 'connected' })
    await bridgeIs(id, 'h323', 'ACTIVE')
    t.like(suite.escalator.get(id), { degraded: false, bridge_state: 'ACTIVE' })
    t.like(bridgeOf(id, 'h323'), { target: 'guardian-1', reason: null })
    t.true(await hears(room.phone, 1700), 'the room hears the expert')

    // a line that breaks is not a Guardian who hangs up
    room.endpoint.calls()[0]!.release(41)
    await bridgeIs(id, 'h323', 'DEGRADED')
    t.like(suite.escalator.get(id), { state: 'connected', degraded: true })
    await bridgeIs(id, 'h323', 'ACTIVE')
    t.true(await hears(room.phone, 1700), 'and again')

    suite.escalator.cancel(id, 'test')
    await suite.escalator.ended(id)
    await until(() => room.endpoint.calls().length === 0)
    t.is(suite.inside.h323!.mcu.endpoint.calls().length, 0)
    t.like(bridgeOf(id, 'h323'), { state: 'CLOSED' })
    await until(() => entriesOf('escalation_ended').length === 1)
    const changes = entriesOf('BRIDGE_STATE_CHANGED').filter(({ component }) => component === 'IF.bridge.call')
    t.deepEqual(
      changes.map(({ payload }) => `${payload.previous} ${payload.state}`),
      ['IDLE CONNECTING', 'CONNECTING ACTIVE', 'ACTIVE DEGRADED', 'DEGRADED ACTIVE', 'ACTIVE CLOSED']
    )
    t.true(changes.every(({ parent_trace_id }) => parent_trace_id === trace_id))
    t.is((await running.verify()).verdict, 'valid')
  }
)

withPhone(
  'who hangs up is not called again; who declines has failed; who never answers has failed after all attempts',
  async (t) => {
    const running = await council(t, { escalation: { bridges: { retriesMs: [50], operationMs: 700 } } })
    const { suite, escalate, bridgeOf } = running
    const room = await terminal(t, running, 'guardian-1', 440)
    const other = await terminal(t, running, 'guardian-2', 600)
    room.answerAll()
    let rung = 0
    other.endpoint.onCall((call) => {
      rung++
      void call.alert()
    })
    const { id } = await escalate()
    const state = (target: string) => suite.escalator.get(id)!.bridges.find((each) => each.target === target)
    await until(() => state('guardian-1')?.state === 'ACTIVE')
    await until(() => state('guardian-2')?.state === 'FAILED')
    t.is(rung, 2)
    t.is(state('guardian-2')!.reason, 'bridge.timeout')
    t.is(state('guardian-1')!.state, 'ACTIVE', 'the other goes on')
    t.is(suite.escalator.get(id)!.bridge_state, 'DEGRADED')
    room.endpoint.calls()[0]!.release()
    await until(() => state('guardian-1')?.state === 'CLOSED')
    t.is(state('guardian-1')!.reason, 'h323.cause.16')
    t.is(suite.escalator.get(id)!.state, 'connected', 'the expert stays')
    suite.escalator.cancel(id, 'test')
    await suite.escalator.ended(id)
    t.is(suite.inside.h323!.mcu.endpoint.calls().length, 0)

    let declines = true
    other.endpoint.onCall((call) => {
      if (declines) call.release(21)
      else void call.answer({ conference: 'room', participant: 'me', role: 'guardian' })
    })
    const again = await escalate()
    const terminalIs = (target: string, wanted: BridgeView['state']) =>
      until(() => suite.escalator.get(again.id)!.bridges.some((each) => each.target === target && each.state === wanted))
    await terminalIs('guardian-1', 'ACTIVE')
    await terminalIs('guardian-2', 'FAILED')
    t.is(bridgeOf(again.id, 'webrtc').skipped, 'webrtc.off')

    const shown = await ifctl(['escalate', 'show', again.id, '--data', suite.data.folder])
    t.regex(shown.stdout, /, DEGRADED: safety/)
    t.regex(shown.stdout, /^h323 to guardian-1: ACTIVE$/m)
    t.regex(shown.stdout, /^h323 to guardian-2: FAILED \(h323\.cause\.21\)$/m)
    t.regex(shown.stdout, /^webrtc: skipped \(webrtc\.off\)$/m)
    t.regex((await ifctl(['escalate', 'list', '--data', suite.data.folder])).stdout, /connected {2}DEGRADED/)
    const figures = await metricsOf(suite)
    for (const state of ['ACTIVE', 'FAILED'])
      t.regex(figures, new RegExp(`^call_bridges\\{bridge="h323",state="${state}"\\} 1$`, 'm'))
    t.regex(figures, /^call_bridges_skipped_total\{bridge="webrtc"\} 2$/m)

    declines = false
    const { folder } = suite.data
    const retried = await ifctl(['escalate', 'retry', again.id, 'h323', 'guardian-2', '--data', folder])
    t.is(retried.stdout, 'h323 to guardian-2: CONNECTING\n', retried.stderr)
    await terminalIs('guardian-2', 'ACTIVE')
    const refused = await ifctl(['escalate', 'retry', again.id, 'h323', '--data', folder])
    t.regex(refused.stderr, /only what has FAILED is tried again: it is ACTIVE \(bridge\.not-failed\)/)
    t.not(refused.code, 0)
    t.like(running.entriesOf('BRIDGE_RETRIED'), [{ payload: { target: 'guardian-2', reason: 'h323.cause.21' } }])
    suite.escalator.cancel(again.id, 'test')
    await suite.escalator.ended(again.id)
  }
)

test('an expert who calls in has the bridges that are set for that, and their end is the end of the call', async (t) => {
  const running = await runSuite(t, {
    edge: 'external',
    media: { srtp: 'off' },
    h323,
    escalation: { bridges: { ...bridges, dialIn: ['h323', 'webrtc'] } }
  })
  const { suite, phone, entriesOf } = running
  const room = await terminal(t, running, 'guardian-1', 440)
  room.answerAll()
  const sound = await running.rtp({ says: tone(1700) })
  const trace = { 'X-IF-Trace-ID': 'case-42' }
  const sip = await (await phone('expert-safety')).invite({
    sdp: sound.sdp(),
    headers: () => ({ ...edgeHeaders('expert-safety'), ...trace })
  })
  t.is(sip.status, 200)
  sound.talkTo(sip.response.body)
  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8')) as ControlFile
  const listed = async () => {
    const answer = await fetch(`${url}/v1/call-bridges`, { headers: { authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { calls: { state: string; bridges: BridgeView[] }[] }).calls
  }
  await until(async () => (await listed())[0]?.state === 'ACTIVE', 10_000, 'the terminal is in the conference')
  t.like((await listed())[0], { escalation: null, expert: 'expert-safety', conference: 'council' })
  t.like((await listed())[0]!.bridges, [
    { bridge: 'h323', target: 'guardian-1', state: 'ACTIVE' },
    { bridge: 'webrtc', skipped: 'webrtc.off' }
  ])
  t.true(await hears(room.phone, 1700), 'the room hears the expert')
  const shown = await ifctl(['escalate', 'bridges', '--data', suite.data.folder])
  t.regex(shown.stdout, /^expert-safety in council, trace \w+: ACTIVE\n {2}h323 to guardian-1: ACTIVE\n {2}webrtc: skipped/)
  await sip.bye()
  await until(async () => (await listed()).length === 0, 10_000, 'nothing is left')
  t.is(room.endpoint.calls().length, 0)
  const changes = () => entriesOf('BRIDGE_STATE_CHANGED').filter(({ component }) => component === 'IF.bridge.call')
  await until(() => changes().length === 3)
  t.deepEqual(
    changes().map(({ payload }) => payload.state),
    ['CONNECTING', 'ACTIVE', 'CLOSED']
  )
  t.true(running.events.some((event) => event.type === 'call-bridge' && event.state === 'ACTIVE'))
})
