/** The bridges of the calls of experts over HTTP. */
import { z } from 'zod'
import { bridgeView, type RetryOutcome } from '#escalate'
import { callBridgeKinds, callBridgeStates } from '#kernel'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import type { CallBridgesView } from './dial-in-bridges.ts'

const json = 'application/json'
const view = z.strictObject({
  trace_id: z.string().describe('Of the call'),
  escalation: z.string().nullable().describe('Null for an expert who called in, and for a call taken up after a restart'),
  expert: z.string().describe('Registry id'),
  conference: z.string(),
  state: z.enum(callBridgeStates).describe('Of all bridges together; IDLE where there is none'),
  bridges: z.array(bridgeView)
})

/** What the routes ask the suite. */
export interface CallBridgesAccess {
  readonly list: () => readonly CallBridgesView[]
  readonly retry: (call: string, bridge: string, target: string | null, by: string) => RetryOutcome
}

export const callBridgesRoutes = ({ list, retry }: CallBridgesAccess): Route[] => [
  route({
    method: 'GET',
    path: '/v1/call-bridges',
    operation: 'listCallBridges',
    summary: 'Bridges beside the calls of experts, called out or in, that are not over',
    access: 'escalator',
    query: null,
    params: null,
    body: null,
    answers: { [json]: z.strictObject({ calls: z.array(view) }) },
    statuses: [],
    handle: async () =>
      jsonAnswer({
        calls: list().map(({ traceId, bridges, ...call }) => ({ trace_id: traceId, ...call, bridges: [...bridges] }))
      })
  }),
  route({
    method: 'POST',
    path: '/v1/call-bridges/{call}/retry',
    operation: 'retryCallBridge',
    summary: 'Opens bridges anew that have FAILED, with all their attempts. 409 when none has, or the call is over',
    access: 'escalator',
    query: null,
    params: z.strictObject({
      call: z
        .string()
        .regex(/^[0-9a-f]{32}$/)
        .describe('An escalation, or the trace of a call')
    }),
    body: z.strictObject({
      bridge: z.enum(callBridgeKinds),
      target: z.string().min(1).max(256).optional().describe('Whom it leads to; left out for every one of the kind')
    }),
    answers: { [json]: z.strictObject({ bridges: z.array(bridgeView).describe('Those that are tried again') }) },
    statuses: [404, 409],
    handle: async ({ params, body, caller }) => {
      const outcome = retry(params.call, body.bridge, body.target ?? null, caller!.name)
      if (outcome.ok) return jsonAnswer({ bridges: [...outcome.bridges] })
      const { code, reason } = outcome
      throw new Problem(code === 'bridge.call-unknown' || code === 'bridge.unknown' ? 'not-found' : 'late', `${reason} (${code})`)
    }
  })
]
