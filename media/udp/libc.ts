/**
 * The few calls of the C library that carry packets, where koffi is there to make them.
 *
 * @see socket(7), epoll(7), recvmmsg(2), udp(7)
 */
import { createRequire } from 'node:module'
import { endianness } from 'node:os'

/** Pointers are typed arrays that live as long as the call, or addresses written into them. */
export interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (descriptor: number, address: Uint8Array, length: number) => number
  readonly setsockopt: (descriptor: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly sendto: (
    descriptor: number,
    packet: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array,
    toLength: number
  ) => number
  readonly recvmmsg: (descriptor: number, messages: Uint8Array, count: number, flags: number, timeout: null) => number
  readonly epollCreate: (flags: number) => number
  readonly epollControl: (set: number, operation: number, descriptor: number, event: Uint8Array) => number
  readonly epollWait: (set: number, events: Uint8Array, count: number, timeoutMs: number) => number
  readonly clockGettime: (clock: number, time: Int32Array) => number
  readonly close: (descriptor: number) => number
  readonly address: (of: Uint8Array) => bigint
}

let loaded: Libc | null | undefined

/** @returns null where packets cannot be carried this way: another system than 64-bit Linux, or koffi is missing */
export function libc(): Libc | null {
  loaded ??= load()
  return loaded
}

function load(): Libc | null {
  if (process.platform !== 'linux' || endianness() !== 'LE' || (process.arch !== 'x64' && process.arch !== 'arm64')) return null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const library = koffi.load(null)
    return {
      socket: library.func('int socket(int, int, int)'),
      bind: library.func('int bind(int, const void *, uint32)'),
      setsockopt: library.func('int setsockopt(int, int, int, const void *, uint32)'),
      sendto: library.func('int64 sendto(int, const void *, uint64, int, const void *, uint32)'),
      recvmmsg: library.func('int recvmmsg(int, void *, uint32, int, void *)'),
      epollCreate: library.func('int epoll_create1(int)'),
      epollControl: library.func('int epoll_ctl(int, int, int, void *)'),
      epollWait: library.func('int epoll_wait(int, void *, int, int)'),
      clockGettime: library.func('int clock_gettime(int, void *)'),
      close: library.func('int close(int)'),
      address: koffi.address
    }
  } catch {
    return null
  }
}
