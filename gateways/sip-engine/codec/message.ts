/**
 * Reads SIP messages: start line at once, header values on demand. Header text is held as latin1, one character per octet, so that
 * every index is an octet offset and every octet goes out as it came in.
 *
 * @see RFC 3261 §7
 */
import { DecodeError } from '#kernel'
import { defaultMessageLimits, type MessageLimits } from './limits.ts'
import { headerKeyAt, writtenName } from './names.ts'
import type { CommonHeaders } from './sanity.ts'
import { trimmed, unfolded } from './text.ts'

/** Where the header fields lie in `text`. The arrays run in parallel, in order of appearance. */
export interface HeaderTable {
  /** Start line and header fields, each with its CRLF. */
  readonly text: string
  /** Octet of the message at which `text` begins (blank lines before the start line are skipped). */
  readonly offset: number
  readonly keys: readonly string[]
  /** Start and end of each value in `text`, without blanks around it; folding is still inside. */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

interface MessageParts {
  /** The message as received. */
  readonly bytes: Buffer
  readonly headers: HeaderTable
  readonly body: Buffer
  /** First thing found that a tolerant reading could step over, but which forbids to act on the message. */
  readonly defect: DecodeError | null
  /** Kept by `commonHeaders` when it has read them; not to be touched by others. */
  common: CommonHeaders | null
}

export interface SipRequest extends MessageParts {
  readonly kind: 'request'
  readonly method: string
  readonly uri: string
  readonly version: string
}

export interface SipResponse extends MessageParts {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly version: string
}

export type SipMessage = SipRequest | SipResponse

const carriageReturn = 13
const lineFeed = 10
const space = 32
const tab = 9
const slash = 47
const headEnd = Buffer.from('\r\n\r\n')
const statusLine = /^(SIP\/\d{1,3}\.\d{1,3})[ \t]+([1-6]\d\d)(?:[ \t](.*))?$/i
const versionForm = /^SIP\/\d{1,3}\.\d{1,3}$/i
const methodForm = /^[A-Za-z0-9\-.!%*_+`'~]{1,64}$/
const noBody = Buffer.alloc(0)
const bareLineEnd = 'sip.header.bare-line-end'

/** Where the header section ends: the octet behind its empty line, or -1 while that has not come. */
export function headerSectionEnd(bytes: Buffer, from = 0): number {
  const at = bytes.indexOf(headEnd, from)
  return at < 0 ? -1 : at + 4
}

/**
 * Reads one message that ends where `bytes` end.
 *
 * @param bytes kept, not copied: header values and body are views of it.
 * @param bodyBounds `end`: the body goes to the end of `bytes` whatever Content-Length says (messages framed by another protocol).
 * @throws {DecodeError} `sip.message.unterminated`, `sip.start-line.malformed`, `sip.limit.start-line`, `sip.limit.header-section`,
 * `sip.limit.header-count`, `sip.limit.body`. Lesser faults are left in `defect`, so that the sender can be told of them.
 */
export function parseMessage(
  bytes: Buffer,
  limits: MessageLimits = defaultMessageLimits,
  bodyBounds: 'contentLength' | 'end' = 'contentLength'
): SipMessage {
  let offset = 0
  while (bytes[offset] === carriageReturn || bytes[offset] === lineFeed) offset++
  const bodyStart = headerSectionEnd(bytes, offset)
  if (bodyStart < 0) {
    throw fault(
      bytes.length > limits.headerSection ? 'sip.limit.header-section' : 'sip.message.unterminated',
      'no empty line behind the header fields',
      'message',
      bytes.length
    )
  }
  if (bodyStart - offset > limits.headerSection) {
    throw fault('sip.limit.header-section', 'header section is too large', 'message', bodyStart)
  }
  const text = bytes.toString('latin1', offset, bodyStart - 2)
  const startLineEnd = text.indexOf('\r\n')
  if (startLineEnd > limits.startLine) throw fault('sip.limit.start-line', 'start line is too long', 'start-line', offset)
  const keys: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  const headers: HeaderTable = { text, offset, keys, starts, ends }
  let defect = readHeaders(headers, keys, starts, ends, startLineEnd + 2, limits)
  let bodyLength = bytes.length - bodyStart
  if (bodyBounds === 'contentLength') {
    const announced = announcedLength(headers, bodyLength, bodyStart)
    if (typeof announced === 'number') bodyLength = announced
    else defect ??= announced
  }
  if (bodyLength > limits.body) throw fault('sip.limit.body', 'body is too large', 'body', bodyStart)
  const body = bodyLength === 0 ? noBody : bytes.subarray(bodyStart, bodyStart + bodyLength)

  if (text.charCodeAt(3) === slash) {
    const status = statusLine.exec(text.slice(0, startLineEnd))
    if (status !== null) {
      return {
        kind: 'response',
        status: Number(status[2]),
        reason: status[3] ?? '',
        version: status[1]!,
        bytes,
        headers,
        body,
        defect,
        common: null
      }
    }
  }
  const methodEnd = text.indexOf(' ')
  const uriEnd = text.indexOf(' ', methodEnd + 1)
  if (methodEnd > 0 && uriEnd > methodEnd + 1 && uriEnd < startLineEnd) {
    const method = text.slice(0, methodEnd)
    const version = text.slice(uriEnd + 1, startLineEnd)
    const uri = text.slice(methodEnd + 1, uriEnd)
    const known = (version === 'SIP/2.0' || versionForm.test(version)) && (isCommonMethod(method) || methodForm.test(method))
    if (known && uri.indexOf('\t') < 0)
      return { kind: 'request', method, uri, version, bytes, headers, body, defect, common: null }
  }
  const spaced = spacedRequestLine(text.slice(0, startLineEnd))
  if (spaced === undefined) throw fault('sip.start-line.malformed', 'neither a request nor a status line', 'start-line', offset)
  return {
    kind: 'request',
    ...spaced,
    bytes,
    headers,
    body,
    defect:
      defect?.code === bareLineEnd
        ? defect
        : fault('sip.start-line.spacing', 'request line has blanks where none belong', 'start-line', offset),
    common: null
  }
}

/** A request line with more blanks than two: method up to the first, version behind the last, all between is the URI. */
function spacedRequestLine(line: string): { method: string; uri: string; version: string } | undefined {
  const text = trimmed(line)
  const methodEnd = text.search(/[ \t]/)
  if (methodEnd < 0) return undefined
  const versionStart = Math.max(text.lastIndexOf(' '), text.lastIndexOf('\t')) + 1
  const method = text.slice(0, methodEnd)
  const version = text.slice(versionStart)
  const uri = trimmed(text, methodEnd, versionStart)
  return uri !== '' && methodForm.test(method) && versionForm.test(version) ? { method, uri, version } : undefined
}

const commonMethods = new Set(['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'REGISTER', 'PRACK', 'UPDATE', 'INFO', 'MESSAGE'])
const isCommonMethod = (method: string): boolean => commonMethods.has(method)

const decimal = /^\d{1,10}$/

/** Octets of body by Content-Length, all that are there when it is absent, a fault when it cannot be followed. */
function announcedLength(headers: HeaderTable, received: number, bodyStart: number): number | DecodeError {
  const text = firstValue(headers, 'content-length')
  if (text === undefined) return received
  if (!decimal.test(text)) {
    return fault(
      'sip.content-length.malformed',
      'Content-Length is not a number',
      'Content-Length',
      valueOctet(headers, 'content-length')
    )
  }
  const length = Number(text)
  if (length <= received) return length
  return fault('sip.body.short', `body has ${received} of ${length} octets`, 'body', bodyStart + received)
}

/**
 * Fills the header table from `at` to the end of its text: two searches a line, no slice of a name in usual spelling.
 *
 * @returns the first lesser fault.
 * @throws {DecodeError} `sip.limit.header-count`
 */
function readHeaders(
  { text, offset }: HeaderTable,
  keys: string[],
  starts: number[],
  ends: number[],
  from: number,
  limits: MessageLimits
): DecodeError | null {
  const textEnd = text.length
  let defect: DecodeError | null = null
  let count = 0
  let at = from
  while (at < textEnd) {
    const lineStart = at
    let lineEnd: number
    for (;;) {
      lineEnd = text.indexOf('\r', at)
      const feed = text.indexOf('\n', at)
      if (feed !== lineEnd + 1) {
        const bare = feed < lineEnd ? feed : lineEnd
        // Ahead of every other fault: whoever sees this one must not repeat a value of the message.
        if (defect?.code !== bareLineEnd) defect = fault(bareLineEnd, 'CR or LF alone in a header field', 'header', offset + bare)
        lineEnd = text.indexOf('\r\n', at)
      }
      at = lineEnd + 2
      const next = text.charCodeAt(at)
      if (next !== space && next !== tab) break
    }
    if (count++ === limits.headerCount) {
      throw fault('sip.limit.header-count', `more than ${limits.headerCount} header fields`, 'header', offset + lineStart)
    }
    const colon = text.indexOf(':', lineStart)
    if (colon < 0 || colon > lineEnd) {
      defect ??= fault('sip.header.malformed', 'header field without colon', 'header', offset + lineStart)
      continue
    }
    const key = headerKeyAt(text, lineStart, colon)
    if (key === undefined) {
      defect ??= fault('sip.header.name', 'header name is not a token', 'header', offset + lineStart)
      continue
    }
    if (lineEnd - lineStart > limits.headerLine) {
      defect ??= fault('sip.limit.header-line', 'header field is too long', key, offset + lineStart)
    }
    let start = colon + 1
    let end = lineEnd
    while (start < end && isSpace(text.charCodeAt(start))) start++
    while (end > start && isSpace(text.charCodeAt(end - 1))) end--
    keys.push(key)
    starts.push(start)
    ends.push(end)
  }
  return defect
}

function isSpace(code: number): boolean {
  return code === space || code === tab || code === carriageReturn || code === lineFeed
}

function fault(code: string, message: string, path: string, octet: number): DecodeError {
  return new DecodeError(code, message, { path, bitOffset: octet * 8 })
}

/** Octet of the message at which the value of the first `key` field begins; its first octet when there is none. */
function valueOctet(headers: HeaderTable, key: string): number {
  const index = headers.keys.indexOf(key)
  return index < 0 ? headers.offset : headers.offset + headers.starts[index]!
}

/**
 * A fault for what reads header values: its path is the name of the header, its offset where the first value of that header begins.
 *
 * @param key of a header; `start-line` for the first line.
 */
export function headerFault(message: { readonly headers: HeaderTable }, key: string, code: string, text: string): DecodeError {
  return fault(code, text, key === 'start-line' ? key : writtenName(key), valueOctet(message.headers, key))
}

function valueAt(headers: HeaderTable, index: number): string {
  const value = headers.text.slice(headers.starts[index], headers.ends[index])
  return value.includes('\r') ? unfolded(value) : value
}

function firstValue(headers: HeaderTable, key: string): string | undefined {
  const index = headers.keys.indexOf(key)
  return index < 0 ? undefined : valueAt(headers, index)
}

/** Value of the first header field with that key, unfolded; undefined when there is none. Lists are not split. */
export function header(message: { readonly headers: HeaderTable }, key: string): string | undefined {
  return firstValue(message.headers, key)
}

/** Values of all header fields with that key, one for each line, unfolded. */
export function headerLines(message: { readonly headers: HeaderTable }, key: string): string[] {
  const lines: string[] = []
  const { keys } = message.headers
  for (let index = keys.indexOf(key); index >= 0; index = keys.indexOf(key, index + 1)) {
    lines.push(valueAt(message.headers, index))
  }
  return lines
}

/** Name as written, key and unfolded value of every header field, in order. */
export function allHeaders(message: { readonly headers: HeaderTable }): { name: string; key: string; value: string }[] {
  const { text, keys, starts } = message.headers
  return keys.map((key, index) => {
    const colon = text.lastIndexOf(':', starts[index]! - 1)
    const line = text.lastIndexOf('\n', colon) + 1
    return { name: trimmed(text, line, colon), key, value: valueAt(message.headers, index) }
  })
}

/** The message as received, with the value of its first `key` field replaced; every other octet is left as it is. */
export function withHeaderValue(message: SipMessage, key: string, value: string): Buffer {
  const { headers, bytes } = message
  const index = headers.keys.indexOf(key)
  if (index < 0) return bytes
  const start = headers.offset + headers.starts[index]!
  const end = headers.offset + headers.ends[index]!
  const out = Buffer.allocUnsafe(bytes.length - (end - start) + value.length)
  bytes.copy(out, 0, 0, start)
  out.write(value, start, 'latin1')
  bytes.copy(out, start + value.length, end)
  return out
}
