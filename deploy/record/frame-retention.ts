import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, errorCode, type Log, newTraceId, type Witness } from '#kernel'
import type { FrameStore } from '#ledger'

const dayMs = 86_400_000
const sweepMs = 3_600_000

export interface FrameRetentionPorts {
  readonly frames: Pick<FrameStore, 'forgetBefore'>
  readonly witness: Pick<Witness, 'record'>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Forgets the hashes of frames that are older than `days`, at once and each hour: 30 pictures a second are 83 MB of them a day. The entries of their batches stay;
 * that single frames of them can no longer be proved is an entry of its own.
 *
 * @returns how to stop.
 */
export function retainFrames(days: number, { frames, witness, clock, log }: FrameRetentionPorts): () => void {
  let stopped = false
  let cancel = () => {}
  const sweep = async (): Promise<void> => {
    const before = clock.now() - days * dayMs
    let batches = 0
    try {
      for (let forgotten = -1; forgotten !== 0 && !stopped; batches += forgotten) {
        await turn()
        forgotten = stopped ? 0 : frames.forgetBefore(before)
      }
      if (batches === 0) return
      const payload = { batches, before: new Date(before).toISOString(), frameProofDays: days }
      await witness.record({ component: 'IF.witness.frames', event: 'frame_hashes_forgotten', traceId: newTraceId(), payload })
    } catch (error) {
      log.error({ code: errorCode(error), batches }, 'hashes of old frames not forgotten')
    }
  }
  const sweepOn = (): void =>
    void sweep().then(() => {
      if (!stopped) cancel = clock.after(sweepMs, sweepOn)
    })
  sweepOn()
  return () => {
    stopped = true
    cancel()
  }
}
