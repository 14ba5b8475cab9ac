/**
 * UDP by system calls of our own: one `sendto` for a packet out, one `recvmmsg` for all that waits in a socket, one `epoll_wait` for all sockets.
 *
 * Packets come with the time at which the kernel took them (SO_TIMESTAMPNS), so that jitter is measured exactly although sockets are only read once a frame.
 * Sockets are told of at their edge (EPOLLET): each is emptied, or stays in a queue of ours. A socket in which packets come frame by frame is no longer asked for, but
 * read in its turn, until it falls silent or too much comes. Nothing blocks and nothing is allocated for a packet.
 *
 * @see recvmmsg(2), epoll(7), socket(7)
 */
import { InfraFabricError } from '#kernel'
import type { Endpoint } from '../latch.ts'
import { type Family, familyOf, textOf6, writeOctets } from './inet.ts'
import type { Libc } from './libc.ts'
import { largestPacket, type Receive, type UdpLayer, type UdpSocket } from './udp.ts'

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
const messageDontWait = 0x40
const epollCloseOnExec = 0x80000
const epollAdd = 1
const epollRemove = 2
const epollIn = 1
const epollEdge = 0x8000_0000
const told = epollIn | epollEdge
const clockRealtime = 0

/** Packets read from one socket before others have their turn. */
const packetsInTurn = 8
/** The same when turns were missed: so much can have come from one that sends as it should. */
const mostInTurn = 32
/** Sockets told of in one call. */
const eventsPerWait = 512
/** Octets of `struct epoll_event`: packed on x86-64. */
const eventLength = process.arch === 'x64' ? 12 : 16
const eventData = process.arch === 'x64' ? 4 : 8

/** Turns in a row in which something has come before a socket is read unasked, and in which nothing has before the kernel is asked for it again. */
const turnsUntilSure = 10

/** Sockets read between two looks at the clock. */
const socketsPerLook = 16
/** Octets of `struct mmsghdr` and where its fields stand: a `struct msghdr`, then how many octets came. */
const message = { length: 64, received: 56, name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40 }
/** Octets of `struct sockaddr_in` and `struct sockaddr_in6`, where the address stands in them, and room for either. */
const nameLengths = { 4: 16, 6: 28 } as const
const nameAddress = { 4: 4, 6: 8 } as const
const nameRoom = 32
/** Octets of `struct iovec`. */
const vectorLength = 16
/** Room for one control message with a `struct timespec`. */
const controlLength = 64
/** Octets of `struct timespec`. */
const clockLength = 16

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
interface SocketEvents {
  /** Reads what waits in a socket. @returns whether there may be more */
  readonly read: (socket: NativeSocket) => boolean
  /** Follows a change of `watched`. */
  readonly watch: (socket: NativeSocket) => void
  readonly forget: (descriptor: number) => void
}

export class NativeSocket implements UdpSocket {
  readonly port: number
  readonly family: Family
  readonly receive: Receive
  readonly #libc: Libc
  readonly #events: SocketEvents
  #descriptor: number
  readonly #to = new Uint8Array(new ArrayBuffer(nameRoom))
  readonly #toAt: number
  #toLength = 0
  #toEndpoint: Endpoint | null = null
  /** What was sent last: mostly the same buffer again, whose address is known then. */
  #packet: Buffer | null = null
  #packetAt = 0
  /** Where the last packet came from. */
  source: Endpoint = { address: '', port: -1 }
  /** Its address, four octets in each word; of IPv4 the first. */
  readonly #sourceWords = new Uint32Array(4)
  /** Something may wait in it: it stands in the queue. */
  queued = false
  /** Whether the kernel tells of it; otherwise it is read in its turn. */
  watched = true
  /** Whether something has come since its last turn. */
  came = false
  /** Turns in a row that speak for the other way of reading it. */
  #against = 0
  /** Whether it is watched because too much came. */
  #crowded = false

  constructor(libc: Libc, descriptor: number, family: Family, port: number, receive: Receive, events: SocketEvents) {
    this.#libc = libc
    this.#descriptor = descriptor
    this.family = family
    this.port = port
    this.receive = receive
    this.#events = events
    this.#toAt = libc.address(this.#to)
  }

  get descriptor(): number {
    return this.#descriptor
  }

  send(packet: Buffer, length: number, to: Endpoint): boolean {
    if (this.#descriptor < 0) return false
    if (to !== this.#toEndpoint) {
      this.#toLength = writeName(this.#to, to.address, to.port)
      this.#toEndpoint = to
    }
    if (packet !== this.#packet) {
      this.#packet = packet
      this.#packetAt = this.#libc.address(packet)
    }
    return this.#libc.sendto(this.#descriptor, this.#packetAt, length, messageDontWait, this.#toAt, this.#toLength) === length
  }

  /** Whether {@link claim} may be called: not where more has come than its turns could read, until ten of them have gone well. */
  get claimable(): boolean {
    return this.#descriptor >= 0 && !(this.watched && this.#crowded)
  }

  /** Has it read in its turn alone from now on, by whoever asks: the kernel no longer tells of it. */
  claim(): void {
    this.queued = false
    this.#against = 0
    if (!this.watched) return
    this.watched = false
    this.#events.watch(this)
  }

  /** Hands over a packet of IPv4 that somebody else has read. */
  hand(packet: Buffer, address: number, port: number, arrivedMs: number, wallMs: number): void {
    if (this.#descriptor < 0) return
    this.came = true
    this.from(address, port)
    this.receive(packet, this.source, arrivedMs, wallMs)
  }

  /** Says where a packet came from: the same object as long as that is the same place. */
  from(address: number, port: number): void {
    const words = this.#sourceWords
    if (address === words[0] && port === this.source.port) return
    words[0] = address
    this.source = { address: [address >>> 24, (address >> 16) & 0xff, (address >> 8) & 0xff, address & 0xff].join('.'), port }
  }

  /** The same of a `struct sockaddr_in6` that stands at `at`. */
  from6(fields: DataView, at: number): void {
    const words = this.#sourceWords
    const port = fields.getUint16(at + 2)
    const address = at + nameAddress[6]
    let same = port === this.source.port
    for (let n = 0; n < 4; n++) {
      const word = fields.getUint32(address + 4 * n)
      same &&= words[n] === word
      words[n] = word
    }
    if (!same) this.source = { address: textOf6(fields, address), port }
  }

  turn(missed = 0): void {
    if (this.#descriptor < 0) return
    let tooMuch = !this.watched && this.#events.read(this)
    for (let read = packetsInTurn; tooMuch && read <= missed && read < mostInTurn; read += packetsInTurn)
      tooMuch = this.#events.read(this)
    this.#against = this.came === this.watched ? this.#against + 1 : 0
    this.came = false
    if (!tooMuch && this.#against < turnsUntilSure) return
    this.#against = 0
    this.#crowded = tooMuch
    this.watched = !this.watched
    this.#events.watch(this)
  }

  close(): void {
    if (this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    this.#events.forget(descriptor)
    this.#libc.close(descriptor)
  }
}

export interface NativeUdp extends UdpLayer {
  /** Wall clock less monotonic clock when sockets were last looked at, in milliseconds. */
  readonly wallOffsetMs: number
}

/**
 * No packet counts as having waited for longer, in milliseconds. The kernel stamps by the wall clock: of a packet that came just before that was set forward, the
 * stamp says that it came hours ago, and a leg would seem to have been silent for so long.
 */
const longestWaitMs = 1000

/** @throws {InfraFabricError} `media.udp.failed` when the kernel gives no set of sockets */
export function nativeUdp(libc: Libc): NativeUdp {
  const sockets: (NativeSocket | undefined)[] = []
  const set = libc.epollCreate(epollCloseOnExec)
  if (set < 0) throw new InfraFabricError('media.udp.failed', 'no epoll set is to be had')
  let closed = false

  // All that the kernel is given addresses of lies in one piece of memory, which lives as long as the functions below.
  const namesAt = message.length * packetsInTurn
  const vectorsAt = namesAt + nameRoom * packetsInTurn
  const controlsAt = vectorsAt + vectorLength * packetsInTurn
  const clockAt = controlsAt + controlLength * packetsInTurn
  const packetsAt = clockAt + clockLength
  const eventsAt = packetsAt + largestPacket * packetsInTurn
  const memory = new ArrayBuffer(eventsAt + eventLength * eventsPerWait)
  const base = libc.address(new Uint8Array(memory))
  const fields = new DataView(memory)
  const words = new Int32Array(memory)
  const interestOctets = new Uint8Array(eventLength)
  const interest = new DataView(interestOctets.buffer)
  const point = (at: number, to: number) => fields.setBigUint64(at, BigInt(base + to), true)
  for (let n = 0; n < packetsInTurn; n++) {
    const at = message.length * n
    point(at + message.name, namesAt + nameRoom * n)
    point(at + message.vector, vectorsAt + vectorLength * n)
    fields.setBigUint64(at + message.vectorLength, 1n, true)
    point(at + message.control, controlsAt + controlLength * n)
    point(vectorsAt + vectorLength * n, packetsAt + largestPacket * n)
    fields.setBigUint64(vectorsAt + vectorLength * n + 8, BigInt(largestPacket), true)
    makeRoom(n)
  }
  /** The kernel writes the lengths of what it gives: they say again how much room there is. */
  function makeRoom(n: number): void {
    words[(message.length * n + message.nameLength) / 4] = nameRoom
    words[(message.length * n + message.controlLength) / 4] = controlLength
  }
  /** Views of the packets by place and length: made once. */
  const views: (Buffer | undefined)[][] = Array.from({ length: packetsInTurn }, () => [])
  /** Descriptors of sockets in which something may wait, as a ring: the first is read first. */
  let queue = new Int32Array(1024)
  let queueFirst = 0
  let queueLength = 0

  function enqueue(socket: NativeSocket): void {
    if (queueLength === queue.length) growQueue()
    socket.queued = true
    queue[(queueFirst + queueLength++) & (queue.length - 1)] = socket.descriptor
  }

  function growQueue(): void {
    const longer = new Int32Array(2 * queue.length)
    for (let n = 0; n < queueLength; n++) longer[n] = queue[(queueFirst + n) & (queue.length - 1)]!
    queue = longer
    queueFirst = 0
  }

  /** Wall clock less monotonic clock, in milliseconds. */
  let wallOffsetMs = 0
  function readClock(): number {
    libc.clockGettime(clockRealtime, base + clockAt)
    const now = performance.now()
    wallOffsetMs = (words[clockAt / 4]! >>> 0) * 1000 + words[clockAt / 4 + 2]! / 1e6 - now
    return now
  }

  function deliver(socket: NativeSocket, n: number, now: number): void {
    const nameAt = namesAt + nameRoom * n
    if (socket.family === 4) socket.from(fields.getUint32(nameAt + nameAddress[4]), fields.getUint16(nameAt + 2))
    else socket.from6(fields, nameAt)
    const stamp = (controlsAt + controlLength * n) / 4
    const stamped = words[(message.length * n + message.controlLength) / 4]! > 0 && words[stamp + 3] === soTimestampNs
    const wallMs = stamped ? (words[stamp + 4]! >>> 0) * 1000 + words[stamp + 6]! / 1e6 : now + wallOffsetMs
    const length = words[(message.length * n + message.received) / 4]!
    const packets = views[n]!
    packets[length] ??= Buffer.from(memory, packetsAt + largestPacket * n, length)
    socket.receive(packets[length], socket.source, Math.min(now, Math.max(now - longestWaitMs, wallMs - wallOffsetMs)), wallMs)
  }

  /** Reads what waits in a socket. @returns whether there may be more */
  function read(socket: NativeSocket, now: number): boolean {
    const count = libc.recvmmsg(socket.descriptor, base, packetsInTurn, messageDontWait, 0)
    if (count > 0) socket.came = true
    for (let n = 0; n < count; n++) {
      // a packet can make its receiver close the socket
      if (socket.descriptor >= 0) deliver(socket, n, now)
      makeRoom(n)
    }
    return count === packetsInTurn && socket.descriptor >= 0
  }

  /** What waits in a socket when its edge is asked for is told of at once. */
  function control(operation: number, descriptor: number, events: number): boolean {
    interest.setUint32(0, events, true)
    interest.setUint32(eventData, descriptor, true)
    return libc.epollControl(set, operation, descriptor, interestOctets) === 0
  }

  const events: SocketEvents = {
    read: (socket) => read(socket, performance.now()),
    // One that is in the set and not asked for would still cost a call of the set for each packet.
    watch: ({ descriptor, watched }) => void control(watched ? epollAdd : epollRemove, descriptor, told),
    forget: (gone) => {
      sockets[gone] = undefined
    }
  }

  /** Puts the sockets that have got something into the queue. */
  function listen(): void {
    for (let count = eventsPerWait; count === eventsPerWait; ) {
      count = libc.epollWait(set, base + eventsAt, eventsPerWait, 0)
      for (let n = 0; n < count; n++) {
        const socket = sockets[fields.getUint32(eventsAt + n * eventLength + eventData, true)]
        if (socket !== undefined && !socket.queued) enqueue(socket)
      }
    }
  }

  return {
    name: 'native',
    descriptor: set,
    get wallOffsetMs() {
      return wallOffsetMs
    },
    open: async (address, port, receive) => {
      const family = familyOf(address)
      const descriptor = libc.socket(families[family], datagramNonBlocking, 0)
      if (descriptor < 0) return null
      const name = new Uint8Array(nameRoom)
      const nameLength = writeName(name, address, port)
      if (family === 6) libc.setsockopt(descriptor, protocolIpv6, ipv6Only, Int32Array.of(1), 4)
      libc.setsockopt(descriptor, solSocket, soTimestampNs, Int32Array.of(1), 4)
      libc.setsockopt(descriptor, solSocket, soReceiveBuffer, Int32Array.of(receiveBuffer), 4)
      if (libc.bind(descriptor, name, nameLength) !== 0 || !control(epollAdd, descriptor, told)) {
        libc.close(descriptor)
        return null
      }
      const socket = new NativeSocket(libc, descriptor, family, port, receive, events)
      sockets[descriptor] = socket
      return socket
    },
    poll: (budgetMs) => {
      if (closed) return
      const now = readClock()
      listen()
      for (let looked = 1; queueLength > 0; looked++) {
        const socket = sockets[queue[queueFirst]!]
        queueFirst = (queueFirst + 1) & (queue.length - 1)
        queueLength--
        if (socket?.queued === true) {
          socket.queued = false
          if (read(socket, now)) enqueue(socket)
        }
        if (looked % socketsPerLook === 0 && performance.now() - now > budgetMs) return
      }
    },
    close: () => {
      if (closed) return
      closed = true
      libc.close(set)
    }
  }
}
