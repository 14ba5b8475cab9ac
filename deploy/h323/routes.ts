/** The gatekeeper over HTTP, for operators. */
import { z } from 'zod'
import { errorCode } from '#kernel'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import type { RunningH323 } from './h323.ts'

const endpoint = z.object({
  endpoint: z.string(),
  kind: z.enum(['terminal', 'gateway', 'mcu', 'other']),
  aliases: z.array(z.string()),
  prefixes: z.array(z.string()),
  signalling: z.array(z.string()),
  ras: z.string(),
  user: z.string().nullable(),
  registeredAt: z.string(),
  expiresAt: z.string()
})

const call = z.object({
  call: z.string(),
  traceId: z.string(),
  from: z.string(),
  to: z.string(),
  destination: z.string().nullable(),
  startedAt: z.string().nullable(),
  bandwidthBps: z.number(),
  legs: z.array(z.object({ endpoint: z.string(), answering: z.boolean(), state: z.string(), bandwidthBps: z.number() }))
})

const conferenceName = z.strictObject({ conference: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })
const participant = z.string().min(1).max(128)
const invited = z.object({
  ok: z.boolean(),
  participant: z.string().optional(),
  cause: z.number().optional(),
  reason: z.string().nullable().optional(),
  traceId: z.string()
})

const done = z.object({ done: z.literal(true) })
const callId = z.strictObject({ call: z.string().regex(/^[0-9a-f-]{1,80}$/) })
const endpointId = z.strictObject({ endpoint: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/) })
const nothing = z.strictObject({})

const iso = (at: number): string => new Date(at).toISOString()
const json = 'application/json'

/** @param running what is asked; null where H.323 is off, or does not run yet */
export function h323Routes(running: () => RunningH323 | null): Route[] {
  const here = (): RunningH323 => {
    const h323 = running()
    if (h323 === null) throw new Problem('out-of-service', 'H.323 is off (h323.enabled)')
    return h323
  }
  /** @throws {Problem} `not-found` for what is not there */
  const known = (act: () => void): void => {
    try {
      act()
    } catch (error) {
      if (errorCode(error) !== 'h323.mcu.unknown') throw error
      throw new Problem('not-found', 'no such conference or participant')
    }
  }
  return [
    route({
      method: 'GET',
      path: '/v1/h323/endpoints',
      operation: 'listH323Endpoints',
      summary: 'Endpoints registered with the gatekeeper',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.object({ endpoints: z.array(endpoint) }) },
      statuses: [503],
      handle: async () =>
        jsonAnswer({
          endpoints: here()
            .gatekeeper.endpoints()
            .map(({ endpointId, kind, aliases, prefixes, signalAddresses, rasAddress, user, registeredAt, expiresAt }) => ({
              endpoint: endpointId,
              kind,
              aliases,
              prefixes,
              signalling: signalAddresses,
              ras: rasAddress,
              user,
              registeredAt: iso(registeredAt),
              expiresAt: iso(expiresAt)
            }))
        })
    }),
    route({
      method: 'POST',
      path: '/v1/h323/endpoints/{endpoint}/unregister',
      operation: 'unregisterH323Endpoint',
      summary: 'Takes an endpoint out of the zone; its calls end here',
      access: 'admin',
      query: null,
      params: endpointId,
      body: nothing,
      answers: { [json]: done },
      statuses: [404, 503],
      handle: async ({ params }) => {
        if (!here().gatekeeper.unregister(params.endpoint)) throw new Problem('not-found', 'no such endpoint')
        return jsonAnswer({ done: true })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/h323/calls',
      operation: 'listH323Calls',
      summary: 'Calls that the gatekeeper has admitted or decides about',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.object({ calls: z.array(call), bandwidthBps: z.number() }) },
      statuses: [503],
      handle: async () => {
        const { gatekeeper } = here()
        const calls = gatekeeper
          .calls()
          .map((each) => ({ ...each, startedAt: each.startedAt === null ? null : iso(each.startedAt) }))
        return jsonAnswer({ calls, bandwidthBps: gatekeeper.bandwidthUsedBps() })
      }
    }),
    route({
      method: 'POST',
      path: '/v1/h323/calls/{call}/drop',
      operation: 'dropH323Call',
      summary: 'Asks the endpoints of a call to leave it',
      access: 'admin',
      query: null,
      params: callId,
      body: nothing,
      answers: { [json]: done },
      statuses: [404, 503],
      handle: async ({ params }) => {
        if (!here().gatekeeper.drop(params.call)) throw new Problem('not-found', 'no such call')
        return jsonAnswer({ done: true })
      }
    }),
    route({
      method: 'POST',
      path: '/v1/h323/conferences/{conference}/invite',
      operation: 'inviteTerminal',
      summary: 'Calls a registered terminal into a conference, and answers when it has answered or not',
      access: 'admin',
      query: null,
      params: conferenceName,
      body: z.strictObject({ target: z.string().min(1).max(256) }),
      answers: { [json]: invited },
      statuses: [404, 503],
      handle: async ({ params, body, signal }) => {
        const invitation = here().invite(params.conference, body.target)
        if (invitation === null)
          throw new Problem('not-found', 'nobody has registered this alias, or there is no such conference')
        const giveUp = () => invitation.cancel()
        signal.addEventListener('abort', giveUp)
        const answered = await invitation.answered
        signal.removeEventListener('abort', giveUp)
        return jsonAnswer(answered)
      }
    }),
    route({
      method: 'POST',
      path: '/v1/h323/conferences/{conference}/drop',
      operation: 'dropTerminal',
      summary: 'Ends the call of a terminal',
      access: 'admin',
      query: null,
      params: conferenceName,
      body: z.strictObject({ participant }),
      answers: { [json]: done },
      statuses: [404, 503],
      handle: async ({ params, body }) => {
        known(() => here().mcu.drop(params.conference, body.participant))
        return jsonAnswer({ done: true })
      }
    }),
    route({
      method: 'POST',
      path: '/v1/h323/conferences/{conference}/withdraw-chair',
      operation: 'withdrawChair',
      summary: 'Takes the token of the chair from whoever has it',
      access: 'admin',
      query: null,
      params: conferenceName,
      body: nothing,
      answers: { [json]: done },
      statuses: [404, 503],
      handle: async ({ params }) => {
        known(() => here().mcu.withdrawChair(params.conference))
        return jsonAnswer({ done: true })
      }
    })
  ]
}
