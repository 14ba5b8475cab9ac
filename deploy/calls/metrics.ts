import { Counter, Histogram, type Registry } from 'prom-client'
import { isDecline } from '#escalate'
import type { Party } from '#guard'
import type { Clock, Guard } from '#kernel'
import type { CallSnapshot, ResponseSeen } from '#sip'
import type { SuiteEvent } from '../events.ts'
import { openFigures } from '../figures.ts'

export interface SipFigures {
  readonly registry: Registry
  readonly take: (event: SuiteEvent) => void
  readonly response: (seen: ResponseSeen) => void
  /** The same guard, its decisions timed. */
  readonly timed: (guard: Guard, clock: Clock) => Guard
}

/** What became of a call. `cancelled` is that of somebody who did not wait, or was not needed any more. */
const results = ['connected', 'rejected', 'security_rejected', 'failed', 'cancelled'] as const
type Result = (typeof results)[number]

/** An expert of the registry, with the hazards that are his. */
export type ExpertLabels = Pick<Party, 'id' | 'specialisations'>

interface OpenCall {
  readonly direction: 'inbound' | 'outbound'
  readonly hazard: string
  expert: string
  isConnected: boolean
}

const methods = 'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO REFER MESSAGE SUBSCRIBE NOTIFY PUBLISH'.split(' ')
const methodLabel = (method: string): string => (methods.includes(method) ? method : 'other')

/** Classes of RFC 3261 §7.2. */
const types = ['provisional', 'success', 'redirection', 'client_error', 'server_error', 'global_failure'] as const

const withdrawn: ReadonlySet<string> = new Set(['call-out.stopped', 'call-out.overtaken'])

/** A call in is refused with 4xx for what the caller did, with 5xx for what we could not do; of who is called only a no is no failure. */
function resultOf(event: Extract<SuiteEvent, { type: 'rejected' }>, direction: OpenCall['direction']): Result {
  const { status, code, layer, security } = event
  if (security) return 'security_rejected'
  if (withdrawn.has(code)) return 'cancelled'
  if (layer !== null && layer !== 'witness') return 'rejected'
  return isDecline(status) || (direction === 'inbound' && status < 500) ? 'rejected' : 'failed'
}

/**
 * Figures of SIP calls. Labels are ids of the registry, hazards of the configuration, codes, methods and status codes: nothing that a caller can choose.
 *
 * What alerts are made of is there before the first call, at 0: Prometheus sees no increase in a series that begins with its first failure.
 *
 * @param calls those that are not over
 * @param experts as the registry has them now
 */
export function sipMetrics(
  hazards: readonly string[],
  calls: () => readonly CallSnapshot[],
  experts: () => readonly ExpertLabels[]
): SipFigures {
  const { registry, gauge } = openFigures()
  const registers = [registry]
  const total = new Counter({
    name: 'sip_calls_total',
    help: 'Calls by what became of them, those that the edge refused among them',
    labelNames: ['expert', 'hazard', 'result'] as const,
    registers,
    collect() {
      const known = [{ id: 'unknown', specialisations: ['none', ...hazards] }, ...experts()]
      for (const { id: expert, specialisations } of known)
        for (const hazard of specialisations) for (const result of results) this.inc({ expert, hazard, result }, 0)
    }
  })
  const duration = new Histogram({
    name: 'sip_call_duration_seconds',
    help: 'From the answer to the end of a call',
    buckets: [0.1, 1, 5, 10, 30, 60, 300, 600, 1200, 1800, 3600],
    registers
  })
  const setup = new Histogram({
    name: 'sip_call_setup_seconds',
    help: 'From the INVITE to the answer; of calls out this is how long it rang, too',
    labelNames: ['direction'] as const,
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60],
    registers
  })
  const errors = new Counter({
    name: 'sip_errors_total',
    help: 'Final responses from 400 on, sent or received, those of the edge among them',
    labelNames: ['status_code'] as const,
    registers
  })
  gauge('sip_active_calls', 'Calls that are not over', [], () => calls().filter(({ state }) => state !== 'ended').length)
  const decisions = new Counter({
    name: 'sip_policy_decisions_total',
    help: 'Decisions of IF.guard about SIP calls',
    labelNames: ['verdict', 'code'] as const,
    registers
  })
  const evaluation = new Histogram({
    name: 'sip_policy_eval_duration_seconds',
    help: 'Time that a decision of IF.guard took',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5],
    registers
  })
  const responses = new Counter({
    name: 'sip_responses_total',
    help: 'Responses sent or received, refusals of the edge among them',
    labelNames: ['status_code', 'type'] as const,
    registers
  })
  const methodDuration = new Histogram({
    name: 'sip_method_duration_seconds',
    help: 'From a request to its final response; an INVITE to an expert rings in between',
    labelNames: ['method'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
    registers
  })

  for (const status of [500, 502, 503, 504]) errors.inc({ status_code: status }, 0)
  decisions.inc({ verdict: 'approve', code: 'guard.approved' }, 0)
  for (const code of [
    'guard.registered.unknown',
    'guard.specialisation.mismatch',
    'guard.signature.invalid',
    'guard.rate.exceeded'
  ])
    decisions.inc({ verdict: 'reject', code }, 0)

  const open = new Map<string, OpenCall>()
  const hazardLabel = (hazard: string | null) => (hazard === null ? 'none' : hazards.includes(hazard) ? hazard : 'other')
  const begin = (key: string, direction: OpenCall['direction'], expert: string, hazard: string | null) =>
    open.set(key, { direction, expert, hazard: hazardLabel(hazard), isConnected: false })
  const count = ({ expert, hazard }: Pick<OpenCall, 'expert' | 'hazard'>, result: Result, times = 1) =>
    total.inc({ expert, hazard, result }, times)
  const nobody = { direction: 'outbound', expert: 'unknown', hazard: 'none' } as const
  const respond = (status: number, times: number) => {
    const type = types[Math.floor(status / 100) - 1]
    if (type === undefined) return
    responses.inc({ status_code: status, type }, times)
    if (status >= 400) errors.inc({ status_code: status }, times)
  }

  const take = (event: SuiteEvent): void => {
    switch (event.type) {
      case 'received':
        begin(event.traceId, 'inbound', 'unknown', event.hazard)
        break
      case 'calling':
        begin(event.traceId, 'outbound', event.expertId, event.hazard)
        break
      case 'decided': {
        const call = open.get(event.traceId)
        if (call !== undefined && event.expertId !== null) call.expert = event.expertId
        decisions.inc({ verdict: event.verdict, code: event.code })
        break
      }
      case 'answered':
        setup.observe({ direction: open.get(event.traceId)?.direction ?? 'outbound' }, event.setupMs / 1000)
        break
      case 'established': {
        const call = open.get(event.traceId)
        if (call === undefined || call.isConnected) break
        call.isConnected = true
        count(call, 'connected')
        break
      }
      case 'rejected': {
        const call = open.get(event.traceId)
        open.delete(event.traceId)
        if (call?.isConnected !== true) count(call ?? nobody, resultOf(event, call?.direction ?? 'outbound'))
        break
      }
      case 'ended': {
        const call = open.get(event.traceId)
        open.delete(event.traceId)
        if (event.durationMs > 0) duration.observe(event.durationMs / 1000)
        if (call?.isConnected === false) count(call, event.by === 'caller' ? 'cancelled' : 'failed')
        break
      }
      case 'edge-refused':
        respond(event.status, event.count)
        if (event.method === 'INVITE') count(nobody, event.status >= 500 ? 'failed' : 'security_rejected', event.count)
        break
    }
  }

  return {
    registry,
    take,
    response: ({ method, status, afterMs }) => {
      respond(status, 1)
      if (status >= 200) methodDuration.observe({ method: methodLabel(method) }, afterMs / 1000)
    },
    timed: (guard, { monotonicMs }) => ({
      ...guard,
      decide: async (context, request) => {
        const begunMs = monotonicMs()
        try {
          return await guard.decide(context, request)
        } finally {
          evaluation.observe((monotonicMs() - begunMs) / 1000)
        }
      }
    })
  }
}
