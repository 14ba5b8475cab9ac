import { z } from 'zod'
import { layers } from '#kernel'

/** Event package of the reports that the edge sends about requests it refused itself. */
export const edgeReportEvent = 'x-if-edge'

/** Longest body read, UTF-8 octets. */
const edgeReportLimit = 8192

const text = (limit: number) => z.string().max(limit)

const schema = z.object({
  layer: z.enum(layers),
  code: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,95}$/),
  status: z.number().int().min(0).max(699),
  method: text(32),
  source: text(64),
  transport: text(16),
  callId: text(256).nullable(),
  fromTag: text(256).optional(),
  from: text(512).nullable(),
  to: text(512).nullable(),
  user: text(256).nullable(),
  traceId: text(128).nullable(),
  count: z.number().int().min(1).max(1_000_000_000)
})

/** What the edge refused: `count` requests of one source at one layer; the other fields are those of the last. */
export type EdgeReport = z.infer<typeof schema>

export type EdgeReportResult =
  | { readonly ok: true; readonly report: EdgeReport }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Reads the body of an edge report. Unknown fields are dropped; every problem is named, none with the value that caused it. */
export function readEdgeReport(body: string): EdgeReportResult {
  if (Buffer.byteLength(body) > edgeReportLimit) return { ok: false, problems: [`longer than ${edgeReportLimit} octets`] }
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return { ok: false, problems: ['not JSON'] }
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { ok: true, report: parsed.data }
  return { ok: false, problems: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.code}`) }
}
