/** Recordings as a part: policies from the settings, and batches of seconds into the ledger. */
import type { BatchWitness, Clock, Log, Witness } from '#kernel'
import { batchOf, frameHash } from '#ledger'
import { createRecorder, defaultPolicy, type MediaPlane, type Recorder, type RecorderEvent } from '#media'
import { prepareRecordingSigner } from '#media/recording'
import type { DataLayout } from '../data/layout.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { readSoundFile } from './sound-file.ts'

/** Batches as entries of a ledger: the items' hashes are leaves of a tree, its root stands in the entry. */
const batchWitness = (witness: Pick<Witness, 'record'>): BatchWitness => ({
  recordBatch: async (event, kind, items) => {
    const batch = batchOf(kind, Buffer.concat(items.map(frameHash)))
    return witness.record({ ...event, payload: { ...event.payload, batch } })
  }
})

export interface RecordingParts {
  readonly config: SuiteConfig
  readonly layout: DataLayout
  readonly plane: MediaPlane
  readonly witness: Pick<Witness, 'record'>
  readonly clock: Clock
  readonly log: Log
  readonly onEvent: (event: RecorderEvent) => void
}

/**
 * Starts the recorder; null where the settings have it off.
 *
 * @throws {ConfigError} for announcements that cannot be played; as createRecorder
 */
export async function startRecorder({ config, layout, plane, witness, ...ports }: RecordingParts): Promise<Recorder | null> {
  const { enabled, format, sampleRateHz, batchSeconds, policies } = config.recording
  if (!enabled) return null
  const signer = prepareRecordingSigner(layout.recordings, config.origin, ports.clock.now())
  const recorder = await createRecorder(
    {
      folder: layout.recordings,
      audio: { format, sampleRateHz },
      batchSeconds,
      policies: await Promise.all(
        policies.map(async ({ announcement, ...policy }) => ({
          ...policy,
          announcement:
            announcement === null ? defaultPolicy.announcement : await readSoundFile('recording', 'announcement', announcement)
        }))
      ),
      signer: signer.fingerprint
    },
    { plane, witness: { record: witness.record, ...batchWitness(witness) }, clock: ports.clock, log: ports.log }
  )
  recorder.onEvent(ports.onEvent)
  return recorder
}
