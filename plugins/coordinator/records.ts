import { InfraFabricError } from '#kernel'
import type { Transaction } from '#store'
import type { Swarm, Task } from './task.ts'

/**
 * Keys of the coordinator's records:
 *
 *     task/<id>                                     the task
 *     swarm/<id>                                    the swarm
 *     tasks/<state>/<9 - priority>/<made>/<id>      order of the tasks of a state
 *     held/<swarm>/<id>                             tasks that a swarm has claimed
 *     lease/<until>/<id>                            order in which leases end
 *     deadline/<at>/<id>                            order in which deadlines pass
 */
export const keys = {
  task: (id: string) => `task/${id}`,
  swarm: (id: string) => `swarm/${id}`,
  order: ({ state, priority, createdAt, id }: Task) => `tasks/${state}/${9 - priority}/${moment(createdAt)}/${id}`,
  held: (swarm: string, id: string) => `held/${swarm}/${id}`,
  lease: (until: number, id: string) => `lease/${moment(until)}/${id}`,
  deadline: (at: number, id: string) => `deadline/${moment(at)}/${id}`
}

/** Milliseconds since 1970 in an order of text. */
export const moment = (at: number): string => String(at).padStart(15, '0')

const idPattern = /^[A-Za-z0-9_-]{1,64}$/

/** @throws {InfraFabricError} `coordinator.id` */
export function checkId(id: string, of: 'task' | 'swarm'): void {
  if (!idPattern.test(id))
    throw new InfraFabricError(
      'coordinator.id',
      `${JSON.stringify(id).slice(0, 80)} is no name of a ${of}: expected 1-64 characters of A-Z a-z 0-9 _ -`
    )
}

const places = (task: Task): string[] => [
  keys.order(task),
  ...(task.swarm === null ? [] : [keys.held(task.swarm, task.id)]),
  ...(task.leaseUntil === null ? [] : [keys.lease(task.leaseUntil, task.id)]),
  ...(task.deadlineAt === null || isOver(task) ? [] : [keys.deadline(task.deadlineAt, task.id)])
]

/** Puts a task with everything that leads to it, in place of what it was. */
export function putTask(transaction: Transaction, before: Task | null, after: Task): void {
  const { put, remove } = transaction
  const now = places(after)
  const was = before === null ? [] : places(before)
  for (const key of was) if (!now.includes(key)) remove(key)
  for (const key of now) if (!was.includes(key)) put(key, after.id)
  put(keys.task(after.id), after)
}

export const isOver = ({ state }: Task): boolean => state !== 'pending' && state !== 'claimed'

export const readTask = (transaction: Transaction, id: string): Promise<Task | null> => transaction.get<Task>(keys.task(id))
export const readSwarm = (transaction: Transaction, id: string): Promise<Swarm | null> => transaction.get<Swarm>(keys.swarm(id))

/** Removes a task as if it had never been. */
export async function removeTask(transaction: Transaction, id: string): Promise<void> {
  const task = await readTask(transaction, id)
  if (task === null) return
  for (const key of [...places(task), keys.task(id)]) transaction.remove(key)
}
