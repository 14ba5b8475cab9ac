/** Seats of the council over HTTP, for operators. */
import { z } from 'zod'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import { type SeatView, seatKinds } from '#webrtc'
import type { RunningWebRtc } from './webrtc.ts'

const json = 'application/json'
const kind = z.enum(seatKinds)
const sip = z.object({
  url: z.string().describe('Where SIP is taken over a WebSocket'),
  uri: z.string().describe('From'),
  user: z.string().describe('User of the digest; its password is the token of the link'),
  realm: z.string()
})
const given = z.object({
  url: z.string().describe('Link of the page; its fragment is the token'),
  seat: z.string(),
  expiresAt: z.string(),
  sip: sip.nullable().describe('For a SIP phone in a browser; null where the edge takes no WebSockets')
})
const seat = z.object({
  seat: z.string(),
  party: z.string(),
  conference: z.string(),
  kind,
  mayVote: z.boolean().describe('Of an agent: whether it has the vote of its party'),
  hazard: z.string().nullable(),
  expiresAt: z.string(),
  participant: z.string().nullable().describe('Name in the conference; null while nobody has taken the seat')
})
const params = z.strictObject({ conference: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })
const party = z.string().min(1).max(64)
const invitation = z.strictObject({
  party,
  kind: kind.default('person').describe('Who takes the seat: the party, or a program that acts for it'),
  mayVote: z.boolean().default(false).describe('Gives an agent the vote of its party'),
  hazard: z
    .string()
    .max(32)
    .nullable()
    .default(null)
    .describe('What an expert is called for; null for the first of its specialisations')
})
const revocation = z.strictObject({
  party: party.nullable().default(null).describe('Seats of this party; null for those of anybody'),
  seat: z.string().max(64).nullable().default(null).describe('This seat only')
})

const viewOf = ({ id, expiresAt, ...view }: SeatView) => ({ ...view, party: id, expiresAt: new Date(expiresAt).toISOString() })

/**
 * @param running what is asked; null where browsers are off, or the suite is starting
 * @param conferences that there are; null for any name
 */
export function webRtcRoutes(running: () => RunningWebRtc | null, conferences: readonly string[] | null): Route[] {
  const here = (conference: string): RunningWebRtc => {
    const webrtc = running()
    if (webrtc === null) throw new Problem('out-of-service', 'browsers are off (webrtc.enabled)')
    if (conferences !== null && !conferences.includes(conference)) throw new Problem('not-found', 'there is no such conference')
    return webrtc
  }
  const path = '/v1/council/{conference}/seats'
  return [
    route({
      method: 'POST',
      path,
      operation: 'inviteToCouncil',
      summary:
        'Gives a party of the registry a seat: whoever has the link joins the conference by browser, as far as IF.guard lets it in',
      access: 'admin',
      query: null,
      params,
      body: invitation,
      answers: { [json]: given },
      statuses: [404, 503],
      handle: async ({ params: { conference }, body: { party: id, hazard, ...terms } }) => {
        const invited = await here(conference).invite({ id, conference, hazard, ...terms })
        if (invited === null) throw new Problem('not-found', 'nobody in the registry has this id')
        const { url, seat, expiresAt, sip } = invited
        return jsonAnswer({ url, seat, expiresAt: new Date(expiresAt).toISOString(), sip })
      }
    }),
    route({
      method: 'GET',
      path,
      operation: 'listCouncilSeats',
      summary: 'Seats that are given away, and who sits there',
      access: 'admin',
      query: null,
      params,
      body: null,
      answers: { [json]: z.object({ seats: z.array(seat) }) },
      statuses: [404, 503],
      handle: async ({ params: { conference } }) =>
        jsonAnswer({
          seats: here(conference)
            .council.seats()
            .filter((each) => each.conference === conference)
            .map(viewOf)
        })
    }),
    route({
      method: 'POST',
      path: `${path}/revoke`,
      operation: 'revokeCouncilSeats',
      summary: 'Takes seats back: their links are good no longer, and whoever sits there is cut off',
      access: 'admin',
      query: null,
      params,
      body: revocation,
      answers: { [json]: z.object({ revoked: z.array(z.string()) }) },
      statuses: [400, 404, 503],
      handle: async ({ params: { conference }, body }) => {
        if (body.party === null && body.seat === null) throw new Problem('invalid-request', 'name a party or a seat')
        const revoked = await here(conference).council.revoke(
          (each) =>
            each.conference === conference &&
            (body.party === null || each.id === body.party) &&
            (body.seat === null || each.seat === body.seat)
        )
        if (revoked.length === 0) throw new Problem('not-found', 'no such seat is given away')
        return jsonAnswer({ revoked: [...revoked] })
      }
    })
  ]
}
