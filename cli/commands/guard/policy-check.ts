import { readRules } from '#guard'
import { ConfigError } from '#kernel'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'

export const run: Run = async (args, output) => {
  const path = args.operands[0]!
  const text = (await readInput(path)).toString('utf8')
  try {
    const { hash, forbids, permits } = readRules(text, path)
    if (output.json)
      await output.document({ valid: true, policy: hash, forbids: forbids.length, permits: permits.length, problems: [] })
    else await output.line(`${printable(path)}: good, ${forbids.length} forbids and ${permits.length} permits, ${hash}`)
    return exitCodes.ok
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (output.json) await output.document({ valid: false, problems: error.problems })
    else for (const problem of error.problems) await output.line(`${printable(path)}: ${printable(problem)}`)
    return exitCodes.failure
  }
}
