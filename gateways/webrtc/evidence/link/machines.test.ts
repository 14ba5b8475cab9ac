import test from 'ava'
import fc from 'fast-check'
import { frameHeaderOctets, hexOf, readFrame, writeFrameHeader } from './frames.ts'
import { chunkOctets, type Receipt, readMessage } from './messages.ts'
import { type OutgoingEvent, outgoingStates, stepOutgoing } from './outgoing-machine.ts'
import { type SessionEvent, type SessionState, sessionStates, stepSession } from './session-machine.ts'

const sessionEvents: readonly SessionEvent[] = [
  { type: 'open' },
  { type: 'handshake' },
  { type: 'timeout' },
  { type: 'again' },
  { type: 'exhausted' },
  { type: 'lost' },
  { type: 'transferFailed' },
  { type: 'transfersWhole' },
  { type: 'end', reason: 'over' }
]
const receipt = { performative: 'evidence_chunk', step: 'receipt' } as Receipt
const outgoingEvents: readonly OutgoingEvent[] = [
  { type: 'start' },
  { type: 'have', next: 0, again: false },
  { type: 'have', next: 0, again: true },
  { type: 'receipt', receipt },
  { type: 'refused', code: 'evidence.disk', reason: '' },
  { type: 'timeout' },
  { type: 'again' },
  { type: 'exhausted' },
  { type: 'lost' }
]

test('session: every pair of state and event goes where the table says', (t) => {
  const rows = sessionStates.map((state) =>
    [state, ...sessionEvents.map((event) => (stepSession(state, event).allowed ? stepSession(state, event).state : '-'))].join(
      ' '
    )
  )
  t.deepEqual(rows, [
    'IDLE CONNECTING - - - - - - - CLOSED',
    'CONNECTING CONNECTING ACTIVE CONNECTING CONNECTING FAILED CONNECTING - - CLOSED',
    'ACTIVE - - - - - CONNECTING DEGRADED - CLOSED',
    'DEGRADED - - - - - CONNECTING - ACTIVE CLOSED',
    'FAILED CONNECTING - - - - - - - CLOSED',
    'CLOSED - - - - - - - - -'
  ])
})

test('session: whatever happens, what ends is freed once, and waits for nothing', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...sessionEvents)), (events) => {
      let state: SessionState = 'IDLE'
      let [waits, frees] = [false, 0]
      for (const event of [...events, { type: 'end', reason: 'over' } as const]) {
        const next = stepSession(state, event)
        state = next.state
        for (const effect of next.effects) {
          if (effect.do === 'waitOperation' || effect.do === 'waitAgain') waits = true
          else if (effect.do === 'stopWaiting') waits = false
          else if (effect.do === 'free') frees++
        }
        if (state === 'ACTIVE' || state === 'FAILED' || state === 'CLOSED') t.false(waits, state)
      }
      t.is(state, 'CLOSED')
      t.is(frees, 1)
    })
  )
})

test('a file on its way: whatever happens, nothing is waited for or sent once it is over', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...outgoingEvents)), (events) => {
      let state: (typeof outgoingStates)[number] = 'waiting'
      let [waits, sends] = [false, false]
      for (const event of events) {
        const next = stepOutgoing(state, event)
        state = next.state
        for (const effect of next.effects) {
          if (effect.do === 'waitOperation' || effect.do === 'waitAgain') waits = true
          else if (effect.do === 'stopWaiting') waits = false
          else if (effect.do === 'sendFrom') sends = true
          else if (effect.do === 'stopSending') sends = false
        }
        const still = state === 'waiting' || state === 'handedOver' || state === 'refused' || state === 'failed'
        if (still) t.deepEqual([waits, sends], [false, false], state)
        else t.true(waits, `${state} has a time`)
      }
    })
  )
  t.is(outgoingStates.length, 6)
})

test('a frame is read as it was written; whatever else comes is refused', (t) => {
  const hex = (octets: number) => fc.uint8Array({ minLength: octets, maxLength: octets }).map(hexOf)
  fc.assert(
    fc.property(hex(16), hex(32), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 300 }), (id, sha256, index, octets) => {
      const frame = new Uint8Array(frameHeaderOctets + octets.length)
      writeFrameHeader(frame, { id, index, sha256 })
      frame.set(octets, frameHeaderOctets)
      t.deepEqual(readFrame(frame), { id, index, sha256, octets })
    })
  )
  t.throws(() => readFrame(new Uint8Array(frameHeaderOctets + chunkOctets + 1)), { code: 'evidence.frame.length' })
  t.throws(() => readFrame(new Uint8Array(frameHeaderOctets)), { code: 'evidence.frame.length' })
  t.throws(() => readFrame(new Uint8Array(100)), { code: 'evidence.frame.version' })
})

test('whatever text comes is a message or is refused', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.record({ performative: fc.constantFrom('handshake', 'evidence_chunk') }).map((each) => JSON.stringify(each))
      ),
      (text) => {
        t.throws(() => readMessage(text), { code: 'evidence.message.invalid' })
      }
    )
  )
})
