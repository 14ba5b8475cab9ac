/**
 * A producer on another machine: a witness over a service, with its spool. It tells events until its standard input ends, then waits until all of them are in
 * the log. Each acknowledgement is a line: `<key> <index> <hash> <monotonic clock, ns>` from the log, `<key> spooled <monotonic clock, ns>` from the spool.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, silentLog, systemClock } from '#kernel'
import { connectLedger, createWitness } from '#ledger'
import { tell, traceId } from './load.ts'

export interface RemoteLoadSettings {
  readonly url: string
  readonly token: string
  readonly spoolDir: string
  readonly producer: string
}

/** Events told and not yet acknowledged, at most. */
const mostUnderWay = 64
const flushWithinMs = 60_000

async function produce({ url, token, spoolDir, producer }: RemoteLoadSettings): Promise<void> {
  const ledger = connectLedger({ urls: [url], token, answerWithinMs: 1000 })
  const witness = await createWitness({ ledger, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 200] })
  let going = true
  process.stdin.on('end', () => {
    going = false
  })
  process.stdin.resume()
  const underWay = new Set<Promise<void>>()
  for (let number = 0; going; number++) {
    const key = `${producer}:${number}`
    const payload = { key, fill: 'x'.repeat((number * 37) % 400) }
    const told = witness
      .record({ event: 'load', component: 'IF.fault', traceId, payload })
      .then(
        (receipt) => {
          const place = receipt.state === 'committed' ? `${receipt.index} ${receipt.hash}` : 'spooled'
          tell(`${key} ${place} ${process.hrtime.bigint()}\n`)
        },
        (error: unknown) => tell(`! ${errorCode(error)}\n`)
      )
      .finally(() => underWay.delete(told))
    underWay.add(told)
    if (underWay.size >= mostUnderWay) await Promise.race(underWay)
    await pause(1)
  }
  await Promise.all(underWay)
  await witness.flush(flushWithinMs)
  await witness.close()
  ledger.close()
}

if (import.meta.main) {
  await produce(JSON.parse(process.argv[2]!) as RemoteLoadSettings)
  process.exit(0)
}
