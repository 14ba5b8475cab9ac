import { DecodeError } from '#kernel'

/** One frame of a capture file. */
export interface Frame {
  /** Unix seconds; NaN where the file tells no time. */
  readonly time: number
  readonly linkType: number
  readonly octets: Buffer
}

const pcapMagics = new Map([
  [0xa1b2c3d4, 1e6],
  [0xa1b23c4d, 1e9]
])
const pcapngSection = 0x0a0d0d0a
const byteOrderMagic = 0x1a2b3c4d
const maxFrame = 262_144

function fail(reason: string, at: number): never {
  throw new DecodeError('h323.capture.format', reason, { path: 'capture', bitOffset: at * 8 })
}

/** Whether octets begin like a capture file. */
export function isCapture(octets: Buffer): boolean {
  if (octets.length < 24) return false
  const magic = octets.readUInt32LE(0)
  return magic === pcapngSection || pcapMagics.has(magic) || pcapMagics.has(octets.readUInt32BE(0))
}

/**
 * Frames of a pcap or pcapng file, of either byte order. A file cut off in the middle gives what is whole.
 *
 * @throws {DecodeError} `h323.capture.format`
 */
export function* framesOf(file: Buffer): Generator<Frame> {
  if (!isCapture(file)) fail('neither pcap nor pcapng', 0)
  if (file.readUInt32LE(0) === pcapngSection) yield* pcapng(file)
  else yield* pcap(file)
}

/** @see draft-ietf-opsawg-pcap */
function* pcap(file: Buffer): Generator<Frame> {
  const isLittle = pcapMagics.has(file.readUInt32LE(0))
  const u32 = (at: number): number => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at))
  const ticks = pcapMagics.get(u32(0))!
  const linkType = u32(20) & 0xffff
  for (let at = 24; at + 16 <= file.length; ) {
    const length = u32(at + 8)
    if (length > maxFrame) fail(`frame of ${length} octets`, at)
    const from = at + 16
    if (from + length > file.length) return
    yield { time: u32(at) + u32(at + 4) / ticks, linkType, octets: file.subarray(from, from + length) }
    at = from + length
  }
}

interface Interface {
  readonly linkType: number
  readonly ticks: number
}

const blocks = { interface: 1, simple: 3, enhanced: 6 }
const timeResolution = 9

/** @see draft-ietf-opsawg-pcapng */
function* pcapng(file: Buffer): Generator<Frame> {
  let isLittle = true
  let interfaces: Interface[] = []
  const u16 = (at: number): number => (isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at))
  const u32 = (at: number): number => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at))
  for (let at = 0; at + 12 <= file.length; ) {
    const isSection = file.readUInt32LE(at) === pcapngSection
    if (isSection) {
      isLittle = file.readUInt32LE(at + 8) === byteOrderMagic
      if (!isLittle && file.readUInt32BE(at + 8) !== byteOrderMagic) fail('section without its byte order', at)
      interfaces = []
    }
    const length = u32(at + 4)
    if (length < 12 || length % 4 !== 0) fail(`block of ${length} octets`, at)
    const end = at + length
    if (end > file.length) return
    const type = isSection ? pcapngSection : u32(at)
    if (type === blocks.interface && length >= 20) {
      interfaces.push({ linkType: u16(at + 8), ticks: ticksOf(file, at + 16, end - 4, u16) })
    }
    if (type === blocks.simple && length >= 16) {
      const source = interfaces[0] ?? fail('packet before its interface', at)
      const captured = Math.min(u32(at + 8), length - 16)
      yield { time: Number.NaN, linkType: source.linkType, octets: file.subarray(at + 12, at + 12 + captured) }
    }
    if (type === blocks.enhanced && length >= 32) {
      const source = interfaces[u32(at + 8)] ?? fail('packet of an interface that is not told', at)
      const captured = u32(at + 20)
      if (captured > length - 32) fail(`packet of ${captured} octets`, at)
      const time = (u32(at + 12) * 2 ** 32 + u32(at + 16)) / source.ticks
      yield { time, linkType: source.linkType, octets: file.subarray(at + 28, at + 28 + captured) }
    }
    at = end
  }
}

/** Ticks a second, from the option if_tsresol; microseconds without it. */
function ticksOf(file: Buffer, start: number, end: number, u16: (at: number) => number): number {
  for (let at = start; at + 4 <= end; ) {
    const code = u16(at)
    const length = u16(at + 2)
    if (code === 0) break
    if (code === timeResolution && length === 1 && at + 4 < end) {
      const resolution = file[at + 4]!
      return resolution < 0x80 ? 10 ** resolution : 2 ** (resolution & 0x7f)
    }
    at += 4 + ((length + 3) & ~3)
  }
  return 1e6
}
