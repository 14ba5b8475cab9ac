/** Entries of the record, as requirements name them; fields are described in the README. */
import type { JsonObject, WitnessEvent } from '#kernel'
import { type Call, type Leg, usageOf } from './tables/calls.ts'
import { component, type Effect, hex, type Zone } from './zone.ts'

export type CallRecordReason = 'disengaged' | 'vanished' | 'unregistered'

const bitsPerUnit = 100

const ofCall = (zone: Zone, call: Call): JsonObject => ({
  gatekeeper: zone.settings.identifier,
  call: hex(call.callIdentifier),
  conference: hex(call.conferenceId),
  from: call.from,
  to: call.to
})

const eventOf = (call: Call, event: string, payload: JsonObject): WitnessEvent => ({
  event,
  component,
  traceId: call.traceId,
  payload
})

export const bitRateOf = (units: number): number => units * bitsPerUnit

export const admissionAsked = (zone: Zone, call: Call, leg: Leg, requested: number): Effect => ({
  type: 'record',
  event: eventOf(call, 'h323_arq_sent', {
    ...ofCall(zone, call),
    endpoint: leg.endpointId,
    answering: leg.answering,
    bandwidth_bps: bitRateOf(requested)
  })
})

export const admissionConfirmed = (zone: Zone, call: Call, leg: Leg, guard: string | null): WitnessEvent =>
  eventOf(call, 'h323_acf_received', {
    ...ofCall(zone, call),
    endpoint: leg.endpointId,
    answering: leg.answering,
    bandwidth_bps: bitRateOf(leg.bandwidth),
    call_model: zone.settings.callModel,
    destination: call.destination,
    guard
  })

export const admissionRejected = (
  zone: Zone,
  call: Call,
  leg: Leg,
  reason: string,
  available: number,
  guard: string | null
): Effect => ({
  type: 'record',
  event: eventOf(call, 'h323_arj_received', {
    ...ofCall(zone, call),
    endpoint: leg.endpointId,
    answering: leg.answering,
    reason,
    available_bandwidth_bps: bitRateOf(available),
    guard
  })
})

export const bandwidthEvent = (zone: Zone, call: Call, leg: Leg, event: string, amounts: JsonObject): Effect => ({
  type: 'record',
  event: eventOf(call, event, { ...ofCall(zone, call), endpoint: leg.endpointId, ...amounts })
})

/** The cost is added where the price list is. */
export function callComplete(zone: Zone, call: Call, reason: CallRecordReason, now: number): Effect {
  const { durationMs, minutes, mbitPerSecond } = usageOf(call, now)
  const payload = { ...ofCall(zone, call), reason, duration_ms: durationMs, minutes, bandwidth_mbps: mbitPerSecond }
  return { type: 'record', event: eventOf(call, 'h323_call_complete', payload) }
}
