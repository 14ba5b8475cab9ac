/** Admission: ARQ, ACF, ARJ. @see H.323 §8.1 */
import type { GuardDecision, GuardRequest } from '#kernel'
import type { AdmissionRejectReason, AdmissionRequest, AliasAddress } from '../h225/h225.ts'
import {
  type Address,
  addressOf,
  addressOfText,
  isDigits,
  keyOfAlias,
  nameOfKey,
  textOfAddress,
  transportAddressOf,
  uriOfKey
} from './addresses.ts'
import { findLeg, keyOfCall } from './calling.ts'
import { type Call, isOpen, type Leg, meter, stepLeg } from './calls.ts'
import { endLeg } from './ending.ts'
import { admissionAsked, admissionConfirmed, admissionRejected } from './events.ts'
import { searchNeighbours } from './location.ts'
import type { Registration } from './registrations.ts'
import { answer, type Effect, hex, namesOf, type Origin, speaksFor, type Zone } from './zone.ts'

export type RejectReason = Extract<AdmissionRejectReason, { type: string; value?: never }>['type'] extends infer T
  ? Exclude<T, 'unknownExtension'>
  : never

/** Where a name leads. */
export type Resolution =
  | { readonly found: 'endpoint'; readonly endpoint: Registration }
  | {
      readonly found: 'nobody'
      readonly reason:
        | 'calledPartyNotRegistered'
        | 'incompleteAddress'
        | 'aliasesInconsistent'
        | 'exceedsCallCapacity'
        | 'resourceUnavailable'
    }

/** `h323:room@domain` and `room@domain` mean the local `room`. */
function localKey(zone: Zone, key: string): string {
  const match = /^(?:url:h323:|url:|h323:|email:)([^@]+)@(.+)$/.exec(key)
  if (match === null || match[2]!.toLowerCase() !== zone.settings.domain) return key
  const [, name = ''] = match
  return /^[0-9*#,]+$/.test(name) ? `digits:${name}` : `h323:${name}`
}

const isFull = (zone: Zone, { endpointId }: Registration): boolean =>
  (zone.callsOf.get(endpointId)?.size ?? 0) >= zone.settings.limits.callsPerEndpoint

/** Whom a list of aliases names: all must name one. Numbers that nobody has go to the gateway with the longest prefix. */
export function resolve(zone: Zone, aliases: readonly AliasAddress[], address: Address | null): Resolution {
  const endpoints = new Set<Registration>()
  const numbers: string[] = []
  for (const alias of aliases) {
    const direct = alias.type === 'transportID' ? addressOf(alias.value) : null
    const key = keyOfAlias(alias)
    const own = key === null ? undefined : localKey(zone, key)
    const registration =
      direct !== null
        ? zone.registrations.bySignalAddress(textOfAddress(direct))
        : own === undefined
          ? undefined
          : (zone.registrations.byAlias(own) ?? zone.registrations.byAlias(key!))
    if (registration !== undefined) endpoints.add(registration)
    else if (own !== undefined && isDigits(own)) numbers.push(nameOfKey(own))
  }
  if (endpoints.size > 1) return { found: 'nobody', reason: 'aliasesInconsistent' }
  const [named] = endpoints
  if (named !== undefined) {
    return isFull(zone, named) ? { found: 'nobody', reason: 'exceedsCallCapacity' } : { found: 'endpoint', endpoint: named }
  }
  const addressed =
    aliases.length === 0 && address !== null ? zone.registrations.bySignalAddress(textOfAddress(address)) : undefined
  if (addressed !== undefined) return { found: 'endpoint', endpoint: addressed }
  const gateways = numbers.flatMap((number) => zone.registrations.byNumber(number))
  const free = gateways.filter((gateway) => !isFull(zone, gateway))
  const gateway = free.find(({ endpointId }) => !zone.almostFull.has(endpointId)) ?? free[0]
  if (gateway !== undefined) return { found: 'endpoint', endpoint: gateway }
  if (gateways.length > 0) return { found: 'nobody', reason: 'resourceUnavailable' }
  if (numbers.some((number) => zone.registrations.isBeginning(number))) return { found: 'nobody', reason: 'incompleteAddress' }
  return { found: 'nobody', reason: 'calledPartyNotRegistered' }
}

export function takeAdmissionRequest(zone: Zone, request: AdmissionRequest, origin: Origin, now: number): Effect[] {
  const { settings } = zone
  const bare = (type: RejectReason): Effect[] => [
    answer(origin, 'admissionReject', { requestSeqNum: request.requestSeqNum, rejectReason: { type } as AdmissionRejectReason })
  ]
  const own = zone.registrations.get(request.endpointIdentifier)
  if (own === undefined) return bare('callerNotRegistered')
  if (!speaksFor(zone, own, origin)) return bare(settings.users === null ? 'invalidEndpointIdentifier' : 'securityDenial')

  const before = findLeg(zone, own.endpointId, request)
  if (before !== null) {
    // asked again under another number, for instance because the answer was lost
    const isSame = before.leg.answering === request.answerCall && isOpen(before.leg)
    return isSame ? [confirmation(zone, before.call, before.leg, request, origin)] : bare('requestDenied')
  }
  const key = keyOfCall(request)
  const existing = zone.calls.get(key)
  const routed = settings.callModel === 'gatekeeperRouted'
  if (request.answerCall && existing === undefined && routed) return bare('routeCallToGatekeeper')
  // a call identifier that is known lets in nobody but whom the call was for
  if (existing !== undefined && !(request.answerCall && isDestination(existing, own))) return bare('requestDenied')
  if (existing === undefined && zone.calls.size >= settings.limits.calls) return bare('resourceUnavailable')
  if (zone.waiting >= settings.limits.waiting) return bare('resourceUnavailable')

  const call = existing ?? newCall(zone, request, own, key, now)
  const leg: Leg = {
    endpointId: own.endpointId,
    answering: request.answerCall,
    callReferenceValue: request.callReferenceValue,
    state: 'deciding',
    bandwidth: 0,
    admittedAt: now,
    heardAt: now
  }
  const attempt: Attempt = { zone, request, origin, own, call, leg, guard: null }
  const isOverCapacity = isFull(zone, own)
  zone.calls.set(key, call)
  call.legs.set(own.endpointId, leg)
  const calls = zone.callsOf.get(own.endpointId)
  if (calls === undefined) zone.callsOf.set(own.endpointId, new Set([key]))
  else calls.add(key)

  const asked = admissionAsked(zone, call, leg, request.bandWidth)
  if (isOverCapacity) return [asked, ...refuse(attempt, 'exceedsCallCapacity', now)]
  const prefix = request.answerCall ? undefined : limitsOf(zone, request)
  if (prefix?.allow === false) return [asked, ...refuse(attempt, 'invalidPermission', now)]
  if (prefix !== undefined && callsWith(zone, prefix.prefix) > prefix.calls)
    return [asked, ...refuse(attempt, 'exceedsCallCapacity', now)]
  // the call was decided when its caller asked
  if (existing !== undefined) return [asked, ...grant(attempt, now)]
  zone.waiting++
  return [
    asked,
    {
      type: 'decide',
      traceId: call.traceId,
      request: guardRequestOf(attempt, now),
      next: (decision, later) => {
        zone.waiting--
        return decided(attempt, decision, later)
      }
    }
  ]
}

interface Attempt {
  readonly zone: Zone
  readonly request: AdmissionRequest
  readonly origin: Origin
  readonly own: Registration
  readonly call: Call
  readonly leg: Leg
  /** Code of the guard's decision. */
  readonly guard: string | null
}

const isDestination = (call: Call, { signalAddresses }: Registration): boolean =>
  call.destination !== null &&
  signalAddresses.includes(call.destination) &&
  ![...call.legs.values()].some(({ answering }) => answering)

function newCall(zone: Zone, request: AdmissionRequest, own: Registration, key: string, now: number): Call {
  const { domain } = zone.settings
  const guid = request.callIdentifier?.guid ?? request.conferenceID
  const named = (aliases: readonly AliasAddress[]): string | undefined => aliases.map(keyOfAlias).find((name) => name !== null)
  const uriOf = (name: string | undefined, address: Address | null): string =>
    name === undefined ? `sip:${address === null ? 'anonymous' : textOfAddress(address)}` : uriOfKey(name, domain)
  const mine = uriOf(own.aliases[0], addressOfText(own.signalAddresses[0]!))
  const destCallSignal = request.destCallSignalAddress === undefined ? null : addressOf(request.destCallSignalAddress)
  const source = request.srcCallSignalAddress === undefined ? null : addressOf(request.srcCallSignalAddress)
  const dialled = named(namesOf(request.destinationInfo))
  const prefix = request.answerCall ? undefined : limitsOf(zone, request)
  return {
    key,
    // the guid serves as trace id, so that a call keeps its trace through every gateway that knows it
    traceId: /^(?!0{32})[0-9a-f]{32}$/.test(hex(guid)) ? hex(guid) : zone.ids.traceId(),
    callIdentifier: Uint8Array.from(guid),
    conferenceId: Uint8Array.from(request.conferenceID),
    from: request.answerCall ? uriOf(named(request.srcInfo), source) : mine,
    to: request.answerCall ? mine : uriOf(dialled === undefined ? undefined : localKey(zone, dialled), destCallSignal),
    prefix: prefix === undefined ? undefined : { name: prefix.prefix, limit: prefix.bandwidth },
    destination: request.answerCall ? own.signalAddresses[0]! : null,
    legs: new Map(),
    startedAt: null,
    metered: 0n,
    meteredAt: now
  }
}

/** Limits of the longest prefix dialled. */
function limitsOf({ settings }: Zone, request: AdmissionRequest): Zone['settings']['prefixes'][number] | undefined {
  const numbers = namesOf(request.destinationInfo)
    .map(keyOfAlias)
    .filter((key) => key !== null)
    .filter(isDigits)
    .map(nameOfKey)
  const matching = settings.prefixes.filter(({ prefix }) => numbers.some((number) => number.startsWith(prefix)))
  return matching.sort((a, b) => b.prefix.length - a.prefix.length)[0]
}

const callsWith = (zone: Zone, prefix: string): number =>
  [...zone.calls.values()].filter((call) => call.prefix?.name === prefix).length

function guardRequestOf({ request, origin, call, own }: Attempt, now: number): GuardRequest {
  return {
    direction: 'inbound',
    method: 'ARQ',
    callId: call.key,
    cseq: request.requestSeqNum,
    fromUri: call.from,
    toUri: call.to,
    claimedTraceId: null,
    hazard: null,
    signature: null,
    body: new Uint8Array(),
    edge: {
      sourceAddress: origin.from.ip,
      transport: 'udp',
      tlsVersion: null,
      tlsCipher: null,
      certificateIdentity: null,
      authenticatedUser: own.user,
      digestAlgorithm: null
    },
    receivedAt: now
  }
}

function decided(attempt: Attempt, decision: GuardDecision | null, now: number): Effect[] {
  const { zone, request, call, leg } = attempt
  const judged: Attempt = { ...attempt, guard: decision?.code ?? 'guard.unavailable' }
  if (leg.state === 'ended') return refuse(judged, 'undefinedReason', now)
  if (decision === null) return refuse(judged, 'resourceUnavailable', now)
  if (decision.verdict === 'reject') return refuse(judged, decision.security ? 'securityDenial' : 'invalidPermission', now)
  if (leg.answering) return grant(judged, now)
  const address = request.destCallSignalAddress === undefined ? null : addressOf(request.destCallSignalAddress)
  const aliases = namesOf(request.destinationInfo)
  const resolution = resolve(zone, aliases, address)
  if (resolution.found === 'endpoint') {
    call.destination = resolution.endpoint.signalAddresses[0]!
    return grant(judged, now)
  }
  if (resolution.reason !== 'calledPartyNotRegistered' || aliases.length === 0) return refuse(judged, resolution.reason, now)
  stepLeg(leg, 'notHere')
  return searchNeighbours(
    zone,
    { aliases, callIdentifier: call.callIdentifier, hopCount: zone.settings.hopCount, except: null },
    now,
    (found, later) => {
      if (leg.state === 'ended') return refuse(judged, 'undefinedReason', later)
      const destination = found?.type === 'locationConfirm' ? addressOf(found.value.callSignalAddress) : null
      if (destination === null) return refuse(judged, 'calledPartyNotRegistered', later)
      call.destination = textOfAddress(destination)
      return grant(judged, later)
    }
  )
}

/** Reserves what is asked for, or what is left where that is enough, and confirms once it is on record. */
function grant(attempt: Attempt, now: number): Effect[] {
  const { zone, request, origin, call, leg, guard } = attempt
  const { least } = zone.settings.bandwidth
  const wanted = Math.max(request.bandWidth, 1)
  const available = zone.bandwidth.available(call.key, leg.endpointId, call.prefix)
  if (available < Math.min(wanted, least) || available === 0) return refuse(attempt, 'requestDenied', now)
  leg.bandwidth = Math.min(wanted, available)
  if (stepLeg(leg, 'granted') === null) return refuse(attempt, 'undefinedReason', now)
  zone.bandwidth.set(call.key, leg.endpointId, leg.bandwidth, call.prefix)
  const event = admissionConfirmed(zone, call, leg, guard)
  return [
    {
      type: 'record',
      event,
      next: (recorded, later) => {
        if (!recorded && zone.settings.failClosed.includes(event.event)) return refuse(attempt, 'resourceUnavailable', later)
        if (leg.state === 'ended') return refuse(attempt, 'undefinedReason', later)
        meter(call, later)
        stepLeg(leg, 'confirmed')
        leg.admittedAt = later
        leg.heardAt = later
        call.startedAt ??= later
        return [confirmation(zone, call, leg, request, origin)]
      }
    }
  ]
}

function confirmation(zone: Zone, call: Call, leg: Leg, request: AdmissionRequest, origin: Origin): Effect {
  const { callModel, callSignalAddress, irrFrequencyS } = zone.settings
  const destination = callModel === 'gatekeeperRouted' && !leg.answering ? callSignalAddress : call.destination
  return answer(origin, 'admissionConfirm', {
    requestSeqNum: request.requestSeqNum,
    bandWidth: leg.bandwidth,
    callModel: { type: callModel },
    destCallSignalAddress: transportAddressOf(addressOfText(destination!)!),
    irrFrequency: irrFrequencyS,
    willRespondToIRR: true,
    uuiesRequested: nothingAboutMessages
  })
}

const nothingAboutMessages = {
  setup: false,
  callProceeding: false,
  connect: false,
  alerting: false,
  information: false,
  releaseComplete: false,
  facility: false,
  progress: false,
  empty: false,
  status: false,
  statusInquiry: false,
  setupAcknowledge: false,
  notify: false
}

function refuse(attempt: Attempt, type: RejectReason, now: number): Effect[] {
  const { zone, request, origin, call, leg, guard } = attempt
  const available = zone.bandwidth.available(call.key, leg.endpointId, call.prefix)
  const ended = leg.state === 'ended' ? [] : endLeg(zone, call, leg, 'refused', 'disengaged', now)
  return [
    ...ended,
    admissionRejected(zone, call, leg, type, available, guard),
    answer(origin, 'admissionReject', { requestSeqNum: request.requestSeqNum, rejectReason: { type } as AdmissionRejectReason })
  ]
}
