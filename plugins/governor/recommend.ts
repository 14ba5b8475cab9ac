import type { ClaimEnd, Swarm } from '#coordinator'
import type { JsonObject } from '#kernel'
import type { BudgetStatus } from './budgets.ts'
import type { Circuit } from './circuit.ts'
import { compareAmounts, costLine, type Outcome, ratioOf, saysNothing, sumOf } from './outcomes.ts'

export interface Recommendation extends JsonObject {
  readonly kind: 'withhold' | 'prefer' | 'leases' | 'estimates' | 'circuit' | 'budget'
  readonly subject: string
  readonly text: string
  /** What it rests on. */
  readonly numbers: JsonObject
}

export interface RecommendFacts {
  readonly outcomes: readonly Outcome[]
  readonly swarms: readonly Swarm[]
  readonly circuits: readonly { readonly component: string; readonly circuit: Circuit }[]
  readonly budgets: readonly BudgetStatus[]
}

/** Fewer claims or tasks than this say nothing. */
const enough = 5
/** Less than this share of claims completed: given to somebody else rather. */
const poor = 0.5
/** Leases that end in so great a share of claims are no accident. */
const manyLeases = 0.2
/** So many times as dear for a completed task, or as estimated, is worth a change. */
const muchDearer = 1.5

interface Judged {
  readonly outcome: Outcome
  readonly judged: number
  readonly completed: number
  readonly expired: number
}

function judgedOf(outcome: Outcome): Judged {
  const of = (end: ClaimEnd) => outcome.ends[end]?.claims ?? 0
  const ends = Object.keys(outcome.ends) as ClaimEnd[]
  const judged = ends.filter((end) => !saysNothing(end)).reduce((sum, end) => sum + of(end), 0)
  return { outcome, judged, completed: of('complete'), expired: of('lease-expired') }
}

/** What history suggests, each with the numbers it rests on. Nothing is done by it. */
export function recommend({ outcomes, swarms, circuits, budgets }: RecommendFacts): Recommendation[] {
  const records = outcomes.map(judgedOf).filter(({ judged }) => judged >= enough)
  return [
    ...records.flatMap((each) => withhold(each, swarms)),
    ...prefer(records),
    ...records.flatMap(leases),
    ...estimates(outcomes),
    ...circuits.flatMap(({ component, circuit: { state, failures, threshold } }): Recommendation[] =>
      state === 'closed'
        ? []
        : [
            {
              kind: 'circuit',
              subject: component,
              text: `look at ${component}: its circuit is ${state} after ${failures} failures in a row`,
              numbers: { state, failures, threshold }
            }
          ]
    ),
    ...budgets.flatMap(({ budget: { swarm, limit }, spending: { span, spent, reserved }, level }): Recommendation[] =>
      level < 80
        ? []
        : [
            {
              kind: 'budget',
              subject: swarm,
              text: `raise the budget of ${swarm} or give its tasks to others: ${level} % of ${limit} USD for ${span} is gone`,
              numbers: { span, limit, spent, reserved, level }
            }
          ]
    )
  ]
}

function withhold({ outcome, judged, completed }: Judged, swarms: readonly Swarm[]): Recommendation[] {
  if (completed / judged >= poor) return []
  const { swarm, kind } = outcome
  const { wasted } = costLine('', [outcome])
  const roots = kind.split('+')
  const declared = Object.fromEntries(
    Object.entries(swarms.find(({ id }) => id === swarm)?.capabilities ?? {}).filter(([name]) =>
      roots.includes(name.split('.', 1)[0]!)
    )
  )
  const says = Object.entries(declared).map(([name, level]) => `${name} ${level}`)
  const claim = says.length === 0 ? '' : `; it declares ${says.join(', ')}`
  return [
    {
      kind: 'withhold',
      subject: `${swarm} ${kind}`,
      text: `give ${swarm} fewer tasks of ${kind}: it completed ${completed} of ${judged}, and ${wasted} USD were lost${claim}`,
      numbers: { completed, claims: judged, wasted, declared }
    }
  ]
}

/** For each kind: whoever completes a task for the least, before those who cost much more. */
function prefer(records: readonly Judged[]): Recommendation[] {
  return [...Map.groupBy(records, ({ outcome }) => outcome.kind)].flatMap(([kind, own]) => {
    const priced = own
      .map(({ outcome, completed }) => ({ swarm: outcome.swarm, completed, each: costLine('', [outcome]).perCompleted }))
      .filter((line): line is typeof line & { each: string } => line.each !== null && compareAmounts(line.each, '0') > 0)
      .sort((a, b) => compareAmounts(a.each, b.each))
    const [best, ...others] = priced
    if (best === undefined || best.completed < enough) return []
    return others.flatMap(({ swarm, each, completed }): Recommendation[] => {
      const times = ratioOf(each, 1, best.each, 2)!
      if (Number(times) < muchDearer) return []
      return [
        {
          kind: 'prefer',
          subject: `${best.swarm} ${kind}`,
          text: `for ${kind} prefer ${best.swarm} to ${swarm}: ${best.each} USD a completed task, not ${each} (${times} times)`,
          numbers: {
            [best.swarm]: { perCompleted: best.each, completed: best.completed },
            [swarm]: { perCompleted: each, completed }
          }
        }
      ]
    })
  })
}

function leases({ outcome: { swarm, kind }, judged, expired }: Judged): Recommendation[] {
  if (expired / judged < manyLeases) return []
  return [
    {
      kind: 'leases',
      subject: `${swarm} ${kind}`,
      text: `let ${swarm} renew its claims on ${kind} more often, or lengthen the lease: ${expired} of ${judged} ended with it`,
      numbers: { expired, claims: judged }
    }
  ]
}

function estimates(outcomes: readonly Outcome[]): Recommendation[] {
  return [...Map.groupBy(outcomes, ({ kind }) => kind)].flatMap(([kind, own]): Recommendation[] => {
    const tasks = own.reduce((sum, each) => sum + each.estimates.tasks, 0)
    if (tasks < enough) return []
    const estimated = sumOf(...own.map((each) => each.estimates.estimated))
    const cost = sumOf(...own.map((each) => each.estimates.cost))
    const times = ratioOf(cost, 1, estimated, 2)
    if (times === null || (Number(times) < muchDearer && Number(times) > 1 / muchDearer)) return []
    return [
      {
        kind: 'estimates',
        subject: kind,
        text: `multiply the estimates of ${kind} by ${times}: ${tasks} tasks cost ${cost} USD, and ${estimated} were expected`,
        numbers: { tasks, estimated, cost, times }
      }
    ]
  })
}
