import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Run } from '../../command.ts'
import { CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { proveEntry, readPolicy } from '../../subjects/proofs.ts'
import { batchEntries, recordingFolder } from '../../subjects/recordings.ts'

/** A week. */
const latestSecond = 604_800

export const run: Run = async (args, output) => {
  const [{ entryProofFile, openRecording, secondsBetween, secondText, writeExcerpt }, { frameHash, proveFrame }] =
    await Promise.all([import('#media/recording'), import('#ledger')])
  const from = args.wholeNumber('from', 0, latestSecond) ?? 0
  const to = args.wholeNumber('to', 0, latestSecond) ?? latestSecond
  if (to < from) throw new UsageError('--to lies before --from')
  const out = resolve(args.required('out'))
  if (existsSync(out)) throw new CommandError('cli.file.exists', `${out} is there already`)
  const recording = openRecording(await recordingFolder(args, args.operands[0]!))
  const placed = secondsBetween(recording, from, to)
  const place = ledgerPlace(args)
  const policy = await readPolicy(args.value('policy'))
  const proofs = await withReader(place, async (reader) => {
    const entries = await batchEntries(reader, recording.manifest)
    const made = new Map<number, string>()
    for (const batch of new Set(placed.map((second) => second.batch))) {
      const entry = entries.get(batch)
      if (entry === undefined)
        throw new CommandError('cli.not-found', `batch ${batch} of the recording is in no entry of the ledger`)
      const proof = await proveEntry(reader, place, entry.entry.index, policy)
      if (!proof.published)
        output.talk(`no published head covers entry ${entry.entry.index} yet: no witness has cosigned its proof`)
      made.set(batch, proof.text)
    }
    return made
  })
  const hashes = new Map(
    recording.batches.map(({ batch, seconds }) => [
      batch,
      Buffer.concat(seconds.map((line) => frameHash(secondText(recording.manifest.id, line))))
    ])
  )
  const excerpt = writeExcerpt(recording, placed, ({ batch, index }) => proveFrame(hashes.get(batch)!, index).proof, out)
  for (const [batch, text] of proofs) writeFileSync(entryProofFile(out, batch), text)
  const { fromSecond, toSecond, seconds } = excerpt
  if (output.json)
    await output.document({ recording: excerpt.recording, fromSecond, toSecond, seconds: seconds.length, folder: out })
  else await output.line(`second ${fromSecond} to ${toSecond} of ${excerpt.recording} with their proofs in ${printable(out)}`)
  return exitCodes.ok
}
