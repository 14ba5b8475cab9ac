/** What an auditor needs beside the log itself: which heads were published, and what the keeper says its key and policy are. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from '#kernel'
import { publishedHistory } from './history.ts'
import { Problem } from './problem.ts'
import { jsonAnswer, type Route, route } from './route.ts'

export const checkpointsAnswer = z.strictObject({
  checkpoints: z
    .array(z.string())
    .describe(
      'Signed notes, oldest first: the newest 200 heads, and before them those under which one key handed over to another'
    )
})
export const keysAnswer = z.strictObject({
  key: z
    .string()
    .describe('First public key of the log, name+hash+base64. The word of the service: compare it with what the Guardians say'),
  policy: z.string().nullable().describe('Which witnesses have to cosign (C2SP tlog-policy); null where none has to')
})

export interface TrustSources {
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

export function trustRoutes({ publishedPath, vkeyPath, policyPath }: TrustSources): Route[] {
  const history = publishedHistory(publishedPath)
  return [
    route({
      method: 'GET',
      path: '/v1/checkpoints',
      operation: 'getCheckpoints',
      summary: 'Heads published so far, with their cosignatures',
      access: 'auditor',
      query: null,
      params: null,
      body: null,
      answers: { 'application/json': checkpointsAnswer },
      statuses: [],
      handle: async () => jsonAnswer({ checkpoints: history.heads() })
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
    })
  ]
}
