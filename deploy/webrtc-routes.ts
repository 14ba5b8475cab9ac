/** Seats of the council over HTTP, for operators. */
import { z } from 'zod'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import type { RunningWebRtc } from './webrtc.ts'

const json = 'application/json'
const seat = z.object({ url: z.string(), expiresAt: z.string() })
const params = z.strictObject({ conference: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })
const body = z.strictObject({ party: z.string().min(1).max(64) })

/**
 * @param running what is asked; null where browsers are off, or the suite is starting
 * @param conferences that there are; null for any name
 */
export function webRtcRoutes(running: () => RunningWebRtc | null, conferences: readonly string[] | null): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/council/{conference}/seats',
      operation: 'inviteToCouncil',
      summary: 'Gives a party of the registry a seat: whoever has the link joins the conference by browser',
      access: 'admin',
      query: null,
      params,
      body,
      answers: { [json]: seat },
      statuses: [404, 503],
      handle: async ({ params: { conference }, body: { party } }) => {
        const webrtc = running()
        if (webrtc === null) throw new Problem('out-of-service', 'browsers are off (webrtc.enabled)')
        if (conferences !== null && !conferences.includes(conference))
          throw new Problem('not-found', 'there is no such conference')
        const invited = webrtc.council.invite(party, conference)
        if (invited === null) throw new Problem('not-found', 'nobody in the registry has this id')
        return jsonAnswer({ url: invited.url, expiresAt: new Date(invited.expiresAt).toISOString() })
      }
    })
  ]
}
