/**
 * IF.chassis: runs code of swarms in sandboxes, with caps, scoped directories and credentials that it can have used and cannot see.
 */
import { defaultHazards, isAcceptableTraceId, newTraceId } from '#kernel'
import type { WitnessedStore } from '#store'
import { type Credentials, createCredentials } from './credentials.ts'
import { type EscalateHazard, hazardsOfRun } from './hazards.ts'
import { createLogs, type Logs } from './logs.ts'
import { createReputations, type Reputations } from './reputation/reputations.ts'
import { createSlos, type Slos } from './reputation/slos.ts'
import { defaultLimits, type Limits, limitsWith } from './run/limits.ts'
import { checkModule, pageOctets } from './run/module.ts'
import { moduleFiles } from './run/module-files.ts'
import { createWarmProcesses } from './run/process.ts'
import { createRuns, type Runs } from './run/runs.ts'
import type { ScopedDirectory } from './run/scope.ts'
import type { AuditRecord, Sandbox, SandboxState } from './sandbox.ts'
import { allRecords, checked, existing, fail, keys, note, readSandbox } from './sandbox-records.ts'
import type { Services } from './services.ts'

export type { EscalateHazard, RaisedHazard } from './hazards.ts'
export {
  type DayEvidence,
  type Evidence,
  type EvidenceEntry,
  evidenceEvents,
  evidenceFrom,
  type Reputation,
  reputationOf
} from './reputation/reputation.ts'
export type { ReputationOfDay } from './reputation/reputations.ts'
export type { ObjectiveName, ObjectiveStatus, Objectives } from './reputation/slo.ts'
export { type SloScope, type SloStatus, type SloViolation, taskGate } from './reputation/slos.ts'
export { defaultLimits, type Limits } from './run/limits.ts'
export type { CredentialPort, Outcome, RunOptions, RunResult, Usage } from './run/run.ts'
export type { StartOptions } from './run/runs.ts'
export type { ScopedDirectory } from './run/scope.ts'
export type { AuditRecord, Grant, LogPart, Sandbox, SandboxState, Totals } from './sandbox.ts'
export { readServices, type Service, type Services } from './services.ts'

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

/** @throws {InfraFabricError} `chassis.…`; as StateStore */
export interface Chassis extends Runs, Logs, Credentials, Slos, Reputations {
  readonly create: (sandbox: NewSandbox) => Promise<Sandbox>
  readonly sandbox: (id: string) => Promise<Sandbox>
  readonly sandboxes: (state?: SandboxState) => Promise<Sandbox[]>
  /** Removes it with its log and its grants; what the ledger and the audit trail hold stays. */
  readonly destroy: (id: string) => Promise<void>
  /** Takes effect at the next start. */
  readonly setLimits: (id: string, changes: Partial<Limits>) => Promise<Sandbox>
  readonly audit: (id: string) => Promise<AuditRecord[]>
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

const noTotals = { runs: 0, cpuMs: 0, wallMs: 0, pages: 0, hostCalls: 0, logOctets: 0, logOctetsDropped: 0 }
const mostDirectories = 8

export function createChassis(witnessed: WitnessedStore, config: ChassisConfig): Chassis {
  const { folder, services, hazards: known = defaultHazards, escalate, warm = 0 } = config
  if (!(Number.isInteger(warm) && warm >= 0 && warm <= 64)) throw fail('warm', `${warm} processes that wait: expected 0 to 64`)
  const { store, transact } = witnessed
  const modules = moduleFiles(folder)
  const processes = createWarmProcesses(warm)
  const { bookRun, judgeAfter, forget, ...slos } = createSlos(witnessed)
  const { portOf, ...credentials } = createCredentials(witnessed, services)
  const runs = createRuns(witnessed, {
    modules,
    processes,
    slos: { bookRun, judgeAfter },
    credentialsOf: portOf,
    hazardsOf: (sandbox) => hazardsOfRun(witnessed, sandbox, known, escalate)
  })

  return {
    ...runs,
    ...createLogs(witnessed),
    ...credentials,
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
        sha256 = modules.keep(module)
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
    sandbox: (id) => readSandbox(store, id),
    sandboxes: async (state) => {
      const found = (await allRecords<Sandbox>(store, keys.sandbox())).map(({ value }) => value)
      return state === undefined ? found : found.filter((sandbox) => sandbox.state === state)
    },
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
      const left = [...(await allRecords(store, keys.log(id))), ...(await allRecords(store, keys.grant(id)))].map(
        ({ key }) => key
      )
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
    audit: async (id) => (await allRecords<AuditRecord>(store, keys.audit(checked(id)))).map(({ value }) => value),
    close: processes.close
  }
}
