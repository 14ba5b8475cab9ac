/** A ledger and its service in a process of their own, to be killed: `service-process.ts <dir> <port>`; writes the port when it is ready. */
import { silentLog } from '#kernel'
import { openLedger, serveLedger } from '#ledger'

const [dir, port] = process.argv.slice(2) as [string, string]
const ledger = await openLedger({ dir, origin: 'test.example/witness', log: silentLog })
const service = await serveLedger({
  dir,
  reader: ledger.reader,
  append: ledger.append,
  port: Number(port),
  log: silentLog,
  addressRate: { perSecond: 10_000, burst: 10_000 },
  tokenRate: { perSecond: 10_000, burst: 10_000 }
})
process.stdout.write(`${service.port}\n`)
