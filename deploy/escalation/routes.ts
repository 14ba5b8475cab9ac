/** Escalations over HTTP: who may let the suite call people has a role of its own. */
import { z } from 'zod'
import { type EscalationEvent, type Escalator, escalationView, ifMessageSchema } from '#escalate'
import { type Clock, errorCode } from '#kernel'
import { type EventStream, jsonAnswer, Problem, type Route, route } from '#ledger'
import { asyncApiDocument } from './asyncapi.ts'

const json = 'application/json'
const id = z.strictObject({ id: z.string().regex(/^[0-9a-f]{32}$/) })
const follow = z.strictObject({
  after: z.coerce.number().int().min(0).optional().describe('Behind this event; a Last-Event-ID header outweighs it')
})
const answer = z.strictObject({ created: z.boolean().describe('False where the key was known'), escalation: escalationView })
const escalationCreate = ifMessageSchema
const waited = z.strictObject({
  wait: z.enum(['none', 'result']).default('none').describe('`result` answers when it is known what became of it')
})
const cancelWaited = z.strictObject({
  wait: z
    .enum(['none', 'ended'])
    .default('none')
    .describe('`ended` answers when every call is over, within 10 s at most: who does not answer a BYE is waited for no longer')
})
const longestWaitMs = 10_000

const problems: Readonly<Record<string, ConstructorParameters<typeof Problem>[0]>> = {
  'escalate.message.invalid': 'invalid-request',
  'escalate.key.invalid': 'invalid-request',
  'escalate.key.reused': 'late',
  'escalate.busy': 'busy',
  'escalate.closed': 'out-of-service',
  'escalate.unrecorded': 'out-of-service',
  'escalate.unknown': 'not-found'
}

const heartbeatMs = 15_000

/** @param running null while the suite is starting */
export function escalationRoutes(running: () => Escalator | null, clock: Clock): Route[] {
  const here = (): Escalator => {
    const escalator = running()
    if (escalator === null) throw new Problem('out-of-service', 'the suite is starting', { retryAfterS: 1 })
    return escalator
  }
  const told = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const kind = problems[errorCode(error)]
      if (kind === undefined) throw error
      throw new Problem(kind, (error as Error).message, kind === 'busy' || kind === 'out-of-service' ? { retryAfterS: 5 } : {})
    }
  }
  const known = (wanted: string) => {
    const view = here().get(wanted)
    if (view === undefined) throw new Problem('not-found', 'there is no such escalation')
    return view
  }
  const events = (after: number, wanted: (event: EscalationEvent) => boolean, ends: boolean): EventStream => ({
    stream: (send, signal) => sendEvents(here(), clock, after, wanted, ends, send, signal)
  })
  const position = (header: string | undefined, query: number | undefined): number | undefined => {
    if (header === undefined) return query
    if (!/^\d{1,15}$/.test(header)) throw new Problem('invalid-request', 'Last-Event-ID is no number')
    return Number(header)
  }
  return [
    route({
      method: 'POST',
      path: '/v1/escalations',
      operation: 'escalate',
      summary:
        'Calls an expert into a conference. The same Idempotency-Key with the same message makes one escalation, however often it comes; with another message it is 409',
      access: 'escalator',
      query: waited,
      params: null,
      body: escalationCreate,
      answers: { [json]: answer },
      statuses: [409, 503],
      handle: async ({ body, query, caller, header }) =>
        told(async () => {
          const escalator = here()
          const made = await escalator.escalate(body, { by: caller!.name, idempotencyKey: header('idempotency-key') })
          const escalation = query.wait === 'result' ? await escalator.result(made.escalation.id) : made.escalation
          return jsonAnswer({ created: made.created, escalation })
        })
    }),
    route({
      method: 'GET',
      path: '/v1/escalations',
      operation: 'listEscalations',
      summary: 'Escalations that are open, and the last that have ended; newest first',
      access: 'escalator',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.strictObject({ escalations: z.array(escalationView) }) },
      statuses: [503],
      handle: async () => jsonAnswer({ escalations: here().list() })
    }),
    route({
      method: 'GET',
      path: '/v1/escalations/{id}',
      operation: 'getEscalation',
      summary: 'One escalation as it stands',
      access: 'escalator',
      query: null,
      params: id,
      body: null,
      answers: { [json]: escalationView },
      statuses: [404, 503],
      handle: async ({ params }) => jsonAnswer(known(params.id))
    }),
    route({
      method: 'POST',
      path: '/v1/escalations/{id}/cancel',
      operation: 'cancelEscalation',
      summary: 'Cancels what rings and hangs up on who has answered',
      access: 'escalator',
      query: cancelWaited,
      params: id,
      body: z.strictObject({}),
      answers: { [json]: escalationView },
      statuses: [404, 503],
      handle: async ({ params, query, caller }) => {
        known(params.id)
        const escalator = here()
        escalator.cancel(params.id, caller!.name)
        if (query.wait === 'ended') {
          const late = Promise.withResolvers<void>()
          const inTime = clock.after(longestWaitMs, () => late.resolve())
          await Promise.race([escalator.ended(params.id), late.promise])
          inTime()
        }
        return jsonAnswer(known(params.id))
      }
    }),
    route({
      method: 'POST',
      path: '/v1/escalations/{id}/hold',
      operation: 'holdEscalation',
      summary: 'Puts who has answered on hold, so that the council speaks among itself, or resumes',
      access: 'escalator',
      query: null,
      params: id,
      body: z.strictObject({ on: z.boolean() }),
      answers: { [json]: escalationView },
      statuses: [404, 409, 503],
      handle: async ({ params, body, caller }) => {
        known(params.id)
        const outcome = await here().hold(params.id, body.on, caller!.name)
        if (!outcome.ok) throw new Problem('late', `${outcome.reason} (${outcome.code})`)
        return jsonAnswer(known(params.id))
      }
    }),
    route({
      method: 'GET',
      path: '/v1/escalations/{id}/events',
      operation: 'followEscalation',
      summary: 'What happens in one escalation, from its beginning; ends with it. Described by /v1/asyncapi',
      access: 'escalator',
      query: follow,
      params: id,
      body: null,
      answers: { 'text/event-stream': null },
      statuses: [404, 503],
      handle: async ({ params, query, header }) => {
        known(params.id)
        const after = position(header('last-event-id'), query.after) ?? 0
        return events(after, (event) => event.escalation === params.id, true)
      }
    }),
    route({
      method: 'GET',
      path: '/v1/escalation-events',
      operation: 'followEscalations',
      summary: 'What happens in all escalations, from now on or from a number on. Described by /v1/asyncapi',
      access: 'escalator',
      query: follow,
      params: null,
      body: null,
      answers: { 'text/event-stream': null },
      statuses: [503],
      handle: async ({ query, header }) =>
        events(position(header('last-event-id'), query.after) ?? here().events.last(), () => true, false)
    }),
    route({
      method: 'GET',
      path: '/v1/asyncapi',
      operation: 'getAsyncApi',
      summary: 'The events as an AsyncAPI 3 document',
      access: 'anybody',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.looseObject({ asyncapi: z.literal('3.0.0') }) },
      statuses: [],
      handle: async () => jsonAnswer(asyncApiDocument())
    })
  ]
}

/**
 * Sends events behind `after` until the client goes, or, where `ends`, until the escalation has ended. A client that is too slow loses the connection,
 * not events: it goes on behind the last one it has.
 */
async function sendEvents(
  { events }: Escalator,
  clock: Clock,
  after: number,
  wanted: (event: EscalationEvent) => boolean,
  ends: boolean,
  send: (text: string) => Promise<void>,
  signal: AbortSignal
): Promise<void> {
  let position = after
  let wake = () => {}
  const stop = events.subscribe(() => wake())
  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort)
  try {
    await send('retry: 1000\n\n')
    while (!signal.aborted) {
      for (const event of events.after(position)) {
        position = event.id
        if (!wanted(event)) continue
        await send(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
        if (signal.aborted || (ends && event.type === 'ended')) return
      }
      if (events.last() > position) continue
      const woken = await new Promise<boolean>((resolve) => {
        const cancel = clock.after(heartbeatMs, () => resolve(false))
        wake = () => {
          cancel()
          resolve(true)
        }
        if (signal.aborted) wake()
      })
      if (!woken) await send(': still here\n\n')
    }
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}
