import type { BudgetStatus } from '#governor'
import { periods } from '#ledger/money'
import type { Run } from '../../command.ts'
import { CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readMoment } from '../../line/times.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withPlugins } from '../../subjects/plugins.ts'

async function show(budgets: readonly BudgetStatus[], output: Output, none: string): Promise<void> {
  if (output.json) {
    for (const { budget, spending, left, level } of budgets) await output.document({ ...budget, ...spending, left, level })
    return
  }
  if (budgets.length === 0) {
    output.talk(none)
    return
  }
  const rows = budgets.map(({ budget, spending, left, level }) => [
    budget.swarm,
    spending.span,
    budget.limit,
    spending.spent,
    spending.reserved,
    left,
    level === 0 ? '-' : output.paint(level === 50 ? 'yellow' : 'red', `${level} %`)
  ])
  const head = ['swarm', 'span', 'limit', 'spent', 'reserved', 'left', 'reached']
  for (const line of table([head, ...rows], output.columns())) await output.line(line)
}

export const status: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    const swarm = args.value('swarm')
    const budgets = (await governor.budgets()).filter(({ budget }) => swarm === undefined || budget.swarm === swarm)
    if (swarm !== undefined && budgets.length === 0) throw new CommandError('governor.budget', `${swarm} has no budget`)
    await show(budgets, output, 'no swarm has a budget')
    return exitCodes.ok
  })

export const alerts: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    await show(
      (await governor.budgets()).filter(({ level }) => level > 0),
      output,
      'no budget is half gone'
    )
    return exitCodes.ok
  })

export const set: Run = (args, output) => {
  const swarm = args.required('swarm')
  const limit = args.required('limit')
  const named = args.value('period') ?? 'month'
  const period = periods.find((each) => each === named)
  if (period === undefined) throw new UsageError(`--period: expected ${periods.join(', ')}`)
  return withPlugins(args, output, async ({ governor }) => {
    await governor.setBudget(swarm, limit === 'none' ? null : limit, period)
    if (output.json) await output.document({ swarm, limit: limit === 'none' ? null : limit, period })
    else await output.line(limit === 'none' ? `${swarm} has no budget` : `${swarm} may spend ${limit} USD in a ${period}`)
    return exitCodes.ok
  })
}

export const history: Run = (args, output) => {
  const start = args.value('start-date')
  const since = start === undefined ? null : readMoment(start, 'start-date', Date.now())
  return withPlugins(args, output, async ({ governor }) => {
    const spending = await governor.spending(args.value('swarm') ?? null, since)
    if (output.json) for (const each of spending) await output.document(each)
    else if (spending.length === 0) output.talk('nothing was spent')
    else {
      const rows = spending.map(({ span, swarm, spent, reserved, tasks }) => [span, swarm, spent, reserved, String(tasks)])
      for (const line of table([['span', 'swarm', 'spent', 'reserved', 'tasks'], ...rows], output.columns()))
        await output.line(printable(line))
    }
    return exitCodes.ok
  })
}
