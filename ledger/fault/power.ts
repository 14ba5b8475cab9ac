/**
 * Power cuts under a ledger that is written to: an ext4 file system on a loop device is shut down at random moments, so that nothing that was not on the
 * disk gets there any more, and mounted again. Runs as root in namespaces of its own (see isolated.ts), whose end ends its processes and mounts.
 *
 * Arguments: {@link PowerSettings} as JSON. Writes `run <n>` for each cut, and at the end the tally as JSON.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ledgerFiles } from '#ledger'
import { cutsPerDisk, Disk } from './disk.ts'
import { bulk, bulkMs, isInBulk, origin, vkeyIn } from './kills.ts'
import { startLoader } from './loader.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'
import { cutPowerUnderRedis, losePowerUnderRedis } from './redis-power.ts'

export interface PowerSettings {
  /** Folder for the file system's image and its mount point. */
  readonly scratch: string
  readonly runs: number
  readonly seed: number
  readonly store: 'sqlite' | 'redis'
  /** With a store that does not wait for the disk: ends with the first loss. */
  readonly careless: boolean
}

const producers = ['a', 'b', 'c', 'd', 'e', 'f']

async function cutPower({ scratch, runs, seed, careless }: PowerSettings): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  const disk = new Disk(scratch)
  const dir = join(disk.mountPoint, 'ledger')
  let oracle = new Oracle(embedded(dir), producers, tally)
  for (let number = 0; number < runs; number++) {
    if (number % cutsPerDisk === 0) {
      if (number > 0) await disk.unmount()
      disk.format()
      oracle = new Oracle(embedded(dir), producers, tally)
    }
    const early = random() < 0.2
    const many = isInBulk(random)
    const { child, begun, ended } = startLoader(
      { dir, origin, next: oracle.next(), ...(many ? { bulk } : {}) },
      careless ? { with: 'careless' } : {}
    )
    if (!early) await begun
    await pause(random() * (early ? 300 : many ? bulkMs : 150))
    oracle.observeHeads()
    const cutAtNs = disk.cut()
    child.kill('SIGKILL')
    const { output, complaints } = await ended
    oracle.hear(output, cutAtNs)
    if (complaints !== '' && !early) oracle.invalid(`the writer ended by itself: ${complaints}`)
    await disk.unmount()
    disk.mount()
    await oracle.check(vkeyIn(dir))
    process.stdout.write(`run ${number + 1}\n`)
    // a log that lost something goes no further: it would fork, and say the same again
    if (careless && tally.lost > 0) break
  }
  await disk.unmount()
  if (!careless) await cutBehindKill(disk, tally)
  return tally
}

/**
 * The power goes after a writer was killed between writing its journal and waiting for the disk, and after the next one, asked again, said where those
 * entries stand: SQLite shows them to it, though they were on no disk yet. Counted with the rest.
 */
async function cutBehindKill(disk: Disk, tally: Tally): Promise<void> {
  disk.format()
  const dir = join(disk.mountPoint, 'ledger')
  const oracle = new Oracle(embedded(dir), ['a'], tally)
  const journal = `${ledgerFiles(dir).database}-wal`
  const killed = ['-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:retval=0:signal=SIGKILL:when=12']
  const before = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', journal, ...killed]
  oracle.hear((await startLoader({ dir, origin, next: oracle.next() }, { before }).ended).output)
  const told = tally.acknowledged
  const { child, begun, ended } = startLoader({ dir, origin, next: oracle.next(), appends: 1, hold: true })
  await begun
  const cutAtNs = disk.cut()
  child.kill('SIGKILL')
  const { output } = await ended
  oracle.hear(output, cutAtNs)
  if (told === 0 || tally.acknowledged === told) oracle.invalid('the writer was not killed where it was meant to be')
  await disk.unmount()
  disk.mount()
  await oracle.check(vkeyIn(dir))
  await disk.unmount()
}

if (import.meta.main) {
  const settings = JSON.parse(process.argv[2]!) as PowerSettings
  const cut = settings.store === 'sqlite' ? cutPower : settings.careless ? losePowerUnderRedis : cutPowerUnderRedis
  const tally = await cut(settings)
  process.stdout.write(`${JSON.stringify(tally)}\n`)
}
