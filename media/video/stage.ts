/**
 * The pictures of one conference: each viewer sees who speaks, and who speaks sees the one who spoke before. No sockets; time is an input.
 */
import { DecodeError } from '#kernel'
import { decodeRtp, emptyRtpHeader } from '../rtp/rtp.ts'
import { beginsKeyFrame } from './h264.ts'
import { pictureFor, ViewerSwitch } from './switch.ts'

/** Largest packet that is forwarded: what fits an Ethernet frame, and some more. */
const largestPacket = 2048

export interface Camera {
  /** Asks for a key frame. */
  readonly askKeyFrame: () => void
}

export interface Screen {
  readonly ssrc: number
  readonly payloadType: number
  readonly sequence: number
  readonly timestamp: number
  /** Takes a packet, which is written again at once. */
  readonly send: (packet: Buffer) => void
}

interface Seat {
  /** Whom the participant wants to see; null for whoever speaks. */
  wanted: number | null
  camera: Camera | null
  screen: { readonly send: (packet: Buffer) => void; readonly picture: ViewerSwitch } | null
}

export class Stage {
  readonly #seats = new Map<number, Seat>()
  readonly #numbers = new Map<string, number>()
  /** Those who are seen, the latest to speak first. */
  #recent: number[] = []
  /** Whom all see; null for whoever speaks. */
  #broadcast: number | null = null
  #next = 1
  readonly #header = emptyRtpHeader()
  readonly #out = Buffer.alloc(largestPacket)

  #seat(participant: string): { readonly number: number; readonly seat: Seat } {
    let number = this.#numbers.get(participant)
    if (number === undefined) {
      number = this.#next++
      this.#numbers.set(participant, number)
      this.#seats.set(number, { wanted: null, camera: null, screen: null })
    }
    return { number, seat: this.#seats.get(number)! }
  }

  /** Shows a participant's picture from now on, or no longer. @param camera null for no longer */
  film(participant: string, camera: Camera | null, nowMs: number): void {
    const { number, seat } = this.#seat(participant)
    seat.camera = camera
    if (camera === null) this.#unseen(number)
    else if (!this.#recent.includes(number)) this.#recent.push(number)
    this.#choose(nowMs)
  }

  /** Gives a participant pictures from now on, or no longer. @param screen null for no longer */
  watch(participant: string, screen: Screen | null, nowMs: number): void {
    const { seat } = this.#seat(participant)
    const output = { askKeyFrame: (source: number) => this.#seats.get(source)?.camera?.askKeyFrame() }
    seat.screen = screen === null ? null : { send: screen.send, picture: new ViewerSwitch(screen, beginsKeyFrame, output) }
    this.#choose(nowMs)
  }

  leave(participant: string, nowMs: number): void {
    const number = this.#numbers.get(participant)
    if (number === undefined) return
    this.#numbers.delete(participant)
    this.#seats.delete(number)
    this.#unseen(number)
    this.#choose(nowMs)
  }

  /**
   * Whom a participant sees from now on, for as long as that one shows its picture.
   *
   * @param viewer null for all; what one has chosen itself comes before
   * @param source null for whoever speaks
   */
  choose(viewer: string | null, source: string | null, nowMs: number): void {
    const number = source === null ? null : (this.#numbers.get(source) ?? null)
    if (viewer === null) this.#broadcast = number
    else this.#seat(viewer).seat.wanted = number
    this.#choose(nowMs)
  }

  #unseen(number: number): void {
    this.#recent = this.#recent.filter((other) => other !== number)
    for (const { screen } of this.#seats.values()) screen?.picture.gone(number)
  }

  /** The participant leads the talk. One who is not seen changes nothing. */
  speaks(participant: string, nowMs: number): void {
    const number = this.#numbers.get(participant)
    if (number === undefined || !this.#recent.includes(number)) return
    this.#recent = [number, ...this.#recent.filter((other) => other !== number)]
    this.#choose(nowMs)
  }

  #choose(nowMs: number): void {
    for (const [viewer, { screen, wanted }] of this.#seats) {
      const chosen = [wanted, this.#broadcast].find(
        (source) => source !== null && source !== viewer && this.#recent.includes(source)
      )
      screen?.picture.want(chosen ?? pictureFor(viewer, this.#recent), nowMs)
    }
  }

  /** Takes a packet of a participant's picture. @returns whether it is RTP */
  packet(participant: string, packet: Buffer, nowMs: number): boolean {
    const number = this.#numbers.get(participant)
    if (number === undefined) return true
    try {
      decodeRtp(packet, this.#header)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return false
    }
    if (this.#header.payloadEnd === this.#header.payloadStart) return true
    for (const { screen } of this.#seats.values()) {
      const octets = screen === null ? 0 : screen.picture.forward(number, packet, this.#header, nowMs, this.#out)
      if (octets > 0) screen!.send(this.#out.subarray(0, octets))
    }
    return true
  }

  /** A viewer has lost its picture. */
  refresh(participant: string, nowMs: number): void {
    this.#screenOf(participant)?.picture.refresh(nowMs)
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    for (const { screen } of this.#seats.values()) screen?.picture.tick(nowMs)
  }

  /** Whose picture a participant sees; null for nobody's. */
  shownTo(participant: string): string | null {
    const shown = this.#screenOf(participant)?.picture.shown ?? null
    for (const [name, number] of this.#numbers) if (number === shown) return name
    return null
  }

  #screenOf(participant: string): Seat['screen'] {
    const number = this.#numbers.get(participant)
    return number === undefined ? null : this.#seats.get(number)!.screen
  }
}
