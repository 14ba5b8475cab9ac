import test from 'ava'
import fc from 'fast-check'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { createConferenceControl, type McEffect } from './control.ts'

type Value<M, T> = M extends { readonly type: T; readonly value: infer V } ? V : never
type Request = Value<Value<MultimediaSystemControlMessage, 'request'>, 'conferenceRequest'>
type Command = Value<Value<MultimediaSystemControlMessage, 'command'>, 'conferenceCommand'>
type Indication = Value<Value<MultimediaSystemControlMessage, 'indication'>, 'conferenceIndication'>

const request = (value: Request): MultimediaSystemControlMessage => ({
  type: 'request',
  value: { type: 'conferenceRequest', value }
})
const command = (value: Command): MultimediaSystemControlMessage => ({
  type: 'command',
  value: { type: 'conferenceCommand', value }
})
const indication = (value: Indication): MultimediaSystemControlMessage => ({
  type: 'indication',
  value: { type: 'conferenceIndication', value }
})
const label = (terminalNumber: number) => ({ mcuNumber: 3, terminalNumber })

/** What is done, in short: `a<terminalNumberAssign`. */
const short = (effects: readonly McEffect[] | null) =>
  effects?.map((effect) => {
    if (effect.type !== 'send') return effect
    const inner = (effect.message as { value: { value: { type: string } } }).value.value
    return `${effect.to}<${inner.type}`
  })
const said = (effect: McEffect | undefined) =>
  effect?.type === 'send' ? (effect.message as { value: { value: { value: unknown } } }).value.value.value : undefined

function council() {
  const control = createConferenceControl(3)
  for (const [participant, name] of [
    ['a', 'Room A'],
    ['b', 'Room B'],
    ['expert', 'expert-safety']
  ] as const)
    control.join(participant, name)
  control.ready('a')
  control.ready('b')
  return control
}

test('who comes gets the lowest number that is free; terminals are told who comes and goes', (t) => {
  const control = createConferenceControl(3)
  t.deepEqual(control.join('a', 'Room A'), [])
  const first = control.ready('a')
  t.deepEqual(short(first), ['a<terminalNumberAssign'])
  t.deepEqual(said(first[0]), label(1))
  t.deepEqual(control.ready('a'), [])
  t.deepEqual(short(control.join('expert', 'expert-safety')), ['a<terminalJoinedConference'])
  const second = control.join('b', 'Room B')
  t.deepEqual(short(second), ['a<terminalJoinedConference'])
  t.deepEqual(said(second![0]), label(3))
  control.ready('b')
  const left = control.leave('expert')
  t.deepEqual(short(left), ['a<terminalLeftConference', 'b<terminalLeftConference'])
  t.deepEqual(said(left[0]), label(2))
  control.join('c', 'Room C')
  t.deepEqual(
    control.members().map(({ participant, number }) => [participant, number]),
    [
      ['a', 1],
      ['b', 3],
      ['c', 2]
    ]
  )
  t.deepEqual(control.leave('nobody'), [])
})

test('192 have room, the next has not', (t) => {
  const control = createConferenceControl(0)
  for (let n = 0; n < 192; n++) t.truthy(control.join(`p${n}`, 'x'))
  t.is(control.join('late', 'x'), null)
})

test('the list of terminals and their names, those of other protocols among them', (t) => {
  const control = council()
  t.deepEqual(said(control.take('a', request({ type: 'terminalListRequest' }))?.[0]), [label(1), label(2), label(3)])
  t.deepEqual(said(control.take('a', request({ type: 'requestTerminalID', value: label(3) }))?.[0]), {
    terminalLabel: label(3),
    terminalID: Buffer.from('expert-safety')
  })
  t.deepEqual(said(control.take('a', request({ type: 'requestTerminalID', value: label(9) }))?.[0]), {
    terminalLabel: label(0),
    terminalID: Buffer.from('-')
  })
  const all = said(control.take('b', request({ type: 'requestAllTerminalIDs' }))?.[0]) as { terminalInformation: object[] }
  t.is(all.terminalInformation.length, 3)
})

test('one chair at a time; only the chair drops terminals, sets the picture of all, ends the conference', (t) => {
  const control = council()
  const drop = request({ type: 'dropTerminal', value: label(3) })
  t.deepEqual(short(control.take('a', drop)), ['a<terminalDropReject'])
  t.deepEqual(short(control.take('a', request({ type: 'makeMeChair' }))), [
    'a<makeMeChairResponse',
    { type: 'chair', participant: 'a' }
  ])
  t.deepEqual(said(control.take('b', request({ type: 'makeMeChair' }))?.[0]), { type: 'deniedChairToken' })
  t.deepEqual(said(control.take('a', request({ type: 'makeMeChair' }))?.[0]), { type: 'grantedChairToken' })
  t.deepEqual(said(control.take('b', request({ type: 'requestChairTokenOwner' }))?.[0]), {
    terminalLabel: label(1),
    terminalID: Buffer.from('Room A')
  })
  t.deepEqual(short(control.take('b', drop)), ['b<terminalDropReject'])
  t.deepEqual(short(control.take('b', command({ type: 'dropConference' }))), [])
  t.deepEqual(short(control.take('a', drop)), [{ type: 'drop', participant: 'expert', by: 'a' }])
  t.deepEqual(short(control.take('a', request({ type: 'makeTerminalBroadcaster', value: label(2) }))), [
    'a<makeTerminalBroadcasterResponse',
    { type: 'broadcast', source: 'b' }
  ])
  t.deepEqual(control.take('a', command({ type: 'cancelMakeTerminalBroadcaster' })), [{ type: 'broadcast', source: null }])
  t.deepEqual(control.take('a', command({ type: 'dropConference' })), [{ type: 'end', by: 'a' }])
  t.deepEqual(control.take('a', request({ type: 'cancelMakeMeChair' })), [{ type: 'chair', participant: null }])
  t.is(control.chair(), null)
})

test('who asks for the floor is shown to the chair; a chair that leaves, or is withdrawn, is none any more', (t) => {
  const control = council()
  const hand = indication({ type: 'requestForFloor' })
  t.deepEqual(short(control.take('b', hand)), [{ type: 'floorAsked', participant: 'b' }])
  control.take('a', request({ type: 'makeMeChair' }))
  t.deepEqual(short(control.take('b', hand)), [{ type: 'floorAsked', participant: 'b' }, 'a<floorRequested'])
  t.deepEqual(short(control.withdraw()), ['a<withdrawChairToken', { type: 'chair', participant: null }])
  t.deepEqual(control.withdraw(), [])
  control.take('b', request({ type: 'makeMeChair' }))
  t.deepEqual(short(control.leave('b')), ['a<terminalLeftConference', { type: 'chair', participant: null }])
})

test('a terminal chooses whom it sees; functions that are not here are refused', (t) => {
  const control = council()
  t.deepEqual(short(control.take('a', request({ type: 'sendThisSource', value: label(2) }))), [
    'a<sendThisSourceResponse',
    { type: 'watch', viewer: 'a', source: 'b' }
  ])
  t.deepEqual(said(control.take('a', request({ type: 'sendThisSource', value: label(8) }))?.[0]), {
    type: 'deniedSendThisSource'
  })
  t.deepEqual(control.take('a', command({ type: 'cancelSendThisSource' })), [{ type: 'watch', viewer: 'a', source: null }])
  t.deepEqual(short(control.take('a', request({ type: 'remoteMCRequest', value: { type: 'masterActivate' } }))), [
    'a<remoteMCResponse'
  ])
  t.is(control.take('a', { type: 'request', value: { type: 'roundTripDelayRequest', value: { sequenceNumber: 1 } } }), null)
})

test('long names are cut where a character ends', (t) => {
  const control = createConferenceControl(3)
  control.join('a', 'é'.repeat(100))
  const { terminalID } = said(control.take('a', request({ type: 'requestTerminalID', value: label(1) }))?.[0]) as {
    terminalID: Buffer
  }
  t.is(terminalID.length, 128)
  t.is(terminalID.toString('utf8'), 'é'.repeat(64))
})

const requests = fc.oneof(
  fc.constantFrom<Request>(
    { type: 'terminalListRequest' },
    { type: 'makeMeChair' },
    { type: 'cancelMakeMeChair' },
    { type: 'requestChairTokenOwner' },
    { type: 'requestAllTerminalIDs' }
  ),
  fc
    .tuple(fc.constantFrom('dropTerminal', 'requestTerminalID', 'makeTerminalBroadcaster', 'sendThisSource'), fc.nat(8))
    .map(([type, number]) => ({ type, value: label(number) }) as Request)
)

test('property: numbers are one each, the chair is there, what is sent can be encoded and goes to terminals that are there', (t) => {
  const event = fc.oneof(
    fc.tuple(fc.constant('join' as const), fc.nat(6), fc.boolean()),
    fc.tuple(fc.constant('ready' as const), fc.nat(6), fc.boolean()),
    fc.tuple(fc.constant('leave' as const), fc.nat(6), fc.boolean()),
    fc.tuple(fc.constant('ask' as const), fc.nat(6), requests)
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const control = createConferenceControl(3)
      for (const [what, n, more] of events) {
        const name = `p${n}`
        const isThere = control.members().some(({ participant }) => participant === name)
        const chair = control.chair()
        const does = {
          join: () => (isThere ? [] : control.join(name, name)!),
          ready: () => control.ready(name),
          leave: () => control.leave(name),
          ask: () => control.take(name, request(more as Request))!
        }
        const effects = does[what]()
        const members = control.members()
        t.is(new Set(members.map(({ number }) => number)).size, members.length)
        if (control.chair() !== null) t.true(members.some(({ participant }) => participant === control.chair()))
        if (control.broadcaster() !== null) t.true(members.some(({ participant }) => participant === control.broadcaster()))
        for (const effect of effects) {
          if (effect.type === 'drop') t.is(chair, name)
          if (effect.type !== 'send') continue
          t.true(members.some(({ participant, isTerminal }) => participant === effect.to && (isTerminal || what === 'ask')))
          t.deepEqual(
            multimediaSystemControlMessage.decode(multimediaSystemControlMessage.encode(effect.message)).type,
            effect.message.type
          )
        }
      }
    })
  )
})
