import { ledgerFiles, serviceTokens } from '#ledger'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { existingLedger, ledgerFolder } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const dir = ledgerFolder(args)
  await existingLedger(dir)
  const { addToken, roles } = await serviceTokens()
  const role = roles.find((each) => each === args.required('role'))
  if (role === undefined) throw new UsageError(`--role: expected ${roles.join(', ')}`)
  const { token, id } = addToken(ledgerFiles(dir).tokens, args.operands[0]!, role, Date.now())
  if (output.json) await output.document({ id, name: args.operands[0], role, token })
  else {
    await output.line(token)
    output.talk(`token ${id}, shown this once`)
  }
  return exitCodes.ok
}
