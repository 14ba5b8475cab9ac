/**
 * Directories that a sandbox was given, and nothing beside them. A path is walked name by name from the descriptor of the directory, each name opened
 * without following links: what others exchange meanwhile cannot lead outside.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { InfraFabricError, type JsonObject } from '#kernel'
import { errno } from '../guest/errno.ts'
import { maxBodyOctets } from '../guest/frame.ts'

export interface ScopedDirectory extends JsonObject {
  /** As the module sees it: `/data`. */
  readonly name: string
  readonly path: string
  readonly writable: boolean
}

export interface Scopes {
  readonly serves: (op: string) => boolean
  readonly serve: (
    head: Question,
    body: Buffer
  ) => Promise<[{ readonly errno: number; readonly [name: string]: unknown }, Uint8Array?]>
  readonly close: () => Promise<void>
}

type Question = { readonly op: string; readonly [name: string]: unknown }
type Answer = [{ readonly errno: number; readonly [name: string]: unknown }, Uint8Array?]

interface Open {
  readonly handle: FileHandle
  readonly directory: boolean
  readonly writable: boolean
  /** The scoped directory itself, or what was opened in it. */
  readonly append: boolean
  position: number
}

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants
const mostOpen = 64
const mostNames = 4096
const mostDepth = 64
const mostReadOctets = 65_536
/** Where a file ends at the latest: files with holes cost nobody's quota, and fill disks when they are copied. */
const mostFileOctets = 1 << 30

const errnos: Readonly<Record<string, number>> = {
  EACCES: errno.access,
  EEXIST: errno.exists,
  EISDIR: errno.isDirectory,
  ELOOP: errno.loop,
  ENAMETOOLONG: errno.nameTooLong,
  ENOENT: errno.noEntry,
  ENOSPC: errno.noSpace,
  ENOTDIR: errno.notDirectory,
  ENOTEMPTY: errno.notEmpty,
  EPERM: errno.notPermitted,
  EINVAL: errno.invalid
}

/** An answer that is no success, on its way out of a walk. */
class Refused extends Error {
  readonly errno: number
  constructor(errno: number) {
    super('refused')
    this.errno = errno
  }
}

const at = (directory: FileHandle, name: string): string => `/proc/self/fd/${directory.fd}/${name}`
const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** Names of a path, `..` taken back. @throws {Refused} where it is absolute or leads out */
function namesOf(path: unknown): string[] {
  if (typeof path !== 'string' || path.length > 4096 || path.includes('\0')) throw new Refused(errno.invalid)
  if (path.startsWith('/')) throw new Refused(errno.notCapable)
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') names.push(name)
    else if (names.pop() === undefined) throw new Refused(errno.notCapable)
  }
  if (names.length > mostDepth) throw new Refused(errno.nameTooLong)
  return names
}

/** @throws {InfraFabricError} `chassis.scope` when a directory cannot be opened */
export async function openScopes(directories: readonly ScopedDirectory[], writtenOctets: number): Promise<Scopes> {
  const files = new Map<number, Open>()
  let left = writtenOctets
  const close = async (): Promise<void> => {
    const all = [...files.values()]
    files.clear()
    for (const { handle } of all) await handle.close()
  }
  for (const [index, { path, writable }] of directories.entries()) {
    try {
      const handle = await open(path, O_RDONLY | O_DIRECTORY)
      files.set(3 + index, { handle, directory: true, writable, append: false, position: 0 })
    } catch (cause) {
      await close()
      throw new InfraFabricError('chassis.scope', `${path} cannot be opened as a directory`, { cause })
    }
  }

  const fileOf = (fd: unknown): Open => {
    const file = typeof fd === 'number' ? files.get(fd) : undefined
    if (file === undefined) throw new Refused(errno.badDescriptor)
    return file
  }

  /** Gives `use` the directory that holds the last name of a path, and the name; an empty name is the directory itself. */
  const walk = async <T>(
    dir: unknown,
    path: unknown,
    use: (directory: FileHandle, name: string, from: Open) => Promise<T>
  ): Promise<T> => {
    const from = fileOf(dir)
    if (!from.directory) throw new Refused(errno.notDirectory)
    const names = namesOf(path)
    const last = names.pop() ?? ''
    let here = from.handle
    try {
      for (const name of names) {
        const next = await open(at(here, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        if (here !== from.handle) await here.close()
        here = next
      }
      return await use(here, last, from)
    } finally {
      if (here !== from.handle) await here.close()
    }
  }
  const changing = (dir: unknown, path: unknown, change: (place: string) => Promise<unknown>): Promise<Answer> =>
    walk(dir, path, async (directory, name, from) => {
      if (!from.writable) throw new Refused(errno.notPermitted)
      if (name === '') throw new Refused(errno.invalid)
      await change(at(directory, name))
      return [{ errno: 0 }]
    })
  const statOf = async (handle: FileHandle): Promise<Answer> => {
    const stat = await handle.stat()
    const type = stat.isDirectory() ? 3 : stat.isFile() ? 4 : 0
    return [{ errno: 0, type, size: stat.size, modifiedMs: Math.floor(stat.mtimeMs) }]
  }

  const operations: Record<string, (question: Question, body: Buffer) => Promise<Answer>> = {
    open: ({ dir, path, create, directory, exclusive, truncate, append, write }) =>
      walk(dir, path, async (parent, name, from) => {
        if (files.size >= mostOpen + directories.length) throw new Refused(errno.tooManyFiles)
        const changes = write === true || create === true || truncate === true
        if (changes && !from.writable) throw new Refused(errno.notPermitted)
        const flags =
          (changes ? O_RDWR : O_RDONLY) |
          (create === true ? O_CREAT : 0) |
          (exclusive === true ? O_EXCL : 0) |
          (truncate === true ? O_TRUNC : 0) |
          (directory === true ? O_DIRECTORY : 0)
        // a pipe that nobody writes to would keep the host waiting
        const handle = await open(at(parent, name === '' ? '.' : name), flags | O_NOFOLLOW | O_NONBLOCK, 0o600)
        const stat = await handle.stat()
        if (!stat.isDirectory() && !stat.isFile()) {
          await handle.close()
          throw new Refused(errno.notCapable)
        }
        let fd = 3 + directories.length
        while (files.has(fd)) fd++
        const writable = stat.isDirectory() ? from.writable : changes
        files.set(fd, { handle, directory: stat.isDirectory(), writable, append: append === true, position: 0 })
        return [{ errno: 0, fd }]
      }),
    read: async ({ fd, length, offset }) => {
      const file = fileOf(fd)
      if (file.directory) throw new Refused(errno.isDirectory)
      if (!isWhole(length) || !(offset === null || isWhole(offset))) throw new Refused(errno.invalid)
      const octets = Buffer.alloc(Math.min(length, mostReadOctets))
      const { bytesRead } = await file.handle.read(octets, 0, octets.length, offset ?? file.position)
      if (offset === null) file.position += bytesRead
      return [{ errno: 0 }, octets.subarray(0, bytesRead)]
    },
    write: async ({ fd, offset }, body) => {
      const file = fileOf(fd)
      if (file.directory || !file.writable) throw new Refused(errno.badDescriptor)
      if (!(offset === null || isWhole(offset))) throw new Refused(errno.invalid)
      if ((offset ?? file.position) > mostFileOctets) throw new Refused(errno.tooBig)
      if (body.length > left) throw new Refused(errno.noSpace)
      left -= body.length
      const place = offset ?? (file.append ? (await file.handle.stat()).size : file.position)
      const { bytesWritten } = await file.handle.write(body, 0, body.length, place)
      if (offset === null) file.position = place + bytesWritten
      return [{ errno: 0, written: bytesWritten }]
    },
    seek: async ({ fd, offset, whence }) => {
      const file = fileOf(fd)
      if (file.directory) throw new Refused(errno.isDirectory)
      if (typeof offset !== 'number' || !Number.isSafeInteger(offset)) throw new Refused(errno.invalid)
      const bases = [0, file.position, (await file.handle.stat()).size]
      const base = bases[Number(whence)]
      if (base === undefined || base + offset < 0 || !Number.isSafeInteger(base + offset)) throw new Refused(errno.invalid)
      file.position = base + offset
      return [{ errno: 0, position: file.position }]
    },
    close: async ({ fd }) => {
      const file = fileOf(fd)
      files.delete(Number(fd))
      await file.handle.close()
      return [{ errno: 0 }]
    },
    stat: async ({ fd }) => statOf(fileOf(fd).handle),
    pathStat: ({ dir, path }) =>
      walk(dir, path, async (parent, name) => {
        const handle = await open(at(parent, name === '' ? '.' : name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        try {
          return await statOf(handle)
        } finally {
          await handle.close()
        }
      }),
    list: async ({ fd }) => {
      const file = fileOf(fd)
      if (!file.directory) throw new Refused(errno.notDirectory)
      const entries = await readdir(at(file.handle, '.'), { withFileTypes: true })
      const names = entries.slice(0, mostNames).map((entry) => [entry.name, entry.isDirectory() ? 3 : entry.isFile() ? 4 : 0])
      const body = Buffer.from(JSON.stringify(names))
      if (body.length > maxBodyOctets) throw new Refused(errno.tooBig)
      return [{ errno: 0 }, body]
    },
    makeDirectory: ({ dir, path }) => changing(dir, path, (place) => mkdir(place, 0o700)),
    removeDirectory: ({ dir, path }) => changing(dir, path, (place) => rmdir(place)),
    unlink: ({ dir, path }) => changing(dir, path, (place) => unlink(place)),
    rename: ({ dir, path, toDir, toPath }) =>
      changing(dir, path, (place) => changing(toDir, toPath, (toPlace) => rename(place, toPlace)))
  }

  return {
    serves: (op) => Object.hasOwn(operations, op),
    serve: async (head, body) => {
      try {
        return await operations[head.op]!(head, body)
      } catch (error) {
        if (error instanceof Refused) return [{ errno: error.errno }]
        const code = (error as NodeJS.ErrnoException).code
        if (code === undefined) throw error
        return [{ errno: errnos[code] ?? errno.io }]
      }
    },
    close
  }
}
