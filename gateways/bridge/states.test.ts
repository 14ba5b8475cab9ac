import test from 'ava'
import fc from 'fast-check'
import { type BridgeEvent, type BridgeState, bridgeStates, bridgeTable, step } from '#kernel'
import { rules, stateOfBridge } from './states.ts'

const steps: BridgeEvent['type'][] = ['joining', 'ringing', 'connected', 'held', 'resumed', 'leaving', 'left', 'failed']

test('the six rules stand in their order, and each decides for some pair', (t) => {
  const deciding = new Map<string, number>()
  for (const a of bridgeStates) {
    for (const b of bridgeStates) {
      const rule = rules.find(({ holds }) => holds(a, b) !== null)!
      deciding.set(rule.name, (deciding.get(rule.name) ?? 0) + 1)
      t.is(stateOfBridge(a, b), stateOfBridge(b, a), 'which leg is which does not matter')
    }
  }
  t.deepEqual(Object.fromEntries(deciding), {
    'error propagates': 15,
    'disconnection propagates': 24,
    'both connected': 1,
    'any hold': 9,
    'any ringing': 7,
    'else set-up': 8
  })
})

const pairs: readonly (readonly [BridgeState, BridgeState, BridgeState])[] = [
  ['IDLE', 'IDLE', 'IDLE'],
  ['SETUP', 'IDLE', 'SETUP'],
  ['CONNECTED', 'SETUP', 'SETUP'],
  ['SETUP', 'RINGING', 'RINGING'],
  ['CONNECTED', 'RINGING', 'RINGING'],
  ['CONNECTED', 'CONNECTED', 'CONNECTED'],
  ['CONNECTED', 'HOLD', 'HOLD'],
  ['HOLD', 'RINGING', 'HOLD'],
  ['CONNECTED', 'DISCONNECTED', 'DISCONNECTING'],
  ['DISCONNECTED', 'DISCONNECTED', 'DISCONNECTED'],
  ['DISCONNECTED', 'ERROR', 'ERROR'],
  ['HOLD', 'ERROR', 'ERROR']
]
for (const [a, b, bridge] of pairs)
  test(`${a} and ${b} make ${bridge}`, (t) => {
    t.is(stateOfBridge(a, b), bridge)
  })

test('property: whatever happens to two legs, once both are gone the bridge is over, and it never leaves that', (t) => {
  const run = fc.array(fc.tuple(fc.boolean(), fc.constantFrom(...steps)), { maxLength: 30 })
  const ends = [true, false].flatMap((first) => [
    [first, 'leaving'],
    [first, 'left']
  ])
  fc.assert(
    fc.property(run, (events) => {
      let legs: [BridgeState, BridgeState] = ['IDLE', 'IDLE']
      for (const [first, type] of [...events, ...ends] as [boolean, BridgeEvent['type']][]) {
        const at = first ? 0 : 1
        legs = legs.with(at, step(bridgeTable, legs[at], { type }, undefined).state) as [BridgeState, BridgeState]
        if (legs.includes('ERROR')) t.is(stateOfBridge(...legs), 'ERROR')
      }
      t.is(stateOfBridge(...legs), 'DISCONNECTED')
    })
  )
})
