/** Location of endpoints in other zones: LRQ, LCF, LRJ. @see H.323 §8.1.6 */
import type { AliasAddress, LocationRejectReason, LocationRequest, RasMessage } from '../../h225/h225.ts'
import { addressOf, addressOfText, isDigits, keyOfAlias, nameOfKey, textOfAddress, transportAddressOf } from '../addresses.ts'
import { answer, ask, type Effect, hex, type Origin, signalAddressOf, speaksFor, type Zone } from '../zone.ts'
import { resolve } from './admission.ts'

export interface Search {
  readonly aliases: readonly AliasAddress[]
  readonly callIdentifier: Uint8Array | null
  readonly hopCount: number
  /** Address of the neighbour that asked us. */
  readonly except: string | null
}

const nameOf = ({ aliases, callIdentifier }: Search): string | null =>
  callIdentifier === null ? null : `${hex(callIdentifier)} ${aliases.map(keyOfAlias).join(' ')}`

/** How long a search is remembered, in which it would come back if it went in a circle. */
const rememberedMs = 10_000

/** Asks the neighbours responsible, all at once; the first that knows is taken. Null: nobody knows. */
export function searchNeighbours(
  zone: Zone,
  search: Search,
  now: number,
  next: (found: RasMessage | null, now: number) => readonly Effect[]
): Effect[] {
  const { neighbours, limits } = zone.settings
  const numbers = search.aliases
    .map(keyOfAlias)
    .filter((key) => key !== null && isDigits(key))
    .map((key) => nameOfKey(key!))
  const asked = neighbours.filter(({ address, prefixes }) => {
    const isResponsible = prefixes.length === 0 || prefixes.some((prefix) => numbers.some((number) => number.startsWith(prefix)))
    return isResponsible && address !== search.except
  })
  if (asked.length === 0 || zone.waiting >= limits.waiting) return [...next(null, now)]
  const name = nameOf(search)
  if (name !== null) zone.searches.set(name, now + rememberedMs)
  zone.waiting++
  let open = asked.length
  let isDone = false
  return asked.map(({ address }) =>
    ask(
      zone,
      now,
      addressOfText(address)!,
      null,
      (requestSeqNum) => ({
        type: 'locationRequest',
        value: {
          requestSeqNum,
          destinationInfo: search.aliases,
          replyAddress: transportAddressOf(zone.rasAddress),
          gatekeeperIdentifier: zone.settings.identifier,
          hopCount: search.hopCount,
          ...(search.callIdentifier !== null && { callIdentifier: { guid: search.callIdentifier } })
        }
      }),
      (message, later) => {
        open--
        const isFound = message?.type === 'locationConfirm'
        if (isDone || (!isFound && open > 0)) return []
        isDone = true
        zone.waiting--
        return next(isFound ? message : null, later)
      }
    )
  )
}

/** LRQ of a neighbour, or of an endpoint of ours. Nobody else is answered with a place; who asks all gatekeepers at once is answered by those alone that know (H.323 §7.2.3). */
export function takeLocationRequest(
  zone: Zone,
  request: LocationRequest,
  origin: Origin,
  now: number,
  multicast = false
): Effect[] {
  const { requestSeqNum, destinationInfo } = request
  const reject = (
    type:
      | 'notRegistered'
      | 'invalidPermission'
      | 'requestDenied'
      | 'hopCountExceeded'
      | 'aliasesInconsistent'
      | 'incompleteAddress'
      | 'resourceUnavailable'
  ): Effect[] =>
    multicast
      ? [{ type: 'silence', origin }]
      : [answer(reply, 'locationReject', { requestSeqNum, rejectReason: { type } as LocationRejectReason })]
  const source = textOfAddress(origin.from)
  const neighbour = zone.settings.neighbours.find(({ address }) => address === source)
  // a request that was passed on is answered to who asked first (H.225.0 §7.13.1, replyAddress); only neighbours are believed
  const reply: Origin = neighbour === undefined ? origin : { ...origin, from: addressOf(request.replyAddress) ?? origin.from }
  const endpoint = zone.registrations.get(request.endpointIdentifier ?? '')
  const isTrusted = neighbour !== undefined || (endpoint !== undefined && speaksFor(zone, endpoint, origin))
  if (!isTrusted) return reject('invalidPermission')
  const search: Search = {
    aliases: destinationInfo,
    callIdentifier: request.callIdentifier?.guid ?? null,
    hopCount: (request.hopCount ?? 1) - 1,
    except: source
  }
  const resolution = resolve(zone, destinationInfo, null)
  if (resolution.found === 'endpoint') {
    return [
      answer(reply, 'locationConfirm', {
        requestSeqNum,
        callSignalAddress: signalAddressOf(zone, resolution.endpoint),
        rasAddress: transportAddressOf(zone.rasAddress)
      })
    ]
  }
  const { reason } = resolution
  if (reason !== 'calledPartyNotRegistered') return reject(reason === 'exceedsCallCapacity' ? 'resourceUnavailable' : reason)
  const name = nameOf(search)
  const isCircle = name !== null && (zone.searches.get(name) ?? 0) > now
  if (isCircle) return reject('requestDenied')
  if (zone.settings.neighbours.length === (neighbour === undefined ? 0 : 1)) return reject('notRegistered')
  if (search.hopCount < 1) return reject('hopCountExceeded')
  return searchNeighbours(zone, search, now, (found) => {
    if (found?.type !== 'locationConfirm') return reject('notRegistered')
    const { callSignalAddress, rasAddress } = found.value
    return [answer(reply, 'locationConfirm', { requestSeqNum, callSignalAddress, rasAddress })]
  })
}
