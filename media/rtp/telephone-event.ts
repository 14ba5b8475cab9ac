import { DecodeError } from '#kernel'

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

/** Longest pause within one event after which it counts as ended although its end was lost, in milliseconds: three packet intervals and some. */
const lostEndMs = 150

/**
 * Turns the packets of telephone-events into digits: each once, however often its end is repeated, and also when every end packet is lost.
 *
 * @see RFC 4733 §2.5.1.4, §2.5.2.2
 */
export class DigitCollector {
  readonly #clockRateHz: number
  readonly #tell: (digit: string, durationMs: number) => void
  #timestamp = -1
  #event = -1
  #duration = 0
  #lastMs = 0
  #told = true

  constructor(clockRateHz: number, tell: (digit: string, durationMs: number) => void) {
    this.#clockRateHz = clockRateHz
    this.#tell = tell
  }

  /** @param timestamp RTP timestamp of the packet: that of the beginning of the event, the same in all its packets. */
  receive(event: TelephoneEvent, timestamp: number, nowMs: number): void {
    if (timestamp !== this.#timestamp || event.event !== this.#event) {
      this.#finish()
      this.#timestamp = timestamp
      this.#event = event.event
      this.#duration = 0
      this.#told = digits[event.event] === undefined
    }
    this.#duration = Math.max(this.#duration, event.duration)
    this.#lastMs = nowMs
    if (event.end) this.#finish()
  }

  /** To be called now and then: ends an event whose end was lost. */
  tick(nowMs: number): void {
    if (!this.#told && nowMs - this.#lastMs > lostEndMs) this.#finish()
  }

  #finish(): void {
    if (this.#told) return
    this.#told = true
    this.#tell(digits[this.#event]!, Math.round((this.#duration * 1000) / this.#clockRateHz))
  }
}
