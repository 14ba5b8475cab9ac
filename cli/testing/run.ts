/** Runs the real command as a process. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const shim: string = fileURLToPath(new URL('../ifctl.cjs', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The environment without what would change the command's doings, and with the Node of this test first on the path. */
export function cleanEnvironment(change: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name, value]) => value !== undefined && !/^(?:IF|IFCTL|NODE)_/.test(name))
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...change }
}

export function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [shim, ...args], { env: cleanEnvironment(env), cwd })
}

export function finished(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

export async function ifctl(
  args: readonly string[],
  options: { input?: string; env?: Record<string, string>; cwd?: string } = {}
): Promise<Finished> {
  const child = start(args, options.env, options.cwd)
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  return finished(child)
}

/** A folder that is gone after `use`. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ifctl-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
