/** The measured processes: the server, and the application where it has a process of its own. Each tells what it used. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { InfraFabricError } from '#kernel'
import type { EngineStats } from '#sip-engine'

/** What a process has used since its start. */
export interface Usage {
  readonly cpuMs: number
  readonly residentBytes: number
  /** Live heap and the buffers that belong to it; what is live where a full collection was asked for. */
  readonly heapBytes: number
  readonly stats: EngineStats | null
}

export interface Ports {
  readonly udp: number
  readonly tcp: number
  readonly tls: number
  readonly admin: number
}

export interface ServerSettings {
  /** The application shares the server's process, with no socket between. */
  readonly inProcess: boolean
  readonly tls: { readonly key: string; readonly cert: string }
  /** SIP's T1: what is kept of a call goes 64 of them after its end. */
  readonly t1Ms: number
  /** Keeps compiled code, which else goes when it was not used for half a minute, and takes the heap down with it. */
  readonly keepCode: boolean
  /** The server and the application share one core, and no other process of this benchmark runs there. */
  readonly ownCore: boolean
}

export interface Measured {
  readonly usage: (collect?: boolean) => Promise<Usage>
  readonly stop: () => Promise<void>
}

export interface Topology {
  readonly ports: Ports
  readonly server: Measured
  /** Null where it is in the server's process. */
  readonly application: Measured | null
  readonly stop: () => Promise<void>
}

const startTimeoutMs = 15_000

/** What the README recommends for a server under load. */
const memoryOptions = ['--max-semi-space-size=8']

const measuredCore = '0'
const callersCore = '1'

/** Puts a process with all its threads on cores. @throws what `taskset` says where it cannot be done. */
function pin(pid: number, cores: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, `${pid}`], { stdio: ['ignore', 'ignore', 'pipe'] })
}

/**
 * Runs `use` with callers kept off the core of the measured processes: the callers of a real server compute elsewhere too.
 *
 * @throws {InfraFabricError} `bench.cores` where there are not two cores to be had.
 */
export async function withCallersApart<T>(use: () => Promise<T>): Promise<T> {
  const cores = availableParallelism()
  if (cores < 2) throw new InfraFabricError('bench.cores', 'this part needs two cores')
  try {
    pin(process.pid, callersCore)
  } catch (error) {
    throw new InfraFabricError('bench.cores', `no process can be bound to a core: ${(error as Error).message}`, { cause: error })
  }
  try {
    return await use()
  } finally {
    pin(process.pid, `0-${cores - 1}`)
  }
}

async function start<T>(
  file: string,
  settings: unknown,
  ownCore: boolean,
  options: readonly string[] = []
): Promise<{ told: T; measured: Measured }> {
  const child: ChildProcess = fork(new URL(file, import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc', ...options, ...process.execArgv],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  if (ownCore && child.pid !== undefined) pin(child.pid, measuredCore)
  const told = async (): Promise<unknown> => {
    const end = new AbortController()
    const timer = setTimeout(() => end.abort(), startTimeoutMs)
    try {
      const gone = once(child, 'exit', { signal: end.signal }).then(() => {
        throw new InfraFabricError('bench.process', `${file} ended`)
      })
      const message = once(child, 'message', { signal: end.signal }).then(([value]) => value as unknown)
      return await Promise.race([message, gone])
    } finally {
      clearTimeout(timer)
      end.abort()
    }
  }
  child.send({ start: settings })
  const first = await told().catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  return {
    told: first as T,
    measured: {
      usage: (collect = false) => {
        child.send({ usage: collect })
        return told() as Promise<Usage>
      },
      stop: async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const gone = once(child, 'exit')
        child.disconnect()
        const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
        await gone
        clearTimeout(timer)
      }
    }
  }
}

/** @throws {InfraFabricError} `bench.process` when a process does not start. */
export async function startTopology(settings: ServerSettings): Promise<Topology> {
  const server = await start<Ports>('server.ts', settings, settings.ownCore, [
    ...memoryOptions,
    ...(settings.keepCode ? ['--no-flush-bytecode'] : [])
  ])
  const application = settings.inProcess
    ? null
    : await start('application.ts', { port: server.told.admin }, settings.ownCore).catch(async (error: unknown) => {
        await server.measured.stop()
        throw error
      })
  return {
    ports: server.told,
    server: server.measured,
    application: application?.measured ?? null,
    stop: async () => {
      await application?.measured.stop()
      await server.measured.stop()
    }
  }
}
