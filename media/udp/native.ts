/**
 * UDP by system calls of our own: one `sendto` for a packet out, one `epoll_wait` for all sockets and one `recvmmsg` for each that has something.
 *
 * Packets come with the time at which the kernel took them (SO_TIMESTAMPNS), so that jitter is measured exactly although sockets are only read once a frame.
 * Nothing blocks and nothing is allocated for a packet.
 *
 * @see recvmmsg(2), epoll(7), socket(7)
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

/** Packets read from one socket in one call. */
const packetsPerRead = 8
/** Sockets told of in one call. */
const eventsPerWait = 512
/** Octets of `struct epoll_event`: packed on x86-64. */
const eventLength = process.arch === 'x64' ? 12 : 16
const eventData = process.arch === 'x64' ? 4 : 8

/** Octets of `struct mmsghdr` and where its fields stand. */
const header = { length: 64, name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40, received: 56 }
/** Octets of `struct sockaddr_in`. */
const nameLength = 16
/** Octets of `struct iovec`. */
const vectorLength = 16
/** Room for one control message with a `struct timespec`. */
const controlLength = 64

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
  readonly #to = new Uint8Array(nameLength)
  #toEndpoint: Endpoint | null = null
  /** Where the last packet came from. */
  source: Endpoint = { address: '', port: -1 }
  sourceAddress = 0
  sourcePort = -1

  constructor(libc: Libc, descriptor: number, port: number, receive: Receive, forget: (descriptor: number) => void) {
    this.#libc = libc
    this.#descriptor = descriptor
    this.port = port
    this.receive = receive
    this.#forget = forget
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
    return this.#libc.sendto(this.#descriptor, packet, length, messageDontWait, this.#to, nameLength) === length
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

  const events = new Uint8Array(eventLength * eventsPerWait)
  const eventWords = new DataView(events.buffer)
  // All that the kernel is given addresses of lies in one piece of memory, which lives as long as `headers` is used.
  const memory = new ArrayBuffer(packetsPerRead * (header.length + nameLength + vectorLength + controlLength + largestPacket))
  const base = libc.address(new Uint8Array(memory))
  let taken = 0
  const take = (octets: number) => {
    taken += octets
    return taken - octets
  }
  const headersAt = take(packetsPerRead * header.length)
  const headers = new Uint8Array(memory, headersAt, packetsPerRead * header.length)
  const headerWords = new Int32Array(memory, headersAt, headers.length / 4)
  const names: Uint8Array[] = []
  const stamps: Int32Array[] = []
  const packetsAt: number[] = []
  /** Views of each packet by length: made once. */
  const views: (Buffer | undefined)[][] = []
  const fields = new DataView(memory)
  const point = (at: number, to: number) => fields.setBigUint64(at, base + BigInt(to), true)
  for (let n = 0; n < packetsPerRead; n++) {
    const nameAt = take(nameLength)
    const vectorAt = take(vectorLength)
    const controlAt = take(controlLength)
    const packetAt = take(largestPacket)
    const at = headersAt + n * header.length
    point(at + header.name, nameAt)
    point(at + header.vector, vectorAt)
    fields.setBigUint64(at + header.vectorLength, 1n, true)
    point(at + header.control, controlAt)
    point(vectorAt, packetAt)
    fields.setBigUint64(vectorAt + 8, BigInt(largestPacket), true)
    names.push(new Uint8Array(memory, nameAt, nameLength))
    stamps.push(new Int32Array(memory, controlAt, controlLength / 4))
    packetsAt.push(packetAt)
    views.push([])
    makeReady(n)
  }

  /** The kernel has written the lengths of what it gave: they say again how much room there is. */
  function makeReady(n: number): void {
    headerWords[(n * header.length + header.nameLength) / 4] = nameLength
    headerWords[(n * header.length + header.controlLength) / 4] = controlLength
  }

  const clock = new Int32Array(4)
  /** Wall clock less monotonic clock, in milliseconds. */
  let wallOffsetMs = 0
  function readClock(): number {
    libc.clockGettime(clockRealtime, clock)
    const now = performance.now()
    wallOffsetMs = (clock[0]! >>> 0) * 1000 + clock[2]! / 1e6 - now
    return now
  }

  function deliver(socket: NativeSocket, n: number, now: number): void {
    const length = headerWords[(n * header.length + header.received) / 4]!
    const name = names[n]!
    const address = ((name[4]! << 24) | (name[5]! << 16) | (name[6]! << 8) | name[7]!) >>> 0
    const port = (name[2]! << 8) | name[3]!
    if (address !== socket.sourceAddress || port !== socket.sourcePort) {
      socket.sourceAddress = address
      socket.sourcePort = port
      socket.source = { address: `${name[4]}.${name[5]}.${name[6]}.${name[7]}`, port }
    }
    const stamp = stamps[n]!
    const stamped = headerWords[(n * header.length + header.controlLength) / 4]! > 0 && stamp[3] === soTimestampNs
    const wallMs = stamped ? (stamp[4]! >>> 0) * 1000 + stamp[6]! / 1e6 : now + wallOffsetMs
    makeReady(n)
    const known = views[n]!
    known[length] ??= Buffer.from(memory, packetsAt[n]!, length)
    socket.receive(known[length], socket.source, Math.min(now, wallMs - wallOffsetMs), wallMs)
  }

  /** @returns whether there may be more */
  function read(socket: NativeSocket, now: number): boolean {
    const count = libc.recvmmsg(socket.descriptor, headers, packetsPerRead, messageDontWait, null)
    for (let n = 0; n < count; n++) deliver(socket, n, now)
    return count === packetsPerRead
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
      for (let more = true; more; ) {
        const count = libc.epollWait(set, events, eventsPerWait, 0)
        more = count === eventsPerWait
        for (let n = 0; n < count; n++) {
          const socket = sockets[eventWords.getUint32(n * eventLength + eventData, true)]
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
