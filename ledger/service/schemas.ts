/** What goes over the wire, as zod schemas: requests are checked against them, and the OpenAPI document is made of them. */
import { z } from 'zod'
import type { Json } from '#kernel'
import { groupings } from '../audit/tally.ts'
import type { LedgerEntry } from '../log/entry.ts'
import { longestNote } from '../log/note.ts'
import type { StoredEntry } from '../read/reader.ts'

const mostEntriesOfBatch = 1000
const mostEntriesOfPage = 500

const json: z.ZodType<Json> = z.json() as z.ZodType<Json>
const payload = z.record(z.string(), json)
const shortText = z.string().min(1).max(256)
const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const hash64 = z.string().regex(/^[A-Za-z0-9+/]{43}=$/)
const leafNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** A number in a query string. */
const number = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,14})$/)
  .transform(Number)
const dateTime = z.iso.datetime({ offset: true })

/** Conditions of a query; they add up. */
const filterQuery = {
  trace: shortText.describe('Entries of this trace and of every trace that hangs under it').optional(),
  component: shortText.describe('Entries of this component').optional(),
  event: shortText.describe('Entries of this kind').optional(),
  callId: shortText.describe('Entries of this call').optional(),
  since: dateTime.describe('Inclusive').optional(),
  until: dateTime.describe('Exclusive').optional()
}
const pageQuery = {
  cursor: z.string().min(1).max(64).describe('`next` of the page before').optional(),
  limit: number
    .refine((limit) => limit >= 1 && limit <= mostEntriesOfPage, `expected 1 to ${mostEntriesOfPage}`)
    .describe(`At most so many entries, 1 to ${mostEntriesOfPage}; a page may have fewer. Default 100`)
    .optional()
}

export const entriesQuery = z.strictObject({ ...filterQuery, ...pageQuery })
export const traceQuery = z.strictObject(pageQuery)
export const followQuery = z.strictObject({
  ...filterQuery,
  after: number.describe('Only entries behind this leaf number; Last-Event-ID goes before it').optional()
})
export const mostGroups = 1000
export const costQuery = z.strictObject({
  ...filterQuery,
  groupBy: z.enum(groupings).describe('Default component; a trace holds those under it').optional()
})
const costSum = {
  entries: leafNumber.describe('Entries that tell of a cost or of tokens'),
  tokens_in: z.string(),
  tokens_out: z.string(),
  cost: z.string().describe('US dollars, exact decimal'),
  unpriced: leafNumber.describe('Entries with tokens whose model has no rate: their cost is not in `cost`')
}
export const costAnswer = z.strictObject({
  group_by: z.enum(groupings),
  groups: z
    .array(z.strictObject({ group: z.string().describe('Empty where no model is told'), ...costSum }))
    .describe(`By cost, the highest first, days in their order; at most ${mostGroups}`),
  others: leafNumber.describe('Groups left out'),
  total: z.strictObject(costSum)
})
export const inclusionQuery = z.strictObject({
  index: number.describe('Leaf number'),
  size: number.describe('Entries of the tree; default: those under the published checkpoint').optional()
})
export const consistencyQuery = z.strictObject({
  from: number.describe('Entries of the older tree'),
  to: number.describe('Entries of the newer tree; default: those under the published checkpoint').optional()
})
export const tlogProofQuery = z.strictObject({ index: number.describe('Leaf number') })
export const indexParams = z.strictObject({ index: number })
export const traceParams = z.strictObject({ id: shortText })

export const appendBody = z.strictObject({
  entries: z
    .array(
      z.strictObject({
        key: z
          .string()
          .regex(/^[\x20-\x7e]{1,87}$/)
          .describe('Idempotency key, best `<producer>:<number>` with numbers that grow. Keys belong to the name of the token'),
        event: z.string().max(128),
        component: z.string().max(128),
        traceId: z.string().max(128),
        parentTraceId: z.string().max(128).optional(),
        time: dateTime.describe('When it happened; default: now').optional(),
        payload,
        tokensIn: leafNumber.optional(),
        tokensOut: leafNumber.optional(),
        cost: z.string().max(64).describe('US dollars, exact decimal').optional(),
        model: z.string().max(128).optional(),
        erasable: z
          .strictObject({
            salt: hash64.describe('32 octets, base64'),
            payload: z.string().max(65_535).describe('Canonical JSON (RFC 8785) of an object')
          })
          .describe(
            'What the entry commits to by payload.commitment: {"alg":"sha256","hash":"<hex of SHA-256(salt ‖ payload)>"}; kept beside the log'
          )
          .optional()
      })
    )
    .min(1)
    .max(mostEntriesOfBatch)
})
export type WireEntry = z.infer<typeof appendBody>['entries'][number]

export const places = z.strictObject({
  places: z.array(z.strictObject({ index: leafNumber, hash: hex64 })).describe('One for each entry, in their order')
})

export const entryAnswer = z.strictObject({
  v: z.literal(1),
  index: leafNumber,
  time: z.string(),
  event: z.string(),
  component: z.string(),
  trace_id: z.string(),
  parent_trace_id: z.string().optional(),
  payload,
  tokens_in: leafNumber.optional(),
  tokens_out: leafNumber.optional(),
  cost: z.string().optional(),
  model: z.string().optional(),
  prev: hex64.describe('Hash of the entry before'),
  hash: hex64.describe('Of its stored octets: SHA-256(0x00 ‖ octets)'),
  erasable: z
    .strictObject({ state: z.enum(['present', 'erased', 'altered']), payload: payload.optional() })
    .describe('Of an entry that commits to a payload beside the log')
    .optional()
})
export const entriesAnswer = z.strictObject({
  entries: z.array(entryAnswer),
  next: z.string().nullable().describe('Cursor of the next page; null where the log ends'),
  size: leafNumber.describe('Entries in the log')
})

export const inclusionAnswer = z.strictObject({
  index: leafNumber,
  size: leafNumber,
  leaf: hash64.describe('Leaf hash'),
  root: hash64.describe('Root of the tree of `size` entries'),
  hashes: z.array(hash64).describe('Inclusion proof, the sibling of the leaf first')
})
export const consistencyAnswer = z.strictObject({
  from: leafNumber,
  to: leafNumber,
  fromRoot: hash64,
  toRoot: hash64,
  hashes: z.array(hash64)
})

export const cosignedBody = z.strictObject({ note: z.string().min(1).max(longestNote).describe('A signed note') })
export const broughtAnswer = z.strictObject({ outcome: z.literal('taken') })

export const healthAnswer = z.strictObject({ status: z.enum(['ok', 'failing']), size: leafNumber.optional() })

export const problemAnswer = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().optional(),
  errors: z.array(z.strictObject({ at: z.string(), message: z.string(), code: z.string().optional() })).optional()
})

export type EntryAnswer = LedgerEntry & { readonly hash: string; readonly erasable?: StoredEntry['erasable'] }

export const entryJson = ({ entry, hash, erasable }: StoredEntry): EntryAnswer => ({
  ...entry,
  hash,
  ...(erasable === undefined ? {} : { erasable })
})
