/** Experts by SIP and Guardians by H.323 terminals, through the whole suite. */
import test from 'ava'
import { tone } from '../../gateways/h323/mcu/testing/terminal.ts'
import { terminal } from '../testing/h323.ts'
import { edgeHeaders, runSuite, until } from '../testing/harness.ts'
import { hears, level } from '../testing/sound.ts'

const external = {
  edge: 'external',
  media: { srtp: 'off' },
  h323: { enabled: true, ras: 0, signalling: 0, router: 0, prefix: '88' }
} as const

for (const routing of ['direct', 'routed'] as const)
  test(`an expert by SIP and two Guardians by H.323 hear each other in the council: calls ${routing}`, async (t) => {
    const running = await runSuite(t, { ...external, h323: { ...external.h323, routing } })
    const { suite, phone, rtp, entriesOf, verify } = running
    const [one, two] = [await terminal(t, running, 'guardian-1', 440), await terminal(t, running, 'guardian-2', 1000, 'G722')]
    const sound = await rtp({ says: tone(1700) })
    const sip = await (await phone('expert-safety')).invite({ sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
    t.is(sip.status, 200)
    sound.talkTo(sip.response.body)
    const first = await one.call('council')
    await two.call('881')
    t.true(await hears(sound, 440), 'the expert hears the first room')
    t.true(await hears(sound, 1000), 'and the second')
    t.true(await hears(one.phone, 1700), 'the first room hears the expert')
    t.true(await hears(one.phone, 1000), 'and the second room')
    t.true(await hears(two.phone, 1700, 16_000))
    t.deepEqual(
      suite.inside.media
        .roster('council')
        .map(({ role }) => role)
        .sort(),
      ['expert', 'guardian', 'guardian']
    )
    t.is(suite.inside.h323?.router?.stats().routed ?? 0, routing === 'routed' ? 2 : 0)
    first.release()
    await until(() => suite.inside.media.roster('council').length === 2)
    await sip.bye()
    await until(() => entriesOf('TERMINATED').length === 2)
    const established = entriesOf('BRIDGE_ESTABLISHED').filter(({ component }) => component === 'IF.bridge.h323')
    t.is(established.length, 2)
    t.is((await verify()).verdict, 'valid')
  })

test('a SIP call to a terminal: ringing, answer, sound, digits both ways, hold, the end with its cause, one trace', async (t) => {
  const running = await runSuite(t, external)
  const { suite, phone, rtp, entriesOf } = running
  const room = await terminal(t, running, 'guardian-1', 440)
  room.answerAll()
  const sound = await rtp({ says: tone(1700) })
  const expert = await phone('expert-safety')
  const sip = await expert.invite({
    to: 'guardian-1-safety',
    sdp: sound.sdp(),
    headers: () => ({ ...edgeHeaders('expert-safety'), 'X-IF-Trace-ID': 'case-42' })
  })
  t.is(sip.status, 200, JSON.stringify(entriesOf('REJECTED')))
  sound.talkTo(sip.response.body)
  t.true(await hears(sound, 440))
  t.true(await hears(room.phone, 1700))
  sound.press('7')
  await until(
    () => room.events.some((event) => event.type === 'digit' && event.digit === '7'),
    10_000,
    'the terminal has the digit'
  )
  const held = () => room.events.findLast((event) => event.type === 'held')
  const reinvite = (direction: 'sendonly' | 'sendrecv') =>
    sip.request('INVITE', {
      headers: { 'Content-Type': 'application/sdp', 'X-IF-Trace-ID': 'case-42' },
      body: sound.sdp(direction)
    })
  t.regex((await reinvite('sendonly')).start, /200/)
  await until(() => held()?.held === true, 10_000, 'the terminal is held')
  t.regex((await reinvite('sendrecv')).start, /200/)
  await until(() => held()?.held === false, 10_000, 'and is not any more')
  t.true(await hears(room.phone, 1700))
  const established = entriesOf('BRIDGE_ESTABLISHED').find(({ component }) => component === 'IF.bridge.sip-h323')!
  t.like(established.payload, { stage: 'direct', sip: 'PCMU', h323: 'PCMU' })
  t.is(established.parent_trace_id, 'case-42')
  const { h323TraceId } = established.payload as { h323TraceId: string }
  await until(
    () => entriesOf('h323_acf_received').some(({ trace_id }) => trace_id === h323TraceId),
    10_000,
    'the gatekeeper has the call'
  )
  const [call] = room.endpoint.calls()
  t.is(call!.genericData.length, 1, 'the trace goes with the SETUP')
  call!.release()
  await until(() => suite.status().sip.active === 0)
  await until(() => entriesOf('TERMINATED').some(({ component }) => component === 'IF.bridge.sip-h323'))
  const ended = entriesOf('TERMINATED').find(({ component }) => component === 'IF.bridge.sip-h323')!.payload as Record<
    'sip' | 'h323',
    { received: { packets: number } }
  >
  t.true(ended.sip.received.packets > 20 && ended.h323.received.packets > 20)
  t.like(entriesOf('sip_bye_sent')[0]?.payload, { reason: 'Q.850;cause=16' })
})

test('sound before the answer reaches the caller as 183, a refusal after it with its cause', async (t) => {
  const running = await runSuite(t, external)
  const room = await terminal(t, running, 'guardian-1', 440)
  room.endpoint.onCall((call) => {
    void call.alert({ conference: 'room', participant: 'me', role: 'guardian' })
    setTimeout(() => call.release(21), 1500)
  })
  const sound = await running.rtp({ says: tone(1700) })
  const expert = await running.phone('expert-safety')
  const call = await expert.invite({ to: 'guardian-1-safety', sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(call.status, 403)
  t.true(call.provisional.includes(183), String(call.provisional))
  t.true(level(sound, 440) > -25, 'and the caller has heard it')
})

test('a terminal that is busy is 486 to the SIP side; a name that nobody has is 404', async (t) => {
  const running = await runSuite(t, external)
  const { phone, rtp, entriesOf } = running
  const room = await terminal(t, running, 'guardian-1', 440)
  room.endpoint.onCall((call) => call.release(17))
  const sound = await rtp()
  const expert = await phone('expert-safety')
  const busy = await expert.invite({ to: 'guardian-1-safety', sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(busy.status, 486)
  t.like(entriesOf('BRIDGE_FAILED')[0]?.payload, { step: 'h323-leg', cause: 17 })
  const unknown = await expert.invite({ to: 'guardian-2-safety', sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(unknown.status, 404)
})
