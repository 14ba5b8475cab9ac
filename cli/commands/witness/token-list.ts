import { ledgerFiles, serviceTokens } from '#ledger'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { table } from '../../show/table.ts'
import { existingLedger, ledgerFolder } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const dir = ledgerFolder(args)
  await existingLedger(dir)
  const { readTokens } = await serviceTokens()
  const tokens = readTokens(ledgerFiles(dir).tokens)
  if (output.json) for (const { id, name, role, created } of tokens) await output.document({ id, name, role, created })
  else
    for (const line of table(
      tokens.map(({ id, name, role, created }) => [id, name, role, created]),
      output.columns()
    ))
      await output.line(line)
  return exitCodes.ok
}
