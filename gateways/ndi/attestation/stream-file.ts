/**
 * A stream as it was received, in a file: pictures and metadata, one record behind the other.
 *
 *     "IF-NDI 1\n"
 *     record = header length (4 octets, big-endian) | data length (4 octets, big-endian) | header (JSON) | data
 *
 * The header of a picture is its {@link VideoFrame} without the data; that of metadata has type and timecode, its text is the data. Sound is not kept:
 * the suite records calls elsewhere.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { DecodeError } from '#kernel'
import { limits, type MetadataFrame, octetsOfPixel, type VideoFrame } from '../runtime/frames.ts'

const magic = Buffer.from('IF-NDI 1\n')
const longestHeader = 4096 + limits.metadataOctets
const longestData = limits.side * limits.side * 4

export type KeptFrame = VideoFrame | MetadataFrame

/** @param path of a file that is not there yet */
export async function createStreamFile(
  path: string
): Promise<{ readonly write: (frame: KeptFrame) => Promise<void>; readonly close: () => Promise<void> }> {
  const file = await open(path, 'wx')
  await file.writeFile(magic)
  return {
    write: async (frame) => {
      const { data, ...facts } =
        frame.type === 'video'
          ? { ...frame, sentAt: frame.sentAt === null ? null : String(frame.sentAt), timecode: String(frame.timecode) }
          : { type: frame.type, timecode: String(frame.timecode), data: Buffer.from(frame.text) }
      const header = Buffer.from(JSON.stringify(facts))
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32BE(header.length)
      lengths.writeUInt32BE(data.length, 4)
      await file.writeFile(Buffer.concat([lengths, header]))
      await file.writeFile(data)
    },
    close: () => file.close()
  }
}

/**
 * Reads a file of {@link createStreamFile} frame by frame.
 *
 * @throws {DecodeError} `ndi.file.*`
 */
export async function* readStreamFile(path: string): AsyncGenerator<KeptFrame> {
  const file = await open(path)
  try {
    let at = magic.length
    if (!(await octetsOf(file, 0, magic.length))?.equals(magic)) throw fault('ndi.file.kind', 'this is no recorded NDI stream', 0)
    for (;;) {
      const lengths = await octetsOf(file, at, 8)
      if (lengths === null) return
      const [headerLength, dataLength] = [lengths.readUInt32BE(), lengths.readUInt32BE(4)]
      if (headerLength > longestHeader || dataLength > longestData)
        throw fault('ndi.file.size', 'a record is impossibly long', at)
      const header = await octetsOf(file, at + 8, headerLength)
      const data = await octetsOf(file, at + 8 + headerLength, dataLength)
      if (header === null || data === null) throw fault('ndi.file.short', 'the last record is cut short', at)
      yield frameOf(header.toString('utf8'), data, at)
      at += 8 + headerLength + dataLength
    }
  } finally {
    await file.close()
  }
}

const fault = (code: string, message: string, at: number) => new DecodeError(code, message, { path: 'record', bitOffset: at * 8 })

/** @returns null where the file ends before */
async function octetsOf(file: FileHandle, at: number, octets: number): Promise<Buffer | null> {
  // nothing is set aside for octets that are not there
  const { size } = await file.stat()
  if (at + octets > size) {
    if (at < size && octets === 8) throw fault('ndi.file.short', 'the last record is cut short', at)
    return null
  }
  const buffer = Buffer.alloc(octets)
  await file.read(buffer, 0, octets, at)
  return buffer
}

function frameOf(header: string, data: Buffer, at: number): KeptFrame {
  let facts: Record<string, unknown>
  try {
    facts = JSON.parse(header)
  } catch {
    throw fault('ndi.file.header', 'the header of a record is no JSON', at)
  }
  const { type, timecode, sentAt, width, height, fourCC, lineStride, frameRate, metadata } = facts ?? {}
  const isTime = (value: unknown): value is string => typeof value === 'string' && /^-?\d{1,19}$/.test(value)
  const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0
  if (isTime(timecode) && type === 'metadata') return { type, timecode: BigInt(timecode), text: data.toString('utf8') }
  const isPicture = type === 'video' && isCount(width) && isCount(height) && isCount(lineStride) && typeof fourCC === 'string'
  if (!isPicture || !isTime(timecode) || octetsOfPixel[fourCC] === undefined || data.length !== lineStride * height)
    throw fault('ndi.file.header', 'the header of a record is that of no frame', at)
  return {
    type,
    width,
    height,
    fourCC,
    lineStride,
    timecode: BigInt(timecode),
    sentAt: isTime(sentAt) ? BigInt(sentAt) : null,
    frameRate: Array.isArray(frameRate) && frameRate.every(isCount) ? [frameRate[0] ?? 0, frameRate[1] ?? 0] : [0, 0],
    metadata: typeof metadata === 'string' ? metadata : null,
    data
  }
}
