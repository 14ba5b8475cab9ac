import { type Clock, errorCode, InfraFabricError, type JsonObject, type Log, type Witness, type WitnessEvent } from '#kernel'
import { type Batch, batchOf, frameHash, longestBatch } from '../log/batch.ts'
import { hashLength } from '../log/merkle.ts'
import type { FrameStore } from '../store/frame-store.ts'

export interface BatchRecorderConfig {
  readonly witness: Witness
  readonly frames: Pick<FrameStore, 'save'>
  readonly clock: Clock
  readonly log: Log
  /** What every entry says beside its batch. */
  readonly event: Pick<WitnessEvent, 'event' | 'component' | 'traceId' | 'parentTraceId'> & { readonly payload?: JsonObject }
  /** What the frames are: `video`, … */
  readonly kind: string
  /** Frames in one entry at most. Default 30. */
  readonly framesPerEntry?: number
  /** A batch that is not full is recorded so long after its first frame, in milliseconds. Default 1000. */
  readonly longestMs?: number
  /** Batches that may wait for the witness. Default 256. */
  readonly mostWaiting?: number
  /** Told of each batch as it goes to the witness. */
  readonly onBatch?: (batch: Batch) => void
}

export interface BatchRecorder {
  /** Takes one frame; it is not kept. */
  readonly add: (frame: Uint8Array) => void
  /** Frames that stand in no entry: the witness took none, or too many batches waited for it. The next entry tells them as `missed`. */
  readonly missed: () => number
  /** Records what is left and waits for the witness. Idempotent. */
  readonly close: () => Promise<void>
}

/** Records a stream of frames, one entry for many. Memory is bounded: hashes of one batch and a number of waiting entries. */
export function createBatchRecorder(config: BatchRecorderConfig): BatchRecorder {
  const { witness, frames, clock, log, event, kind } = config
  const framesPerEntry = config.framesPerEntry ?? 30
  const longestMs = config.longestMs ?? 1000
  const mostWaiting = config.mostWaiting ?? 256
  if (!Number.isInteger(framesPerEntry) || framesPerEntry < 1 || framesPerEntry > longestBatch) {
    throw new InfraFabricError('ledger.batch.size', `framesPerEntry: expected 1 to ${longestBatch}, got ${framesPerEntry}`)
  }
  let hashes = Buffer.allocUnsafe(framesPerEntry * hashLength)
  let count = 0
  let cancelTimer: (() => void) | null = null
  let closed = false
  let missed = 0
  const waiting = new Set<Promise<void>>()

  const miss = (batchCount: number, why: string) => {
    if (missed === 0) log.warn({ code: why }, 'frames are not recorded')
    missed += batchCount
  }

  const flush = () => {
    cancelTimer?.()
    cancelTimer = null
    if (count === 0) return
    const batchCount = count
    const taken = hashes.subarray(0, batchCount * hashLength)
    hashes = Buffer.allocUnsafe(framesPerEntry * hashLength)
    count = 0
    if (waiting.size >= mostWaiting) return miss(batchCount, 'ledger.batch.waiting')
    const batch = batchOf(kind, taken)
    config.onBatch?.(batch)
    try {
      frames.save(batch.root, taken, clock.now())
    } catch (error) {
      // the entry is worth having without its frames' hashes
      log.warn({ code: errorCode(error) }, 'hashes of frames not kept: single frames of this batch cannot be proved')
    }
    const before = missed
    missed = 0
    const payload = { ...event.payload, batch, ...(before === 0 ? {} : { missed: before }) }
    const recorded = witness.record({ ...event, payload }).then(
      () => undefined,
      (error: unknown) => miss(batchCount + before, errorCode(error))
    )
    waiting.add(recorded)
    void recorded.then(() => waiting.delete(recorded))
  }

  return {
    add: (frame) => {
      if (closed) return
      hashes.set(frameHash(frame), count * hashLength)
      count++
      if (count === framesPerEntry) flush()
      else if (count === 1) cancelTimer = clock.after(longestMs, flush)
    },
    missed: () => missed,
    close: async () => {
      closed = true
      flush()
      await Promise.all(waiting)
    }
  }
}
