/** Power cuts and full disks need file systems of their own: whether they can be had on this machine. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingPrograms, namespace } from './isolated.ts'

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

/** Why disks cannot be filled on this machine; null when they can. */
export function fullDisksImpossible(more: Readonly<Record<string, string>> = {}): string | null {
  if (process.getuid?.() !== 0) return 'full disks need root, to mount a file system'
  const missing = missingPrograms({ ...more, unshare: 'util-linux', mount: 'mount' })
  return missing.length > 0 ? `full disks need ${missing.join(', ')}` : null
}
