import test from 'ava'
import { step } from '../machine.ts'
import { type BridgeEvent, type BridgeState, bridgeStates, bridgeTable } from './bridge-states.ts'

const bridgeEvents: readonly BridgeEvent['type'][] = [
  'joining',
  'ringing',
  'connected',
  'held',
  'resumed',
  'leaving',
  'left',
  'failed'
]

const stepBridge = (state: BridgeState, type: BridgeEvent['type']) =>
  step<BridgeState, BridgeEvent, never, void>(bridgeTable, state, { type }, undefined).state

test('a bridge goes through its states in order and never leaves DISCONNECTED', (t) => {
  const after = (...sequence: BridgeEvent['type'][]) => sequence.reduce<BridgeState>(stepBridge, 'IDLE')
  t.is(after('joining', 'ringing', 'connected'), 'CONNECTED')
  t.is(after('joining', 'ringing', 'connected', 'held'), 'HOLD')
  t.is(after('joining', 'ringing', 'connected', 'held', 'resumed'), 'CONNECTED')
  t.is(after('joining', 'ringing', 'leaving', 'left'), 'DISCONNECTED')
  t.is(after('joining', 'failed', 'left'), 'DISCONNECTED')
  for (const type of bridgeEvents) t.is(stepBridge('DISCONNECTED', type), 'DISCONNECTED')
  for (const state of bridgeStates)
    if (state !== 'DISCONNECTED')
      t.true(
        bridgeEvents.some((type) => stepBridge(state, type) !== state),
        `${state} is no dead end`
      )
})
