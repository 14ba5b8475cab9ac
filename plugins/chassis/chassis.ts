/**
 * IF.chassis: runs code of swarms in sandboxes, with caps, scoped directories and credentials that it can have used and cannot see.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  defaultHazards,
  errorCode,
  InfraFabricError,
  isAcceptableTraceId,
  type JsonObject,
  makeFolder,
  messageOf,
  newTraceId,
  step
} from '#kernel'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import { errno } from './guest/errno.ts'
import { defaultLimits, type Limits, limitsWith } from './limits.ts'
import { checkModule, pageOctets } from './module.ts'
import { createWarmProcesses } from './process.ts'
import { createReputations, type Reputations } from './reputations.ts'
import { maxInputOctets, type RaiseHazard, type RunResult, runModule } from './run.ts'
import type { AuditRecord, Grant, LogPart, Sandbox, SandboxEvent, SandboxState } from './sandbox.ts'
import { sandboxMachine } from './sandbox.ts'
import type { ScopedDirectory } from './scope.ts'
import { type Services, servicePattern, useService } from './services.ts'
import { createSlos, type Slos } from './slos.ts'

export { defaultLimits, type Limits } from './limits.ts'
export {
  type DayEvidence,
  type Evidence,
  type EvidenceEntry,
  evidenceEvents,
  evidenceFrom,
  type Reputation,
  reputationOf
} from './reputation.ts'
export type { ReputationOfDay } from './reputations.ts'
export type { CredentialPort, Outcome, RunOptions, RunResult, Usage } from './run.ts'
export type { AuditRecord, Grant, LogPart, Sandbox, SandboxState, Totals } from './sandbox.ts'
export type { ScopedDirectory } from './scope.ts'
export { readServices, type Service, type Services } from './services.ts'
export type { ObjectiveName, ObjectiveStatus, Objectives } from './slo.ts'
export { type SloScope, type SloStatus, type SloViolation, taskGate } from './slos.ts'

export interface ChassisConfig {
  /** Where modules are kept. */
  readonly folder: string
  readonly services: Services
  /** Hazards there are; those of the suite when they are not given. */
  readonly hazards?: readonly string[]
  /** Where hazards go that runs raise; they are recorded, and go nowhere, without. */
  readonly escalate?: EscalateHazard
  /** Processes that wait for a module, 0 to 64; 0 when it is not given. {@link Chassis.close} ends them. */
  readonly warm?: number
}

/** A hazard that a run has raised. */
export interface RaisedHazard {
  readonly hazard: string
  readonly summary: string
  readonly sandbox: string
  readonly swarm: string
  readonly task: string | null
  readonly traceId: string
  /** The same for the same hazard of the same run: what bears it a second time is to have no second effect. */
  readonly key: string
}

/**
 * Brings a hazard before people. @returns the name of what was begun, or why nothing was. What it throws is taken for the latter.
 */
export type EscalateHazard = (
  raised: RaisedHazard
) => Promise<
  { readonly ok: true; readonly reference: string } | { readonly ok: false; readonly code: string; readonly reason: string }
>

export interface NewSandbox {
  readonly id: string
  readonly swarm: string
  readonly module?: Uint8Array
  readonly limits?: Partial<Limits>
  readonly directories?: readonly ScopedDirectory[]
  readonly task?: string
  /** Hazards that its runs may raise. */
  readonly hazards?: readonly string[]
  readonly traceId?: string
}

export interface StartOptions {
  readonly args?: readonly string[]
  readonly input?: Uint8Array
  readonly log?: (stream: 1 | 2, octets: Buffer) => void
  readonly signal?: AbortSignal
}

/** @throws {InfraFabricError} `chassis.…`; as StateStore */
export interface Chassis extends Slos, Reputations {
  readonly create: (sandbox: NewSandbox) => Promise<Sandbox>
  readonly sandbox: (id: string) => Promise<Sandbox>
  readonly sandboxes: (state?: SandboxState) => Promise<Sandbox[]>
  /** Runs the module of a sandbox from its beginning to its end, here; its log is kept in the store as it comes. */
  readonly start: (id: string, options?: StartOptions) => Promise<RunResult>
  /** Tells whoever runs it to kill it. @returns false when it does not run */
  readonly stop: (id: string) => Promise<boolean>
  /** Removes it with its log and its grants; what the ledger and the audit trail hold stays. */
  readonly destroy: (id: string) => Promise<void>
  /** Takes effect at the next start. */
  readonly setLimits: (id: string, changes: Partial<Limits>) => Promise<Sandbox>
  readonly logs: (id: string) => Promise<LogPart[]>
  /** What is logged from now on, as it comes. */
  readonly followLogs: (id: string, signal: AbortSignal) => AsyncIterable<LogPart>
  readonly grant: (id: string, service: string, forMs: number, uses: number) => Promise<Grant>
  /** @returns null when there is no such grant */
  readonly revoke: (sandbox: string, grant: string) => Promise<Grant | null>
  readonly grants: (sandbox?: string) => Promise<Grant[]>
  readonly audit: (id: string) => Promise<AuditRecord[]>
  /** Ends runs whose owner is gone and whose time has passed. @returns how many */
  readonly takeBack: () => Promise<number>
  /** Ends processes that wait; the store stays open. Idempotent. */
  readonly close: () => Promise<void>
}

/**
 * Figures of objectives and reputations for Prometheus, read at each scrape. What makes them is loaded when it is called.
 *
 * @param chassis null while there is none
 */
export async function chassisMetrics(chassis: () => Chassis | null) {
  return (await import('./metrics.ts')).metricsOf(chassis)
}

const component = 'IF.chassis'
const idPattern = /^[A-Za-z0-9_-]{1,64}$/
const noTotals = { runs: 0, cpuMs: 0, wallMs: 0, pages: 0, hostCalls: 0, logOctets: 0, logOctetsDropped: 0 }
const moment = (at: number): string => String(at).padStart(15, '0')
const keys = {
  sandbox: (id: string) => `sandbox/${id}`,
  grant: (sandbox: string, grant: string) => `sandbox-grant/${sandbox}/${grant}`,
  log: (sandbox: string, name: string) => `sandbox-log/${sandbox}/${name}`,
  audit: (sandbox: string, name: string) => `sandbox-audit/${sandbox}/${name}`
}
/** How long after its deadline a run is surely over, its last commit included. */
const graceMs = 15_000
const logEachMs = 200
const mostRecords = 10_000
const mostDirectories = 8
const maxGrantMs = 24 * 3_600_000

const fail = (code: string, message: string) => new InfraFabricError(`chassis.${code}`, message)

function checked(id: string, of = 'sandbox'): string {
  if (!idPattern.test(id))
    throw fail('id', `${JSON.stringify(id).slice(0, 80)} is no name of a ${of}: expected 1-64 characters of A-Z a-z 0-9 _ -`)
  return id
}

export function createChassis(witnessed: WitnessedStore, config: ChassisConfig): Chassis {
  const { folder, services, hazards: known = defaultHazards, escalate, warm = 0 } = config
  if (!(Number.isInteger(warm) && warm >= 0 && warm <= 64)) throw fail('warm', `${warm} processes that wait: expected 0 to 64`)
  const processes = createWarmProcesses(warm)
  const { store, transact } = witnessed
  const { bookRun, judgeAfter, forget, ...slos } = createSlos(witnessed)
  const modulePlace = (sha256: string): string => join(folder, `${sha256}.wasm`)

  const note = (transaction: WitnessedTransaction, { id, traceId }: Sandbox, event: string, facts: JsonObject): void => {
    const record: AuditRecord = { at: transaction.at, event, traceId, facts }
    transaction.put(keys.audit(id, `${moment(transaction.at)}-${randomUUID()}`), record)
    transaction.tell(`sandbox.${event.replace(/^sandbox_/, '')}.${id}`, facts)
    transaction.witness({ event, component, traceId, payload: { sandbox: id, ...facts } })
  }
  const existing = async (transaction: WitnessedTransaction, id: string): Promise<Sandbox> => {
    const sandbox = await transaction.get<Sandbox>(keys.sandbox(checked(id)))
    if (sandbox === null) throw fail('unknown', `there is no sandbox ${id}`)
    return sandbox
  }
  const read = async (id: string): Promise<Sandbox> => {
    const sandbox = (await store.read([keys.sandbox(checked(id))])).records[0]?.value ?? null
    if (sandbox === null) throw fail('unknown', `there is no sandbox ${id}`)
    return sandbox as Sandbox
  }
  const stepped = (sandbox: Sandbox, event: SandboxEvent): Sandbox | null => {
    const { state, allowed } = step<SandboxState, SandboxEvent, never, void>(sandboxMachine, sandbox.state, event, undefined)
    return allowed ? { ...sandbox, state } : null
  }
  /** All records under a prefix. */
  const all = async <T>(prefix: string): Promise<{ key: string; value: T }[]> => {
    const found: { key: string; value: T }[] = []
    for (;;) {
      const after = found.at(-1)?.key
      const { records } = await store.list(prefix, { limit: 1000, ...(after === undefined ? {} : { after }) })
      for (const { key, value } of records) found.push({ key, value: value as T })
      if (records.length < 1000 || found.length >= mostRecords) return found
    }
  }

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

  /** Takes one use from a grant, told to the ledger before the secret is touched. @returns null when it may not be used */
  const takeUse = (id: string, grantId: string, request: Buffer): Promise<Grant | null> =>
    transact(async (transaction) => {
      const sandbox = await existing(transaction, id)
      const grant = await transaction.get<Grant>(keys.grant(id, grantId))
      if (grant === null || grant.revokedAt !== null || grant.expiresAt <= transaction.at || grant.usesLeft < 1) {
        note(transaction, sandbox, 'credential_refused', { grant: grantId, service: grant?.service ?? null })
        return null
      }
      const after: Grant = { ...grant, usesLeft: grant.usesLeft - 1 }
      transaction.put(keys.grant(id, grantId), after)
      const requestSha256 = createHash('sha256').update(request).digest('hex')
      note(transaction, sandbox, 'credential_used', {
        grant: grantId,
        service: grant.service,
        usesLeft: after.usesLeft,
        requestSha256
      })
      return after
    })

  const credentialsOf = (id: string) => {
    /** Handles of this run: what one run was given says nothing to another. */
    const handles = new Map<number, string>()
    return {
      open: async (service: string) => {
        const { at, records } = await store.list(keys.grant(id, ''), { limit: 1000 })
        const grant = records
          .map(({ value }) => value as Grant)
          .find((each) => each.service === service && each.revokedAt === null && each.expiresAt > at && each.usesLeft > 0)
        if (grant === undefined || handles.size >= 64) return { errno: errno.notCapable }
        const handle = handles.size + 1
        handles.set(handle, grant.id)
        return { errno: errno.success, handle }
      },
      use: async (handle: number, request: Buffer) => {
        const grantId = handles.get(handle)
        if (grantId === undefined) return { errno: errno.badDescriptor }
        const grant = await takeUse(id, grantId, request)
        const service = grant === null ? undefined : services.get(grant.service)
        if (service === undefined) return { errno: errno.notCapable }
        const body = await useService(service, request)
        return body === null ? { errno: errno.io } : { errno: errno.success, body }
      }
    }
  }

  /** Hazards of one run: each is raised once, whatever the module says again. */
  const hazardsOf = (sandbox: Sandbox): RaiseHazard => {
    const { id, swarm, task, traceId } = sandbox
    const raised = new Map<string, number>()
    const raise = async (hazard: string, summary: string): Promise<number> => {
      const key = `${id}-${sandbox.runningUntil}-${hazard}`
      const summarySha256 = createHash('sha256').update(summary).digest('hex')
      await transact(async (transaction) => note(transaction, sandbox, 'hazard_raised', { hazard, swarm, task, summarySha256 }))
      let told: Awaited<ReturnType<EscalateHazard>>
      try {
        told =
          escalate === undefined
            ? { ok: false, code: 'chassis.hazard.nowhere', reason: 'nobody takes hazards here' }
            : await escalate({ hazard, summary, sandbox: id, swarm, task, traceId, key })
      } catch (error) {
        told = { ok: false, code: errorCode(error), reason: messageOf(error) }
      }
      await transact(async (transaction) =>
        told.ok
          ? note(transaction, sandbox, 'hazard_escalated', { hazard, escalation: told.reference })
          : note(transaction, sandbox, 'hazard_not_escalated', { hazard, code: told.code, reason: told.reason.slice(0, 500) })
      )
      return told.ok ? errno.success : errno.io
    }
    return async (hazard, summary) => {
      if (!known.includes(hazard) && !sandbox.hazards.includes(hazard)) return errno.invalid
      const before = raised.get(hazard)
      if (before !== undefined) return before
      if (!sandbox.hazards.includes(hazard)) {
        raised.set(hazard, errno.notCapable)
        await transact(async (transaction) => note(transaction, sandbox, 'hazard_refused', { hazard, swarm, task }))
        return errno.notCapable
      }
      const said = await raise(hazard, summary)
      raised.set(hazard, said)
      return said
    }
  }

  /** Keeps a log in the store, some times a second. */
  const logKeeper = (id: string) => {
    let parts: { stream: number; octets: Buffer }[] = []
    let count = 0
    let writing = Promise.resolve()
    const write = (): Promise<void> => {
      const [now, name] = [parts, ++count]
      parts = []
      if (now.length === 0) return writing
      writing = writing.then(() =>
        transact(async ({ at, put, tell }) => {
          let part = 0
          for (const stream of [1, 2]) {
            const octets = Buffer.concat(now.filter((each) => each.stream === stream).map((each) => each.octets))
            // a character of JSON takes up to six octets, and a value has 256 KiB
            for (let from = 0; from < octets.length; from += 32_768) {
              const text = octets.toString('utf8', from, from + 32_768)
              const key = keys.log(id, `${moment(at)}-${String(name).padStart(6, '0')}-${String(part++).padStart(4, '0')}`)
              put(key, { at, stream, text })
              tell(`sandbox.log.${id}`, { key })
            }
          }
        })
      )
      return writing
    }
    const timer = setInterval(() => void write().catch(() => {}), logEachMs)
    return {
      add: (stream: 1 | 2, octets: Buffer) => void parts.push({ stream, octets }),
      close: async () => {
        clearInterval(timer)
        await write()
      }
    }
  }

  return {
    ...slos,
    ...createReputations(witnessed),
    create: async ({ id, swarm, module, limits = {}, directories = [], task = null, hazards = [], traceId = newTraceId() }) => {
      checked(id)
      checked(swarm, 'swarm')
      if (!isAcceptableTraceId(traceId)) throw fail('trace', 'no trace id')
      const capped = limitsWith(defaultLimits, limits)
      if (directories.length > mostDirectories)
        throw fail('scope', `${directories.length} directories: expected at most ${mostDirectories}`)
      for (const { name } of directories)
        if (!/^\/[A-Za-z0-9_./-]{0,100}$/.test(name))
          throw fail('scope', `${JSON.stringify(name).slice(0, 80)}: expected a name like /data`)
      if (task !== null) checked(task, 'task')
      for (const hazard of hazards)
        if (!known.includes(hazard))
          throw fail('hazard', `${JSON.stringify(hazard).slice(0, 80)} is no hazard: known are ${known.join(', ')}`)
      let sha256: string | null = null
      if (module !== undefined) {
        checkModule(module, (capped.memoryMb << 20) / pageOctets)
        sha256 = createHash('sha256').update(module).digest('hex')
        makeFolder(folder)
        const half = join(folder, `.${randomUUID()}`)
        writeFileSync(half, module, { mode: 0o600 })
        renameSync(half, modulePlace(sha256))
      }
      return transact(async (transaction) => {
        if ((await transaction.get(keys.sandbox(id))) !== null) throw fail('exists', `there is a sandbox ${id} already`)
        const sandbox: Sandbox = {
          id,
          swarm,
          state: 'created',
          traceId,
          module: sha256,
          limits: capped,
          directories,
          task,
          hazards,
          createdAt: transaction.at,
          runningUntil: null,
          last: null,
          totals: noTotals
        }
        transaction.put(keys.sandbox(id), sandbox)
        note(transaction, sandbox, 'sandbox_created', { swarm, module: sha256, limits: capped, directories, task, hazards })
        return sandbox
      })
    },
    sandbox: read,
    sandboxes: async (state) => {
      const found = (await all<Sandbox>(keys.sandbox(''))).map(({ value }) => value)
      return state === undefined ? found : found.filter((sandbox) => sandbox.state === state)
    },
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
      const keeper = logKeeper(id)
      let result: RunResult
      try {
        const module = readFileSync(modulePlace(sandbox.module!))
        if (createHash('sha256').update(module).digest('hex') !== sandbox.module)
          throw fail('module.changed', `the module of ${id} is not what it was made with`)
        result = await runModule(module, {
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
    destroy: async (id) => {
      const gone = await transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        if (sandbox.state === 'running' && sandbox.runningUntil! >= transaction.at)
          throw fail('running', `${id} is running: stop it first`)
        transaction.remove(keys.sandbox(id))
        note(transaction, sandbox, 'sandbox_destroyed', { totals: sandbox.totals })
        return sandbox
      })
      await forget(gone)
      const left = [...(await all(keys.log(id, ''))), ...(await all(keys.grant(id, '')))].map(({ key }) => key)
      for (let from = 0; from < left.length; from += 500)
        await store.commit({ expect: [], put: [], remove: left.slice(from, from + 500), tell: [] })
    },
    setLimits: (id, changes) =>
      transact(async (transaction) => {
        const before = await existing(transaction, id)
        const after: Sandbox = { ...before, limits: limitsWith(before.limits, changes) }
        transaction.put(keys.sandbox(id), after)
        note(transaction, after, 'sandbox_limits_changed', { limits: after.limits, before: before.limits })
        return after
      }),
    logs: async (id) => {
      await read(id)
      return (await all<LogPart>(keys.log(id, ''))).map(({ value }) => value)
    },
    followLogs: async function* (id, signal) {
      await read(id)
      for await (const { data } of store.watch({ after: 'newest', pattern: `sandbox.log.${id}`, signal })) {
        const part = (await store.read([String(data.key)])).records[0]?.value
        if (part !== undefined) yield part as LogPart
      }
    },
    grant: async (id, service, forMs, uses) => {
      if (!servicePattern.test(service) || !services.has(service))
        throw fail('service', `there is no service ${JSON.stringify(service).slice(0, 80)}`)
      if (!(Number.isInteger(forMs) && forMs >= 1 && forMs <= maxGrantMs))
        throw fail('grant', `a grant for ${forMs} ms: expected at most a day`)
      if (!(Number.isInteger(uses) && uses >= 1 && uses <= 10_000))
        throw fail('grant', `a grant of ${uses} uses: expected 1 to 10000`)
      return transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        const { at } = transaction
        const grant: Grant = {
          id: randomUUID().slice(0, 8),
          sandbox: id,
          service,
          grantedAt: at,
          expiresAt: at + forMs,
          usesLeft: uses,
          revokedAt: null
        }
        transaction.put(keys.grant(id, grant.id), grant)
        note(transaction, sandbox, 'credential_granted', { grant: grant.id, service, expiresAt: grant.expiresAt, uses })
        return grant
      })
    },
    revoke: (id, grantId) =>
      transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        const grant = await transaction.get<Grant>(keys.grant(id, checked(grantId, 'grant')))
        if (grant === null || grant.revokedAt !== null) return grant
        const after: Grant = { ...grant, revokedAt: transaction.at }
        transaction.put(keys.grant(id, grantId), after)
        note(transaction, sandbox, 'credential_revoked', { grant: grantId, service: grant.service })
        return after
      }),
    grants: async (id) => {
      const prefix = id === undefined ? 'sandbox-grant/' : keys.grant(checked(id), '')
      return (await all<Grant>(prefix)).map(({ value }) => value)
    },
    takeBack: async () => {
      let count = 0
      for (const { value } of await all<Sandbox>(keys.sandbox(''))) {
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
    },
    audit: async (id) => (await all<AuditRecord>(keys.audit(checked(id), ''))).map(({ value }) => value),
    close: processes.close
  }
}
