/**
 * Frames of the application link: `<octets in decimal>#<payload>`.
 *
 *     5#hello      the number counts octets of the payload, not itself and not the `#`
 */
import { DecodeError } from '#kernel'

/** Octets of payload an application may send in one frame. */
export const maxFrame = 1_048_576

const numberSign = 35

/** Where the payload of the first frame in `bytes` lies; undefined while its length field is not all there. */
export interface FrameHead {
  readonly start: number
  readonly end: number
}

/**
 * Reads the head of the frame that begins at `from`. The payload may still be on its way: `end` can lie behind the octets at hand.
 *
 * @throws {DecodeError} `drachtio.frame.length` for a length field that is no number, begins with zero, or exceeds `limit`.
 */
export function frameHead(bytes: Uint8Array, from = 0, limit = maxFrame): FrameHead | undefined {
  let length = 0
  for (let at = from; at < bytes.length; at++) {
    const digit = bytes[at]!
    if (digit === numberSign && at > from) return { start: at + 1, end: at + 1 + length }
    if (digit < 48 || digit > 57 || (digit === 48 && at === from)) throw badLength(at)
    length = length * 10 + (digit - 48)
    if (length > limit) throw badLength(at)
  }
  return undefined
}

function badLength(at: number): DecodeError {
  return new DecodeError('drachtio.frame.length', 'length field is not a usable number', {
    path: 'frame.length',
    bitOffset: at * 8
  })
}

/** A frame whose payload is `meta`, or `meta` CRLF and a SIP message. `meta` is latin1, one character per octet. */
export function encodeFrame(meta: string, message?: Uint8Array): Buffer {
  if (message === undefined) return Buffer.from(`${meta.length}#${meta}`, 'latin1')
  const head = `${meta.length + 2 + message.length}#${meta}\r\n`
  const out = Buffer.allocUnsafe(head.length + message.length)
  out.write(head, 0, 'latin1')
  out.set(message, head.length)
  return out
}
