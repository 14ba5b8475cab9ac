import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readInput } from '../../subjects/files.ts'
import { existingLedger, ledgerFolder } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const files = await existingLedger(ledgerFolder(args))
  const vkey = (await readInput(files.vkey)).toString('utf8').trim()
  if (output.json) await output.document({ vkey })
  else await output.line(vkey)
  return exitCodes.ok
}
