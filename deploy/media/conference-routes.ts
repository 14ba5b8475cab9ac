/** Conferences over HTTP, for operators: who is in them and who is heard, by whatever protocol each came; and what is played to them. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { errorCode, type Log, newTraceId, type Witness } from '#kernel'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import { decodeWav, type MediaPlane, type Sound, soundProblem, volumeBounds } from '#media'
import type { RunningH323 } from '../h323/h323.ts'
import { conferenceComponent } from '../record/conference-record.ts'

const role = z.enum(['guardian', 'expert', 'observer'])
const present = z.object({
  participant: z.string(),
  number: z.number().nullable().describe('Terminal number (H.245); null where H.323 is off'),
  name: z.string(),
  protocol: z.enum(['h323', 'other']),
  role,
  codec: z.string().nullable(),
  chair: z.boolean(),
  muted: z.boolean(),
  held: z.boolean(),
  handRaised: z.boolean(),
  heardDb: z.number(),
  hearsDb: z.number(),
  speaking: z.boolean(),
  call: z.string().nullable(),
  traceId: z.string().nullable()
})
const conferenceView = z.object({ conference: z.string(), participants: z.array(present) })

/** A conference as it is shown. */
export type ConferenceView = Readonly<z.infer<typeof conferenceView>>

const conferenceName = z.strictObject({ conference: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })
const participant = z.string().min(1).max(128)
const decibels = z.number().min(volumeBounds.least).max(volumeBounds.most).optional()
const done = z.object({ done: z.literal(true) })
const json = 'application/json'

/** Octets of an announcement: as many seconds as are played, at 48 kHz, and its headers. */
const largestAnnouncement = 58 << 20

const unknown = new Set(['media.participant.unknown', 'media.conference.unknown'])

/** @throws {Problem} `not-found` for what is not there */
function known<T>(ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    if (!unknown.has(errorCode(error))) throw error
    throw new Problem('not-found', 'no such conference or participant')
  }
}

/** @throws {Problem} */
async function readWhole(octets: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of octets) {
    size += part.length
    if (size > largestAnnouncement) throw new Problem('too-large', `an announcement has at most ${largestAnnouncement} octets`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** @throws {Problem} for what is no WAV file that can be played */
function soundOf(file: Buffer): Sound {
  let sound: Sound
  try {
    sound = decodeWav(file)
  } catch (error) {
    throw new Problem('invalid-request', `expected a WAV file (${errorCode(error)})`)
  }
  const problem = sound.samples.length === 0 ? 'it is empty' : soundProblem(sound)
  if (problem !== null) throw new Problem('invalid-request', `it cannot be played: ${problem}`)
  return sound
}

export interface ConferenceParts {
  /** Null while the suite is starting. */
  readonly media: () => MediaPlane | null
  /** Null where H.323 is off, or does not run yet. */
  readonly h323: () => RunningH323 | null
  readonly witness: Pick<Witness, 'record'>
  readonly log: Log
}

export function conferenceRoutes({ media, h323, witness, log }: ConferenceParts): Route[] {
  const here = (): MediaPlane => {
    const plane = media()
    if (plane === null) throw new Problem('out-of-service', 'the suite is starting')
    return plane
  }
  const viewOf = (conference: string): ConferenceView => {
    const roster = here().roster(conference)
    if (roster.length === 0) throw new Problem('not-found', 'no such conference')
    const terminals =
      h323()
        ?.mcu.conferences()
        .find((each) => each.conference === conference)?.terminals ?? []
    return {
      conference,
      participants: roster.map((member) => {
        const { participant, role, codec, mutedBySelf, mutedByChair, held, handRaised, heardDb, hearsDb, speaking } = member
        const seen = { role, codec, muted: mutedBySelf || mutedByChair, held, handRaised, heardDb, hearsDb, speaking }
        const terminal = terminals.find((each) => each.participant === participant)
        const {
          number = null,
          name = participant,
          protocol = 'other',
          chair = false,
          call = null,
          traceId = null
        } = terminal ?? {}
        return { participant, number, name, protocol, ...seen, chair, call, traceId }
      })
    }
  }
  /** A route that changes one thing of a conference. */
  const change = <B extends z.ZodType>(
    what: string,
    operation: string,
    summary: string,
    body: B,
    act: (plane: MediaPlane, conference: string, body: z.infer<B>) => void
  ): Route =>
    route({
      method: 'POST',
      path: `/v1/conferences/{conference}/${what}`,
      operation,
      summary,
      access: 'admin',
      query: null,
      params: conferenceName,
      body: body as z.ZodType,
      answers: { [json]: done },
      statuses: [404, 503],
      handle: async ({ params, body: asked }) => {
        known(() => act(here(), params.conference, asked as z.infer<B>))
        return jsonAnswer({ done: true })
      }
    })
  return [
    route({
      method: 'GET',
      path: '/v1/conferences',
      operation: 'listConferences',
      summary: 'Conferences with everybody in them, however they came',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.object({ conferences: z.array(conferenceView) }) },
      statuses: [503],
      handle: async () => jsonAnswer({ conferences: here().conferences().map(viewOf) })
    }),
    route({
      method: 'GET',
      path: '/v1/conferences/{conference}',
      operation: 'getConference',
      summary: 'Who is in a conference',
      access: 'admin',
      query: null,
      params: conferenceName,
      body: null,
      answers: { [json]: conferenceView },
      statuses: [404, 503],
      handle: async ({ params }) => jsonAnswer(viewOf(params.conference))
    }),
    change(
      'mute',
      'muteParticipant',
      'Lets nobody hear a participant, or lets it be heard again',
      z.strictObject({ participant, muted: z.boolean() }),
      (plane, conference, { participant: who, muted }) => plane.mute(conference, who, muted, 'chair')
    ),
    change(
      'role',
      'setParticipantRole',
      'Gives a participant another role: observers hear and are not heard',
      z.strictObject({ participant, role }),
      (plane, conference, { participant: who, role: wanted }) => plane.setRole(conference, who, wanted)
    ),
    change(
      'volume',
      'setParticipantVolume',
      'Sets how loud the others hear a participant, and it the others, in dB: 0 is as it comes',
      z.strictObject({ participant, heardDb: decibels, hearsDb: decibels }),
      (plane, conference, { participant: who, heardDb, hearsDb }) =>
        plane.setVolume(conference, who, { ...(heardDb !== undefined && { heardDb }), ...(hearsDb !== undefined && { hearsDb }) })
    ),
    change(
      'lock',
      'lockConference',
      'Lets nobody else join, or lets others join again',
      z.strictObject({ locked: z.boolean() }),
      (plane, conference, { locked }) => plane.lock(conference, locked)
    ),
    route({
      method: 'POST',
      path: '/v1/conferences/{conference}/announce',
      operation: 'announce',
      summary: 'Plays a WAV file to a conference, or to one participant of it; answers when it begins. Its octets are the body',
      access: 'admin',
      takesOctets: true,
      query: z.strictObject({ to: participant.optional().describe('To this participant alone') }),
      params: conferenceName,
      body: null,
      answers: { [json]: z.object({ seconds: z.number() }) },
      statuses: [404, 413, 503],
      handle: async ({ query, params: { conference }, octets, caller }) => {
        const file = await readWhole(octets)
        const sound = soundOf(file)
        const { to } = query
        const roster = here().roster(conference)
        if (roster.length === 0 || (to !== undefined && !roster.some((member) => member.participant === to)))
          throw new Problem('not-found', 'no such conference or participant')
        const seconds = Math.round((1000 * sound.samples.length) / sound.sampleRateHz) / 1000
        const told = {
          conference,
          to: to ?? null,
          by: caller?.name ?? 'unknown',
          seconds,
          sha256: createHash('sha256').update(file).digest('hex')
        }
        here()
          .announce(conference, sound, to)
          .then((whole) =>
            witness.record(
              {
                component: conferenceComponent,
                event: 'announcement_played',
                traceId: newTraceId(),
                payload: { ...told, whole }
              },
              'soon'
            )
          )
          .catch((error: unknown) => log.error({ code: errorCode(error), conference }, 'announcement not played or not recorded'))
        return jsonAnswer({ seconds })
      }
    })
  ]
}
