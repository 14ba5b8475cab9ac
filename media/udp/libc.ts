/**
 * The few calls of the C library that carry packets and keep time, where koffi is there to make them.
 *
 * @see socket(7), epoll(7), recvmmsg(2), udp(7), nanosleep(2)
 */
import { createRequire } from 'node:module'
import { endianness } from 'node:os'

/**
 * Addresses are numbers, because a call is dearer by a tenth of a microsecond for each typed array it is given. Who passes one keeps the memory alive.
 */
export interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (descriptor: number, address: Uint8Array, length: number) => number
  readonly setsockopt: (descriptor: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly sendto: (descriptor: number, packetAt: number, length: number, flags: number, toAt: number, toLength: number) => number
  readonly recvmmsg: (descriptor: number, messagesAt: number, count: number, flags: number, timeoutAt: number) => number
  readonly epollCreate: (flags: number) => number
  readonly epollControl: (set: number, operation: number, descriptor: number, event: Uint8Array) => number
  readonly epollWait: (set: number, eventsAt: number, count: number, timeoutMs: number) => number
  readonly clockGettime: (clock: number, timeAt: number) => number
  /** Sleeps; `timeAt` is a `struct timespec`. */
  readonly nanosleep: (timeAt: number, leftAt: number) => number
  readonly close: (descriptor: number) => number
  /** Where the memory of a view lies. */
  readonly address: (of: Uint8Array) => number
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
      sendto: library.func('int sendto(int, size_t, size_t, int, size_t, uint32)'),
      recvmmsg: library.func('int recvmmsg(int, size_t, uint32, int, size_t)'),
      epollCreate: library.func('int epoll_create1(int)'),
      epollControl: library.func('int epoll_ctl(int, int, int, void *)'),
      epollWait: library.func('int epoll_wait(int, size_t, int, int)'),
      clockGettime: library.func('int clock_gettime(int, size_t)'),
      nanosleep: library.func('int nanosleep(size_t, size_t)'),
      close: library.func('int close(int)'),
      address: (of) => Number(koffi.address(of))
    }
  } catch {
    return null
  }
}
