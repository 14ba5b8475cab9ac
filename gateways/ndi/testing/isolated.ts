import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
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
  const { stdout } = await promisify(execFile)(
    'unshare',
    ['--user', '--map-root-user', '--net', 'sh', '-c', inside, 'sh', process.execPath, script, ...words],
    { timeout: 60_000, killSignal: 'SIGKILL', maxBuffer: 1 << 22, encoding: 'utf8' }
  )
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}
