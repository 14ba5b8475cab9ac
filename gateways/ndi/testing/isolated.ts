import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fetchedFolder } from '../runtime.ts'

/** Why the tests with a real peer cannot run here; null where they can. */
export const missing: string | null = existsSync(join(fetchedFolder, 'bin/python3'))
  ? null
  : 'no NDI runtime and no independent peer: sh scripts/fetch-ndi.sh'

/** Runs a script of this project in a network namespace of its own, where there is loopback and nothing else. @returns what it printed, read as JSON */
export async function isolated(script: string, ...words: string[]): Promise<unknown> {
  const inside = 'ip link set lo up && exec "$@"'
  // the runtime keeps names of sources apart by files in the temporary folder, which it leaves behind
  const folder = mkdtempSync(join(tmpdir(), 'ndi-isolated-'))
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['--user', '--map-root-user', '--net', 'sh', '-c', inside, 'sh', process.execPath, script, ...words],
      { timeout: 60_000, killSignal: 'SIGKILL', maxBuffer: 1 << 22, encoding: 'utf8', env: { ...process.env, TMPDIR: folder } }
    )
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
