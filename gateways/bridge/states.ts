/** State of a bridge between two calls: each leg has its own, and the bridge's follows from both. */
import type { BridgeState } from '#kernel'

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
