/**
 * One viewer's picture, out of the streams of those who share theirs: goes over to another stream where that one begins a key frame, and is one stream for
 * the viewer throughout. Nothing is decoded. No sockets, no clock.
 *
 * @see RFC 7667 §3.7 (a mixer that switches media), RFC 3550 §7.3
 */
import { encodeRtp, type RtpHeader, rtpHeaderLength, sequenceDistance } from '../rtp/rtp.ts'

/** RTP clock of video. @see RFC 6184 §5.1 */
export const videoClockHz = 90_000

/** Between two requests for the same key frame: a camera needs some time for one, and each costs everybody a burst. */
const askAgainMs = 500

export interface ViewerOutput {
  /** Asks a source for a key frame (PLI or FIR). */
  readonly askKeyFrame: (source: number) => void
}

export class ViewerSwitch {
  readonly #ssrc: number
  readonly #payloadType: number
  readonly #beginsKeyFrame: (packet: Uint8Array, start: number, end: number) => boolean
  readonly #output: ViewerOutput
  #wanted: number | null = null
  #shown: number | null = null
  #askedMs = Number.NEGATIVE_INFINITY
  /** Added to the source's sequence numbers and timestamps. */
  #sequenceOffset = 0
  #timestampOffset = 0
  /** Of the shown source: where the viewer came in. */
  #firstSequence = 0
  /** Highest that went out. */
  #sequence: number
  #timestamp: number
  #sentMs = Number.NaN

  /** @param beginsKeyFrame of the codec that all sources share */
  constructor(
    stream: { readonly ssrc: number; readonly payloadType: number; readonly sequence: number; readonly timestamp: number },
    beginsKeyFrame: (packet: Uint8Array, start: number, end: number) => boolean,
    output: ViewerOutput
  ) {
    this.#ssrc = stream.ssrc
    this.#payloadType = stream.payloadType
    this.#sequence = stream.sequence
    this.#timestamp = stream.timestamp
    this.#beginsKeyFrame = beginsKeyFrame
    this.#output = output
  }

  /** Whose picture is seen now; null before the first. */
  get shown(): number | null {
    return this.#shown
  }

  /** Highest sequence number that went out. */
  get sequence(): number {
    return this.#sequence
  }

  /** Whose picture is to be seen; null keeps what is there. Until its key frame comes, the one before goes on. */
  want(source: number | null, nowMs: number): void {
    if (source === this.#wanted) return
    this.#wanted = source
    if (source !== null && source !== this.#shown) this.#ask(source, nowMs)
  }

  /** A source has ended. */
  gone(source: number): void {
    if (this.#wanted === source) this.#wanted = null
    if (this.#shown === source) this.#shown = null
  }

  /** The viewer has lost its picture (PLI or FIR). */
  refresh(nowMs: number): void {
    const source = this.#wanted ?? this.#shown
    if (source !== null && nowMs - this.#askedMs >= askAgainMs) this.#ask(source, nowMs)
  }

  /** To be called now and then: asks once more for a key frame that does not come. */
  tick(nowMs: number): void {
    if (this.#wanted !== null && this.#wanted !== this.#shown) this.refresh(nowMs)
  }

  #ask(source: number, nowMs: number): void {
    this.#askedMs = nowMs
    this.#output.askKeyFrame(source)
  }

  /**
   * Takes a packet of a source.
   *
   * @param header of the packet, read
   * @param out room for the header and the payload
   * @returns octets written, 0 when the viewer does not get this packet
   */
  forward(source: number, packet: Uint8Array, header: RtpHeader, nowMs: number, out: Buffer): number {
    const { sequenceNumber, timestamp, payloadStart, payloadEnd, marker } = header
    if (source === this.#wanted && source !== this.#shown && this.#beginsKeyFrame(packet, payloadStart, payloadEnd)) {
      this.#shown = source
      this.#firstSequence = sequenceNumber
      this.#sequenceOffset = this.#sequence + 1 - sequenceNumber
      this.#timestampOffset = this.#timestamp + this.#elapsed(nowMs) - timestamp
    }
    if (source !== this.#shown || sequenceDistance(sequenceNumber, this.#firstSequence) < 0) return 0
    const octets = payloadEnd - payloadStart
    if (rtpHeaderLength + octets > out.length) return 0
    const sequence = (sequenceNumber + this.#sequenceOffset) & 0xffff
    const at = (timestamp + this.#timestampOffset) >>> 0
    encodeRtp(out, marker, this.#payloadType, sequence, at, this.#ssrc)
    out.set(packet.subarray(payloadStart, payloadEnd), rtpHeaderLength)
    if (sequenceDistance(sequence, this.#sequence) > 0) {
      this.#sequence = sequence
      this.#timestamp = at
      this.#sentMs = nowMs
      // a window of half the numbers: what came in long ago is far behind, not far ahead
      if (sequenceDistance(sequenceNumber, this.#firstSequence) > 0x4000) this.#firstSequence = (sequenceNumber - 0x2000) & 0xffff
    }
    return rtpHeaderLength + octets
  }

  /** Units of the clock since the last packet, at least one. */
  #elapsed(nowMs: number): number {
    return Number.isNaN(this.#sentMs) ? 0 : Math.max(1, Math.round(((nowMs - this.#sentMs) * videoClockHz) / 1000))
  }

  /** The source's own number of a packet that the viewer misses (NACK); null when it is not of the source that is shown. */
  sourceSequence(sequence: number): number | null {
    const sequenceNumber = (sequence - this.#sequenceOffset) & 0xffff
    const shown = this.#shown !== null && sequenceDistance(sequenceNumber, this.#firstSequence) >= 0
    return shown && sequenceDistance(sequence, this.#sequence) <= 0 ? sequenceNumber : null
  }
}

/**
 * Whose picture a viewer sees: that of the one who speaks; who speaks sees the one who spoke before.
 *
 * @param recent those who share their picture, the latest to speak first
 */
export function pictureFor(viewer: number, recent: readonly number[]): number | null {
  return recent.find((source) => source !== viewer) ?? null
}
