/** Starts the process that writes, and hears what it says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadSettings } from './load.ts'

export interface Loader {
  readonly child: ChildProcess
  /** Resolves at the first line, or when it has ended. */
  readonly begun: Promise<void>
  /** The whole lines it wrote since this was asked last. */
  readonly take: () => string
  /** Resolves when it has ended and all it wrote was read: the output is what was not taken before. */
  readonly ended: Promise<{ readonly output: string; readonly complaints: string; readonly code: number | null }>
}

export interface LoaderOptions {
  /** Words in front of the command: a tracer. */
  readonly before?: readonly string[]
  /** With a database that does not wait for the disk, or a clock that jumps. */
  readonly with?: 'careless' | 'wandering-clock'
}

export const startLoader = (settings: LoadSettings, options: LoaderOptions = {}): Loader =>
  startProgram('load.ts', settings, options)

/** What was compiled once: to read the sources takes longer than most of these programs live. */
const compiled = fileURLToPath(new URL('../../node_modules/.cache/fault', import.meta.url))

/** Lets one writer come to its end: those that are killed keep nothing. */
export async function keepCompiled(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'ledger-compiled-'))
  await startLoader({ dir, origin: 'fault.example/compiled', next: { a: 0 }, appends: 1 }).ended
  rmSync(dir, { recursive: true, force: true })
}

/** Starts a program of this folder. */
export function startProgram(name: string, settings: unknown, { before = [], with: module }: LoaderOptions = {}): Loader {
  const program = fileURLToPath(new URL(name, import.meta.url))
  const command = [...before, process.execPath, '--disable-warning=ExperimentalWarning', program, JSON.stringify(settings)]
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    // from the environment, because threads that are given options of their own take none from the command line
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compiled,
      ...(module === undefined ? {} : { NODE_OPTIONS: `--import=${new URL(`${module}.ts`, import.meta.url).href}` })
    }
  })
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<Awaited<Loader['ended']>>()
  let output = ''
  let complaints = ''
  child.stdin!.on('error', () => undefined)
  child.stdout!.setEncoding('latin1').on('data', (text: string) => {
    output += text
    begun.resolve()
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-4000)
  })
  child.on('error', (error) => {
    complaints += String(error)
    begun.resolve()
    ended.resolve({ output, complaints, code: null })
  })
  child.on('close', (code) => {
    begun.resolve()
    ended.resolve({ output, complaints, code })
  })
  const take = () => {
    const end = output.lastIndexOf('\n') + 1
    const lines = output.slice(0, end)
    output = output.slice(end)
    return lines
  }
  return { child, begun: begun.promise, take, ended: ended.promise }
}
