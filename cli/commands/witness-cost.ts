import type { Run } from '../command.ts'
import { showCosts } from '../costs.ts'
import { exitCodes } from '../exit-codes.ts'

export const run: Run = async (args, output) => {
  await showCosts(args, output, { trace: args.value('trace'), component: undefined })
  return exitCodes.ok
}
