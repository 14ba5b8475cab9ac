/**
 * Power cuts under redis-server: its append-only file lies on the disk that is shut down; those who write to it are on other machines, and go on. They keep the
 * heads they published.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, silentLog } from '#kernel'
import { openLedger } from '#ledger'
import { cutsPerDisk, Disk } from './disk.ts'
import { only, origin, producersOf } from './kills.ts'
import { startLoader } from './loader.ts'
import { newTally, type Tally } from './oracle.ts'
import type { PowerSettings } from './power.ts'
import { randomFrom } from './random.ts'
import { endLoader, type GroundOptions, openRedisGround, outOfReach, type RedisGround, untilGoesOn } from './redis-kills.ts'

/** What tells that a server which does not wait for its disk has lost something. */
export interface Loss extends Tally {
  /** How a store that must be durable takes the server. */
  refusal: string
  /** How the writer that was at work is told, and one that is started anew. */
  writer: string
  nextWriter: string
  /** The verifier's word on what is left, by itself and with heads kept elsewhere. */
  byItself: string
  withHeads: string
}

/**
 * Cuts the power under a server with `appendfsync always`: nothing may be lost. On every other disk the writer is on the same machine, and its folder on the
 * same disk; else it is on another one, and goes on.
 */
export async function cutPowerUnderRedis({ scratch, runs, seed }: PowerSettings): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  const disk = new Disk(scratch)
  for (let run = 0, disks = 0; run < runs; disks++) {
    const together = disks % 2 === 1
    const ground = await openDiskGround(disk, tally, { together })
    const { redis, oracle, vkey } = ground
    let loader = startWriter(ground)
    try {
      for (let cuts = 0; cuts < cutsPerDisk && run < runs; cuts++) {
        await untilGoesOn(loader, oracle, 'a writer goes on after a power cut under redis-server')
        await pause(random() * 150)
        oracle.observeHeads()
        if (together) {
          const cutAtNs = disk.cut()
          loader.child.kill('SIGKILL')
          await redis.kill()
          oracle.hear((await loader.ended).output, cutAtNs)
        } else {
          // a sync under way while the disk is shut down may be told as done: what the server says then, no machine could have said to another
          await redis.kill()
          disk.cut()
          oracle.hear(loader.take())
        }
        await disk.unmount()
        disk.mount()
        await redis.restart()
        await oracle.check(vkey)
        if (together) loader = startWriter(ground)
        process.stdout.write(`run ${++run}\n`)
      }
    } finally {
      await endLoader(loader, oracle)
      await ground.remove()
      await disk.unmount()
    }
  }
  return tally
}

/** Cuts the power under a server with `appendfsync everysec` until something is lost, and asks everybody about it. */
export async function losePowerUnderRedis({ scratch, runs, seed }: PowerSettings): Promise<Loss> {
  const random = randomFrom(seed)
  const disk = new Disk(scratch)
  const loss: Loss = { ...newTally(), refusal: '', writer: '', nextWriter: '', byItself: '', withHeads: '' }
  for (let run = 0; run < runs && loss.lost === 0; run++) {
    const ground = await openDiskGround(disk, loss, { settings: ['--appendfsync', 'everysec'], fast: true })
    const { redis, folders, store, oracle, vkey } = ground
    loss.refusal = await open(folders[1], { ...store, durability: 'required' } as typeof store)
    const loader = startWriter(ground)
    try {
      await untilGoesOn(loader, oracle, 'a writer begins')
      await pause(1200 + random() * 800)
      oracle.observeHeads()
      const cutAtNs = disk.cut()
      await redis.kill()
      await disk.unmount()
      disk.mount()
      await redis.restart()
      await pause(1000)
      loss.writer = oracle.hear(loader.take(), cutAtNs).findLast((code) => !outOfReach.test(code)) ?? 'it goes on'
      loader.child.kill('SIGKILL')
      oracle.hear((await loader.ended).output, cutAtNs)
      loss.nextWriter = await open(folders[0], store)
      loss.byItself = (await oracle.verify(vkey, false)).verdict
      loss.withHeads = (await oracle.verify(vkey)).verdict
      await oracle.check(vkey)
      process.stdout.write(`run ${run + 1}\n`)
    } finally {
      loader.child.kill('SIGKILL')
      await ground.remove()
      await disk.unmount()
    }
  }
  return loss
}

/** A server whose append-only file is on a fresh disk; with `together` the folders of those who write are, too. */
async function openDiskGround(
  disk: Disk,
  tally: Tally,
  { settings = [], together = false, ...more }: GroundOptions & { readonly together?: boolean }
): Promise<RedisGround> {
  disk.format()
  const onDisk = join(disk.mountPoint, 'redis')
  mkdirSync(onDisk)
  const scratch = together ? { scratch: disk.mountPoint } : {}
  const ground = await openRedisGround(tally, 1000, { settings: ['--dir', onDisk, ...settings], ...scratch, ...more })
  // the folders were there before the power went
  disk.sync()
  return ground
}

const startWriter = ({ folders, store, oracle }: RedisGround) =>
  startLoader({ dir: folders[0], origin, store, next: only(oracle.next(), producersOf[0]) })

/** The code with which a ledger is not opened; `opened` when it is. */
const open = (dir: string, store: RedisGround['store']): Promise<string> =>
  openLedger({ dir, origin, log: silentLog, store }).then(async (ledger) => {
    await ledger.close()
    return 'opened'
  }, errorCode)
