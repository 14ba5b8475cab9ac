/**
 * Power cuts under a ledger that is written to: an ext4 file system on a loop device is shut down at random moments, so that nothing that was not on the
 * disk gets there any more, and mounted again. Runs as root in namespaces of its own (see power-cuts.ts), whose end ends its processes and mounts.
 *
 * Arguments: {@link PowerSettings} as JSON. Writes `run <n>` for each cut, and at the end the tally as JSON.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ledgerFiles } from '#ledger'
import { origin, vkeyIn } from './kills.ts'
import { startLoader } from './loader.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

export interface PowerSettings {
  /** Folder for the file system's image and its mount point. */
  readonly scratch: string
  readonly runs: number
  readonly seed: number
  readonly careless: boolean
}

/** Cuts of one file system, before a fresh one is made. */
const cutsPerDisk = 20
const diskBytes = 256 << 20

const run = (command: string, ...words: string[]) => execFileSync(command, words, { stdio: ['ignore', 'pipe', 'pipe'] })

/** An ext4 file system whose power can be cut. */
export class Disk {
  readonly #image: string
  readonly mountPoint: string

  constructor(scratch: string) {
    this.#image = join(scratch, 'disk')
    this.mountPoint = join(scratch, 'mnt')
    mkdirSync(this.mountPoint, { recursive: true })
  }

  format(): void {
    rmSync(this.#image, { force: true })
    writeFileSync(this.#image, '')
    truncateSync(this.#image, diskBytes)
    run('mkfs.ext4', '-q', '-F', this.#image)
    this.mount()
  }

  mount(): void {
    run('mount', '-o', 'loop', this.#image, this.mountPoint)
  }

  /**
   * EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing is written any more, not even the journal.
   *
   * @returns the monotonic clock just before, nanoseconds
   * @see linux/fs/ext4/ext4.h
   */
  cut(): number {
    const script = `
      use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
      open(my $at, "<", $ARGV[0]) or die "$!";
      my $flags = pack("L", 2);
      my $now = clock_gettime(CLOCK_MONOTONIC);
      ioctl($at, 0x8004587d, $flags) or die "$!";
      printf "%.9f", $now`
    return Number(run('perl', '-e', script, this.mountPoint).toString('latin1')) * 1e9
  }

  /** Waits for those that still hold a file open. */
  async unmount(): Promise<void> {
    for (let times = 0; ; times++) {
      try {
        run('umount', this.mountPoint)
        return
      } catch (error) {
        if (times === 50) throw error
        await pause(20)
      }
    }
  }
}

const producers = ['a', 'b', 'c', 'd', 'e', 'f']

async function cutPower({ scratch, runs, seed, careless }: PowerSettings): Promise<void> {
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
    const { child, begun, ended } = startLoader({ dir, origin, next: oracle.next() }, careless ? { with: 'careless' } : {})
    if (!early) await begun
    await pause(random() * (early ? 300 : 150))
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
  process.stdout.write(`${JSON.stringify(tally)}\n`)
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

if (import.meta.main) await cutPower(JSON.parse(process.argv[2]!) as PowerSettings)
