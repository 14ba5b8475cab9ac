/**
 * Route of a request through this proxy, from its Route header fields and Request-URI.
 *
 * @see RFC 3261 §16.4, §16.6 step 6, §16.12
 */
import { parseAddress } from '../codec/address.ts'
import { header, headerLines, type SipRequest } from '../codec/message.ts'
import { splitList } from '../codec/text.ts'
import { parseSipUri } from '../codec/uri.ts'
import type { Endpoint } from '../transport/port.ts'

export interface Routing {
  readonly requestUri: string
  /** Route values left for the next hops, in order, as written. */
  readonly routes: readonly string[]
  /** URI to send to. */
  readonly nextHop: string
}

/** Whether a URI names one of our listeners. */
export function isOwnUri(text: string, own: readonly Endpoint[]): boolean {
  const uri = parseSipUri(text)
  if (uri === undefined) return false
  const secure = uri.scheme === 'sips' || uri.params.get('transport')?.toLowerCase() === 'tls'
  const port = uri.port ?? (secure ? 5061 : 5060)
  return own.some((each) => each.port === port && each.address.toLowerCase() === uri.host)
}

/**
 * Route of a request whose top Route is ours; a request from a strict router, which has put our URI into the Request-URI, is put right first.
 *
 * @returns undefined for a request that was not routed through us.
 */
export function routedThroughUs(request: SipRequest, own: readonly Endpoint[]): Routing | undefined {
  if (header(request, 'route') === undefined) return undefined
  const routes = headerLines(request, 'route').flatMap(splitList)
  let requestUri = request.uri
  let routed = false
  if (routes.length > 0 && parseSipUri(requestUri)?.params.has('lr') && isOwnUri(requestUri, own)) {
    requestUri = uriOf(routes.pop()!)
    routed = true
  }
  // RFC 5658: a proxy with two interfaces stands in the route twice.
  while (routes.length > 0 && isOwnUri(uriOf(routes[0]!), own)) {
    routes.shift()
    routed = true
  }
  return routed ? towards(requestUri, routes) : undefined
}

/** The strict router at the front of the route gets its URI as Request-URI. */
function towards(requestUri: string, routes: readonly string[]): Routing {
  const first = routes[0]
  if (first === undefined) return { requestUri, routes, nextHop: requestUri }
  const nextHop = uriOf(first)
  if (parseSipUri(nextHop)?.params.has('lr') ?? true) return { requestUri, routes, nextHop }
  return { requestUri: nextHop, routes: [...routes.slice(1), `<${requestUri}>`], nextHop }
}

function uriOf(route: string): string {
  return parseAddress(route)?.uri ?? ''
}
