import { formatDecimal, formatRounded } from '#ledger'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { readRates } from '../../subjects/costs.ts'

export const run: Run = async (args, output) => {
  const rates = [...(await readRates(args)).values()].flat()
  const from = (moment: number): string | null => (Number.isFinite(moment) ? new Date(moment).toISOString() : null)
  if (output.json) {
    for (const rate of rates)
      await output.document({
        model: rate.model,
        in: formatDecimal(rate.input),
        out: formatDecimal(rate.output),
        from: from(rate.from)
      })
    return exitCodes.ok
  }
  const places = ({ scale }: { readonly scale: number }): number => Math.max(2, scale)
  const rows = rates.map((rate) => [
    printable(rate.model),
    formatRounded(rate.input, places(rate.input)),
    formatRounded(rate.output, places(rate.output)),
    from(rate.from) ?? 'always'
  ])
  for (const line of table([['model', 'USD per million in', 'out', 'valid from'], ...rows], output.columns()))
    await output.line(line)
  return exitCodes.ok
}
