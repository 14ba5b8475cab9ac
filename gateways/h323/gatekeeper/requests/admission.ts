/** Admission: ARQ, ACF, ARJ. @see H.323 §8.1 */
import type { GuardDecision, GuardRequest } from '#kernel'
import type { AdmissionRejectReason, AdmissionRequest, AliasAddress } from '../../h225/h225.ts'
import {
  type Address,
  addressOf,
  addressOfText,
  aliasOfKey,
  isDigits,
  keyOfAlias,
  nameOfKey,
  textOfAddress,
  transportAddressOf,
  uriOfKey
} from '../addresses.ts'
import { admissionAsked, admissionConfirmed, admissionRejected } from '../events.ts'
import { type Call, isOpen, type Leg, meter, stepLeg } from '../tables/calls.ts'
import type { Registration } from '../tables/registrations.ts'
import { answer, type Effect, hex, namesOf, type Origin, speaksFor, type Zone } from '../zone.ts'
import { findLeg, keyOfCall } from './calling.ts'
import { endLeg } from './ending.ts'
import { searchNeighbours } from './location.ts'

export type RejectReason = Extract<AdmissionRejectReason, { type: string; value?: never }>['type'] extends infer T
  ? Exclude<T, 'unknownExtension'>
  : never

/** Where a name leads. */
export type Resolution =
  /** `key` is the alias that led there, which is what the decision is about. */
  | { readonly found: 'endpoint'; readonly endpoint: Registration; readonly key: string | undefined }
  | {
      readonly found: 'nobody'
      readonly reason:
        | 'calledPartyNotRegistered'
        | 'incompleteAddress'
        | 'aliasesInconsistent'
        | 'exceedsCallCapacity'
        | 'resourceUnavailable'
      /** The first alias that can be looked for elsewhere. */
      readonly key: string | undefined
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
  const endpoints = new Map<Registration, string | undefined>()
  const keys: string[] = []
  for (const alias of aliases) {
    const direct = alias.type === 'transportID' ? addressOf(alias.value) : null
    const addressed = direct === null ? undefined : zone.registrations.bySignalAddress(textOfAddress(direct))
    if (addressed !== undefined) endpoints.set(addressed, addressed.aliases[0])
    const received = keyOfAlias(alias)
    if (received === null) continue
    const key = localKey(zone, received)
    const named = zone.registrations.byAlias(key)
    if (named === undefined) keys.push(key)
    else endpoints.set(named, key)
  }
  const [first] = keys
  const nobody = (reason: Extract<Resolution, { found: 'nobody' }>['reason']): Resolution => ({
    found: 'nobody',
    reason,
    key: first
  })
  if (endpoints.size > 1) return nobody('aliasesInconsistent')
  for (const [endpoint, key] of endpoints) {
    return isFull(zone, endpoint) ? nobody('exceedsCallCapacity') : { found: 'endpoint', endpoint, key }
  }
  const addressed =
    aliases.length === 0 && address !== null ? zone.registrations.bySignalAddress(textOfAddress(address)) : undefined
  if (addressed !== undefined) return { found: 'endpoint', endpoint: addressed, key: addressed.aliases[0] }
  const numbers = keys.filter(isDigits)
  const gateways = numbers.flatMap((key) => zone.registrations.byNumber(nameOfKey(key)).map((endpoint) => ({ endpoint, key })))
  const free = gateways.filter(({ endpoint }) => !isFull(zone, endpoint))
  const gateway = free.find(({ endpoint }) => !zone.almostFull.has(endpoint.endpointId)) ?? free[0]
  if (gateway !== undefined) return { found: 'endpoint', ...gateway }
  if (gateways.length > 0) return nobody('resourceUnavailable')
  if (numbers.some((key) => zone.registrations.isBeginning(nameOfKey(key)))) return nobody('incompleteAddress')
  return nobody('calledPartyNotRegistered')
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

  const destination = request.destCallSignalAddress === undefined ? null : addressOf(request.destCallSignalAddress)
  const target = request.answerCall ? null : resolve(zone, namesOf(request.destinationInfo), destination)
  const limits = target === null ? undefined : limitsOf(zone, target.key)
  const call = existing ?? newCall(zone, request, own, target, now)
  const leg: Leg = {
    endpointId: own.endpointId,
    answering: request.answerCall,
    callReferenceValue: request.callReferenceValue,
    state: 'deciding',
    bandwidth: 0,
    admittedAt: now,
    heardAt: now
  }
  const attempt: Attempt = { zone, request, origin, own, target, call, leg, guard: null }
  const isOverCapacity = isFull(zone, own)
  zone.calls.set(key, call)
  call.legs.set(own.endpointId, leg)
  const calls = zone.callsOf.get(own.endpointId)
  if (calls === undefined) zone.callsOf.set(own.endpointId, new Set([key]))
  else calls.add(key)

  const asked = admissionAsked(zone, call, leg, request.bandWidth)
  if (isOverCapacity) return [asked, ...refuse(attempt, 'exceedsCallCapacity', now)]
  if (limits?.allow === false) return [asked, ...refuse(attempt, 'invalidPermission', now)]
  if (limits !== undefined && callsWith(zone, limits.prefix) > limits.calls)
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
  /** Null for the leg of who is called. */
  readonly target: Resolution | null
  readonly call: Call
  readonly leg: Leg
  /** Code of the guard's decision. */
  readonly guard: string | null
}

const isDestination = (call: Call, { signalAddresses }: Registration): boolean =>
  call.destination !== null &&
  signalAddresses.includes(call.destination) &&
  ![...call.legs.values()].some(({ answering }) => answering)

function newCall(zone: Zone, request: AdmissionRequest, own: Registration, target: Resolution | null, now: number): Call {
  const { domain } = zone.settings
  const guid = request.callIdentifier?.guid ?? request.conferenceID
  const named = (aliases: readonly AliasAddress[]): string | undefined => aliases.map(keyOfAlias).find((name) => name !== null)
  const uriOf = (name: string | undefined, address: Address | null): string =>
    name === undefined ? `sip:${address === null ? 'anonymous' : textOfAddress(address)}` : uriOfKey(name, domain)
  const mine = uriOf(own.aliases[0], addressOfText(own.signalAddresses[0]!))
  const destCallSignal = request.destCallSignalAddress === undefined ? null : addressOf(request.destCallSignalAddress)
  const source = request.srcCallSignalAddress === undefined ? null : addressOf(request.srcCallSignalAddress)
  const limits = limitsOf(zone, target?.key)
  return {
    key: keyOfCall(request),
    // the guid serves as trace id, so that a call keeps its trace through every gateway that knows it
    traceId: /^(?!0{32})[0-9a-f]{32}$/.test(hex(guid)) ? hex(guid) : zone.ids.traceId(),
    callIdentifier: Uint8Array.from(guid),
    conferenceId: Uint8Array.from(request.conferenceID),
    from: request.answerCall ? uriOf(named(request.srcInfo), source) : mine,
    to: target === null ? mine : uriOf(target.key, destCallSignal),
    prefix: limits === undefined ? undefined : { name: limits.prefix, limit: limits.bandwidth },
    destination: request.answerCall ? own.signalAddresses[0]! : null,
    legs: new Map(),
    startedAt: null,
    metered: 0n,
    meteredAt: now
  }
}

/** Limits of the longest prefix dialled. */
function limitsOf({ settings }: Zone, dialled: string | undefined): Zone['settings']['prefixes'][number] | undefined {
  if (dialled === undefined || !isDigits(dialled)) return undefined
  const matching = settings.prefixes.filter(({ prefix }) => nameOfKey(dialled).startsWith(prefix))
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
  const { zone, target, call, leg } = attempt
  const judged: Attempt = { ...attempt, guard: decision?.code ?? 'guard.unavailable' }
  if (leg.state === 'ended') return refuse(judged, 'undefinedReason', now)
  if (decision === null) return refuse(judged, 'resourceUnavailable', now)
  if (decision.verdict === 'reject') return refuse(judged, decision.security ? 'securityDenial' : 'invalidPermission', now)
  if (target === null) return grant(judged, now)
  if (target.found === 'endpoint') {
    const endpoint = zone.registrations.get(target.endpoint.endpointId)
    if (endpoint === undefined) return refuse(judged, 'calledPartyNotRegistered', now)
    call.destination = endpoint.signalAddresses[0]!
    return grant(judged, now)
  }
  const { reason, key } = target
  if (reason !== 'calledPartyNotRegistered' || key === undefined) return refuse(judged, reason, now)
  stepLeg(leg, 'notHere')
  return searchNeighbours(
    zone,
    { aliases: [aliasOfKey(key)], callIdentifier: call.callIdentifier, hopCount: zone.settings.hopCount, except: null },
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
