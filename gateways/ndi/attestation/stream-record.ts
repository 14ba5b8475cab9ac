/**
 * What the ledger learns of a stream that the suite publishes: events of `IF.witness.ndi-publisher`. Frames are recorded by batches, so that 60 a second
 * cost two entries a second; traffic once a minute.
 */
import { type Clock, errorCode, type JsonObject, type Log, type Witness } from '#kernel'
import { createBatchRecorder, type FrameStore } from '#ledger'
import type { VideoFrame } from '../runtime/frames.ts'
import { formatAttestation, framesPerAttestation, statementOf } from './attestation.ts'

/** Where what is told of a stream goes. */
export interface StreamRecordPorts {
  readonly witness: Witness
  readonly frames: Pick<FrameStore, 'save'>
  readonly clock: Clock
  readonly log: Log
}

export interface StreamRecordConfig extends StreamRecordPorts {
  readonly traceId: string
  readonly parentTraceId?: string
  /** Name of the source, as receivers see it. */
  readonly source: string
  /** Whether the suite sends the stream, or brings it into a conference. Default: it sends it. */
  readonly ingest?: { readonly conference: string }
  /** Sends the attestation of a batch on the stream. */
  readonly tell: (xml: string) => void
}

export interface StreamRecord {
  /** Metadata that goes with the stream. Recorded as it is: it holds ids and times. */
  readonly metadata: (facts: JsonObject) => void
  /** A picture as receivers decode it; not kept. @param digest SHA-256 of its data, 64 hex digits, where that is known */
  readonly frame: (frame: VideoFrame, digest?: string) => void
  readonly failed: (error: unknown) => void
  /** Records what is left and waits for the witness. Idempotent. */
  readonly close: (reason: string) => Promise<void>
}

export const component = 'IF.witness.ndi-publisher'
const usageEveryMs = 60_000
/** A batch that is not full waits so long: 30 frames take a second where there are 30 a second. */
const longestBatchMs = 2000

/** Begins with `ndi_stream_created`. */
export function recordStream(config: StreamRecordConfig): StreamRecord {
  const { witness, clock, log, traceId, source, tell } = config
  const parent = config.parentTraceId === undefined ? {} : { parentTraceId: config.parentTraceId }
  const ingest: JsonObject = config.ingest === undefined ? {} : { ingest: config.ingest.conference }
  const startedMs = clock.monotonicMs()
  const waiting = new Set<Promise<void>>()
  /** Of the last frames: a batch is always made of the last ones added. */
  const statements: string[] = []
  let frames = 0
  let batches = 0
  let octets = 0
  let octetsTold = 0
  let usageSinceMs = startedMs
  let cancelUsage: () => void = () => undefined
  let closed: Promise<void> | null = null

  const record = (event: string, payload: JsonObject) => {
    const recorded = witness.record({ event, component, traceId, ...parent, payload: { source, ...ingest, ...payload } }).then(
      () => undefined,
      (error: unknown) => log.error({ code: errorCode(error), event }, 'not recorded')
    )
    waiting.add(recorded)
    void recorded.then(() => waiting.delete(recorded))
  }

  const recorder = createBatchRecorder({
    ...config,
    event: { event: 'ndi_batch_complete', component, traceId, ...parent, payload: { source, ...ingest } },
    kind: 'video',
    framesPerEntry: framesPerAttestation,
    longestMs: longestBatchMs,
    onBatch: ({ root, count }) => {
      batches++
      try {
        tell(formatAttestation({ traceId, root, statements: statements.slice(-count) }))
      } catch (error) {
        log.warn({ code: errorCode(error) }, 'attestation not sent')
      }
    }
  })

  const usage = () => {
    const now = clock.monotonicMs()
    const seconds = (now - usageSinceMs) / 1000
    record('ndi_bandwidth_usage', {
      decodedOctets: octets - octetsTold,
      seconds: Math.round(seconds * 1000) / 1000,
      decodedMbitPerSecond: seconds === 0 ? 0 : Math.round(((octets - octetsTold) * 8) / seconds / 1e4) / 100
    })
    octetsTold = octets
    usageSinceMs = now
    cancelUsage = clock.after(usageEveryMs, usage)
  }

  record('ndi_stream_created', {})
  cancelUsage = clock.after(usageEveryMs, usage)

  return {
    metadata: (facts) => {
      if (closed === null) record('ndi_stream_metadata', { metadata: facts })
    },
    frame: (frame, digest) => {
      if (closed !== null) return
      const statement = statementOf(frame, digest)
      if (frames === 0) {
        const { width, height, fourCC, frameRate, timecode } = frame
        record('ndi_frame_published', {
          first: true,
          width,
          height,
          fourCC,
          frameRate: [...frameRate],
          timecode: String(timecode)
        })
      }
      frames++
      octets += frame.data.length
      statements.push(statement)
      if (statements.length > framesPerAttestation) statements.shift()
      recorder.add(Buffer.from(statement))
    },
    failed: (error) => {
      if (closed === null) record('ndi_error', { code: errorCode(error) })
    },
    close: (reason) => {
      closed ??= (async () => {
        cancelUsage()
        await recorder.close()
        const seconds = Math.round(clock.monotonicMs() - startedMs) / 1000
        record('ndi_stream_closed', { reason, frames, batches, seconds, unrecorded: recorder.missed() })
        await Promise.all(waiting)
      })()
      return closed
    }
  }
}
