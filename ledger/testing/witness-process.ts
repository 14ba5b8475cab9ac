/**
 * A process that tells events to a witness until it is ended: `node witness-process.ts <LedgerConfig without log, as JSON> <spool folder> <name>`. A line
 * `<number> <state> <index> <hash>` for each receipt.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog, systemClock } from '#kernel'
import { createWitness, type LedgerConfig, openLedger } from '#ledger'
import { eventNumber } from './fixtures.ts'

const [settings, spoolDir, name] = process.argv.slice(2) as [string, string, string]
const ledger = await openLedger({ ...(JSON.parse(settings) as Omit<LedgerConfig, 'log'>), log: silentLog })
const witness = await createWitness({ ledger, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 200] })
for (let n = 0; ; n++) {
  witness.record(eventNumber(n, { payload: { name, n } })).then((receipt) => {
    const place = receipt.state === 'committed' ? `${receipt.index} ${receipt.hash}` : '- -'
    process.stdout.write(`${n} ${receipt.state} ${place}\n`)
  })
  await sleep(1)
}
