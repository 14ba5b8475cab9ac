/** A file system on a loop device, whose power can be cut. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Cuts of one file system, before a fresh one is made. */
export const cutsPerDisk = 20
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

  sync(): void {
    run('sync', '-f', this.mountPoint)
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
