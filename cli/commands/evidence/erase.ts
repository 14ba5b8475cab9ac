import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { askSuite } from '../../subjects/control.ts'

export const run: Run = async (args, output) => {
  const id = args.operands[0]!
  const reason = args.required('reason')
  await askSuite(args, `/v1/evidence/${encodeURIComponent(id)}/erase`, { reason })
  if (output.json) await output.document({ erased: id })
  else {
    output.talk('its name and hash stay beside the ledger: ifctl witness erase takes them, too')
    output.talk('who has received it may have kept it')
  }
  return exitCodes.ok
}
