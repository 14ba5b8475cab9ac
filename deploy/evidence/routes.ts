/** Evidence over HTTP: shared by producers, seen by auditors, erased by operators. */
import { z } from 'zod'
import { isAcceptableTraceId } from '#kernel'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import type { RunningEvidence } from './evidence.ts'

const json = 'application/json'
const trace = z.string().refine(isAcceptableTraceId, 'expected 1 to 128 of A-Z a-z 0-9 . _ : @ / + -').meta({ maxLength: 128 })
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits')
const id = z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits')

const item = z.object({
  id: z.string(),
  trace: z.string(),
  name: z.string(),
  mediaType: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  by: z.string(),
  via: z.string(),
  at: z.string()
})
const delivery = z.object({
  participant: z.string(),
  how: z.enum(['page', 'link', 'video']),
  state: z.enum(['received', 'refused', 'shown']).describe('shown: sent as video, and not confirmed'),
  code: z.string().nullable(),
  at: z.string()
})
const page = z.object({
  participant: z.string(),
  state: z.string(),
  sentChunks: z.number(),
  sentBytes: z.number(),
  receivedChunks: z.number(),
  receivedBytes: z.number(),
  retries: z.number(),
  resumes: z.number(),
  wrongChunks: z.number(),
  bytesPerSecond: z.number()
})
const call = z.object({ call: z.string(), conference: z.string(), state: z.string(), pages: z.array(page) })
const link = z.object({
  call: z.string(),
  conference: z.string(),
  participant: z.string(),
  url: z.string(),
  expiresAt: z.string(),
  shown: z.boolean().nullable().describe('Whether the telephone took it; null where it cannot be asked')
})
const shareQuery = z.strictObject({
  trace: trace.describe('Of the call or escalation whose conference is to see it'),
  name: z.string().min(1).max(1024).describe('File name, without a path'),
  media_type: z
    .string()
    .regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/, 'expected a media type')
    .default('application/octet-stream'),
  sha256: sha256.optional().describe('What the file must have')
})

/** @param running what is asked; null where browsers are off, or the suite is starting */
export function evidenceRoutes(running: () => RunningEvidence | null): Route[] {
  const here = (): RunningEvidence => {
    const evidence = running()
    if (evidence === null) throw new Problem('out-of-service', 'evidence needs browsers to be on (webrtc.enabled)')
    return evidence
  }
  return [
    route({
      method: 'POST',
      path: '/v1/evidence',
      operation: 'shareEvidence',
      summary: 'Shares a file with everybody in the conference of a call; its octets are the body',
      access: 'producer',
      alsoFor: ['escalator'],
      takesOctets: true,
      query: shareQuery,
      params: null,
      body: null,
      answers: { [json]: z.object({ evidence: item, calls: z.array(z.string()) }) },
      statuses: [409, 503],
      handle: async ({ query, octets, octetCount, caller }) => {
        const evidence = here()
        if (octetCount === null) throw new Problem('invalid-request', 'the body declares no length (Content-Length)')
        const { trace, name, media_type, sha256 = null } = query
        const declared = { trace, name, mediaType: media_type, bytes: octetCount, sha256 }
        const shared = await evidence.share({ ...declared, by: caller?.name ?? 'unknown', via: 'http' }, octets)
        if (!shared.ok)
          throw new Problem('refused', shared.reason, { errors: [{ at: 'body', message: shared.reason, code: shared.code }] })
        return jsonAnswer({ evidence: shared.item, calls: shared.calls })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/evidence',
      operation: 'listEvidence',
      summary: 'Files that were shared, who has them, and the links of telephones',
      access: 'auditor',
      query: z.strictObject({ trace: trace.optional().describe('Of this call or escalation') }),
      params: null,
      body: null,
      answers: {
        [json]: z.object({
          evidence: z.array(item.extend({ deliveries: z.array(delivery) })),
          calls: z.array(call)
        })
      },
      statuses: [503],
      handle: async ({ query }) => {
        const evidence = here()
        const calls = evidence.calls().filter(({ call }) => query.trace === undefined || call === query.trace)
        return jsonAnswer({ evidence: evidence.list(query.trace ?? null), calls })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/evidence/links',
      operation: 'listEvidenceLinks',
      summary: 'Links by which telephones see the evidence of their calls: whoever has one can read it',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.object({ links: z.array(link) }) },
      statuses: [503],
      handle: async () =>
        jsonAnswer({
          links: here()
            .links()
            .map(({ expiresAt, ...each }) => ({ ...each, expiresAt: new Date(expiresAt).toISOString() }))
        })
    }),
    route({
      method: 'POST',
      path: '/v1/evidence/{id}/erase',
      operation: 'eraseEvidence',
      summary: 'Takes a file from all calls and from the disk; its facts stay in the ledger until they are erased there',
      access: 'admin',
      query: null,
      params: z.strictObject({ id }),
      body: z.strictObject({ reason: z.string().min(1).max(500) }),
      answers: { [json]: z.object({ erased: z.string() }) },
      statuses: [404, 503],
      handle: async ({ params, body }) => {
        if (!(await here().erase(params.id, body.reason))) throw new Problem('not-found', 'there is no such evidence')
        return jsonAnswer({ erased: params.id })
      }
    })
  ]
}
