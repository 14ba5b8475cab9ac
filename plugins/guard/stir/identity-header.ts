import { DecodeError } from '#kernel'

/** One Identity header. */
export interface IdentityHeader {
  /** The PASSporT in full form: three parts of base64url, separated by dots. */
  readonly token: string
  /** Where the certificate is. */
  readonly info: string
  readonly algorithm: string | null
  /** Kind of PASSporT, `shaken`; null for the plain one. */
  readonly type: string | null
}

/** Longest value that is read: a PASSporT with ten numbers called has about 900 octets. */
const longestIdentity = 4_096

const fail = (message: string, path: string, offset: number): never => {
  throw new DecodeError('guard.identity.malformed', message, { path: `Identity.${path}`, bitOffset: offset * 8 })
}

const tokenForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const word = /^[A-Za-z0-9\-.!%*_+`'~]{1,64}$/
const parameterForm =
  /[ \t]*;[ \t]*([A-Za-z0-9\-.!%*_+`'~]{1,32})[ \t]*=[ \t]*(?:<([^<>\s"]{1,512})>|"([^"\\\r\n]{0,512})"|([A-Za-z0-9\-.!%*_+`'~]{1,512}))/y

/**
 * Reads the value of an Identity header.
 *
 *     Identity = signed-identity-digest SEMI ident-info *( SEMI ident-info-params )
 *
 * The compact form (`..signature`) is refused: a `shaken` PASSporT has to come in full (RFC 8588 §7), and for others the octets that were signed
 * cannot be made again once the edge has rewritten a header.
 *
 * @throws {DecodeError} `guard.identity.malformed`, `guard.identity.compact`
 * @see RFC 8224 §4.1
 */
export function parseIdentity(value: string): IdentityHeader {
  if (value.length > longestIdentity) fail(`longer than ${longestIdentity} characters`, '', longestIdentity)
  const text = value.trim()
  const end = text.search(/[ \t;]/)
  const token = end < 0 ? text : text.slice(0, end)
  if (token.startsWith('..'))
    throw new DecodeError('guard.identity.compact', 'the compact form is not taken', { path: 'Identity', bitOffset: 0 })
  if (!tokenForm.test(token)) fail('expected three parts of base64url', 'token', 0)
  const found = new Map<string, string>()
  for (let at = token.length; at < text.length; ) {
    parameterForm.lastIndex = at
    const match = parameterForm.exec(text)
    if (match === null) return fail('expected a parameter', 'parameters', at)
    const name = match[1]!.toLowerCase()
    if (found.has(name)) fail('parameter given twice', name, at)
    if ((name === 'info') !== (match[2] !== undefined)) fail('only info stands in angle brackets', name, at)
    found.set(name, match[2] ?? match[3] ?? match[4]!)
    at += match[0].length
  }
  const info = found.get('info') ?? fail('parameter is missing', 'info', text.length)
  for (const name of ['alg', 'ppt']) {
    const given = found.get(name)
    if (given !== undefined && !word.test(given)) fail('expected a token', name, 0)
  }
  return { token, info, algorithm: found.get('alg') ?? null, type: found.get('ppt') ?? null }
}

/** Mirror image of {@link parseIdentity}. */
export function formatIdentity({ token, info, algorithm, type }: IdentityHeader): string {
  return `${token};info=<${info}>${algorithm === null ? '' : `;alg=${algorithm}`}${type === null ? '' : `;ppt=${type}`}`
}
