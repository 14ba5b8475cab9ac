/** The gatekeeper without sockets, clock and store: what comes in and the time it is, to what is to be done. */
import type { RasMessage } from '../h225/h225.ts'
import { type Address, textOfAddress } from './addresses.ts'
import type { Settings } from './config.ts'
import { takeAdmissionRequest } from './requests/admission.ts'
import { takeBandwidthRequest, takeDisengageRequest } from './requests/calling.ts'
import { takeGatekeeperRequest } from './requests/discovery.ts'
import { pollCalls, takeResources, takeUnsolicitedResponse } from './requests/information.ts'
import { takeLocationRequest } from './requests/location.ts'
import { takeRegistrationRequest, takeUnregistrationRequest, unregister, unregisterFromHere } from './requests/registering.ts'
import type { StoreChange } from './store/store.ts'
import { createBandwidthAccounts } from './tables/bandwidth.ts'
import { createRegistrationTable } from './tables/registrations.ts'
import { answer, type Effect, type Ids, type Origin, type Zone } from './zone.ts'

export function createZone(settings: Settings, rasAddress: Address, ids: Ids): Zone {
  return {
    settings,
    ids,
    rasAddress,
    registrations: createRegistrationTable(),
    calls: new Map(),
    callsOf: new Map(),
    bandwidth: createBandwidthAccounts(settings.bandwidth),
    requests: new Map(),
    almostFull: new Set(),
    searches: new Map(),
    silentPolls: new Map(),
    nextSeq: 0,
    waiting: 0
  }
}

/** A message that answers none of our requests, from an address it may come from. */
export function takeMessage(
  zone: Zone,
  message: RasMessage,
  origin: Origin,
  now: number,
  octets: Uint8Array,
  multicast: boolean
): readonly Effect[] {
  if (multicast && message.type !== 'gatekeeperRequest' && message.type !== 'locationRequest')
    return [{ type: 'silence', origin }]
  switch (message.type) {
    case 'gatekeeperRequest':
      return takeGatekeeperRequest(zone, message.value, origin, multicast)
    case 'registrationRequest':
      return takeRegistrationRequest(zone, message.value, origin, now)
    case 'unregistrationRequest':
      return takeUnregistrationRequest(zone, message.value, origin, now)
    case 'admissionRequest':
      return takeAdmissionRequest(zone, message.value, origin, now)
    case 'bandwidthRequest':
      return takeBandwidthRequest(zone, message.value, origin, now)
    case 'disengageRequest':
      return takeDisengageRequest(zone, message.value, origin, now)
    case 'locationRequest':
      return takeLocationRequest(zone, message.value, origin, now, multicast)
    case 'infoRequestResponse':
      return takeUnsolicitedResponse(zone, message.value, origin, now)
    case 'resourcesAvailableIndicate':
      return takeResources(zone, message.value, origin)
    case 'unknownExtension':
      return notUnderstood(zone, origin, octets)
    default:
      // answers to nothing we asked, and NSM
      return [{ type: 'silence', origin }]
  }
}

/** A message of a later version. Where its number would be is not known, so the answer repeats the message instead (H.225.0 §7.17). */
function notUnderstood(zone: Zone, origin: Origin, octets: Uint8Array): Effect[] {
  if (!zone.registrations.isKnownIp(origin.from.ip)) return [{ type: 'silence', origin }]
  return [answer(origin, 'unknownMessageResponse', { requestSeqNum: 1, messageNotUnderstood: octets })]
}

/** An answer to a request of ours; null when it is none. */
export function takeResponse(zone: Zone, message: RasMessage, from: Address, now: number): readonly Effect[] | null {
  if (!isResponse(message) || !('value' in message) || !('requestSeqNum' in message.value)) return null
  const { requestSeqNum } = message.value as { requestSeqNum: number }
  const request = zone.requests.get(requestSeqNum)
  if (request === undefined || textOfAddress(request.to) !== textOfAddress(from)) return null
  if (!answersOf[request.message.type]?.includes(message.type)) return null
  if (message.type === 'requestInProgress') {
    request.dueAt = now + message.value.delay
    return []
  }
  zone.requests.delete(requestSeqNum)
  return request.answered(message, now)
}

const answersOf: Readonly<Partial<Record<RasMessage['type'], readonly RasMessage['type'][]>>> = {
  unregistrationRequest: ['unregistrationConfirm', 'unregistrationReject', 'requestInProgress'],
  disengageRequest: ['disengageConfirm', 'disengageReject', 'requestInProgress'],
  locationRequest: ['locationConfirm', 'locationReject', 'requestInProgress'],
  infoRequest: ['infoRequestResponse', 'requestInProgress']
}
const responses = new Set(Object.values(answersOf).flat())
export const isResponse = ({ type }: RasMessage): boolean => responses.has(type)

/** Expiry of registrations and searches, retransmission, polls. */
export function tick(zone: Zone, now: number): readonly Effect[] {
  for (const [name, until] of zone.searches) if (until <= now) zone.searches.delete(name)
  const expired = zone.registrations
    .expired(now)
    .flatMap(({ endpointId }) => unregisterFromHere(zone, endpointId, { type: 'ttlExpired' }, now))
  const due = [...zone.requests].filter(([, { dueAt }]) => dueAt <= now)
  const repeated = due.flatMap(([seq, request]): readonly Effect[] => {
    if (request.retriesLeft === 0) {
      zone.requests.delete(seq)
      return request.answered(null, now)
    }
    request.retriesLeft--
    request.dueAt = now + zone.settings.requestTimeoutMs
    return [{ type: 'send', to: request.to, message: request.message, seal: request.seal }]
  })
  return [...expired, ...repeated, ...pollCalls(zone, now)]
}

/** What another gatekeeper of the zone did. */
export function takeChange(zone: Zone, { endpointId, registration }: StoreChange, now: number): readonly Effect[] {
  if (registration === null) return unregister(zone, endpointId, now).filter(({ type }) => type !== 'forget')
  zone.registrations.put(registration)
  return []
}
