import { InfraFabricError } from '#kernel'
import type { Receive, Refused, UdpLayer, UdpSocket } from './udp/udp.ts'

export interface PortPair {
  /** Even. */
  readonly port: number
  /** Which pair of the range it is, from 0. */
  readonly index: number
  readonly rtp: UdpSocket
  /** On `port + 1`. */
  readonly rtcp: UdpSocket
}

/** Words of shared memory: where to look next, then for each pair who has it (0: nobody) and its two file descriptors. */
const headWords = 1
const wordsPerPair = 3

/** What threads know together of a range of ports. */
export interface PortRange {
  readonly first: number
  readonly count: number
  readonly shared: Int32Array
}

/** @param range both ports belong to it; only whole pairs are used */
export function sharePorts([min, max]: readonly [number, number]): PortRange {
  const first = min + (min % 2)
  const count = Math.max(0, Math.floor((max - first + 1) / 2))
  const shared = new Int32Array(new SharedArrayBuffer(4 * (headWords + wordsPerPair * count)))
  return { first, count, shared }
}

const ownerAt = (index: number) => headWords + wordsPerPair * index

/** Gives back what a lost thread held. @param close closes a file descriptor */
export function reclaimPorts({ count, shared }: PortRange, owner: number, close: (descriptor: number) => void): void {
  for (let index = 0; index < count; index++) {
    const at = ownerAt(index)
    if (Atomics.load(shared, at) !== owner) continue
    for (const word of [at + 1, at + 2]) {
      const descriptor = Atomics.exchange(shared, word, 0)
      if (descriptor > 0) close(descriptor)
    }
    Atomics.store(shared, at, 0)
  }
}

/**
 * Gives out pairs of UDP ports, even for RTP and the next for RTCP, walking around the range so that a port just freed rests. Threads share one range.
 *
 * @see RFC 3550 §11
 */
export class PortPool {
  readonly #udp: UdpLayer
  readonly #range: PortRange
  readonly #owner: number

  /** @param owner of this thread alone, from 1 on */
  constructor(udp: UdpLayer, range: PortRange, owner: number) {
    this.#udp = udp
    this.#range = range
    this.#owner = owner
  }

  /**
   * @param address on which the ports are opened
   * @param told of packets that were to leave from the RTP port and did not
   * @throws {InfraFabricError} `conference.no-ports` when every pair is taken, by us or by others
   */
  async take(address: string, receiveRtp: Receive, receiveRtcp: Receive, told?: Refused): Promise<PortPair> {
    const { first, count, shared } = this.#range
    let refused = 0
    for (let tried = 0; tried < count; tried++) {
      const index = (Atomics.add(shared, 0, 1) >>> 0) % count
      const port = first + 2 * index
      const at = ownerAt(index)
      if (Atomics.compareExchange(shared, at, 0, this.#owner) !== 0) continue
      const rtp = await this.#udp.open(address, port, receiveRtp, told)
      if (rtp !== null) Atomics.store(shared, at + 1, Math.max(0, rtp.descriptor))
      const rtcp = rtp === null ? null : await this.#udp.open(address, port + 1, receiveRtcp)
      if (rtcp !== null) Atomics.store(shared, at + 2, Math.max(0, rtcp.descriptor))
      if (rtp !== null && rtcp !== null) return { port, index, rtp, rtcp }
      this.#release(index, rtp, rtcp)
      refused++
    }
    const opened = `${count - refused} of ${count} port pairs carry calls`
    const why =
      refused === 0 ? '' : '; the others are another program’s, or this one has as many files open as it may (ulimit -n)'
    throw new InfraFabricError('conference.no-ports', opened + why)
  }

  /** Whether a port carries a leg of any thread: what comes from there has gone in a circle. */
  holds(port: number): boolean {
    const { first, count, shared } = this.#range
    const index = (port - first) >> 1
    return index >= 0 && index < count && Atomics.load(shared, ownerAt(index)) !== 0
  }

  free({ index, rtp, rtcp }: PortPair): void {
    this.#release(index, rtp, rtcp)
  }

  /** The descriptors leave the shared memory before they are closed: the kernel may give their numbers out again at once. */
  #release(index: number, rtp: UdpSocket | null, rtcp: UdpSocket | null): void {
    const { shared } = this.#range
    const at = ownerAt(index)
    Atomics.store(shared, at + 1, 0)
    Atomics.store(shared, at + 2, 0)
    rtp?.close()
    rtcp?.close()
    Atomics.store(shared, at, 0)
  }
}
