import type { Table } from '../machine.ts'

/** States of a leg that is bridged: into a conference, or with another leg. */
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

/** The table has no effects of its own: whoever moves a leg records the move and frees what it held. */
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
