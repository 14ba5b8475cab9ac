/**
 * RTCP feedback about pictures and packets.
 *
 *     |V=2|P|   FMT   |       PT      |          length               |
 *     |                  SSRC of packet sender                        |
 *     |                  SSRC of media source                         |
 *     :            feedback control information (FCI)                 :
 *
 * @see RFC 4585 §6 (NACK, PLI), RFC 5104 §4.3.1 (FIR)
 */
import { DecodeError } from '#kernel'

const transportFeedback = 205
const payloadFeedback = 206
const formats = { nack: 1, pictureLoss: 1, fullIntra: 4 } as const

export type Feedback =
  /** Sequence numbers that were lost. */
  | { readonly type: 'nack'; readonly source: number; readonly lost: readonly number[] }
  | { readonly type: 'pictureLoss'; readonly source: number }
  /** `command` counts up with each new request; a repeated one asks for nothing more. */
  | { readonly type: 'fullIntra'; readonly source: number; readonly command: number }

/** Sequence numbers that one message may ask for again. */
const mostLost = 256

const fault = (message: string, octet: number) =>
  new DecodeError('rtcp.feedback.length', message, { path: 'rtcp.feedback', bitOffset: octet * 8 })

/**
 * Reads one RTCP packet of feedback, from its header on; other formats (REMB, transport-wide congestion control) give nothing.
 *
 * @throws {DecodeError} `rtcp.feedback.length`
 */
export function decodeFeedback(data: Buffer): Feedback[] {
  if (data.length < 12) throw fault('header is cut off', data.length)
  const end = 4 * (data.readUInt16BE(2) + 1)
  if (end > data.length || end < 12) throw fault(`${end} octets told, ${data.length} came`, 2)
  const [format, packetType] = [data[0]! & 0x1f, data[1]!]
  const source = data.readUInt32BE(8)
  if (packetType === payloadFeedback && format === formats.pictureLoss) return [{ type: 'pictureLoss', source }]
  if (packetType === payloadFeedback && format === formats.fullIntra) {
    if ((end - 12) % 8 !== 0) throw fault('an entry of FIR is cut off', end)
    const entries = Array.from({ length: (end - 12) / 8 }, (_, i) => 12 + 8 * i)
    return entries.map((at) => ({ type: 'fullIntra', source: data.readUInt32BE(at), command: data[at + 4]! }))
  }
  if (packetType === transportFeedback && format === formats.nack) {
    const lost: number[] = []
    for (let at = 12; at < end && lost.length < mostLost; at += 4) {
      const first = data.readUInt16BE(at)
      const following = data.readUInt16BE(at + 2)
      lost.push(first)
      for (let bit = 0; bit < 16; bit++) if ((following & (1 << bit)) !== 0) lost.push((first + 1 + bit) & 0xffff)
    }
    return [{ type: 'nack', source, lost: lost.slice(0, mostLost) }]
  }
  return []
}

/**
 * Whether a compound packet asks for a picture that needs no other. What follows something that is no RTCP is not read.
 *
 * @see RFC 4585 §6.3.1 (PLI), RFC 5104 §4.3.1 (FIR)
 */
export function asksForPicture(compound: Buffer): boolean {
  for (let at = 0; at + 4 <= compound.length; at += 4 * (compound.readUInt16BE(at + 2) + 1)) {
    if (compound[at + 1] !== payloadFeedback) continue
    try {
      if (decodeFeedback(compound.subarray(at)).length > 0) return true
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return false
    }
  }
  return false
}

function message(packetType: number, format: number, sender: number, source: number, information: number): Buffer {
  const out = Buffer.alloc(12 + information)
  out[0] = 0x80 | format
  out[1] = packetType
  out.writeUInt16BE(out.length / 4 - 1, 2)
  out.writeUInt32BE(sender >>> 0, 4)
  out.writeUInt32BE(source >>> 0, 8)
  return out
}

/** Asks for a picture that needs no other, since one was lost. */
export const encodePictureLoss = (sender: number, source: number): Buffer =>
  message(payloadFeedback, formats.pictureLoss, sender, source, 0)

/** Asks for a picture that needs no other, for a new viewer. @param command 0–255 */
export function encodeFullIntra(sender: number, source: number, command: number): Buffer {
  // the source stands in the entry, the header's is 0
  const out = message(payloadFeedback, formats.fullIntra, sender, 0, 8)
  out.writeUInt32BE(source >>> 0, 12)
  out[16] = command & 0xff
  return out
}

/** Asks for packets again. @param lost in ascending order */
export function encodeNack(sender: number, source: number, lost: readonly number[]): Buffer {
  const entries: [first: number, following: number][] = []
  for (const sequence of lost) {
    const entry = entries.at(-1)
    const behind = entry === undefined ? 0 : (sequence - entry[0]) & 0xffff
    if (entry !== undefined && behind >= 1 && behind <= 16) entry[1] |= 1 << (behind - 1)
    else entries.push([sequence, 0])
  }
  const out = message(transportFeedback, formats.nack, sender, source, 4 * entries.length)
  for (const [i, [first, following]] of entries.entries()) {
    out.writeUInt16BE(first, 12 + 4 * i)
    out.writeUInt16BE(following, 14 + 4 * i)
  }
  return out
}
