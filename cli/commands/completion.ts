import { UsageError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { commands } from '../commands.ts'
import { completionScript, shells } from '../completion.ts'
import { exitCodes } from '../exit-codes.ts'

export const run: Run = async (args, output) => {
  const shell = shells.find((each) => each === args.operands[0])
  if (shell === undefined) throw new UsageError(`<shell>: expected one of ${shells.join(', ')}`)
  const script = completionScript(shell, commands)
  await (output.json ? output.document({ shell, script }) : output.line(script.trimEnd()))
  return exitCodes.ok
}
