/** kill -9 of redis-server under load, and of the leader of two writers; a leader that is stopped for longer than its lease. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { InfraFabricError } from '#kernel'
import { ledgerFiles } from '#ledger'
import { prepareKeys } from '../store/keyring.ts'
import { durable, type RedisServer, startRedis } from '../testing/redis-server.ts'
import { killsPerLog, only, origin, producersOf, type RunOptions } from './kills.ts'
import type { LoadSettings } from './load.ts'
import { type Loader, startLoader } from './loader.ts'
import { newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

/** How long something may take that must happen within seconds. */
const withinMs = 20_000

/** A server with writers' folders beside it, one signing key in all of them. */
export interface RedisGround {
  readonly redis: RedisServer
  readonly folders: readonly [string, string]
  readonly store: NonNullable<LoadSettings['store']>
  readonly oracle: Oracle
  readonly vkey: string
  readonly remove: () => Promise<void>
}

export interface GroundOptions {
  /** Of the server, behind those of a durable one. */
  readonly settings?: readonly string[]
  /** Writers take a server that is not durable. */
  readonly fast?: boolean
  /** Where the folders of the writers are made. */
  readonly scratch?: string
}

export async function openRedisGround(
  tally: Tally,
  leaseMs: number,
  { settings = [], fast = false, scratch: parent = tmpdir() }: GroundOptions = {}
): Promise<RedisGround> {
  const redis = await startRedis([...durable, ...settings])
  const scratch = mkdtempSync(join(parent, 'ledger-redis-'))
  const folders = [join(scratch, 'a'), join(scratch, 'b')] as const
  const vkey = prepareKeys(ledgerFiles(folders[0]), origin)
  mkdirSync(folders[1])
  for (const file of ['key', 'vkey'] as const) cpSync(ledgerFiles(folders[0])[file], ledgerFiles(folders[1])[file])
  const { url } = redis
  const oracle = new Oracle({ log: { kind: 'redis', url, logName: origin }, folders }, producersOf.flat(), tally)
  return {
    redis,
    folders,
    store: { kind: 'redis', url, leaseMs, answerWithinMs: 2000, durability: fast ? 'fast' : 'required' },
    oracle,
    vkey,
    remove: async () => {
      await redis.stop()
      rmSync(scratch, { recursive: true, force: true })
    }
  }
}

/** Failures of writers that pass. */
export const outOfReach = /^ledger\.store\.(?:unreachable|unanswered|loading|busy|after-failure|not-leader|io)$/

/**
 * Waits until a writer has put something behind all that was acknowledged before.
 *
 * @returns how long that took, milliseconds
 * @throws {InfraFabricError} `fault.stuck` when it does not within seconds
 */
export async function untilGoesOn(loader: Loader, oracle: Oracle, what: string): Promise<number> {
  const begun = performance.now()
  const before = oracle.top
  for (;;) {
    for (const failure of oracle.hear(loader.take())) if (!outOfReach.test(failure)) oracle.invalid(`${what}: ${failure}`)
    if (oracle.top > before) return performance.now() - begun
    if (performance.now() - begun > withinMs) {
      throw new InfraFabricError('fault.stuck', `${what}: not within ${withinMs} ms; ${oracle.tally.problems.join('; ')}`)
    }
    await pause(2)
  }
}

export async function endLoader({ child, ended }: Loader, oracle: Oracle): Promise<void> {
  child.kill('SIGKILL')
  const { output, complaints } = await ended
  for (const failure of oracle.hear(output)) if (!outOfReach.test(failure)) oracle.invalid(`a writer failed: ${failure}`)
  if (complaints !== '') oracle.invalid(`a writer ended by itself: ${complaints}`)
}

/** Kills redis-server `runs` times, at random moments of a writer's work; the writer goes on by itself when the server is back on its files. */
export async function killRedis({ runs, seed, onRun, signal }: RunOptions): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  for (let run = 0; run < runs; ) {
    const ground = await openRedisGround(tally, 1000)
    const { redis, folders, store, oracle, vkey } = ground
    const loader = startLoader({ dir: folders[0], origin, store, next: only(oracle.next(), producersOf[0]) })
    try {
      await loader.begun
      for (let kills = 0; kills < killsPerLog && run < runs; kills++) {
        signal?.throwIfAborted()
        await untilGoesOn(loader, oracle, 'a writer goes on after kill -9 of redis-server')
        await pause(random() * 150)
        await redis.kill()
        oracle.hear(loader.take())
        oracle.observeHeads()
        await redis.restart()
        await oracle.check(vkey)
        run++
        onRun?.(run)
      }
    } finally {
      await endLoader(loader, oracle)
      await ground.remove()
    }
  }
  return tally
}

export interface LeaderFaults extends Tally {
  /** How long after its leader was gone a log was written to again, milliseconds, one for each time. */
  readonly takeOversMs: number[]
}

const leaseMs = 600

/**
 * Takes the leader away from two writers, `runs` times: mostly by kill -9, else by stopping it for longer than its lease, after which it goes on where it
 * was, thinking that it leads.
 */
export async function killLeaders({ runs, seed, onRun, signal }: RunOptions): Promise<LeaderFaults> {
  const random = randomFrom(seed)
  const tally = newTally()
  const takeOversMs: number[] = []
  for (let run = 0; run < runs; ) {
    const ground = await openRedisGround(tally, leaseMs)
    const { folders, store, oracle, vkey } = ground
    const start = (at: number) => startLoader({ dir: folders[at]!, origin, store, next: only(oracle.next(), producersOf[at]!) })
    const loaders = [start(0)]
    try {
      await untilGoesOn(loaders[0]!, oracle, 'the first writer leads')
      loaders.push(start(1))
      let leader = 0
      for (let times = 0; times < killsPerLog && run < runs; times++) {
        signal?.throwIfAborted()
        const other = 1 - leader
        await loaders[other]!.begun
        await pause(random() * 200)
        const stopped = random() < 0.3
        loaders[leader]!.child.kill(stopped ? 'SIGSTOP' : 'SIGKILL')
        oracle.hear(loaders[leader]!.take())
        oracle.observeHeads()
        takeOversMs.push(await untilGoesOn(loaders[other]!, oracle, 'the other writer takes over'))
        if (stopped) {
          await pause(random() * leaseMs)
          loaders[leader]!.child.kill('SIGCONT')
          await pause(random() * 300)
          for (const failure of oracle.hear(loaders[leader]!.take()))
            if (!outOfReach.test(failure)) oracle.invalid(`a leader that was stopped: ${failure}`)
        } else {
          await endLoader(loaders[leader]!, oracle)
          loaders[leader] = start(leader)
        }
        oracle.hear(loaders[other]!.take())
        await oracle.check(vkey)
        leader = other
        run++
        onRun?.(run)
      }
    } finally {
      for (const loader of loaders) await endLoader(loader, oracle)
      await ground.remove()
    }
  }
  return { ...tally, takeOversMs }
}
