/** A SIP address of record: whom a URI names, without how to reach it. */
export interface AddressOfRecord {
  /** Decoded user part, case-sensitive; null when the URI names a host only. */
  readonly user: string | null
  /** Lowercase; an IPv6 address keeps its brackets. */
  readonly host: string
  /** Null for the default port of the scheme, written or not. */
  readonly port: number | null
}

const longestUri = 512
const shape = /^(sips?):(?:([^@]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9.])?)(?::(\d{1,5}))?((?:;[^?@\s]*)?)$/i
const userCharacters = /^[A-Za-z0-9\-_.!~*'()&=+$,;?/]+$/

/**
 * Reads the address of record out of a SIP or SIPS URI; null when the text is not one.
 *
 * URI parameters are left out (RFC 3261 §10.3 step 5). A password or URI headers have no place in an identity and make it null.
 *
 * @see RFC 3261 §19.1
 */
export function parseAddressOfRecord(uri: string): AddressOfRecord | null {
  if (uri.length > longestUri) return null
  const match = shape.exec(uri)
  if (match === null) return null
  const [, scheme, rawUser, host, rawPort] = match
  let user: string | null = null
  if (rawUser !== undefined) {
    user = unescapeUser(rawUser)
    if (user === null) return null
  }
  const port = rawPort === undefined ? null : Number(rawPort)
  if (port !== null && (port < 1 || port > 65_535)) return null
  const defaultPort = scheme!.toLowerCase() === 'sips' ? 5061 : 5060
  return { user, host: host!.toLowerCase().replace(/\.$/, ''), port: port === defaultPort ? null : port }
}

function unescapeUser(raw: string): string | null {
  const plain = raw.replace(/%[0-9A-Fa-f]{2}/g, '')
  if (plain !== '' && !userCharacters.test(plain)) return null
  try {
    const user = decodeURIComponent(raw)
    return user === '' || /[\u0000-\u001f\u007f]/.test(user) ? null : user
  } catch {
    return null
  }
}

/**
 * One text per address of record: two URIs name the same party exactly when their keys are equal. Null when the text is not a SIP URI.
 *
 * Compared as RFC 3261 §19.1.4 says (user with case, host without, escapes decoded), with two departures that identities call for:
 * the default port counts as written or not, since phones differ in it, and `sips:` names the party of `sip:` reached securely (§19.1).
 */
export function addressKey(uri: string): string | null {
  const address = parseAddressOfRecord(uri)
  if (address === null) return null
  const user = address.user === null ? '' : `${encodeURIComponent(address.user)}@`
  return `${user}${address.host}${address.port === null ? '' : `:${address.port}`}`
}
