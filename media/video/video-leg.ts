/** A telephone's leg with pictures beside its sound: of people, and what is shown beside them. */
import type { ConferenceLeg, LegStats, MediaRefusal, PictureKind } from '#kernel'
import type { PlainVideo } from './plain-video.ts'
import { answerVideo, isEncrypted, readVideo, withVersion } from './sdp-video.ts'

const kinds = ['people', 'content'] as const

export class VideoLeg implements ConferenceLeg {
  readonly #inner: ConferenceLeg
  readonly #open: (kind: PictureKind) => Promise<PlainVideo | null>
  readonly #videos = new Map<PictureKind, PlainVideo>()
  #sdp = ''
  #version = 0

  /** @param open opens the ports for video when they are needed; null when none are free */
  constructor(inner: ConferenceLeg, open: (kind: PictureKind) => Promise<PlainVideo | null>) {
    this.#inner = inner
    this.#open = open
    inner.onEvent((event) => {
      if (event.type === 'failed') this.#close()
    })
  }

  /** The answer for sound and pictures, from that for sound. */
  async answer(offer: string, sound: string): Promise<string> {
    let sdp = sound
    for (const kind of kinds) sdp = await this.#answerOne(kind, offer, sdp)
    if (withVersion(sdp, this.#version) !== this.#sdp) this.#version++
    this.#sdp = withVersion(sdp, this.#version)
    return this.#sdp
  }

  async #answerOne(kind: PictureKind, offer: string, answer: string): Promise<string> {
    const terms = isEncrypted(answer) ? null : readVideo(offer, kind)
    if (terms === null) {
      this.#videos.get(kind)?.close()
      this.#videos.delete(kind)
      return answer
    }
    const video = this.#videos.get(kind) ?? (await this.#open(kind))
    if (video === null) return answer
    this.#videos.set(kind, video)
    video.agree(terms)
    return answerVideo(answer, terms, video.port, video.source)
  }

  #close(): void {
    for (const video of this.#videos.values()) video.close()
    this.#videos.clear()
  }

  /** Shows the picture to others, or no longer, as the role of the participant is. */
  show(): void {
    for (const video of this.#videos.values()) video.show()
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
