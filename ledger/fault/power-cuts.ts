/** Runs power.ts in mount and process namespaces of its own, and says what is missing where that cannot be. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { InfraFabricError } from '#kernel'
import type { RunOptions } from './kills.ts'
import type { Tally } from './oracle.ts'
import type { PowerSettings } from './power.ts'

const program = fileURLToPath(new URL('./power.ts', import.meta.url))

/** With the process that asked for it gone, everything in the namespace is ended, and with the last process its mounts go. */
const namespace = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Programs of those that cannot be found. */
export const missingPrograms = (programs: Readonly<Record<string, string>>): string[] =>
  Object.entries(programs)
    .filter(([name]) => {
      try {
        execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' })
        return false
      } catch {
        return true
      }
    })
    .map(([name, debianPackage]) => `${name} (Debian package ${debianPackage})`)

/** Why power cuts cannot be tried on this machine; null when they can. */
export function powerCutsImpossible(more: Readonly<Record<string, string>> = {}): string | null {
  if (process.getuid?.() !== 0) return 'power cuts need root, to mount a file system'
  const missing = missingPrograms({
    ...more,
    unshare: 'util-linux',
    mount: 'mount',
    'mkfs.ext4': 'e2fsprogs',
    perl: 'perl-base',
    strace: 'strace'
  })
  if (missing.length > 0) return `power cuts need ${missing.join(', ')}`
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-power-'))
  const script = 'cd "$0" && mkdir mnt && truncate -s 8M disk && mkfs.ext4 -q -F disk && mount -o loop disk mnt && umount mnt'
  try {
    execFileSync('unshare', [...namespace, 'sh', '-c', script, scratch], { stdio: ['ignore', 'ignore', 'pipe'] })
    return null
  } catch (error) {
    return `power cuts need namespaces, loop devices and ext4: ${String((error as { stderr?: unknown }).stderr ?? error).trim()}`
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

export interface PowerCuts extends Tally {
  cuts: number
}

/** @param options `careless`: with a store that does not wait for the disk; ends with the first loss */
export async function cutPowerUnderWriters(options: RunOptions & Pick<PowerSettings, 'store' | 'careless'>): Promise<PowerCuts> {
  const { runs, seed, store, careless, onRun, signal } = options
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-power-'))
  try {
    const settings: PowerSettings = { scratch, runs, seed, store, careless }
    const words = [...namespace, process.execPath, '--disable-warning=ExperimentalWarning', program, JSON.stringify(settings)]
    const child = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'pipe'] })
    const end = () => child.kill('SIGTERM')
    signal?.addEventListener('abort', end)
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-4000)
    })
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()).on('error', () => resolve()))
    let tally: Tally | null = null
    let cuts = 0
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('{')) tally = JSON.parse(line) as Tally
      else {
        cuts = Number(line.slice(4))
        onRun?.(cuts)
      }
    }
    await ended
    signal?.removeEventListener('abort', end)
    signal?.throwIfAborted()
    if (tally === null)
      throw new InfraFabricError('fault.power.failed', `power cuts were not tried to the end: ${complaints.trim()}`)
    return { ...tally, cuts }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
