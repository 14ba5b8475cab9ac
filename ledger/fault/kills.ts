/**
 * kill -9 of processes that write to an embedded ledger, at random moments: while they open it, while they write, one of two writers, both. The clock of
 * some of them jumps.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ledgerFiles } from '#ledger'
import { startLoader } from './loader.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

export const origin = 'fault.example/witness'

/** Kills of one log, before a fresh one is begun. */
export const killsPerLog = 20
/** Some of the rounds are longer, with many entries at a time, and their journal is brought home while they are written. */
export const bulk = 200
export const isInBulk = (random: () => number): boolean => random() < 0.3
export const bulkMs = 1000
/** Producers of each of two writers: a key has one owner. */
export const producersOf = [
  ['a', 'b', 'c', 'd'],
  ['e', 'f', 'g', 'h']
] as const

export interface RunOptions {
  readonly runs: number
  readonly seed: number
  readonly onRun?: (run: number) => void
  /** Ends the runs early. */
  readonly signal?: AbortSignal
}

export const vkeyIn = (dir: string): string | null => {
  const { vkey } = ledgerFiles(dir)
  return existsSync(vkey) ? readFileSync(vkey, 'utf8').trim() : null
}

/** Part of what is known of the producers. */
export const only = (next: Readonly<Record<string, number>>, producers: readonly string[]) =>
  Object.fromEntries(producers.map((producer) => [producer, next[producer]!]))

/** Codes that a writer may meet while another one writes. */
const isContention = (code: string): boolean => code === 'ledger.store.busy' || code === 'ledger.store.after-failure'

/** Kills `runs` processes, and holds the log against what was acknowledged after each time. */
export async function killWriters({ runs, seed, onRun, signal }: RunOptions): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  let dir = ''
  let oracle: Oracle | null = null
  try {
    for (let run = 0; run < runs; ) {
      signal?.throwIfAborted()
      if (run % killsPerLog === 0 || oracle === null) {
        if (dir !== '') rmSync(dir, { recursive: true, force: true })
        dir = mkdtempSync(join(tmpdir(), 'ledger-kill-'))
        oracle = new Oracle(embedded(dir), producersOf.flat(), tally)
      }
      const writers = runs - run > 1 && random() < 0.2 ? 2 : 1
      const clock = random() < 0.2 ? ({ with: 'wandering-clock' } as const) : {}
      const many = isInBulk(random)
      const loaders = producersOf
        .slice(0, writers)
        .map((producers) => startLoader({ dir, origin, next: only(oracle!.next(), producers), ...(many ? { bulk } : {}) }, clock))
      const early = random() < 0.2
      for (const { child, begun } of loaders) {
        if (!early) await begun
        await pause(random() * (early ? 250 : many ? bulkMs : 100))
        oracle.observeHeads()
        child.kill('SIGKILL')
      }
      for (const { ended } of loaders) {
        const { output, complaints } = await ended
        for (const failure of oracle.hear(output)) if (!isContention(failure)) oracle.invalid(`a writer failed: ${failure}`)
        if (complaints !== '') oracle.invalid(`a writer ended by itself: ${complaints}`)
      }
      await oracle.check(vkeyIn(dir))
      run += writers
      onRun?.(run)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  return tally
}
