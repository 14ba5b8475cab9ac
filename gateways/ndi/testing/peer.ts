/** The independent NDI program of the tests, as a child process. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fetchedFolder } from '../runtime/runtime.ts'

/** What the peer tells of one event. */
export type Told = Record<string, unknown>

/** Runs the peer; what it tells, by its event. */
export function peer(...words: string[]): {
  readonly told: (event: string) => Promise<Told>
  readonly ended: Promise<number | null>
  readonly kill: () => void
} {
  const python = join(fetchedFolder, 'bin/python3')
  const child = spawn(python, [join(import.meta.dirname, 'peer.py'), ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  const waiting = new Map<string, PromiseWithResolvers<Told>>()
  const of = (event: string) => {
    const known = waiting.get(event) ?? Promise.withResolvers<Told>()
    waiting.set(event, known)
    return known
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    const facts = JSON.parse(line) as Told
    of(String(facts.event)).resolve(facts)
  })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  return { told: (event) => of(event).promise, ended, kill: () => void child.kill('SIGKILL') }
}
