/**
 * The imports of a module: clocks, random and arguments are served here, all else is asked of the host.
 *
 * @see WASI preview 1 (wasi_snapshot_preview1), "Modules": layouts of the structures that are written to memory
 */
import type { Answer } from './channel.ts'
import { errno } from './errno.ts'
import { wasiFunctions } from './imports.ts'

export type Ask = (head: object, body?: Uint8Array) => { head: Answer; body: Buffer }

/** Thrown by `proc_exit` through the module's frames. */
export class Exit {
  readonly code: number
  constructor(code: number) {
    this.code = code
  }
}

export interface Surroundings {
  readonly ask: Ask
  readonly memory: () => ArrayBuffer
  readonly args: readonly string[]
  /** Names of the scoped directories: descriptors 3, 4, … */
  readonly directories: readonly string[]
  readonly input: Uint8Array
}

type Import = (...args: (number | bigint)[]) => number
const fileType = { unknown: 0, directory: 3, regular: 4 } as const
const allRights = 0x1fff_ffffn
/** Octets that one call takes at most: a write that is partly done is a write. */
const mostAtOnce = 65_536
const millisecond = 1_000_000n

export function importsOf({ ask, memory, args, directories, input }: Surroundings) {
  let inputAt = 0
  const listings = new Map<number, Buffer>()
  const view = () => new DataView(memory())
  const n = (value: number | bigint): number => Number(value) >>> 0
  /** Octets of memory. @throws {RangeError} where they are not all inside */
  const octets = (at: number | bigint, length: number | bigint): Uint8Array => new Uint8Array(memory(), n(at), n(length))
  const path = (at: number | bigint, length: number | bigint): string => {
    if (n(length) > 4096) throw new RangeError('path')
    return Buffer.from(octets(at, length)).toString()
  }
  const u32 = (at: number | bigint, value: number): void => view().setUint32(n(at), value, true)
  const u64 = (at: number | bigint, value: number | bigint): void => view().setBigUint64(n(at), BigInt(value), true)
  const ok = errno.success

  /** Vectors of a scatter or gather call, together at most `mostAtOnce` octets. */
  const vectors = (at: number | bigint, count: number | bigint): Uint8Array[] => {
    const found: Uint8Array[] = []
    let room = mostAtOnce
    for (let each = 0; each < Math.min(n(count), 1024) && room > 0; each++) {
      const start = view().getUint32(n(at) + 8 * each, true)
      const length = Math.min(view().getUint32(n(at) + 8 * each + 4, true), room)
      found.push(octets(start, length))
      room -= length
    }
    return found
  }
  const scatter = (into: readonly Uint8Array[], from: Uint8Array): number => {
    let at = 0
    for (const vector of into) {
      const part = from.subarray(at, at + vector.length)
      vector.set(part)
      at += part.length
    }
    return at
  }
  const roomOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0)
  const strings = (texts: readonly string[], pointers: number | bigint, buffer: number | bigint): number => {
    let at = n(buffer)
    texts.forEach((text, index) => {
      const written = Buffer.from(`${text}\0`)
      u32(n(pointers) + 4 * index, at)
      octets(at, written.length).set(written)
      at += written.length
    })
    return ok
  }
  const sizes = (texts: readonly string[], count: number | bigint, length: number | bigint): number => {
    u32(count, texts.length)
    u32(
      length,
      texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0)
    )
    return ok
  }
  const now = (id: number | bigint): bigint | null => {
    if (n(id) === 0) return BigInt(Date.now()) * millisecond
    // as coarse as a millisecond: finer clocks serve those who measure what is not theirs
    return n(id) === 1 ? BigInt(Math.floor(performance.now())) * millisecond : null
  }
  const isDirectory = (fd: number | bigint): boolean => n(fd) >= 3 && n(fd) < 3 + directories.length

  const read = (
    fd: number | bigint,
    at: number | bigint,
    count: number | bigint,
    out: number | bigint,
    offset: number | null
  ) => {
    const into = vectors(at, count)
    const length = roomOf(into)
    if (n(fd) === 0 && offset === null) {
      const part = input.subarray(inputAt, inputAt + length)
      inputAt += part.length
      u32(out, scatter(into, part))
      return ok
    }
    const { head, body } = ask({ op: 'read', fd: n(fd), length, offset })
    if (head.errno === ok) u32(out, scatter(into, body))
    return head.errno
  }
  const write = (
    fd: number | bigint,
    at: number | bigint,
    count: number | bigint,
    out: number | bigint,
    offset: number | null
  ) => {
    const from = Buffer.concat(vectors(at, count))
    const toLog = (n(fd) === 1 || n(fd) === 2) && offset === null
    const { head } = toLog ? ask({ op: 'log', fd: n(fd) }, from) : ask({ op: 'write', fd: n(fd), offset }, from)
    if (head.errno === ok) u32(out, toLog ? from.length : Number(head.written))
    return head.errno
  }
  /** `filestat`: type at 16, links at 24, size at 32, times at 40, 48, 56. */
  const writeStat = (at: number | bigint, head: Answer): number => {
    if (head.errno !== ok) return head.errno
    octets(at, 64).fill(0)
    view().setUint8(n(at) + 16, Number(head.type))
    u64(n(at) + 24, 1)
    u64(n(at) + 32, Number(head.size))
    for (const time of [40, 48, 56]) u64(n(at) + time, BigInt(Number(head.modifiedMs)) * millisecond)
    return ok
  }
  const onPath = (op: string) => (dir: number | bigint, at: number | bigint, length: number | bigint) =>
    ask({ op, dir: n(dir), path: path(at, length) }).head.errno

  const served: Record<string, Import> = {
    args_get: (pointers, buffer) => strings(args, pointers!, buffer!),
    args_sizes_get: (count, length) => sizes(args, count!, length!),
    environ_get: () => ok,
    environ_sizes_get: (count, length) => sizes([], count!, length!),
    clock_res_get: (id, out) => {
      if (now(id!) === null) return errno.invalid
      u64(out!, millisecond)
      return ok
    },
    clock_time_get: (id, _precision, out) => {
      const time = now(id!)
      if (time === null) return errno.invalid
      u64(out!, time)
      return ok
    },
    random_get: (at, length) => {
      const into = octets(at!, length!)
      for (let from = 0; from < into.length; from += mostAtOnce) crypto.getRandomValues(into.subarray(from, from + mostAtOnce))
      return ok
    },
    sched_yield: () => ok,
    proc_exit: (code) => {
      throw new Exit(n(code!))
    },
    fd_write: (fd, at, count, out) => write(fd!, at!, count!, out!, null),
    fd_pwrite: (fd, at, count, offset, out) => write(fd!, at!, count!, out!, Number(offset)),
    fd_read: (fd, at, count, out) => read(fd!, at!, count!, out!, null),
    fd_pread: (fd, at, count, offset, out) => read(fd!, at!, count!, out!, Number(offset)),
    fd_close: (fd) => {
      listings.delete(n(fd!))
      return n(fd!) < 3 ? ok : ask({ op: 'close', fd: n(fd!) }).head.errno
    },
    fd_seek: (fd, offset, whence, out) => {
      if (n(fd!) < 3) return errno.illegalSeek
      const { head } = ask({ op: 'seek', fd: n(fd!), offset: Number(offset), whence: n(whence!) })
      if (head.errno === ok) u64(out!, Number(head.position))
      return head.errno
    },
    fd_tell: (fd, out) => {
      const { head } = ask({ op: 'seek', fd: n(fd!), offset: 0, whence: 1 })
      if (head.errno === ok) u64(out!, Number(head.position))
      return head.errno
    },
    fd_fdstat_get: (fd, out) => {
      octets(out!, 24).fill(0)
      let type: number = fileType.unknown
      if (n(fd!) >= 3) {
        const { head } = ask({ op: 'stat', fd: n(fd!) })
        if (head.errno !== ok) return head.errno
        type = Number(head.type)
      }
      view().setUint8(n(out!), type)
      u64(n(out!) + 8, allRights)
      u64(n(out!) + 16, allRights)
      return ok
    },
    fd_fdstat_set_flags: () => ok,
    fd_advise: () => ok,
    fd_sync: () => ok,
    fd_datasync: () => ok,
    fd_filestat_get: (fd, out) =>
      writeStat(out!, n(fd!) < 3 ? { errno: ok, type: 0, size: 0, modifiedMs: 0 } : ask({ op: 'stat', fd: n(fd!) }).head),
    fd_prestat_get: (fd, out) => {
      if (!isDirectory(fd!)) return errno.badDescriptor
      u32(out!, 0)
      u32(n(out!) + 4, Buffer.byteLength(directories[n(fd!) - 3]!))
      return ok
    },
    fd_prestat_dir_name: (fd, at, length) => {
      if (!isDirectory(fd!)) return errno.badDescriptor
      const name = Buffer.from(directories[n(fd!) - 3]!)
      if (n(length!) < name.length) return errno.nameTooLong
      octets(at!, name.length).set(name)
      return ok
    },
    /** `dirent`: cookie of the next at 0, inode at 8, length of the name at 16, type at 20; then the name. */
    fd_readdir: (fd, at, length, cookie, out) => {
      if (BigInt(cookie!) === 0n || !listings.has(n(fd!))) {
        const { head, body } = ask({ op: 'list', fd: n(fd!) })
        if (head.errno !== ok) return head.errno
        listings.set(n(fd!), body)
      }
      const names = JSON.parse(listings.get(n(fd!))!.toString()) as [name: string, type: number][]
      const into = octets(at!, length!)
      let used = 0
      for (let index = Number(cookie); index < names.length && used < into.length; index++) {
        const [name, type] = names[index]!
        const text = Buffer.from(name)
        const entry = Buffer.alloc(24 + text.length)
        entry.writeBigUInt64LE(BigInt(index + 1), 0)
        entry.writeUInt32LE(text.length, 16)
        entry.writeUInt8(type, 20)
        text.copy(entry, 24)
        const part = entry.subarray(0, into.length - used)
        into.set(part, used)
        used += part.length
      }
      u32(out!, used)
      return ok
    },
    path_open: (dir, _follow, at, length, oflags, rights, _inheriting, flags, out) => {
      const write = (BigInt(rights!) & 0x40n) !== 0n
      const read = (BigInt(rights!) & 0x02n) !== 0n
      const { head } = ask({
        op: 'open',
        dir: n(dir!),
        path: path(at!, length!),
        create: (n(oflags!) & 1) !== 0,
        directory: (n(oflags!) & 2) !== 0,
        exclusive: (n(oflags!) & 4) !== 0,
        truncate: (n(oflags!) & 8) !== 0,
        append: (n(flags!) & 1) !== 0,
        read,
        write
      })
      if (head.errno === ok) u32(out!, Number(head.fd))
      return head.errno
    },
    path_filestat_get: (dir, _follow, at, length, out) =>
      writeStat(out!, ask({ op: 'pathStat', dir: n(dir!), path: path(at!, length!) }).head),
    path_rename: (dir, at, length, toDir, toAt, toLength) =>
      ask({ op: 'rename', dir: n(dir!), path: path(at!, length!), toDir: n(toDir!), toPath: path(toAt!, toLength!) }).head.errno,
    path_create_directory: (dir, at, length) => onPath('makeDirectory')(dir!, at!, length!),
    path_remove_directory: (dir, at, length) => onPath('removeDirectory')(dir!, at!, length!),
    path_unlink_file: (dir, at, length) => onPath('unlink')(dir!, at!, length!),
    /** `subscription`: 48 octets, kind at 8, time-out at 24, flags at 40; `event`: 32 octets, error at 8, kind at 10. Streams are always ready. */
    poll_oneoff: (subscriptions, events, count, out) => {
      if (n(count!) === 0 || n(count!) > 64) return errno.invalid
      const waits: { at: number; kind: number; ms: number }[] = []
      for (let each = 0; each < n(count!); each++) {
        const at = n(subscriptions!) + 48 * each
        const kind = view().getUint8(at + 8)
        const timeout = view().getBigUint64(at + 24, true)
        const absolute = (view().getUint16(at + 40, true) & 1) !== 0
        const since = absolute ? (now(view().getUint32(at + 16, true)) ?? 0n) : 0n
        const ms = kind === 0 ? Math.max(0, Number((timeout - since) / millisecond)) : 0
        waits.push({ at, kind, ms })
      }
      const least = Math.min(...waits.map(({ ms }) => ms))
      if (least > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(least, 3_600_000))
      const ready = waits.filter(({ ms }) => ms === least)
      ready.forEach(({ at, kind }, index) => {
        const event = n(events!) + 32 * index
        const userData = view().getBigUint64(at, true)
        octets(event, 32).fill(0)
        u64(event, userData)
        view().setUint8(event + 10, kind)
      })
      u32(out!, ready.length)
      return ok
    }
  }

  const host: Record<string, Import> = {
    output_write: (at, length) => {
      if (n(length!) > mostAtOnce) return errno.tooBig
      return ask({ op: 'output' }, octets(at!, length!)).head.errno
    },
    raise_hazard: (at, length, summaryAt, summaryLength) => {
      if (n(summaryLength!) > mostAtOnce) return errno.tooBig
      return ask({ op: 'raiseHazard', hazard: path(at!, length!) }, octets(summaryAt!, summaryLength!)).head.errno
    },
    credential_open: (at, length, out) => {
      const { head } = ask({ op: 'credentialOpen', service: path(at!, length!) })
      if (head.errno === ok) u32(out!, Number(head.handle))
      return head.errno
    },
    credential_use: (handle, at, length, into, room, out) => {
      if (n(length!) > mostAtOnce) return errno.tooBig
      const { head, body } = ask({ op: 'credentialUse', handle: n(handle!) }, octets(at!, length!))
      if (head.errno !== ok) return head.errno
      u32(out!, body.length)
      if (body.length > n(room!)) return errno.noSpace
      octets(into!, body.length).set(body)
      return ok
    }
  }

  /** Memory that is not the module's is its fault, and its answer. */
  const guarded =
    (serve: Import): Import =>
    (...given) => {
      try {
        return serve(...given)
      } catch (error) {
        if (error instanceof RangeError) return errno.fault
        throw error
      }
    }
  const absent: Import = () => errno.noSystemCall
  const all = (functions: Record<string, Import>) =>
    Object.fromEntries(Object.entries(functions).map(([name, serve]) => [name, guarded(serve)]))
  return {
    wasi_snapshot_preview1: { ...Object.fromEntries([...wasiFunctions].map((name) => [name, absent])), ...all(served) },
    infrafabric: all(host)
  }
}
