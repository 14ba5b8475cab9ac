/** The parts of `npm run fault:ledger`: what is broken in each, how often, and what it needs. */

import { type Damage, spoilBeside, spoilRedis, spoilSpool, spoilSqlite } from './damage.ts'
import { failWrites, type Subject, shortenWrites } from './failed-writes.ts'
import { type Isolated, missingPrograms, runIsolated } from './isolated.ts'
import { killWriters, type RunOptions } from './kills.ts'
import type { Tally } from './oracle.ts'
import { fullDisksImpossible, powerCutsImpossible } from './possible.ts'
import type { PowerSettings } from './power.ts'
import { killLeaders, killRedis } from './redis-kills.ts'
import type { Loss } from './redis-power.ts'
import { killService } from './service-kills.ts'

export interface Outcome {
  readonly rounds: number
  readonly tally: Tally
  /** What was seen, where it is more than figures. */
  readonly said?: string
}

export interface Part {
  readonly name: string
  /** Which of the numbers on the command line it takes its rounds from, and what share of it. */
  readonly group: 'kills' | 'cuts' | 'places'
  readonly share: number
  readonly what: string
  /** Shows that the check can fail: it must lose something, which is not counted. */
  readonly mustLose?: true
  /** Why it cannot be tried on this machine; null when it can. */
  readonly impossible?: () => string | null
  readonly run: (options: RunOptions) => Promise<Outcome>
}

const needs = (programs: Readonly<Record<string, string>>) => () => {
  const missing = missingPrograms(programs)
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`
}
const redis = { 'redis-server': 'redis-server' }
const strace = { strace: 'strace' }
const limits = { prlimit: 'util-linux' }

const counted =
  (run: (options: RunOptions) => Promise<Tally>) =>
  async (options: RunOptions): Promise<Outcome> => ({ rounds: options.runs, tally: await run(options) })

const writes =
  (subject: Subject, fail: typeof failWrites) =>
  async (options: RunOptions): Promise<Outcome> => {
    const tally = await fail(subject, options)
    return { rounds: tally.positions, tally }
  }

const isolated = async (name: string, options: RunOptions, more: object = {}): Promise<Outcome & { tally: Isolated }> => {
  const tally = await runIsolated(name, options, more)
  return { rounds: tally.rounds, tally }
}

const cuts = (options: RunOptions, store: PowerSettings['store'], careless: boolean) =>
  isolated('power.ts', options, { store, careless } satisfies Partial<PowerSettings>)

const spoiled =
  (spoil: (options: RunOptions) => Promise<Damage>) =>
  async (options: RunOptions): Promise<Outcome> => {
    const { seen, ...tally } = await spoil(options)
    return {
      rounds: options.runs,
      tally,
      said: `cut short, or a bit flipped: told or refused ${seen} times, else it changed nothing`
    }
  }

export const parts: readonly Part[] = [
  {
    name: 'writers',
    group: 'kills',
    share: 0.4,
    what: 'kill -9 of one writer or two on SQLite, while they open and write; a fifth of them with a clock that jumps',
    run: counted(killWriters)
  },
  {
    name: 'redis-server',
    group: 'kills',
    share: 0.3,
    what: 'kill -9 of redis-server, appendfsync always; its writer goes on',
    impossible: needs(redis),
    run: counted(killRedis)
  },
  {
    name: 'leader',
    group: 'kills',
    share: 0.15,
    what: 'kill -9 of the leader of two writers, or a stop beyond its lease',
    impossible: needs(redis),
    run: async (options) => {
      const { takeOversMs, ...tally } = await killLeaders(options)
      const said = `taken over ${Math.round(Math.max(...takeOversMs))} ms after the leader was gone at most, with a lease of 600 ms`
      return { rounds: options.runs, tally, said }
    }
  },
  {
    name: 'service',
    group: 'kills',
    share: 0.15,
    what: 'kill -9 of ifctl witness serve under remote producers with spools',
    run: counted(killService)
  },
  {
    name: 'sqlite-cuts',
    group: 'cuts',
    share: 0.6,
    what: 'SQLite, synchronous=FULL',
    impossible: powerCutsImpossible,
    run: (options) => cuts(options, 'sqlite', false)
  },
  {
    name: 'sqlite-off',
    group: 'cuts',
    share: 0.04,
    what: 'must lose: SQLite, synchronous=OFF',
    mustLose: true,
    impossible: powerCutsImpossible,
    run: (options) => cuts(options, 'sqlite', true)
  },
  {
    name: 'redis-cuts',
    group: 'cuts',
    share: 0.4,
    what: 'Redis, appendfsync always',
    impossible: () => powerCutsImpossible(redis),
    run: (options) => cuts(options, 'redis', false)
  },
  {
    name: 'redis-everysec',
    group: 'cuts',
    share: 0.04,
    what: 'must lose: Redis, appendfsync everysec',
    mustLose: true,
    impossible: () => powerCutsImpossible(redis),
    run: async (options) => {
      const outcome = await cuts(options, 'redis', true)
      const { refusal, writer, nextWriter, byItself, withHeads } = outcome.tally as Isolated & Loss
      const expected =
        refusal === 'ledger.store.not-durable' &&
        [writer, nextWriter].every((code) => code === 'ledger.store.rolled-back') &&
        byItself === 'valid' &&
        withHeads === 'truncated'
      const said = `must lose: everysec is refused (${refusal}); as fast mode its writers stop (${writer}, anew ${nextWriter}); what is left verifies as ${byItself}, with heads kept elsewhere as ${withHeads}`
      if (!expected) throw new Error(`the loss was not told as it must be: ${said}`)
      return { ...outcome, said }
    }
  },
  {
    name: 'sqlite-writes',
    group: 'places',
    share: 0.4,
    what: 'EIO and ENOSPC at every write and sync of database, journal and published heads',
    impossible: needs(strace),
    run: writes('sqlite', failWrites)
  },
  {
    name: 'redis-writes',
    group: 'places',
    share: 0.2,
    what: 'EIO and ENOSPC at every write and sync of the append-only file of redis-server',
    impossible: needs({ ...strace, ...redis }),
    run: writes('redis', failWrites)
  },
  {
    name: 'sqlite-short',
    group: 'places',
    share: 0.1,
    what: 'writes cut short in the files of SQLite',
    impossible: needs(limits),
    run: writes('sqlite', shortenWrites)
  },
  {
    name: 'redis-short',
    group: 'places',
    share: 0.1,
    what: 'writes cut short in the append-only file of redis-server',
    impossible: needs({ ...limits, ...redis }),
    run: writes('redis', shortenWrites)
  },
  {
    name: 'full-disk',
    group: 'places',
    share: 0.02,
    what: 'a disk that runs full under SQLite or redis-server; the spool is delivered when there is room',
    impossible: () => fullDisksImpossible(redis),
    run: (options) => isolated('full-disk.ts', options)
  },
  {
    name: 'spoiled-sqlite',
    group: 'places',
    share: 0.3,
    what: 'database, journal, published heads or keys cut short, or a bit flipped',
    run: spoiled(spoilSqlite)
  },
  {
    name: 'spoiled-redis',
    group: 'places',
    share: 0.1,
    what: 'append-only file cut short, or a bit flipped',
    impossible: needs(redis),
    run: spoiled(spoilRedis)
  },
  {
    name: 'spoiled-beside',
    group: 'places',
    share: 0.12,
    what: 'tokens of the service, memory of a seat or index cut short, or a bit flipped',
    run: spoiled(spoilBeside)
  },
  {
    name: 'spoiled-spool',
    group: 'places',
    share: 0.04,
    what: 'spool cut short, or a bit flipped',
    run: spoiled(spoilSpool)
  }
]
