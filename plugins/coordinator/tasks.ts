import { InfraFabricError, isAcceptableTraceId, type JsonObject, newTraceId, step } from '#kernel'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import type { ClaimEnd, ClaimGate, Refusal } from './claim-gate.ts'
import { checkId, isOver, keys, putTask, readSwarm, readTask } from './records.ts'
import { type Capabilities, type Claim, isActive, type NewTask, type Task, type TaskState } from './task.ts'
import { type TaskEffect, type TaskEvent, taskMachine, witnessNames } from './task-machine.ts'

/** What a task is like with regard to others. */
export interface TaskStatus {
  readonly task: Task
  readonly dependencies: readonly { readonly id: string; readonly state: TaskState }[]
  /** Why it cannot be claimed now; null when it can. */
  readonly hindrance: Refusal | null
  /** Since when nothing hinders it, milliseconds since 1970; null when something does. */
  readonly readyAt: number | null
}

export interface Tasks {
  /** @throws {InfraFabricError} `coordinator.id`, `coordinator.exists`, `coordinator.dependency`, `coordinator.task` */
  readonly add: (task: NewTask) => Promise<Task>
  readonly task: (id: string) => Promise<Task | null>
  readonly status: (id: string) => Promise<TaskStatus | null>
  /** First those of high priority, then the older. */
  readonly list: (filter: { readonly state?: TaskState; readonly after?: Task; readonly limit?: number }) => Promise<Task[]>
  /** Exactly one of those who claim at once succeeds. Who holds the task already is given its claim again. */
  readonly claim: (id: string, swarm: string) => Promise<({ readonly ok: true } & Claim) | Refusal>
  /** Makes the lease begin anew. */
  readonly renew: (id: string, swarm: string, fence: number) => Promise<({ readonly ok: true } & Claim) | Refusal>
  /** Gives the task back. @param fence null: whatever claim the swarm has */
  readonly release: (id: string, swarm: string, fence: number | null) => Promise<Ended>
  /** @param cost US dollars as an exact decimal */
  readonly complete: (id: string, swarm: string, fence: number, outcome: JsonObject, cost?: string) => Promise<Ended>
  /** Goes back to the others while attempts are left. */
  readonly fail: (id: string, swarm: string, fence: number, reason: string, cost?: string) => Promise<Ended>
  readonly cancel: (id: string, reason: string) => Promise<Ended>
  /** Does what time has made due. @returns whether there was something */
  readonly touch: (id: string) => Promise<boolean>
}

export type Ended = { readonly ok: true; readonly task: Task } | Refusal

const mostDependencies = 50
const mostDependents = 500
const mostAttempts = 3
const component = 'IF.coordinator'

const refusal = (code: string, reason: string): Refusal => ({ ok: false, code: `coordinator.${code}`, reason })
const unknown = (id: string): Refusal => refusal('task-unknown', `there is no task ${id}`)

/** What the end of a claim is for those who reserved something for it. */
const claimEnds: Partial<Record<TaskEvent['type'], ClaimEnd>> = {
  release: 'released',
  leaseExpired: 'lease-expired',
  complete: 'complete',
  retry: 'retried',
  fail: 'failed',
  deadlinePassed: 'deadline-passed',
  cancel: 'cancelled'
}

export function createTasks({ store, transact }: WitnessedStore, leaseMs: number, gates: readonly ClaimGate[]): Tasks {
  /** Takes one step of the task's machine, with all that hangs on it. */
  const advance = async (
    transaction: WitnessedTransaction,
    task: Task,
    event: TaskEvent,
    facts: JsonObject = {},
    cost: string | null = null
  ): Promise<Task> => {
    const { state, effects, allowed } = step<TaskState, TaskEvent, TaskEffect, void>(taskMachine, task.state, event, undefined)
    if (!allowed) throw new InfraFabricError('coordinator.state', `${event.type} of a task that is ${task.state}`)
    const claimed = event.type === 'claim' ? { attempts: task.attempts + 1, fence: task.fence + 1 } : {}
    const after: Task = { ...task, ...claimed, ...Object.assign({}, ...effects), state, changedAt: transaction.at }
    putTask(transaction, task, after)
    const end = claimEnds[event.type]
    if (task.swarm !== null && end !== undefined)
      for (const gate of gates) await gate.settle(transaction, task, task.swarm, end, cost)
    const name = witnessNames[event.type]
    const swarm = after.swarm ?? task.swarm
    transaction.tell(`task.${name.slice('task_'.length)}.${task.id}`, { task: task.id, state, swarm, fence: after.fence })
    transaction.witness({
      event: name,
      component,
      traceId: task.traceId,
      ...(task.parentTraceId === null ? {} : { parentTraceId: task.parentTraceId }),
      ...(cost === null ? {} : { cost }),
      payload: {
        task: task.id,
        at: transaction.at,
        previous: task.state,
        state,
        swarm,
        fence: after.fence,
        ...(after.reason === null ? {} : { reason: after.reason }),
        ...facts
      }
    })
    if (state === 'complete') await tellReady(transaction, after)
    return after
  }

  /** Those who waited for this task alone may be claimed now. */
  const tellReady = async (transaction: WitnessedTransaction, task: Task): Promise<void> => {
    for (const id of task.dependents) {
      const dependent = await readTask(transaction, id)
      if (dependent?.state !== 'pending') continue
      if ((await firstOpenDependency(transaction, dependent)) === null)
        transaction.tell(`task.ready.${id}`, { task: id, state: 'pending', swarm: null, fence: dependent.fence })
    }
  }

  const firstOpenDependency = async (transaction: WitnessedTransaction, task: Task): Promise<Task | null> => {
    for (const id of task.dependsOn) {
      const dependency = await readTask(transaction, id)
      if (dependency !== null && dependency.state !== 'complete') return dependency
    }
    return null
  }

  /** The task as it is at this time: a lease that has ended and a deadline that has passed take effect first. */
  const current = async (transaction: WitnessedTransaction, id: string): Promise<Task | null> => {
    const task = await readTask(transaction, id)
    if (task === null || isOver(task)) return task
    if (task.deadlineAt !== null && task.deadlineAt <= transaction.at)
      return advance(transaction, task, { type: 'deadlinePassed' })
    if (task.leaseUntil === null || task.leaseUntil > transaction.at) return task
    const event: TaskEvent =
      task.attempts < task.mostAttempts ? { type: 'leaseExpired' } : { type: 'fail', reason: 'lease-expired' }
    return advance(transaction, task, event)
  }

  const hindranceOf = async (transaction: WitnessedTransaction, task: Task): Promise<Refusal | null> => {
    if (isOver(task)) return refusal('over', `${task.id} is ${task.state}`)
    if (task.state === 'claimed') return refusal('claimed', `${task.id} is claimed by ${task.swarm}`)
    const open = await firstOpenDependency(transaction, task)
    if (open !== null) return refusal('waits', `${task.id} waits for ${open.id}, which is ${open.state}`)
    return null
  }

  /** Since when a task that nothing hinders has been so: it was put there, or the last one that it waited for was completed. */
  const readyAtOf = async (transaction: WitnessedTransaction, task: Task): Promise<number> => {
    const completed = await Promise.all(task.dependsOn.map((id) => readTask(transaction, id)))
    return Math.max(task.changedAt, ...completed.map((dependency) => dependency?.changedAt ?? 0))
  }

  /** Ends a claim by its owner, who is refused when it is no longer his. */
  const byOwner = (
    id: string,
    swarm: string,
    fence: number | null,
    eventOf: (task: Task) => TaskEvent,
    cost: string | null = null
  ): Promise<Ended> =>
    transact(async (transaction) => {
      const task = await current(transaction, id)
      if (task === null) return unknown(id)
      const held = task.state === 'claimed' && task.swarm === swarm && (fence === null || fence === task.fence)
      if (!held) {
        const now = task.state === 'claimed' ? `claimed by ${task.swarm} (fence ${task.fence})` : task.state
        return refusal('fenced', `${swarm} does not hold ${id}${fence === null ? '' : ` by fence ${fence}`}: it is ${now}`)
      }
      return { ok: true, task: await advance(transaction, task, eventOf(task), {}, cost) }
    })

  return {
    add: async (asked) => {
      const traceId = asked.traceId ?? newTraceId()
      checkNew(asked, traceId)
      return transact(async (transaction) => {
        if ((await readTask(transaction, asked.id)) !== null)
          throw new InfraFabricError('coordinator.exists', `there is a task ${asked.id} already`)
        const dependsOn = [...new Set(asked.dependsOn ?? [])]
        for (const id of dependsOn) {
          const dependency = await readTask(transaction, id)
          if (dependency === null)
            throw new InfraFabricError(
              'coordinator.dependency',
              `${asked.id} depends on ${id}, which is unknown: a task comes after those it depends on`
            )
          if (dependency.dependents.length >= mostDependents)
            throw new InfraFabricError('coordinator.dependency', `more than ${mostDependents} tasks depend on ${id}`)
          transaction.put(keys.task(id), { ...dependency, dependents: [...dependency.dependents, asked.id] })
        }
        const task: Task = {
          id: asked.id,
          title: asked.title ?? asked.id,
          state: 'pending',
          priority: asked.priority ?? 5,
          requires: asked.requires ?? {},
          dependsOn,
          dependents: [],
          deadlineAt: asked.deadlineAt ?? null,
          estimate: asked.estimate ?? null,
          hazard: asked.hazard ?? null,
          input: asked.input ?? {},
          traceId,
          parentTraceId: asked.parentTraceId ?? null,
          attempts: 0,
          mostAttempts: asked.mostAttempts ?? mostAttempts,
          fence: 0,
          swarm: null,
          leaseUntil: null,
          outcome: null,
          reason: null,
          createdAt: transaction.at,
          changedAt: transaction.at
        }
        putTask(transaction, null, task)
        transaction.tell(`task.added.${task.id}`, { task: task.id, state: 'pending', swarm: null, fence: 0 })
        const { id, priority, requires, estimate, hazard, parentTraceId } = task
        transaction.witness({
          event: 'task_added',
          component,
          traceId,
          ...(parentTraceId === null ? {} : { parentTraceId }),
          payload: { task: id, state: 'pending', priority, requires, dependsOn, estimate, hazard }
        })
        return task
      })
    },
    task: async (id) => ((await store.read([keys.task(id)])).records[0]?.value ?? null) as Task | null,
    status: async (id) => {
      checkId(id, 'task')
      return transact(async (transaction) => {
        const task = await current(transaction, id)
        if (task === null) return null
        const dependencies: { id: string; state: TaskState }[] = []
        for (const name of task.dependsOn) {
          const dependency = await readTask(transaction, name)
          if (dependency !== null) dependencies.push({ id: name, state: dependency.state })
        }
        const hindrance = await hindranceOf(transaction, task)
        return { task, dependencies, hindrance, readyAt: hindrance === null ? await readyAtOf(transaction, task) : null }
      })
    },
    list: async ({ state, after, limit = 10_000 }) => {
      const page = {
        limit,
        ...(after === undefined ? {} : { after: state === undefined ? keys.task(after.id) : keys.order(after) })
      }
      if (state === undefined) return (await store.list('task/', page)).records.map(({ value }) => value as Task)
      const { records } = await store.list(`tasks/${state}/`, page)
      const found: Task[] = []
      for (let from = 0; from < records.length; from += 500) {
        const names = records.slice(from, from + 500).map(({ value }) => keys.task(String(value)))
        for (const record of (await store.read(names)).records) {
          const task = record?.value as Task | undefined
          // it may have gone on between the two reads
          if (task?.state === state) found.push(task)
        }
      }
      return found
    },
    claim: async (id, swarmId) =>
      transact(
        async (transaction) => {
          const task = await current(transaction, id)
          if (task === null) return unknown(id)
          const swarm = await readSwarm(transaction, swarmId)
          if (swarm === null) return refusal('swarm-unknown', `there is no swarm ${swarmId}`)
          if (task.state === 'claimed' && task.swarm === swarmId)
            return { ok: true, task, swarm: swarmId, fence: task.fence, leaseUntil: task.leaseUntil! }
          if (!isActive(swarm, transaction.at)) {
            const silentMs = transaction.at - swarm.heardAt
            return refusal('swarm-silent', `${swarmId} was not heard of for ${Math.round(silentMs / 1000)} s`)
          }
          const hindrance = await hindranceOf(transaction, task)
          if (hindrance !== null) return hindrance
          const readyAt = await readyAtOf(transaction, task)
          const facts: Record<string, JsonObject[string]> = {}
          // what one gate reserved falls with the refusal of another; a lease that was found to have ended stays ended
          const undo = transaction.mark()
          for (const gate of gates) {
            const admitted = await gate.admit(transaction, task, swarm, readyAt)
            if (!admitted.ok) {
              undo()
              const { record, ...refused } = admitted
              record?.(transaction)
              return refused
            }
            Object.assign(facts, admitted.facts)
          }
          const leaseUntil = transaction.at + leaseMs
          const after = await advance(transaction, task, { type: 'claim', swarm: swarmId, leaseUntil }, facts)
          return { ok: true, task: after, swarm: swarmId, fence: after.fence, leaseUntil }
        },
        [keys.task(id), keys.swarm(swarmId)]
      ),
    renew: async (id, swarm, fence) => {
      const renewed = await transact(async (transaction): Promise<Ended> => {
        const task = await current(transaction, id)
        if (task === null) return unknown(id)
        if (task.state !== 'claimed' || task.swarm !== swarm || task.fence !== fence)
          return refusal('fenced', `${swarm} does not hold ${id} by fence ${fence}`)
        return { ok: true, task: await advance(transaction, task, { type: 'renew', leaseUntil: transaction.at + leaseMs }) }
      })
      return renewed.ok ? { ...renewed, swarm, fence, leaseUntil: renewed.task.leaseUntil! } : renewed
    },
    release: (id, swarm, fence) => byOwner(id, swarm, fence, () => ({ type: 'release' })),
    complete: (id, swarm, fence, outcome, cost) => byOwner(id, swarm, fence, () => ({ type: 'complete', outcome }), cost ?? null),
    fail: (id, swarm, fence, reason, cost) =>
      byOwner(
        id,
        swarm,
        fence,
        ({ attempts, mostAttempts: most }) => (attempts < most ? { type: 'retry', reason } : { type: 'fail', reason }),
        cost ?? null
      ),
    cancel: (id, reason) =>
      transact(async (transaction) => {
        const task = await current(transaction, id)
        if (task === null) return unknown(id)
        if (isOver(task)) return refusal('over', `${id} is ${task.state}`)
        return { ok: true, task: await advance(transaction, task, { type: 'cancel', reason }) }
      }),
    touch: (id) =>
      transact(async (transaction) => {
        const before = await readTask(transaction, id)
        const after = await current(transaction, id)
        return before !== after
      })
  }
}

const decimal = /^\d{1,12}(\.\d{1,12})?$/

function checkNew(asked: NewTask, traceId: string): void {
  checkId(asked.id, 'task')
  const wrong = (message: string) => new InfraFabricError('coordinator.task', `${asked.id}: ${message}`)
  const { priority = 5, deadlineAt = 0, estimate = '0', mostAttempts: most = mostAttempts, dependsOn = [] } = asked
  if (!(Number.isInteger(priority) && priority >= 0 && priority <= 9)) throw wrong(`a priority is 0 to 9, not ${priority}`)
  if (!Number.isSafeInteger(deadlineAt) || deadlineAt < 0) throw wrong('a deadline is milliseconds since 1970')
  if (!decimal.test(estimate)) throw wrong(`an estimate is an exact decimal of US dollars, not ${JSON.stringify(estimate)}`)
  if (!(Number.isInteger(most) && most >= 1 && most <= 100)) throw wrong(`attempts are 1 to 100, not ${most}`)
  if (dependsOn.length > mostDependencies) throw wrong(`${dependsOn.length} dependencies: at most ${mostDependencies}`)
  if (dependsOn.includes(asked.id)) throw new InfraFabricError('coordinator.dependency', `${asked.id} depends on itself`)
  for (const id of [traceId, asked.parentTraceId ?? traceId])
    if (!isAcceptableTraceId(id)) throw wrong('a trace id is 1-128 characters of A-Z a-z 0-9 . _ : @ / + -')
  checkCapabilities(asked.requires ?? {}, asked.id)
}

const capabilityName = /^[a-z0-9]+([-.][a-z0-9]+)*$/

/** @throws {InfraFabricError} `coordinator.capability` */
export function checkCapabilities(capabilities: Capabilities, of: string): void {
  const names = Object.keys(capabilities)
  if (names.length > 100) throw new InfraFabricError('coordinator.capability', `${of}: more than 100 capabilities`)
  for (const name of names) {
    const level = capabilities[name]!
    if (!capabilityName.test(name) || name.length > 64)
      throw new InfraFabricError(
        'coordinator.capability',
        `${of}: ${JSON.stringify(name).slice(0, 80)} is no capability: expected words of a-z 0-9 joined by . or -`
      )
    if (!(level >= 0 && level <= 1))
      throw new InfraFabricError('coordinator.capability', `${of}: a level of ${name} is 0 to 1, not ${level}`)
  }
}
