/**
 * UDP by system calls of our own: one `sendto` for a packet out, one `recvmsg` for a packet in, one `epoll_wait` for all sockets.
 *
 * Packets come with the time at which the kernel took them (SO_TIMESTAMPNS), so that jitter is measured exactly although sockets are only read once a frame.
 * Nothing blocks and nothing is allocated for a packet.
 *
 * @see recvmsg(2), epoll(7), socket(7)
 */
import { InfraFabricError } from '#kernel'
import type { Endpoint } from '../latch.ts'
import type { Libc } from './libc.ts'
import { largestPacket, type Receive, type UdpLayer, type UdpSocket } from './udp.ts'

const familyInet = 2
const datagramNonBlocking = 2 | 0x800 | 0x80000
const solSocket = 1
const soTimestampNs = 35
const soReceiveBuffer = 8
/** Octets asked of the kernel for packets not yet read; it grants what its own bound allows. */
const receiveBuffer = 1 << 20
const messageDontWait = 0x40
const epollCloseOnExec = 0x80000
const epollAdd = 1
const epollIn = 1
const clockRealtime = 0

/** Packets read from one socket before others have their turn. */
const packetsInTurn = 8
/** Sockets told of in one call. */
const eventsPerWait = 512
/** Octets of `struct epoll_event`: packed on x86-64. */
const eventLength = process.arch === 'x64' ? 12 : 16
const eventData = process.arch === 'x64' ? 4 : 8

/** Octets of `struct msghdr` and where its fields stand. */
const message = { length: 56, name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40 }
/** Octets of `struct sockaddr_in`. */
const nameLength = 16
/** Octets of `struct iovec`. */
const vectorLength = 16
/** Room for one control message with a `struct timespec`. */
const controlLength = 64
/** Octets of `struct timespec`. */
const clockLength = 16

/** Writes a `struct sockaddr_in`. */
function writeAddress(out: Uint8Array, address: string, port: number): void {
  out.fill(0)
  out[0] = familyInet
  out[2] = port >> 8
  out[3] = port & 0xff
  let at = 4
  for (const part of address.split('.')) out[at++] = Number(part)
}

class NativeSocket implements UdpSocket {
  readonly port: number
  readonly receive: Receive
  readonly #libc: Libc
  readonly #forget: (descriptor: number) => void
  #descriptor: number
  readonly #to = new Uint8Array(new ArrayBuffer(nameLength))
  readonly #toAt: number
  #toEndpoint: Endpoint | null = null
  /** What was sent last: mostly the same buffer again, whose address is known then. */
  #packet: Buffer | null = null
  #packetAt = 0
  /** Where the last packet came from. */
  source: Endpoint = { address: '', port: -1 }
  sourceAddress = 0
  sourcePort = -1
  /** Reading of all sockets in which this one last had something. */
  lastRead = 0

  constructor(libc: Libc, descriptor: number, port: number, receive: Receive, forget: (descriptor: number) => void) {
    this.#libc = libc
    this.#descriptor = descriptor
    this.port = port
    this.receive = receive
    this.#forget = forget
    this.#toAt = libc.address(this.#to)
  }

  get descriptor(): number {
    return this.#descriptor
  }

  send(packet: Buffer, length: number, to: Endpoint): boolean {
    if (this.#descriptor < 0) return false
    if (to !== this.#toEndpoint) {
      writeAddress(this.#to, to.address, to.port)
      this.#toEndpoint = to
    }
    if (packet !== this.#packet) {
      this.#packet = packet
      this.#packetAt = this.#libc.address(packet)
    }
    return this.#libc.sendto(this.#descriptor, this.#packetAt, length, messageDontWait, this.#toAt, nameLength) === length
  }

  close(): void {
    if (this.#descriptor < 0) return
    const descriptor = this.#descriptor
    this.#descriptor = -1
    this.#forget(descriptor)
    this.#libc.close(descriptor)
  }
}

/** @throws {InfraFabricError} `media.udp.failed` when the kernel gives no set of sockets */
export function nativeUdp(libc: Libc): UdpLayer {
  const sockets: (NativeSocket | undefined)[] = []
  const set = libc.epollCreate(epollCloseOnExec)
  if (set < 0) throw new InfraFabricError('media.udp.failed', 'no epoll set is to be had')
  let closed = false

  // All that the kernel is given addresses of lies in one piece of memory, which lives as long as the functions below.
  const messageAt = 0
  const nameAt = message.length
  const vectorAt = nameAt + nameLength
  const controlAt = vectorAt + vectorLength
  const clockAt = controlAt + controlLength
  const packetAt = clockAt + clockLength
  const eventsAt = packetAt + largestPacket
  const memory = new ArrayBuffer(eventsAt + eventLength * eventsPerWait)
  const base = libc.address(new Uint8Array(memory))
  const fields = new DataView(memory)
  const octets = new Uint8Array(memory)
  const words = new Int32Array(memory)
  const nameLengthWord = (messageAt + message.nameLength) / 4
  const controlLengthWord = (messageAt + message.controlLength) / 4
  const point = (at: number, to: number) => fields.setBigUint64(at, BigInt(base + to), true)
  point(messageAt + message.name, nameAt)
  point(messageAt + message.vector, vectorAt)
  fields.setBigUint64(messageAt + message.vectorLength, 1n, true)
  point(messageAt + message.control, controlAt)
  point(vectorAt, packetAt)
  fields.setBigUint64(vectorAt + 8, BigInt(largestPacket), true)
  /** Views of the packet by length: made once. */
  const views: (Buffer | undefined)[] = []

  /** Wall clock less monotonic clock, in milliseconds. */
  let wallOffsetMs = 0
  let readings = 0
  function readClock(): number {
    libc.clockGettime(clockRealtime, base + clockAt)
    const now = performance.now()
    wallOffsetMs = (words[clockAt / 4]! >>> 0) * 1000 + words[clockAt / 4 + 2]! / 1e6 - now
    return now
  }

  function deliver(socket: NativeSocket, length: number, now: number): void {
    const address = fields.getUint32(nameAt + 4)
    const port = fields.getUint16(nameAt + 2)
    if (address !== socket.sourceAddress || port !== socket.sourcePort) {
      socket.sourceAddress = address
      socket.sourcePort = port
      socket.source = { address: octets.subarray(nameAt + 4, nameAt + 8).join('.'), port }
    }
    const stamp = controlAt / 4
    const stamped = words[controlLengthWord]! > 0 && words[stamp + 3] === soTimestampNs
    const wallMs = stamped ? (words[stamp + 4]! >>> 0) * 1000 + words[stamp + 6]! / 1e6 : now + wallOffsetMs
    views[length] ??= Buffer.from(memory, packetAt, length)
    socket.receive(views[length], socket.source, Math.min(now, wallMs - wallOffsetMs), wallMs)
  }

  /** @returns whether a packet was there */
  function readOne(socket: NativeSocket, now: number): boolean {
    // The kernel writes the lengths of what it gives: they say again how much room there is.
    words[nameLengthWord] = nameLength
    words[controlLengthWord] = controlLength
    const length = libc.recvmsg(socket.descriptor, base + messageAt, messageDontWait)
    if (length < 0) return false
    deliver(socket, length, now)
    return true
  }

  /**
   * Reads one packet, and on from a socket that had some in the last reading too: a leg has one packet in four readings, and asking for a second costs as much
   * as reading it.
   *
   * @returns whether there may be more
   */
  function read(socket: NativeSocket, now: number): boolean {
    const often = readings - socket.lastRead <= 1
    socket.lastRead = readings
    if (!readOne(socket, now) || !often) return false
    for (let count = 1; count < packetsInTurn; count++) if (socket.descriptor < 0 || !readOne(socket, now)) return false
    return true
  }

  return {
    name: 'native',
    descriptor: set,
    open: async (address, port, receive) => {
      const descriptor = libc.socket(familyInet, datagramNonBlocking, 0)
      if (descriptor < 0) return null
      const name = new Uint8Array(nameLength)
      writeAddress(name, address, port)
      libc.setsockopt(descriptor, solSocket, soTimestampNs, Int32Array.of(1), 4)
      libc.setsockopt(descriptor, solSocket, soReceiveBuffer, Int32Array.of(receiveBuffer), 4)
      const event = new DataView(new ArrayBuffer(eventLength))
      event.setUint32(0, epollIn, true)
      event.setUint32(eventData, descriptor, true)
      if (
        libc.bind(descriptor, name, nameLength) !== 0 ||
        libc.epollControl(set, epollAdd, descriptor, new Uint8Array(event.buffer)) !== 0
      ) {
        libc.close(descriptor)
        return null
      }
      const socket = new NativeSocket(libc, descriptor, port, receive, (gone) => {
        sockets[gone] = undefined
      })
      sockets[descriptor] = socket
      return socket
    },
    poll: (budgetMs) => {
      if (closed) return
      const now = readClock()
      readings++
      for (let more = true; more; ) {
        const count = libc.epollWait(set, base + eventsAt, eventsPerWait, 0)
        more = count === eventsPerWait
        for (let n = 0; n < count; n++) {
          const socket = sockets[fields.getUint32(eventsAt + n * eventLength + eventData, true)]
          if (socket !== undefined && read(socket, now)) more = true
        }
        if (performance.now() - now > budgetMs) return
      }
    },
    close: () => {
      if (closed) return
      closed = true
      libc.close(set)
    }
  }
}
