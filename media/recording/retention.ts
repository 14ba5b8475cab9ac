/** Recordings go when they are older than their policy allows. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, errorCode, type Log } from '#kernel'
import type { RecordingEntries } from './entries.ts'
import { isRecordingId, readManifest, recordingFiles } from './files.ts'

const dayMs = 86_400_000

/**
 * Deletes what is over its time, told to the ledger before: what that does not take stays. What cannot be read stays, too.
 *
 * @param folder of all recordings
 * @returns names of the recordings that are gone
 */
export async function eraseExpired(
  folder: string,
  { entries, clock, log }: { readonly entries: RecordingEntries; readonly clock: Clock; readonly log: Log }
): Promise<readonly string[]> {
  // keys lie beside the recordings
  const found = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
  const gone: string[] = []
  for (const { name } of found.filter((one) => one.isDirectory() && isRecordingId(one.name))) {
    const place = join(folder, name)
    try {
      const manifest = readManifest(await readFile(recordingFiles(place).manifest, 'utf8'))
      const { retentionDays, startedAt, state, seconds } = manifest
      if (state === 'running' || retentionDays === null) continue
      if (clock.now() < startedAt + 1000 * seconds + retentionDays * dayMs) continue
      await entries.note(manifest, 'recording_erased', { reason: 'retention', retentionDays })
      await rm(place, { recursive: true })
      gone.push(name)
    } catch (error) {
      log.warn({ recording: name, code: errorCode(error) }, 'a recording cannot be looked at, or deleted')
    }
  }
  return gone
}
