/**
 * Chunks as octets.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  version = 1  |               reserved = 0                    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                        index of the chunk                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                  id of the evidence (16 octets)               |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                SHA-256 of the octets (32 octets)              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                    1 to 65,536 octets …                       |
 */
import { DecodeError } from '#kernel'
import { chunkOctets } from './messages.ts'

export const frameHeaderOctets = 56

export interface ChunkFrame {
  /** 32 hex digits. */
  readonly id: string
  readonly index: number
  /** 64 hex digits. */
  readonly sha256: string
  readonly octets: Uint8Array
}

export const hexOf = (octets: Uint8Array): string => {
  let text = ''
  for (const octet of octets) text += (octet < 16 ? '0' : '') + octet.toString(16)
  return text
}

function putHex(text: string, into: Uint8Array, at: number): void {
  for (let octet = 0; octet * 2 < text.length; octet++)
    into[at + octet] = Number.parseInt(text.slice(octet * 2, octet * 2 + 2), 16)
}

/** Writes everything before the octets into `into`, which has room for {@link frameHeaderOctets}. */
export function writeFrameHeader(into: Uint8Array, { id, index, sha256 }: Omit<ChunkFrame, 'octets'>): void {
  new DataView(into.buffer, into.byteOffset).setUint32(0, 0x0100_0000)
  new DataView(into.buffer, into.byteOffset).setUint32(4, index)
  putHex(id, into, 8)
  putHex(sha256, into, 24)
}

/** Reads a frame; its octets are a view of `data`. @throws {DecodeError} `evidence.frame.length`, `evidence.frame.version` */
export function readFrame(data: Uint8Array): ChunkFrame {
  const payload = data.length - frameHeaderOctets
  if (payload < 1 || payload > chunkOctets)
    throw new DecodeError('evidence.frame.length', `a frame has ${frameHeaderOctets} octets and 1 to ${chunkOctets} more`, {
      path: 'frame',
      bitOffset: data.length * 8
    })
  const view = new DataView(data.buffer, data.byteOffset)
  if (view.getUint32(0) !== 0x0100_0000)
    throw new DecodeError('evidence.frame.version', 'a frame of a version that is not known', { path: 'version', bitOffset: 0 })
  return {
    index: view.getUint32(4),
    id: hexOf(data.subarray(8, 24)),
    sha256: hexOf(data.subarray(24, 56)),
    octets: data.subarray(frameHeaderOctets)
  }
}
