/** Registration and unregistration: RRQ, RCF, RRJ, URQ, UCF, URJ. @see H.323 §7.2.2 */
import type {
  EndpointType,
  RegistrationRejectReason,
  RegistrationRequest,
  SupportedProtocols,
  UnregistrationRequest,
  UnregRejectReason,
  UnregRequestReason
} from '../../h225/h225.ts'
import {
  addressOf,
  addressOfText,
  aliasOfKey,
  isDigits,
  keyOfAlias,
  keyOfText,
  nameOfKey,
  textOfAddress,
  transportAddressOf
} from '../addresses.ts'
import type { Registration } from '../tables/registrations.ts'
import {
  answer,
  ask,
  component,
  type Effect,
  namesOf,
  type Origin,
  protocolFamily,
  protocolIdentifier,
  sealFor,
  speaksFor,
  type Zone
} from '../zone.ts'
import { alternatesOf } from './discovery.ts'
import { endLegsOf } from './ending.ts'

const clean = (text: string | undefined): string | undefined => text?.replace(/\0+$/, '')
const mostSignalAddresses = 8

export function takeRegistrationRequest(zone: Zone, request: RegistrationRequest, origin: Origin, now: number): Effect[] {
  const { settings, registrations } = zone
  const reject = (rejectReason: RegistrationRejectReason): Effect[] => [rejection(zone, request, origin, rejectReason)]
  if (!protocolFamily.test(request.protocolIdentifier)) return reject({ type: 'invalidRevision' })
  const asked = clean(request.gatekeeperIdentifier)
  if (asked !== undefined && asked !== '' && asked !== settings.identifier) return reject({ type: 'discoveryRequired' })
  if (settings.users !== null && origin.user === null) return reject({ type: 'securityDenial' })
  const own = registrations.get(clean(request.endpointIdentifier) ?? '')
  if (request.keepAlive === true) return keepAlive(zone, request, origin, own, now)

  const ras = request.rasAddress.map(addressOf).filter((address) => address !== null)
  const isOurs = settings.rasAddresses === 'source' || ras.some(({ ip }) => ip === origin.from.ip)
  if (ras.length === 0 || !isOurs) return reject({ type: 'invalidRASAddress' })
  const signals = request.callSignalAddress.map(addressOf).filter((address) => address !== null)
  if (signals.length === 0) return reject({ type: 'invalidCallSignalAddress' })
  const kind = kindOf(request.terminalType)
  if (kind === null) return reject({ type: 'invalidTerminalType' })
  const keys = namesOf(request.terminalAlias).map(keyOfAlias)
  const prefixKeys = prefixesOf(request.terminalType)
  const isNamed = keys.every((key) => key !== null) && prefixKeys.every((key) => key !== null && isDigits(key))
  if (!isNamed || keys.length + prefixKeys.length > settings.limits.aliases) return reject({ type: 'invalidAlias' })
  let aliases = [...new Set(keys as string[])]
  let prefixes = [...new Set((prefixKeys as string[]).map(nameOfKey))]
  if (!mayBe(zone, origin.user, aliases, prefixes)) return reject({ type: 'invalidAlias' })
  if (own !== undefined && !isSameParty(zone, own, origin)) return reject({ type: 'securityDenial' })

  const signalAddresses = [...new Set(signals.map(textOfAddress))].slice(0, mostSignalAddresses)
  const additive = request.additiveRegistration !== undefined
  if (additive && own === undefined) return reject({ type: 'fullRegistrationRequired' })
  if (additive && own !== undefined) {
    aliases = [...new Set([...own.aliases, ...aliases])]
    prefixes = [...new Set([...own.prefixes, ...prefixes])]
    if (aliases.length + prefixes.length > settings.limits.aliases) return reject({ type: 'resourceUnavailable' })
  }
  const holders = aliases.map((key) => registrations.byAlias(key)).filter((holder) => holder !== undefined)
  const before = own ?? holders.find((holder) => isSameEndpoint(zone, holder, origin, signalAddresses))
  const foreign = aliases.filter((key) => {
    const holder = registrations.byAlias(key)
    return holder !== undefined && holder.endpointId !== before?.endpointId
  })
  if (foreign.length > 0) return reject({ type: 'duplicateAlias', value: foreign.map(aliasOfKey) })
  if (before === undefined && registrations.size() + zone.waiting >= settings.limits.endpoints)
    return reject({ type: 'resourceUnavailable' })

  const timeToLive = timeToLiveOf(zone, request)
  const registration: Registration = {
    endpointId: before?.endpointId ?? zone.ids.endpointId(),
    aliases,
    prefixes,
    kind,
    signalAddresses,
    rasAddress: textOfAddress(origin.from),
    user: origin.user,
    traceId: before?.traceId ?? zone.ids.traceId(),
    registeredAt: before?.registeredAt ?? now,
    expiresAt: now + timeToLive * 1000
  }
  zone.waiting++
  return [
    {
      type: 'claim',
      registration,
      next: (claim, later) => {
        zone.waiting--
        if (claim === null) return reject({ type: 'resourceUnavailable' })
        if (claim.state === 'taken') return reject({ type: 'duplicateAlias', value: claim.aliases.map(aliasOfKey) })
        const isNew = before === undefined || !isAlike(before, registration)
        registrations.put(registration)
        return [
          ...(request.restart === undefined ? [] : endLegsOf(zone, registration.endpointId, 'unregistered', later)),
          ...(isNew ? [registered(zone, registration, timeToLive, before !== undefined)] : []),
          confirmation(zone, request, origin, registration, timeToLive)
        ]
      }
    }
  ]
}

/** Lightweight registration. @see H.323 §7.2.2.1 */
function keepAlive(
  zone: Zone,
  request: RegistrationRequest,
  origin: Origin,
  own: Registration | undefined,
  now: number
): Effect[] {
  const isThere = own !== undefined && speaksFor(zone, own, origin) && own.rasAddress === textOfAddress(origin.from)
  if (!isThere) return [rejection(zone, request, origin, { type: 'fullRegistrationRequired' })]
  const timeToLive = timeToLiveOf(zone, request)
  const renewed = { ...own, expiresAt: now + timeToLive * 1000 }
  zone.registrations.put(renewed)
  return [
    { type: 'renew', endpointId: own.endpointId, expiresAt: renewed.expiresAt },
    confirmation(zone, request, origin, renewed, timeToLive)
  ]
}

function timeToLiveOf({ settings }: Zone, { timeToLive }: RegistrationRequest): number {
  const { min, max } = settings.timeToLiveS
  return Math.min(max, Math.max(min, timeToLive ?? max))
}

function kindOf({ terminal, gateway, mcu, gatekeeper, mc, undefinedNode }: EndpointType): Registration['kind'] | null {
  if (gateway !== undefined) return 'gateway'
  if (mcu !== undefined) return 'mcu'
  if (terminal !== undefined || mc) return 'terminal'
  return gatekeeper === undefined && undefinedNode ? 'other' : null
}

const prefixesOf = ({ gateway, mcu }: EndpointType): (string | null)[] =>
  [...(gateway?.protocol ?? []), ...(mcu?.protocol ?? [])].flatMap((protocol: SupportedProtocols) => {
    const value = 'value' in protocol ? protocol.value : null
    if (value === null || !('supportedPrefixes' in value)) return []
    return (value.supportedPrefixes ?? []).map(({ prefix }) => keyOfAlias(prefix))
  })

/** A user has its own name and the aliases and prefixes configured for it. */
function mayBe({ settings }: Zone, user: string | null, aliases: readonly string[], prefixes: readonly string[]): boolean {
  if (settings.users === null) return true
  const found = settings.users.find(({ name }) => name === user)
  if (found === undefined) return false
  const allowed = new Set([found.name, ...found.aliases].map(keyOfText))
  return aliases.every((key) => allowed.has(key)) && prefixes.every((prefix) => found.prefixes.includes(prefix))
}

/** Without proof of who it is, an endpoint is its IP address. */
function isSameParty(zone: Zone, own: Registration, origin: Origin): boolean {
  if (zone.settings.users !== null) return own.user === origin.user
  return addressOfText(own.rasAddress)?.ip === origin.from.ip
}

/** One that registers again without its identifier, after a restart of its own. */
function isSameEndpoint(zone: Zone, holder: Registration, origin: Origin, signals: readonly string[]): boolean {
  if (zone.settings.users !== null) return holder.user === origin.user
  const isSameAddress = holder.rasAddress === textOfAddress(origin.from) || holder.signalAddresses[0] === signals[0]
  return isSameAddress && isSameParty(zone, holder, origin)
}

const isAlike = (a: Registration, b: Registration): boolean =>
  [a, b]
    .map(({ aliases, prefixes, signalAddresses, rasAddress }) => JSON.stringify([aliases, prefixes, signalAddresses, rasAddress]))
    .every((text, _at, [first]) => text === first)

const registered = (zone: Zone, registration: Registration, timeToLive: number, changed: boolean): Effect => ({
  type: 'record',
  event: {
    event: 'h323_endpoint_registered',
    component,
    traceId: registration.traceId,
    payload: {
      gatekeeper: zone.settings.identifier,
      endpoint: registration.endpointId,
      aliases: registration.aliases,
      prefixes: registration.prefixes,
      kind: registration.kind,
      ras_address: registration.rasAddress,
      call_signal_addresses: registration.signalAddresses,
      time_to_live_s: timeToLive,
      authenticated: registration.user !== null,
      changed
    }
  }
})

function confirmation(
  zone: Zone,
  request: RegistrationRequest,
  origin: Origin,
  registration: Registration,
  timeToLive: number
): Effect {
  const { callModel, callSignalAddress, identifier, alternateGatekeepers } = zone.settings
  const routed = callModel === 'gatekeeperRouted' && callSignalAddress !== null
  return answer({ ...origin, sendersId: registration.endpointId }, 'registrationConfirm', {
    requestSeqNum: request.requestSeqNum,
    protocolIdentifier,
    callSignalAddress: routed ? [transportAddressOf(addressOfText(callSignalAddress)!)] : [],
    ...(request.keepAlive !== true && { terminalAlias: registration.aliases.map(aliasOfKey) }),
    gatekeeperIdentifier: identifier,
    endpointIdentifier: registration.endpointId,
    ...(alternateGatekeepers.length > 0 && { alternateGatekeeper: alternatesOf(zone) }),
    timeToLive,
    willRespondToIRR: true,
    maintainConnection: false,
    supportsAdditiveRegistration: null
  })
}

function rejection(zone: Zone, request: RegistrationRequest, origin: Origin, rejectReason: RegistrationRejectReason): Effect {
  const others = rejectReason.type === 'resourceUnavailable' ? alternatesOf(zone) : []
  return answer(origin, 'registrationReject', {
    requestSeqNum: request.requestSeqNum,
    protocolIdentifier,
    rejectReason,
    gatekeeperIdentifier: zone.settings.identifier,
    ...(others.length > 0 && { altGKInfo: { alternateGatekeeper: others, altGKisPermanent: false } })
  })
}

/** URQ of an endpoint: all of it, or the aliases it names. */
export function takeUnregistrationRequest(zone: Zone, request: UnregistrationRequest, origin: Origin, now: number): Effect[] {
  const { requestSeqNum } = request
  const reject = (type: 'notCurrentlyRegistered' | 'securityDenial' | 'undefinedReason'): Effect[] => [
    answer(origin, 'unregistrationReject', { requestSeqNum, rejectReason: { type } as UnregRejectReason })
  ]
  const id = clean(request.endpointIdentifier)
  const signals = request.callSignalAddress.map(addressOf).filter((address) => address !== null)
  const bySignal = signals.map((address) => zone.registrations.bySignalAddress(textOfAddress(address)))
  const own = id === undefined ? bySignal.find((found) => found !== undefined) : zone.registrations.get(id)
  if (own === undefined) return reject('notCurrentlyRegistered')
  if (!speaksFor(zone, own, origin)) return reject('securityDenial')
  const named = new Set(namesOf(request.endpointAlias).map(keyOfAlias))
  const left = named.size === 0 ? [] : own.aliases.filter((key) => !named.has(key))
  const confirm = answer({ ...origin, sendersId: own.endpointId }, 'unregistrationConfirm', { requestSeqNum })
  if (left.length === 0) return [...unregister(zone, own.endpointId, now), confirm]
  const registration = { ...own, aliases: left }
  return [
    {
      type: 'claim',
      registration,
      next: (claim) => {
        if (claim?.state !== 'claimed') return reject('undefinedReason')
        zone.registrations.put(registration)
        return [confirm]
      }
    }
  ]
}

/** Takes an endpoint out of every table and ends its calls here. */
export function unregister(zone: Zone, endpointId: string, now: number, expiredAt?: number): Effect[] {
  if (zone.registrations.remove(endpointId) === undefined) return []
  zone.almostFull.delete(endpointId)
  zone.silentPolls.delete(endpointId)
  return [
    ...endLegsOf(zone, endpointId, 'unregistered', now),
    { type: 'forget', endpointId, ...(expiredAt !== undefined && { expiredAt }) }
  ]
}

/** Unregisters an endpoint and tells it. */
export function unregisterFromHere(zone: Zone, endpointId: string, reason: UnregRequestReason, now: number): Effect[] {
  const own = zone.registrations.get(endpointId)
  if (own === undefined) return []
  const to = addressOfText(own.rasAddress)!
  const callSignalAddress = own.signalAddresses.map((address) => transportAddressOf(addressOfText(address)!))
  const urq = ask(
    zone,
    now,
    to,
    sealFor(own),
    (requestSeqNum) => ({
      type: 'unregistrationRequest',
      value: {
        requestSeqNum,
        callSignalAddress,
        endpointIdentifier: endpointId,
        gatekeeperIdentifier: zone.settings.identifier,
        reason
      }
    }),
    () => []
  )
  return [...unregister(zone, endpointId, now, reason.type === 'ttlExpired' ? now : undefined), urq]
}
