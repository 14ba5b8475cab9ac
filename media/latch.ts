/**
 * Where a leg's packets may come from, and where ours go: symmetric RTP, without letting a stranger take the stream over.
 *
 * Rules: packets from the signalled address are always good while nothing else is latched, and win over a guess within the window. Another source is taken only
 * within the window after an offer or answer, and only after it has sent several valid packets of one stream in order. What is latched stays until the next
 * offer or answer; everything else is a stranger. While the signalled address is 0.0.0.0 or :: (on hold from the start) no other source is guessed.
 *
 * @see RFC 4961 (symmetric RTP), RFC 7362 §4, §5 (latching and its attacks)
 */
import { isUnspecified } from './udp/inet.ts'

export interface Endpoint {
  /** IPv4 or IPv6, in the form of {@link plainAddress}. */
  readonly address: string
  readonly port: number
}

/** Valid packets in a row from one source before it is believed. */
export const probation = 3

export class Latch {
  readonly #windowMs: number
  #signalled: Endpoint
  #openedMs: number
  #latched: Endpoint | null = null
  #candidate: { readonly source: Endpoint; readonly ssrc: number; lastSequence: number; count: number } | null = null

  constructor(signalled: Endpoint, windowMs: number, nowMs: number) {
    this.#signalled = signalled
    this.#windowMs = windowMs
    this.#openedMs = nowMs
  }

  /** A new offer or answer names where the peer receives; the same address as before changes nothing. */
  signal(endpoint: Endpoint, nowMs: number): void {
    if (same(endpoint, this.#signalled)) return
    this.#signalled = endpoint
    this.#openedMs = nowMs
    this.#latched = null
    this.#candidate = null
  }

  /** Where packets for the peer go. */
  get destination(): Endpoint {
    return this.#latched ?? this.#signalled
  }

  get latched(): boolean {
    return this.#latched !== null
  }

  /** Whether a valid RTP packet with a negotiated payload type from `source` belongs to the peer. */
  accept(source: Endpoint, ssrc: number, sequenceNumber: number, nowMs: number): boolean {
    if (this.#latched !== null && same(source, this.#latched)) return true
    const open = nowMs - this.#openedMs <= this.#windowMs
    if (same(source, this.#signalled) && (this.#latched === null || open)) {
      this.#latched = source
      return true
    }
    if (this.#latched !== null || !open || isUnspecified(this.#signalled.address)) return false
    return this.#probe(source, ssrc, sequenceNumber)
  }

  #probe(source: Endpoint, ssrc: number, sequenceNumber: number): boolean {
    const candidate = this.#candidate
    const follows =
      candidate !== null &&
      same(candidate.source, source) &&
      candidate.ssrc === ssrc &&
      sequenceNumber === ((candidate.lastSequence + 1) & 0xffff)
    if (!follows) {
      this.#candidate = { source, ssrc, lastSequence: sequenceNumber, count: 1 }
      return false
    }
    candidate.lastSequence = sequenceNumber
    if (++candidate.count < probation) return false
    this.#latched = source
    this.#candidate = null
    return true
  }

  /** Whether control packets may come from this address: the host that the stream comes from, whatever its port. */
  acceptsControl(source: Endpoint): boolean {
    return source.address === this.destination.address
  }
}

function same(a: Endpoint, b: Endpoint): boolean {
  return a === b || (a.port === b.port && a.address === b.address)
}
