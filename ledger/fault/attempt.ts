/** A short load on a fresh log whose disk fails, and what is told again when the disk is well: in SQLite, and in Redis. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ledgerFiles } from '#ledger'
import { prepareKeys } from '../store/keyring.ts'
import { durable, type RedisServer, startRedis } from '../testing/redis-server.ts'
import { origin, vkeyIn } from './kills.ts'
import type { LoadSettings } from './load.ts'
import { startLoader } from './loader.ts'
import { embedded, Oracle, type Tally } from './oracle.ts'
import { outOfReach } from './redis-kills.ts'

const producers = ['a', 'b']
const appends = 6

export interface Place {
  /** A folder that is not there yet. */
  readonly dir: string
  /** Words in front of the process that writes to the disk: they make it fail. */
  readonly before: readonly string[]
  /** What that is, in words. */
  readonly failing: string
}

/** Files of a log in SQLite. */
export const sqliteFiles = (dir: string): string[] => {
  const { database, published } = ledgerFiles(dir)
  return [database, `${database}-wal`, published]
}

/** Files of a server that runs with `--dir <dir>/redis`. @see redis/src/aof.c */
export const redisFiles = (dir: string): string[] =>
  ['1.incr.aof', '1.base.rdb', 'manifest', 'temp.manifest'].map((name) => {
    const file = name === 'temp.manifest' ? 'temp-appendonly.aof.manifest' : `appendonly.aof.${name}`
    return join(dir, 'redis', 'appendonlydir', file)
  })

const load = (oracle: Oracle, settings: Pick<LoadSettings, 'dir' | 'store'>, before: readonly string[] = []) =>
  startLoader({ ...settings, origin, next: oracle.next(), appends }, { before }).ended

/** The disk is well again: a new process tells again what was not acknowledged, and goes on. */
async function goOn(oracle: Oracle, settings: Pick<LoadSettings, 'dir' | 'store'>, failing: string): Promise<void> {
  const before = oracle.top
  const { output, code, complaints } = await load(oracle, settings)
  for (const failure of oracle.hear(output)) {
    // the lease of the writer before may have a moment to run
    if (settings.store === undefined || !outOfReach.test(failure))
      oracle.invalid(`after the failure was over (${failing}): ${failure}`)
  }
  if (oracle.top <= before) oracle.invalid(`nothing was written after the failure was over (${failing})`)
  if (code !== 0) oracle.invalid(`not opened after the failure was over (${failing}): ${complaints}`)
  await oracle.check(vkeyIn(settings.dir))
}

function hearFailures(oracle: Oracle, output: string): void {
  for (const failure of oracle.hear(output))
    if (!failure.startsWith('ledger.')) oracle.invalid(`a failure without a name of ours: ${failure}`)
}

export async function attemptInSqlite(tally: Tally, { dir, before, failing }: Place): Promise<void> {
  const oracle = new Oracle(embedded(dir), producers, tally)
  const { output } = await load(oracle, { dir }, before)
  hearFailures(oracle, output)
  await oracle.check(vkeyIn(dir))
  await goOn(oracle, { dir }, failing)
  rmSync(dir, { recursive: true, force: true })
}

/** Starts a server again that has ended by itself, as whoever runs it would: with its disk well again. */
function keepUp(redis: RedisServer) {
  let going = true
  let starts = 0
  const watching = (async () => {
    while (going) {
      const alive = await redis.ask('PING').catch(() => '')
      if (alive === '') {
        starts++
        await redis.kill()
        await redis.restart()
      }
      await pause(20)
    }
  })()
  return {
    /** @returns how often it was started again */
    end: async () => {
      going = false
      await watching
      return starts
    }
  }
}

/** The server's disk fails; those who write to it have another one. A server that does not start has acknowledged nothing. */
export async function attemptInRedis(tally: Tally, { dir, before, failing }: Place): Promise<void> {
  const vkey = prepareKeys(ledgerFiles(dir), origin)
  const onDisk = join(dir, 'redis')
  mkdirSync(onDisk)
  const redis = await startRedis([...durable, '--dir', onDisk], 0, before).catch(() => null)
  try {
    if (redis === null) return
    const store = { kind: 'redis', url: redis.url, leaseMs: 500, answerWithinMs: 3000 } as const
    const oracle = new Oracle({ log: { kind: 'redis', url: redis.url, logName: origin }, folders: [dir] }, producers, tally)
    const ended = load(oracle, { dir, store })
    const server = keepUp(redis)
    hearFailures(oracle, (await ended).output)
    if ((await server.end()) === 0) {
      await redis.kill()
      await redis.restart()
    }
    await oracle.check(vkey)
    await goOn(oracle, { dir, store }, failing)
  } finally {
    await redis?.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
