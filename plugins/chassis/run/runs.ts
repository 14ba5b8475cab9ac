/** Runs of sandboxes: begun and ended in the store, judged when they are over, taken back when their owner is gone. */
import { createHash } from 'node:crypto'
import { messageOf, step } from '#kernel'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import { keepLog } from '../logs.ts'
import type { SloBook } from '../reputation/slos.ts'
import { type Sandbox, type SandboxEvent, type SandboxState, sandboxMachine } from '../sandbox.ts'
import { allRecords, existing, fail, keys, note } from '../sandbox-records.ts'
import type { ModuleFiles } from './module-files.ts'
import type { WarmProcesses } from './process.ts'
import { type CredentialPort, maxInputOctets, type RaiseHazard, type RunResult, runModule } from './run.ts'

export interface StartOptions {
  readonly args?: readonly string[]
  readonly input?: Uint8Array
  readonly log?: (stream: 1 | 2, octets: Buffer) => void
  readonly signal?: AbortSignal
}

export interface Runs {
  /** Runs the module of a sandbox from its beginning to its end, here; its log is kept in the store as it comes. */
  readonly start: (id: string, options?: StartOptions) => Promise<RunResult>
  /** Tells whoever runs it to kill it. @returns false when it does not run */
  readonly stop: (id: string) => Promise<boolean>
  /** Ends runs whose owner is gone and whose time has passed. @returns how many */
  readonly takeBack: () => Promise<number>
}

/** What runs are made with. */
export interface RunParts {
  readonly modules: ModuleFiles
  readonly processes: WarmProcesses
  readonly slos: Pick<SloBook, 'bookRun' | 'judgeAfter'>
  readonly credentialsOf: (sandbox: string) => CredentialPort
  readonly hazardsOf: (sandbox: Sandbox) => RaiseHazard
}

/** How long after its deadline a run is surely over, its last commit included. */
const graceMs = 15_000

const stepped = (sandbox: Sandbox, event: SandboxEvent): Sandbox | null => {
  const { state, allowed } = step<SandboxState, SandboxEvent, never, void>(sandboxMachine, sandbox.state, event, undefined)
  return allowed ? { ...sandbox, state } : null
}

export function createRuns(witnessed: WitnessedStore, { modules, processes, slos, credentialsOf, hazardsOf }: RunParts): Runs {
  const { store, transact } = witnessed
  const { bookRun, judgeAfter } = slos

  /** A run whose owner is gone, and whose time has passed. */
  const noteAbandoned = async (transaction: WitnessedTransaction, sandbox: Sandbox): Promise<void> => {
    const { id, swarm, traceId, limits } = sandbox
    const gone = { outcome: 'abandoned', code: null } as const
    await bookRun(transaction, { sandbox: id, swarm, traceId, wallMs: limits.deadlineMs, ...gone })
    const facts = { swarm, at: transaction.at, ...gone, message: 'whoever ran it is gone' }
    note(transaction, sandbox, 'sandbox_ended', facts)
  }

  const begin = (id: string): Promise<Sandbox> =>
    transact(async (transaction) => {
      const before = await existing(transaction, id)
      const { at } = transaction
      if (before.module === null) throw fail('module.none', `${id} has no module`)
      const over = before.runningUntil !== null && before.runningUntil < at ? stepped(before, { type: 'abandoned' }) : before
      if (over !== null && over !== before) await noteAbandoned(transaction, before)
      const begun = stepped(over ?? before, { type: 'start' })
      if (begun === null) throw fail('running', `${id} is running`)
      const sandbox: Sandbox = { ...begun, runningUntil: at + before.limits.deadlineMs + graceMs }
      transaction.put(keys.sandbox(id), sandbox)
      note(transaction, sandbox, 'sandbox_started', {
        module: sandbox.module,
        limits: sandbox.limits,
        swarm: sandbox.swarm,
        task: sandbox.task
      })
      return sandbox
    })

  const finish = async ({ id, runningUntil, swarm, traceId }: Sandbox, result: RunResult): Promise<void> => {
    await transact(async (transaction) => {
      const before = await existing(transaction, id)
      const ended = stepped(before, { type: 'ended' })
      // it was thought to be gone, and another run has begun since
      if (ended === null || before.runningUntil !== runningUntil) return
      const { outcome, code, message, usage, output } = result
      const { totals } = before
      transaction.put(keys.sandbox(id), {
        ...ended,
        runningUntil: null,
        last: { outcome, code, message, endedAt: transaction.at },
        totals: {
          runs: totals.runs + 1,
          cpuMs: totals.cpuMs + usage.cpuMs,
          wallMs: totals.wallMs + usage.wallMs,
          pages: Math.max(totals.pages, usage.pages),
          hostCalls: totals.hostCalls + usage.hostCalls,
          logOctets: totals.logOctets + usage.logOctets,
          logOctetsDropped: totals.logOctetsDropped + usage.logOctetsDropped
        }
      })
      const { at } = transaction
      await bookRun(transaction, { sandbox: id, swarm, traceId, outcome, code, wallMs: usage.wallMs })
      const outputSha256 = createHash('sha256').update(output).digest('hex')
      const how = { outcome, code, message, usage, outputSha256, outputOctets: output.length }
      note(transaction, before, 'sandbox_ended', { swarm, at, ...how })
    })
    await judgeAfter({ swarm, sandbox: id, traceId })
  }

  return {
    start: async (id, { args = [], input = new Uint8Array(0), log, signal } = {}) => {
      if (input.length > maxInputOctets)
        throw fail('input', `${input.length} octets of input: expected at most ${maxInputOctets}`)
      const stopping = new AbortController()
      const over = new AbortController()
      const stop = (): void => stopping.abort()
      // it starts while the store is asked
      const waiting = processes.take()
      const sandbox = await begin(id).catch((error: unknown) => {
        waiting.child.kill('SIGKILL')
        throw error
      })
      signal?.addEventListener('abort', stop, { once: true })
      if (signal?.aborted) stop()
      const watching = (async () => {
        for await (const _ of store.watch({ after: 'newest', pattern: `sandbox.stop.${id}`, signal: over.signal })) stop()
      })().catch(stop)
      const keeper = keepLog(witnessed, id)
      let result: RunResult
      try {
        result = await runModule(modules.read(sandbox), {
          process: waiting,
          limits: sandbox.limits,
          args: [id, ...args],
          input,
          directories: sandbox.directories,
          credentials: credentialsOf(id),
          raiseHazard: hazardsOf(sandbox),
          signal: stopping.signal,
          log: (stream, octets) => {
            keeper.add(stream, octets)
            log?.(stream, octets)
          }
        })
      } catch (error) {
        waiting.child.kill('SIGKILL')
        const usage = { cpuMs: 0, wallMs: 0, pages: 0, hostCalls: 0, logOctets: 0, logOctetsDropped: 0 }
        const message = messageOf(error)
        await finish(sandbox, { outcome: 'invalid', code: null, message, output: Buffer.alloc(0), usage })
        throw error
      } finally {
        over.abort()
        signal?.removeEventListener('abort', stop)
        await keeper.close()
        await watching
      }
      await finish(sandbox, result)
      return result
    },
    stop: (id) =>
      transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        if (sandbox.state !== 'running') return false
        transaction.tell(`sandbox.stop.${id}`, { sandbox: id })
        return true
      }),
    takeBack: async () => {
      let count = 0
      for (const { value } of await allRecords<Sandbox>(store, keys.sandbox())) {
        if (value.state !== 'running') continue
        const gone = await transact(async (transaction) => {
          const before = await transaction.get<Sandbox>(keys.sandbox(value.id))
          if (before === null || before.runningUntil === null || before.runningUntil >= transaction.at) return null
          const over = stepped(before, { type: 'abandoned' })
          if (over === null) return null
          const last = { outcome: 'abandoned', code: null, message: 'whoever ran it is gone', endedAt: transaction.at } as const
          transaction.put(keys.sandbox(before.id), { ...over, runningUntil: null, last })
          await noteAbandoned(transaction, before)
          return before
        })
        if (gone === null) continue
        count++
        await judgeAfter({ swarm: gone.swarm, sandbox: gone.id, traceId: gone.traceId })
      }
      return count
    }
  }
}
