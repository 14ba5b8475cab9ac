/**
 * How much of what attempts cost is wasted, with the governor's gate and without: a discrete simulation over a synthetic workload.
 *
 * - *Taxonomy.* 8 roots with 4 special capabilities each.
 * - *Swarms.* 40. Each is at home in 2 roots: there, a special capability is well known (0.5 to 1) with probability 0.7, else slightly (0.1 to 0.4).
 *   Elsewhere it has 0.1 of everything. These true abilities are hidden from the governor.
 * - *Declared.* An honest swarm declares what it has at home, each ± 0.1. A boaster declares 0.3 more, and 0.8 of everything in one root it knows nothing of.
 * - *Ailing swarms.* Some fail for hours, whatever they are given: well for 6 h and ill for 2 h, in the mean of exponential times.
 * - *Tasks.* One a minute in the mean, for 2,000 minutes. Each requires 1 to 3 special capabilities of one root, each at a level of 0.3 to 0.9.
 *   An attempt takes 10 minutes in the mean (exponential); a task costs 0.1 to 10 (log-uniform), and an attempt that fails 30 to 100 % of that.
 * - *Success.* 0.95 × the product over what is required of min(1, ability ÷ level)²; nothing while the swarm is ill.
 * - *Trade.* Where swarms ask for tasks of their own trade only, they ask for those of which they declare something for all that is required.
 * - *Claims.* First come: a swarm that has nothing to do asks for the tasks that wait, the oldest first, and idle swarms ask in random order, when a task
 *   comes, when an attempt ends and every 10 minutes. Three attempts a task; who waited for 4 h is given up.
 * - *Waste.* Share of the cost of all attempts that ended without a result.
 *
 * With the governor the claim goes through its gate as in production: score, what it learns of it, patience, and circuits of 3 failures; nobody has a budget.
 * A task is estimated at what it costs. Who is refused asks again at the next of those moments, whatever the gate said of a time.
 */
import type { Capabilities, ClaimEnd, Swarm, Task } from '#coordinator'
import { witnessedStore } from '#store'
import { randomFrom } from '../../../ledger/fault/random.ts'
import { createGovernor, type GovernorConfig } from '../governor.ts'
import { memoryState } from './memory-transaction.ts'

export interface Mix {
  readonly name: string
  /** Shares of the swarms. */
  readonly boasters: number
  readonly ailing: number
  /** Whether swarms ask for tasks of their trade only, of which they declare something, or for any. */
  readonly asks: 'own trade' | 'anything'
}

export const mixes: readonly Mix[] = [
  { name: 'standard', boasters: 0.2, ailing: 0.1, asks: 'anything' },
  { name: 'own trade', boasters: 0.2, ailing: 0.1, asks: 'own trade' },
  { name: 'honest', boasters: 0, ailing: 0, asks: 'anything' },
  { name: 'hostile', boasters: 0.5, ailing: 0.25, asks: 'anything' }
]

export interface Waste {
  readonly attempts: number
  readonly failed: number
  readonly completed: number
  /** Tasks that nobody completed, and those of them that were never given to anybody. */
  readonly uncompleted: number
  readonly untouched: number
  /** Share of the cost, percent. */
  readonly wastePct: number
  /** From when a task came to its first attempt, mean of those that were given to somebody. */
  readonly waitMinutes: number
}

const minute = 60_000
export const usualTasks = 2000
const swarmCount = 40
const roots = Array.from({ length: 8 }, (_, at) => `root${at}`)
const leavesOf = (root: string) => Array.from({ length: 4 }, (_, at) => `${root}.leaf${at}`)

interface SimulatedSwarm {
  readonly swarm: Swarm
  readonly ability: Capabilities
  /** Moments when it falls ill and recovers, in turn. */
  readonly turns: readonly number[]
}

interface SimulatedTask {
  task: Task
  readonly cost: number
  readonly minutes: number
}

type Random = () => number
const between = (random: Random, low: number, high: number) => low + random() * (high - low)
const exponential = (random: Random, mean: number) => -mean * Math.log(1 - random())
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!

function shuffled<T>(random: Random, from: readonly T[]): T[] {
  const all = [...from]
  for (let at = all.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[all[at], all[other]] = [all[other]!, all[at]!]
  }
  return all
}

function makeSwarm(random: Random, at: number, mix: Mix, taskCount: number): SimulatedSwarm {
  const [first, second, strange] = shuffled(random, roots) as [string, string, string]
  const ability: Record<string, number> = {}
  for (const leaf of roots.flatMap(leavesOf)) ability[leaf] = 0.1
  const declared: Record<string, number> = {}
  const boasts = at < mix.boasters * swarmCount
  for (const leaf of [first, second].flatMap(leavesOf)) {
    const level = random() < 0.7 ? between(random, 0.5, 1) : between(random, 0.1, 0.4)
    ability[leaf] = level
    declared[leaf] = Math.min(1, Math.max(0, level + between(random, -0.1, 0.1) + (boasts ? 0.3 : 0)))
  }
  if (boasts) for (const leaf of leavesOf(strange)) declared[leaf] = 0.8
  const turns: number[] = []
  // the last ones, so that none is a boaster too
  if (at >= swarmCount * (1 - mix.ailing))
    for (let when = 0; when < (taskCount + 300) * minute; ) {
      when += exponential(random, (turns.length % 2 === 0 ? 6 : 2) * 60 * minute)
      turns.push(when)
    }
  const swarm: Swarm = { id: `swarm-${at}`, capabilities: declared, heartbeatMs: minute, heardAt: 0, registeredAt: 0 }
  return { swarm, ability, turns }
}

function makeTask(random: Random, at: number, createdAt: number): SimulatedTask {
  const leaves = shuffled(random, leavesOf(pick(random, roots))).slice(0, 1 + Math.floor(random() * 3))
  const requires = Object.fromEntries(leaves.map((leaf) => [leaf, between(random, 0.3, 0.9)]))
  const cost = 0.1 * 100 ** random()
  const task: Task = {
    id: `T-${at}`,
    title: `T-${at}`,
    state: 'pending',
    priority: 5,
    requires,
    dependsOn: [],
    dependents: [],
    deadlineAt: createdAt + 240 * minute,
    estimate: cost.toFixed(6),
    hazard: null,
    input: {},
    traceId: '0'.repeat(32),
    parentTraceId: null,
    attempts: 0,
    mostAttempts: 3,
    fence: 0,
    swarm: null,
    leaseUntil: null,
    outcome: null,
    reason: null,
    createdAt,
    changedAt: createdAt
  }
  return { task, cost, minutes: exponential(random, 10) }
}

const isIll = ({ turns }: SimulatedSwarm, at: number) => turns.filter((turn) => turn <= at).length % 2 === 1

const declaresAll = ({ swarm }: SimulatedSwarm, task: Task): boolean =>
  Object.keys(task.requires).every((leaf) => swarm.capabilities[leaf] !== undefined)

function chanceOf(party: SimulatedSwarm, task: Task, at: number): number {
  if (isIll(party, at)) return 0
  const able = Object.entries(task.requires).map(([leaf, level]) => Math.min(1, party.ability[leaf]! / level) ** 2)
  return able.reduce((product, each) => product * each, 0.95)
}

/** Who says whether a claim is made. */
export type Allocation =
  | { readonly by: 'first come' }
  | { readonly by: 'governor'; readonly config: GovernorConfig }
  /** Somebody who knows the true abilities and who is ill, and lets nobody try who succeeds less often than this: no gate can know more. */
  | { readonly by: 'oracle'; readonly least: number }

/** The world is the same for one seed and mix, whoever says. */
export async function simulateWaste(seed: number, mix: Mix, allocation: Allocation, taskCount = usualTasks): Promise<Waste> {
  const governed = allocation.by === 'governor'
  const making = randomFrom(seed)
  const parties = Array.from({ length: swarmCount }, (_, at) => makeSwarm(making, at, mix, taskCount))
  let arrival = 0
  const tasks = Array.from({ length: taskCount }, (_, at) => {
    arrival += exponential(making, minute)
    return makeTask(making, at, arrival)
  })
  const running = randomFrom(seed + 1_000_003)
  const state = memoryState()
  // as the coordinator has them, heard of all the time: time stands still where the store is asked for it
  for (const { swarm } of parties) state.records.set(`swarm/${swarm.id}`, swarm)
  const { gate } = createGovernor(witnessedStore(state.store as never, null), governed ? allocation.config : {})

  const idle = new Set(parties)
  const waiting: SimulatedTask[] = []
  const underWay: { party: SimulatedSwarm; task: SimulatedTask; endsAt: number; success: boolean; cost: number }[] = []
  const sums = { attempts: 0, failed: 0, completed: 0, uncompleted: 0, untouched: 0, spent: 0, wasted: 0, waitedMs: 0 }

  const giveUp = ({ task }: SimulatedTask) => {
    sums.uncompleted++
    if (task.attempts === 0) sums.untouched++
  }
  const admitted = async (party: SimulatedSwarm, { task }: SimulatedTask, at: number): Promise<boolean> => {
    if (allocation.by === 'oracle') return chanceOf(party, task, at) >= allocation.least
    // a score of 0 reaches no threshold: the gate need not be asked
    if ((governed || mix.asks === 'own trade') && !declaresAll(party, task)) return false
    if (!governed) return true
    const { ok } = await state.run(
      at,
      (transaction) => gate.admit(transaction, task, party.swarm, task.changedAt),
      (said) => said.ok
    )
    return ok
  }
  const offer = async (at: number, candidates: readonly SimulatedTask[]): Promise<void> => {
    for (const party of shuffled(running, [...idle]))
      for (const each of candidates) {
        if (!waiting.includes(each) || !(await admitted(party, each, at))) continue
        waiting.splice(waiting.indexOf(each), 1)
        idle.delete(party)
        if (each.task.attempts === 0) sums.waitedMs += at - each.task.createdAt
        each.task = { ...each.task, attempts: each.task.attempts + 1 }
        const success = running() < chanceOf(party, each.task, at)
        const endsAt = at + each.minutes * minute
        underWay.push({ party, task: each, endsAt, success, cost: each.cost * (success ? 1 : between(running, 0.3, 1)) })
        break
      }
  }
  const end = async (index: number): Promise<number> => {
    const [{ party, task, endsAt, success, cost }] = underWay.splice(index, 1) as [(typeof underWay)[0]]
    idle.add(party)
    sums.attempts++
    sums.spent += cost
    const again = !success && task.task.attempts < task.task.mostAttempts
    if (success) sums.completed++
    else {
      sums.failed++
      sums.wasted += cost
      task.task = { ...task.task, changedAt: endsAt }
      if (again) waiting.push(task)
      else giveUp(task)
    }
    const how: ClaimEnd = success ? 'complete' : again ? 'retried' : 'failed'
    if (governed)
      await state.run(
        endsAt,
        (transaction) => gate.settle(transaction, task.task, party.swarm.id, how, cost.toFixed(6)),
        () => true
      )
    return endsAt
  }

  let next = 0
  let asksAt = 0
  while (next < tasks.length || waiting.length > 0 || underWay.length > 0) {
    let soonest = 0
    for (let at = 1; at < underWay.length; at++) if (underWay[at]!.endsAt < underWay[soonest]!.endsAt) soonest = at
    const arrivesAt = tasks[next]?.task.createdAt ?? Number.POSITIVE_INFINITY
    const endsAt = underWay[soonest]?.endsAt ?? Number.POSITIVE_INFINITY
    if (asksAt <= Math.min(arrivesAt, endsAt)) {
      for (const each of [...waiting])
        if (each.task.deadlineAt! <= asksAt) {
          waiting.splice(waiting.indexOf(each), 1)
          giveUp(each)
        }
      await offer(asksAt, [...waiting])
      asksAt += 10 * minute
    } else if (arrivesAt <= endsAt) {
      const task = tasks[next++]!
      waiting.push(task)
      await offer(arrivesAt, [task])
    } else await offer(await end(soonest), [...waiting])
  }
  const { spent, wasted, waitedMs, ...counts } = sums
  const given = tasks.length - sums.untouched
  return {
    ...counts,
    wastePct: spent === 0 ? 0 : (100 * wasted) / spent,
    waitMinutes: given === 0 ? 0 : waitedMs / given / minute
  }
}
