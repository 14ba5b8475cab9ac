/** What an auditor needs beside the log itself: which heads were published, and what the keeper says its key and policy are. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#kernel'
import { listRates, type Rates } from '../audit/rates.ts'
import type { LedgerReader } from '../read/reader.ts'
import { mostHeads, publishedHistory } from './history.ts'
import { Problem } from './problem.ts'
import { jsonAnswer, type Route, route } from './route.ts'

const number = z.string().regex(/^(?:0|[1-9]\d{0,14})$/)
const checkpointsQuery = z.strictObject({
  before: number.describe('`previous` of the page behind').optional(),
  limit: number
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= mostHeads, `expected 1 to ${mostHeads}`)
    .describe(`At most so many heads, 1 to ${mostHeads}, which is the default`)
    .optional()
})
const checkpointsAnswer = z.strictObject({
  checkpoints: z
    .array(z.string())
    .describe(
      'Signed notes, oldest first. Where no page is asked for: the newest heads, and before them those under which one key handed over to another'
    ),
  previous: z.string().nullable().describe('`before` of the page before this one; null where it begins with the first head')
})
const keysAnswer = z.strictObject({
  key: z
    .string()
    .describe('First public key of the log, name+hash+base64. The word of the service: compare it with what the Guardians say'),
  policy: z.string().nullable().describe('Which witnesses have to cosign (C2SP tlog-policy); null where none has to')
})

const ratesAnswer = z.strictObject({
  rates: z
    .array(z.strictObject({ model: z.string(), in: z.string(), out: z.string(), from: z.string().nullable() }))
    .describe('US dollars per million tokens, read and written, from a moment on (null: always)')
})

export interface TrustSources {
  readonly rates: Rates
  readonly reader: LedgerReader
  readonly publishedPath: string
  readonly vkeyPath: string
  readonly policyPath: string
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

export function trustRoutes({ rates, reader, publishedPath, vkeyPath, policyPath }: TrustSources): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/checkpoints',
      operation: 'getCheckpoints',
      summary: 'Heads published so far, with their cosignatures',
      access: 'auditor',
      query: checkpointsQuery,
      params: null,
      body: null,
      answers: { 'application/json': checkpointsAnswer },
      statuses: [503],
      handle: async ({ query: { before, limit } }) =>
        jsonAnswer(await publishedHistory(publishedPath, reader, before ?? null, limit))
    }),
    route({
      method: 'GET',
      path: '/v1/keys',
      operation: 'getKeys',
      summary: 'What the keeper says its key and policy are; nothing that is to be trusted unseen',
      access: 'auditor',
      query: null,
      params: null,
      body: null,
      answers: { 'application/json': keysAnswer },
      statuses: [404],
      handle: async () => {
        const key = textOf(vkeyPath)
        if (key === null) throw new Problem('not-found', 'the service has no public key to show')
        return jsonAnswer({ key: key.trim(), policy: textOf(policyPath) })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/rates',
      operation: 'getRates',
      summary: 'What models cost, as the service reckons',
      access: 'auditor',
      query: null,
      params: null,
      body: null,
      answers: { 'application/json': ratesAnswer },
      statuses: [],
      handle: async () => jsonAnswer({ rates: listRates(rates) })
    })
  ]
}
