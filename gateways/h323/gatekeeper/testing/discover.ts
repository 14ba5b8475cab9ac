/** Run in a network namespace of its own: looks for a gatekeeper by multicast and prints what happens, a line each. */

import { discovery } from '../transport.ts'
import { startBench } from './fakes.ts'
import { grq, openRasClient, rrq } from './ras-client.ts'
import { reasonOf } from './room.ts'

const bench = await startBench({ config: { multicast: ['127.0.0.1'] } })
const client = await openRasClient({ ip: discovery.group, port: discovery.port }, '127.0.0.1')
const gcf = await client.ask(grq(client))
console.log(gcf.type)
// a gatekeeper that would refuse says nothing, nor does it take anything but discovery here
client.send(grq(client, { gatekeeperIdentifier: 'another' }))
client.send(rrq(client, ['alice']))
const unicast = await openRasClient(bench.gatekeeper.address)
console.log(reasonOf(await unicast.ask(grq(unicast, { gatekeeperIdentifier: 'another' }))))
console.log(`${client.waiting()} more, ${bench.gatekeeper.endpoints().length} endpoints`)
client.close()
unicast.close()
await bench.close()
