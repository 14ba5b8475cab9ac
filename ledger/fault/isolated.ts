/** Runs a program of this folder as root in mount and process namespaces of its own, and says what is missing where that cannot be. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { InfraFabricError } from '#kernel'
import type { RunOptions } from './kills.ts'
import type { Tally } from './oracle.ts'

/** With the process that asked for it gone, everything in the namespace is ended, and with the last process its mounts go. */
export const namespace = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

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

export interface Isolated extends Tally {
  /** Rounds that were tried. */
  rounds: number
}

/**
 * The program gets a scratch folder, `runs` and `seed` with its settings as JSON, writes `run <n>` for each round, and at the end its tally as JSON.
 *
 * @throws {InfraFabricError} `fault.isolated.failed` when it does not get to its end
 */
export async function runIsolated(name: string, { runs, seed, onRun, signal }: RunOptions, more: object = {}): Promise<Isolated> {
  const program = fileURLToPath(new URL(name, import.meta.url))
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-isolated-'))
  try {
    const settings = JSON.stringify({ scratch, runs, seed, ...more })
    const words = [...namespace, process.execPath, '--disable-warning=ExperimentalWarning', program, settings]
    const child = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'pipe'] })
    const end = () => child.kill('SIGTERM')
    signal?.addEventListener('abort', end)
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-4000)
    })
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()).on('error', () => resolve()))
    let tally: Tally | null = null
    let rounds = 0
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('{')) tally = JSON.parse(line) as Tally
      else {
        rounds = Number(line.slice(4))
        onRun?.(rounds)
      }
    }
    await ended
    signal?.removeEventListener('abort', end)
    signal?.throwIfAborted()
    if (tally === null)
      throw new InfraFabricError('fault.isolated.failed', `${name} did not get to its end: ${complaints.trim()}`)
    return { ...tally, rounds }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
