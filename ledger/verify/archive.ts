/**
 * Reads zip files of one form alone, that of evidence bundles: nothing compressed, nothing encrypted, no gaps, no second name for a file, nothing before,
 * between and behind. Every octet is either content of a file, for which there is a checksum, or follows from the directory; so no flipped bit stays
 * unseen, nothing can grow when it is unpacked, and no two readers see different files.
 *
 * @see PKWARE APPNOTE 6.3.10, §4.3
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { SourceCutShort, SourceDamaged } from './sources.ts'

export interface ArchivedFile {
  readonly name: string
  readonly size: number
  readonly crc: number
  /** Where its local header begins. */
  readonly offset: number
  /** Where its content begins. */
  readonly at: number
}

export interface Archive {
  readonly path: string
  /** By name, in the order of the names. */
  readonly files: ReadonlyMap<string, ArchivedFile>
  /** Content, not held against its checksum; what says that it is right is something else. @throws {SourceDamaged} when there is no such file, or it is larger than `most` */
  readonly raw: (name: string, most: number) => Buffer
  /** Content, held against its checksum. @throws {SourceDamaged} */
  readonly read: (name: string, most: number) => Buffer
  /** Holds every header against the directory, and the content against its checksum where `contentOf` says so. @throws {SourceDamaged} */
  readonly check: (contentOf: (name: string) => boolean) => void
  readonly close: () => void
}

const signatures = { local: 0x04034b50, record: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 }
const octetsOf = { local: 30, record: 46, end: 22, end64: 56, locator64: 20 }
const most16 = 0xffff
const most32 = 0xffff_ffff
/** 1980-01-01, as every file of a bundle has it. */
const date = 0x21
const largestDirectory = 1 << 27
const namePart = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/
const longestName = 120
/** Read at once to hold content against its checksum. */
const piece = 1 << 20

/** @throws {SourceDamaged} @throws {Error} when it cannot be read */
export function openArchive(path: string): Archive {
  const file = openSync(path, 'r')
  try {
    return archiveOf(path, file)
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function archiveOf(path: string, file: number): Archive {
  const length = fstatSync(file).size
  const take = (position: number, count: number): Buffer => {
    const octets = Buffer.allocUnsafe(count)
    for (let done = 0; done < count; ) {
      const got = readSync(file, octets, done, count - done, position + done)
      if (got === 0) throw new SourceCutShort('the bundle became shorter while it was read')
      done += got
    }
    return octets
  }
  const { count, at, octets } = readEnd(take, length)
  const files = readDirectory(take(at, octets), count, at)

  const find = (name: string, most: number): ArchivedFile => {
    const found = files.get(name)
    if (found === undefined) throw new SourceDamaged(`${name} is missing`)
    if (found.size > most) throw new SourceDamaged(`${name} is too large: ${found.size} octets`)
    return found
  }
  const raw = (name: string, most: number): Buffer => {
    const found = find(name, most)
    return take(found.at, found.size)
  }
  const damaged = (name: string) => new SourceDamaged(`${name} was changed: it is not what its checksum says`)
  return {
    path,
    files,
    raw,
    read: (name, most) => {
      const content = raw(name, most)
      if (crc32(content) !== find(name, most).crc) throw damaged(name)
      return content
    },
    check: (contentOf) => {
      for (const found of files.values()) {
        const header = take(found.offset, octetsOf.local + found.name.length)
        if (!header.equals(localHeader(found))) throw new SourceDamaged(`the header of ${found.name} was changed`)
        if (!contentOf(found.name)) continue
        let crc = 0
        for (let from = 0; from < found.size; from += piece)
          crc = crc32(take(found.at + from, Math.min(piece, found.size - from)), crc)
        if (crc !== found.crc) throw damaged(found.name)
      }
    },
    close: () => closeSync(file)
  }
}

function localHeader({ name, size, crc }: ArchivedFile): Buffer {
  const header = Buffer.alloc(octetsOf.local + name.length)
  header.writeUInt32LE(signatures.local, 0)
  header.writeUInt16LE(20, 4)
  header.writeUInt16LE(date, 12)
  header.writeUInt32LE(crc, 14)
  header.writeUInt32LE(size, 18)
  header.writeUInt32LE(size, 22)
  header.writeUInt16LE(name.length, 26)
  header.write(name, octetsOf.local, 'latin1')
  return header
}

interface Directory {
  readonly count: number
  readonly at: number
  readonly octets: number
}

/** Finds the directory from the end of the file. */
function readEnd(take: (position: number, count: number) => Buffer, length: number): Directory {
  const endAt = length - octetsOf.end
  if (endAt < 0) throw new SourceCutShort('the bundle was cut short: it is too short to have a directory')
  const end = take(endAt, octetsOf.end)
  if (end.readUInt32LE(0) !== signatures.end) throw withoutEnd(take, length)
  const changed = (): never => {
    throw new SourceDamaged('the end of the directory was changed')
  }
  // disk numbers and the length of a comment
  if (end.readUInt32LE(4) !== 0 || end.readUInt16LE(20) !== 0) changed()
  const near = { count: end.readUInt16LE(10), octets: end.readUInt32LE(12), at: end.readUInt32LE(16) }
  if (end.readUInt16LE(8) !== near.count) changed()
  const isFar = near.count === most16 && near.octets === most32 && near.at === most32
  const directory = isFar ? readEnd64(take, endAt) : { ...near, behind: endAt }
  if (directory.at + directory.octets !== directory.behind) {
    throw new SourceDamaged('the directory is not where its end says: it was changed, or something was put before or behind it')
  }
  if (directory.octets > largestDirectory) throw new SourceDamaged('the directory is too large')
  return directory
}

function readEnd64(take: (position: number, count: number) => Buffer, endAt: number): Directory & { readonly behind: number } {
  const locatorAt = endAt - octetsOf.locator64
  const at = locatorAt - octetsOf.end64
  const changed = () => new SourceDamaged('the end of the directory was changed')
  if (at < 0) throw changed()
  const octets = take(at, octetsOf.end64 + octetsOf.locator64)
  const number = (position: number): number => {
    const value = octets.readBigUInt64LE(position)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw changed()
    return Number(value)
  }
  const expected = Buffer.from(octets)
  expected.writeUInt32LE(signatures.end64, 0)
  expected.writeBigUInt64LE(44n, 4)
  expected.writeUInt16LE(45, 12)
  expected.writeUInt16LE(45, 14)
  expected.writeBigUInt64LE(0n, 16)
  expected.writeBigUInt64LE(BigInt(number(32)), 24)
  expected.writeUInt32LE(signatures.locator64, octetsOf.end64)
  expected.writeUInt32LE(0, octetsOf.end64 + 4)
  expected.writeBigUInt64LE(BigInt(at), octetsOf.end64 + 8)
  expected.writeUInt32LE(1, octetsOf.end64 + 16)
  if (!octets.equals(expected)) throw changed()
  return { count: number(32), octets: number(40), at: number(48), behind: at }
}

/** Why a file does not end as a bundle does. */
function withoutEnd(take: (position: number, count: number) => Buffer, length: number): SourceDamaged {
  const tail = take(Math.max(0, length - 66_000), Math.min(length, 66_000))
  const mark = Buffer.alloc(4)
  mark.writeUInt32LE(signatures.end)
  const found = tail.lastIndexOf(mark)
  if (found >= 0 && tail.length - found > octetsOf.end)
    return new SourceDamaged(`${tail.length - found - octetsOf.end} octets stand behind the end of the bundle`)
  return new SourceCutShort('the bundle was cut short: its directory is not at its end')
}

/** Reads the records, in the order of their names, and sees to it that the files fill the archive up to the directory. */
function readDirectory(octets: Buffer, count: number, directoryAt: number): Map<string, ArchivedFile> {
  const files = new Map<string, ArchivedFile>()
  let position = 0
  let last = ''
  for (let number = 0; number < count; number++) {
    const fail = (problem: string): never => {
      throw new SourceDamaged(`record ${number} of the directory: ${problem}`)
    }
    if (position + octetsOf.record > octets.length) fail('behind the end of the directory')
    const short = (at: number) => octets.readUInt16LE(position + at)
    const long = (at: number) => octets.readUInt32LE(position + at)
    if (long(0) !== signatures.record) fail('none')
    const nameLength = short(28)
    const extraLength = short(30)
    const nameAt = position + octetsOf.record
    const next = nameAt + nameLength + extraLength
    if (next > octets.length) fail('behind the end of the directory')
    const name = octets.toString('latin1', nameAt, nameAt + nameLength)
    if (name.length > longestName || !name.split('/').every((part) => namePart.test(part)))
      fail(`${JSON.stringify(name.slice(0, longestName))} is no name of a file in a bundle`)
    if (name <= last) fail(`${name} is there twice, or out of order`)
    last = name
    const far = long(42) === most32
    if (extraLength !== (far ? 12 : 0) || (far && octets.readUInt32LE(nameAt + nameLength) !== 0x0008_0001))
      fail(`${name} has an extra field that no bundle has`)
    const offset = far ? Number(octets.readBigUInt64LE(nameAt + nameLength + 4)) : long(42)
    // made by, needed, flags, method, time, date; length of the comment, disk, attributes
    const fixed = [short(4), short(6), short(8), short(10), short(12), short(14), short(32), short(34), short(36), long(38)]
    const expected = [20, far ? 45 : 20, 0, 0, 0, date, 0, 0, 0, 0]
    if (fixed[3] !== 0) fail(`${name} is compressed, as nothing in a bundle is: unpack and verify it as a folder`)
    if (fixed.some((value, at) => value !== expected[at])) fail(`${name} has attributes that no file in a bundle has`)
    if (long(20) !== long(24)) fail(`${name} has two sizes`)
    files.set(name, { name, crc: long(16), size: long(24), offset, at: offset + octetsOf.local + nameLength })
    position = next
  }
  if (position !== octets.length) throw new SourceDamaged('the directory holds more than its records')
  let end = 0
  for (const { name, offset, at, size } of [...files.values()].sort((a, b) => a.offset - b.offset)) {
    if (offset !== end) throw new SourceDamaged(`${name} does not stand where the file before it ends`)
    end = at + size
  }
  if (end !== directoryAt) throw new SourceDamaged('something stands between the files and the directory')
  return files
}
