/**
 * UDP as the media thread sees it: packets are handed over when it asks, and go out without waiting.
 */
import type { Endpoint } from '../latch.ts'

/**
 * Takes one packet. `packet` is only lent; `source` is the same object as long as the packets of a socket come from the same place.
 *
 * @param arrivedMs monotonic, on the scale of `performance.now()` of this thread
 * @param wallMs since 1970
 */
export type Receive = (packet: Buffer, source: Endpoint, arrivedMs: number, wallMs: number) => void

/** Told of a packet that was gathered and that the kernel then would not take: what its sender gave as `payload`. */
export type Refused = (payload: number) => void

export interface UdpSocket {
  readonly port: number
  /** File descriptor, for whoever has to close it when the thread is lost; −1 where the runtime does so itself. */
  readonly descriptor: number
  /**
   * Sends the first `length` octets of `packet`, which may be written again at once: with what else is gathered, as soon as
   * that is enough, the first of it has waited for half a millisecond, or {@link UdpLayer.flush} says so.
   *
   * @param payload told to the socket's {@link Refused} when the kernel had no room or would not (EAGAIN, ENOBUFS, EPERM, …): the packet is lost, the stream goes
   * on. Default 0: nobody is told
   * @returns false when it is known at once that the packet cannot leave
   */
  readonly send: (packet: Buffer, length: number, to: Endpoint, payload?: number) => boolean
  /**
   * Its turn has come: to be called in each frame for a socket in which a packet is expected in each. Hands over what has arrived, unless the layer still looks
   * for it by `poll`.
   *
   * @param missed turns that did not come, so that more may wait. Default 0
   */
  readonly turn: (missed?: number) => void
  /** Idempotent. */
  readonly close: () => void
}

export interface UdpLayer {
  /** What carries packets: system calls of our own, with `io_uring` for those that leave, or the runtime. */
  readonly name: 'io_uring' | 'native' | 'node'
  /** File descriptor of the set of sockets, −1 where there is none. */
  readonly descriptor: number
  /** @param address IPv4 or IPv6 of this machine. @returns null when the port is not to be had */
  readonly open: (address: string, port: number, receive: Receive, refused?: Refused) => Promise<UdpSocket | null>
  /** Hands over what has arrived, for `budgetMs` at most; what is left waits in the kernel. What was gathered, and what is sent in answer, leaves. */
  readonly poll: (budgetMs: number) => void
  /** The turn of several sockets of this layer: {@link UdpSocket.turn}. */
  readonly turn: (sockets: readonly UdpSocket[], missed?: number) => void
  /** Sends what was gathered: to be called at the end of a turn in which packets were sent, and before one in which for long none will be. */
  readonly flush: () => void
  /** Idempotent. Sockets that are open stay so. */
  readonly close: () => void
}

/** Octets of a packet at most; longer ones are cut off by the kernel and count as malformed. */
export const largestPacket = 2048
