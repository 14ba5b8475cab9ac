/**
 * Bodies of several parts, kept as octets: boundaries are looked for in the bytes, nothing is decoded.
 *
 *     preamble CRLF --boundary CRLF header fields CRLF CRLF body CRLF --boundary … CRLF --boundary-- epilogue
 *
 * @see RFC 2046 §5.1.1
 */
import { DecodeError } from '#kernel'
import { formatMediaType, type MediaType, parseMediaType } from './media-type.ts'
import { trimmed, unfolded, unquoted } from './text.ts'

export interface BodyPart {
  /** Header fields in order, folding undone; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** A view of the message's octets. */
  readonly body: Buffer
}

export interface MultipartLimits {
  readonly parts: number
  /** Multiparts inside multiparts, the outermost counted. */
  readonly depth: number
  /** Octets of the header fields of one part. */
  readonly headerSection: number
}

export const defaultMultipartLimits: MultipartLimits = { parts: 64, depth: 4, headerSection: 8192 }

const boundaryForm = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/
const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')
const fieldName = /^[\x21-\x39\x3b-\x7e]+$/
const hyphen = 45

/** The boundary a multipart type names; undefined when it is no multipart type or has no boundary of RFC 2046 §5.1.1. */
export function boundaryOf(type: MediaType): string | undefined {
  const value = type.type === 'multipart' ? type.params.get('boundary') : undefined
  if (value === undefined || value === null) return undefined
  const boundary = unquoted(value)
  return boundaryForm.test(boundary) ? boundary : undefined
}

/**
 * Splits a multipart body. What stands before the first boundary and behind the last is left out.
 *
 * @param body kept: the parts are views of it.
 * @throws {DecodeError} `sip.multipart.boundary` (no boundary line), `.unterminated` (no closing boundary), `.header` (a part's header
 * fields), `.limit`; path `body`, offset in `body`.
 */
export function splitMultipart(body: Buffer, boundary: string, limits: MultipartLimits = defaultMultipartLimits): BodyPart[] {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const parts: BodyPart[] = []
  let found = nextDelimiter(body, delimiter, 0)
  if (found === undefined) throw fault('sip.multipart.boundary', 'no boundary line', 0)
  while (!found.closing) {
    const start = found.next
    const following = nextDelimiter(body, delimiter, start)
    if (following === undefined) throw fault('sip.multipart.unterminated', 'no closing boundary', body.length)
    if (parts.length === limits.parts) throw fault('sip.multipart.limit', `more than ${limits.parts} parts`, start)
    parts.push(readPart(body, start, Math.max(start, following.at), limits))
    found = following
  }
  return parts
}

interface Delimiter {
  /** Where the part before it ends: at the line end that belongs to the delimiter. */
  readonly at: number
  /** Behind its line. */
  readonly next: number
  readonly closing: boolean
}

/** The next line that is a boundary: at a line's begin, with nothing but blanks (and `--`) behind it. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): Delimiter | undefined {
  for (let at = body.indexOf(delimiter, from); at >= 0; at = body.indexOf(delimiter, at + 1)) {
    const atLineStart = at === 0 || (at >= 2 && body[at - 1] === 10 && body[at - 2] === 13)
    if (!atLineStart) continue
    let end = at + delimiter.length
    const closing = body[end] === hyphen && body[end + 1] === hyphen
    if (closing) end += 2
    while (body[end] === 32 || body[end] === 9) end++
    const atLineEnd = body[end] === 13 && body[end + 1] === 10
    if (atLineEnd || (closing && end === body.length))
      return { at: Math.max(0, at - 2), next: atLineEnd ? end + 2 : end, closing }
  }
  return undefined
}

function readPart(body: Buffer, start: number, end: number, limits: MultipartLimits): BodyPart {
  const part = body.subarray(start, end)
  if (part.subarray(0, 2).equals(lineEnd)) return { headers: [], body: part.subarray(2) }
  const found = part.subarray(0, limits.headerSection + headEnd.length).indexOf(headEnd)
  if (found < 0 && part.length > limits.headerSection)
    throw fault('sip.multipart.limit', 'header fields of a part are too large', start)
  const headEndAt = found < 0 ? part.length : found
  const headers: (readonly [string, string])[] = []
  const text = unfolded(part.toString('latin1', 0, headEndAt))
  for (const line of text === '' ? [] : text.split('\r\n')) {
    const colon = line.indexOf(':')
    const name = trimmed(line, 0, Math.max(colon, 0)).toLowerCase()
    if (!fieldName.test(name)) throw fault('sip.multipart.header', 'a part has a malformed header field', start)
    headers.push([name, trimmed(line, colon + 1)])
  }
  return { headers, body: found < 0 ? part.subarray(part.length) : part.subarray(found + headEnd.length) }
}

/**
 * All parts that are no multipart themselves, however deep they lie.
 *
 * @throws {DecodeError} as `splitMultipart`; `sip.multipart.limit` also for depth; `sip.multipart.type` for a Content-Type without boundary.
 */
export function leafParts(type: MediaType, body: Buffer, limits: MultipartLimits = defaultMultipartLimits): BodyPart[] {
  const leaves: BodyPart[] = []
  const walk = (outer: MediaType, octets: Buffer, depth: number): void => {
    const boundary = boundaryOf(outer)
    if (boundary === undefined) throw fault('sip.multipart.type', 'no multipart type with a boundary', 0)
    if (depth > limits.depth) throw fault('sip.multipart.limit', `more than ${limits.depth} multiparts inside each other`, 0)
    for (const part of splitMultipart(octets, boundary, limits)) {
      const inner = contentType(part)
      if (inner?.type === 'multipart') walk(inner, part.body, depth + 1)
      else if (leaves.length === limits.parts) throw fault('sip.multipart.limit', `more than ${limits.parts} parts`, 0)
      else leaves.push(part)
    }
  }
  walk(type, body, 1)
  return leaves
}

/** The type of a part; undefined where it has none (then it is `text/plain`, RFC 2046 §5.1) or it is malformed. */
export function contentType(part: BodyPart): MediaType | undefined {
  const field = part.headers.find(([name]) => name === 'content-type')
  return field === undefined ? undefined : parseMediaType(field[1])
}

/** A multipart body. @throws {RangeError} where the boundary is not one of RFC 2046, or a part holds it. */
export function joinMultipart(parts: readonly BodyPart[], boundary: string): Buffer {
  if (!boundaryForm.test(boundary)) throw new RangeError('not a boundary of RFC 2046')
  const pieces: Buffer[] = []
  for (const { headers, body } of parts) {
    if (body.includes(`--${boundary}`, 0, 'latin1')) throw new RangeError('a part holds the boundary')
    const fields = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    pieces.push(Buffer.from(`--${boundary}\r\n${fields}\r\n`, 'latin1'), body, lineEnd)
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`, 'latin1'))
  return Buffer.concat(pieces)
}

/** `type` with the boundary as RFC 2046 wants it quoted. */
export function multipartType(subtype: string, boundary: string): string {
  return formatMediaType({ type: 'multipart', subtype, params: new Map([['boundary', `"${boundary}"`]]) })
}

function fault(code: string, message: string, octet: number): DecodeError {
  return new DecodeError(code, message, { path: 'body', bitOffset: octet * 8 })
}
