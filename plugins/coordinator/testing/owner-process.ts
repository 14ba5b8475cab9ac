/** A process that claims a task and holds it until it is killed; with `sweep` it sweeps as well. Told its place, a task and a swarm. */
import { openStore, type StorePlace, witnessedStore } from '#store'
import { createCoordinator } from '../coordinator.ts'
import { startSweeper } from '../sweeper.ts'

const [place, task, swarm, sweep] = process.argv.slice(2) as [string, string, string, string?]
const witnessed = witnessedStore(await openStore(JSON.parse(place) as StorePlace), null)
const leaseMs = sweep === 'sweep' ? 3000 : 1000
const coordinator = createCoordinator(witnessed, { leaseMs })
const claimed = await coordinator.claim(task, swarm)
if (!claimed.ok) throw new Error(claimed.reason)
const sweeper = sweep === 'sweep' ? startSweeper(witnessed.store, coordinator, { everyMs: 100, leaseMs }) : null
const tell = (): void => {
  if (sweeper !== null && !sweeper.figures().leading) setTimeout(tell, 20)
  else console.log(claimed.fence)
}
tell()
setInterval(() => undefined, 60_000)
