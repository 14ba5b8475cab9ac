import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { exitCodeMeanings } from '../line/exit-codes.ts'
import { isObject } from './json-rpc.ts'
import type { ToolCall } from './tools.ts'

const command = fileURLToPath(new URL('../ifctl.cjs', import.meta.url))

/** What a call may use; the rest is cut off. */
export interface Limits {
  readonly timeoutMs: number
  /** Octets of data that are told. */
  readonly outputOctets: number
}

export interface ToolError {
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** ISO 8601. */
  readonly retryAt?: string
}

/** What came of a call: `data` is one JSON document, or one for each line. */
export interface ToolResult {
  readonly exitCode: number | null
  readonly meaning: string
  readonly data: readonly unknown[]
  readonly truncated: boolean
  readonly error?: ToolError
}

const talkOctets = 65_536
/** Time that a command has to start, before it is counted for how long it follows. */
const startMs = 1_000
/** From SIGTERM to SIGKILL. */
const graceMs = 2_000

/**
 * Runs a command as a process of its own: what it may do is what it may do from a shell, its crash or hanging is its own, and it can be ended.
 *
 * @param env of the process
 * @param cwd where paths begin
 * @param signal ends it
 */
export async function runTool(
  { argv, followMs }: ToolCall,
  limits: Limits,
  { env, cwd }: { readonly env: NodeJS.ProcessEnv; readonly cwd: string },
  signal: AbortSignal
): Promise<ToolResult> {
  const child = spawn(process.execPath, [command, ...argv], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended: { why: 'timeout' | 'output' | 'cancelled' | null } = { why: null }
  const end = (why: 'timeout' | 'output' | 'cancelled'): void => {
    ended.why ??= why
    kill(child)
  }
  const stdout = collect(child, 'stdout', limits.outputOctets, () => end('output'))
  const stderr = collect(child, 'stderr', talkOctets, () => undefined)
  const timeout = setTimeout(() => end('timeout'), limits.timeoutMs + (followMs === null ? 0 : startMs + followMs))
  const follow = followMs === null ? null : setTimeout(() => child.kill('SIGINT'), startMs + followMs)
  const cancel = (): void => end('cancelled')
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel()
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
    return resultOf(exitCode, ended.why, stdout(), stderr(), limits)
  } finally {
    clearTimeout(timeout)
    if (follow !== null) clearTimeout(follow)
    signal.removeEventListener('abort', cancel)
  }
}

function kill(child: ChildProcess): void {
  child.kill('SIGTERM')
  const last = setTimeout(() => child.kill('SIGKILL'), graceMs)
  child.on('close', () => clearTimeout(last))
}

/** Keeps the first octets of a stream and drops the rest. */
function collect(child: ChildProcess, name: 'stdout' | 'stderr', most: number, full: () => void): () => string {
  const parts: Buffer[] = []
  let octets = 0
  child[name]!.on('data', (part: Buffer) => {
    if (octets + part.length > most) full()
    if (octets < most) parts.push(part.subarray(0, most - octets))
    octets += part.length
  })
  return () => Buffer.concat(parts).toString('utf8')
}

function resultOf(
  exitCode: number | null,
  why: 'timeout' | 'output' | 'cancelled' | null,
  stdout: string,
  stderr: string,
  { timeoutMs, outputOctets }: Limits
): ToolResult {
  const { data, unread } = documents(stdout, why !== null)
  const meaning =
    exitCode === null ? 'ended before it was done' : (exitCodeMeanings.find(([code]) => code === exitCode)?.[1] ?? 'failed')
  const base = { exitCode, meaning, data, truncated: why !== null }
  if (why === 'timeout')
    return { ...base, error: { code: 'mcp.timeout', message: `not done within ${timeoutMs / 1000} seconds` } }
  if (why === 'cancelled') return { ...base, error: { code: 'mcp.cancelled', message: 'cancelled' } }
  if (why === 'output' && data.length === 0)
    return { ...base, error: { code: 'mcp.too-much', message: `the answer is larger than ${outputOctets} octets: ask for less` } }
  if (why === 'output') return base
  if (unread) return { ...base, error: { code: 'mcp.not-json', message: 'the command told something that is not JSON' } }
  const told = errorIn(stderr)
  if (told !== null) return { ...base, error: told }
  if (exitCode !== 0 && data.length === 0) return { ...base, error: { code: 'mcp.failed', message: stderr.trim() || meaning } }
  return base
}

/** The documents of an answer: one for the whole of it, or one a line. A last line that was cut off is left out. */
function documents(text: string, isCut: boolean): { data: unknown[]; unread: boolean } {
  const lines = text.split('\n')
  const last = lines.pop()!
  if (last !== '' && !isCut) lines.push(last)
  try {
    return { data: lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown), unread: false }
  } catch {
    // a document over many lines
  }
  try {
    return { data: [JSON.parse(text)], unread: false }
  } catch {
    return { data: [], unread: !isCut }
  }
}

/** The error that a command told on stderr, as `--json` has it. */
function errorIn(stderr: string): ToolError | null {
  for (const line of stderr.split('\n')) {
    if (!line.startsWith('{"error":')) continue
    try {
      const { error } = JSON.parse(line) as { error: unknown }
      if (!isObject(error) || typeof error.code !== 'string' || typeof error.message !== 'string') continue
      const problems = Array.isArray(error.problems) ? error.problems.map(String) : []
      const message = [error.message, ...problems].join('\n')
      const { code, hint, retryAt } = error
      const more = { ...(typeof hint === 'string' ? { hint } : {}), ...(typeof retryAt === 'string' ? { retryAt } : {}) }
      return { code, message, ...more }
    } catch {
      // cut off
    }
  }
  return null
}
