import { join } from 'node:path'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { recordingsFolder } from '../../subjects/recordings.ts'

export const run: Run = async (args, output) => {
  const { openRecording, recordingsIn } = await import('#media/recording')
  const folder = recordingsFolder(args)
  const rows = recordingsIn(folder).map((name) => {
    const { manifest, batches } = openRecording(join(folder, name))
    const { id, conference, state, startedAt, gaps, parties } = manifest
    const seconds = 1 + Math.max(-1, ...batches.map((batch) => batch.seconds.at(-1)?.second ?? -1))
    const participants = [...new Set(parties.map(({ participant }) => participant))]
    return { id, conference, state, startedAt: new Date(startedAt).toISOString(), seconds, gaps: gaps.length, participants }
  })
  if (output.json) {
    for (const row of rows) await output.document(row)
    return exitCodes.ok
  }
  if (rows.length === 0) output.talk(`no recordings in ${folder}`)
  const cells = rows.map((row) => [
    row.id,
    row.state,
    row.startedAt,
    `${row.seconds} s`,
    row.gaps === 0 ? '' : `${row.gaps} gaps`,
    printable(row.participants.join(', '))
  ])
  for (const line of table(cells, output.columns())) await output.line(line)
  return exitCodes.ok
}
