/**
 * Breaks the ledger on purpose and counts what is missing afterwards: kill -9 of writers, power cuts under them, writes that fail.
 *
 *   npm run fault:ledger -- [--runs N] [--seed N] [--only kills|cuts|writes] [--json]
 *
 * Ends with status 1 when anything was lost, stood twice, was forked or did not verify, or when the run that must lose lost nothing.
 */
import { parseArgs } from 'node:util'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { type FailedWrites, failWrites } from './failed-writes.ts'
import { killWriters } from './kills.ts'
import { newTally, type Tally } from './oracle.ts'
import { cutPowerUnderWriters, missingPrograms, powerCutsImpossible } from './power-cuts.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
const number = (name: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  process.stderr.write(`--${name}: expected a whole number, not ${text}\n`)
  process.exit(2)
}
const runs = number('runs', values.runs)
const seed = number('seed', values.seed)
if (values.only !== undefined && !['kills', 'cuts', 'writes'].includes(values.only)) {
  process.stderr.write(`--only: expected kills, cuts or writes, not ${values.only}\n`)
  process.exit(2)
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
const { signal } = stop

const progress = (what: string) => (done: number) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${what} ${done}/${runs} `)
}

const nothing = { ...newTally(), cuts: 0 }
let kills = nothing as Tally
let cuts = nothing
let demonstration = nothing
let writes: FailedWrites = { ...newTally(), positions: 0 }
const wants = (part: string): boolean => values.only === undefined || values.only === part
const skipped: string[] = []
try {
  if (wants('kills')) kills = await killWriters({ runs, seed, signal, onRun: progress('kills') })
  if (wants('cuts')) {
    const impossible = powerCutsImpossible()
    if (impossible !== null) skipped.push(impossible)
    else {
      cuts = await cutPowerUnderWriters({ runs, seed, signal, careless: false, onRun: progress('power cuts') })
      demonstration = await cutPowerUnderWriters({ runs: 20, seed, signal, careless: true })
      if (demonstration.lost === 0)
        skipped.push('the run without waiting for the disk lost nothing: the check proves nothing here')
    }
  }
  if (wants('writes')) {
    const missing = missingPrograms({ strace: 'strace' })
    if (missing.length > 0) skipped.push(`failed writes need ${missing.join(', ')}`)
    else writes = await failWrites({ runs, seed, signal, onRun: progress('failed writes') })
  }
} catch (error) {
  if (!signal.aborted) throw error
  process.exit(130)
}

const sum = (of: 'lost' | 'duplicated' | 'forked' | 'invalid') => kills[of] + cuts[of] + writes[of]
const note = `${kills.acknowledged + cuts.acknowledged + writes.acknowledged} entries acknowledged; seed ${seed}`
const metrics: Metric[] = [
  {
    metric: 'fault.kills',
    value: wants('kills') ? runs : 0,
    unit: 'kills',
    note: 'SQLite: kill -9 while opening and writing'
  },
  { metric: 'fault.power_cuts', value: cuts.cuts, unit: 'cuts', note: 'SQLite, synchronous=FULL, ext4 shut down' },
  {
    metric: 'fault.failed_writes',
    value: writes.positions,
    unit: 'places',
    note: 'SQLite: EIO and ENOSPC at every write and sync'
  },
  { metric: 'fault.lost', value: sum('lost'), unit: 'entries', note },
  { metric: 'fault.duplicated', value: sum('duplicated'), unit: 'keys', note },
  { metric: 'fault.forked', value: sum('forked'), unit: 'heads', note },
  { metric: 'fault.invalid', value: sum('invalid'), unit: 'rounds', note: 'another verdict than valid, or not opened' },
  {
    metric: 'fault.careless_lost',
    value: demonstration.lost,
    unit: 'entries',
    note: `must lose: synchronous=OFF, after ${demonstration.cuts} cuts`
  }
]
process.stdout.write(`${values.json ? jsonLines(metrics) : metricTable(metrics)}\n`)
for (const problem of [...kills.problems, ...cuts.problems, ...writes.problems, ...skipped]) process.stderr.write(`${problem}\n`)
const failed = sum('lost') + sum('duplicated') + sum('forked') + sum('invalid') > 0
process.exit(failed || skipped.length > 0 ? 1 : 0)
