/** UDP by `node:dgram`: for systems where the C library cannot be called. A packet costs about twice as much as with {@link nativeUdp}. */
import { createSocket, type Socket } from 'node:dgram'
import type { Endpoint } from '../latch.ts'
import { familyOf, plainAddress } from './inet.ts'
import { largestPacket, type Receive, type UdpLayer, type UdpSocket } from './udp.ts'

/** Packets of one socket on their way to the kernel at once: a buffer is not written again while it may still be read. */
const packetsInFlight = 8

/** A send that fails (an unreachable port, a full queue) is the network's business: the stream goes on. */
function ignore(): void {}

/** Destinations are addresses already: no name is ever looked up, and a packet leaves in the turn in which it is sent. */
function literal(address: string, _options: unknown, found: (error: null, address: string, family: number) => void): void {
  found(null, address, familyOf(address))
}

class NodeSocket implements UdpSocket {
  readonly descriptor = -1
  readonly port: number
  readonly #socket: Socket
  readonly #packets = Array.from({ length: packetsInFlight }, () => Buffer.alloc(largestPacket))
  #next = 0
  #closed = false

  constructor(socket: Socket, receive: Receive) {
    this.#socket = socket
    this.port = socket.address().port
    let source: Endpoint = { address: '', port: -1 }
    let written = ''
    socket.on('error', ignore).on('message', (packet, from) => {
      if (from.port !== source.port || from.address !== written) {
        written = from.address
        source = { address: plainAddress(written.split('%', 1)[0]!), port: from.port }
      }
      receive(packet, source, performance.now(), Date.now())
    })
  }

  send(packet: Buffer, length: number, to: Endpoint): boolean {
    if (this.#closed || to.port === 0) return false
    const copy = this.#packets[this.#next]!
    this.#next = (this.#next + 1) % packetsInFlight
    packet.copy(copy, 0, 0, length)
    this.#socket.send(copy, 0, length, to.port, to.address, ignore)
    return true
  }

  /** What was sent in this turn still leaves. */
  /** Packets are handed over as they come. */
  turn(): void {}

  close(): void {
    if (this.#closed) return
    this.#closed = true
    setImmediate(() => this.#socket.close())
  }
}

export function nodeUdp(): UdpLayer {
  return {
    name: 'node',
    descriptor: -1,
    open: (address, port, receive) =>
      new Promise((resolve) => {
        const six = familyOf(address) === 6
        const socket = createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six, lookup: literal })
        const failed = () => {
          socket.close()
          resolve(null)
        }
        socket.once('error', failed)
        socket.bind({ address, port, exclusive: true }, () => {
          socket.off('error', failed)
          resolve(new NodeSocket(socket, receive))
        })
      }),
    poll: () => undefined,
    turn: () => undefined,
    flush: () => undefined,
    close: () => undefined
  }
}
