/**
 * Lets every write and every wait for the disk fail, one position after the other, with EIO and ENOSPC, once and from there on, by strace: of a writer in its
 * database, its journal and its published heads, and of redis-server in its append-only file. And lets writes be cut short: a limit on the length of files makes
 * the system write a part of what was asked, and refuse the rest.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import { attemptInRedis, attemptInSqlite, redisFiles, sqliteFiles } from './attempt.ts'
import type { RunOptions } from './kills.ts'
import { newTally, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

export interface FailedWrites extends Tally {
  /** Positions tried. */
  positions: number
}

const subjects = {
  sqlite: { attempt: attemptInSqlite, files: sqliteFiles, calls: ['pwrite64', 'fdatasync', 'fsync', 'ftruncate', 'write'] },
  redis: { attempt: attemptInRedis, files: redisFiles, calls: ['write', 'fdatasync', 'fsync', 'ftruncate'] }
} as const
export type Subject = keyof typeof subjects

/** @param options `runs` bounds the positions tried; when there are more, they are taken evenly */
export async function failWrites(subject: Subject, { runs, onRun, signal }: RunOptions): Promise<FailedWrites> {
  const { attempt, files, calls } = subjects[subject]
  const tally: FailedWrites = { ...newTally(), positions: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-fail-'))
  const report = join(scratch, 'report')
  let number = 0
  let reached = 0
  const trace = async (more: readonly string[]) => {
    const dir = join(scratch, String(number++))
    // the tracer is the child's child, so that a signal to the child reaches who is traced
    const words = ['strace', '-D', '-f', '-qq', '-o', report, ...files(dir).flatMap((path) => ['-P', path])]
    const before = [...words, '-e', `trace=${calls.join(',')}`, ...more]
    await attempt(tally, { dir, before, failing: more.join(' ') })
    return existsSync(report) ? readFileSync(report, 'latin1') : ''
  }
  try {
    const positions = positionsIn(await trace([]), calls)
    const step = Math.max(1, positions.length / runs)
    for (let at = 0; at < positions.length; at += step) {
      signal?.throwIfAborted()
      if ((await trace(['-e', positions[Math.floor(at)]!])).includes('(INJECTED)')) reached++
      tally.positions++
      onRun?.(tally.positions)
    }
    if (tally.positions > 0 && reached < tally.positions / 2)
      throw new InfraFabricError('fault.writes.unreached', `${reached} of ${tally.positions} writes failed`)
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** What to inject: strace counts for each thread, and the one that writes is the one that does most. */
function positionsIn(traced: string, calls: readonly string[]): string[] {
  return calls.flatMap((call) => {
    const perThread = new Map<string, number>()
    for (const [, thread] of traced.matchAll(new RegExp(`^(\\d+) +${call}\\(`, 'gm')))
      perThread.set(thread!, (perThread.get(thread!) ?? 0) + 1)
    const count = Math.max(0, ...perThread.values())
    return Array.from({ length: count }, (_, at) => at + 1).flatMap((at) =>
      ['EIO', 'ENOSPC'].flatMap((error) => [
        `inject=${call}:error=${error}:when=${at}`,
        `inject=${call}:error=${error}:when=${at}+`
      ])
    )
  })
}

/** Shells hand on that a signal is ignored; without that the system would end the process that hits the limit. */
const ignoringLimit = 'trap "" XFSZ; limit=$1; shift; exec prlimit --fsize="$limit" "$@"'

/** Cuts writes short at `runs` random lengths of the files. */
export async function shortenWrites(subject: Subject, { runs, seed, onRun, signal }: RunOptions): Promise<FailedWrites> {
  const { attempt, files } = subjects[subject]
  const random = randomFrom(seed)
  const tally: FailedWrites = { ...newTally(), positions: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-short-'))
  let number = 0
  const limited = (limit: number | 'unlimited') => {
    const dir = join(scratch, String(number++))
    const before = ['sh', '-c', ignoringLimit, 'sh', String(limit)]
    return { dir, attempt: () => attempt(tally, { dir, before, failing: `files of at most ${limit} octets` }) }
  }
  try {
    // the length that the longest of the files reaches, seen while the load runs
    const { dir, attempt: whole } = limited('unlimited')
    let longest = 0
    const watch = setInterval(() => {
      for (const path of files(dir)) longest = Math.max(longest, statSync(path, { throwIfNoEntry: false })?.size ?? 0)
    }, 5)
    await whole().finally(() => clearInterval(watch))
    while (tally.positions < runs) {
      signal?.throwIfAborted()
      await limited(1 + Math.floor(random() * longest)).attempt()
      tally.positions++
      onRun?.(tally.positions)
    }
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
