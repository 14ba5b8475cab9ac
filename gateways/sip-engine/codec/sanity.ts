import { DecodeError } from '#kernel'
import { parseAddress, parseAddressList } from './address.ts'
import { parseCSeq } from './cseq.ts'
import { header, headerCount, headerLines, type SipRequest, type SipResponse } from './message.ts'
import { isUri, parseSipUri, uriScheme } from './uri.ts'
import { firstVia, parseVia } from './via.ts'

/** What is wrong with a message, and the status that tells the sender. */
export interface Insanity {
  readonly status: number
  readonly reason: string
  readonly error: DecodeError
}

const required = ['via', 'from', 'to', 'call-id', 'cseq'] as const
const singletons = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length', 'content-type', 'expires'] as const

/**
 * The checks a request must pass before anything acts on it. A missing Max-Forwards or From tag is let pass: old peers leave them out.
 *
 * @see RFC 3261 §8.2, §16.3
 */
export function requestInsanity(request: SipRequest): Insanity | undefined {
  if (request.version.toUpperCase() !== 'SIP/2.0') {
    return insane(505, 'Version Not Supported', 'sip.version', `version ${request.version}`, 'start-line')
  }
  if (request.defect !== null) {
    if (request.defect.code === 'sip.body.short') return { status: 400, reason: 'Bad Content-Length', error: request.defect }
    return { status: 400, reason: `Bad Request (${request.defect.path})`, error: request.defect }
  }
  const common = commonInsanity(request)
  if (common !== undefined) return common
  const cseq = parseCSeq(header(request, 'cseq')!)!
  if (cseq.method !== request.method) {
    return insane(400, 'CSeq Method Mismatch', 'sip.cseq.method', 'CSeq names another method', 'CSeq')
  }
  const scheme = uriScheme(request.uri)
  if (scheme === 'sip' || scheme === 'sips') {
    if (parseSipUri(request.uri) === undefined) {
      return insane(400, 'Bad Request-URI', 'sip.request-uri', 'Request-URI is malformed', 'start-line')
    }
  } else if (!isUri(request.uri)) {
    return insane(400, 'Bad Request-URI', 'sip.request-uri', 'Request-URI is malformed', 'start-line')
  } else if (scheme !== 'tel' && scheme !== 'urn') {
    return insane(416, 'Unsupported URI Scheme', 'sip.uri-scheme', `scheme ${scheme}`, 'start-line')
  }
  const hops = header(request, 'max-forwards')
  if (hops !== undefined && !(/^\d{1,10}$/.test(hops) && Number(hops) <= 255)) {
    return insane(400, 'Bad Max-Forwards', 'sip.max-forwards', 'Max-Forwards is not a number up to 255', 'Max-Forwards')
  }
  const contact = contactInsanity(request)
  if (contact !== undefined) return contact
  for (const key of ['route', 'record-route'] as const) {
    if (parseAddressList(headerLines(request, key)) === undefined) {
      return insane(400, `Bad ${key === 'route' ? 'Route' : 'Record-Route'}`, `sip.${key}`, 'address list is malformed', key)
    }
  }
  return undefined
}

/** The same for a response; the status is of no use there, a bad response is dropped. */
export function responseInsanity(response: SipResponse): Insanity | undefined {
  if (response.defect !== null) return { status: 0, reason: '', error: response.defect }
  return commonInsanity(response)
}

function commonInsanity(message: SipRequest | SipResponse): Insanity | undefined {
  for (const key of required) {
    if (headerCount(message, key) === 0)
      return insane(400, `Missing ${titles[key]}`, `sip.${key}.missing`, 'header is missing', titles[key])
  }
  for (const key of singletons) {
    if (headerCount(message, key) > 1)
      return insane(400, `Repeated ${titles[key]}`, `sip.${key}.repeated`, 'header is repeated', titles[key])
  }
  if (parseCSeq(header(message, 'cseq')!) === undefined) {
    return insane(400, 'Bad CSeq', 'sip.cseq.malformed', 'CSeq is malformed', 'CSeq')
  }
  for (const key of ['from', 'to'] as const) {
    if (parseAddress(header(message, key)!) === undefined) {
      return insane(400, `Bad ${titles[key]}`, `sip.${key}.malformed`, 'address is malformed', titles[key])
    }
  }
  if (!/^[\x21-\x7e]{1,512}$/.test(header(message, 'call-id')!)) {
    return insane(400, 'Bad Call-ID', 'sip.call-id.malformed', 'Call-ID is malformed', 'Call-ID')
  }
  if (parseVia(firstVia(header(message, 'via')!)) === undefined) {
    return insane(400, 'Bad Via', 'sip.via.malformed', 'top Via is malformed', 'Via')
  }
  return undefined
}

function contactInsanity(request: SipRequest): Insanity | undefined {
  const lines = headerLines(request, 'contact')
  if (request.method === 'REGISTER') {
    if (lines.some((line) => line === '*')) {
      if (lines.length > 1 || header(request, 'expires') !== '0') {
        return insane(400, 'Bad Contact', 'sip.contact.wildcard', 'Contact: * needs Expires: 0', 'Contact')
      }
      return undefined
    }
  } else if (request.method !== 'INVITE' && request.method !== 'SUBSCRIBE') return undefined
  if (parseAddressList(lines) === undefined) {
    return insane(400, 'Bad Contact', 'sip.contact.malformed', 'Contact is malformed', 'Contact')
  }
  return undefined
}

const titles = {
  via: 'Via',
  from: 'From',
  to: 'To',
  'call-id': 'Call-ID',
  cseq: 'CSeq',
  'max-forwards': 'Max-Forwards',
  'content-length': 'Content-Length',
  'content-type': 'Content-Type',
  expires: 'Expires'
} as const

function insane(status: number, reason: string, code: string, message: string, path: string): Insanity {
  return { status, reason, error: new DecodeError(code, message, { path, bitOffset: 0 }) }
}
