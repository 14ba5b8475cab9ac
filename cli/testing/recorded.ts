/** A recording and the ledger's entries about it, made without a call. */
import { join } from 'node:path'
import { newTraceId, silentLog, type WitnessEvent } from '#kernel'
import { appendItem, batchOf, frameHash, openLedger } from '#ledger'
import { prepareRecordingSigner, type RecordingManifest, type SecondLine, secondText } from '#media/recording'
import { recordKinds } from '../../media/recording/ring.ts'
import { RecordingWriter } from '../../media/recording/writer.ts'

export const recordingId = 'council-20261121t160000z-00000001'
export const startedAt = Date.UTC(2026, 10, 21, 16)
const audio = { format: 'wav', sampleRateHz: 8000 } as const

/** A data folder with a recording of four seconds in two batches, and the ledger's entries about it. */
export async function prepareRecording(
  data: string,
  told: (batch: number, event: WitnessEvent) => WitnessEvent | null
): Promise<{ folder: string; vkey: string }> {
  const traceId = newTraceId()
  const folder = join(data, 'recordings', recordingId)
  const manifest: RecordingManifest = {
    format: 'infrafabric-recording/1',
    id: recordingId,
    conference: 'council',
    traceId,
    startedAt,
    audio,
    batchSeconds: 2,
    consent: 'key',
    startedBy: 'operator',
    retentionDays: null,
    parties: [{ slot: 1, participant: 'a', role: 'expert', consent: 'key', since: startedAt, until: null }],
    gaps: [],
    state: 'stopped',
    reason: 'operator',
    seconds: 4
  }
  const batches: (readonly SecondLine[])[] = []
  const plan = { id: recordingId, folder, audio, batchSeconds: 2, startedAt }
  const writer = new RecordingWriter(plan, manifest, { batch: (_number, seconds) => batches.push(seconds), gap: () => undefined })
  for (let n = 0; n < 200; n++) {
    writer.take({ kind: recordKinds.part, slot: 1, timeMs: 20 * n, rateHz: 8000, octets: new Uint8Array(320).fill(n) })
    writer.take({ kind: recordKinds.frame, slot: 0, timeMs: 20 * n, rateHz: 8000, octets: new Uint8Array(0) })
  }
  writer.end()
  writer.finish(manifest)
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin: 'council.example/witness', log: silentLog })
  for (const [number, seconds] of batches.entries()) {
    const batch = batchOf('recording', Buffer.concat(seconds.map((line) => frameHash(secondText(recordingId, line)))))
    const payload = { recording: recordingId, number, startedAt: new Date(startedAt).toISOString(), audio, batch }
    const event = told(number, { event: 'recording_batch', component: 'IF.media.recorder', traceId, payload })
    if (event !== null) await ledger.append([appendItem(event, startedAt, `batch-${number}`)], null)
  }
  await ledger.close()
  prepareRecordingSigner(join(data, 'recordings'), 'council.example/witness', startedAt)
  return { folder, vkey: ledger.vkey }
}
