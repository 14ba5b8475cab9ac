/** NDI over HTTP, for operators: sources into conferences, conferences out as sources. */
import { z } from 'zod'
import { callBridgeStates, errorCode, InfraFabricError, isTraceId, newTraceId } from '#kernel'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import { ingestCodecs } from '#ndi'
import type { CallSnapshot } from '#sip'
import type { RunningNdi } from './ndi.ts'

const json = 'application/json'
const conferenceName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)
const heights = z.union([z.literal(480), z.literal(720), z.literal(1080)])
const traceId = z.string().refine(isTraceId, 'expected 32 lowercase hex digits')

const ingestView = z.strictObject({
  id: z.string(),
  conference: z.string(),
  traceId: z.string(),
  state: z.enum(callBridgeStates),
  reason: z.string().nullable(),
  source: z.string().nullable(),
  picture: z.string().nullable(),
  received: z.int(),
  encoded: z.int(),
  skipped: z.int(),
  dropped: z.int(),
  delayMs: z.number()
})
const publicationView = z.strictObject({
  conference: z.string(),
  source: z.string(),
  traceId: z.string(),
  shown: z.string().nullable(),
  sound: z.boolean(),
  receivers: z.int(),
  onProgram: z.boolean(),
  onPreview: z.boolean(),
  videoFrames: z.int()
})
const ingestBody = z.strictObject({
  source: z.string().min(1).max(256),
  trace: traceId.optional(),
  conference: conferenceName.optional(),
  expert: z.string().min(1).max(64).optional(),
  height: heights.optional(),
  codec: z.enum(ingestCodecs).optional(),
  to: z.strictObject({ address: z.ipv4(), port: z.int().min(1).max(65_535) }).optional(),
  sound: z.boolean().optional()
})
const id = z.strictObject({ id: z.string().regex(/^\d{1,9}$/) })
const conferenceParams = z.strictObject({ conference: conferenceName })
const stopped = z.strictObject({ stopped: z.boolean() })

/** What of a call an ingest needs. */
type KnownCall = Pick<CallSnapshot, 'traceId' | 'conference' | 'expertId'>

/**
 * @param running what is asked; null where NDI is off, there is no runtime, or the suite is starting
 * @param calls that are going on
 * @param conferences that there are; null for any name
 */
export function ndiRoutes(
  running: () => RunningNdi | null,
  calls: () => readonly KnownCall[],
  conferences: readonly string[] | null
): Route[] {
  const here = (): RunningNdi => {
    const ndi = running()
    if (ndi === null) throw new Problem('out-of-service', 'NDI is off (ndi.enabled), or there is no NDI runtime')
    return ndi
  }
  const known = (conference: string): string => {
    if (conferences !== null && !conferences.includes(conference)) throw new Problem('not-found', 'there is no such conference')
    return conference
  }
  const told = async <T>(act: () => T | Promise<T>): Promise<T> => {
    try {
      return await act()
    } catch (error) {
      if (error instanceof InfraFabricError && /^(?:ndi|media\.ffmpeg)\./.test(errorCode(error)))
        throw new Problem('refused', error.message)
      throw error
    }
  }
  return [
    route({
      method: 'GET',
      path: '/v1/ndi',
      operation: 'listNdi',
      summary: 'NDI sources that are in conferences, and conferences that are NDI sources',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.strictObject({ ingests: z.array(ingestView), publications: z.array(publicationView) }) },
      statuses: [503],
      handle: async () => jsonAnswer(here().list())
    }),
    route({
      method: 'POST',
      path: '/v1/ndi/ingests',
      operation: 'ingestNdi',
      summary: 'Brings an NDI source into a conference: that of a call, by its trace id, or one by name',
      access: 'admin',
      query: null,
      params: null,
      body: ingestBody,
      answers: { [json]: ingestView },
      statuses: [404, 409, 503],
      handle: async ({ body: { source, trace, conference, expert, height, codec, to, sound } }) =>
        told(async () => {
          const ndi = here()
          const call = trace === undefined ? undefined : calls().find((each) => each.traceId === trace)
          if (trace !== undefined && call === undefined && conference === undefined)
            throw new Problem('not-found', 'there is no call with this trace id')
          const wanted = {
            source,
            conference: known(call?.conference ?? conference ?? 'council'),
            expertId: expert ?? call?.expertId ?? null,
            height: height ?? null,
            codec: codec ?? null,
            to: to ?? null,
            sound: sound ?? null,
            traceId: newTraceId()
          }
          const started = ndi.ingest({ ...wanted, ...(trace === undefined ? {} : { parentTraceId: trace }) })
          return jsonAnswer(ndi.ingests.list().find((each) => each.id === started)!)
        })
    }),
    route({
      method: 'POST',
      path: '/v1/ndi/ingests/{id}/stop',
      operation: 'stopNdiIngest',
      summary: 'Takes an NDI source out of its conference',
      access: 'admin',
      query: null,
      params: id,
      body: null,
      answers: { [json]: stopped },
      statuses: [404, 503],
      handle: async ({ params }) => {
        if (!(await here().ingests.stop(params.id, 'stopped'))) throw new Problem('not-found', 'there is no such ingest')
        return jsonAnswer({ stopped: true })
      }
    }),
    route({
      method: 'POST',
      path: '/v1/ndi/publications/{conference}',
      operation: 'publishNdi',
      summary: 'Makes a conference an NDI source',
      access: 'admin',
      query: null,
      params: conferenceParams,
      body: z.strictObject({ name: z.string().min(1).max(64).optional() }),
      answers: { [json]: publicationView },
      statuses: [404, 409, 503],
      handle: async ({ params: { conference }, body: { name } }) =>
        told(async () => jsonAnswer(await here().publish(known(conference), name ?? null)))
    }),
    route({
      method: 'POST',
      path: '/v1/ndi/publications/{conference}/stop',
      operation: 'stopNdiPublication',
      summary: 'Ends the NDI source of a conference',
      access: 'admin',
      query: null,
      params: conferenceParams,
      body: null,
      answers: { [json]: stopped },
      statuses: [404, 503],
      handle: async ({ params: { conference } }) => {
        if (!(await here().unpublish(conference))) throw new Problem('not-found', 'this conference is not published')
        return jsonAnswer({ stopped: true })
      }
    })
  ]
}
