/** Finds messages in a stream by their Content-Length (RFC 3261 §18.3), and the keep-alives between them (RFC 5626 §3.5.1). */
import { headerSectionEnd } from '../codec/message.ts'

export type StreamItem =
  | { readonly type: 'message'; readonly bytes: Buffer }
  /** Double CRLF: the peer wants a single CRLF back. */
  | { readonly type: 'ping' }
  /** A message that is too large, or whose Content-Length is missing, malformed or contradictory: its header section. */
  | { readonly type: 'oversized'; readonly head: Buffer }
  /** The stream cannot be read on. */
  | { readonly type: 'broken' }

export interface StreamFramer {
  /** Takes the next octets and gives what they complete, in order. After `oversized` or `broken` it takes no more. */
  readonly push: (chunk: Buffer) => StreamItem[]
  /** Octets of the message that has begun and is not whole; 0 between messages. */
  readonly unfinished: () => number
}

export interface StreamLimits {
  readonly headerSection: number
  readonly body: number
}

const carriageReturn = 13
const lineFeed = 10
const pingOctets = 4
const contentLength = /\r\n(?:content-length|l)[ \t]*:[ \t\r\n]*([^\r\n]*)/gi

/** Value of Content-Length in a header section; undefined when absent, malformed or contradictory: the stream has no next message then. */
function bodyLength(head: string): number | undefined {
  let length: number | undefined
  contentLength.lastIndex = 0
  for (let match = contentLength.exec(head); match !== null; match = contentLength.exec(head)) {
    const text = match[1]!.trimEnd()
    if (!/^\d{1,10}$/.test(text)) return undefined
    if (length !== undefined && length !== Number(text)) return undefined
    length = Number(text)
  }
  return length
}

export function createStreamFramer(limits: StreamLimits): StreamFramer {
  let pending: Buffer = Buffer.alloc(0)
  let filled = 0
  let scanned = 0
  let needed = 0
  /** Octets of line ends seen in a row between messages. */
  let lineEnds = 0
  let closed = false

  const append = (chunk: Buffer): void => {
    if (filled === 0) {
      pending = chunk
      filled = chunk.length
      return
    }
    const length = filled + chunk.length
    if (length > pending.length || pending.byteOffset !== 0) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, filled * 2, 4096))
      pending.copy(grown, 0, 0, filled)
      pending = grown
    }
    chunk.copy(pending, filled)
    filled = length
  }

  /** Line ends between messages are taken at once; four of them in a row are a ping, fewer are nothing or a pong. */
  const next = (): StreamItem | undefined => {
    let start = 0
    while (start < filled && isLineEnd(pending[start]!) && needed === 0) {
      start++
      if (++lineEnds < pingOctets) continue
      lineEnds = 0
      consume(start)
      return { type: 'ping' }
    }
    if (start > 0) consume(start)
    if (filled === 0) return undefined
    lineEnds = 0
    if (needed === 0) {
      const window = pending.subarray(0, filled)
      const end = headerSectionEnd(window, Math.max(0, scanned - 3))
      scanned = filled
      if (end < 0) {
        if (filled <= limits.headerSection) return undefined
        return stop({ type: 'broken' })
      }
      if (end > limits.headerSection) return stop({ type: 'broken' })
      const length = bodyLength(window.toString('latin1', 0, end))
      if (length === undefined || length > limits.body) {
        return stop({ type: 'oversized', head: Buffer.from(window.subarray(0, end)) })
      }
      needed = end + length
    }
    if (filled < needed) return undefined
    const bytes = Buffer.from(pending.subarray(0, needed))
    consume(needed)
    return { type: 'message', bytes }
  }

  const consume = (count: number): void => {
    pending = pending.subarray(count, filled)
    filled -= count
    scanned = 0
    needed = 0
  }

  const stop = (item: StreamItem): StreamItem => {
    closed = true
    pending = Buffer.alloc(0)
    filled = 0
    return item
  }

  return {
    push: (chunk) => {
      const items: StreamItem[] = []
      if (closed) return items
      append(chunk)
      for (let item = next(); item !== undefined; item = next()) {
        items.push(item)
        if (closed) break
      }
      return items
    },
    unfinished: () => filled
  }
}

function isLineEnd(octet: number): boolean {
  return octet === carriageReturn || octet === lineFeed
}
