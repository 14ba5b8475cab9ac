/** Still pictures beside the people of a conference, for those who take video alone: each viewer is sent what it can take. */
import { type Clock, errorCode, type Log, type PictureLimits } from '#kernel'
import { sequenceDistance } from '../rtp/rtp.ts'
import type { Stages } from './stages.ts'
import { encodeStill, type StillFormat, type StillGroup, stillFormatFor } from './still-encoder.ts'
import { createStillPlayer, type StillPlayer } from './still-player.ts'

/** That a viewer has been sent a picture from its beginning to its end. */
export interface SlideShown extends StillFormat {
  /** Of the picture, as `show` was told it. */
  readonly id: string
  readonly participant: string
  /** Whether the viewer has reported that it came (RTCP); false where it has not within some seconds. */
  readonly isConfirmed: boolean
}

export interface Slides {
  /** Shows a PNG or JPEG in place of what was shown. Who comes later sees it, too. @param id told again with who has seen it */
  readonly show: (id: string, octets: Buffer) => void
  /** There is nothing to show for now. */
  readonly clear: () => void
  /** Idempotent. */
  readonly close: () => void
}

export interface SlidesConfig {
  readonly stages: Stages
  readonly conference: string
  readonly log: Log
  /** Once for each viewer and picture. */
  readonly onShown: (shown: SlideShown) => void
  /** A picture that cannot be shown: as encodeStill throws. */
  readonly onFailed: (id: string, code: string) => void
}

/** What a viewer takes that does not say so: the level that all have in common who are sent pictures here. */
const usualLimits: PictureLimits = { macroblocks: 3600, bitsPerSecond: 1_024_000 }
/** How long a report is waited for: receivers send one in 5 s, and more seldom where many do. @see RFC 3550 §6.2 */
const reportMs = 15_000

interface Stream {
  readonly name: string
  readonly format: StillFormat
  readonly player: StillPlayer
  /** Of the picture that it plays; null before the first. */
  id: string | null
}

interface Picture {
  readonly id: string
  readonly octets: Buffer
  /** Ends what is being encoded of it. */
  readonly over: AbortController
  readonly groups: Map<string, Promise<StillGroup>>
  /** Viewers who have been sent it; those who have not reported yet, with the last packet of it. */
  readonly sentTo: Set<string>
  readonly unconfirmed: Map<string, { readonly sequence: number; readonly format: StillFormat; readonly cancel: () => void }>
}

const keyOf = ({ width, height, kbps }: StillFormat): string => `${width}x${height}@${kbps}`

export function openSlides({ stages, conference, log, onShown, onFailed }: SlidesConfig): Slides {
  const clock: Clock = stages.clock
  const { stage, release } = stages.hold(conference, 'content')
  const streams = new Map<string, Stream>()
  let picture: Picture | null = null
  let isClosed = false

  const stopListening = stage.onEvent((event) => {
    if (event.type === 'screens') serve()
    else confirm(event.participant, event.highest)
  })

  /** Gives every viewer the stream that fits, and ends those that nobody sees. */
  function serve(): void {
    if (picture === null || isClosed) return
    const wanted = new Set<string>()
    for (const { participant, limits } of stage.screens()) {
      const format = stillFormatFor(limits ?? usualLimits)
      if (format === null) {
        stage.choose(participant, null, clock.monotonicMs())
        stage.blank(participant)
        continue
      }
      const key = keyOf(format)
      wanted.add(key)
      const stream = streams.get(key) ?? openStream(key, format)
      if (stream.id === picture.id) stage.choose(participant, stream.name, clock.monotonicMs())
    }
    for (const [key, stream] of streams) if (!wanted.has(key)) endStream(key, stream)
  }

  function openStream(key: string, format: StillFormat): Stream {
    const name = `slides:${key}`
    const player = createStillPlayer({
      clock,
      kbps: format.kbps,
      send: (packet) => void stage.packet(name, packet, clock.monotonicMs()),
      onWhole: () => sent(stream)
    })
    const stream: Stream = { name, format, player, id: null }
    streams.set(key, stream)
    stage.film(name, { askKeyFrame: player.restart }, clock.monotonicMs(), false)
    load(key, stream)
    return stream
  }

  /** One at a time: a large picture takes hundreds of megabytes while it is decoded. */
  let encoding: Promise<unknown> = Promise.resolve()
  function encode({ octets, over }: Picture, format: StillFormat): Promise<StillGroup> {
    const group = encoding.then(() => encodeStill(octets, format, clock, over.signal))
    encoding = group.catch(() => undefined)
    return group
  }

  /** Encodes the picture for a stream, and plays it. */
  function load(key: string, stream: Stream): void {
    if (picture === null) return
    const loading = picture
    const group = loading.groups.get(key) ?? encode(loading, stream.format)
    loading.groups.set(key, group)
    group.then(
      (units) => {
        if (picture !== loading || streams.get(key) !== stream) return
        stream.id = loading.id
        serve()
        stream.player.play(units)
      },
      (error: unknown) => {
        if (picture !== loading) return
        log.warn({ code: errorCode(error), conference }, 'a picture cannot be shown as video')
        clear()
        onFailed(loading.id, errorCode(error))
      }
    )
  }

  /** All who see a stream have been sent its picture from the beginning: a viewer comes in where one begins. */
  function sent({ name, format, id }: Stream): void {
    if (picture === null || picture.id !== id) return
    const showing = picture
    for (const { participant } of stage.screens()) {
      const sequence = stage.sentTo(participant)
      if (stage.shownTo(participant) !== name || sequence === null || showing.sentTo.has(participant)) continue
      showing.sentTo.add(participant)
      const cancel = clock.after(reportMs, () => told(showing, participant, false))
      showing.unconfirmed.set(participant, { sequence, format, cancel })
    }
  }

  function confirm(participant: string, highest: number): void {
    const waiting = picture?.unconfirmed.get(participant)
    if (waiting !== undefined && sequenceDistance(highest, waiting.sequence) >= 0) told(picture!, participant, true)
  }

  function told(showing: Picture, participant: string, isConfirmed: boolean): void {
    const waiting = showing.unconfirmed.get(participant)
    if (waiting === undefined) return
    showing.unconfirmed.delete(participant)
    waiting.cancel()
    onShown({ id: showing.id, participant, isConfirmed, ...waiting.format })
  }

  function endStream(key: string, { name, player }: Stream): void {
    streams.delete(key)
    player.close()
    stage.leave(name, clock.monotonicMs())
  }

  /** A picture is not shown any more: what was not reported by now counts as not confirmed. */
  function leave(before: Picture): void {
    before.over.abort()
    for (const participant of [...before.unconfirmed.keys()]) told(before, participant, false)
  }

  function clear(): void {
    if (picture === null) return
    leave(picture)
    picture = null
    for (const { participant } of stage.screens()) stage.choose(participant, null, clock.monotonicMs())
    for (const [key, stream] of streams) endStream(key, stream)
  }

  return {
    show: (id, octets) => {
      if (isClosed) return
      if (picture !== null) leave(picture)
      picture = { id, octets, over: new AbortController(), groups: new Map(), sentTo: new Set(), unconfirmed: new Map() }
      for (const [key, stream] of streams) load(key, stream)
      serve()
    },
    clear,
    close: () => {
      if (isClosed) return
      clear()
      isClosed = true
      stopListening()
      release()
    }
  }
}
