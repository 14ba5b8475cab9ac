import { spawn } from 'node:child_process'
import { openStore, type StorePlace, witnessedStore } from '#store'
import { createCoordinator, type Task } from '../coordinator.ts'

export interface Race {
  readonly tasks: number
  readonly claimants: number
  readonly seconds: number
  /** Tasks that nobody, or more than one, was told to have. */
  readonly unclaimed: number
  readonly doubled: number
  /** Tasks whose record names another owner or token than the winner was told. */
  readonly disagreeing: number
  /** Refusals for another reason than that somebody else has the task. */
  readonly other: number
}

/** Lets `claimants` in several processes race for each of `tasks` tasks of an empty store. */
export async function race(place: StorePlace, tasks: number, claimants = 100, processes = 4): Promise<Race> {
  const store = await openStore(place)
  const coordinator = createCoordinator(witnessedStore(store, null), { leaseMs: 3_600_000 })
  for (let at = 0; at < claimants; at++) await coordinator.registerSwarm(`S-${at}`, {}, 3_600_000)
  for (let from = 0; from < tasks; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, tasks - from) }, (_, at) => coordinator.add({ id: `T-${from + at}` })))
  const began = performance.now()
  const each = claimants / processes
  const results = await Promise.all(Array.from({ length: processes }, (_, at) => claimAll(place, at * each, each, tasks)))
  const seconds = (performance.now() - began) / 1000
  const winners = new Map<string, [swarm: string, fence: number][]>()
  for (const [task, swarm, fence] of results.flatMap(({ won }) => won))
    winners.set(task, [...(winners.get(task) ?? []), [swarm, fence]])
  let disagreeing = 0
  for (const task of await all(coordinator.list)) {
    const [winner] = winners.get(task.id) ?? []
    if (winner === undefined || task.state !== 'claimed' || task.swarm !== winner[0] || task.fence !== winner[1]) disagreeing++
  }
  await store.close()
  return {
    tasks,
    claimants,
    seconds,
    unclaimed: tasks - winners.size,
    doubled: [...winners.values()].filter(({ length }) => length > 1).length,
    disagreeing,
    other: results.reduce((sum, { other }) => sum + other, 0)
  }
}

async function all(list: (filter: { after?: Task; limit: number }) => Promise<Task[]>): Promise<Task[]> {
  const found: Task[] = []
  for (;;) {
    const after = found.at(-1)
    const page = await list({ limit: 1000, ...(after === undefined ? {} : { after }) })
    found.push(...page)
    if (page.length < 1000) return found
  }
}

interface Claims {
  readonly won: readonly [task: string, swarm: string, fence: number][]
  readonly other: number
}

function claimAll(place: StorePlace, first: number, claimants: number, tasks: number): Promise<Claims> {
  const program = new URL('racing-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, JSON.stringify(place), String(first), String(claimants), String(tasks)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`a process of claimants ended with ${code}`))
    )
  })
}
