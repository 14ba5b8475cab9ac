/** States of a bridge between two calls: each leg has its own, and the bridge's follows from both. */
import type { Table } from '#kernel'

export const bridgeStates = ['IDLE', 'SETUP', 'RINGING', 'CONNECTED', 'HOLD', 'DISCONNECTING', 'DISCONNECTED', 'ERROR'] as const
export type BridgeState = (typeof bridgeStates)[number]

export type LegStep =
  | { readonly type: 'begun' }
  | { readonly type: 'ringing' }
  | { readonly type: 'connected' }
  | { readonly type: 'held' }
  | { readonly type: 'resumed' }
  | { readonly type: 'leaving' }
  | { readonly type: 'gone' }
  | { readonly type: 'failed' }

const ends = { leaving: ['DISCONNECTING'], gone: ['DISCONNECTED'], failed: ['ERROR'] } as const

/** One leg, SIP or H.323. What it frees is freed by whoever moves it. */
export const legStates: Table<BridgeState, LegStep, never> = {
  IDLE: { begun: ['SETUP'], gone: ['DISCONNECTED'], failed: ['ERROR'] },
  SETUP: { ringing: ['RINGING'], connected: ['CONNECTED'], ...ends },
  RINGING: { connected: ['CONNECTED'], ...ends },
  CONNECTED: { held: ['HOLD'], ...ends },
  HOLD: { resumed: ['CONNECTED'], ...ends },
  DISCONNECTING: { gone: ['DISCONNECTED'], failed: ['ERROR'] },
  DISCONNECTED: {},
  // a leg that failed is still to be freed
  ERROR: { leaving: ['DISCONNECTING'], gone: ['DISCONNECTED'] }
}

/** The six rules, the first that holds decides. */
export const rules: readonly { readonly name: string; readonly holds: (a: BridgeState, b: BridgeState) => BridgeState | null }[] =
  [
    { name: 'error propagates', holds: (a, b) => (a === 'ERROR' || b === 'ERROR' ? 'ERROR' : null) },
    {
      name: 'disconnection propagates',
      holds: (a, b) => {
        if (a === 'DISCONNECTED' && b === 'DISCONNECTED') return 'DISCONNECTED'
        const ending = [a, b].some((state) => state === 'DISCONNECTING' || state === 'DISCONNECTED')
        return ending ? 'DISCONNECTING' : null
      }
    },
    { name: 'both connected', holds: (a, b) => (a === 'CONNECTED' && b === 'CONNECTED' ? 'CONNECTED' : null) },
    { name: 'any hold', holds: (a, b) => (a === 'HOLD' || b === 'HOLD' ? 'HOLD' : null) },
    { name: 'any ringing', holds: (a, b) => (a === 'RINGING' || b === 'RINGING' ? 'RINGING' : null) },
    { name: 'else set-up', holds: (a, b) => (a === 'IDLE' && b === 'IDLE' ? 'IDLE' : 'SETUP') }
  ]

/** State of the bridge between two legs. */
export function stateOfBridge(a: BridgeState, b: BridgeState): BridgeState {
  for (const { holds } of rules) {
    const state = holds(a, b)
    if (state !== null) return state
  }
  return 'SETUP'
}
