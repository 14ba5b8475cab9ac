/**
 * A process that writes to a ledger as fast as it can, until it is killed: producers side by side, each one append after another. What is acknowledged goes
 * to standard output at once, a line `<key> <index> <hash> <monotonic clock, ns>` each; what fails, as `! <code>`. Ends with its standard input.
 */
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, InfraFabricError, silentLog } from '#kernel'
import type { LedgerStore } from '#ledger'
import { draftEntry } from '../log/entry.ts'
import type { AppendItem, Place } from '../store/store.ts'

export interface LoadSettings {
  readonly dir: string
  readonly origin: string
  /** Default: SQLite, in `dir`. */
  readonly store?: LedgerStore
  /** Number of the first entry of each producer: what was told and not acknowledged is told again, under the same key. */
  readonly next: Readonly<Record<string, number>>
  /** Appends per producer; until killed when left out. */
  readonly appends?: number
  /** Entries of an append, times one to three. Default 1. With many, the journal is brought home by its thread while they are written. */
  readonly bulk?: number
  /** Stays, with the ledger open, when all is appended. */
  readonly hold?: boolean
}

export const traceId = '0123456789abcdef0123456789abcdef'

/** The same event for the same key, whoever tells it and however often. */
export function loadItem(producer: string, number: number): AppendItem {
  const key = `${producer}:${number}`
  const payload = { key, fill: 'x'.repeat((number * 37) % 400) }
  return { key, draft: draftEntry({ event: 'load', component: 'IF.fault', traceId, payload }, 1_767_225_600_000 + number) }
}

interface Appender {
  readonly append: (items: readonly AppendItem[], epoch: number) => Promise<readonly Place[]>
  readonly close: () => Promise<void>
}

/** Failures after which a writer tries again: somebody else writes, or the server is out of reach for a while, or its disk. */
const passing = {
  sqlite: /^ledger\.store\.(?:busy|after-failure)$/,
  redis: /^ledger\.store\.(?:busy|after-failure|not-leader|unreachable|unanswered|loading|io)$/
}

async function load(
  { store, next, appends = Number.POSITIVE_INFINITY, bulk = 1, hold = false }: LoadSettings,
  ledger: Appender
): Promise<void> {
  let epoch = 0
  const produce = async (producer: string, from: number): Promise<void> => {
    let number = from
    for (let times = 0; times < appends; ) {
      const items = Array.from({ length: bulk * (1 + (number % 3)) }, (_, more) => loadItem(producer, number + more))
      try {
        const places = await ledger.append(items, epoch)
        const now = process.hrtime.bigint()
        tell(places.map(({ index, hash }, at) => `${items[at]!.key} ${index} ${hash} ${now}\n`).join(''))
        number += items.length
        times++
      } catch (error) {
        const code = error instanceof InfraFabricError ? error.code : String(error)
        tell(`! ${code}\n`)
        if (!passing[store?.kind ?? 'sqlite'].test(code)) {
          if (appends === Number.POSITIVE_INFINITY) return
          times++
        }
        epoch++
        await pause(2)
      }
    }
  }
  await Promise.all(Object.entries(next).map(([producer, from]) => produce(producer, from)))
  if (hold) await new Promise((resolve) => process.stdin.on('close', resolve))
  await ledger.close()
}

/** Writes all of `text` to the pipe, however slowly the other end reads. */
export function tell(text: string): void {
  const octets = Buffer.from(text)
  for (let at = 0; at < octets.length; ) {
    try {
      at += writeSync(1, octets, at)
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

if (import.meta.main) {
  process.stdin
    .on('end', () => process.exit(1))
    .resume()
    .unref()
  const settings = JSON.parse(process.argv[2]!) as LoadSettings
  const { openLedger } = await import('#ledger')
  const { dir, origin, store = { kind: 'sqlite' } } = settings
  // whatever waits is sealed on top of the commit under way, so that each fault finds two of them; every other writer makes its smallest commits without the thread
  const told = Object.values(settings.next).reduce((sum, number) => sum + number, 0)
  const sealAheadFrom = told % 2 === 0 ? 1 : 4
  await load(settings, await openLedger({ dir, origin, store, log: silentLog, publishIntervalMs: 5, sealAheadFrom }))
  process.exit(0)
}
