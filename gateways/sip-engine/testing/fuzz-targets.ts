/** What is fuzzed: each target takes one input and throws where the code under test does anything it may not. */
import { DecodeError } from '#kernel'
import { formatAddress, parseAddress } from '../codec/address.ts'
import { parseContacts } from '../codec/contact.ts'
import { formatCSeq, formatRAck, parseCSeq, parseRAck, parseRSeq } from '../codec/cseq.ts'
import { digestChallenge, digestCredentials, formatAuthScheme, parseAuthSchemes } from '../codec/digest.ts'
import { formatEvent, formatSubscriptionState, parseEvent, parseSubscriptionState } from '../codec/event.ts'
import { defaultMessageLimits } from '../codec/limits.ts'
import { formatMediaType, parseMediaType } from '../codec/media-type.ts'
import { allHeaders, headerLines, headerSectionEnd, parseMessage, type SipMessage, withHeaderValue } from '../codec/message.ts'
import { leafParts } from '../codec/multipart.ts'
import { formatReason, parseReasons } from '../codec/reason.ts'
import { requestInsanity, responseInsanity } from '../codec/sanity.ts'
import { ackTag, scanRequest } from '../codec/scan.ts'
import { encodeRequest, encodeResponse, type HeaderLine } from '../codec/serialize.ts'
import { formatTelUri, parseTelUri, sameTelUri } from '../codec/tel-uri.ts'
import { splitList } from '../codec/text.ts'
import { formatSipUri, parseSipUri, uriHeaders, userInfo } from '../codec/uri.ts'
import { sameSipUri } from '../codec/uri-comparison.ts'
import { firstVia, formatVia, markReceived, parseVia, receivedAddress } from '../codec/via.ts'
import { parseClientMessage } from '../drachtio/client-message.ts'
import { encodeFrame, frameHead } from '../drachtio/framing.ts'
import { contentType, readDraft, wireAddress, wireContact, wireOthers } from '../drachtio/header-rules.ts'
import { createStreamFramer, type StreamItem } from '../transport/stream-framer.ts'
import { createRandom, damaged, hostileMessage, type Random } from './fuzz-inputs.ts'

/** A rule of the code under test that an input broke. */
class Broken extends Error {}

export interface Target {
  readonly name: string
  /** The input of a seed. */
  readonly input: (random: Random) => Buffer
  /** @returns whether the input was taken as well-formed. @throws whatever shows a defect. */
  readonly run: (input: Buffer, random: Random) => boolean
}

function holds(truth: boolean, rule: string): void {
  if (!truth) throw new Broken(rule)
}

/** Runs what may refuse its input with a DecodeError, and with nothing else. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** What is read and written again must be read as the same. */
function again<T>(
  value: T | undefined,
  format: (value: T) => string,
  parse: (text: string) => T | undefined,
  what: string
): void {
  if (value === undefined) return
  const text = format(value)
  const read = parse(text)
  holds(read !== undefined && format(read) === text, `${what} survives writing: ${text}`)
}

function uriOf(text: string): void {
  const sip = parseSipUri(text)
  if (sip !== undefined) {
    again(sip, formatSipUri, parseSipUri, 'URI')
    holds(sameSipUri(sip, sip), 'a URI is equivalent to itself')
    if (sip.user !== null) userInfo(sip.user)
    if (sip.headers !== null) uriHeaders(sip.headers)
  }
  const tel = parseTelUri(text)
  if (tel !== undefined) {
    again(tel, formatTelUri, parseTelUri, 'tel URI')
    holds(sameTelUri(tel, tel), 'a tel URI is equivalent to itself')
  }
}

const addressKeys = new Set(['from', 'to', 'contact', 'route', 'record-route', 'refer-to', 'path'])

/** Every reader of header values is given every value: a hostile peer puts anything anywhere. */
function readValue(key: string, value: string): void {
  again(parseVia(firstVia(value)), formatVia, parseVia, 'Via')
  const via = parseVia(firstVia(value))
  if (via !== undefined) {
    receivedAddress(via)
    const marked = markReceived(value, via, '192.0.2.1', 5060)
    holds(parseVia(firstVia(marked))?.params.get('rport') === '5060', `a marked Via is read: ${marked}`)
  }
  for (const element of addressKeys.has(key) ? splitList(value) : [value]) {
    const address = parseAddress(element)
    again(address, formatAddress, parseAddress, 'address')
    if (address !== undefined) uriOf(address.uri)
  }
  parseContacts([value])
  again(parseCSeq(value), formatCSeq, parseCSeq, 'CSeq')
  again(parseRAck(value), formatRAck, parseRAck, 'RAck')
  parseRSeq(value)
  for (const scheme of parseAuthSchemes(value) ?? []) {
    again(
      scheme,
      (each) => formatAuthScheme(each, 'credentials'),
      (text) => parseAuthSchemes(text)?.[0],
      'credentials'
    )
    digestChallenge(scheme)
    digestCredentials(scheme)
  }
  again(parseMediaType(value), formatMediaType, parseMediaType, 'media type')
  again(parseEvent(value), formatEvent, parseEvent, 'Event')
  again(parseSubscriptionState(value), formatSubscriptionState, parseSubscriptionState, 'Subscription-State')
  for (const reason of parseReasons(value) ?? []) again(reason, formatReason, (text) => parseReasons(text)?.[0], 'Reason')
}

function readAll(message: SipMessage): boolean {
  const sane = message.kind === 'request' ? requestInsanity(message) === undefined : responseInsanity(message) === undefined
  const headers = allHeaders(message)
  // The engine reads nothing more of such a message.
  if (message.defect?.code === 'sip.header.bare-line-end') return false
  for (const { key, value } of headers) {
    holds(!/[\r\n]/.test(value), 'a value holds no line end')
    readValue(key, value)
  }
  if (message.kind === 'request') uriOf(message.uri)
  const type = headers.find(({ key }) => key === 'content-type')
  const media = type === undefined ? undefined : parseMediaType(type.value)
  if (media !== undefined) unlessRefused(() => leafParts(media, message.body))
  if (message.defect !== null) return false
  const written = headers.filter(({ key }) => key !== 'content-length')
  const lines = written.map(({ name, value }): HeaderLine => [name, value])
  const copy = parseMessage(
    message.kind === 'request'
      ? encodeRequest({ method: message.method, uri: message.uri, headers: lines, body: message.body })
      : encodeResponse({ status: message.status, reason: message.reason, headers: lines, body: message.body })
  )
  holds(copy.kind === message.kind && copy.body.equals(message.body), 'start line and body survive writing')
  const values = (of: readonly { name: string; value: string }[]) =>
    of
      .map(({ name, value }) => `${name}:${value}`)
      .sort()
      .join('\n')
  holds(
    values(allHeaders(copy).filter(({ key }) => key !== 'content-length')) === values(written),
    'header fields survive writing'
  )
  if (headers.length > 0) {
    const { key } = headers[0]!
    holds(
      headers.find((each) => each.key === key)!.value === '' || withHeaderValue(message, key, 'x').length > 0,
      'a value is replaced'
    )
  }
  return sane
}

/** What the scanner recognises is a request, and its values are those the parser reads. */
function scanAgrees(input: Buffer, message: SipMessage | undefined): void {
  ackTag(input)
  const scanned = scanRequest(input)
  if (scanned === undefined) return
  holds(message?.kind === 'request' && message.method === scanned.method, 'what is scanned is a request')
  const { vias, from, to, callId, cseq } = scanned
  const same = (key: string, values: readonly string[]): void =>
    holds(headerLines(message!, key).join('\n') === values.join('\n'), `scanner and parser agree on ${key}`)
  same('via', vias)
  same('from', [from])
  same('to', [to])
  same('call-id', [callId])
  same('cseq', [cseq])
}

const sip: Target = {
  name: 'sip',
  input: hostileMessage,
  run: (input) => {
    const message = unlessRefused(() => parseMessage(input))
    scanAgrees(input, message)
    return message === undefined ? false : readAll(message)
  }
}

const streamLimits = { headerSection: 4096, body: 8192 }

function shapeOf(items: readonly StreamItem[]): string {
  return items.map((item) => (item.type === 'message' ? `m${item.bytes.toString('latin1')}` : item.type)).join('\n--\n')
}

const stream: Target = {
  name: 'stream',
  input: (random) => {
    const parts: Buffer[] = []
    for (let count = 1 + random.below(3); count > 0; count--) {
      parts.push(hostileMessage(random))
      if (random.below(3) === 0) parts.push(Buffer.from(random.pick(['\r\n', '\r\n\r\n', '\r\n\r\n\r\n', '\n'])))
    }
    return Buffer.concat(parts)
  },
  /** However the octets are cut into segments, the same messages come out. */
  run: (input, random) => {
    const whole = createStreamFramer(streamLimits).push(Buffer.from(input))
    const framer = createStreamFramer(streamLimits)
    const items: StreamItem[] = []
    const step = 1 + random.below(random.below(2) === 0 ? 20 : 2000)
    for (let at = 0; at < input.length; ) {
      const end = Math.min(input.length, at + 1 + random.below(step))
      items.push(...framer.push(Buffer.from(input.subarray(at, end))))
      at = end
    }
    const octets = items.reduce((sum, item) => sum + (item.type === 'message' ? item.bytes.length : 0), 0)
    holds(octets <= input.length, 'a stream gives no more than it took')
    const limit = streamLimits.headerSection + streamLimits.body
    for (const item of items) {
      if (item.type !== 'message') continue
      holds(item.bytes.length <= limit, 'limits hold')
      const message = unlessRefused(() => parseMessage(item.bytes))
      if (message === undefined || message.defect !== null) continue
      const end = headerSectionEnd(item.bytes)
      holds(message.body.length === item.bytes.length - end, 'framing and parser see one Content-Length')
    }
    holds(framer.unfinished() <= limit + step, 'what waits is bounded')
    const shape = shapeOf(items)
    holds(shape === shapeOf(whole), 'the cut into segments makes no difference')
    return items.some(({ type }) => type === 'message')
  }
}

const metas = [
  'id|authenticate|cymru|a,b',
  'id|ping',
  'id|route|invite',
  'id|remove_route|invite',
  'id|sip|tx|',
  'id|sip||call;from-tag=x',
  'id|sip|||sip:192.0.2.1',
  'id|proxy|tx|remainInDialog|fullResponse||serial||2|sip:a@b',
  'id|nonsense|x',
  'id'
]

const maxFramesPerInput = 64

const frames: Target = {
  name: 'frames',
  input: (random) => {
    const parts: Buffer[] = []
    for (let count = 1 + random.below(3); count > 0; count--) {
      const message = random.below(3) === 0 ? undefined : hostileMessage(random)
      parts.push(encodeFrame(random.pick(metas), message))
    }
    const whole = Buffer.concat(parts)
    return random.below(4) === 0 ? whole : damaged(random, whole, parts[0]!)
  },
  run: (input) => {
    let at = 0
    for (let count = 0; count < maxFramesPerInput; count++) {
      const head = unlessRefused(() => frameHead(input, at))
      if (head === undefined || head.end > input.length) return count > 0
      holds(head.end >= head.start && head.start > at, 'a frame moves on')
      const payload = input.subarray(head.start, head.end)
      const message = parseClientMessage(payload)
      if ('sip' in message) {
        const draft = unlessRefused(() => readDraft(message.sip, defaultMessageLimits))
        if (draft !== undefined) {
          contentType(draft)
          wireContact(draft.placed.get('contact') ?? '', '192.0.2.1:5060')
          wireAddress(draft.placed.get('to') ?? '', '192.0.2.1:5060')
          for (const [name, value] of wireOthers(draft, '192.0.2.1:5060'))
            holds(!/[\r\n]/.test(name + value), 'no line end goes out in a field')
        }
      }
      const written = encodeFrame(payload.toString('latin1'))
      const readBack = frameHead(written)!
      holds(written.subarray(readBack.start, readBack.end).equals(payload), 'a frame survives writing')
      at = head.end
    }
    return true
  }
}

export const targets: readonly Target[] = [sip, stream, frames]

/** The input with that seed. */
export function inputOf(target: Target, seed: number): { readonly input: Buffer; readonly random: Random } {
  const random = createRandom(seed)
  return { input: target.input(random), random }
}
