import { type CostLine, costGroups } from '#governor'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withPlugins } from '../../subjects/plugins.ts'

const head = ['claims', 'completed', 'USD', 'of it estimated', 'wasted', '%', 'USD a completed task']
const cells = ({ claims, completed, cost, supposed, wasted, wastedPct, perCompleted }: CostLine) => [
  String(claims),
  String(completed),
  cost,
  supposed,
  wasted,
  wastedPct ?? '-',
  perCompleted ?? '-'
]

async function show(rows: readonly string[][], output: Output): Promise<void> {
  for (const line of table(rows, output.columns())) await output.line(printable(line))
}

export const analyze: Run = (args, output) => {
  const named = args.value('group-by') ?? 'capability'
  const by = costGroups.find((each) => each === named)
  if (by === undefined) throw new UsageError(`--group-by: expected ${costGroups.join(' or ')}`)
  return withPlugins(args, output, async ({ governor }) => {
    const lines = await governor.costs(by)
    if (output.json) for (const { group, ...line } of lines) await output.document({ [by]: group, ...line })
    else if (lines.length === 0) output.talk('no claim has ended yet')
    else await show([[by, ...head], ...lines.map((line) => [line.group, ...cells(line)])], output)
    return exitCodes.ok
  })
}

export const waste: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    const { total, lines } = await governor.waste()
    const { group: _, ...sums } = total
    if (output.json) await output.document({ ...sums, lines })
    else if (total.claims === 0) output.talk('no claim has ended yet')
    else {
      await output.line(
        `${total.wasted} of ${total.cost} USD wasted${total.wastedPct === null ? '' : ` (${total.wastedPct} %)`}: ` +
          `${total.completed} of ${total.claims} claims ended with a result`
      )
      const rows = lines.map(({ swarm, kind, end, claims, cost }) => [swarm, kind, end, String(claims), cost])
      if (rows.length > 0) await show([['swarm', 'capability', 'ended by', 'claims', 'USD'], ...rows], output)
    }
    return exitCodes.ok
  })

export const recommendations: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator, governor }) => {
    const found = await governor.recommendations(await coordinator.swarms())
    if (output.json) for (const each of found) await output.document(each)
    else if (found.length === 0) output.talk('nothing to recommend: too little has happened, or all is well')
    else for (const { text } of found) await output.line(printable(text))
    return exitCodes.ok
  })
