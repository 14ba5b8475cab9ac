import { isIPv6 } from 'node:net'
import { formatParameters, noParameters, type Parameters, parseParameters } from './text.ts'

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
const uriBytes = /^[\x21\x23-\x3b\x3d\x3f-\x7e\x80-\xff]+$/
const genericUri = /^[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"\x7f]+$/
const portForm = /^:\d{1,5}$/
const maxHostname = 253
const maxIpv6 = 45

export interface HostPort {
  readonly host: string
  readonly port: number | null
}

/**
 * Reads the text between the brackets of an IPv6 reference. The grammar of RFC 3261 lets a third colon stand before an embedded IPv4
 * address; that form is taken as the address it means (RFC 5118 §4.10).
 */
function ipv6(text: string): string | undefined {
  if (text.length > maxIpv6) return undefined
  if (isIPv6(text) && !text.includes('%')) return text
  const mended = text.replace(/:::(?=\d+\.\d+\.\d+\.\d+$)/, '::')
  return mended !== text && isIPv6(mended) ? mended : undefined
}

/** Reads `host`, `host:port` and `[v6]:port`; undefined where it is none of them. */
export function parseHostPort(text: string): HostPort | undefined {
  let host: string | undefined
  let rest = ''
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close < 0) return undefined
    host = ipv6(text.slice(1, close).toLowerCase())
    if (host === undefined) return undefined
    rest = text.slice(close + 1)
  } else {
    const colon = text.indexOf(':')
    host = (colon < 0 ? text : text.slice(0, colon)).toLowerCase()
    if (host.length > maxHostname || !hostname.test(host)) return undefined
    if (colon >= 0) rest = text.slice(colon)
  }
  if (rest === '') return { host, port: null }
  if (!portForm.test(rest)) return undefined
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

export function formatSipUri(uri: SipUri): string {
  const user = uri.user === null ? '' : `${uri.user}@`
  const port = uri.port === null ? '' : `:${uri.port}`
  const headers = uri.headers === null ? '' : `?${uri.headers}`
  return `${uri.scheme}:${user}${bracketed(uri.host)}${port}${formatParameters(uri.params)}${headers}`
}

/** User and password of a `user` part, escapes undone; the password is null when there is none. */
export function userInfo(user: string): { readonly user: string; readonly password: string | null } {
  const colon = user.indexOf(':')
  if (colon < 0) return { user: unescaped(user), password: null }
  return { user: unescaped(user.slice(0, colon)), password: unescaped(user.slice(colon + 1)) }
}

/** Header fields a URI asks for, names and values with escapes undone, in order; undefined where one has no name. */
export function uriHeaders(headers: string): { readonly name: string; readonly value: string }[] | undefined {
  const fields: { name: string; value: string }[] = []
  for (const part of headers.split('&')) {
    const equals = part.indexOf('=')
    if (equals <= 0) return undefined
    fields.push({ name: unescaped(part.slice(0, equals)), value: unescaped(part.slice(equals + 1)) })
  }
  return fields
}

/** `%41` becomes `A`, one character per octet; what is no escape stays. */
export function unescaped(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

/** Latin1 text as a user part: what RFC 3261 §25.1 has in neither `unreserved` nor `user-unreserved` is escaped. */
export function escapedUser(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  )
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
