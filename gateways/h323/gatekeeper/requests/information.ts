/** State of calls and endpoints: IRQ, IRR, IACK, INAK, RAI, RAC. @see H.323 §7.2.3, §8.4.2 */
import type { InfoRequestNakReason, InfoRequestResponse, ResourcesAvailableIndicate } from '../../h225/h225.ts'
import { addressOfText } from '../addresses.ts'
import { answer, ask, type Effect, type Origin, protocolIdentifier, sealFor, speaksFor, type Zone } from '../zone.ts'
import { findLeg } from './calling.ts'
import { endLeg, endLegsOf, openLegsOf } from './ending.ts'

/** A call younger than this may be missing in an answer that was on its way. */
const graceMs = 5000
const mostSilentPolls = 2

/** IRR that nobody asked for: its calls are there. */
export function takeUnsolicitedResponse(zone: Zone, response: InfoRequestResponse, origin: Origin, now: number): Effect[] {
  const { requestSeqNum } = response
  const nak = (type: 'notRegistered' | 'securityDenial'): Effect => {
    const value = { requestSeqNum, nakReason: { type } as InfoRequestNakReason }
    return response.needResponse === true ? answer(origin, 'infoRequestNak', value) : { type: 'silence', origin }
  }
  const own = zone.registrations.get(response.endpointIdentifier)
  if (own === undefined) return [nak('notRegistered')]
  if (!speaksFor(zone, own, origin)) return [nak('securityDenial')]
  hear(zone, response, now)
  return [response.needResponse === true ? answer(origin, 'infoRequestAck', { requestSeqNum }) : { type: 'silence', origin }]
}

function hear(zone: Zone, response: InfoRequestResponse, now: number): void {
  zone.silentPolls.delete(response.endpointIdentifier)
  for (const info of response.perCallInfo ?? []) {
    const found = findLeg(zone, response.endpointIdentifier, info)
    if (found !== null) found.leg.heardAt = now
  }
}

/** Asks every endpoint about its calls when one of them was not heard of for an interval. */
export function pollCalls(zone: Zone, now: number): Effect[] {
  const intervalMs = zone.settings.irrFrequencyS * 1000
  return [...zone.callsOf.keys()].flatMap((endpointId) => {
    const legs = openLegsOf(zone, endpointId)
    if (!legs.some(({ leg }) => now - leg.heardAt >= intervalMs)) return []
    // one interval until the next poll
    for (const { leg } of legs) leg.heardAt = now
    return [poll(zone, endpointId, now)].filter((effect) => effect !== null)
  })
}

function poll(zone: Zone, endpointId: string, now: number): Effect | null {
  const own = zone.registrations.get(endpointId)
  if (own === undefined) return null
  const askedAt = now
  return ask(
    zone,
    now,
    addressOfText(own.rasAddress)!,
    sealFor(own),
    // call reference 0: all calls of the endpoint
    (requestSeqNum) => ({ type: 'infoRequest', value: { requestSeqNum, callReferenceValue: 0 } }),
    (message, later) => {
      if (message === null) {
        const silent = (zone.silentPolls.get(endpointId) ?? 0) + 1
        zone.silentPolls.set(endpointId, silent)
        if (silent < mostSilentPolls) return []
        zone.silentPolls.delete(endpointId)
        return endLegsOf(zone, endpointId, 'vanished', later)
      }
      if (message.type !== 'infoRequestResponse' || message.value.endpointIdentifier !== endpointId) return []
      hear(zone, message.value, later)
      const status = message.value.irrStatus?.type
      if (status === 'incomplete' || status === 'segment') return []
      const told = new Set((message.value.perCallInfo ?? []).map((info) => findLeg(zone, endpointId, info)?.call.key))
      return openLegsOf(zone, endpointId)
        .filter(({ call, leg }) => !told.has(call.key) && leg.admittedAt + graceMs <= askedAt)
        .flatMap(({ call, leg }) => endLeg(zone, call, leg, 'vanished', 'vanished', later))
    }
  )
}

export function takeResources(zone: Zone, indication: ResourcesAvailableIndicate, origin: Origin): Effect[] {
  const own = zone.registrations.get(indication.endpointIdentifier)
  if (own === undefined || !speaksFor(zone, own, origin)) return [{ type: 'silence', origin }]
  if (indication.almostOutOfResources) zone.almostFull.add(own.endpointId)
  else zone.almostFull.delete(own.endpointId)
  return [answer(origin, 'resourcesAvailableConfirm', { requestSeqNum: indication.requestSeqNum, protocolIdentifier })]
}
