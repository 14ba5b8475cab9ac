import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex, Readable } from 'node:stream'
import { guestProgram } from './program.ts'

/** Ends the process with its host, however that ends: a loop or a stopped process would not see that its stream is closed. @see prctl(2) */
const setpriv = '/usr/bin/setpriv'
const setprivFlags = ['--pdeathsig', 'KILL', '--no-new-privs']

const flags = [
  '--permission',
  '--disable-warning=ExperimentalWarning',
  '--disallow-code-generation-from-strings',
  '--max-old-space-size=64'
]

/** A process that runs one module and nothing else; it knows nothing of it until it is answered its first question. */
export interface SandboxProcess {
  readonly child: ChildProcess
  /** Its questions and the answers. */
  readonly stream: Duplex
  readonly words: Readable
  /** Resolves when it is gone and its streams are read; with what went wrong when it could not be made. */
  readonly closed: Promise<Error | null>
}

export function makeProcess(): SandboxProcess {
  const child = spawn(setpriv, [...setprivFlags, process.execPath, ...flags, '-e', guestProgram()], {
    env: {},
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe', 'pipe']
  })
  const stream = child.stdio[3] as Duplex
  // what is written to a process that was killed
  stream.on('error', () => {})
  const closed = new Promise<Error | null>((resolve) => {
    child.on('error', resolve)
    child.on('close', () => resolve(null))
  })
  return { child, stream, words: child.stderr!, closed }
}

/** Processes that wait for a module: each is used once, for one module, and another takes its place. They do not keep their host from ending. */
export interface WarmProcesses {
  readonly take: () => SandboxProcess
  /** Kills those that wait. Resolves when they are gone. */
  readonly close: () => Promise<void>
}

const holds = ({ child, stream, words }: SandboxProcess, way: 'ref' | 'unref'): void => {
  for (const each of [child, stream, words]) (each as unknown as Record<'ref' | 'unref', () => void>)[way]()
}

/** @param count how many wait at a time, 0 to 64; with 0 each is made when it is needed */
export function createWarmProcesses(count: number): WarmProcesses {
  const waiting: SandboxProcess[] = []
  let open = true
  const fill = (): void => {
    while (open && waiting.length < count) {
      const made = makeProcess()
      holds(made, 'unref')
      made.child.once('exit', () => {
        const at = waiting.indexOf(made)
        if (at >= 0) waiting.splice(at, 1)
      })
      waiting.push(made)
    }
  }
  fill()
  return {
    take: () => {
      const taken = waiting.shift()
      if (taken === undefined) return makeProcess()
      holds(taken, 'ref')
      setImmediate(fill)
      return taken
    },
    close: async () => {
      open = false
      const left = waiting.splice(0)
      for (const each of left) {
        holds(each, 'ref')
        each.child.kill('SIGKILL')
        each.stream.resume()
        each.words.resume()
      }
      await Promise.all(left.map(({ closed }) => closed))
    }
  }
}
