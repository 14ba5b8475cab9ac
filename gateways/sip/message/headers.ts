import type { SipMessage } from '../server/drachtio.ts'

/** `<sip:a@b>;tag=x`, `"A" <sip:a@b>`, `sip:a@b;tag=x`. */
const nameAddr = /^\s*(?:"(?:[^"\\]|\\.)*"\s*|[^<"]*)<\s*([^<>\s]+)\s*>\s*((?:;[^,]*)?)$/
const addrSpec = /^\s*([^\s<>";,?]+)\s*((?:;[^,]*)?)$/

export interface NameAddr {
  readonly uri: string
  /** `tag` parameter, null when absent. */
  readonly tag: string | null
}

/**
 * Reads a From, To or Contact value that holds one address.
 *
 * @returns null when the value holds none, several, or cannot be read; never throws.
 * @see RFC 3261 §20.10, §25.1 (name-addr, addr-spec)
 */
export function readNameAddr(value: string | undefined): NameAddr | null {
  if (value === undefined || value.length > 2048) return null
  const match = nameAddr.exec(value) ?? addrSpec.exec(value)
  if (match === null) return null
  const uri = match[1]!
  if (!/^(?:sips?|tel):/i.test(uri)) return null
  const tag = /;\s*tag\s*=\s*([^\s;,]+)/i.exec(match[2] ?? '')
  return { uri, tag: tag?.[1] ?? null }
}

/** Number and method of a CSeq value; null when it cannot be read. @see RFC 3261 §20.16 */
export function readCSeq(value: string | undefined): { readonly number: number; readonly method: string } | null {
  const match = /^\s*(\d{1,10})\s+([A-Za-z]+)\s*$/.exec(value ?? '')
  if (match === null || Number(match[1]) > 0x7fffffff) return null
  return { number: Number(match[1]), method: match[2]! }
}

/** Option tags of Supported, Require or Allow, in lower case. @see RFC 3261 §20.32, §20.37 */
export function readTokens(value: string | undefined): ReadonlySet<string> {
  return new Set(
    (value ?? '')
      .split(',')
      .map((token) => token.trim().toLowerCase())
      .filter((token) => token !== '')
  )
}

/** Media type of a Content-Type value, lower case, without parameters; null when there is none. */
export function readMediaType(value: string | undefined): string | null {
  const type = value?.split(';')[0]?.trim().toLowerCase()
  return type === undefined || type === '' ? null : type
}

/** Whether a body is compressed, or else not what its type says. @see RFC 3261 §20.12, §8.2.3 */
export function isEncoded(get: SipMessage['get']): boolean {
  const encoding = (get('Content-Encoding') ?? get('e') ?? 'identity').trim().toLowerCase()
  return encoding !== 'identity'
}

export type Ambiguity = 'sip.header.escaped-name' | 'sip.header.repeated' | 'sip.header.missing'

/** Headers of which a request has one; a second one is an attempt to be read differently by two readers. */
const single = ['from', 'to', 'call-id', 'cseq', 'x-if-trace-id', 'x-if-hazard', 'x-if-signature', 'session-expires', 'replaces']
const mandatory = ['from', 'to', 'call-id', 'cseq']

/**
 * What makes a request unsafe to read: header names with percent escapes, which some readers decode into other names, and repeated headers that
 * may stand only once.
 *
 * @returns a stable code, or null when the request can be read in one way only.
 */
export function ambiguity(message: SipMessage): Ambiguity | null {
  const head = message.raw?.split('\r\n\r\n', 1)[0] ?? ''
  const seen = new Map<string, number>()
  const lines = head.split(/\r\n(?![ \t])/)
  for (const line of lines.slice(1)) {
    const name = line
      .slice(0, Math.max(0, line.indexOf(':')))
      .trim()
      .toLowerCase()
    if (name.includes('%')) return 'sip.header.escaped-name'
    const long = compactForms[name] ?? name
    seen.set(long, (seen.get(long) ?? 0) + 1)
  }
  for (const name of single) if ((seen.get(name) ?? 0) > 1) return 'sip.header.repeated'
  for (const name of mandatory) if (!seen.has(name)) return 'sip.header.missing'
  return null
}

const compactForms: Readonly<Record<string, string>> = { f: 'from', t: 'to', i: 'call-id', x: 'session-expires' }

/** `text` cut to `limit` UTF-16 units, with what the cut may have torn replaced. */
export function clip(text: string, limit = 512): string {
  return (text.length > limit ? text.slice(0, limit) : text).toWellFormed()
}

/**
 * Values of the Identity headers, in order; `y` is the compact form. Commas inside angle brackets and quotes part nothing.
 *
 * @see RFC 8224 §4, §4.1
 */
export function readIdentities(message: Pick<SipMessage, 'get'>): string[] {
  const values: string[] = []
  for (const text of [message.get('Identity') ?? '', message.get('y') ?? '']) {
    let from = 0
    let closing: string | null = null
    for (let at = 0; at <= text.length; at++) {
      const character = text[at]
      if (character === closing) closing = null
      else if (closing === null && character === '<') closing = '>'
      else if (closing === null && character === '"') closing = '"'
      else if ((closing === null && character === ',') || character === undefined) {
        const value = text.slice(from, at).trim()
        if (value !== '') values.push(value)
        from = at + 1
      }
    }
  }
  return values
}
