import { parseRegistry } from '#guard'
import { ConfigError } from '#kernel'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'
import { hazardList } from '../../subjects/hazards.ts'

export const run: Run = async (args, output) => {
  const path = args.operands[0]!
  const text = (await readInput(path)).toString('utf8')
  try {
    const { parties } = parseRegistry(text, path, hazardList(args))
    const experts = parties.filter(({ role }) => role === 'expert').length
    const guardians = parties.length - experts
    if (output.json) await output.document({ valid: true, experts, guardians, problems: [] })
    else await output.line(`${printable(path)}: good, ${experts} experts and ${guardians} Guardians`)
    return exitCodes.ok
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (output.json) await output.document({ valid: false, problems: error.problems })
    else for (const problem of error.problems) await output.line(`${printable(path)}: ${printable(problem)}`)
    return exitCodes.failure
  }
}
