/** Change of bandwidth and end of calls: BRQ, BCF, BRJ, DRQ, DCF, DRJ. @see H.323 §8.4.1, §8.5 */
import type {
  BandRejectReason,
  BandwidthRequest,
  CallIdentifier,
  DisengageRejectReason,
  DisengageRequest
} from '../../h225/h225.ts'
import { addressOfText } from '../addresses.ts'
import { bandwidthEvent, bitRateOf } from '../events.ts'
import { type Call, isOpen, type Leg, meter, stepLeg } from '../tables/calls.ts'
import { answer, ask, type Effect, hex, type Origin, sealFor, speaksFor, type Zone } from '../zone.ts'
import { endLeg } from './ending.ts'

interface NamesCall {
  readonly callIdentifier?: CallIdentifier
  readonly conferenceID: Uint8Array
  readonly callReferenceValue: number
}

/** Peers of H.225.0 v1 have no call identifier. */
export const keyOfCall = ({ callIdentifier, conferenceID, callReferenceValue }: NamesCall): string =>
  callIdentifier === undefined ? `${hex(conferenceID)}-${callReferenceValue}` : hex(callIdentifier.guid)

/** An endpoint may leave the call identifier out in later messages, or have made up another: its conference and call reference count then. */
export function findLeg(zone: Zone, endpointId: string, request: NamesCall): { call: Call; leg: Leg } | null {
  const byKey = zone.calls.get(keyOfCall(request))
  const legByKey = byKey?.legs.get(endpointId)
  if (byKey !== undefined && legByKey !== undefined) return { call: byKey, leg: legByKey }
  if (request.callIdentifier !== undefined) return null
  for (const key of zone.callsOf.get(endpointId) ?? []) {
    const call = zone.calls.get(key)!
    const leg = call.legs.get(endpointId)!
    const isIt = hex(call.conferenceId) === hex(request.conferenceID) && leg.callReferenceValue === request.callReferenceValue
    if (isIt) return { call, leg }
  }
  return null
}

export function takeBandwidthRequest(zone: Zone, request: BandwidthRequest, origin: Origin, now: number): Effect[] {
  const { requestSeqNum, bandWidth: requested } = request
  const reject = (
    type: 'notBound' | 'invalidConferenceID' | 'insufficientResources' | 'securityDenial',
    allowed: number
  ): Effect =>
    answer(origin, 'bandwidthReject', { requestSeqNum, rejectReason: { type } as BandRejectReason, allowedBandWidth: allowed })
  const own = zone.registrations.get(request.endpointIdentifier)
  if (own === undefined) return [reject('notBound', 0)]
  if (!speaksFor(zone, own, origin)) return [reject('securityDenial', 0)]
  const found = findLeg(zone, own.endpointId, request)
  if (found === null || found.leg.state !== 'admitted') return [reject('invalidConferenceID', 0)]
  const { call, leg } = found
  const available = zone.bandwidth.available(call.key, leg.endpointId, call.prefix)
  const amounts = {
    requested_bps: bitRateOf(requested),
    previous_bps: bitRateOf(leg.bandwidth),
    available_bandwidth_bps: bitRateOf(available)
  }
  const asked = bandwidthEvent(zone, call, leg, 'h323_bandwidth_requested', amounts)
  if (requested > available) return [asked, reject('insufficientResources', available)]
  meter(call, now)
  zone.bandwidth.set(call.key, leg.endpointId, requested, call.prefix)
  leg.bandwidth = requested
  leg.heardAt = now
  return [
    asked,
    bandwidthEvent(zone, call, leg, 'h323_bandwidth_granted', {
      granted_bps: bitRateOf(requested),
      previous_bps: amounts.previous_bps
    }),
    answer(origin, 'bandwidthConfirm', { requestSeqNum, bandWidth: requested })
  ]
}

export function takeDisengageRequest(zone: Zone, request: DisengageRequest, origin: Origin, now: number): Effect[] {
  const { requestSeqNum } = request
  const reject = (type: 'notRegistered' | 'requestToDropOther' | 'securityDenial'): Effect[] => [
    answer(origin, 'disengageReject', { requestSeqNum, rejectReason: { type } as DisengageRejectReason })
  ]
  const own = zone.registrations.get(request.endpointIdentifier)
  if (own === undefined) return reject('notRegistered')
  if (!speaksFor(zone, own, origin)) return reject('securityDenial')
  const found = findLeg(zone, own.endpointId, request)
  if (found === null && zone.calls.has(keyOfCall(request))) return reject('requestToDropOther')
  // a call that is not there any more is what the endpoint wants
  const ended = found === null ? [] : endLeg(zone, found.call, found.leg, 'disengaged', 'disengaged', now)
  return [...ended, answer(origin, 'disengageConfirm', { requestSeqNum })]
}

/** Ends a call from here: DRQ to every endpoint in it. Who does not answer is taken to have left. */
export function dropCall(zone: Zone, key: string, now: number): Effect[] {
  const call = zone.calls.get(key)
  if (call === undefined) return []
  return [...call.legs.values()].flatMap((leg) => {
    const own = zone.registrations.get(leg.endpointId)
    if (own === undefined || !isOpen(leg) || stepLeg(leg, 'dropAsked') === null) return []
    return [
      ask(
        zone,
        now,
        addressOfText(own.rasAddress)!,
        sealFor(own),
        (requestSeqNum) => ({
          type: 'disengageRequest',
          value: {
            requestSeqNum,
            endpointIdentifier: leg.endpointId,
            conferenceID: call.conferenceId,
            callReferenceValue: leg.callReferenceValue,
            disengageReason: { type: 'forcedDrop' },
            callIdentifier: { guid: call.callIdentifier },
            gatekeeperIdentifier: zone.settings.identifier,
            answeredCall: leg.answering
          }
        }),
        (message, later) =>
          endLeg(
            zone,
            call,
            leg,
            message === null ? 'vanished' : 'disengaged',
            message === null ? 'vanished' : 'disengaged',
            later
          )
      )
    ]
  })
}
