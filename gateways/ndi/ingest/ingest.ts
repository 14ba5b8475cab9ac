/**
 * A source brought into a conference: its pictures encoded for those who see, its sound in the mix, each frame vouched for by the ledger.
 *
 *     source → receiver → encoder → held until its sound is heard → stage of the conference
 *                       → queue of samples → mix
 *                       → statement (timecode, format, SHA-256) → batch of 30 → ledger
 */
import {
  type BridgeAttempt,
  type CallContext,
  errorCode,
  InfraFabricError,
  type JsonObject,
  type OpenBridgeEvent,
  type OpenBridgeOnce
} from '#kernel'
import { component, recordStream, type StreamRecordPorts } from '../attestation/stream-record.ts'
import type { AudioFrame, VideoFrame } from '../runtime/frames.ts'
import type { Receiver } from '../runtime/receive.ts'
import { FramePool } from './frame-pool.ts'
import type { IngestFormat, IngestMedia, PictureDestination, PictureEncoder, SoundSink, Sources } from './ports.ts'

export interface IngestRequest {
  readonly conference: string
  /** Registry id of the expert whose picture it is; null where it is nobody's. */
  readonly expertId: string | null
  /** Which sources are meant. */
  readonly fits: (name: string) => boolean
  readonly format: IngestFormat
  /** Where its pictures go by RTP; null for the conference, which takes H.264 alone. */
  readonly to: PictureDestination | null
  /** Whether its sound is heard too. */
  readonly sound: boolean
  /** Where its sound is not heard: how long pictures wait, so that they are seen with what is said on the telephone. Milliseconds. */
  readonly holdMs: number
}

export interface IngestFigures {
  /** Name of the source; null while there is none. */
  readonly source: string | null
  /** Of the pictures that come, as `1920x1080 UYVY`; null before the first. */
  readonly picture: string | null
  readonly received: number
  readonly encoded: number
  /** Left out: by the rate that is asked for, and because the encoder was behind. */
  readonly skipped: number
  readonly dropped: number
  /** From a picture's arrival until it went to the conference, milliseconds: the last one. */
  readonly delayMs: number
}

export interface IngestPorts extends StreamRecordPorts {
  readonly sources: Sources
  readonly media: IngestMedia
}

const captureMs = 100
/** Without pictures for so long the bridge is degraded; for so long it is lost. */
const silentMs = 2000
const goneMs = 10_000
/** Pictures on their way: in the encoder, and one that is being received. */
const mostBuffers = 6
/** What is held back at most, whatever the sound's delay is. */
const mostHoldMs = 500

const none: IngestFigures = { source: null, picture: null, received: 0, encoded: 0, skipped: 0, dropped: 0, delayMs: 0 }

/**
 * @returns how the bridge is opened once, and its figures; these go on through attempts
 */
export function createIngest(
  ports: IngestPorts,
  context: CallContext,
  request: IngestRequest
): { readonly open: OpenBridgeOnce; readonly figures: () => IngestFigures } {
  let before = none
  let running: (() => IngestFigures) | null = null

  const open: OpenBridgeOnce = async (signal, tell) => {
    const source = await ports.sources.find(request.fits, signal)
    if (source === null) {
      const { traceId, parentTraceId } = context
      const error = new InfraFabricError('ndi.source.absent', 'no NDI source of this name is there')
      const payload = { ingest: request.conference, code: error.code }
      const event = { event: 'ndi_error', component, traceId, ...(parentTraceId === undefined ? {} : { parentTraceId }), payload }
      await ports.witness.record(event).catch((cause: unknown) => ports.log.error({ code: errorCode(cause) }, 'not recorded'))
      throw error
    }
    const stream = openStream(ports, context, request, source, tell)
    const earlier = before
    running = () => together(earlier, stream.figures())
    const close = async (reason: string): Promise<void> => {
      await stream.close(reason)
      before = together(earlier, stream.figures())
      running = null
    }
    try {
      await stream.started(signal)
    } catch (error) {
      await close(errorCode(error))
      throw error
    }
    return { ok: true, bridge: { close: () => close('closed') } } satisfies BridgeAttempt
  }
  return { open, figures: () => running?.() ?? before }
}

/** Counts of all attempts, the rest of the last. */
const together = (earlier: IngestFigures, now: IngestFigures): IngestFigures => ({
  ...now,
  received: earlier.received + now.received,
  encoded: earlier.encoded + now.encoded,
  skipped: earlier.skipped + now.skipped,
  dropped: earlier.dropped + now.dropped
})

/** Frames over which the time on the way is averaged. */
const smoothing = 16

/** How much longer pictures are on their way than sound that was sent with them: the codec of NDI takes its time. The sender's clock cancels out. */
function createLag() {
  const onTheWayMs: { video: number | null; audio: number | null } = { video: null, audio: null }
  return {
    came: (kind: 'video' | 'audio', sentAt: bigint | null, nowMs: number): void => {
      if (sentAt === null) return
      const ms = nowMs - Number(sentAt / 10_000n)
      const before = onTheWayMs[kind]
      onTheWayMs[kind] = before === null ? ms : before + (ms - before) / smoothing
    },
    /** 0 until both are known. */
    ms: (): number => {
      const { video, audio } = onTheWayMs
      return video === null || audio === null ? 0 : video - audio
    }
  }
}

type Told = (event: OpenBridgeEvent) => void

/** One connection to a source, from its first frame to its end. */
function openStream(
  { sources, media, witness, frames, clock, log }: IngestPorts,
  context: CallContext,
  { conference, expertId, format, to, sound: withSound, holdMs }: IngestRequest,
  source: Parameters<Sources['receive']>[0],
  tell: Told
) {
  const pool = new FramePool(mostBuffers)
  const receiver: Receiver = sources.receive(source, pool.take)
  const sink = media.pictures(conference, `ndi:${source.name}`, format.codec, to)
  const { traceId, parentTraceId } = context
  const record = recordStream({
    witness,
    frames,
    clock,
    log,
    traceId,
    ...(parentTraceId === undefined ? {} : { parentTraceId }),
    source: source.name,
    ingest: { conference },
    // who sends attests: this side only records
    tell: () => undefined
  })
  const begun = Promise.withResolvers<void>()
  begun.promise.catch(() => undefined)
  let encoder: { readonly shape: string; readonly port: PictureEncoder } | null = null
  let sound: SoundSink | null = null
  let isEnding = false
  let isSilent = false
  let isOver = false
  let lastMs = clock.monotonicMs()
  let received = 0
  let delayMs = 0
  let before = { skipped: 0, dropped: 0, encoded: 0 }
  const held: { readonly units: readonly Buffer[]; readonly capturedMs: number; readonly dueMs: number }[] = []
  const videoLag = createLag()
  let stopHolding = (): void => {}

  const over = (event: OpenBridgeEvent): void => {
    if (isOver || isEnding) return
    isOver = true
    tell(event)
  }
  const failed = (error: unknown): void => {
    log.warn({ code: errorCode(error) }, 'NDI source not received')
    record.failed(error)
    begun.reject(error)
    over({ type: 'lost', reason: errorCode(error) })
  }

  const show = (units: readonly Buffer[], capturedMs: number): void => {
    delayMs = clock.monotonicMs() - capturedMs
    sink.picture(units, capturedMs)
  }
  const showDue = (): void => {
    const now = clock.monotonicMs()
    for (let next = held[0]; next !== undefined && next.dueMs <= now; next = held[0]) {
      held.shift()
      show(next.units, next.capturedMs)
    }
    if (held.length > 0) stopHolding = clock.after(held[0]!.dueMs - now, showDue)
  }
  /** Shows a picture when its sound is heard, and none before one that came earlier. */
  const encoded = (units: readonly Buffer[], capturedMs: number): void => {
    if (isEnding) return
    const wanted = sound === null ? holdMs : sound.delayMs() - videoLag.ms()
    const hold = Math.max(0, Math.min(mostHoldMs, wanted))
    held.push({ units, capturedMs, dueMs: Math.max(held.at(-1)?.dueMs ?? 0, capturedMs + hold) })
    if (held.length === 1) showDue()
  }

  const closeEncoder = async (): Promise<void> => {
    const closing = encoder?.port
    encoder = null
    if (closing === undefined) return
    const { skipped, dropped, encoded: done } = closing.figures()
    before = { skipped: before.skipped + skipped, dropped: before.dropped + dropped, encoded: before.encoded + done }
    await closing.close()
  }

  const encoderFor = async (frame: VideoFrame): Promise<PictureEncoder> => {
    const { width, height, fourCC, lineStride } = frame
    const shape = `${width}x${height} ${fourCC} ${lineStride}`
    if (encoder?.shape === shape) return encoder.port
    await closeEncoder()
    const port = media.encode({ format, fourCC, width, height, lineStride, onUnit: encoded, onEnd: failed })
    encoder = { shape, port }
    return port
  }

  const first = async (frame: VideoFrame): Promise<void> => {
    const facts: JsonObject = {
      'X-IF-Trace-ID': traceId,
      ...(expertId === null ? {} : { 'X-IF-Expert-ID': expertId }),
      capturedAt: new Date(clock.now()).toISOString(),
      sentAt: frame.sentAt === null ? null : new Date(Number(frame.sentAt / 10_000n)).toISOString(),
      codec: format.codec,
      height: format.height
    }
    record.metadata(facts)
    if (withSound) await hear()
    begun.resolve()
  }

  /** Pictures go on without their sound. */
  const hear = async (): Promise<void> => {
    try {
      sound = await media.sound(context, conference, `ndi-${source.name}`)
    } catch (error) {
      log.warn({ code: errorCode(error) }, 'the sound of an NDI source is not heard')
      record.failed(error)
      tell({ type: 'impaired', reason: errorCode(error) })
    }
  }

  const takeVideo = async (frame: VideoFrame): Promise<void> => {
    const capturedMs = clock.monotonicMs()
    videoLag.came('video', frame.sentAt, clock.now())
    lastMs = capturedMs
    if (isSilent) {
      isSilent = false
      tell({ type: 'recovered' })
    }
    // on a thread of the pool: a large picture takes milliseconds
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', frame.data as Uint8Array<ArrayBuffer>)).toString('hex')
    record.frame(frame, digest)
    if (received++ === 0) await first(frame)
    const encoder = await encoderFor(frame)
    encoder.picture(frame.data, capturedMs, () => pool.give(frame.data))
  }

  const takeAudio = ({ channels, samples, sampleRateHz, sentAt, data }: AudioFrame): void => {
    if (sound === null || channels === 0 || samples === 0) return
    videoLag.came('audio', sentAt, clock.now())
    const mono = new Float32Array(samples)
    for (let channel = 0; channel < channels; channel++)
      for (let at = 0; at < samples; at++) mono[at]! += data[channel * samples + at]! / channels
    sound.push(mono, sampleRateHz)
  }

  const watch = (): void => {
    const silentFor = clock.monotonicMs() - lastMs
    if (silentFor >= goneMs) over({ type: 'lost', reason: 'ndi.source.gone' })
    else if (silentFor >= silentMs && !isSilent && received > 0) {
      isSilent = true
      sink.pause()
      tell({ type: 'impaired', reason: 'ndi.frames.stopped' })
    }
  }

  const pumping = (async () => {
    while (!isEnding && !isOver) {
      try {
        const frame = await receiver.capture(captureMs)
        if (frame?.type === 'video') await takeVideo(frame)
        else if (frame?.type === 'audio') takeAudio(frame)
        watch()
      } catch (error) {
        failed(error)
      }
    }
  })()

  return {
    /** Resolves with the first picture; rejects when the signal aborts. */
    started: async (signal: AbortSignal): Promise<void> => {
      const aborted = () => begun.reject(new InfraFabricError('ndi.frames.none', `${source.name} sends no pictures`))
      if (signal.aborted) aborted()
      signal.addEventListener('abort', aborted, { once: true })
      try {
        await begun.promise
      } finally {
        signal.removeEventListener('abort', aborted)
      }
    },
    figures: (): IngestFigures => {
      const now = encoder?.port.figures() ?? { skipped: 0, dropped: 0, encoded: 0 }
      return {
        source: source.name,
        picture: encoder?.shape.split(' ').slice(0, 2).join(' ') ?? null,
        received,
        encoded: before.encoded + now.encoded,
        skipped: before.skipped + now.skipped,
        dropped: before.dropped + now.dropped,
        delayMs: Math.round(delayMs)
      }
    },
    close: async (reason: string): Promise<void> => {
      isEnding = true
      stopHolding()
      sink.close()
      await pumping
      await Promise.all([receiver.close(), closeEncoder(), sound?.close()])
      await record.close(reason)
    }
  }
}
