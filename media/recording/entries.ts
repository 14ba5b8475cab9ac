/** What the ledger is told of recordings: single events, and seconds by one entry. */
import type { BatchWitness, JsonObject, Witness } from '#kernel'
import type { RecordedAudio, RecordingManifest } from './files.ts'
import { type SecondLine, secondText } from './second.ts'

const component = 'IF.media.recorder'
/** Kind of the batches in the ledger. */
const batchKind = 'recording'

type Named = Pick<RecordingManifest, 'id' | 'conference' | 'traceId'>
type RecordingEvent = 'recording_started' | 'recording_consent' | 'recording_stopped' | 'recording_failed' | 'recording_erased'

export interface RecordingEntries {
  /** @throws what the witness throws when it does not take it */
  readonly note: (recording: Named, event: RecordingEvent, payload: JsonObject) => Promise<void>
  /**
   * @param seconds in the order of their numbers, at least one
   * @returns index of the entry; null while it is only kept. @throws as {@link note}
   */
  readonly batch: (
    recording: Named & Pick<RecordingManifest, 'startedAt'>,
    audio: RecordedAudio,
    number: number,
    seconds: readonly SecondLine[],
    more: JsonObject
  ) => Promise<number | null>
}

export const recordingEntries = (witness: Pick<Witness, 'record'> & BatchWitness): RecordingEntries => ({
  note: async ({ id, conference, traceId }, event, payload) => {
    await witness.record({ event, component, traceId, payload: { recording: id, conference, ...payload } })
  },
  batch: async ({ id, conference, traceId, startedAt }, audio, number, seconds, more) => {
    const numbers = seconds.map(({ second }) => second)
    const receipt = await witness.recordBatch(
      {
        event: 'recording_batch',
        component,
        traceId,
        payload: {
          recording: id,
          conference,
          number,
          fromSecond: numbers[0]!,
          toSecond: numbers.at(-1)!,
          startedAt: new Date(startedAt).toISOString(),
          audio: { ...audio },
          streams: [...new Set(seconds.map(({ stream }) => stream))],
          octets: seconds.reduce((sum, { from, to }) => sum + to - from, 0),
          ...more
        }
      },
      batchKind,
      seconds.map((line) => secondText(id, line))
    )
    return receipt.state === 'committed' ? receipt.index : null
  }
})
