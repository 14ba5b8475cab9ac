import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fetchedFolder } from '../runtime/runtime.ts'

/** What `unshare` makes: root needs no user namespace, which not every machine allows. */
const namespace = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net']

/** Why the tests with a real peer cannot run here; null where they can. */
export const missing: string | null = reason()

function reason(): string | null {
  if (!existsSync(join(fetchedFolder, 'bin/python3'))) return 'no NDI runtime and no independent peer: sh scripts/fetch-ndi.sh'
  const { status } = spawnSync('unshare', [...namespace, 'true'], { stdio: 'ignore' })
  return status === 0 ? null : 'no network namespace can be made here'
}

/** Runs a script of this project in a network namespace of its own, where there is loopback and nothing else. @returns what it printed, read as JSON */
export async function isolated(script: string, ...words: string[]): Promise<unknown> {
  return isolatedFor(60_000, script, ...words)
}

/** The same with another time limit. */
export async function isolatedFor(timeout: number, script: string, ...words: string[]): Promise<unknown> {
  const inside = 'ip link set lo up && exec "$@"'
  // the runtime keeps names of sources apart by files in the temporary folder, which it leaves behind
  const folder = mkdtempSync(join(tmpdir(), 'ndi-isolated-'))
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      [...namespace, 'sh', '-c', inside, 'sh', process.execPath, script, ...words],
      { timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 22, encoding: 'utf8', env: { ...process.env, TMPDIR: folder } }
    )
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
