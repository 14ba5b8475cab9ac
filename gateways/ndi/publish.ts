/**
 * A conference as an NDI source: whoever is seen, a still picture where nobody is, and the mix. Every frame is attested.
 *
 *     stage → decoder → latest picture, by the clock ─┐
 *     mix   → 20 ms of float ─────────────────────────┴→ sender → network → own receiver → statement → ledger
 */
import { type CallContext, errorCode, type InfraFabricError } from '#kernel'
import { type AttestedSender, openAttestedSender } from './attestation/attested-sender.ts'
import type { StreamRecordPorts } from './attestation/stream-record.ts'
import type { NdiRuntime } from './runtime/runtime.ts'

/** What is published of a conference, as the suite gives it. */
export interface PublicationMedia {
  /** Pictures of UYVY without gaps, valid during the call. */
  readonly view: (
    conference: string,
    size: { readonly width: number; readonly height: number },
    onPicture: (data: Buffer) => void,
    onEnd: (error: InfraFabricError) => void
  ) => { readonly shown: () => string | null; readonly close: () => Promise<void> }
  /** The mix at 48 kHz, one channel. Rejects where the conference does not give it. */
  readonly mix: (
    context: CallContext,
    conference: string,
    onMix: (samples: Int16Array) => void
  ) => Promise<{ readonly close: () => Promise<void> }>
  /** A picture for when there is none: UYVY without gaps. */
  readonly still: (size: { readonly width: number; readonly height: number }) => Promise<Uint8Array>
  /** Whether anybody but the suite's own lines is in the conference. */
  readonly isInhabited: (conference: string) => boolean
}

export interface PublicationRequest {
  readonly conference: string
  /** Of the source, on this machine. */
  readonly name: string
  readonly groups: readonly string[]
  readonly height: 480 | 720 | 1080
  /** Pictures a second. */
  readonly rate: number
}

export interface PublicationView {
  readonly conference: string
  /** As receivers see it. */
  readonly source: string
  readonly traceId: string
  /** Whose picture is on it; null for the still one. */
  readonly shown: string | null
  /** Whether there is sound of the conference. */
  readonly sound: boolean
  readonly receivers: number
  /** What receivers say: on air, and about to be. */
  readonly onProgram: boolean
  readonly onPreview: boolean
  readonly videoFrames: number
}

export interface Publication {
  readonly view: () => PublicationView
  /** Idempotent. */
  readonly close: (reason: string) => Promise<void>
}

export interface PublicationPorts extends StreamRecordPorts {
  readonly runtime: NdiRuntime
  readonly media: PublicationMedia
}

/** Without a new picture for so long, the still one is sent. */
const staleMs = 2000
/** Between two looks at who is there, and at the receivers. */
const lookMs = 500
const decoderPauseMs = 1000
const mixRateHz = 48_000

/** @throws {InfraFabricError} as openAttestedSender */
export async function openPublication(
  { runtime, media, witness, frames, clock, log }: PublicationPorts,
  context: CallContext,
  { conference, name, groups, height, rate }: PublicationRequest
): Promise<Publication> {
  const { traceId } = context
  const size = { width: Math.round((height * 16) / 9 / 2) * 2, height }
  const still = await media.still(size)
  const sender: AttestedSender = await openAttestedSender(runtime, {
    sender: { name, ...(groups.length === 0 ? {} : { groups }) },
    witness,
    frames,
    clock,
    log,
    traceId,
    facts: { 'X-IF-Conference': conference }
  })
  /** Where pictures arrive; the sender copies what it sends. */
  const latest = new Uint8Array(still)
  let latestMs = Number.NEGATIVE_INFINITY
  let sending: Promise<void> = Promise.resolve()
  let isBusy = false
  let tally = { onProgram: false, onPreview: false }
  let receivers = 0
  let mix: { readonly close: () => Promise<void> } | null = null
  let isJoining = false
  let isClosed = false
  const stops = new Set<() => void>()
  /** Calls `act` once, unless the publication has ended before. */
  const later = (ms: number, act: () => void): void => {
    const stop = clock.after(ms, () => {
      stops.delete(stop)
      act()
    })
    stops.add(stop)
  }
  const failed = (error: unknown): void => {
    if (!isClosed) log.warn({ code: errorCode(error), conference }, 'not published')
  }

  const openView = () =>
    media.view(
      conference,
      size,
      (data) => {
        latest.set(data)
        latestMs = clock.monotonicMs()
      },
      (error) => {
        failed(error)
        later(decoderPauseMs, () => {
          const ended = view
          view = openView()
          void ended.close()
        })
      }
    )
  let view = openView()

  const isShowing = (): boolean => clock.monotonicMs() - latestMs < staleMs
  const lineStride = size.width * 2
  let dueMs = clock.monotonicMs()
  const sendNext = (): void => {
    // what a slow runtime does not take in time is left out
    if (!isBusy) {
      isBusy = true
      const data = isShowing() ? latest : still
      sending = sender
        .video({ ...size, fourCC: 'UYVY', frameRate: [rate, 1], lineStride, data })
        .catch(failed)
        .then(() => {
          isBusy = false
        })
    }
    const now = clock.monotonicMs()
    dueMs = Math.max(dueMs + 1000 / rate, now - 1000 / rate)
    later(Math.max(0, dueMs - now), sendNext)
  }

  const say = (samples: Int16Array): void => {
    const data = Float32Array.from(samples, (sample) => sample / 32_768)
    sender.audio({ sampleRateHz: mixRateHz, channels: 1, samples: data.length, data }).catch(failed)
  }

  /** The line into the mix is there while somebody else is: it must not keep the conference open. */
  const follow = async (): Promise<void> => {
    const wanted = !isClosed && media.isInhabited(conference)
    if (wanted === (mix !== null) || isJoining) return
    isJoining = true
    try {
      if (wanted) mix = await media.mix(context, conference, say)
      else {
        const leaving = mix
        mix = null
        await leaving?.close()
      }
    } catch (error) {
      failed(error)
    } finally {
      isJoining = false
    }
  }

  let looking: Promise<unknown> = Promise.resolve()
  const look = (): void => {
    looking = Promise.all([
      follow(),
      sender.connections(0).then((count) => {
        // one of them is the publisher itself
        receivers = Math.max(0, count - 1)
      }, failed),
      sender.tally(0).then((told) => {
        tally = told
      }, failed)
    ]).then(() => {
      if (!isClosed) later(lookMs, look)
    })
  }
  sendNext()
  look()

  let closed: Promise<void> | null = null
  return {
    view: () => ({
      conference,
      source: sender.sourceName,
      traceId,
      shown: isShowing() ? view.shown() : null,
      sound: mix !== null,
      receivers,
      ...tally,
      videoFrames: sender.figures().videoFrames
    }),
    close: (reason) => {
      closed ??= (async () => {
        isClosed = true
        for (const stop of stops) stop()
        await looking
        await Promise.all([view.close(), mix?.close(), sending])
        await sender.close(reason)
      })()
      return closed
    }
  }
}
