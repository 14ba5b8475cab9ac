import { DecodeError } from '#kernel'
import { timestampDistance } from './rtp.ts'

export interface TelephoneEvent {
  /** 0–9, 10 `*`, 11 `#`, 12–15 A–D; others are no DTMF. */
  event: number
  end: boolean
  /** −dBm0, 0–63. */
  volume: number
  /** RTP timestamp units since the event began. */
  duration: number
}

/** DTMF digits by event code. @see RFC 4733 §3.2 */
const digits = '0123456789*#ABCD'

/**
 * Reads one telephone-event payload into `out`, allocating nothing.
 *
 *     |     event     |E|R| volume    |          duration             |
 *
 * @param payload the RTP payload from `start` on, at least 4 octets.
 * @throws {DecodeError} `rtp.telephone-event.short`
 * @see RFC 4733 §2.3
 */
export function decodeTelephoneEvent(packet: Buffer, start: number, end: number, out: TelephoneEvent): void {
  if (end - start < 4) {
    throw new DecodeError('rtp.telephone-event.short', 'a telephone-event has 4 octets', {
      path: 'rtp.telephone-event',
      bitOffset: start * 8
    })
  }
  out.event = packet[start]!
  out.end = (packet[start + 1]! & 0x80) !== 0
  out.volume = packet[start + 1]! & 0x3f
  out.duration = packet.readUInt16BE(start + 2)
}

/** Writes one telephone-event payload at `at`. @returns octets written, always 4 */
export function encodeTelephoneEvent(event: TelephoneEvent, packet: Buffer, at: number): number {
  packet[at] = event.event
  packet[at + 1] = (event.end ? 0x80 : 0) | event.volume
  packet.writeUInt16BE(event.duration, at + 2)
  return 4
}

export function eventOfDigit(digit: string): number {
  return digit.length === 1 ? digits.indexOf(digit.toUpperCase()) : -1
}

/** Longest duration a packet can tell: a longer event goes on as a segment of its own, with a new timestamp. @see RFC 4733 §2.5.1.3 */
export const longestSegment = 0xffff

/** Longest pause within one event after which it counts as ended although its end was lost, in milliseconds: three packet intervals and some. */
const lostEndMs = 150

/**
 * Turns the packets of telephone-events into digits: each once, however often its end is repeated, and also when every end packet is lost.
 *
 * A long event in several segments is one digit.
 *
 * @see RFC 4733 §2.5.1.3, §2.5.1.4, §2.5.2.2
 */
export class DigitCollector {
  readonly #clockRateHz: number
  readonly #tell: (digit: string, durationMs: number) => void
  #timestamp: number | null = null
  #event = -1
  #duration = 0
  #segmentsBefore = 0
  #lastMs = 0
  #told = true

  constructor(clockRateHz: number, tell: (digit: string, durationMs: number) => void) {
    this.#clockRateHz = clockRateHz
    this.#tell = tell
  }

  /** @param timestamp RTP timestamp of the packet: that of the beginning of the event, the same in all its packets. */
  receive(event: TelephoneEvent, timestamp: number, nowMs: number): void {
    const ahead = this.#timestamp === null ? null : timestampDistance(timestamp, this.#timestamp)
    if (ahead !== null && ahead < 0 && ahead >= -longestSegment) return
    if (ahead === longestSegment && event.event === this.#event && !this.#told) {
      this.#timestamp = timestamp
      this.#segmentsBefore += longestSegment
      this.#duration = 0
    } else if (ahead !== 0 || event.event !== this.#event) {
      this.#finish()
      this.#segmentsBefore = 0
      this.#timestamp = timestamp
      this.#event = event.event
      this.#duration = 0
      this.#told = digits[event.event] === undefined
    }
    this.#duration = Math.max(this.#duration, event.duration)
    this.#lastMs = nowMs
    if (event.end) this.#finish()
  }

  /** Whether no digit is on its way. */
  get idle(): boolean {
    return this.#told
  }

  /** To be called now and then: ends an event whose end was lost. */
  tick(nowMs: number): void {
    if (!this.#told && nowMs - this.#lastMs > lostEndMs) this.#finish()
  }

  /** Ends the event that is on: the sender has begun a new stream. */
  reset(): void {
    this.#finish()
    this.#timestamp = null
  }

  #finish(): void {
    if (this.#told) return
    this.#told = true
    this.#tell(digits[this.#event]!, Math.round(((this.#segmentsBefore + this.#duration) * 1000) / this.#clockRateHz))
  }
}
