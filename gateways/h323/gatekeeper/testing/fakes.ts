import {
  type CallContext,
  type Clock,
  type Guard,
  type GuardDecision,
  type GuardRequest,
  silentLog,
  type Witness,
  type WitnessEvent
} from '#kernel'
import { formatDecimal, h323SessionCost, parseDecimal } from '../../../../ledger/ledger.ts'
import type { GatekeeperConfig } from '../config.ts'
import { createGatekeeper, type Gatekeeper } from '../service.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import type { RegistrationStore } from '../store/store.ts'

export interface Bench {
  readonly gatekeeper: Gatekeeper
  readonly events: WitnessEvent[]
  readonly asked: GuardRequest[]
  readonly close: () => Promise<void>
}

export interface BenchOptions {
  readonly config?: Partial<GatekeeperConfig>
  readonly store?: RegistrationStore
  readonly clock?: Clock
  readonly decide?: (request: GuardRequest, context: CallContext) => Promise<GuardDecision>
  readonly record?: (event: WitnessEvent) => Promise<void>
}

export const decision = (verdict: GuardDecision['verdict'], security = false): GuardDecision => ({
  verdict,
  layer: 'policy',
  code: verdict === 'approve' ? 'guard.approved' : 'guard.registered.unknown',
  reason: 'as the test wants it',
  security,
  expertId: null,
  hazard: null,
  findings: []
})

/** A gatekeeper on 127.0.0.1 whose record and guard the test sees. */
export async function startBench({ config = {}, store, clock, decide, record }: BenchOptions = {}): Promise<Bench> {
  const events: WitnessEvent[] = []
  const asked: GuardRequest[] = []
  const own = store ?? openSqliteStore(':memory:')
  const guard: Guard = {
    decide: async (context, request) => {
      asked.push(request)
      return decide === undefined ? decision('approve') : decide(request, context)
    }
  }
  const witness: Witness = {
    record: async (event) => {
      await record?.(event)
      events.push(event)
      return { state: 'spooled' }
    }
  }
  const gatekeeper = await createGatekeeper(
    // a busy machine is no slow guard
    { bind: { ip: '127.0.0.1', port: 0 }, domain: 'council.example', slowAfterMs: 5000, ...config },
    {
      guard,
      witness,
      log: silentLog,
      store: own,
      ...(clock !== undefined && { clock }),
      sessionCost: (mbit, minutes) => formatDecimal(h323SessionCost(parseDecimal(mbit), parseDecimal(minutes)))
    }
  )
  return {
    gatekeeper,
    events,
    asked,
    close: async () => {
      await gatekeeper.close()
      if (store === undefined) await own.close()
    }
  }
}
