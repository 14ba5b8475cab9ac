/** Hazards that modules raise. */
import { createHash } from 'node:crypto'
import { errorCode, messageOf } from '#kernel'
import type { WitnessedStore } from '#store'
import { errno } from './guest/errno.ts'
import type { RaiseHazard } from './run/run.ts'
import type { Sandbox } from './sandbox.ts'
import { note } from './sandbox-records.ts'

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

/**
 * Hazards of one run: each is raised once, whatever the module says again. Whether it may is told, and what became of it.
 *
 * @param known hazards there are
 * @param escalate where they go; nowhere without
 */
export function hazardsOfRun(
  { transact }: WitnessedStore,
  sandbox: Sandbox,
  known: readonly string[],
  escalate: EscalateHazard | undefined
): RaiseHazard {
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
