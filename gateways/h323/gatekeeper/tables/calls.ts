/** Calls and their legs. A leg is what one endpoint asked admission for; a call is over when its last leg is. */
import { step, type Table } from '#kernel'

export type LegState = 'deciding' | 'locating' | 'confirming' | 'admitted' | 'dropping' | 'ended'

export type LegEvent =
  | { readonly type: 'notHere' }
  | { readonly type: 'granted' }
  | { readonly type: 'confirmed' }
  | { readonly type: 'refused' }
  | { readonly type: 'dropAsked' }
  | { readonly type: 'disengaged' }
  | { readonly type: 'vanished' }
  | { readonly type: 'unregistered' }

export type LegEffect = 'reserve' | 'release' | 'complete'

const gone = {
  unregistered: ['ended', () => ['release', 'complete']],
  disengaged: ['ended', () => ['release', 'complete']],
  vanished: ['ended', () => ['release', 'complete']]
} satisfies Table<LegState, LegEvent, LegEffect>['admitted']

/** One leg: asked for, granted, recorded, in the call, over. Whatever ends a leg that reserved bandwidth gives it back. */
export const legMachine: Table<LegState, LegEvent, LegEffect> = {
  deciding: { notHere: ['locating'], granted: ['confirming', () => ['reserve']], refused: ['ended'], unregistered: ['ended'] },
  locating: { granted: ['confirming', () => ['reserve']], refused: ['ended'], unregistered: ['ended'] },
  confirming: {
    confirmed: ['admitted'],
    refused: ['ended', () => ['release']],
    unregistered: ['ended', () => ['release']],
    disengaged: ['ended', () => ['release']]
  },
  admitted: { ...gone, dropAsked: ['dropping'] },
  dropping: gone,
  ended: {}
}

export interface Leg {
  readonly endpointId: string
  readonly answering: boolean
  readonly callReferenceValue: number
  state: LegState
  /** Granted, units of 100 bit/s. */
  bandwidth: number
  admittedAt: number
  /** When the endpoint last said that the leg is there. */
  heardAt: number
}

export interface Call {
  /** The call identifier in hex; for peers without one (H.225.0 v1), made of the conference and the call reference. */
  readonly key: string
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
  readonly traceId: string
  readonly from: string
  readonly to: string
  /** Limits of the prefix dialled. */
  readonly prefix: { readonly name: string; readonly limit: number } | undefined
  /** Where the signalling is to go. */
  destination: string | null
  readonly legs: Map<string, Leg>
  /** First leg admitted. */
  startedAt: number | null
  /** Bandwidth (100 bit/s) times milliseconds up to `meteredAt`. */
  metered: bigint
  meteredAt: number
}

/** Width of the call: that of its wider admitted leg. */
export const widthOf = (call: Call): number =>
  Math.max(0, ...[...call.legs.values()].filter(isOpen).map(({ bandwidth }) => bandwidth))

export const isOpen = ({ state }: Leg): boolean => state === 'admitted' || state === 'dropping'

/** Brings the meter to `now`; called before every change of width. */
export function meter(call: Call, now: number): void {
  if (call.startedAt !== null) call.metered += BigInt(widthOf(call)) * BigInt(Math.max(0, now - call.meteredAt))
  call.meteredAt = Math.max(call.meteredAt, now)
}

export function stepLeg(leg: Leg, type: LegEvent['type']): readonly LegEffect[] | null {
  const { state, effects, allowed } = step(legMachine, leg.state, { type }, undefined)
  if (!allowed) return null
  leg.state = state
  return effects
}

/** The price is their product with one of three places; an entry of the ledger has room for 18. */
const places = 7

/** `numerator / denominator` as a decimal cut off behind 7 digits; exact where the quotient has no more. */
function ratioText(numerator: bigint, denominator: bigint): string {
  const scaled = (numerator * 10n ** BigInt(places)) / denominator
  const digits = scaled.toString().padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, -places) : `${digits.slice(0, -places)}.${fraction}`
}

const msPerMinute = 60_000n
const unitsPerMbit = 10_000n

/** What a call used: minutes, and Mbit/s on average over them. */
export function usageOf(call: Call, now: number): { durationMs: number; minutes: string; mbitPerSecond: string } {
  const durationMs = call.startedAt === null ? 0 : Math.max(0, now - call.startedAt)
  const mbit = durationMs === 0 ? '0' : ratioText(call.metered, BigInt(durationMs) * unitsPerMbit)
  return { durationMs, minutes: ratioText(BigInt(durationMs), msPerMinute), mbitPerSecond: mbit }
}
