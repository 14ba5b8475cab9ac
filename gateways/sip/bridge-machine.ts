import type { Table } from '#kernel'

/** States of the bridge between one SIP leg and a conference. */
export const bridgeStates = ['IDLE', 'SETUP', 'RINGING', 'CONNECTED', 'HOLD', 'DISCONNECTING', 'DISCONNECTED', 'ERROR'] as const
export type BridgeState = (typeof bridgeStates)[number]

export type BridgeEvent =
  | { readonly type: 'joining' }
  | { readonly type: 'ringing' }
  | { readonly type: 'connected' }
  | { readonly type: 'held' }
  | { readonly type: 'resumed' }
  | { readonly type: 'leaving' }
  | { readonly type: 'left' }
  | { readonly type: 'failed' }

/** The bridge has no effects of its own: whoever moves it records the move. */
export const bridgeTable = {
  IDLE: { joining: ['SETUP'], left: ['DISCONNECTED'] },
  SETUP: { ringing: ['RINGING'], connected: ['CONNECTED'], leaving: ['DISCONNECTING'], failed: ['ERROR'] },
  RINGING: { connected: ['CONNECTED'], leaving: ['DISCONNECTING'], failed: ['ERROR'] },
  CONNECTED: { held: ['HOLD'], leaving: ['DISCONNECTING'], failed: ['ERROR'] },
  HOLD: { resumed: ['CONNECTED'], leaving: ['DISCONNECTING'], failed: ['ERROR'] },
  DISCONNECTING: { left: ['DISCONNECTED'], failed: ['ERROR'] },
  DISCONNECTED: {},
  ERROR: { leaving: ['DISCONNECTING'], left: ['DISCONNECTED'] }
} satisfies Table<BridgeState, BridgeEvent, never>
