import { type SipUri, unescaped } from './uri.ts'

/** Present in one URI only, these make a difference (RFC 3261 §19.1.4). */
const decisive = ['user', 'ttl', 'method', 'maddr', 'transport'] as const

/**
 * Whether two SIP URIs are equivalent: user and password by octets, all else without regard to case; a port left out is not 5060; parameters
 * in any order, of those in one URI only `user`, `ttl`, `method`, `maddr` and `transport` count; header fields in any order, all count.
 *
 * @see RFC 3261 §19.1.4
 */
export function sameSipUri(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port || a.host.toLowerCase() !== b.host.toLowerCase()) return false
  if ((a.user === null) !== (b.user === null)) return false
  if (a.user !== null && a.user !== b.user && normal(a.user) !== normal(b.user!)) return false
  const one = lowered(a.params)
  const other = lowered(b.params)
  for (const name of decisive) if (one.has(name) !== other.has(name)) return false
  for (const [name, value] of one) if (other.has(name) && other.get(name) !== value) return false
  return sameHeaders(a.headers, b.headers)
}

const reserved = /%(?:2[46BCF]|3[ABDF]|40|25)/gi

/** Escapes of what may stand as itself are undone; those of reserved characters are kept, in upper case: `%3a` is not `:`. */
function normal(text: string): string {
  if (!text.includes('%')) return text
  let out = ''
  let from = 0
  for (const match of text.matchAll(reserved)) {
    out += unescaped(text.slice(from, match.index)) + match[0].toUpperCase()
    from = match.index + match[0].length
  }
  return out + unescaped(text.slice(from))
}

function lowered(params: SipUri['params']): Map<string, string | null> {
  const out = new Map<string, string | null>()
  for (const [name, value] of params) {
    out.set(normal(name).toLowerCase(), value === null ? null : normal(value).toLowerCase())
  }
  return out
}

function sameHeaders(a: string | null, b: string | null): boolean {
  if (a === b) return true
  if (a === null || b === null) return false
  const parts = (text: string): string =>
    text
      .split('&')
      .map((part) => {
        const equals = part.indexOf('=')
        return equals < 0
          ? normal(part).toLowerCase()
          : `${normal(part.slice(0, equals)).toLowerCase()}=${normal(part.slice(equals + 1))}`
      })
      .sort()
      .join('&')
  return parts(a) === parts(b)
}
