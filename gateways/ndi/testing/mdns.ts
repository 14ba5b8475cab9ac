import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fetchedFolder } from '../runtime/runtime.ts'
import { missing } from './isolated.ts'

/** Where avahi is: installed, or unpacked by set-up beside the runtime. */
const avahi = ['/', join(fetchedFolder, '../avahi')].find((folder) => existsSync(join(folder, 'usr/sbin/avahi-daemon')))

/** Why multicast DNS cannot be tested here; null where it can. */
export const mdnsMissing: string | null = (() => {
  if (missing !== null) return missing
  if (avahi === undefined) return 'no avahi-daemon'
  if (process.getuid?.() !== 0) return 'two machines with mounts of their own need root'
  return spawnSync('dbus-daemon', ['--version'], { stdio: 'ignore' }).status === 0 ? null : 'no dbus-daemon'
})()

/** Runs a scenario on one of two machines on a cable; on the other an independent program sends as `name`. @returns what it printed, read as JSON */
export async function onCable(script: string, name: string): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'ndi-mdns-'))
  const peer = [join(fetchedFolder, 'bin/python3'), join(import.meta.dirname, 'peer.py')]
  const words = [folder, avahi!, ...peer, process.execPath, script, name]
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      [
        '--net',
        '--mount',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        'sh',
        join(import.meta.dirname, 'mdns.sh'),
        ...words
      ],
      { timeout: 60_000, killSignal: 'SIGKILL', encoding: 'utf8' }
    )
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
