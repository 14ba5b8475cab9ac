import type { LedgerFilter } from '#ledger'
import { type Arguments, UsageError } from '../line/arguments.ts'
import { readMoment } from '../line/times.ts'

/** What the options of `filterOptions` say, without `limit`. @throws {UsageError} */
export function readFilter(args: Arguments): LedgerFilter {
  const now = Date.now()
  const moment = (option: string): number | undefined => {
    const text = args.value(option)
    return text === undefined ? undefined : readMoment(text, option, now)
  }
  const since = moment('since')
  const until = moment('until')
  if (since !== undefined && until !== undefined && since >= until) throw new UsageError('--since is not before --until')
  const given: Record<keyof LedgerFilter, string | number | undefined> = {
    trace: args.value('trace'),
    component: args.value('component'),
    event: args.value('event'),
    callId: args.value('call-id'),
    since,
    until,
    afterIndex: args.wholeNumber('after', 0, Number.MAX_SAFE_INTEGER),
    limit: undefined
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const mostLimit = 1_000_000_000

/** What `--limit` says. @throws {UsageError} */
export const readLimit = (args: Arguments): number | undefined => args.wholeNumber('limit', 1, mostLimit)
