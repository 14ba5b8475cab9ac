/** Still pictures and video files beside the people of a conference, for those who take video alone: each viewer is sent what it can take. */
import { type Clock, errorCode, type Log, type PictureLimits } from '#kernel'
import { sequenceDistance } from '../rtp/rtp.ts'
import { type Clip, clipTailMs, openClip } from './clip.ts'
import { type ClipFile, longestClipMs, probeClip } from './clip-probe.ts'
import type { Stages } from './stages.ts'
import { encodeStill, type StillFormat, type StillGroup, stillFormatFor } from './still-encoder.ts'
import { createStillPlayer, repeated, type StillPlayer } from './still-player.ts'

/** That a viewer has been sent a picture from its beginning to its end. */
export interface SlideShown extends StillFormat {
  /** Of the picture, as `show` was told it. */
  readonly id: string
  readonly participant: string
  /** Whether the viewer has reported that it came (RTCP); false where it has not within some seconds. */
  readonly isConfirmed: boolean
  /** Where in a video the viewer came in, whole seconds: it has been sent what is from there to the end. Absent for a still picture. */
  readonly fromSeconds?: number
}

export interface Slides {
  /** Shows a PNG or JPEG in place of what was shown. Who comes later sees it, too. @param id told again with who has seen it */
  readonly show: (id: string, octets: Buffer) => void
  /**
   * Plays a video file in place of what was shown, once, from when somebody sees it; its last picture stays. Who comes later comes in where it is. Its sound
   * is not played.
   */
  readonly play: (id: string, file: ClipFile) => void
  /** Whether a video is being played, or about to begin. */
  readonly isPlaying: () => boolean
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
  /** A video is over, whoever has seen it. */
  readonly onPlayed: (id: string) => void
  /** What cannot be shown: as encodeStill and probeClip throw, and openClip tells. */
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
  /** Of what it plays; null before the first. */
  id: string | null
  clip: Clip | null
}

interface Waiting {
  readonly sequence: number
  readonly format: StillFormat
  readonly cancel: () => void
}

/** What is shown: a still picture, or a video. */
interface Showing {
  readonly id: string
  /** Ends what is being made of it. */
  readonly over: AbortController
  readonly load: (key: string, stream: Stream) => void
  readonly video: Video | null
  /** Viewers who have been sent it; those who have not reported yet, with the last packet of it. */
  readonly sentTo: Set<string>
  readonly unconfirmed: Map<string, Waiting>
}

interface Video {
  /** Null until somebody sees it. */
  startedMs: number | null
  /** As the file says, and as it was found; null while it is not known. */
  lengthMs: number | null
  isOver: boolean
  /** Streams that are out to the last picture. */
  readonly ended: Set<Stream>
  /** Where viewers came in, ms. */
  readonly cameIn: Map<string, number>
  stopTimer: () => void
}

const keyOf = ({ width, height, kbps }: StillFormat): string => `${width}x${height}@${kbps}`

export function openSlides({ stages, conference, log, onShown, onPlayed, onFailed }: SlidesConfig): Slides {
  const clock: Clock = stages.clock
  const { stage, release } = stages.hold(conference, 'content')
  const streams = new Map<string, Stream>()
  let showing: Showing | null = null
  let isClosed = false

  const stopListening = stage.onEvent((event) => {
    if (event.type === 'screens') serve()
    else confirm(event.participant, event.highest)
  })

  /** Gives every viewer the stream that fits, and ends those that nobody sees. */
  function serve(): void {
    if (showing === null || isClosed) return
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
      if (stream.id === showing.id) stage.choose(participant, stream.name, clock.monotonicMs())
    }
    for (const [key, stream] of streams) if (!wanted.has(key)) endStream(key, stream)
  }

  function openStream(key: string, format: StillFormat): Stream {
    const name = `slides:${key}`
    const player = createStillPlayer({
      clock,
      kbps: format.kbps,
      send: (packet) => void stage.packet(name, packet, clock.monotonicMs()),
      onWhole: () => whole(stream)
    })
    const stream: Stream = { name, format, player, id: null, clip: null }
    streams.set(key, stream)
    stage.film(name, { askKeyFrame: player.restart }, clock.monotonicMs(), false)
    showing?.load(key, stream)
    return stream
  }

  function fail(failed: Showing, error: unknown): void {
    if (showing !== failed) return
    log.warn({ code: errorCode(error), conference }, 'evidence cannot be shown as video')
    clear()
    onFailed(failed.id, errorCode(error))
  }

  /** One at a time: a large picture takes hundreds of megabytes while it is decoded. */
  let encoding: Promise<unknown> = Promise.resolve()
  function encode(octets: Buffer, format: StillFormat, signal: AbortSignal): Promise<StillGroup> {
    const group = encoding.then(() => encodeStill(octets, format, clock, signal))
    encoding = group.catch(() => undefined)
    return group
  }

  function still(id: string, octets: Buffer): Showing {
    const over = new AbortController()
    const groups = new Map<string, Promise<StillGroup>>()
    const load = (key: string, stream: Stream): void => {
      const group = groups.get(key) ?? encode(octets, stream.format, over.signal)
      groups.set(key, group)
      group.then(
        (units) => {
          if (showing !== picture || streams.get(key) !== stream) return
          stream.id = id
          serve()
          stream.player.play(repeated(units))
        },
        (error: unknown) => fail(picture, error)
      )
    }
    const picture: Showing = { id, over, load, video: null, sentTo: new Set(), unconfirmed: new Map() }
    return picture
  }

  function film(id: string, file: ClipFile): Showing {
    const over = new AbortController()
    const video: Video = {
      startedMs: null,
      lengthMs: null,
      isOver: false,
      ended: new Set(),
      cameIn: new Map(),
      stopTimer: () => undefined
    }
    const probed = probeClip(file, clock, over.signal)
    probed.catch((error: unknown) => fail(picture, error))
    const load = (key: string, stream: Stream): void => {
      probed.then(
        (lengthMs) => {
          if (showing !== picture || streams.get(key) !== stream || stream.clip !== null) return
          begin(lengthMs, stream.format)
          stream.id = id
          const fromMs = placeIn(video)
          stream.clip = openClip({
            file,
            format: stream.format,
            fromMs,
            mostMs: (video.lengthMs ?? longestClipMs) - fromMs,
            clock,
            onEnd: () => ended(picture, video, stream),
            onFailed: (error) => fail(picture, error)
          })
          serve()
          stream.player.play(stream.clip)
        },
        (error: unknown) => fail(picture, error)
      )
    }
    const begin = (lengthMs: number | null, format: StillFormat): void => {
      if (video.startedMs !== null) return
      video.startedMs = clock.monotonicMs()
      video.lengthMs = lengthMs
      // where nobody sees it to its end, it is over all the same
      const ends = (lengthMs ?? longestClipMs) + clipTailMs(format)
      video.stopTimer = clock.after(ends, () => {
        if (![...streams.values()].some(({ clip }) => clip !== null)) played(picture, video)
      })
    }
    const picture: Showing = { id, over, load, video, sentTo: new Set(), unconfirmed: new Map() }
    return picture
  }

  /** Where a video is, ms; its last second when it is over. */
  const placeIn = (video: Video): number => within(video, clock.monotonicMs() - video.startedMs!)

  const within = ({ lengthMs }: Video, placeMs: number): number =>
    Math.max(0, Math.min(placeMs, (lengthMs ?? longestClipMs) - 1000))

  /** A stream is out to its last picture: who has seen it come in has been sent the video. */
  function ended(of: Showing, video: Video, stream: Stream): void {
    video.lengthMs ??= clock.monotonicMs() - video.startedMs!
    video.ended.add(stream)
    for (const participant of viewersOf(stream)) if (video.cameIn.has(participant)) sent(of, stream, participant)
    played(of, video)
  }

  function played({ id }: Showing, video: Video): void {
    if (video.isOver) return
    video.isOver = true
    video.stopTimer()
    onPlayed(id)
  }

  const viewersOf = ({ name }: Stream): string[] =>
    stage.screens().flatMap(({ participant }) => (stage.shownTo(participant) === name ? [participant] : []))

  /** A picture that needs no other is out: all who see its stream have it, since a viewer comes in where one begins. */
  function whole(stream: Stream): void {
    if (showing === null || showing.id !== stream.id) return
    const { video } = showing
    const { clip } = stream
    // what is still going out is of the one before
    if (video !== null && clip === null) return
    for (const participant of viewersOf(stream)) {
      if (video !== null && !video.cameIn.has(participant)) video.cameIn.set(participant, within(video, clip!.placeMs()))
      if (video === null || video.ended.has(stream)) sent(showing, stream, participant)
    }
  }

  function sent(of: Showing, { format }: Stream, participant: string): void {
    const sequence = stage.sentTo(participant)
    if (sequence === null || of.sentTo.has(participant)) return
    of.sentTo.add(participant)
    const cancel = clock.after(reportMs, () => told(of, participant, false))
    of.unconfirmed.set(participant, { sequence, format, cancel })
  }

  function confirm(participant: string, highest: number): void {
    const waiting = showing?.unconfirmed.get(participant)
    if (waiting !== undefined && sequenceDistance(highest, waiting.sequence) >= 0) told(showing!, participant, true)
  }

  function told({ id, video, unconfirmed }: Showing, participant: string, isConfirmed: boolean): void {
    const waiting = unconfirmed.get(participant)
    if (waiting === undefined) return
    unconfirmed.delete(participant)
    waiting.cancel()
    const place = video === null ? {} : { fromSeconds: Math.floor(video.cameIn.get(participant)! / 1000) }
    onShown({ id, participant, isConfirmed, ...waiting.format, ...place })
  }

  function endStream(key: string, stream: Stream): void {
    streams.delete(key)
    stream.player.close()
    endClip(stream)
    stage.leave(stream.name, clock.monotonicMs())
  }

  function endClip(stream: Stream): void {
    void stream.clip?.close()
    stream.clip = null
  }

  /** Something is not shown any more: what was not reported by now counts as not confirmed. */
  function leave(before: Showing): void {
    before.over.abort()
    before.video?.stopTimer()
    for (const participant of [...before.unconfirmed.keys()]) told(before, participant, false)
  }

  function clear(): void {
    if (showing === null) return
    leave(showing)
    showing = null
    for (const { participant } of stage.screens()) stage.choose(participant, null, clock.monotonicMs())
    for (const [key, stream] of streams) endStream(key, stream)
  }

  function begin(next: Showing): void {
    if (showing !== null) leave(showing)
    showing = next
    for (const [key, stream] of streams) {
      endClip(stream)
      next.load(key, stream)
    }
    serve()
  }

  return {
    show: (id, octets) => {
      if (!isClosed) begin(still(id, octets))
    },
    play: (id, file) => {
      if (!isClosed) begin(film(id, file))
    },
    isPlaying: () => showing?.video != null && showing.video.startedMs !== null && !showing.video.isOver,
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
