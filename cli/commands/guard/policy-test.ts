import { askRow, defaultRules, parseRuleTable, readRules } from '#guard'
import { ConfigError } from '#kernel'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'

export const run: Run = async (args, output) => {
  const path = args.operands[0]!
  const given = args.value('rules')
  try {
    const text = given === undefined ? defaultRules() : (await readInput(given)).toString('utf8')
    const rules = readRules(text, given ?? 'the rules of the suite')
    const rows = parseRuleTable((await readInput(path)).toString('utf8'), path, rules.schema)
    const outcomes = await Promise.all(rows.map((row) => askRow(rules, row)))
    const failed = outcomes.filter(({ ok }) => !ok)
    if (output.json)
      await output.document({
        policy: rules.hash,
        passed: outcomes.length - failed.length,
        failed: failed.map(({ row: { name, line, expect }, verdict, code, rule }) => ({
          name,
          line,
          expect,
          verdict,
          code,
          rule
        }))
      })
    else {
      for (const { row, verdict, code, rule } of failed) {
        const expected = Object.values(row.expect).join(' ')
        const said = `expected ${expected}, the rules say ${verdict} ${code}${rule === null ? '' : ` (rule ${rule})`}`
        await output.line(`${printable(path)}:${row.line}: ${printable(row.name)}: ${printable(said)}`)
      }
      await output.line(`${outcomes.length - failed.length} of ${outcomes.length} rows as expected`)
    }
    return failed.length === 0 ? exitCodes.ok : exitCodes.failure
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (output.json) await output.document({ problems: error.problems })
    else for (const problem of error.problems) await output.line(printable(problem))
    return exitCodes.failure
  }
}
