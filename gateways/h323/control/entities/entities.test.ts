import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { step, type Table } from '#kernel'
import type { OpenLogicalChannel } from '../../h245/h245.ts'
import { incomingBlcse, outgoingBlcse } from './blcse.ts'
import {
  incomingCese,
  type OutgoingCese,
  type OutgoingCeseEvent,
  type OutgoingCeseState,
  type OutgoingCeseTold,
  outgoingCese
} from './cese.ts'
import { incomingClcse, outgoingClcse } from './clcse.ts'
import type { EntityEffect } from './entity.ts'
import { incomingLcse, outgoingLcse } from './lcse.ts'
import { incomingMrse, outgoingMrse } from './mrse.ts'
import { acknowledgementEvent, determinationEvent, determine, type Msdse, msdse, n100, rejectionEvent } from './msdse.ts'
import { rtdse } from './rtdse.ts'

type AnyEvent = { readonly type: string }
type AnyTable = Table<string, AnyEvent, EntityEffect<{ readonly type: string }>, unknown>

/** An effect in a word: the name of a message sent, `+T101`, `-T101`, `!told`. */
function inAWord(effect: EntityEffect<{ readonly type: string }>): string {
  switch (effect.type) {
    case 'send':
      return (effect.message as { value: { type: string } }).value.type
    case 'start':
      return `+${effect.timer}`
    case 'stop':
      return `-${effect.timer}`
    case 'tell':
      return `!${effect.told.type}`
  }
}

/**
 * Walks every pair of state and event. What is written down is allowed and does just that; every other pair is ignored.
 *
 * @param expected `state event → next: effects`, one a line
 */
function walk(t: ExecutionContext, table: unknown, events: readonly AnyEvent[], context: () => unknown, expected: string): void {
  const rows = new Map<string, string>(
    expected
      .trim()
      .split('\n')
      .map((line) => {
        const [, state, event, next, effects] = /^\s*(\S+) (\S+) → (\S+):\s*(.*)$/.exec(line)!
        return [`${state} ${event}`, `${next}: ${effects!.trim()}`] as [string, string]
      })
  )
  const any = table as Readonly<AnyTable>
  for (const state of Object.keys(any)) {
    for (const event of events) {
      const pair = `${state} ${event.type}`
      const { state: next, effects, allowed } = step(any, state, event, context())
      const row = rows.get(pair)
      if (row === undefined) t.false(allowed, `${pair} is ignored`)
      else
        t.is(
          `${next}: ${(effects as readonly EntityEffect<{ readonly type: string }>[]).map(inAWord).join(' ')}`.trim(),
          row.trim(),
          pair
        )
      if (!allowed) t.is(next, state)
      rows.delete(pair)
    }
  }
  t.deepEqual([...rows.keys()], [], 'all rows were walked')
}

const set = { sequenceNumber: 7, protocolIdentifier: '0.0.8.245.0.17' }
const open: OpenLogicalChannel = {
  forwardLogicalChannelNumber: 5,
  forwardLogicalChannelParameters: { dataType: { type: 'nullData' }, multiplexParameters: { type: 'none' } }
}
const ack = { forwardLogicalChannelNumber: 5 }
const numbered = () => ({ sequenceNumber: 255 })

test('CESE (H.245 §C.3)', (t) => {
  walk(
    t,
    outgoingCese,
    [
      { type: 'transferRequest', set } as AnyEvent,
      { type: 'terminalCapabilitySetAck' },
      { type: 'terminalCapabilitySetReject', cause: { type: 'unspecified' } } as AnyEvent,
      { type: 'T101' }
    ],
    numbered,
    `idle transferRequest → awaitingResponse: terminalCapabilitySet +T101
     awaitingResponse transferRequest → awaitingResponse: -T101 terminalCapabilitySet +T101
     awaitingResponse terminalCapabilitySetAck → idle: -T101 !capabilitiesTaken
     awaitingResponse terminalCapabilitySetReject → idle: -T101 !capabilitiesRefused
     awaitingResponse T101 → idle: terminalCapabilitySetRelease !capabilitiesRefused`
  )
  walk(
    t,
    incomingCese,
    [
      { type: 'terminalCapabilitySet', set } as AnyEvent,
      { type: 'transferResponse' },
      { type: 'rejectRequest', cause: { type: 'unspecified' } } as AnyEvent,
      { type: 'terminalCapabilitySetRelease' }
    ],
    numbered,
    `idle terminalCapabilitySet → awaitingResponse: !capabilitiesCame
     awaitingResponse terminalCapabilitySet → awaitingResponse: !capabilitiesCame
     awaitingResponse transferResponse → idle: terminalCapabilitySetAck
     awaitingResponse rejectRequest → idle: terminalCapabilitySetReject
     awaitingResponse terminalCapabilitySetRelease → idle: !capabilitiesWithdrawn`
  )
  const context = { sequenceNumber: 255 }
  const { effects } = step<OutgoingCeseState, OutgoingCeseEvent, EntityEffect<OutgoingCeseTold>, OutgoingCese>(
    outgoingCese,
    'idle',
    { type: 'transferRequest', set },
    context
  )
  t.is(context.sequenceNumber, 0, 'numbers wrap at 256')
  t.like(effects[0], { message: { value: { value: { sequenceNumber: 0 } } } })
})

const determination = (terminalType: number, statusDeterminationNumber: number) => ({ terminalType, statusDeterminationNumber })
const msdseContext = (own = determination(50, 1000), tries = 0): Msdse => ({ ...own, tries, status: null, random: () => 42 })

test('MSDSE (H.245 §C.2)', (t) => {
  walk(
    t,
    msdse,
    [
      { type: 'determineRequest' },
      { type: 'masterSlaveDetermination', ...determination(60, 1), status: 'slave' } as AnyEvent,
      { type: 'indeterminate' },
      { type: 'masterSlaveDeterminationAck', decision: 'master' } as AnyEvent,
      { type: 'contradiction' },
      { type: 'masterSlaveDeterminationReject' },
      { type: 'exhausted' },
      { type: 'masterSlaveDeterminationRelease' },
      { type: 'T106' }
    ],
    () => msdseContext(),
    `idle determineRequest → outgoingAwaitingResponse: masterSlaveDetermination +T106
     idle masterSlaveDetermination → incomingAwaitingResponse: masterSlaveDeterminationAck +T106
     idle indeterminate → idle: masterSlaveDeterminationReject
     outgoingAwaitingResponse masterSlaveDetermination → incomingAwaitingResponse: -T106 masterSlaveDeterminationAck +T106
     outgoingAwaitingResponse indeterminate → outgoingAwaitingResponse: -T106 masterSlaveDetermination +T106
     outgoingAwaitingResponse masterSlaveDeterminationAck → idle: -T106 masterSlaveDeterminationAck !determined
     outgoingAwaitingResponse masterSlaveDeterminationReject → outgoingAwaitingResponse: -T106 masterSlaveDetermination +T106
     outgoingAwaitingResponse exhausted → idle: -T106 !undetermined
     outgoingAwaitingResponse masterSlaveDeterminationRelease → idle: -T106 !undetermined
     outgoingAwaitingResponse T106 → idle: masterSlaveDeterminationRelease !undetermined
     incomingAwaitingResponse masterSlaveDetermination → incomingAwaitingResponse: -T106 masterSlaveDeterminationAck +T106
     incomingAwaitingResponse indeterminate → idle: -T106 masterSlaveDeterminationReject !undetermined
     incomingAwaitingResponse masterSlaveDeterminationAck → idle: -T106 !determined
     incomingAwaitingResponse contradiction → idle: -T106 !undetermined
     incomingAwaitingResponse masterSlaveDeterminationReject → idle: -T106 !undetermined
     incomingAwaitingResponse exhausted → idle: -T106 !undetermined
     incomingAwaitingResponse masterSlaveDeterminationRelease → idle: -T106 !undetermined
     incomingAwaitingResponse T106 → idle: !undetermined`
  )
})

test('who is master: the larger type, then the number that is ahead by less than half the circle', (t) => {
  t.is(determine(determination(60, 0), determination(50, 0xff_ffff)), 'master')
  t.is(determine(determination(50, 0xff_ffff), determination(190, 0)), 'slave')
  t.is(determine(determination(50, 10), determination(50, 11)), 'master')
  t.is(determine(determination(50, 0xff_ffff), determination(50, 0)), 'master')
  t.is(determine(determination(50, 7), determination(50, 7)), null)
  t.is(determine(determination(50, 0), determination(50, 0x80_0000)), null)
  const number = fc.integer({ min: 0, max: 0xff_ffff })
  const side = fc.tuple(fc.integer({ min: 0, max: 255 }), number).map(([type, own]) => determination(type, own))
  fc.assert(
    fc.property(side, side, (a, b) => {
      const [one, other] = [determine(a, b), determine(b, a)]
      return one === null ? other === null : other !== null && one !== other
    })
  )
})

test('the same numbers are tried again N100 times', (t) => {
  const same = determination(50, 1000)
  const context = msdseContext(same)
  t.is(determinationEvent(context, 'outgoingAwaitingResponse', same).type, 'indeterminate')
  context.tries = n100
  t.is(determinationEvent(context, 'outgoingAwaitingResponse', same).type, 'exhausted')
  t.is(rejectionEvent(context).type, 'exhausted')
  t.is(rejectionEvent({ ...context, tries: n100 - 1 }).type, 'masterSlaveDeterminationReject')
  context.status = 'master'
  t.is(acknowledgementEvent(context, 'incomingAwaitingResponse', 'slave').type, 'contradiction')
  t.is(acknowledgementEvent(context, 'incomingAwaitingResponse', 'master').type, 'masterSlaveDeterminationAck')
  t.is(acknowledgementEvent(context, 'outgoingAwaitingResponse', 'slave').type, 'masterSlaveDeterminationAck')
})

const outgoingChannelEvents: AnyEvent[] = [
  { type: 'establishRequest' },
  { type: 'openLogicalChannelAck', ack } as AnyEvent,
  { type: 'openLogicalChannelReject', cause: 'unspecified' } as AnyEvent,
  { type: 'releaseRequest' },
  { type: 'closeLogicalChannelAck' },
  { type: 'T103' }
]

test('LCSE (H.245 §C.4)', (t) => {
  walk(
    t,
    outgoingLcse,
    outgoingChannelEvents,
    () => ({ open }),
    `released establishRequest → awaitingEstablishment: openLogicalChannel +T103
     awaitingEstablishment openLogicalChannelAck → established: -T103 !established
     awaitingEstablishment openLogicalChannelReject → released: -T103 !released
     awaitingEstablishment releaseRequest → awaitingRelease: -T103 closeLogicalChannel +T103
     awaitingEstablishment T103 → released: closeLogicalChannel !released
     established openLogicalChannelReject → released: !released
     established releaseRequest → awaitingRelease: closeLogicalChannel +T103
     awaitingRelease openLogicalChannelAck → awaitingRelease:
     awaitingRelease openLogicalChannelReject → released: -T103 !released
     awaitingRelease closeLogicalChannelAck → released: -T103 !released
     awaitingRelease T103 → released: !released`
  )
  walk(
    t,
    incomingLcse,
    [
      { type: 'openLogicalChannel', open } as AnyEvent,
      { type: 'establishResponse', ack } as AnyEvent,
      { type: 'releaseRequest', cause: 'unspecified' } as AnyEvent,
      { type: 'closeLogicalChannel' }
    ],
    () => ({ number: 5 }),
    `released openLogicalChannel → awaitingEstablishment: !offered
     released closeLogicalChannel → released: closeLogicalChannelAck
     awaitingEstablishment openLogicalChannel → awaitingEstablishment: !released !offered
     awaitingEstablishment establishResponse → established: openLogicalChannelAck
     awaitingEstablishment releaseRequest → released: openLogicalChannelReject
     awaitingEstablishment closeLogicalChannel → released: closeLogicalChannelAck !released
     established openLogicalChannel → awaitingEstablishment: !released !offered
     established closeLogicalChannel → released: closeLogicalChannelAck !released`
  )
})

test('B-LCSE (H.245 §C.5)', (t) => {
  walk(
    t,
    outgoingBlcse,
    outgoingChannelEvents,
    () => ({ open }),
    `released establishRequest → awaitingEstablishment: openLogicalChannel +T103
     awaitingEstablishment openLogicalChannelAck → established: -T103 openLogicalChannelConfirm !established
     awaitingEstablishment openLogicalChannelReject → released: -T103 !released
     awaitingEstablishment releaseRequest → awaitingRelease: -T103 closeLogicalChannel +T103
     awaitingEstablishment T103 → released: closeLogicalChannel !released
     established openLogicalChannelReject → released: !released
     established releaseRequest → awaitingRelease: closeLogicalChannel +T103
     awaitingRelease openLogicalChannelAck → awaitingRelease: openLogicalChannelConfirm
     awaitingRelease openLogicalChannelReject → released: -T103 !released
     awaitingRelease closeLogicalChannelAck → released: -T103 !released
     awaitingRelease T103 → released: !released`
  )
  walk(
    t,
    incomingBlcse,
    [
      { type: 'openLogicalChannel', open } as AnyEvent,
      { type: 'establishResponse', ack } as AnyEvent,
      { type: 'releaseRequest', cause: 'unspecified' } as AnyEvent,
      { type: 'openLogicalChannelConfirm' },
      { type: 'closeLogicalChannel' },
      { type: 'T103' }
    ],
    () => ({ number: 5 }),
    `released openLogicalChannel → awaitingEstablishment: !offered
     released closeLogicalChannel → released: closeLogicalChannelAck
     awaitingEstablishment openLogicalChannel → awaitingEstablishment: !released !offered
     awaitingEstablishment establishResponse → awaitingConfirmation: openLogicalChannelAck +T103
     awaitingEstablishment releaseRequest → released: openLogicalChannelReject
     awaitingEstablishment closeLogicalChannel → released: closeLogicalChannelAck !released
     awaitingConfirmation openLogicalChannel → awaitingEstablishment: -T103 !released !offered
     awaitingConfirmation openLogicalChannelConfirm → established: -T103 !confirmed
     awaitingConfirmation closeLogicalChannel → released: -T103 closeLogicalChannelAck !released
     awaitingConfirmation T103 → released: !released
     established openLogicalChannel → awaitingEstablishment: !released !offered
     established closeLogicalChannel → released: closeLogicalChannelAck !released`
  )
})

test('CLCSE (H.245 §C.6)', (t) => {
  const context = () => ({ number: 5 })
  walk(
    t,
    outgoingClcse,
    ['closeRequest', 'requestChannelCloseAck', 'requestChannelCloseReject', 'T108'].map((type) => ({ type })),
    context,
    `idle closeRequest → awaitingResponse: requestChannelClose +T108
     awaitingResponse requestChannelCloseAck → idle: -T108 !closing
     awaitingResponse requestChannelCloseReject → idle: -T108 !closeRefused
     awaitingResponse T108 → idle: requestChannelCloseRelease !closeRefused`
  )
  walk(
    t,
    incomingClcse,
    ['requestChannelClose', 'closeResponse', 'rejectRequest', 'requestChannelCloseRelease'].map((type) => ({ type })),
    context,
    `idle requestChannelClose → awaitingResponse: !closeAsked
     awaitingResponse requestChannelClose → awaitingResponse: !closeAsked
     awaitingResponse closeResponse → idle: requestChannelCloseAck
     awaitingResponse rejectRequest → idle: requestChannelCloseReject
     awaitingResponse requestChannelCloseRelease → idle: !closeWithdrawn`
  )
})

test('RTDSE (H.245 §C.10)', (t) => {
  walk(
    t,
    rtdse,
    ['transferRequest', 'roundTripDelayResponse', 'T105'].map((type) => ({ type })),
    numbered,
    `idle transferRequest → awaitingResponse: roundTripDelayRequest +T105
     awaitingResponse transferRequest → awaitingResponse: -T105 roundTripDelayRequest +T105
     awaitingResponse roundTripDelayResponse → idle: -T105 !answered
     awaitingResponse T105 → idle: !unanswered`
  )
})

test('MRSE (H.245 §C.9)', (t) => {
  walk(
    t,
    outgoingMrse,
    [
      { type: 'transferRequest', modes: [] } as AnyEvent,
      { type: 'requestModeAck' },
      { type: 'requestModeReject' },
      { type: 'T109' }
    ],
    numbered,
    `idle transferRequest → awaitingResponse: requestMode +T109
     awaitingResponse transferRequest → awaitingResponse: -T109 requestMode +T109
     awaitingResponse requestModeAck → idle: -T109 !modeTaken
     awaitingResponse requestModeReject → idle: -T109 !modeRefused
     awaitingResponse T109 → idle: requestModeRelease !modeRefused`
  )
  walk(
    t,
    incomingMrse,
    [
      { type: 'requestMode', sequenceNumber: 3, modes: [] } as AnyEvent,
      { type: 'transferResponse', mostPreferred: true } as AnyEvent,
      { type: 'rejectRequest', cause: 'requestDenied' } as AnyEvent,
      { type: 'requestModeRelease' }
    ],
    numbered,
    `idle requestMode → awaitingResponse: !modeAsked
     awaitingResponse requestMode → awaitingResponse: !modeAsked
     awaitingResponse transferResponse → idle: requestModeAck
     awaitingResponse rejectRequest → idle: requestModeReject
     awaitingResponse requestModeRelease → idle: !modeWithdrawn`
  )
})
