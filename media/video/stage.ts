/**
 * The pictures of one conference: each viewer sees who speaks, and who speaks sees the one who spoke before. No sockets; time is an input.
 */
import { DecodeError, type PictureLimits } from '#kernel'
import { decodeRtp, emptyRtpHeader } from '../rtp/rtp.ts'
import { beginsKeyFrame } from './h264.ts'
import { pictureFor, ViewerSwitch } from './switch.ts'

/** Largest packet that is forwarded: what fits an Ethernet frame, and some more. */
const largestPacket = 2048

export interface Camera {
  /** Asks for a key frame. */
  readonly askKeyFrame: () => void
  /** Of its pictures, at most: who takes less does not see it. Absent where all that is filmed here fits everybody. */
  readonly macroblocks?: number
}

export interface Screen {
  readonly ssrc: number
  readonly payloadType: number
  readonly sequence: number
  readonly timestamp: number
  /** Takes a packet, which is written again at once. */
  readonly send: (packet: Buffer) => void
}

export type StageEvent =
  /** Who watches, or what a viewer can be sent, has changed. */
  | { readonly type: 'screens' }
  /** A viewer has told what came (RFC 3550 §6.4.1): `highest` is the last 16 bits of the highest sequence number. */
  | { readonly type: 'report'; readonly participant: string; readonly highest: number }

interface Seat {
  /** Whom the participant wants to see; null for whoever speaks. */
  wanted: number | null
  camera: Camera | null
  limits: PictureLimits | null
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
  readonly #listeners = new Set<(event: StageEvent) => void>()

  #seat(participant: string): { readonly number: number; readonly seat: Seat } {
    let number = this.#numbers.get(participant)
    if (number === undefined) {
      number = this.#next++
      this.#numbers.set(participant, number)
      this.#seats.set(number, { wanted: null, camera: null, limits: null, screen: null })
    }
    return { number, seat: this.#seats.get(number)! }
  }

  /**
   * Shows a participant's picture from now on, or no longer.
   *
   * @param camera null for no longer
   * @param isForAll false for a picture that only those see for whom it is chosen
   */
  film(participant: string, camera: Camera | null, nowMs: number, isForAll = true): void {
    const { number, seat } = this.#seat(participant)
    seat.camera = camera
    if (camera === null) this.#unseen(number)
    else if (isForAll && !this.#recent.includes(number)) this.#recent.push(number)
    this.#choose(nowMs)
  }

  /** Gives a participant pictures from now on, or no longer. @param screen null for no longer */
  watch(participant: string, screen: Screen | null, nowMs: number): void {
    const { seat } = this.#seat(participant)
    const output = { askKeyFrame: (source: number) => this.#seats.get(source)?.camera?.askKeyFrame() }
    seat.screen = screen === null ? null : { send: screen.send, picture: new ViewerSwitch(screen, beginsKeyFrame, output) }
    this.#choose(nowMs)
    this.#tell({ type: 'screens' })
  }

  /** What a participant can be sent; null for all that comes. */
  limit(participant: string, limits: PictureLimits | null, nowMs: number): void {
    this.#seat(participant).seat.limits = limits
    this.#choose(nowMs)
    this.#tell({ type: 'screens' })
  }

  /** A viewer has told what came. @param highest of the stream that it is sent */
  reported(participant: string, highest: number): void {
    this.#tell({ type: 'report', participant, highest: highest & 0xffff })
  }

  /** Who watches, and what each can be sent. */
  screens(): readonly { readonly participant: string; readonly limits: PictureLimits | null }[] {
    return [...this.#numbers].flatMap(([participant, number]) => {
      const { screen, limits } = this.#seats.get(number)!
      return screen === null ? [] : [{ participant, limits }]
    })
  }

  /** @returns ends the telling */
  onEvent(listener: (event: StageEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #tell(event: StageEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  leave(participant: string, nowMs: number): void {
    const number = this.#numbers.get(participant)
    if (number === undefined) return
    const hadScreen = this.#seats.get(number)!.screen !== null
    this.#numbers.delete(participant)
    this.#seats.delete(number)
    this.#unseen(number)
    this.#choose(nowMs)
    if (hadScreen) this.#tell({ type: 'screens' })
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

  /** A participant is sent nothing more of what it sees, until something is chosen for it. */
  blank(participant: string): void {
    const picture = this.#screenOf(participant)?.picture
    if (picture != null && picture.shown !== null) picture.gone(picture.shown)
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
    for (const [viewer, { screen, wanted, limits }] of this.#seats) {
      if (screen === null) continue
      const isFit = (source: number | null): boolean => {
        const camera = source === null ? null : (this.#seats.get(source)?.camera ?? null)
        return camera !== null && (camera.macroblocks ?? 0) <= (limits?.macroblocks ?? Number.POSITIVE_INFINITY)
      }
      const chosen = [wanted, this.#broadcast].find((source) => source !== viewer && isFit(source))
      screen.picture.want(chosen ?? pictureFor(viewer, this.#recent.filter(isFit)), nowMs)
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

  /** Sequence number of the last packet that a participant was sent; null for one who does not watch. */
  sentTo(participant: string): number | null {
    return this.#screenOf(participant)?.picture.sequence ?? null
  }

  #screenOf(participant: string): Seat['screen'] {
    const number = this.#numbers.get(participant)
    return number === undefined ? null : this.#seats.get(number)!.screen
  }
}
