/** Terminals, gatekeeper, MCU and media plane, each the real one, over sockets of 127.0.0.1. */
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { newTraceId, silentLog } from '#kernel'
import { RtpPhone, toneLevel } from '../../../media/media.ts'
import type { EndpointConfig } from '../endpoint/endpoint.ts'
import { keyOfAlias, textOfAddress } from '../gatekeeper/addresses.ts'
import type { McuConfig } from './mcu.ts'
import { startCouncil, until } from './testing/council.ts'
import { openTerminal, type Terminal, tone } from './testing/terminal.ts'

let firstPort = 31_000

async function scene(t: ExecutionContext, more: Partial<McuConfig> = {}) {
  firstPort += 100
  const council = await startCouncil(
    t,
    { sound: [firstPort, firstPort + 99] },
    {
      prefixes: ['88'],
      conferenceOf: (called) =>
        called.map(keyOfAlias).some((key) => key === 'h323:council' || key === 'digits:881') ? 'council' : null,
      ...more
    }
  )
  const { gatekeeper } = council
  const room = (name: string, frequencyHz: number, codec = 'PCMU', config: Partial<EndpointConfig> = {}): Promise<Terminal> =>
    openTerminal(t, { codec, says: tone(frequencyHz, rateOf(codec)) }, { aliases: [name], gatekeeper, ...config })
  return { ...council, room }
}

/** Samples a second of what a codec carries. */
const rateOf = (codec: string): number => ({ opus: 48_000, G722: 16_000 })[codec] ?? 8000

/** Level of a tone in what a terminal heard lately, dBFS. */
const level = ({ phone }: { phone: RtpPhone }, frequencyHz: number, rateHz = 8000): number =>
  toneLevel(phone.takeHeard().subarray(-rateHz / 2), rateHz, frequencyHz)

const indications = ({ events }: Terminal): string[] =>
  events.flatMap((event) => {
    if (event.type !== 'h245' || event.message.type !== 'indication') return []
    const { value } = event.message
    return [value.type === 'conferenceIndication' ? value.value.type : value.type]
  })

test('rooms of different codecs in one conference hear each other: A-law, G.729, Opus, G.722', async (t) => {
  const { room } = await scene(t)
  const tones = { PCMA: 440, G729: 700, opus: 1000, G722: 1700 } as const
  const rooms: Record<string, Terminal> = {}
  for (const [codec, frequencyHz] of Object.entries(tones)) {
    rooms[codec] = await room(`room-${codec.toLowerCase()}`, frequencyHz, codec)
    await rooms[codec].call('council')
  }
  /** What is not as it has to be, in what was heard lately. */
  const wrong = async (): Promise<string[]> => {
    for (const { phone } of Object.values(rooms)) phone.takeHeard()
    await sleep(1500)
    return Object.entries(rooms).flatMap(([codec, { phone }]) => {
      const heard = phone.takeHeard().subarray(-rateOf(codec))
      return Object.entries(tones).flatMap(([said, frequencyHz]) => {
        const decibels = toneLevel(heard, rateOf(codec), frequencyHz)
        const isRight = said === codec ? decibels < -40 : decibels > -32
        return isRight ? [] : [`${codec} hears ${said}, ${decibels.toFixed()} dBFS`]
      })
    })
  }
  let last = await wrong()
  for (let tries = 0; last.length > 0 && tries < 8; tries++) last = await wrong()
  t.deepEqual(last, [])
})

test('two rooms and a telephone in one conference hear each other and not themselves; numbers, roster, record, price', async (t) => {
  const { bench, media, mcu, room, entriesOf } = await scene(t)
  const [one, two] = [await room('room-1', 440), await room('room-2', 1000, 'G722')]
  const first = await one.call('council')
  const second = await two.call('881')
  const expert = await RtpPhone.open({ says: tone(1700) })
  t.teardown(() => expert.close())
  const joined = await media.join(
    { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now },
    { conference: 'council', participant: 'expert-1', role: 'expert', offer: expert.sdp() }
  )
  if (!joined.ok) return t.fail(joined.reason)
  expert.talkTo(joined.sdp)
  await until(() => level(one, 1700) > -25, 'room 1 hears the expert')
  await until(() => level({ phone: expert }, 1000) > -25, 'the expert hears room 2')
  const heard = { one: one.phone, two: two.phone, expert }
  for (const phone of Object.values(heard)) phone.takeHeard()
  await sleep(700)
  const samples = {
    one: heard.one.takeHeard().subarray(-4000),
    two: heard.two.takeHeard().subarray(-8000),
    expert: expert.takeHeard().subarray(-4000)
  }
  const rates = { one: 8000, two: 16_000, expert: 8000 } as const
  const hears = (who: keyof typeof samples, hz: number) => toneLevel(samples[who], rates[who], hz)
  t.true(hears('one', 1000) > -25)
  t.true(hears('one', 440) < -45)
  t.true(hears('two', 440) > -25)
  t.true(hears('two', 1700) > -25)
  t.true(hears('two', 1000) < -45)
  t.true(hears('expert', 440) > -25)
  t.true(hears('expert', 1000) > -25)

  const { terminals } = mcu.conference('council')
  t.deepEqual(
    terminals.map(({ number, protocol, codec, role }) => ({ number, protocol, codec: codec?.split('/')[0], role })),
    [
      { number: 1, protocol: 'h323', codec: 'PCMU', role: 'guardian' },
      { number: 2, protocol: 'h323', codec: 'G722', role: 'guardian' },
      { number: 3, protocol: 'other', codec: 'PCMU', role: 'expert' }
    ]
  )
  t.deepEqual(
    indications(one)
      .filter((type) => type !== 'vendorIdentification')
      .slice(0, 4),
    ['mcLocationIndication', 'terminalNumberAssign', 'terminalJoinedConference', 'terminalJoinedConference']
  )

  const gone = joined.leg.leave()
  await gone
  await until(() => indications(two).includes('terminalLeftConference'), 'room 2 is told that the expert left')
  first.release()
  second.release()
  await until(() => entriesOf('TERMINATED').length === 2, 'both ends are recorded')
  const [ended] = entriesOf('TERMINATED')
  t.is(ended!.payload.cause, 16)
  t.true((ended!.payload.leg as { received: { packets: number } }).received.packets > 25)
  t.deepEqual(
    entriesOf('BRIDGE_STATE_CHANGED')
      .filter(({ traceId }) => traceId === ended!.traceId)
      .map(({ payload }) => payload.state),
    ['SETUP', 'CONNECTED', 'DISCONNECTING', 'DISCONNECTED']
  )
  await until(
    () => bench.events.filter(({ event }) => event === 'h323_call_complete').length === 2,
    'the gatekeeper has the price of both'
  )
  t.deepEqual(mcu.conferences(), [])
})

for (const [name, modes] of [
  ['separate H.245 channel', { fastStart: false, tunnelling: false }],
  ['slow start, tunnelled', { fastStart: false, tunnelling: true }],
  ['fast start, H.245 on its own', { fastStart: true, tunnelling: false }],
  ['early H.245', { fastStart: false, tunnelling: true, earlyH245: true }]
] as const)
  test(`dial in: ${name}`, async (t) => {
    const { room, mcu } = await scene(t)
    const [one, two] = [await room('room-1', 440), await room('room-2', 1000)]
    await one.call('council', modes)
    await two.call('council', modes)
    await until(() => level(one, 1000) > -25, 'the first hears the second')
    t.is(mcu.conference('council').terminals.length, 2)
    await until(() => indications(one).includes('terminalNumberAssign'), 'numbered')
  })

test('dial out: a terminal is called into the conference with the trace of who asked; one that is busy is told as such', async (t) => {
  const { room, mcu, entriesOf } = await scene(t)
  const [one, two] = [await room('room-1', 440), await room('room-2', 1000)]
  await one.call('council')
  two.answerAll()
  const invitation = mcu.invite('council', 'room-2', { name: 'room-2', role: 'guardian', parentTraceId: 'escalation-7' })
  const answer = await invitation.answered
  t.true(answer.ok)
  t.is(entriesOf('BRIDGE_ESTABLISHED').find(({ traceId }) => traceId === invitation.traceId)?.parentTraceId, 'escalation-7')
  await until(() => level(one, 1000) > -25, 'who was called in is heard')
  mcu.drop('council', invitation.participant)
  await until(() => mcu.conference('council').terminals.length === 1, 'dropped')
  two.endpoint.onCall((call) => call.release(17))
  const busy = await mcu.invite('council', 'nobody', { name: 'nobody', role: 'guardian' }).answered
  t.like(busy, { ok: false })
})

test('a terminal asks for the list and the chair; the chair drops another; keys and a microphone that is off reach the floor', async (t) => {
  const { room, mcu, entriesOf } = await scene(t)
  const [one, two] = [await room('room-1', 440), await room('room-2', 1000)]
  const first = await one.call('council')
  const second = await two.call('council')
  await until(
    () => indications(one).includes('terminalNumberAssign') && indications(two).includes('terminalNumberAssign'),
    'numbered'
  )
  first.sendH245({ type: 'request', value: { type: 'conferenceRequest', value: { type: 'terminalListRequest' } } })
  first.sendH245({ type: 'request', value: { type: 'conferenceRequest', value: { type: 'makeMeChair' } } })
  const responses = () =>
    one.events.flatMap((event) =>
      event.type === 'h245' && event.message.type === 'response' && event.message.value.type === 'conferenceResponse'
        ? [event.message.value.value.type]
        : []
    )
  await until(() => responses().length === 2, 'answered')
  t.deepEqual(responses(), ['terminalListResponse', 'makeMeChairResponse'])
  t.is(mcu.conference('council').terminals.find(({ chair }) => chair)?.number, 1)
  second.sendDigit('*')
  second.sendDigit('6')
  await until(() => mcu.conference('council').terminals[1]?.muted === true, 'muted by keys')
  t.is(entriesOf('h323_dtmf_received').length, 2)
  first.sendH245({
    type: 'indication',
    value: { type: 'miscellaneousIndication', value: { logicalChannelNumber: 1, type: { type: 'logicalChannelInactive' } } }
  })
  await until(() => mcu.conference('council').terminals[0]?.muted === true, 'muted by its own indication')
  first.sendH245({
    type: 'request',
    value: { type: 'conferenceRequest', value: { type: 'dropTerminal', value: { mcuNumber: 0, terminalNumber: 2 } } }
  })
  await second.ended
  t.like(entriesOf('h323_terminal_dropped')[0]?.payload, { conference: 'council' })
})

test('a text is shown on a terminal that takes text as user input, and on no other', async (t) => {
  const { mcu, room } = await scene(t)
  const takesText = { type: 'receiveUserInputCapability', value: { type: 'generalString' } } as const
  const [one, two] = [await room('room-1', 440, 'PCMU', { capabilities: [takesText] }), await room('room-2', 1000)]
  await one.call('council')
  await two.call('council')
  const named = (name: string) => mcu.conference('council').terminals.find((terminal) => terminal.name === name)!.participant
  await until(() => mcu.showText('council', named('room-1'), 'room 42#'), 'it has told that it takes text')
  const keys = () => one.events.flatMap((event) => (event.type === 'digit' ? [event.digit] : []))
  await until(() => keys().join('') === '42#', 'the text is there: its keys are heard')
  t.false(mcu.showText('council', named('room-2'), 'room 42#'))
  t.throws(() => mcu.showText('council', 'nobody', 'x'), { code: 'h323.mcu.unknown' })
})

test('whom the gatekeeper does not know, and what is no conference, is refused and recorded', async (t) => {
  const { mcu, room, entriesOf } = await scene(t)
  const stranger = await openTerminal(t, {}, { aliases: ['stranger'] })
  const address = textOfAddress(mcu.endpoint.address)
  await t.throwsAsync(stranger.call(`council@${address}`))
  const known = await room('room-1', 440)
  await t.throwsAsync(known.call('885'))
  t.is(mcu.conferences().length, 0)
  t.true(entriesOf('REJECTED').length >= 1)
})
