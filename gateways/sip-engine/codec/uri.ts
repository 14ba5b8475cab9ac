import { noParameters, type Parameters, parseParameters } from './text.ts'

/** A `sip:` or `sips:` URI. Host is in lower case, IPv6 without its brackets. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips'
  /** With password and escapes, as written; null when there is none. */
  readonly user: string | null
  readonly host: string
  readonly port: number | null
  readonly params: Parameters
  /** Text behind `?`, null when there is none. */
  readonly headers: string | null
}

const hostname = /^[a-z0-9_](?:[a-z0-9\-_.]*[a-z0-9_])?\.?$/
const ipv6Literal = /^[0-9a-f:.]{2,45}$/
const uriBytes = /^[\x21-\x3b\x3d\x3f-\x7e\x80-\xff]+$/
const genericUri = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+$/

export interface HostPort {
  readonly host: string
  readonly port: number | null
}

/** Reads `host`, `host:port` and `[v6]:port`; undefined where it is none of them. */
export function parseHostPort(text: string): HostPort | undefined {
  let host: string
  let rest: string
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close < 0) return undefined
    host = text.slice(1, close).toLowerCase()
    if (!ipv6Literal.test(host) || !host.includes(':')) return undefined
    rest = text.slice(close + 1)
  } else {
    const colon = text.indexOf(':')
    host = (colon < 0 ? text : text.slice(0, colon)).toLowerCase()
    if (host.length > 253 || !hostname.test(host)) return undefined
    rest = colon < 0 ? '' : text.slice(colon)
  }
  if (rest === '') return { host, port: null }
  if (!/^:\d{1,5}$/.test(rest)) return undefined
  const port = Number(rest.slice(1))
  return port > 65_535 ? undefined : { host, port }
}

/**
 * Reads a SIP or SIPS URI.
 *
 * @returns undefined where the text is not one.
 * @see RFC 3261 §19.1.1
 */
export function parseSipUri(text: string): SipUri | undefined {
  const colon = text.indexOf(':')
  if (colon < 3 || colon > 4) return undefined
  const scheme = text.slice(0, colon).toLowerCase()
  if (scheme !== 'sip' && scheme !== 'sips') return undefined
  if (!uriBytes.test(text)) return undefined
  const at = text.indexOf('@', colon)
  let user: string | null = null
  let from = colon + 1
  if (at >= 0) {
    user = text.slice(from, at)
    from = at + 1
    if (user === '' || text.indexOf('@', from) >= 0) return undefined
  }
  const question = text.indexOf('?', from)
  const end = question < 0 ? text.length : question
  const semicolon = text.indexOf(';', from)
  const hostEnd = semicolon < 0 || semicolon > end ? end : semicolon
  const where = parseHostPort(text.slice(from, hostEnd))
  if (where === undefined) return undefined
  const params = hostEnd === end ? noParameters : parseParameters(text.slice(hostEnd, end))
  if (params === undefined) return undefined
  return { scheme, user, ...where, params, headers: question < 0 ? null : text.slice(question + 1) }
}

/** Whether the text has the outer form of any absolute URI. */
export function isUri(text: string): boolean {
  return genericUri.test(text)
}

/** Scheme of a URI in lower case, empty when there is none. */
export function uriScheme(text: string): string {
  const colon = text.indexOf(':')
  return colon < 0 ? '' : text.slice(0, colon).toLowerCase()
}

/** Host as it stands in a URI or Via: IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
