import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { showCosts } from '../../subjects/costs.ts'

export const run: Run = async (args, output) => {
  await showCosts(args, output, { trace: args.value('trace'), component: undefined })
  return exitCodes.ok
}
