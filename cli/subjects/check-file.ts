import { ConfigError, type JsonObject } from '#kernel'
import type { Run } from '../command.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { printable } from '../show/output.ts'
import { readInput } from './files.ts'

/** What is told of a good file, for programs and in a line for people. */
export interface GoodFile {
  readonly facts: JsonObject
  readonly line: string
}

/** A command that checks the file it is given: what a good one holds, or every problem. @param read throws a `ConfigError` for a bad one */
export function checkFile(read: (text: string, path: string, args: Parameters<Run>[0]) => GoodFile): Run {
  return async (args, output) => {
    const path = args.operands[0]!
    const text = (await readInput(path)).toString('utf8')
    try {
      const { facts, line } = read(text, path, args)
      if (output.json) await output.document({ valid: true, ...facts, problems: [] })
      else await output.line(`${printable(path)}: good, ${line}`)
      return exitCodes.ok
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      if (output.json) await output.document({ valid: false, problems: error.problems })
      else for (const problem of error.problems) await output.line(`${printable(path)}: ${printable(problem)}`)
      return exitCodes.failure
    }
  }
}
