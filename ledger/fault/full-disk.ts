/**
 * A disk that runs full under SQLite or redis-server while producers go on: what does not fit is refused by name and waits in the spool on another disk, and is
 * delivered when there is room again. Runs as root in a mount namespace of its own.
 *
 * Arguments: {@link FullDiskSettings} as JSON. Writes `run <n>` for each time, and at the end the tally as JSON.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, silentLog, systemClock } from '#kernel'
import { createWitness, type Ledger, ledgerFiles, openLedger } from '#ledger'
import { prepareKeys } from '../store/keyring.ts'
import { durable, type RedisServer, startRedis } from '../testing/redis-server.ts'
import { origin } from './kills.ts'
import { traceId } from './load.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

export interface FullDiskSettings {
  readonly scratch: string
  readonly runs: number
  readonly seed: number
}

const diskBytes = 3 << 20
const fullWith = /^ledger\.(?:store\.(?:full|io|unreachable|unanswered|after-failure|not-leader|loading)|unanswered)$/

function fill(path: string, octets: number): void {
  try {
    for (;;) writeFileSync(path, Buffer.alloc(octets), { flag: 'a' })
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC') throw error
  }
}

/** A ledger that tells what it answered. */
function listening(ledger: Ledger, refusals: Set<string>): Pick<Ledger, 'append'> {
  return {
    append: (items, epoch) =>
      ledger.append(items, epoch).catch((error: unknown) => {
        refusals.add(errorCode(error))
        throw error
      })
  }
}

async function tellUntilSpooled(
  ledger: Pick<Ledger, 'append'>,
  oracle: Oracle,
  { spoolDir, filler, grain }: { readonly spoolDir: string; readonly filler: string; readonly grain: number },
  roomAgain: () => Promise<void>
): Promise<void> {
  const witness = await createWitness({ ledger, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 200] })
  const acknowledge = async (number: number): Promise<string> => {
    const key = `a:${number}`
    const receipt = await witness.record({
      event: 'load',
      component: 'IF.fault',
      traceId,
      payload: { key, fill: 'x'.repeat((number * 37) % 2000) }
    })
    const place = receipt.state === 'committed' ? `${receipt.index} ${receipt.hash}` : 'spooled'
    oracle.hear(`${key} ${place} ${process.hrtime.bigint()}\n`)
    return receipt.state
  }
  let number = 0
  for (; number < 50; number++) await acknowledge(number)
  fill(filler, grain)
  let spooled = 0
  for (; spooled < 50 && number < 4000; number++) if ((await acknowledge(number)) === 'spooled') spooled++
  if (spooled === 0) oracle.invalid('the disk was never full')
  await roomAgain()
  for (const end = number + 50; number < end; number++) await acknowledge(number)
  await witness.flush(20_000)
  await witness.close()
}

async function fillDisk({ scratch, runs, seed }: FullDiskSettings): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  for (let run = 0; run < runs; run++) {
    const disk = join(scratch, `disk-${run}`)
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk], { stdio: 'ignore' })
    const filler = join(disk, 'filler')
    // the last of the room is taken in pieces of various lengths
    const grain = 512 + Math.floor(random() * 8192)
    const refusals = new Set<string>()
    let redis: RedisServer | null = null
    try {
      const inRedis = run % 2 === 1
      const dir = join(inRedis ? scratch : disk, `ledger-${run}`)
      if (inRedis) {
        prepareKeys(ledgerFiles(dir), origin)
        redis = await startRedis([...durable, '--dir', disk])
      }
      const store = redis === null ? {} : { store: { kind: 'redis' as const, url: redis.url, leaseMs: 500, answerWithinMs: 500 } }
      const ledger = await openLedger({ dir, origin, log: silentLog, publishIntervalMs: 20, ...store })
      const watched =
        redis === null ? embedded(dir) : { log: { kind: 'redis' as const, url: redis.url, logName: origin }, folders: [dir] }
      const oracle = new Oracle(watched, ['a'], tally)
      await tellUntilSpooled(
        listening(ledger, refusals),
        oracle,
        { spoolDir: join(scratch, `spool-${run}`), filler, grain },
        async () => {
          if (redis === null) await oracle.check(ledger.vkey)
          rmSync(filler)
          // with appendfsync always the server ends when it cannot write, and whoever runs it starts it again
          if (redis !== null) {
            await redis.kill()
            await redis.restart()
            await oracle.check(ledger.vkey)
          }
          await pause(random() * 100)
        }
      )
      await ledger.close()
      await oracle.check(ledger.vkey, true)
      for (const code of refusals) if (!fullWith.test(code)) oracle.invalid(`a full disk was told as ${code}`)
    } finally {
      await redis?.stop()
      execFileSync('umount', ['-l', disk])
    }
    process.stdout.write(`run ${run + 1}\n`)
  }
  return tally
}

if (import.meta.main)
  process.stdout.write(`${JSON.stringify(await fillDisk(JSON.parse(process.argv[2]!) as FullDiskSettings))}\n`)
