/**
 * `npm run bench:ledger`: how fast the ledger takes entries, proves and verifies them, and what its commands cost.
 */
import { cac } from 'cac'
import { z } from 'zod'
import { ConfigError, messageOf } from '#kernel'
import { readOptions } from '#scripts/bench/options.ts'
import { commandOverhead } from '#scripts/bench/overhead.ts'
import { jsonLines, type Metric, metricTable, quantile } from '#scripts/bench/report.ts'
import { benchAppend, benchLatency, benchSync, latencyRate } from './append-bench.ts'
import { benchMemory } from './memory-bench.ts'
import { benchProof } from './proof-bench.ts'
import { benchVerify } from './verify-bench.ts'

const optionsSchema = z.object({
  only: z.string().default('append,latency,proof,memory,verify,cli'),
  entries: z.coerce.number().int().min(4096).max(10_000_000),
  json: z.boolean().default(false)
})

const say = (text: string) => process.stderr.write(`${text}\n`)
const round = (value: number) => Math.round(value).toLocaleString('en')

async function append(entries: number): Promise<Metric[]> {
  const metrics: Metric[] = []
  const ratios: number[] = []
  const words: string[] = []
  for (const kind of ['sqlite', 'redis'] as const) {
    const found = await benchAppend(kind, entries)
    const { entriesPerSecond, barePerSecond, valuesPerSecond, ratio, entries: appended, commits } = found
    metrics.push({
      metric: `ledger.append_${kind}_eps`,
      value: entriesPerSecond,
      unit: '1/s',
      note: `acknowledged = durable and signed; 64 producers, 32 entries each at a time; ${appended} entries in ${commits} commits, median of fifths`
    })
    ratios.push(ratio)
    const ofValues = (entriesPerSecond / valuesPerSecond).toFixed(2)
    words.push(
      `${kind} ${ratio.toFixed(2)} of ${round(barePerSecond)}/s (as one value ${ofValues} of ${round(valuesPerSecond)}/s)`
    )
  }
  return [
    ...metrics,
    {
      metric: 'ledger.append_ratio_to_store',
      value: Math.min(...ratios),
      unit: '1',
      note: `to the same commits written bare, the same rows with the same octets in as many durable writes: ${words.join(', ')}`
    }
  ]
}

async function latency(): Promise<Metric[]> {
  const syncsBefore = benchSync()
  const taken = await benchLatency()
  const syncs = [...syncsBefore, ...benchSync()]
  // one write that the disk lets wait is more than a hundredth of all, and of one second alone
  const bySecond = Array.from({ length: taken.length / latencyRate }, (_, second) =>
    quantile(taken.slice(second * latencyRate, (second + 1) * latencyRate), 0.99).toFixed(1)
  )
  return [
    {
      metric: 'ledger.append_p99_ms',
      value: quantile(taken, 0.99),
      unit: 'ms',
      note: `SQLite, open loop at 20,000/s, ${taken.length} entries; median ${quantile(taken, 0.5).toFixed(2)}; p99 of each second ${bySecond.join(', ')}`
    },
    {
      metric: 'ledger.bare_sync_p99_ms',
      value: quantile(syncs, 0.99),
      unit: 'ms',
      note: `16 kB written and synced, one after another, before and after; an entry waits for up to two of these; median ${quantile(syncs, 0.5).toFixed(2)}`
    }
  ]
}

async function commands(): Promise<Metric[]> {
  const found = commandOverhead()
  const words = (values: readonly number[]) => `${quantile(values, 0.5).toFixed(1)} / ${quantile(values, 0.9).toFixed(1)}`
  const figures = Object.entries(found).map(([name, values]) => `${name} ${words(values)}`)
  const beyondWrite = found.log.map((ms, run) => ms - found.bareWrite[run]!)
  const metric = (name: string, values: readonly number[], note: string): Metric[] => [
    { metric: name, value: quantile(values, 0.5), unit: 'ms', note: `median of ${values.length}; ${note}` },
    { metric: `${name}_p90`, value: quantile(values, 0.9), unit: 'ms', note: `the slowest tenth; ${note}` }
  ]
  return [
    ...metric('cli.overhead_ms', found.query, 'ifctl witness query over node -e 0'),
    ...metric('cli.nothing_ms', found.nothing, 'node -e 0 over node -e 0: the part of the slowest tenth that is no command’s'),
    ...metric(
      'cli.log_overhead_ms',
      beyondWrite,
      `ifctl witness log over node -e 0 and the bare durable write of as much; median / p90 over node -e 0: ${figures.join(', ')}`
    )
  ]
}

async function main(): Promise<number> {
  const program = cac('bench:ledger')
  program.option('--only <parts>', 'Of append, latency, proof, memory, verify, cli', {
    default: 'append,latency,proof,memory,verify,cli'
  })
  program.option('--entries <n>', 'Entries appended to each store', { default: 200_000 })
  program.option('--json', 'One JSON object a line')
  const options = readOptions(program, optionsSchema)
  if (options === null) return 0
  const { only, entries, json } = options
  const parts: Record<string, () => Promise<Metric[]>> = {
    append: () => append(entries),
    latency,
    proof: () => benchProof(),
    memory: () => benchMemory(),
    verify: () => benchVerify(),
    cli: commands
  }
  const metrics: Metric[] = []
  for (const name of only.split(',')) {
    const part = parts[name]
    if (part === undefined) throw new ConfigError('bench:ledger', [`--only: expected some of ${Object.keys(parts).join(', ')}`])
    say(`${name}…`)
    metrics.push(...(await part()))
  }
  console.log(json ? jsonLines(metrics) : metricTable(metrics))
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  say(messageOf(error))
  process.exitCode = 2
}
