/**
 * Width and height of a PNG or JPEG, read from its header: before anybody decodes it, it is known how large it becomes.
 *
 *     PNG   89 P N G 0D 0A 1A 0A | length | I H D R | width | height | …
 *     JPEG  FF D8 | FF marker | length | … | FF C0–CF | length | precision | height | width | …
 *
 * @see W3C PNG §5.2, §11.2.1; ITU-T T.81 §B.1.1, §B.2.2
 */
import { DecodeError } from '#kernel'

export const stillTypes = ['image/png', 'image/jpeg'] as const
export type StillType = (typeof stillTypes)[number]

export interface StillSize {
  readonly type: StillType
  /** Pixels. */
  readonly width: number
  readonly height: number
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
/** Markers of a frame: SOF0 to SOF15 without DHT, JPG and DAC, which lie between. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
/** Markers without a length: TEM, RST0 to RST7, SOI. */
const standsAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)

const fault = (code: string, message: string, octet: number): DecodeError =>
  new DecodeError(code, message, { path: 'still', bitOffset: octet * 8 })

/** @throws {DecodeError} `media.still.type` for what is neither, `media.still.short`, `media.still.size` for a picture without pixels */
export function readStillSize(octets: Buffer): StillSize {
  if (octets.subarray(0, pngSignature.length).equals(pngSignature)) return sized('image/png', ...pngSize(octets))
  if (octets.length >= 2 && octets.readUInt16BE(0) === 0xffd8) return sized('image/jpeg', ...jpegSize(octets))
  throw fault('media.still.type', 'neither PNG nor JPEG', 0)
}

function sized(type: StillType, width: number, height: number): StillSize {
  if (width === 0 || height === 0) throw fault('media.still.size', `a picture of ${width} by ${height} pixels`, 0)
  return { type, width, height }
}

function pngSize(octets: Buffer): [width: number, height: number] {
  const at = pngSignature.length
  if (octets.length < at + 16) throw fault('media.still.short', 'the header is cut off', octets.length)
  if (octets.toString('latin1', at + 4, at + 8) !== 'IHDR') throw fault('media.still.type', 'no IHDR', at + 4)
  return [octets.readUInt32BE(at + 8), octets.readUInt32BE(at + 12)]
}

function jpegSize(octets: Buffer): [width: number, height: number] {
  for (let at = 2; at + 4 <= octets.length; ) {
    if (octets[at] !== 0xff) throw fault('media.still.type', 'no marker where one has to be', at)
    const marker = octets[at + 1]!
    // a marker may have fill octets before it
    if (marker === 0xff) at += 1
    else if (standsAlone(marker)) at += 2
    else if (isFrame(marker)) {
      if (at + 9 > octets.length) break
      return [octets.readUInt16BE(at + 7), octets.readUInt16BE(at + 5)]
    } else {
      const length = octets.readUInt16BE(at + 2)
      if (length < 2) throw fault('media.still.type', `a segment of ${length} octets`, at + 2)
      at += 2 + length
    }
  }
  throw fault('media.still.short', 'the header is cut off', octets.length)
}
