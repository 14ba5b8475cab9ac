import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '#guard'
import { readCredentials, type Suite, startSuite } from '#suite'
import { type Load, startLoad } from './load.ts'
import type { LoadUser } from './load-phone.ts'
import { loadRegistry, loadUsers } from './registry.ts'
import { processTree, type Usage, usageOf } from './usage.ts'

/** A suite with its edge, and those who call it. */
export interface LoadedSuite {
  readonly suite: Suite
  readonly folder: string
  /** Experts with their passwords; `signer`, whose calls need a signature, is not among them. */
  readonly users: readonly LoadUser[]
  readonly signer: LoadUser
  /** A calling process. The suite ends it at the latest. */
  readonly call: (caller: Caller) => Promise<Load>
  /** Processor time, memory and descriptors of the suite and of Kamailio. */
  readonly usage: () => Usage
  readonly pids: () => readonly number[]
  readonly stop: () => Promise<void>
}

export interface Caller {
  readonly transport: 'tls' | 'udp'
  readonly users?: readonly LoadUser[]
  readonly conferences?: number
  readonly holdMs?: number
  readonly timeoutMs?: number
}

/**
 * Kamailio has a session of its own, and with it an autogroup: what priority the shell that began this was given, it would do without, and with it most of the
 * processor where others want it, too.
 *
 * @see sched(7)
 */
async function shareAutogroup(pid: number): Promise<void> {
  try {
    const [, nice = '0'] = /nice (-?\d+)/.exec(await readFile('/proc/self/autogroup', 'utf8')) ?? []
    await writeFile(`/proc/${pid}/autogroup`, nice)
  } catch {
    // no autogroups here, or no right to change them: processes are alike then, or Kamailio's are behind
  }
}

const experts = 100
const connections = 8

/** The suite as in production, but for the limits of one user and of one address: a thousand callers here are one machine. */
export async function startLoadedSuite(maxCalls: number): Promise<LoadedSuite> {
  const folder = await mkdtemp(join(tmpdir(), 'capacity-'))
  const loads: Load[] = []
  let suite: Suite | null = null
  const stop = async () => {
    for (const load of loads) await load.close()
    await suite?.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const registry = join(folder, 'registry.yaml')
    await writeFile(registry, loadRegistry(experts, generateKeyPair().publicKey))
    const started = await startSuite({
      data: join(folder, 'data'),
      listen: { tls: 0, udp: 0 },
      registry,
      conferences: null,
      logLevel: 'error',
      media: { threads: 2, timeoutMs: 180_000, ports: [20_000, 20_000 + 4 * maxCalls + 999] },
      limits: { requestsPer10s: 100_000, callsPerMinute: 10_000, maxCalls }
    })
    suite = started
    const [{ users }, ca] = await Promise.all([readCredentials(started.data.credentials), readFile(started.data.ca, 'utf8')])
    const all = loadUsers(users)
    await shareAutogroup(started.inside.edge!.pid()!)
    const pids = () => [process.pid, ...processTree(started.inside.edge!.pid()!)]
    const usable = all.filter(({ name }) => name !== 'signer')
    return {
      suite: started,
      folder,
      users: usable,
      signer: all.find(({ name }) => name === 'signer')!,
      call: async ({ transport, users: callers = usable, conferences = 100, holdMs = 1000, timeoutMs = 15_000 }) => {
        const load = await startLoad({
          port: transport === 'tls' ? started.addresses.tls!.port : started.addresses.udp!.port,
          ca: transport === 'tls' ? ca : null,
          users: callers,
          dialled: Array.from({ length: conferences }, (_, n) => `council${n}-safety`),
          connections,
          holdMs,
          timeoutMs
        })
        loads.push(load)
        return load
      },
      usage: () => usageOf(pids()),
      pids,
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}
