/**
 * Objectives of runs, and what of them was kept over a window. Pure.
 *
 * | objective | measured | over |
 * |---|---|---|
 * | `availability` | share that the host carried to an end: not `crashed`, `abandoned`, `invalid`, `protocol` | runs |
 * | `latency` | 99th percentile of the wall time from the making of the process to its end, nearest rank | runs that ended by `exit` |
 * | `errors` | share that ended otherwise than by `exit 0` | runs |
 * | `limits` | share that stayed within time, memory and host calls: not `deadline`, `memory`, `flood` | runs |
 * | `budget` | share whose told cost was within the estimate | completed tasks of a swarm that have both |
 *
 * A run that somebody stopped counts nowhere. Fewer than `leastRuns` say nothing.
 */
import { InfraFabricError, type JsonObject } from '#kernel'
import type { LastRun } from '../sandbox.ts'

export const objectiveNames = ['availability', 'latency', 'errors', 'limits', 'budget'] as const
export type ObjectiveName = (typeof objectiveNames)[number]

export interface Objectives extends JsonObject {
  /** Least, percent. */
  readonly availabilityPct: number
  /** Most, milliseconds. */
  readonly latencyP99Ms: number
  /** Most, percent. */
  readonly errorPct: number
  /** Least, percent. */
  readonly limitsPct: number
  /** Least, percent. */
  readonly budgetPct: number
  readonly windowMs: number
  readonly leastRuns: number
}

export const defaultObjectives: Objectives = {
  availabilityPct: 99,
  latencyP99Ms: 10_000,
  errorPct: 5,
  limitsPct: 99,
  budgetPct: 90,
  windowMs: 3_600_000,
  leastRuns: 10
}

export const longestWindowMs = 7 * 86_400_000

const ranges: Readonly<Record<string, readonly [least: number, most: number]>> = {
  availabilityPct: [0, 100],
  latencyP99Ms: [1, 3_600_000],
  errorPct: [0, 100],
  limitsPct: [0, 100],
  budgetPct: [0, 100],
  windowMs: [60_000, longestWindowMs],
  leastRuns: [1, 1_000_000]
}

/** @throws {InfraFabricError} `chassis.slo` */
export function objectivesWith(before: Objectives, changes: Partial<Objectives>): Objectives {
  const objectives: Record<string, number> = { ...(before as Record<string, number>) }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) continue
    const [least, most] = ranges[name]!
    if (!(typeof value === 'number' && value >= least && value <= most))
      throw new InfraFabricError('chassis.slo', `${name} of ${value}: expected ${least} to ${most}`)
    objectives[name] = value
  }
  return objectives as unknown as Objectives
}

/** A run that is over. */
export interface EndedRun {
  readonly sandbox: string
  readonly swarm: string
  readonly outcome: LastRun['outcome']
  readonly code: number | null
  readonly wallMs: number
  readonly traceId: string
}

export interface RunRecord extends EndedRun, JsonObject {
  readonly at: number
}

/** A task that a swarm completed, of which cost and estimate are known. */
export interface PricedTask extends JsonObject {
  readonly at: number
  readonly task: string
  readonly within: boolean
}

export interface ObjectiveStatus extends JsonObject {
  readonly objective: ObjectiveName
  /** Percent, or milliseconds for `latency`. */
  readonly target: number
  /** Null where too few runs, or tasks, say anything. */
  readonly measured: number | null
  readonly kept: boolean | null
  /** Runs, or tasks, that count. */
  readonly counted: number
  /** How many times as much of what may fail has failed: above 1 is a violation. Null for `latency`, and where nothing may fail. */
  readonly burn: number | null
}

const lost: ReadonlySet<string> = new Set(['crashed', 'abandoned', 'invalid', 'protocol'])
const overLimit: ReadonlySet<string> = new Set(['deadline', 'memory', 'flood'])
export const wentWell = ({ outcome, code }: Pick<RunRecord, 'outcome' | 'code'>): boolean => outcome === 'exit' && code === 0

/** What was kept, in the order of {@link objectiveNames}. @param tasks null where there are none, as for a sandbox */
export function judgeRuns(
  objectives: Objectives,
  runs: readonly RunRecord[],
  tasks: readonly PricedTask[] | null
): ObjectiveStatus[] {
  const { leastRuns } = objectives
  const counted = runs.filter(({ outcome }) => outcome !== 'stopped')
  const least = (objective: ObjectiveName, target: number, good: number, all: number): ObjectiveStatus => {
    if (all < leastRuns) return { objective, target, measured: null, kept: null, counted: all, burn: null }
    const measured = (100 * good) / all
    return { objective, target, measured, kept: measured >= target, counted: all, burn: burnOf(100 - measured, 100 - target) }
  }
  const countOf = (is: (run: RunRecord) => boolean): number => counted.filter(is).length
  const share = (objective: ObjectiveName, target: number, is: (run: RunRecord) => boolean) =>
    least(objective, target, countOf(is), counted.length)
  const errors = share('errors', 100 - objectives.errorPct, wentWell)
  return [
    share('availability', objectives.availabilityPct, ({ outcome }) => !lost.has(outcome)),
    latency(objectives, counted),
    {
      ...errors,
      target: objectives.errorPct,
      measured: errors.measured === null ? null : 100 - errors.measured
    },
    share('limits', objectives.limitsPct, ({ outcome }) => !overLimit.has(outcome)),
    ...(tasks === null ? [] : [least('budget', objectives.budgetPct, tasks.filter(({ within }) => within).length, tasks.length)])
  ]
}

const burnOf = (failed: number, mayFail: number): number | null => (mayFail === 0 ? null : failed / mayFail)

function latency({ latencyP99Ms: target, leastRuns }: Objectives, counted: readonly RunRecord[]): ObjectiveStatus {
  const times = counted.flatMap(({ outcome, wallMs }) => (outcome === 'exit' ? [wallMs] : [])).sort((a, b) => a - b)
  const none = { objective: 'latency', target, counted: times.length, burn: null } as const
  if (times.length < leastRuns) return { ...none, measured: null, kept: null }
  const measured = times[Math.ceil(0.99 * times.length) - 1]!
  return { ...none, measured, kept: measured <= target }
}
