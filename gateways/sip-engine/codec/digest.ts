/**
 * Header values of HTTP authentication as SIP uses it: challenges (WWW-Authenticate, Proxy-Authenticate) and credentials (Authorization,
 * Proxy-Authorization).
 *
 *     Digest realm="example.com", nonce="84a4", qop="auth,auth-int", algorithm=SHA-256
 *
 * @see RFC 3261 §20.44, RFC 7616 §3, RFC 8760
 */
import { isToken, quoted, skipBlanks, skipQuoted, splitList, trimmed, unquoted } from './text.ts'

/** One challenge, or the credentials that answer one. */
export interface AuthScheme {
  /** As written; compared without regard to case. */
  readonly scheme: string
  /** Names in lower case, values without their quotes, in order. */
  readonly params: ReadonlyMap<string, string>
  /** What stands behind the scheme where it is a `token68` and not parameters (`Bearer mF_9.B5f-4.1JqM`); else null. */
  readonly token: string | null
}

const maxSchemes = 32
const maxParams = 64
const token68 = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * Reads one header field. Several challenges may stand in it, with the same commas between them as between their parameters.
 *
 * @returns undefined where it is malformed, has a parameter twice, or exceeds 32 schemes of 64 parameters.
 */
export function parseAuthSchemes(value: string): AuthScheme[] | undefined {
  const schemes: AuthScheme[] = []
  let params = new Map<string, string>()
  let parameterised = false
  for (const element of splitList(value)) {
    let parameter = element
    const wordEnd = element.search(/[ \t=]/)
    const next = wordEnd < 0 ? element.length : skipBlanks(element, wordEnd)
    if (element[next] !== '=') {
      const scheme = wordEnd < 0 ? element : element.slice(0, wordEnd)
      if (!isToken(scheme) || schemes.length === maxSchemes) return undefined
      params = new Map()
      parameter = element.slice(next)
      const token = parseParameter(parameter) === undefined && token68.test(parameter) ? parameter : null
      parameterised = token === null && parameter !== ''
      schemes.push({ scheme, params, token })
      if (!parameterised) continue
    }
    const read = parseParameter(parameter)
    if (!parameterised || read === undefined || params.has(read[0]) || params.size === maxParams) return undefined
    params.set(read[0], read[1])
  }
  return schemes.length === 0 ? undefined : schemes
}

/** `name = value` or `name = "value"`, nothing behind it. */
function parseParameter(text: string): [string, string] | undefined {
  const equals = text.indexOf('=')
  if (equals < 0) return undefined
  const name = trimmed(text, 0, equals)
  const value = trimmed(text, equals + 1)
  if (!isToken(name)) return undefined
  if (value.startsWith('"') ? skipQuoted(value, 0) !== value.length : !isToken(value)) return undefined
  return [name.toLowerCase(), unquoted(value)]
}

/** Written without quotes (RFC 7616 §3.3, §3.4). `qop` has quotes in a challenge, where it is a list, and none in credentials. */
const bare = {
  challenge: new Set(['algorithm', 'stale', 'charset', 'userhash']),
  credentials: new Set(['algorithm', 'qop', 'nc', 'userhash'])
} as const

/** @throws {RangeError} for a value with a line end. */
export function formatAuthScheme({ scheme, params, token }: AuthScheme, as: 'challenge' | 'credentials'): string {
  if (token !== null) return `${scheme} ${token}`
  const parts: string[] = []
  for (const [name, value] of params) parts.push(`${name}=${bare[as].has(name) && isToken(value) ? value : quoted(value)}`)
  return parts.length === 0 ? scheme : `${scheme} ${parts.join(', ')}`
}

/** A Digest challenge: what a client needs to answer it. */
export interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | null
  readonly stale: boolean
  /** As written, `MD5` when there is none. */
  readonly algorithm: string
  /** In lower case; empty for a challenge of RFC 2069. */
  readonly qop: readonly string[]
  readonly userhash: boolean
}

/** @returns undefined where the scheme is not Digest, or realm or nonce is missing. */
export function digestChallenge({ scheme, params }: AuthScheme): DigestChallenge | undefined {
  const realm = params.get('realm')
  const nonce = params.get('nonce')
  if (scheme.toLowerCase() !== 'digest' || realm === undefined || nonce === undefined) return undefined
  return {
    realm,
    nonce,
    opaque: params.get('opaque') ?? null,
    stale: params.get('stale')?.toLowerCase() === 'true',
    algorithm: params.get('algorithm') ?? 'MD5',
    qop: splitList(params.get('qop') ?? '').map((each) => each.toLowerCase()),
    userhash: params.get('userhash')?.toLowerCase() === 'true'
  }
}

/** Digest credentials. */
export interface DigestCredentials {
  readonly username: string
  readonly realm: string
  readonly nonce: string
  readonly uri: string
  /** Hexadecimal, as written. */
  readonly response: string
  readonly algorithm: string
  readonly qop: string | null
  readonly cnonce: string | null
  /** How often the nonce has been used, this time included; null without `qop`. */
  readonly nonceCount: number | null
  readonly opaque: string | null
}

const hexadecimal = /^[0-9A-Fa-f]{32,128}$/
const nonceCountForm = /^[0-9A-Fa-f]{8}$/

/** @returns undefined where the scheme is not Digest, something required is missing, or `qop` comes without `cnonce` and `nc`. */
export function digestCredentials({ scheme, params }: AuthScheme): DigestCredentials | undefined {
  if (scheme.toLowerCase() !== 'digest') return undefined
  const [username, realm, nonce, uri, response] = ['username', 'realm', 'nonce', 'uri', 'response'].map((name) =>
    params.get(name)
  )
  if (username === undefined || realm === undefined || nonce === undefined || uri === undefined) return undefined
  if (response === undefined || !hexadecimal.test(response)) return undefined
  const qop = params.get('qop')?.toLowerCase() ?? null
  const cnonce = params.get('cnonce') ?? null
  const nc = params.get('nc')
  if (nc !== undefined && !nonceCountForm.test(nc)) return undefined
  if (qop !== null && (cnonce === null || nc === undefined)) return undefined
  return {
    username,
    realm,
    nonce,
    uri,
    response,
    algorithm: params.get('algorithm') ?? 'MD5',
    qop,
    cnonce,
    nonceCount: nc === undefined ? null : Number.parseInt(nc, 16),
    opaque: params.get('opaque') ?? null
  }
}
