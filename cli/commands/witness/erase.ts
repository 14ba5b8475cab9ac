import { join, resolve } from 'node:path'
import { dataFolder, type Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { ledgerFolder, withLedger } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const index = args.wholeNumber('entry', 0, Number.MAX_SAFE_INTEGER)
  if (index === undefined) throw new UsageError('--entry is missing')
  const reason = args.required('reason')
  const dir = ledgerFolder(args)
  const spool = args.value('spool')
  const spoolDir = spool === undefined ? join(dataFolder(args), 'spool') : resolve(spool)
  const { place, remains } = await withLedger(dir, async ({ reader, erase }) => {
    const { eraseEntry } = await import('#ledger')
    return eraseEntry({ reader, erase, dirs: [dir, spoolDir] }, index, reason)
  })
  if (output.json) await output.document({ ...place, erased: index, remains })
  else {
    await output.line(`payload of entry ${index} erased; entry ${place.index} tells of it`)
    for (const path of remains) output.talk(`still held by ${printable(path)}: in use just now, erase again later`)
    output.talk('copies and exports that were made before are not reached from here')
  }
  return remains.length === 0 ? exitCodes.ok : exitCodes.failure
}
