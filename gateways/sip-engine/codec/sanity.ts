import type { DecodeError } from '#kernel'
import { type NameAddress, parseAddress, parseAddressList } from './address.ts'
import { parseContacts } from './contact.ts'
import { type CSeq, parseCSeq } from './cseq.ts'
import { isCutDown } from './essentials.ts'
import { header, headerFault, headerLines, type SipMessage, type SipRequest, type SipResponse } from './message.ts'
import { writtenName } from './names.ts'
import { parseTelUri } from './tel-uri.ts'
import { isUri, parseSipUri, uriScheme } from './uri.ts'
import { firstVia, parseVia, type Via } from './via.ts'

/** What is wrong with a message, and the status that tells the sender. */
export interface Insanity {
  readonly status: number
  readonly reason: string
  readonly error: DecodeError
}

/** What every message must have, read. */
export interface CommonHeaders {
  /** The topmost. */
  readonly via: Via
  readonly from: NameAddress
  readonly to: NameAddress
  readonly callId: string
  readonly cseq: CSeq
}

const required = ['via', 'from', 'to', 'call-id', 'cseq'] as const
const requiredBits = (1 << required.length) - 1
const singletons = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length', 'content-type', 'expires'] as const
const bitOf = new Map<string, number>([...new Set<string>([...required, ...singletons])].map((key, index) => [key, 1 << index]))
const singletonBits = singletons.reduce((bits, key) => bits | bitOf.get(key)!, 0)
const callIdForm = /^[\x21-\x7e]{1,512}$/
const maxForwardsForm = /^\d{1,10}$/

/**
 * The checks a request must pass before anything acts on it. A missing Max-Forwards or From tag is let pass: old peers leave them out.
 *
 * @see RFC 3261 §8.2, §16.3
 */
export function requestInsanity(request: SipRequest): Insanity | undefined {
  if (!isVersion2(request)) {
    return insane(request, 505, 'Version Not Supported', 'start-line', 'sip.version', `version ${request.version}`)
  }
  if (request.defect !== null) {
    if (request.defect.code === 'sip.body.short') return { status: 400, reason: 'Bad Content-Length', error: request.defect }
    return { status: 400, reason: `Bad Request (${request.defect.path})`, error: request.defect }
  }
  const common = commonInsanity(request)
  if (common !== undefined) return common
  if (commonHeaders(request).cseq.method !== request.method) {
    return insane(request, 400, 'CSeq Method Mismatch', 'cseq', 'sip.cseq.method', 'CSeq names another method')
  }
  const uri = uriInsanity(request)
  if (uri !== undefined) return uri
  const hops = header(request, 'max-forwards')
  if (hops !== undefined && !(maxForwardsForm.test(hops) && Number(hops) <= 255)) {
    return insane(request, 400, 'Bad Max-Forwards', 'max-forwards', 'sip.max-forwards', 'not a number up to 255')
  }
  const contact = contactInsanity(request)
  if (contact !== undefined) return contact
  for (const key of ['route', 'record-route'] as const) {
    const lines = headerLines(request, key)
    if (lines.length > 0 && parseAddressList(lines) === undefined) {
      return insane(request, 400, `Bad ${writtenName(key)}`, key, `sip.${key}`, 'address list is malformed')
    }
  }
  return undefined
}

function isVersion2({ version }: SipMessage): boolean {
  return version === 'SIP/2.0' || version.toUpperCase() === 'SIP/2.0'
}

/** The same for a response; the status is of no use there, a bad response is dropped. One that was cut down still ends what it is about. */
export function responseInsanity(response: SipResponse): Insanity | undefined {
  if (response.defect !== null && !isCutDown(response)) return { status: 0, reason: '', error: response.defect }
  if (!isVersion2(response)) return insane(response, 0, '', 'start-line', 'sip.version', `version ${response.version}`)
  return commonInsanity(response)
}

/**
 * What every message must have. Read once and kept with the message.
 *
 * @throws {DecodeError} what `requestInsanity` or `responseInsanity` says of a message that lacks it.
 */
export function commonHeaders(message: SipMessage): CommonHeaders {
  if (message.common === null) {
    const insanity = commonInsanity(message)
    if (insanity !== undefined) throw insanity.error
  }
  return message.common!
}

function commonInsanity(message: SipMessage): Insanity | undefined {
  let seen = 0
  let repeated = 0
  for (const key of message.headers.keys) {
    const bit = bitOf.get(key)
    if (bit === undefined) continue
    repeated |= seen & bit
    seen |= bit
  }
  if ((seen & requiredBits) !== requiredBits) {
    const key = required.find((each) => (seen & bitOf.get(each)!) === 0)!
    return insane(message, 400, `Missing ${writtenName(key)}`, key, `sip.${key}.missing`, 'header is missing')
  }
  if ((repeated & singletonBits) !== 0) {
    const key = singletons.find((each) => (repeated & bitOf.get(each)!) !== 0)!
    return insane(message, 400, `Repeated ${writtenName(key)}`, key, `sip.${key}.repeated`, 'header is repeated')
  }
  const malformed = (key: (typeof required)[number]): Insanity =>
    insane(message, 400, `Bad ${writtenName(key)}`, key, `sip.${key}.malformed`, 'value is malformed')
  const cseq = parseCSeq(header(message, 'cseq')!)
  if (cseq === undefined) return malformed('cseq')
  const from = parseAddress(header(message, 'from')!)
  if (from === undefined) return malformed('from')
  const to = parseAddress(header(message, 'to')!)
  if (to === undefined) return malformed('to')
  const callId = header(message, 'call-id')!
  if (!callIdForm.test(callId)) return malformed('call-id')
  const via = parseVia(firstVia(header(message, 'via')!))
  if (via === undefined) return malformed('via')
  message.common = { via, from, to, callId, cseq }
  return undefined
}

/** A Request-URI may not ask for header fields (RFC 3261 §19.1.1, table 1). */
function uriInsanity(request: SipRequest): Insanity | undefined {
  const scheme = uriScheme(request.uri)
  const readable =
    scheme === 'sip' || scheme === 'sips'
      ? parseSipUri(request.uri)?.headers === null
      : scheme === 'tel'
        ? parseTelUri(request.uri) !== undefined
        : isUri(request.uri)
  if (!readable) return insane(request, 400, 'Bad Request-URI', 'start-line', 'sip.request-uri', 'Request-URI is malformed')
  if (scheme === 'sip' || scheme === 'sips' || scheme === 'tel' || scheme === 'urn') return undefined
  return insane(request, 416, 'Unsupported URI Scheme', 'start-line', 'sip.uri-scheme', `scheme ${scheme}`)
}

function contactInsanity(request: SipRequest): Insanity | undefined {
  const register = request.method === 'REGISTER'
  if (!register && request.method !== 'INVITE' && request.method !== 'SUBSCRIBE') return undefined
  const contacts = parseContacts(headerLines(request, 'contact'))
  if (contacts === undefined) {
    return insane(request, 400, 'Bad Contact', 'contact', 'sip.contact.malformed', 'Contact is malformed')
  }
  if (contacts === '*' && !(register && header(request, 'expires') === '0')) {
    return insane(request, 400, 'Bad Contact', 'contact', 'sip.contact.wildcard', 'Contact: * is for REGISTER with Expires: 0')
  }
  return undefined
}

function insane(message: SipMessage, status: number, reason: string, key: string, code: string, text: string): Insanity {
  return { status, reason, error: headerFault(message, key, code, text) }
}
