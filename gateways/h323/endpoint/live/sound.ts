/** The sound of a call: opened once in its place, given what was agreed on, closed with the call. */
import { type CallContext, errorCode, type LegEvent } from '#kernel'
import { causes } from '../../call/causes.ts'
import type { MediaTerms } from '../../control/media.ts'
import type { CallMedia, MediaPlace, OpenMedia } from '../endpoint.ts'

export interface SoundPorts {
  readonly context: CallContext
  readonly open: OpenMedia
  /** Terms that the plane is given now. */
  readonly agreed: (terms: MediaTerms) => void
  readonly digit: (digit: string, durationMs: number | null) => void
  /** The call cannot go on. @param cause Q.850 */
  readonly failed: (cause: number) => void
}

export class CallSound {
  readonly #ports: SoundPorts
  #opening: Promise<CallMedia | null> | null = null
  #media: CallMedia | null = null
  #place: MediaPlace | null = null
  #lastTerms: MediaTerms | null = null
  #isClosed = false

  constructor(ports: SoundPorts) {
    this.#ports = ports
  }

  get place(): MediaPlace | null {
    return this.#place
  }

  /** The first place counts. @returns null when there is no sound, or the call ended meanwhile */
  open(place: MediaPlace): Promise<CallMedia | null> {
    this.#opening ??= this.#join(place)
    return this.#opening
  }

  async #join(place: MediaPlace): Promise<CallMedia | null> {
    const { context, open } = this.#ports
    this.#place = place
    let opened: Awaited<ReturnType<OpenMedia>>
    try {
      opened = await open(context, place)
    } catch (error) {
      context.log.error({ code: errorCode(error) }, 'no media')
      return null
    }
    if (!opened.ok) {
      context.log.info({ code: opened.code }, 'no media')
      return null
    }
    const { media } = opened
    if (this.#isClosed) {
      await media.close()
      return null
    }
    this.#media = media
    media.onEvent((event) => this.#happened(event))
    return media
  }

  #happened(event: LegEvent): void {
    if (this.#isClosed) return
    if (event.type === 'dtmf') this.#ports.digit(event.digit, event.durationMs)
    if (event.type === 'failed' || event.type === 'mediaTimeout') this.#ports.failed(causes.temporaryFailure)
  }

  /** @param terms null pauses the last ones */
  agree(terms: MediaTerms | null): void {
    const last = this.#lastTerms
    const next = terms ?? (last === null ? null : { ...last, sends: false, receives: false })
    if (next === null || this.#media === null) return
    this.#lastTerms = next
    const { agreed, failed, context } = this.#ports
    agreed(next)
    this.#media.apply(next).then(
      (applied) => {
        if (applied.ok) return
        context.log.warn({ code: applied.code }, 'the media plane refused what was agreed on')
        failed(causes.incompatible)
      },
      (error: unknown) => {
        context.log.error({ code: errorCode(error) }, 'media plane')
        failed(causes.temporaryFailure)
      }
    )
  }

  /**
   * Sends a digit as telephone-event. The plane has one number for both ways, so the peer's must be ours.
   *
   * @param eventPayloadType what the peer takes; null for nothing
   * @returns false where it has to go another way
   */
  sendDigit(digit: string, durationMs: number, eventPayloadType: number | null): boolean {
    const media = this.#media
    if (media?.sendDigit === undefined || eventPayloadType === null) return false
    if (eventPayloadType !== media.local.eventPayloadType) return false
    media.sendDigit(digit, durationMs)
    return true
  }

  /** Nothing is told any more. */
  mute(): void {
    this.#isClosed = true
  }

  async close(): Promise<void> {
    this.mute()
    await this.#media?.close().catch(() => null)
  }
}
