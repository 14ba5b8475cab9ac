/**
 * UDP by system calls of our own: packets are read, and sent, dozens in one call of compiled code (udp.c), one `epoll_wait` says of all sockets what has come, and
 * where the kernel lets us have io_uring, one system call sends what was gathered.
 *
 * Packets come with the time at which the kernel took them (SO_TIMESTAMPNS), so that jitter is measured exactly although sockets are only read once a frame.
 * Sockets are told of at their edge (EPOLLET): each is emptied, or stays in a queue. A socket in which packets come frame by frame is no longer asked for, but
 * read in its turn, until it falls silent or too much comes. Nothing blocks and nothing is allocated for a packet.
 *
 * @see recvmmsg(2), epoll(7), io_uring(7), socket(7)
 */
import { InfraFabricError } from '#kernel'
import type { Endpoint } from '../latch.ts'
import { type Family, familyOf, textOf6, writeOctets } from './inet.ts'
import { type Libc, ofArrival, ofDeparture, ofLayer, ofPlace } from './libc.ts'
import { largestPacket, type Receive, type Refused, type UdpLayer, type UdpSocket } from './udp.ts'

/** AF_INET, AF_INET6. */
const families = { 4: 2, 6: 10 } as const
const protocolIpv6 = 41
const ipv6Only = 26
const datagramNonBlocking = 2 | 0x800 | 0x80000
const solSocket = 1
const soTimestampNs = 35
const soReceiveBuffer = 8
/** Octets asked of the kernel for packets not yet read; it grants what its own bound allows. */
const receiveBuffer = 1 << 20
const epollCloseOnExec = 0x80000
const epollAdd = 1
const epollRemove = 2
const epollIn = 1
const epollEdge = 0x8000_0000
const told = epollIn | epollEdge
const clockRealtime = 0

/** Octets of `struct epoll_event`: packed on x86-64. */
const eventLength = process.arch === 'x64' ? 12 : 16
const eventData = process.arch === 'x64' ? 4 : 8

/** A packet for which the first that was gathered would wait longer sends all of them. */
const longestGatheredMs = 0.5

/** Turns in a row in which something has come before a socket is read unasked, and in which nothing has before the kernel is asked for it again. */
const turnsUntilSure = 10

/** Octets of `struct sockaddr_in` and `struct sockaddr_in6`, where the address stands in them, and room for either. */
const nameLengths = { 4: 16, 6: 28 } as const
const nameAddress = { 4: 4, 6: 8 } as const
const nameRoom = 28
/** Octets of `struct timespec`. */
const clockLength = 16
/** Octets of a line of the processor's cache. */
const lineLength = 64

/** Writes a `struct sockaddr_in` or a `struct sockaddr_in6`. @returns its octets */
function writeName(out: Uint8Array, address: string, port: number): number {
  const family = familyOf(address)
  out.fill(0)
  out[0] = families[family]
  out[2] = port >> 8
  out[3] = port & 0xff
  writeOctets(out, nameAddress[family], address)
  return nameLengths[family]
}

/** What a socket asks of its layer. */
interface SocketLayer {
  /** Packets read from one socket before others have their turn. */
  readonly burst: number
  /** All places, and the same as octets. */
  readonly words: Int32Array
  readonly fields: DataView
  /** Reads what waits in a socket. */
  readonly read: (socket: NativeSocket) => void
  /** Follows a change of `watched`. */
  readonly watch: (socket: NativeSocket) => void
  readonly gather: (place: number, packet: Buffer, length: number, payload: number) => boolean
  readonly flush: () => void
  readonly forget: (socket: NativeSocket) => void
}

export class NativeSocket implements UdpSocket {
  readonly port: number
  readonly family: Family
  readonly receive: Receive
  readonly refused: Refused | undefined
  /** Which of the layer's places is its own, and where that stands among its words. */
  readonly place: number
  readonly #at: number
  readonly #layer: SocketLayer
  #descriptor: number
  #to: Endpoint | null = null
  /** Where the last packet came from. */
  source: Endpoint = { address: '', port: -1 }
  /** Whether the kernel tells of it; otherwise it is read in its turn. */
  watched = true
  /** Whether something has come since its last turn. */
  came = false
  /** Turns in a row that speak for the other way of reading it. */
  #against = 0

  constructor(
    layer: SocketLayer,
    place: number,
    at: number,
    descriptor: number,
    family: Family,
    port: number,
    receive: Receive,
    refused: Refused | undefined
  ) {
    this.#layer = layer
    this.place = place
    this.#at = at
    this.#descriptor = descriptor
    this.family = family
    this.port = port
    this.receive = receive
    this.refused = refused
  }

  get descriptor(): number {
    return this.#descriptor
  }

  send(packet: Buffer, length: number, to: Endpoint, payload = 0): boolean {
    if (this.#descriptor < 0 || (to !== this.#to && !this.#aim(to))) return false
    return this.#layer.gather(this.place, packet, length, payload)
  }

  /** What was gathered goes where it was to go. */
  #aim(to: Endpoint): boolean {
    if (to.port === 0) return false
    const { fields, flush } = this.#layer
    flush()
    const name = new Uint8Array(fields.buffer, fields.byteOffset + 4 * (this.#at + ofPlace.to), nameRoom)
    writeName(name, to.address, to.port)
    this.#to = to
    return true
  }

  /** Has it read in its turn alone from now on, by whoever asks: the kernel no longer tells of it. */
  claim(): void {
    this.#against = 0
    if (!this.watched) return
    this.watched = false
    this.#layer.watch(this)
  }

  /** Hands over a packet of IPv4 that somebody else has read. */
  hand(packet: Buffer, address: number, port: number, arrivedMs: number, wallMs: number): void {
    if (this.#descriptor < 0) return
    const { words, fields } = this.#layer
    const from = 4 * (this.#at + ofPlace.from)
    this.came = true
    if (words[this.#at + ofPlace.port] !== port || fields.getUint32(from) !== address) {
      words[this.#at + ofPlace.port] = port
      fields.setUint32(from, address)
      this.from(fields, from, port)
    }
    this.receive(packet, this.source, arrivedMs, wallMs)
  }

  /** Says where packets come from now: the octets of the address stand at `at`. */
  from(fields: DataView, at: number, port: number): void {
    const address =
      this.family === 6 ? textOf6(fields, at) : Array.from({ length: 4 }, (_, n) => fields.getUint8(at + n)).join('.')
    this.source = { address, port }
  }

  /** Whether it is read in its turn alone. */
  get unasked(): boolean {
    return this.#descriptor >= 0 && !this.watched
  }

  turn(missed = 0): void {
    if (this.unasked) this.#layer.read(this)
    this.turned(missed)
  }

  /** It has been read, if it is {@link unasked}. */
  turned(missed: number): void {
    if (this.#descriptor < 0) return
    let tooMuch = !this.watched && this.#full
    // So much can have come from one that sends as it should, be its clock somewhat fast.
    const { burst } = this.#layer
    for (let read = burst; tooMuch && missed > 0 && read <= missed + burst; read += burst) {
      this.#layer.read(this)
      tooMuch = this.#full
    }
    this.#against = this.came === this.watched ? this.#against + 1 : 0
    this.came = false
    if (!tooMuch && this.#against < turnsUntilSure) return
    this.#against = 0
    this.watched = !this.watched
    this.#layer.watch(this)
  }

  /** Whether there may be more than its last turn has read. */
  get #full(): boolean {
    return this.#descriptor >= 0 && this.#layer.words[this.#at + ofPlace.full] !== 0
  }

  /** Sends what was gathered, of all sockets of the layer. */
  flush(): void {
    this.#layer.flush()
  }

  /** What was gathered leaves before. */
  close(): void {
    if (this.#descriptor < 0) return
    this.#layer.flush()
    this.#descriptor = -1
    this.#layer.forget(this)
  }
}

export interface NativeUdp extends UdpLayer {
  /** Wall clock less monotonic clock when sockets were last looked at, in milliseconds. */
  readonly wallOffsetMs: number
  /** Address of the ring by which packets leave (`struct ring` of ring.h), of one that sends nothing where the kernel gives none. */
  readonly ringAt: number
}

/**
 * No packet counts as having waited for longer than a second (`longest_wait` of udp.c). The kernel stamps by the wall clock: of a packet that came just before that
 * was set forward, the stamp says that it came hours ago, and a leg would seem to have been silent for so long.
 *
 * @param withRing whether packets leave by io_uring where the kernel has it for us. Default true
 * @throws {InfraFabricError} `media.udp.failed` when the kernel gives no set of sockets
 */
export function nativeUdp(libc: Libc, withRing = true): NativeUdp {
  const sizes = libc.udpSizes
  const sockets: (NativeSocket | undefined)[] = []
  const set = libc.epollCreate(epollCloseOnExec)
  if (set < 0) throw new InfraFabricError('media.udp.failed', 'no epoll set is to be had')
  let closed = false

  // All that the kernel is given addresses of lies in one piece of memory, which lives as long as the functions below.
  const memory = new ArrayBuffer(sizes.layer + clockLength + lineLength)
  const address = libc.address(new Uint8Array(memory))
  const start = (lineLength - (address % lineLength)) % lineLength
  const base = address + start
  const clockAt = sizes.layer / 4
  const words = new Int32Array(memory, start, clockAt + clockLength / 4)
  const doubles = new Float64Array(memory, start, sizes.layer / 8)
  const fields = new DataView(memory, start)
  const octets = Buffer.from(memory, start)
  const hasRing = libc.udpOpen(base, set, Number(withRing)) === 1

  const interestOctets = new Uint8Array(eventLength)
  const interest = new DataView(interestOctets.buffer)
  /** Places that were given back, and the first that never was given out. */
  const freePlaces: number[] = []
  let nextPlace = 0
  const placeAt = (place: number) => (sizes.places + place * sizes.place) / 4
  /** Views of the packets by place and length: made once. */
  const views: (Buffer | undefined)[][] = Array.from({ length: sizes.room }, () => [])
  /** Packets that are being handed over. */
  let arrivals = 0
  /** Packets gathered, and when the first of them was. */
  let departures = 0
  let gatheredAtMs = 0

  /** Wall clock less monotonic clock, in milliseconds. */
  let wallOffsetMs = 0
  function readClock(): number {
    libc.clockGettime(clockRealtime, base + sizes.layer)
    const now = performance.now()
    wallOffsetMs = (words[clockAt]! >>> 0) * 1000 + words[clockAt + 2]! / 1e6 - now
    doubles[ofLayer.wallOffset / 2] = wallOffsetMs
    doubles[ofLayer.now / 2] = now
    return now
  }

  /** Hands over what was read. */
  function deliver(count: number): void {
    arrivals = count
    for (let n = 0; n < count; n++) {
      const at = (sizes.arrivals + n * sizes.arrival) >> 2
      // a packet can make its receiver close a socket
      const socket = sockets[words[at + ofArrival.place]!]
      if (socket === undefined) continue
      socket.came = true
      if (words[at + ofArrival.moved] !== 0) socket.from(fields, 4 * (at + ofArrival.from), words[at + ofArrival.port]!)
      const length = words[at + ofArrival.length]!
      const packets = views[n]!
      packets[length] ??= octets.subarray(sizes.packets + n * sizes.packet, sizes.packets + n * sizes.packet + length)
      socket.receive(
        packets[length],
        socket.source,
        doubles[(at + ofArrival.arrived) >> 1]!,
        doubles[(at + ofArrival.wall) >> 1]!
      )
    }
    arrivals = 0
  }

  /** No more sockets than are read together. */
  function turn(list: readonly NativeSocket[], first: number, end: number, missed: number): void {
    let count = 0
    for (let n = first; n < end; n++) if (list[n]!.unasked) words[sizes.turns / 4 + count++] = list[n]!.place
    doubles[ofLayer.now / 2] = performance.now()
    for (let from = 0; from < count; from = words[ofLayer.turned]!) deliver(libc.udpTurn(base, from, count))
    for (let n = first; n < end; n++) list[n]!.turned(missed)
  }

  function gather(place: number, packet: Buffer, length: number, payload: number): boolean {
    if (length > largestPacket) return false
    const now = performance.now()
    if (departures === 0) gatheredAtMs = now
    const at = (sizes.departures + departures * sizes.departure) >> 2
    words[at + ofDeparture.place] = place
    words[at + ofDeparture.length] = length
    words[at + ofDeparture.payload] = payload
    packet.copy(octets, 4 * at + sizes.departureOctets, 0, length)
    if (++departures === sizes.gathered || now - gatheredAtMs >= longestGatheredMs) flush()
    return true
  }

  function flush(): void {
    if (departures === 0) return
    const count = departures
    departures = 0
    const refused = libc.udpSend(base, count)
    for (let n = 0; n < refused; n++) {
      const at = (sizes.departures + words[sizes.refused / 4 + n]! * sizes.departure) >> 2
      const payload = words[at + ofDeparture.payload]!
      if (payload > 0) sockets[words[at + ofDeparture.place]!]?.refused?.(payload)
    }
  }

  /** What waits in a socket when its edge is asked for is told of at once. */
  function control(operation: number, descriptor: number, place: number): boolean {
    interest.setUint32(0, told, true)
    interest.setUint32(eventData, place, true)
    return libc.epollControl(set, operation, descriptor, interestOctets) === 0
  }

  const layer: SocketLayer = {
    burst: sizes.burst,
    words,
    fields,
    read: ({ place }) => {
      doubles[ofLayer.now / 2] = performance.now()
      words[sizes.turns / 4] = place
      deliver(libc.udpTurn(base, 0, 1))
    },
    watch: ({ place, descriptor, watched }) => {
      words[placeAt(place) + ofPlace.watched] = Number(watched)
      // One that is in the set and not asked for would still cost a call of the set for each packet.
      control(watched ? epollAdd : epollRemove, descriptor, place)
    },
    gather,
    flush,
    forget: ({ place }) => {
      const at = placeAt(place)
      libc.close(words[at + ofPlace.descriptor]!)
      words[at + ofPlace.descriptor] = -1
      sockets[place] = undefined
      freePlaces.push(place)
      // The place may have another socket before what was read of this one is handed over.
      for (let n = 0; n < arrivals; n++) {
        const arrival = (sizes.arrivals + n * sizes.arrival) >> 2
        if (words[arrival + ofArrival.place] === place) words[arrival + ofArrival.place] = -1
      }
    }
  }

  return {
    name: hasRing ? 'io_uring' : 'native',
    descriptor: set,
    ringAt: base + sizes.ring,
    get wallOffsetMs() {
      return wallOffsetMs
    },
    open: async (address, port, receive, refused) => {
      const family = familyOf(address)
      if (freePlaces.length === 0 && nextPlace === sizes.mostPlaces) return null
      const descriptor = libc.socket(families[family], datagramNonBlocking, 0)
      if (descriptor < 0) return null
      const name = new Uint8Array(nameRoom)
      const nameLength = writeName(name, address, port)
      if (family === 6) libc.setsockopt(descriptor, protocolIpv6, ipv6Only, Int32Array.of(1), 4)
      libc.setsockopt(descriptor, solSocket, soTimestampNs, Int32Array.of(1), 4)
      libc.setsockopt(descriptor, solSocket, soReceiveBuffer, Int32Array.of(receiveBuffer), 4)
      const place = freePlaces.at(-1) ?? nextPlace
      if (libc.bind(descriptor, name, nameLength) !== 0 || !control(epollAdd, descriptor, place)) {
        libc.close(descriptor)
        return null
      }
      if (freePlaces.pop() === undefined) nextPlace++
      const at = placeAt(place)
      words[at + ofPlace.descriptor] = descriptor
      words[at + ofPlace.watched] = 1
      words[at + ofPlace.port] = -1
      const socket = new NativeSocket(layer, place, at, descriptor, family, port, receive, refused)
      sockets[place] = socket
      return socket
    },
    poll: (budgetMs) => {
      if (closed) return
      flush()
      const now = readClock()
      for (let listening = 1; ; listening = 0) {
        deliver(libc.udpRead(base, listening))
        if (words[ofLayer.queueLength] === 0 || performance.now() - now > budgetMs) break
      }
      flush()
    },
    turn: (sockets, missed = 0) => {
      const list = sockets as readonly NativeSocket[]
      for (let first = 0; first < list.length; first += sizes.together)
        turn(list, first, Math.min(list.length, first + sizes.together), missed)
    },
    flush,
    close: () => {
      if (closed) return
      closed = true
      libc.udpClose(base)
      libc.close(set)
    }
  }
}
