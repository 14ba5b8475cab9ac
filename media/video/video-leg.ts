/** A telephone's leg with a picture beside its sound. */
import type { ConferenceLeg, LegStats, MediaRefusal } from '#kernel'
import type { PlainVideo } from './plain-video.ts'
import { answerVideo, isEncrypted, readVideo, withVersion } from './sdp-video.ts'

export class VideoLeg implements ConferenceLeg {
  readonly #inner: ConferenceLeg
  readonly #open: () => Promise<PlainVideo | null>
  #video: PlainVideo | null = null
  #sdp = ''
  #version = 0

  /** @param open opens the ports for video when they are needed; null when none are free */
  constructor(inner: ConferenceLeg, open: () => Promise<PlainVideo | null>) {
    this.#inner = inner
    this.#open = open
    inner.onEvent((event) => {
      if (event.type === 'failed') this.#close()
    })
  }

  /** The answer for sound and picture, from that for sound. */
  async answer(offer: string, sound: string): Promise<string> {
    const terms = isEncrypted(sound) ? null : readVideo(offer)
    if (terms !== null) this.#video ??= await this.#open()
    if (terms === null) this.#close()
    const video = this.#video
    if (terms !== null && video !== null) video.agree(terms)
    const sdp = terms === null || video === null ? sound : answerVideo(sound, terms, video.port, video.source)
    if (withVersion(sdp, this.#version) !== this.#sdp) this.#version++
    this.#sdp = withVersion(sdp, this.#version)
    return this.#sdp
  }

  #close(): void {
    this.#video?.close()
    this.#video = null
  }

  /** Shows the picture to others, or no longer, as the role of the participant is. */
  show(): void {
    this.#video?.show()
  }

  readonly codec = () => this.#inner.codec()
  readonly localSdp = () => this.#sdp

  readonly offered = async (sdp: string): Promise<{ ok: true; sdp: string; held: boolean } | MediaRefusal> => {
    const sound = await this.#inner.offered(sdp)
    return sound.ok ? { ...sound, sdp: await this.answer(sdp, sound.sdp) } : sound
  }

  /** Offers of ours are of sound alone. */
  readonly answered = (sdp: string) => this.#inner.answered(sdp)
  readonly stats = (): Promise<LegStats> => this.#inner.stats()
  readonly sendDigit = (digit: string, durationMs: number): void => this.#inner.sendDigit?.(digit, durationMs)

  readonly leave = (): Promise<LegStats> => {
    this.#close()
    return this.#inner.leave()
  }

  readonly onEvent: ConferenceLeg['onEvent'] = (listener) => this.#inner.onEvent(listener)
}
