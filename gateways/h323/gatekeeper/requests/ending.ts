/** Ends of legs and calls. */

import type { CallRecordReason } from '../events.ts'
import { callComplete } from '../events.ts'
import { type Call, isOpen, type Leg, type LegEvent, meter, stepLeg } from '../tables/calls.ts'
import type { Effect, Zone } from '../zone.ts'

/** Gives back what the leg holds and, with the last leg, ends the call. */
export function endLeg(
  zone: Zone,
  call: Call,
  leg: Leg,
  type: LegEvent['type'],
  reason: CallRecordReason,
  now: number
): Effect[] {
  meter(call, now)
  const effects = stepLeg(leg, type)
  if (effects === null || leg.state !== 'ended') return []
  if (effects.includes('release')) zone.bandwidth.release(call.key, leg.endpointId)
  call.legs.delete(leg.endpointId)
  const calls = zone.callsOf.get(leg.endpointId)
  calls?.delete(call.key)
  if (calls?.size === 0) zone.callsOf.delete(leg.endpointId)
  if (call.legs.size > 0) return []
  zone.calls.delete(call.key)
  return call.startedAt === null ? [] : [callComplete(zone, call, reason, now)]
}

/** Ends all legs of an endpoint. */
export function endLegsOf(zone: Zone, endpointId: string, type: 'unregistered' | 'vanished', now: number): Effect[] {
  return [...(zone.callsOf.get(endpointId) ?? [])].flatMap((key) => {
    const call = zone.calls.get(key)!
    return endLeg(zone, call, call.legs.get(endpointId)!, type, type, now)
  })
}

/** Legs of an endpoint in open calls. */
export function openLegsOf(zone: Zone, endpointId: string): { call: Call; leg: Leg }[] {
  return [...(zone.callsOf.get(endpointId) ?? [])].flatMap((key) => {
    const call = zone.calls.get(key)!
    const leg = call.legs.get(endpointId)!
    return isOpen(leg) ? [{ call, leg }] : []
  })
}
