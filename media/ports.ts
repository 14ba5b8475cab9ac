import { createSocket, type Socket } from 'node:dgram'
import { InfraFabricError } from '#kernel'

export interface PortPair {
  /** Even. */
  readonly port: number
  readonly rtp: Socket
  /** On `port + 1`. */
  readonly rtcp: Socket
}

/** Gives out pairs of UDP ports, even for RTP and the next for RTCP, walking around the range so that a port just freed rests. @see RFC 3550 §11 */
export class PortPool {
  readonly #address: string
  readonly #first: number
  readonly #count: number
  readonly #inUse = new Set<number>()
  #next = 0

  constructor(address: string, [min, max]: readonly [number, number]) {
    this.#address = address
    this.#first = min + (min % 2)
    this.#count = Math.max(0, Math.floor((max - this.#first + 1) / 2))
  }

  /** @throws {InfraFabricError} `conference.no-ports` when every pair is taken, by us or by others */
  async take(): Promise<PortPair> {
    for (let tried = 0; tried < this.#count; tried++) {
      const port = this.#first + 2 * this.#next
      this.#next = (this.#next + 1) % this.#count
      if (this.#inUse.has(port)) continue
      this.#inUse.add(port)
      const rtp = await bind(this.#address, port)
      const rtcp = rtp === null ? null : await bind(this.#address, port + 1)
      if (rtp !== null && rtcp !== null) return { port, rtp, rtcp }
      rtp?.close()
      this.#inUse.delete(port)
    }
    throw new InfraFabricError('conference.no-ports', `all ${this.#count} port pairs are taken`)
  }

  /** Whether a port of ours carries a leg: what comes from there has gone in a circle. */
  holds(port: number): boolean {
    return this.#inUse.has(port & ~1)
  }

  free({ port, rtp, rtcp }: PortPair): void {
    rtp.close()
    rtcp.close()
    this.#inUse.delete(port)
  }
}

/** A bound socket, or null when the port is not to be had. */
function bind(address: string, port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', lookup: literal })
    const failed = () => {
      socket.close()
      resolve(null)
    }
    socket.once('error', failed)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', failed).on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** Destinations are IPv4 addresses already: no name is ever looked up, and a packet leaves in the turn in which it is sent. */
function literal(address: string, _options: unknown, found: (error: null, address: string, family: number) => void): void {
  found(null, address, 4)
}
