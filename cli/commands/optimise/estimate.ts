import { type Decimal, decimalOf, formatDecimal, formatRounded, h323MonthlyCost, h323SessionCost, parseDecimal } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'

const minutesOfDay = 1_440
const usualDays = 30
const usualMinutes = 30

export const run: Run = async (args, output) => {
  const bandwidth = readBandwidth(args)
  const minutes = args.wholeNumber('minutes-per-day', 0, minutesOfDay * 1_000)
  if (minutes === undefined) throw new UsageError('--minutes-per-day is missing')
  const days = args.wholeNumber('days', 1, 366) ?? usualDays
  const month = h323MonthlyCost(bandwidth, minutes, days)
  const call = h323SessionCost(bandwidth, decimalOf(usualMinutes))
  if (output.json) {
    await output.document({
      mbit: formatDecimal(bandwidth),
      minutes_per_day: minutes,
      days,
      cost: formatDecimal(month),
      cost_of_call: formatDecimal(call)
    })
  } else {
    await output.line(
      `${formatRounded(month, 6)} USD in ${days} days, in calls of ${usualMinutes} minutes at ${formatRounded(call, 6)} USD each`
    )
  }
  return exitCodes.ok
}

function readBandwidth(args: Arguments): Decimal {
  const text = args.required('mbit')
  if (!/^\d{1,6}(?:\.\d{1,6})?$/.test(text)) throw new UsageError('--mbit: expected Mbit/s, such as 2 or 0.384')
  return parseDecimal(text)
}
