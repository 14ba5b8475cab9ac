/**
 * What a refusal without a transaction repeats of a request, found in its octets without reading the rest: a server that has too much to do
 * must be able to say so for much less than the work it refuses.
 *
 * Only requests in usual form are recognised. All others, however valid, are left to `parseMessage`.
 *
 * @see RFC 3261 §8.2.6, §8.2.7
 */
import { headerKeyAt } from './names.ts'
import { firstVia, parseVia, type Via } from './via.ts'

export interface ScannedRequest {
  readonly method: string
  /** Values of the Via lines, in order. */
  readonly vias: string[]
  /** The topmost, read. */
  readonly via: Via
  readonly from: string
  /** Value of To, which has no tag: the request is in no dialog. */
  readonly to: string
  readonly callId: string
  readonly cseq: string
}

/** A head that is longer is unusual. */
const reach = 4096
const versionEnd = ' SIP/2.0'
const maxVias = 16
const methodForm = /^[A-Z]{1,32}$/
const space = 32
const tab = 9

/** Letters that Via, From, To, Call-ID and CSeq begin with, and their short forms: v f t c i. */
const firstLetters = new Set([...'vftciVFTCI'].map((letter) => letter.charCodeAt(0)))

/**
 * @param bytes one message, or a datagram that may be one.
 * @returns undefined for whatever is not a request outside a dialog in usual form: a line that is folded, a header field that is missing or
 * comes twice, a tag in To, a Via that cannot be read. Values have no CR and no LF in them; beside the top Via they are not read.
 */
export function scanRequest(bytes: Buffer): ScannedRequest | undefined {
  const text = bytes.toString('latin1', 0, reach)
  const startLineEnd = text.indexOf('\r\n')
  const methodEnd = text.indexOf(' ')
  const uriEnd = text.indexOf(' ', methodEnd + 1)
  const method = text.slice(0, methodEnd)
  if (uriEnd <= methodEnd + 1 || uriEnd !== startLineEnd - versionEnd.length || !text.startsWith(versionEnd, uriEnd))
    return undefined
  if (!methodForm.test(method)) return undefined
  const vias: string[] = []
  let from: string | null = null
  let to: string | null = null
  let callId: string | null = null
  let cseq: string | null = null
  for (let at = startLineEnd + 2; ; ) {
    const lineEnd = text.indexOf('\r', at)
    if (lineEnd < 0 || text.indexOf('\n', at) !== lineEnd + 1) return undefined
    if (lineEnd === at) break
    const first = text.charCodeAt(at)
    if (first === space || first === tab) return undefined
    if (firstLetters.has(first)) {
      const colon = text.indexOf(':', at)
      if (colon < 0 || colon > lineEnd) return undefined
      const key = headerKeyAt(text, at, colon)
      if (key === 'via') {
        if (vias.push(valueBehind(text, colon, lineEnd)) > maxVias) return undefined
      } else if (key === 'from') {
        if (from !== null) return undefined
        from = valueBehind(text, colon, lineEnd)
      } else if (key === 'to') {
        if (to !== null) return undefined
        to = valueBehind(text, colon, lineEnd)
      } else if (key === 'call-id') {
        if (callId !== null) return undefined
        callId = valueBehind(text, colon, lineEnd)
      } else if (key === 'cseq') {
        if (cseq !== null) return undefined
        cseq = valueBehind(text, colon, lineEnd)
      }
    }
    at = lineEnd + 2
  }
  if (vias.length === 0 || from === null || to === null || callId === null || cseq === null) return undefined
  if (!cseq.endsWith(` ${method}`)) return undefined
  if (/tag/i.test(to)) return undefined
  const via = parseVia(firstVia(vias[0]!))
  return via === undefined ? undefined : { method, vias, via, from, to, callId, cseq }
}

/** What stands behind the colon, without the blanks around it. */
function valueBehind(text: string, colon: number, lineEnd: number): string {
  let start = colon + 1
  let end = lineEnd
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === space || code === tab
}

const ackStart = Buffer.from('ACK ')
const toTag = /\r\nTo:[^\r\n]*;tag=([^;\r\n]+)[^\r\n]*\r\n/i

/** Tag in To of an ACK; undefined for other messages, and for an ACK whose To is not in usual form. */
export function ackTag(bytes: Buffer): string | undefined {
  if (bytes[0] !== ackStart[0] || !bytes.subarray(0, ackStart.length).equals(ackStart)) return undefined
  return toTag.exec(bytes.toString('latin1', 0, reach))?.[1]
}
