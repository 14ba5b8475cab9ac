import type { Run } from '../command.ts'
import { UsageError } from '../line/arguments.ts'
import { shells } from '../line/completion.ts'
import { scriptFor } from '../line/completion-scripts.ts'
import { exitCodes } from '../line/exit-codes.ts'

export const run: Run = async (args, output) => {
  const shell = shells.find((each) => each === args.operands[0])
  if (shell === undefined) throw new UsageError(`<shell>: expected one of ${shells.join(', ')}`)
  const script = scriptFor(shell)
  await (output.json ? output.document({ shell, script }) : output.line(script.trimEnd()))
  return exitCodes.ok
}
