/** The bridges of the calls of experts over HTTP. */
import { z } from 'zod'
import { bridgeView } from '#escalate'
import { callBridgeStates } from '#kernel'
import { jsonAnswer, type Route, route } from '#ledger'
import type { CallBridgesView } from './dial-in-bridges.ts'

const json = 'application/json'
const view = z.strictObject({
  trace_id: z.string().describe('Of the call'),
  escalation: z.string().nullable().describe('Null for an expert who called in'),
  expert: z.string().describe('Registry id'),
  conference: z.string(),
  state: z.enum(callBridgeStates).describe('Of all bridges together; IDLE where there is none'),
  bridges: z.array(bridgeView)
})

export const callBridgesRoutes = (running: () => readonly CallBridgesView[]): Route[] => [
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
        calls: running().map(({ traceId, bridges, ...call }) => ({ trace_id: traceId, ...call, bridges: [...bridges] }))
      })
  })
]
