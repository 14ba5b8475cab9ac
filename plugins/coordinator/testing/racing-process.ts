/**
 * Claims tasks with many claimants at once: `racing-process.ts <place> <first claimant> <claimants> <tasks>`. All go through the tasks in the same order,
 * so that they race for each. Writes the claims it was given as one JSON line.
 */
import { openStore, witnessedStore } from '#store'
import { createCoordinator } from '../coordinator.ts'

const [place, first, claimants, tasks] = process.argv.slice(2) as [string, string, string, string]
const store = await openStore(JSON.parse(place))
const coordinator = createCoordinator(witnessedStore(store, null), { leaseMs: 3_600_000 })
const won: [task: string, swarm: string, fence: number][] = []
let other = 0

await Promise.all(
  Array.from({ length: Number(claimants) }, async (_, at) => {
    const swarm = `S-${Number(first) + at}`
    for (let task = 0; task < Number(tasks); task++) {
      const claimed = await coordinator.claim(`T-${task}`, swarm)
      if (claimed.ok) won.push([claimed.task.id, swarm, claimed.fence])
      else if (claimed.code !== 'coordinator.claimed') other++
    }
  })
)
process.stdout.write(`${JSON.stringify({ won, other })}\n`)
await store.close()
