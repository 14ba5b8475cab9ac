import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const note = await withReader(ledgerPlace(args), async (reader) => reader.checkpoint())
  if (note === null) throw new CommandError('cli.not-found', 'the ledger is empty: it has no checkpoint')
  const [origin, size, root] = note.split('\n')
  if (output.json) await output.document({ origin, size: Number(size), root, note })
  else await output.line(note.replace(/\n$/, ''))
  return exitCodes.ok
}
