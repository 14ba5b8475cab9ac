/**
 * The few calls of the C library that open sockets and keep time, and the compiled half of the socket layer (udp.c, built at set-up), where koffi is there to
 * make them.
 *
 * @see socket(7), epoll(7), udp(7), nanosleep(2)
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { fileURLToPath } from 'node:url'
import { placesOf } from '../native.ts'

const file = fileURLToPath(new URL('../build/udp.so', import.meta.url))

const placeFields = ['descriptor', 'watched', 'queued', 'full', 'port', 'from', 'from1', 'from2', 'from3', 'to'] as const
const arrivalFields = ['arrived', 'arrivedUpper', 'wall', 'wallUpper', 'place', 'length', 'moved', 'port', 'from'] as const
const departureFields = ['place', 'length', 'payload'] as const
const layerFields = ['now', 'nowUpper', 'wallOffset', 'wallOffsetUpper', 'set', 'queueFirst', 'queueLength', 'turned'] as const

/** Words of what both halves know: of a socket, of a packet that came, of one that is to leave, and of the layer. */
export const ofPlace = placesOf(placeFields)
export const ofArrival = placesOf(arrivalFields)
export const ofDeparture = placesOf(departureFields)
export const ofLayer = placesOf(layerFields)

/** Octets and numbers of the parts of a layer's memory, and where they begin: by the numbers that `udp_size` knows. */
const sizes = {
  layer: 0,
  arrivals: 1,
  arrival: 2,
  refused: 3,
  packets: 4,
  packet: 5,
  departures: 6,
  departure: 7,
  departureOctets: 8,
  places: 9,
  place: 10,
  /** Packets of one reading at most, those that leave together, and those of one socket before others have their turn. */
  room: 11,
  gathered: 12,
  burst: 13,
  mostPlaces: 14,
  turns: 15,
  /** Sockets that are read together. */
  together: 16,
  /** `struct ring` of ring.h. */
  ring: 17
} as const
export type UdpSizes = Readonly<Record<keyof typeof sizes, number>>

/**
 * Addresses are numbers, because a call is dearer by a tenth of a microsecond for each typed array it is given. Who passes one keeps the memory alive.
 */
export interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (descriptor: number, address: Uint8Array, length: number) => number
  readonly setsockopt: (descriptor: number, level: number, name: number, value: Int32Array, length: number) => number
  readonly epollCreate: (flags: number) => number
  readonly epollControl: (set: number, operation: number, descriptor: number, event: Uint8Array) => number
  readonly clockGettime: (clock: number, timeAt: number) => number
  /** Sleeps; `timeAt` is a `struct timespec`. */
  readonly nanosleep: (timeAt: number, leftAt: number) => number
  readonly close: (descriptor: number) => number
  readonly udpSizes: UdpSizes
  /** Prepares the memory of a layer, which is all zeros, at an address that can be divided by 64. @returns whether packets leave by a ring (1), as they may where `withRing` is 1 */
  readonly udpOpen: (layerAt: number, set: number, withRing: number) => number
  /** Gives back what the memory of a layer does not hold: to be called by the thread that has opened it. */
  readonly udpClose: (layerAt: number) => void
  /** Reads those whose turn it is, from one of them on. @returns packets that came */
  readonly udpTurn: (layerAt: number, from: number, sockets: number) => number
  /** Reads those in which something waits, and asks the kernel before which they are where `listening` is 1. @returns packets that came */
  readonly udpRead: (layerAt: number, listening: number) => number
  /** Sends what was gathered. @returns packets that the kernel would not take */
  readonly udpSend: (layerAt: number, count: number) => number
  /** Where the memory of a view lies. */
  readonly address: (of: Uint8Array) => number
}

let loaded: Libc | null | undefined

/** @returns null where packets cannot be carried this way: another system than 64-bit Linux, koffi is missing, or udp.c is not built */
export function libc(): Libc | null {
  loaded ??= load()
  return loaded
}

function load(): Libc | null {
  if (process.platform !== 'linux' || endianness() !== 'LE' || (process.arch !== 'x64' && process.arch !== 'arm64')) return null
  if (!existsSync(file)) return null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const library = koffi.load(null)
    const udp = koffi.load(file)
    const fields = udp.func('const char *udp_fields(void)')
    // Built before the sources changed: packets go by the runtime until it is built anew.
    const expected = [placeFields, arrivalFields, departureFields, layerFields].map((names) => names.join(' ')).join(' / ')
    if (fields() !== `${expected} `) return null
    const sizeOf = udp.func('int udp_size(int)')
    return {
      socket: library.func('int socket(int, int, int)'),
      bind: library.func('int bind(int, const void *, uint32)'),
      setsockopt: library.func('int setsockopt(int, int, int, const void *, uint32)'),
      epollCreate: library.func('int epoll_create1(int)'),
      epollControl: library.func('int epoll_ctl(int, int, int, void *)'),
      clockGettime: library.func('int clock_gettime(int, size_t)'),
      nanosleep: library.func('int nanosleep(size_t, size_t)'),
      close: library.func('int close(int)'),
      udpSizes: Object.fromEntries(Object.entries(sizes).map(([name, number]) => [name, sizeOf(number)])) as UdpSizes,
      udpOpen: udp.func('int udp_open(size_t, int, int)'),
      udpClose: udp.func('void udp_close(size_t)'),
      udpTurn: udp.func('int udp_turn(size_t, int, int)'),
      udpRead: udp.func('int udp_read(size_t, int)'),
      udpSend: udp.func('int udp_send(size_t, int)'),
      address: (of) => Number(koffi.address(of))
    }
  } catch {
    return null
  }
}
