/**
 * Lets every write and every wait for the disk of a writer fail, one position after the other, with EIO and ENOSPC, once and from there on: by strace, in the
 * database, its journal and the file of published heads.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ledgerFiles } from '#ledger'
import { origin, type RunOptions, vkeyIn } from './kills.ts'
import { startLoader } from './loader.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'

const producers = ['a', 'b']
const appends = 6
const calls = ['pwrite64', 'fdatasync', 'fsync', 'ftruncate', 'write'] as const

const tracer = (dir: string, report: string, more: readonly string[]): string[] => {
  const { database, published } = ledgerFiles(dir)
  const paths = [database, `${database}-wal`, published].flatMap((path) => ['-P', path])
  return ['strace', '-f', '-qq', '-o', report, ...paths, '-e', `trace=${calls.join(',')}`, ...more]
}

export type FailedWrites = Tally & { readonly positions: number }

/** @param options `runs` bounds the positions tried; when there are more, they are taken evenly */
export async function failWrites({ runs, onRun, signal }: RunOptions): Promise<FailedWrites> {
  const tally = newTally()
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-fail-'))
  let number = 0
  try {
    const attempt = async (more: readonly string[]) => {
      const dir = join(scratch, String(number++))
      const report = join(scratch, 'report')
      const oracle = new Oracle(embedded(dir), producers, tally)
      const { ended } = startLoader({ dir, origin, next: oracle.next(), appends }, { before: tracer(dir, report, more) })
      const { output } = await ended
      for (const failure of oracle.hear(output))
        if (!failure.startsWith('ledger.')) oracle.invalid(`a failure without a name of ours: ${failure}`)
      const traced = existsSync(report) ? readFileSync(report, 'latin1') : ''
      await oracle.check(vkeyIn(dir))
      if (more.length > 0) {
        // the disk is well again: a new process tells again what was not acknowledged, and goes on
        const again = await startLoader({ dir, origin, next: oracle.next(), appends }).ended
        for (const failure of oracle.hear(again.output))
          oracle.invalid(`after the failure was over (${more.join(' ')}): ${failure}`)
        if (again.code !== 0) oracle.invalid(`not opened after the failure was over (${more.join(' ')}): ${again.complaints}`)
        await oracle.check(vkeyIn(dir))
      }
      rmSync(dir, { recursive: true, force: true })
      return traced
    }

    const whole = await attempt([])
    const positions = calls.flatMap((call) => {
      // strace counts for each thread; the ledger's is the one that does most
      const perThread = new Map<string, number>()
      for (const [, thread] of whole.matchAll(new RegExp(`^(\\d+) +${call}\\(`, 'gm')))
        perThread.set(thread!, (perThread.get(thread!) ?? 0) + 1)
      const count = Math.max(0, ...perThread.values())
      return Array.from({ length: count }, (_, at) => at + 1).flatMap((at) =>
        ['EIO', 'ENOSPC'].flatMap((error) => [
          `inject=${call}:error=${error}:when=${at}`,
          `inject=${call}:error=${error}:when=${at}+`
        ])
      )
    })
    const step = Math.max(1, positions.length / runs)
    let tried = 0
    for (let at = 0; at < positions.length; at += step) {
      signal?.throwIfAborted()
      await attempt(['-e', positions[Math.floor(at)]!])
      tried++
      onRun?.(tried)
    }
    return { ...tally, positions: tried }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
