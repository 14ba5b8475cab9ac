import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, newTraceId } from '#kernel'
import {
  type AlertLevel,
  alertsOf,
  appendItem,
  type BudgetState,
  formatDecimal,
  keyTaken,
  knownAlerts,
  type LedgerReader,
  watchBudgets
} from '#ledger'
import type { Run } from '../../command.ts'
import type { Arguments } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import type { Output } from '../../show/output.ts'
import { progressBar } from '../../show/progress.ts'
import { colourOf, nameOf, spentOf } from '../../subjects/budgets.ts'
import { readRates } from '../../subjects/costs.ts'
import { appendTo, ledgerFolder, withReader } from '../../subjects/ledger.ts'

const pollMs = 1_000
const codes: Readonly<Record<AlertLevel, number>> = {
  notice: exitCodes.budgetNotice,
  warning: exitCodes.budgetWarning,
  error: exitCodes.budgetError
}

export const run: Run = async (args, output) => {
  const folder = ledgerFolder(args)
  const rates = await readRates(args)
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    return await withReader(folder, async (reader) => {
      const watch = watchBudgets(reader, rates)
      const shown = new Set<string>()
      let highest: number = exitCodes.ok
      do {
        const states = await watch.states(Date.now(), progressBar(), stop.signal)
        highest = Math.max(exitCodes.ok, ...states.flatMap(({ reached }) => reached.map((level) => codes[level])))
        let told = 0
        for (const state of states)
          for (const alert of await alerts(args, output, { folder, reader, state })) {
            told++
            if (shown.has(alert.key)) continue
            shown.add(alert.key)
            await show(alert, state, output)
          }
        if (told === 0 && !args.has('follow'))
          output.talk(states.length === 0 ? 'no budget' : 'no budget has reached a level at which it is told')
        if (args.has('follow')) await pause(pollMs, undefined, { signal: stop.signal }).catch(() => undefined)
      } while (args.has('follow') && !stop.signal.aborted)
      return args.has('exit-code') ? highest : exitCodes.ok
    })
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

interface Told {
  readonly key: string
  readonly level: AlertLevel
  /** Leaf number of the entry that tells of it; null where none was written. */
  readonly entry: number | null
  /** Whether this process wrote it. */
  readonly fresh: boolean
}

interface Place {
  readonly folder: string
  readonly reader: LedgerReader
  readonly state: BudgetState
}

/** Alerts of a budget; those that are not in the ledger yet are written, each once however many processes do so at the same time. */
async function alerts(args: Arguments, output: Output, { folder, reader, state }: Place): Promise<Told[]> {
  const all = alertsOf(state, newTraceId())
  if (all.length === 0) return []
  const known = await knownAlerts(reader, state)
  const fresh = args.has('dry-run') ? [] : all.filter(({ level }) => !known.has(level))
  const items = fresh.map(({ event, key }) => appendItem(event, Date.now(), key))
  let places: Awaited<ReturnType<typeof appendTo>> = []
  try {
    if (items.length > 0) places = await appendTo(folder, items, output)
  } catch (error) {
    // another process told one of them meanwhile, with the sum that it saw
    const since = errorCode(error) === keyTaken ? await knownAlerts(reader, state) : known
    if (since.size === known.size) throw error
    return alerts(args, output, { folder, reader, state })
  }
  const told: Told[] = []
  for (const { level, key } of all) {
    const place = places[fresh.findIndex((alert) => alert.level === level)]
    const entry = place?.index ?? known.get(level) ?? null
    told.push({ key, level, entry, fresh: place !== undefined })
  }
  return told
}

async function show({ level, entry, fresh }: Told, state: BudgetState, output: Output): Promise<void> {
  if (output.json) {
    const { budget, span, spent, percent } = state
    await output.document({
      level,
      period: span.period,
      span: span.name,
      limit: formatDecimal(budget.limit),
      spent: formatDecimal(spent),
      percent: formatDecimal(percent),
      entry,
      fresh
    })
    return
  }
  const where = entry === null ? 'not recorded' : fresh ? `entry ${entry}` : `known since entry ${entry}`
  await output.line(`${output.paint(colourOf[level], level.padEnd(7))}  ${nameOf(state)}  ${spentOf(state)}  ${where}`)
}
