import { ledgerFiles, serviceTokens } from '#ledger'
import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { existingLedger, ledgerFolder } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const dir = ledgerFolder(args)
  await existingLedger(dir)
  const { revokeToken } = await serviceTokens()
  const id = args.operands[0]!
  if (!revokeToken(ledgerFiles(dir).tokens, id)) throw new CommandError('cli.not-found', 'there is no such token')
  if (output.json) await output.document({ revoked: id })
  else await output.line(`token ${id} is revoked`)
  return exitCodes.ok
}
