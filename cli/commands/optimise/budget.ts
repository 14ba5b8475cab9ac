import { randomUUID } from 'node:crypto'
import { newTraceId } from '#kernel'
import {
  appendItem,
  type BudgetState,
  budgetChanged,
  type Decimal,
  formatDecimal,
  formatRounded,
  isLimit,
  type Period,
  parseDecimal,
  periods,
  readBudgets,
  watchBudgets
} from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import type { Output } from '../../show/output.ts'
import { progressBar } from '../../show/progress.ts'
import { bar, budgetJson, colourOf, nameOf, spentOf } from '../../subjects/budgets.ts'
import { readRates } from '../../subjects/costs.ts'
import { appendTo, ledgerFolder, ledgerPlace, withReader } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const given = args.value('set')
  if (given !== undefined && args.has('remove')) throw new UsageError('--set and --remove: one of them')
  if (given !== undefined || args.has('remove')) await change(args, output, given)
  else await show(args, output)
  return exitCodes.ok
}

function readPeriod(args: Arguments): Period | undefined {
  const given = args.value('period')
  const period = periods.find((each) => each === given)
  if (given !== undefined && period === undefined) throw new UsageError(`--period: expected one of ${periods.join(', ')}`)
  return period
}

async function change(args: Arguments, output: Output, given: string | undefined): Promise<void> {
  const period = readPeriod(args) ?? 'month'
  if (given !== undefined && !isLimit(given))
    throw new UsageError('--set: expected US dollars, more than 0, such as 500 or 12.50')
  const limit = given === undefined ? null : parseDecimal(given)
  const folder = ledgerFolder(args)
  const budgets = await withReader(folder, readBudgets)
  const before = budgets.find((budget) => budget.period === period)?.limit ?? null
  if (limit === null && before === null) throw new CommandError('cli.not-found', `there is no budget of a ${period}`)
  const event = budgetChanged(period, limit, before, newTraceId())
  const [place] = await appendTo(folder, [appendItem(event, Date.now(), randomUUID())], output)
  const text = (amount: Decimal | null): string => (amount === null ? 'none' : `${formatDecimal(amount)} USD`)
  if (output.json) await output.document({ ...event.payload, ...place })
  else await output.line(`budget of a ${period}: ${text(limit)}, before ${text(before)} (entry ${place!.index})`)
}

async function show(args: Arguments, output: Output): Promise<void> {
  const only = readPeriod(args)
  const rates = await readRates(args)
  const states = await withReader(ledgerPlace(args), (reader) => watchBudgets(reader, rates).states(Date.now(), progressBar()))
  const wanted = states.filter(({ span }) => only === undefined || span.period === only)
  if (wanted.length === 0) output.talk('no budget; ifctl optimise budget --set 500 --period month sets one')
  for (const state of wanted) {
    if (output.json) await output.document(budgetJson(state))
    else for (const line of lines(state, output)) await output.line(line)
  }
}

function lines(state: BudgetState, output: Output): string[] {
  const { span, remaining, forecast, unpriced, reached } = state
  const level = reached.at(-1)
  const mark = level === undefined ? '' : `  ${level}`
  return [
    `${output.paint('bold', nameOf(state))}  ${level === undefined ? bar(state) : output.paint(colourOf[level], `${bar(state)}${mark}`)}`,
    `  spent      ${spentOf(state)}`,
    `  remaining  ${formatRounded(remaining, 6)} USD`,
    `  forecast   ${formatRounded(forecast, 2)} USD by ${new Date(span.until).toISOString().slice(0, 10)}`,
    ...(unpriced === 0 ? [] : [`  not in it  ${unpriced} entries with tokens of a model without rate`])
  ]
}
