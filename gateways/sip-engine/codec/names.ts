/** Names of header fields: the key they are compared by, and how they are written. */

const compactForms: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity'
}

const knownNames = [
  'Accept',
  'Accept-Contact',
  'Accept-Encoding',
  'Accept-Language',
  'Alert-Info',
  'Allow',
  'Allow-Events',
  'Authentication-Info',
  'Authorization',
  'Call-ID',
  'Call-Info',
  'Contact',
  'Content-Disposition',
  'Content-Encoding',
  'Content-ID',
  'Content-Language',
  'Content-Length',
  'Content-Type',
  'CSeq',
  'Date',
  'Diversion',
  'Error-Info',
  'Event',
  'Expires',
  'From',
  'Identity',
  'Identity-Info',
  'In-Reply-To',
  'Join',
  'Max-Forwards',
  'MIME-Version',
  'Min-Expires',
  'Min-SE',
  'Organization',
  'P-Asserted-Identity',
  'P-Preferred-Identity',
  'Path',
  'Priority',
  'Privacy',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'Proxy-Require',
  'RAck',
  'Reason',
  'Record-Route',
  'Refer-Sub',
  'Refer-To',
  'Referred-By',
  'Reject-Contact',
  'Remote-Party-ID',
  'Replaces',
  'Reply-To',
  'Request-Disposition',
  'Require',
  'Retry-After',
  'Route',
  'RSeq',
  'Server',
  'Service-Route',
  'Session-Expires',
  'Session-ID',
  'SIP-ETag',
  'SIP-If-Match',
  'Subject',
  'Subscription-State',
  'Supported',
  'Timestamp',
  'To',
  'Unsupported',
  'User-Agent',
  'User-to-User',
  'Via',
  'Warning',
  'WWW-Authenticate'
] as const

const canonicalNames = new Map<string, string>(knownNames.map((name) => [name.toLowerCase(), name]))

/** Spellings seen on nearly every message, so that the common case is one look-up. */
const keyOfSpelling = new Map<string, string>()
for (const name of knownNames) {
  // Property names are strings the engine keeps once, so that comparing a key with a literal compares two addresses.
  keyOfSpelling.set(name, Object.keys({ [name.toLowerCase()]: name })[0]!)
}
for (const key of [...keyOfSpelling.values()]) keyOfSpelling.set(key, key)
for (const [compact, key] of Object.entries(compactForms)) {
  keyOfSpelling.set(compact, key)
  keyOfSpelling.set(compact.toUpperCase(), key)
}

/** RFC 3261 §25.1 `token`. */
export const tokenPattern = /^[A-Za-z0-9\-.!%*_+`'~]+$/

/**
 * The key by which a header field is found: lower case, long form.
 *
 * @param written name as it stands in the message, without trailing blanks.
 * @returns undefined when `written` is no token.
 * @see RFC 3261 §7.3.1, §7.3.3
 */
export function headerKey(written: string): string | undefined {
  const known = keyOfSpelling.get(written)
  if (known !== undefined) return known
  if (!tokenPattern.test(written)) return undefined
  const lower = written.toLowerCase()
  return compactForms[lower] ?? lower
}

/** Spelling and key of the names in common use, by a number that two octets and the length of the name give. */
const usual: ({ readonly spelling: string; readonly key: string } | undefined)[] = new Array(2048).fill(undefined)
const slot = (length: number, first: number, last: number): number => (length * 64 + first * 5 + last * 131) & 2047
for (const [spelling, key] of keyOfSpelling) {
  const at = slot(spelling.length, spelling.charCodeAt(0), spelling.charCodeAt(spelling.length - 1))
  usual[at] ??= { spelling, key }
}

/**
 * As `headerKey`, of the name that stands in `text` before the colon at `colon`.
 *
 * @param start where the name begins.
 * @returns undefined when what stands there is no token.
 */
export function headerKeyAt(text: string, start: number, colon: number): string | undefined {
  const length = colon - start
  const found = usual[slot(length, text.charCodeAt(start), text.charCodeAt(colon - 1))]
  if (found !== undefined && found.spelling.length === length && text.startsWith(found.spelling, start)) return found.key
  let end = colon
  while (end > start && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 9)) end--
  return headerKey(text.slice(start, end))
}

/** Whether a name, in any spelling, belongs to a standard this stack knows. */
export function isKnownHeader(written: string): boolean {
  return keyOfSpelling.has(written) || canonicalNames.has(written.toLowerCase())
}

/**
 * How a name given by the application is written: standard names in their canonical form, names beginning `X-` as given,
 * others with the first letter of each part in upper case (`foo-bar` → `Foo-Bar`).
 */
export function writtenName(given: string): string {
  const canonical = canonicalNames.get(headerKey(given) ?? '')
  if (canonical !== undefined) return canonical
  if (given.startsWith('X-') || given.startsWith('x-')) return given
  return given.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
}
