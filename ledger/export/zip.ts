/**
 * Writes zip files of which the same content gives the same octets, on every machine: nothing is compressed (what a compressor gives differs from one
 * processor and library to the next), all times are the first the format knows, the directory is in the order of the names.
 *
 *     local header, name, octets of the file     one behind the other, without a gap
 *     …
 *     directory: a record for each file, ordered by name
 *     end of directory, for 65,535 files or 4 GiB and more the ZIP64 one before it
 *
 * @see PKWARE APPNOTE 6.3.10, §4.3
 */
import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { InfraFabricError } from '#kernel'

/** One file as the directory has it. */
export interface ZipRecord {
  readonly name: string
  readonly crc: number
  readonly size: number
  /** Where its local header begins. */
  readonly offset: number
}

/** Above this, numbers stand in ZIP64 fields. */
const most32 = 0xffff_ffff
const most16 = 0xffff
/** 1980-01-01, 00:00:00. */
const firstDate = 0x21
const version = 20
const versionOf64 = 45
const localHeaderOctets = 30

/** Version needed, flags, method (stored), time, date, checksum, both sizes, length of the name. */
function commonFields({ name, crc, size }: Omit<ZipRecord, 'offset'>, needed: number): Buffer {
  const fields = Buffer.alloc(24)
  fields.writeUInt16LE(needed, 0)
  fields.writeUInt16LE(firstDate, 8)
  fields.writeUInt32LE(crc, 10)
  fields.writeUInt32LE(size, 14)
  fields.writeUInt32LE(size, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}

const uint32 = (value: number): Buffer => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32LE(value)
  return octets
}

const uint64 = (value: number): Buffer => {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64LE(BigInt(value))
  return octets
}

const localHeader = (record: Omit<ZipRecord, 'offset'>): Buffer =>
  Buffer.concat([Buffer.from('PK\u0003\u0004'), commonFields(record, version), Buffer.alloc(2), Buffer.from(record.name)])

/** A file's record in the directory. */
export function directoryRecord(record: ZipRecord): Buffer {
  const far = record.offset >= most32
  const extra = far ? Buffer.concat([Buffer.of(1, 0, 8, 0), uint64(record.offset)]) : Buffer.alloc(0)
  const madeBy = Buffer.of(version, 0)
  // lengths of extra field and comment, disk, attributes: a plain file
  const rest = Buffer.alloc(12)
  rest.writeUInt16LE(extra.length, 0)
  const parts = [
    Buffer.from('PK\u0001\u0002'),
    madeBy,
    commonFields(record, far ? versionOf64 : version),
    rest,
    uint32(far ? most32 : record.offset),
    Buffer.from(record.name),
    extra
  ]
  return Buffer.concat(parts)
}

/** What stands behind the directory. */
export function endOfDirectory(files: number, octets: number, offset: number): Buffer {
  const large = files >= most16 || octets >= most32 || offset >= most32
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 'latin1')
  end.writeUInt16LE(large ? most16 : files, 8)
  end.writeUInt16LE(large ? most16 : files, 10)
  end.writeUInt32LE(large ? most32 : octets, 12)
  end.writeUInt32LE(large ? most32 : offset, 16)
  if (!large) return end
  const end64 = Buffer.concat([
    Buffer.from('PK\u0006\u0006'),
    uint64(44),
    Buffer.of(versionOf64, 0, versionOf64, 0),
    Buffer.alloc(8),
    ...[files, files, octets, offset].map(uint64)
  ])
  const locator = Buffer.concat([Buffer.from('PK\u0006\u0007'), uint32(0), uint64(offset + octets), uint32(1)])
  return Buffer.concat([end64, locator, end])
}

export interface ZipWriter {
  /**
   * Adds a file.
   *
   * @param name ASCII, parts divided by `/`; given once
   * @throws {InfraFabricError} `ledger.export.too-large` for 4 GiB and more; what the file system throws
   */
  readonly add: (name: string, content: Uint8Array | AsyncIterable<Uint8Array>) => Promise<void>
  /** Writes the directory. Nothing can be added afterwards. */
  readonly finish: () => Promise<void>
}

/** Written in pieces of about so many octets. */
const piece = 1 << 20

/** @param file new, empty, open for writing; not closed here */
export function createZip(file: FileHandle): ZipWriter {
  const records: ZipRecord[] = []
  let at = 0
  let waiting: Uint8Array[] = []
  let held = 0

  const flush = async () => {
    const octets = Buffer.concat(waiting)
    await writeAt(file, octets, at - held)
    waiting = []
    held = 0
  }
  const put = async (octets: Uint8Array) => {
    waiting.push(octets)
    held += octets.length
    at += octets.length
    if (held >= piece) await flush()
  }

  return {
    add: async (name, content) => {
      const offset = at
      if (content instanceof Uint8Array) {
        const record = { name, crc: crc32(content), size: content.length, offset }
        checkSize(record)
        await put(localHeader(record))
        await put(content)
        records.push(record)
        return
      }
      await put(localHeader({ name, crc: 0, size: 0 }))
      let crc = 0
      let size = 0
      for await (const octets of content) {
        crc = crc32(octets, crc)
        size += octets.length
        await put(octets)
      }
      const record = { name, crc, size, offset }
      checkSize(record)
      await flush()
      await writeAt(file, localHeader(record), offset)
      records.push(record)
    },
    finish: async () => {
      const offset = at
      records.sort((a, b) => (a.name < b.name ? -1 : 1))
      for (const record of records) await put(directoryRecord(record))
      await put(endOfDirectory(records.length, at - offset, offset))
      await flush()
    }
  }
}

function checkSize({ name, size }: ZipRecord): void {
  if (size >= most32 - localHeaderOctets)
    throw new InfraFabricError('ledger.export.too-large', `${name} has ${size} octets: a file in a bundle is smaller than 4 GiB`)
}

async function writeAt(file: FileHandle, octets: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < octets.length; ) {
    const { bytesWritten } = await file.write(octets, done, octets.length - done, position + done)
    done += bytesWritten
  }
}
