/**
 * Breaks the ledger on purpose and counts what is missing afterwards.
 *
 *   npm run fault:ledger -- [--kills N] [--power-cuts N] [--places N] [--only NAME,…] [--at-once N] [--seed N] [--json]
 *
 * Names: those of the parts in parts.ts, or of their groups. Ends with status 1 when anything was lost, stood twice, was forked or did not verify, when a part
 * could not be tried here, or when the runs that must lose lost nothing.
 */

import { parseArgs } from 'node:util'
import { messageOf } from '#kernel'
import { jsonLines, type Metric, table } from '#scripts/bench/report.ts'
import { keepCompiled } from './loader.ts'
import { type Outcome, type Part, parts } from './parts.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    'power-cuts': { type: 'string', default: '500' },
    places: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    'at-once': { type: 'string', default: '2' },
    json: { type: 'boolean', default: false }
  }
})

const refuse = (words: string): never => {
  process.stderr.write(`${words}\n`)
  process.exit(2)
}
const number = (name: keyof typeof values): number => {
  const text = String(values[name])
  return /^\d{1,9}$/.test(text) ? Number(text) : refuse(`--${name}: expected a whole number, not ${text}`)
}
const rounds = { kills: number('kills'), cuts: number('power-cuts'), places: number('places') }
const seed = number('seed')
const atOnce = number('at-once')
const known = new Set(parts.flatMap(({ name, group }) => [name, group]))
const wanted = values.only?.split(',') ?? [...known]
for (const name of wanted) if (!known.has(name)) refuse(`--only: expected some of ${[...known].join(', ')}, not ${name}`)

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
const { signal } = stop

interface Row extends Outcome {
  readonly part: Part
  readonly seconds: number
}

const rows: Row[] = []
const complaints: string[] = []

const roundsBetweenLines = 25

/** A line on how far it is, where nobody watches a terminal. */
const tellProgress = (words: string): void => {
  if (!process.stderr.isTTY) process.stderr.write(`${words}\n`)
}

async function tryPart(part: Part): Promise<void> {
  const runs = Math.round(rounds[part.group] * part.share)
  const impossible = part.impossible?.() ?? null
  if (impossible !== null) complaints.push(`${part.name}: ${impossible}`)
  if (impossible !== null || runs === 0) return
  const begun = performance.now()
  tellProgress(`${part.name}: ${runs} rounds begin`)
  const onRun = (done: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${part.name} ${done}/${runs} \x1b[K`)
    else if (done % roundsBetweenLines === 0 && done < runs) tellProgress(`${part.name}: ${done} of ${runs} rounds`)
  }
  try {
    const outcome = await part.run({ runs, seed, signal, onRun })
    const seconds = (performance.now() - begun) / 1000
    rows.push({ ...outcome, part, seconds })
    tellProgress(`${part.name}: ${outcome.rounds} rounds in ${seconds.toFixed(0)} s, ${left.length} parts to begin`)
  } catch (error) {
    // what was tried before is told all the same
    if (signal.aborted) return
    complaints.push(`${part.name}: ${messageOf(error)}`)
  }
}

// they wait for disks and deadlines more than for processors
const left = parts.filter(({ name, group }) => wanted.includes(name) || wanted.includes(group))
const order = new Map(left.map((part, at) => [part, at]))
const work = async (): Promise<void> => {
  for (let part = left.shift(); part !== undefined && !signal.aborted; part = left.shift()) await tryPart(part)
}
await keepCompiled()
await Promise.all(Array.from({ length: Math.max(1, atOnce) }, work))
rows.sort((a, b) => order.get(a.part)! - order.get(b.part)!)
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')

const counted = rows.filter(({ part }) => part.mustLose !== true)
const sum = (of: 'acknowledged' | 'lost' | 'duplicated' | 'forked' | 'invalid') =>
  counted.reduce((all, { tally }) => all + tally[of], 0)
const roundsOf = (group: Part['group']) =>
  counted.filter(({ part }) => part.group === group).reduce((all, { rounds: tried }) => all + tried, 0)
const note = `${sum('acknowledged')} entries acknowledged; seed ${seed}`
const metrics: Metric[] = [
  { metric: 'fault.kills', value: roundsOf('kills'), unit: 'kills', note: 'kill -9 of writers, leaders, redis-server, service' },
  { metric: 'fault.power_cuts', value: roundsOf('cuts'), unit: 'cuts', note: 'ext4 shut down under SQLite and Redis' },
  {
    metric: 'fault.places',
    value: roundsOf('places'),
    unit: 'places',
    note: 'failed and short writes, full disks, spoiled files'
  },
  { metric: 'fault.lost', value: sum('lost'), unit: 'entries', note },
  { metric: 'fault.duplicated', value: sum('duplicated'), unit: 'keys', note },
  { metric: 'fault.forked', value: sum('forked'), unit: 'heads', note },
  {
    metric: 'fault.invalid',
    value: sum('invalid'),
    unit: 'rounds',
    note: 'another verdict than valid, not opened, no name of ours'
  },
  ...rows.map(({ part, rounds: tried, seconds, said }) => ({
    metric: `fault.${part.name.replaceAll('-', '_')}_per_s`,
    value: tried / seconds,
    unit: 'rounds/s',
    note: said ?? part.what
  }))
]
if (values.json) process.stdout.write(`${jsonLines(metrics)}\n`)
else {
  const head = ['part', 'rounds', 'acknowledged', 'lost', 'duplicated', 'forked', 'invalid', 'seconds', 'rounds/s', 'what']
  const cells = ({ part, rounds: tried, tally, seconds, said }: Row) => [
    part.name,
    ...[tried, tally.acknowledged, tally.lost, tally.duplicated, tally.forked, tally.invalid].map(String),
    seconds.toFixed(0),
    (tried / seconds).toFixed(2),
    said ?? part.what
  ]
  process.stdout.write(`${table([head, ...rows.map(cells)])}\n\nseed ${seed}\n`)
}
for (const { part, tally } of rows) {
  if (part.mustLose === true && tally.lost === 0) complaints.push(`${part.name}: nothing was lost: the check proves nothing here`)
  if (part.mustLose !== true) complaints.push(...tally.problems.map((problem) => `${part.name}: ${problem}`))
}
for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
const failed = sum('lost') + sum('duplicated') + sum('forked') + sum('invalid') > 0
process.exit(signal.aborted ? 130 : failed || complaints.length > 0 ? 1 : 0)
