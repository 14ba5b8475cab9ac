/**
 * How far a swarm can be relied on, as a number from 0 to 1 that anybody can compute again from the ledger. Pure.
 *
 * For each UTC day of the last 90, `age` days ago, in whole days:
 *
 *     w      = 2^(−age ÷ 14)                              what is old counts less
 *     T      = min(tasks judged, 20)                      no day counts for more than 20 tasks
 *     good   = T × completed ÷ judged + min(runs that went well ÷ 5, T ÷ 4)
 *     bad    = T × (1 − completed ÷ judged) + min(runs that failed ÷ 5, 4)
 *
 * Over all of these days, with z = 1.96:
 *
 *     n      = Σ w × (good + bad)        p = Σ w × good ÷ n
 *     proof  = (p + z² ÷ 2n − z × √(p (1 − p) ÷ n + z² ÷ 4n²)) ÷ (1 + z² ÷ n)        lower Wilson bound; 0 where n = 0
 *     broken = Σ w × (share of the day in which an objective was violated) ÷ Σ w     over the days on which anything was judged
 *     score  = proof × (1 − 0.5 × broken)
 *
 * - A swarm of which nothing is known has 0: a score is earned, and a new name is worth nothing.
 * - Few good results prove little: one of one gives 0.21, ten of ten 0.72.
 * - Runs, which a swarm can begin as often as it likes, lift nothing without tasks: those that went well add a quarter of the day's tasks at most.
 *   Those that failed always count.
 * - Many easy tasks on one day count for 20. Whoever may add tasks can still lift an accomplice, slowly; the entries name each task that counted.
 * - What was given back or cancelled, and runs that somebody stopped, say nothing.
 *
 * @see E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927)
 */
import type { JsonObject } from '#kernel'
import { wentWell } from './slo.ts'

/** What was judged of a swarm on one day. */
export interface DayEvidence extends JsonObject {
  readonly tasksGood: number
  readonly tasksBad: number
  readonly runsGood: number
  readonly runsBad: number
}

/** A span in which an objective of a swarm, or of one of its sandboxes, was violated; `until` is null while it is. */
export interface Broken {
  readonly from: number
  readonly until: number | null
}

export interface Evidence {
  /** By UTC day: `2026-11-21`. */
  readonly days: ReadonlyMap<string, DayEvidence>
  readonly broken: readonly Broken[]
}

export interface Reputation extends JsonObject {
  readonly score: number
  readonly proof: number
  /** Evidence, faded and capped. */
  readonly n: number
  readonly p: number
  readonly broken: number
  /** All that was judged in the last 90 days, neither faded nor capped. */
  readonly judged: DayEvidence
}

export const dayMs = 86_400_000
export const daysKept = 90
const halfLifeDays = 14
const mostTasksOfDay = 20
const runsOfTask = 5
const mostBadRunsOfDay = 4
const shareOfRuns = 4
const z = 1.96
const weightOfBroken = 0.5

export const noEvidence: DayEvidence = { tasksGood: 0, tasksBad: 0, runsGood: 0, runsBad: 0 }
/** UTC day of a moment. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
export const addEvidence = (a: DayEvidence, b: Partial<DayEvidence>): DayEvidence => ({
  tasksGood: a.tasksGood + (b.tasksGood ?? 0),
  tasksBad: a.tasksBad + (b.tasksBad ?? 0),
  runsGood: a.runsGood + (b.runsGood ?? 0),
  runsBad: a.runsBad + (b.runsBad ?? 0)
})

/** Lower end of the 95 % interval of a share that was `p` of `n`. */
export function wilsonLower(p: number, n: number): number {
  if (n <= 0) return 0
  const centre = p + (z * z) / (2 * n)
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))
  return Math.max(0, (centre - spread) / (1 + (z * z) / n))
}

/** Milliseconds of [from, until) that lie in one of the spans. */
function coveredMs(spans: readonly Broken[], from: number, until: number): number {
  const inside = spans
    .map((span) => [Math.max(from, span.from), Math.min(until, span.until ?? until)] as const)
    .filter(([start, end]) => end > start)
    .sort(([a], [b]) => a - b)
  let covered = 0
  let reached = from
  for (const [start, end] of inside) {
    covered += Math.max(0, end - Math.max(start, reached))
    reached = Math.max(reached, end)
  }
  return covered
}

/** @param now milliseconds since 1970; what came later does not count */
export function reputationOf({ days, broken }: Evidence, now: number): Reputation {
  const today = Math.floor(now / dayMs)
  let [good, bad, weights, brokenWeight] = [0, 0, 0, 0]
  let judged = noEvidence
  for (const [day, evidence] of days) {
    const begins = Date.parse(day)
    const age = today - begins / dayMs
    if (age < 0 || age >= daysKept) continue
    const { tasksGood, tasksBad, runsGood, runsBad } = evidence
    const all = tasksGood + tasksBad
    if (all + runsGood + runsBad === 0) continue
    judged = addEvidence(judged, evidence)
    const weight = 2 ** (-age / halfLifeDays)
    const tasks = Math.min(all, mostTasksOfDay)
    const completed = all === 0 ? 0 : (tasks * tasksGood) / all
    good += weight * (completed + Math.min(runsGood / runsOfTask, tasks / shareOfRuns))
    bad += weight * (tasks - completed + Math.min(runsBad / runsOfTask, mostBadRunsOfDay))
    const ends = Math.min(begins + dayMs, now)
    weights += weight
    if (ends > begins) brokenWeight += (weight * coveredMs(broken, begins, ends)) / (ends - begins)
  }
  const n = good + bad
  const p = n === 0 ? 0 : good / n
  const proof = wilsonLower(p, n)
  const share = weights === 0 ? 0 : brokenWeight / weights
  return { score: proof * (1 - weightOfBroken * share), proof, n, p, broken: share, judged }
}

/** What of an entry of the ledger the evidence is made of. */
export interface EvidenceEntry {
  readonly event: string
  readonly payload: JsonObject
}

const taskEnds: Readonly<Record<string, 'tasksGood' | 'tasksBad'>> = {
  task_completed: 'tasksGood',
  task_failed: 'tasksBad',
  task_retried: 'tasksBad',
  task_lease_expired: 'tasksBad',
  task_deadline_passed: 'tasksBad'
}
/** Entries that evidence is made of, violations before their ends. */
export const evidenceEvents: readonly string[] = [...Object.keys(taskEnds), 'sandbox_ended', 'slo_violated', 'slo_restored']

/** What one run says. */
export const evidenceOfRun = (run: Parameters<typeof wentWell>[0]): Partial<DayEvidence> =>
  run.outcome === 'stopped' ? {} : wentWell(run) ? { runsGood: 1 } : { runsBad: 1 }

/** The evidence on a swarm, from entries of the ledger alone; violations stand before their ends. */
export function evidenceFrom(entries: Iterable<EvidenceEntry>, swarm: string): Evidence {
  const days = new Map<string, DayEvidence>()
  const broken = new Map<string, Broken>()
  for (const { event, payload } of entries) {
    if (payload.swarm !== swarm || typeof payload.at !== 'number') continue
    const { at } = payload
    const say = (what: Partial<DayEvidence>): void =>
      void days.set(dayOf(at), addEvidence(days.get(dayOf(at)) ?? noEvidence, what))
    const end = taskEnds[event]
    if (end !== undefined) {
      // a task that nobody held missed its deadline by nobody's fault
      if (payload.previous === 'claimed') say({ [end]: 1 })
    } else if (event === 'sandbox_ended') say(evidenceOfRun(payload as unknown as Parameters<typeof wentWell>[0]))
    else if (event === 'slo_violated') broken.set(String(payload.violation), { from: at, until: null })
    else if (event === 'slo_restored') {
      const begun = broken.get(String(payload.violation))
      if (begun !== undefined) broken.set(String(payload.violation), { ...begun, until: at })
    }
  }
  return { days, broken: [...broken.values()] }
}
