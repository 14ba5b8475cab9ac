/** RAS transactions a second through the socket, and memory of registered endpoints. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Metric } from '#scripts/bench/report.ts'
import { rasMessage } from '../../h225/pdus.ts'
import { createRegistrationTable } from '../tables/registrations.ts'
import { startBench } from './fakes.ts'
import { arq, drq, openRasClient, rrq } from './ras-client.ts'

const transactions = 6000
const inFlight = 32
const endpoints = 10_000

async function rasTransactions(): Promise<number> {
  const bench = await startBench({
    config: {
      limits: { perAddress: 100_000, burst: 100_000, waiting: 10_000, callsPerEndpoint: 100_000 },
      bandwidth: { zone: 4e9, endpoint: 4e9, call: 200_000, least: 640 }
    }
  })
  const client = await openRasClient(bench.gatekeeper.address)
  const rcf = await client.ask(rrq(client, ['alice']))
  const id = rcf.type === 'registrationConfirm' ? rcf.value.endpointIdentifier : ''
  // calls that come and go: ARQ and DRQ in turn
  const requests = Array.from({ length: transactions }, (_, at) => {
    const call = ((at >> 1) % 250) + 1
    return rasMessage.encode(at % 2 === 0 ? arq(client, id, call, ['alice']) : drq(client, id, call))
  })
  const { port } = bench.gatekeeper.address
  const socket = createSocket('udp4')
  client.close()
  socket.bind(client.address.port, '127.0.0.1')
  await once(socket, 'listening')
  let sent = 0
  let answered = 0
  const done = Promise.withResolvers<void>()
  const more = (): void => {
    while (sent < transactions && sent - answered < inFlight) socket.send(requests[sent++]!, port, '127.0.0.1')
  }
  socket.on('message', () => {
    if (++answered === transactions) done.resolve()
    more()
  })
  const start = performance.now()
  more()
  const timer = setTimeout(() => done.reject(new Error(`${answered} of ${sent} answered`)), 60_000)
  await done.promise
  clearTimeout(timer)
  const seconds = (performance.now() - start) / 1000
  socket.close()
  await bench.close()
  return transactions / seconds
}

function kbPerEndpoint(): number {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const collect = (): number => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = collect()
  const table = createRegistrationTable()
  for (let n = 0; n < endpoints; n++) {
    table.put({
      endpointId: `endpoint-${n}`,
      aliases: [`h323:room-${n}`, `digits:${100_000 + n}`],
      prefixes: [],
      kind: 'terminal',
      signalAddresses: [`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:1720`],
      rasAddress: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:1719`,
      user: null,
      traceId: n.toString(16).padStart(32, '0'),
      registeredAt: n,
      expiresAt: n
    })
  }
  const used = collect() - before
  if (table.size() !== endpoints) throw new Error('not all registered')
  return used / endpoints / 1024
}

/** What `npm run bench:h323` says about the gatekeeper. */
export async function gatekeeperMetrics(): Promise<Metric[]> {
  return [
    {
      metric: 'h323.ras_tps',
      value: await rasTransactions(),
      unit: 'transactions/s',
      note: 'ARQ and DRQ in turn over UDP on the loopback, decided and recorded in memory, client in the same process'
    },
    {
      metric: 'h323.kb_per_endpoint',
      value: kbPerEndpoint(),
      unit: 'KiB',
      note: `heap of the registration table, ${endpoints} endpoints of two aliases`
    }
  ]
}
