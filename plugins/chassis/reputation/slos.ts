import { randomUUID } from 'node:crypto'
import type { ClaimGate } from '#coordinator'
import { InfraFabricError, type JsonObject, newTraceId } from '#kernel'
import { compareDecimals, parseDecimal } from '#ledger/money'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import { eachRecord } from '../records.ts'
import type { Sandbox } from '../sandbox.ts'
import { moment } from '../sandbox-records.ts'
import { addEvidence, type DayEvidence, dayMs, dayOf, daysKept, evidenceOfRun, noEvidence } from './reputation.ts'
import {
  defaultObjectives,
  type EndedRun,
  judgeRuns,
  longestWindowMs,
  type ObjectiveName,
  type ObjectiveStatus,
  type Objectives,
  objectivesWith,
  type PricedTask,
  type RunRecord
} from './slo.ts'

/** Whose runs are judged. A swarm always has objectives; a sandbox has some once they are set. */
export interface SloScope extends JsonObject {
  readonly kind: 'swarm' | 'sandbox'
  readonly id: string
  readonly swarm: string
}

export interface SloStatus {
  readonly scope: SloScope
  readonly objectives: Objectives
  readonly statuses: readonly ObjectiveStatus[]
  /** Runs in the window by how they ended. */
  readonly outcomes: Readonly<Partial<Record<RunRecord['outcome'], number>>>
}

export interface SloViolation extends JsonObject {
  readonly id: string
  readonly at: number
  /** Null while it lasts. */
  readonly until: number | null
  readonly kind: SloScope['kind']
  readonly scope: string
  readonly swarm: string
  readonly objective: ObjectiveName
  readonly target: number
  /** When it was found. */
  readonly measured: number
  readonly counted: number
  readonly windowMs: number
  readonly traceId: string
}

export interface Slos {
  /** Of a swarm, or of a sandbox. @throws {InfraFabricError} `chassis.slo`, `chassis.unknown` */
  readonly setObjectives: (kind: SloScope['kind'], id: string, changes: Partial<Objectives>) => Promise<Objectives>
  /** What is kept now; nothing is changed by asking. @param of one swarm or sandbox; all there are without */
  readonly sloStatus: (of?: { readonly kind: SloScope['kind']; readonly id: string }) => Promise<SloStatus[]>
  /** Judges everybody anew, as time goes on without runs. @returns violations that began or ended */
  readonly judgeAll: () => Promise<number>
  /** Those that began at `since` or later, or last since before; the oldest first. */
  readonly violations: (since: number) => Promise<SloViolation[]>
}

/** What the rest of the chassis tells of. */
export interface SloBook extends Slos {
  /** Writes down a run that is over, in its transaction. */
  readonly bookRun: (transaction: WitnessedTransaction, run: EndedRun) => Promise<void>
  /** Judges the swarm and the sandbox of a run that is over. */
  readonly judgeAfter: (run: Pick<EndedRun, 'swarm' | 'sandbox' | 'traceId'>) => Promise<void>
  /** Ends what is known of a sandbox that is no more. */
  readonly forget: (sandbox: { readonly id: string; readonly swarm: string; readonly traceId: string }) => Promise<void>
}

const component = 'IF.chassis'
const keys = {
  objectives: ({ kind, id }: Pick<SloScope, 'kind' | 'id'>) => `slo/${kind}/${id}`,
  open: ({ kind, id }: Pick<SloScope, 'kind' | 'id'>) => `slo-open/${kind}/${id}`,
  violation: (swarm: string, at: number, id: string) => `slo-violation/${swarm}/${moment(at)}-${id}`,
  run: (swarm: string, at: number, id: string) => `sandbox-run/${swarm}/${moment(at)}-${id}`,
  task: (swarm: string, at: number, id: string) => `priced-task/${swarm}/${moment(at)}-${id}`
}
export const evidenceKey = (swarm: string, day: string): string => `evidence/${swarm}/${day}`
export const violationsOf = (swarm: string): string => `slo-violation/${swarm}/`
const name = (): string => randomUUID().slice(0, 12)
/** Old records that one write takes away. */
const pruned = 20

/** Adds to what is known of a swarm's day. */
async function addToDay(transaction: WitnessedTransaction, swarm: string, what: Partial<DayEvidence>): Promise<void> {
  if (Object.keys(what).length === 0) return
  const key = evidenceKey(swarm, dayOf(transaction.at))
  transaction.put(key, addEvidence((await transaction.get<DayEvidence>(key)) ?? noEvidence, what))
}

/** Takes note of how tasks end, in the transactions of the coordinator. */
export const taskGate: ClaimGate = {
  admit: async () => ({ ok: true, facts: {} }),
  settle: async (transaction, { id, estimate }, swarm, end, cost) => {
    if (end === 'released' || end === 'cancelled') return
    await addToDay(transaction, swarm, end === 'complete' ? { tasksGood: 1 } : { tasksBad: 1 })
    if (end !== 'complete' || cost === null || estimate === null) return
    const within = compareDecimals(parseDecimal(cost), parseDecimal(estimate)) <= 0
    const priced: PricedTask = { at: transaction.at, task: id, within }
    transaction.put(keys.task(swarm, transaction.at, name()), priced)
  }
}

export function createSlos({ store, transact }: WitnessedStore): SloBook {
  const list = async <T>(prefix: string, from: number): Promise<T[]> => {
    const found: T[] = []
    for await (const { value } of eachRecord(store, prefix, moment(from))) found.push(value as T)
    return found
  }

  const ownObjectives = async (scope: Pick<SloScope, 'kind' | 'id'>): Promise<Objectives | null> =>
    ((await store.read([keys.objectives(scope)])).records[0]?.value ?? null) as Objectives | null

  const statusOf = async (scope: SloScope): Promise<SloStatus | null> => {
    const own = await ownObjectives(scope)
    if (own === null && scope.kind === 'sandbox') return null
    const objectives = own ?? defaultObjectives
    const { at, records } = await store.read(scope.kind === 'sandbox' ? [`sandbox/${scope.id}`] : [])
    const made = records[0]?.value as { readonly createdAt: number } | undefined
    // a sandbox of the same name that is no more says nothing of this one
    const since = Math.max(at - objectives.windowMs, made?.createdAt ?? 0)
    const all = await list<RunRecord>(`sandbox-run/${scope.swarm}/`, since)
    const runs = scope.kind === 'swarm' ? all : all.filter(({ sandbox }) => sandbox === scope.id)
    const tasks = scope.kind === 'swarm' ? await list<PricedTask>(`priced-task/${scope.swarm}/`, since) : null
    const outcomes: Partial<Record<RunRecord['outcome'], number>> = {}
    for (const { outcome } of runs) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    return { scope, objectives, statuses: judgeRuns(objectives, runs, tasks), outcomes }
  }

  /** Begins and ends violations. @returns how many */
  const settle = async (scope: SloScope, status: SloStatus | null, traceId: string): Promise<number> => {
    const statuses = status?.statuses ?? []
    const open = ((await store.read([keys.open(scope)])).records[0]?.value ?? {}) as Record<string, string>
    const broken = statuses.filter(({ kept }) => kept === false)
    const changes = broken.some(({ objective }) => open[objective] === undefined)
    const ends = Object.keys(open).some((objective) => !broken.some((each) => each.objective === objective))
    if (!changes && !ends) return 0
    return transact(async (transaction) => {
      const { at } = transaction
      const now: Record<string, string> = { ...((await transaction.get<Record<string, string>>(keys.open(scope))) ?? {}) }
      let count = 0
      const tell = (what: 'violated' | 'restored', violation: SloViolation, more: JsonObject): void => {
        count++
        const facts = { violation: violation.id, at, kind: scope.kind, scope: scope.id, swarm: scope.swarm, ...more }
        transaction.tell(`slo.${what}.${scope.kind}.${scope.id}`, facts)
        transaction.witness({ event: `slo_${what}`, component, traceId, payload: facts })
      }
      for (const { objective, target, measured, counted } of broken) {
        if (now[objective] !== undefined) continue
        const id = name()
        const key = keys.violation(scope.swarm, at, id)
        const { windowMs } = status!.objectives
        const found = { objective, target, measured: measured!, counted, windowMs }
        const violation: SloViolation = {
          ...{ id, at, until: null, kind: scope.kind, scope: scope.id, swarm: scope.swarm, traceId },
          ...found
        }
        transaction.put(key, violation)
        now[objective] = key
        tell('violated', violation, found)
      }
      for (const [objective, key] of Object.entries(now)) {
        if (broken.some((each) => each.objective === objective)) continue
        const violation = await transaction.get<SloViolation>(key)
        delete now[objective]
        if (violation === null) continue
        transaction.put(key, { ...violation, until: at })
        const { measured = null, kept = null } = statuses.find((each) => each.objective === objective) ?? {}
        tell('restored', violation, { objective, measured, kept, lastedMs: at - violation.at })
      }
      if (Object.keys(now).length === 0) transaction.remove(keys.open(scope))
      else transaction.put(keys.open(scope), now)
      return count
    })
  }

  const judge = async (scope: SloScope, traceId: string): Promise<number> => settle(scope, await statusOf(scope), traceId)

  /** Takes away what no window and no score looks at any more. */
  const prune = async (swarm: string): Promise<void> => {
    const { at } = await store.read([])
    const ages: readonly [prefix: string, before: string][] = [
      [`sandbox-run/${swarm}/`, moment(at - longestWindowMs)],
      [`priced-task/${swarm}/`, moment(at - longestWindowMs)],
      [`evidence/${swarm}/`, dayOf(at - daysKept * dayMs)],
      [violationsOf(swarm), moment(at - daysKept * dayMs)]
    ]
    const remove: string[] = []
    for (const [prefix, before] of ages)
      for (const { key, value } of (await store.list(prefix, { limit: pruned })).records)
        if (key < prefix + before && (value as { readonly until?: number | null }).until !== null) remove.push(key)
    if (remove.length > 0) await store.commit({ expect: [], put: [], remove, tell: [] })
  }

  /** Everybody of whom something is known, and every sandbox with objectives of its own. */
  const scopes = async (): Promise<SloScope[]> => {
    const swarms = new Set<string>()
    for (const prefix of ['evidence/', 'sandbox-run/', 'slo/swarm/']) {
      // one record of each swarm is enough: `~` comes behind all that follows its name
      for (let after: string | undefined; ; ) {
        const { records } = await store.list(prefix, { limit: 1, ...(after === undefined ? {} : { after }) })
        const id = records[0]?.key.slice(prefix.length).split('/', 1)[0]
        if (id === undefined) break
        swarms.add(id)
        after = prefix === 'slo/swarm/' ? records[0]!.key : `${prefix}${id}/z`
      }
    }
    const found: SloScope[] = [...swarms].sort().map((id) => ({ kind: 'swarm', id, swarm: id }))
    for await (const { key } of eachRecord(store, 'slo/sandbox/')) {
      const id = key.slice('slo/sandbox/'.length)
      const sandbox = (await store.read([`sandbox/${id}`])).records[0]?.value as { readonly swarm: string } | undefined
      if (sandbox !== undefined) found.push({ kind: 'sandbox', id, swarm: sandbox.swarm })
    }
    return found
  }

  return {
    setObjectives: async (kind, id, changes) => {
      const { objectives, scope, traceId } = await transact(async (transaction) => {
        if (!/^[A-Za-z0-9_-]{1,64}$/.test(id))
          throw new InfraFabricError('chassis.id', `${JSON.stringify(id).slice(0, 80)} is no name of a ${kind}`)
        const sandbox = kind === 'swarm' ? null : await transaction.get<Pick<Sandbox, 'swarm' | 'traceId'>>(`sandbox/${id}`)
        if (kind === 'sandbox' && sandbox === null) throw new InfraFabricError('chassis.unknown', `there is no sandbox ${id}`)
        const traceId = sandbox?.traceId ?? newTraceId()
        const key = keys.objectives({ kind, id })
        const before = await transaction.get<Objectives>(key)
        const after = objectivesWith(before ?? defaultObjectives, changes)
        transaction.put(key, after)
        transaction.witness({ event: 'slo_set', component, traceId, payload: { kind, scope: id, objectives: after, before } })
        return { objectives: after, scope: { kind, id, swarm: sandbox?.swarm ?? id }, traceId }
      })
      await judge(scope, traceId)
      return objectives
    },
    sloStatus: async (of) => {
      const all = await scopes()
      const chosen = of === undefined ? all : all.filter(({ kind, id }) => kind === of.kind && id === of.id)
      const found: SloStatus[] = []
      for (const scope of chosen) {
        const status = await statusOf(scope)
        if (status !== null) found.push(status)
      }
      return found
    },
    judgeAll: async () => {
      let count = 0
      for (const scope of await scopes()) count += await judge(scope, newTraceId())
      return count
    },
    violations: async (since) => {
      const found: SloViolation[] = []
      for await (const { value } of eachRecord(store, 'slo-violation/')) {
        const violation = value as SloViolation
        if (violation.at >= since || violation.until === null || violation.until >= since) found.push(violation)
      }
      return found.sort((a, b) => a.at - b.at)
    },
    bookRun: async (transaction, run) => {
      transaction.put(keys.run(run.swarm, transaction.at, name()), { ...run, at: transaction.at })
      await addToDay(transaction, run.swarm, evidenceOfRun(run))
    },
    judgeAfter: async ({ swarm, sandbox, traceId }) => {
      await judge({ kind: 'swarm', id: swarm, swarm }, traceId)
      await judge({ kind: 'sandbox', id: sandbox, swarm }, traceId)
      await prune(swarm)
    },
    forget: async ({ id, swarm, traceId }) => {
      const scope = { kind: 'sandbox', id, swarm } as const
      await settle(scope, null, traceId)
      await store.commit({ expect: [], put: [], remove: [keys.objectives(scope)], tell: [] })
    }
  }
}
