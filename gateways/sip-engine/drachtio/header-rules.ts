/** What of an application's SIP text goes on the wire, and in which form. */
import { parseAddress } from '../codec/address.ts'
import { defaultMessageLimits, type MessageLimits } from '../codec/limits.ts'
import { allHeaders, headerSectionEnd, parseMessage, type SipMessage } from '../codec/message.ts'
import { isKnownHeader } from '../codec/names.ts'
import { type HeaderLine, headerLine } from '../codec/serialize.ts'
import { splitList } from '../codec/text.ts'

/** The parts of an application's message that it may decide. */
export interface Draft {
  readonly message: SipMessage
  /** Values by key of the fields the engine places itself: `from`, `to`, `call-id`, `cseq`, `contact`, `content-type`. First value wins, but
   * repeated `contact` lines are joined. */
  readonly placed: ReadonlyMap<string, string>
  /** All other fields the application may set, in canonical spelling, in its order. */
  readonly others: readonly HeaderLine[]
  /** Whether one of `others` has that key. */
  readonly has: (key: string) => boolean
  readonly body: Buffer
}

const immutable = new Set(['via', 'route', 'record-route', 'rseq', 'content-length'])
const placedKeys = new Set(['from', 'to', 'call-id', 'cseq', 'contact', 'content-type', 'max-forwards'])
const noNames: ReadonlySet<string> = new Set()
const headEnd = Buffer.from('\r\n\r\n')

/**
 * Reads an application's SIP text. Its Content-Length is not looked at: the frame says where it ends. Lines that are no header field are left out.
 *
 * @param preserved names in lower case that keep their spelling; those of the standards are written as the standards do.
 * @throws {DecodeError} as `parseMessage`, and where a header value would break the message apart.
 */
export function readDraft(
  sip: Buffer,
  limits: MessageLimits = defaultMessageLimits,
  preserved: ReadonlySet<string> = noNames
): Draft {
  const bytes = headerSectionEnd(sip) < 0 ? Buffer.concat([sip, headEnd]) : sip
  const message = parseMessage(bytes, limits, 'end')
  if (message.defect?.code === 'sip.header.bare-line-end') throw message.defect
  const placed = new Map<string, string>()
  const others: HeaderLine[] = []
  const keys = new Set<string>()
  for (const { name, key, value } of allHeaders(message)) {
    if (immutable.has(key)) continue
    if (placedKeys.has(key)) {
      const before = placed.get(key)
      if (before === undefined) placed.set(key, value)
      else if (key === 'contact') placed.set(key, `${before}, ${value}`)
      continue
    }
    keys.add(key)
    others.push(preserved.has(key) && !isKnownHeader(name) ? [name, value] : headerLine(name, value))
  }
  return { message, placed, others, has: (key) => keys.has(key), body: message.body }
}

const localhostHost = /@localhost(?=[;>?,\s]|$)/gi
const localhostAlone = /(sips?:)localhost(?=[;>?,\s]|$)/gi

/** The fields the engine does not place, for the wire. */
export function wireOthers(draft: Draft, hostport: string): readonly HeaderLine[] {
  if (!draft.has('p-asserted-identity')) return draft.others
  return draft.others.map((line) => {
    const [name, value] = line
    if (name !== 'P-Asserted-Identity' || localised(value, hostport) === value) return line
    return [name, wireContact(value, hostport) ?? localised(value, hostport)]
  })
}

/** Puts `hostport` in place of `@localhost`. */
function localised(value: string, hostport: string): string {
  return value.includes('localhost') ? value.replace(localhostHost, `@${hostport}`) : value
}

/** A From or To value for the wire. @returns undefined where the text is no address. */
export function wireAddress(value: string, hostport: string): string | undefined {
  const text = localised(value, hostport).replace(localhostAlone, `$1${hostport}`).trim()
  return bracketAddress(text)
}

/** A Contact value for the wire: `*`, or a list of addresses. @returns undefined where one is no address. */
export function wireContact(value: string, hostport: string): string | undefined {
  if (value.trim() === '*') return '*'
  const elements: string[] = []
  for (const element of splitList(localised(value, hostport))) {
    const address = bracketAddress(element)
    if (address === undefined) return undefined
    elements.push(address)
  }
  return elements.length === 0 ? undefined : elements.join(', ')
}

function bracketAddress(text: string): string | undefined {
  const parsed = parseAddress(text)
  if (parsed === undefined) return undefined
  if (text.includes('<')) return text
  return `<${parsed.uri}>${text.slice(text.indexOf(parsed.uri) + parsed.uri.length)}`
}

const sdpStart = Buffer.from('v=0')

/** Content type of a body: as given, else `application/sdp` for what looks like SDP; null for no body; undefined when it cannot be told. */
export function contentType(draft: Draft): string | null | undefined {
  const given = draft.placed.get('content-type')
  if (draft.body.length === 0) return given ?? null
  if (given !== undefined) return given
  return draft.body.subarray(0, 3).equals(sdpStart) ? 'application/sdp' : undefined
}
