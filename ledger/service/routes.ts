/** What the service does, route by route. */
import type { z } from 'zod'
import type { Clock } from '#kernel'
import { costJson, reportCost } from '../audit/cost.ts'
import type { Rates } from '../audit/rates.ts'
import type { Ledger } from '../ledger.ts'
import { leafHash } from '../log/merkle.ts'
import { parseCheckpoint } from '../log/note.ts'
import { proveConsistency, proveInclusion, rememberingNodes, rootAt } from '../log/prover.ts'
import { entriesOf } from '../log/segment.ts'
import { formatTlogProof } from '../log/tlog-proof.ts'
import { tileWidth } from '../log/tree.ts'
import type { LedgerFilter } from '../read/entry-index.ts'
import type { LedgerReader } from '../read/reader.ts'
import { tilesOf } from '../read/tiles.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { follow } from './follow.ts'
import type { Metrics } from './metrics.ts'
import { Problem } from './problem.ts'
import { readPage } from './read-pages.ts'
import { type Answer, jsonAnswer, type Route, route } from './route.ts'
import * as schemas from './schemas.ts'
import { takeEntries } from './take-entries.ts'
import { parseTilePath } from './tile-path.ts'
import { readTile } from './tiles.ts'
import type { TokenBook } from './tokens.ts'

export interface RouteSources {
  readonly reader: LedgerReader
  /** Null where nothing is appended through this service. */
  readonly append: Ledger['append'] | null
  /** Null where no cosignature is taken. */
  readonly witnesses: Pick<Ledger, 'bring' | 'witnessing'> | null
  readonly published: () => string | null
  readonly tokens: TokenBook
  readonly metrics: Metrics
  readonly clock: Clock
  readonly heartbeatMs: number
  /** What models cost. */
  readonly rates: Rates
}

const entriesOfPage = 100
const rootsKept = 64
const pollMs = 100
const forGood = 'public, max-age=31536000, immutable'
const octets = 'application/octet-stream'
const plainText = 'text/plain; charset=utf-8'
const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64')

function filterOf({
  trace,
  component,
  event,
  callId,
  since,
  until
}: Omit<z.infer<typeof schemas.costQuery>, 'groupBy'>): LedgerFilter {
  return {
    ...(trace === undefined ? {} : { trace }),
    ...(component === undefined ? {} : { component }),
    ...(event === undefined ? {} : { event }),
    ...(callId === undefined ? {} : { callId }),
    ...(since === undefined ? {} : { since: Date.parse(since) }),
    ...(until === undefined ? {} : { until: Date.parse(until) })
  }
}

export function ledgerRoutes(sources: RouteSources): Route[] {
  const { reader, append, witnesses, published, tokens, metrics, clock, heartbeatMs, rates } = sources
  const tiles = rememberingNodes(tilesOf(reader.log))

  const page = async (filter: LedgerFilter, cursor: string | undefined, limit = entriesOfPage) => {
    const afterIndex = cursor === undefined ? -1 : parseCursor(filter, cursor)
    const { size } = await reader.log.head()
    const { entries, ended } = await readPage(reader, { ...filter, afterIndex }, limit)
    const last = entries.at(-1)
    return {
      entries: entries.map(schemas.entryJson),
      next: ended || last === undefined ? null : formatCursor(filter, last.entry.index),
      size
    }
  }

  const publishedNote = (): string => {
    const note = published()
    if (note === null) throw new Problem('not-found', 'no checkpoint has been published')
    return note
  }

  /** Roots asked for lately: those of published sizes are asked for again and again. */
  const roots = new Map<number, Buffer>()
  const rootOf = async (size: number): Promise<Buffer> => {
    const root = roots.get(size) ?? (await rootAt(tiles, size))
    roots.delete(size)
    if (roots.size >= rootsKept) roots.delete(roots.keys().next().value!)
    roots.set(size, root)
    return root
  }

  /** The size asked for, else that of the published checkpoint. */
  const treeSize = async (asked: number | undefined): Promise<number> => {
    const size = asked ?? parseCheckpoint(publishedNote()).checkpoint.size
    if (size > (await reader.log.head()).size) throw new Problem('not-found', 'the log is not so long')
    return size
  }

  const entryOctets = async (index: number): Promise<Uint8Array> => {
    for await (const { first, data } of reader.log.segments(index, index + 1)) return entriesOf(data)[index - first]!
    throw new Problem('not-found', 'the log has no such entry')
  }

  const serveTile = async (path: string): Promise<Answer> => {
    const place = parseTilePath(path)
    const found = place === null ? null : await readTile(reader.log, place)
    if (found === null) throw new Problem('not-found', 'there is no such tile')
    return { mediaType: octets, body: found, headers: { 'cache-control': forGood } }
  }

  return [
    route({
      method: 'GET',
      path: '/checkpoint',
      operation: 'getCheckpoint',
      summary: 'Newest published checkpoint, a signed note with its cosignatures (C2SP tlog-checkpoint)',
      access: 'anybody',
      query: null,
      params: null,
      body: null,
      answers: { [plainText]: null },
      statuses: [404],
      handle: async () => ({ mediaType: plainText, body: publishedNote(), headers: { 'cache-control': 'no-cache' } })
    }),
    route({
      method: 'GET',
      path: '/v1/witness/head',
      operation: 'getWaitingHead',
      summary:
        'The head that waits for cosignatures, signed by the log alone, for witnesses that are not asked: cosign it and bring it back. It counts for nothing else',
      access: 'anybody',
      query: null,
      params: null,
      body: null,
      answers: { [plainText]: null },
      statuses: [404],
      handle: async () => {
        const waiting = witnesses?.witnessing().waiting ?? null
        if (waiting === null) throw new Problem('not-found', 'no head waits for cosignatures')
        return { mediaType: plainText, body: waiting, headers: { 'cache-control': 'no-store' } }
      }
    }),
    route({
      method: 'POST',
      path: '/v1/witness/cosignatures',
      operation: 'bringCosignatures',
      summary:
        'Takes the cosignatures of witnesses of the policy for the head that waits: the head as it was given, with their lines (C2SP tlog-cosignature). Who brings them does not matter',
      access: 'anybody',
      query: null,
      params: null,
      body: schemas.cosignedBody,
      answers: { 'application/json': schemas.broughtAnswer },
      statuses: [409, 422, 503],
      handle: async ({ body: { note } }) => {
        if (witnesses === null) throw new Problem('read-only', 'no cosignature is taken by this service')
        const outcome = await witnesses.bring(note)
        if (outcome === 'refused') throw new Problem('not-a-cosignature', 'no good cosignature of a witness of the policy')
        if (outcome === 'late') throw new Problem('late', 'this head does not wait any more')
        return jsonAnswer({ outcome })
      }
    }),
    route({
      method: 'GET',
      path: '/tile/entries/{place}',
      operation: 'getEntryBundle',
      summary: `Up to ${tileWidth} entries as stored, each behind its length; the place has the groups of C2SP tlog-tiles: x001/x234/067.p/8`,
      access: 'auditor',
      query: null,
      params: null,
      body: null,
      answers: { [octets]: null },
      statuses: [404],
      handle: ({ path }) => serveTile(path)
    }),
    route({
      method: 'GET',
      path: '/tile/{level}/{place}',
      operation: 'getTile',
      summary: `Up to ${tileWidth} hashes of the Merkle tree; the place has the groups of C2SP tlog-tiles: x001/x234/067.p/8`,
      access: 'anybody',
      query: null,
      params: null,
      body: null,
      answers: { [octets]: null },
      statuses: [404],
      handle: ({ path }) => serveTile(path)
    }),
    route({
      method: 'GET',
      path: '/v1/entries',
      operation: 'queryEntries',
      summary: 'Entries that meet every condition, in the order of the log',
      access: 'auditor',
      query: schemas.entriesQuery,
      params: null,
      body: null,
      answers: { 'application/json': schemas.entriesAnswer },
      statuses: [503],
      handle: async ({ query: { cursor, limit, ...conditions } }) => jsonAnswer(await page(filterOf(conditions), cursor, limit))
    }),
    route({
      method: 'POST',
      path: '/v1/entries',
      operation: 'appendEntries',
      summary:
        'Appends all entries, in order, or none; answered when they are durable. A key that is in the log already is answered with its place; under which another entry stands, with key-taken',
      access: 'producer',
      query: null,
      params: null,
      body: schemas.appendBody,
      answers: { 'application/json': schemas.places },
      statuses: [409, 503],
      handle: async ({ body: { entries }, caller }) => {
        if (append === null) throw new Problem('read-only', 'nothing is appended through this service')
        const items = takeEntries(entries, caller!, clock.now())
        const places = await append(items, null)
        metrics.appended.inc(places.length)
        return jsonAnswer({ places: places.map(({ index, hash }) => ({ index, hash })) })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/entries/follow',
      operation: 'followEntries',
      summary: 'Entries as they come, as server-sent events `entry` whose id is the leaf number; resumed by Last-Event-ID',
      access: 'auditor',
      query: schemas.followQuery,
      params: null,
      body: null,
      answers: { 'text/event-stream': null },
      statuses: [503],
      handle: async ({ query: { after, ...conditions }, header, caller }) => {
        const last = header('last-event-id')
        if (last !== undefined && !/^(?:0|[1-9]\d{0,14})$/.test(last)) {
          throw new Problem('invalid-request', 'Last-Event-ID: expected a leaf number')
        }
        const afterIndex = last === undefined ? (after ?? -1) : Number(last)
        const isAllowed = () => tokens.isGood(caller!.id)
        return {
          stream: (send, signal) =>
            follow(reader, { ...filterOf(conditions), afterIndex }, { clock, pollMs, heartbeatMs, isAllowed }, send, signal)
        }
      }
    }),
    route({
      method: 'GET',
      path: '/v1/entries/{index}',
      operation: 'getEntry',
      summary: 'One entry',
      access: 'auditor',
      query: null,
      params: schemas.indexParams,
      body: null,
      answers: { 'application/json': schemas.entryAnswer },
      statuses: [404, 503],
      handle: async ({ params: { index } }) => {
        const [stored] = await reader.query({ afterIndex: index - 1, limit: 1 })
        if (stored?.entry.index !== index) throw new Problem('not-found', 'the log has no such entry')
        return jsonAnswer(schemas.entryJson(stored))
      }
    }),
    route({
      method: 'GET',
      path: '/v1/traces/{id}',
      operation: 'getTrace',
      summary: 'Entries of a trace and of every trace that hangs under it',
      access: 'auditor',
      query: schemas.traceQuery,
      params: schemas.traceParams,
      body: null,
      answers: { 'application/json': schemas.entriesAnswer },
      statuses: [404, 503],
      handle: async ({ params: { id }, query: { cursor, limit } }) => {
        const found = await page({ trace: id }, cursor, limit)
        if (found.entries.length === 0 && cursor === undefined) throw new Problem('not-found', 'no entry has this trace')
        return jsonAnswer(found)
      }
    }),
    route({
      method: 'GET',
      path: '/v1/proof/inclusion',
      operation: 'proveInclusion',
      summary: 'Shows that an entry is in the tree (RFC 6962 §2.1.1)',
      access: 'auditor',
      query: schemas.inclusionQuery,
      params: null,
      body: null,
      answers: { 'application/json': schemas.inclusionAnswer },
      statuses: [404, 503],
      handle: async ({ query: { index, size: asked } }) => {
        const size = await treeSize(asked)
        if (index >= size) throw new Problem('not-found', 'the tree has no such entry')
        const hashes = await proveInclusion(tiles, index, size)
        const leaf = leafHash(await entryOctets(index))
        const root = await rootOf(size)
        return jsonAnswer({ index, size, leaf: base64(leaf), root: base64(root), hashes: hashes.map(base64) })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/proof/consistency',
      operation: 'proveConsistency',
      summary: 'Shows that one tree grew from another (RFC 6962 §2.1.2)',
      access: 'auditor',
      query: schemas.consistencyQuery,
      params: null,
      body: null,
      answers: { 'application/json': schemas.consistencyAnswer },
      statuses: [404, 503],
      handle: async ({ query: { from, to: asked } }) => {
        const to = await treeSize(asked)
        if (from > to) throw new Problem('invalid-request', 'from: expected no more than to')
        const hashes = await proveConsistency(tiles, from, to)
        const [fromRoot, toRoot] = [await rootOf(from), await rootOf(to)]
        return jsonAnswer({ from, to, fromRoot: base64(fromRoot), toRoot: base64(toRoot), hashes: hashes.map(base64) })
      }
    }),
    route({
      method: 'GET',
      path: '/v1/proof/tlog',
      operation: 'proveEntry',
      summary: 'Entry, proof and published checkpoint in one text (C2SP tlog-proof)',
      access: 'auditor',
      query: schemas.tlogProofQuery,
      params: null,
      body: null,
      answers: { [plainText]: null },
      statuses: [404, 503],
      handle: async ({ query: { index } }) => {
        const checkpoint = publishedNote()
        const { size } = parseCheckpoint(checkpoint).checkpoint
        if (index >= size) throw new Problem('not-found', 'the published checkpoint does not cover this entry')
        const proof = await proveInclusion(tiles, index, size)
        const text = formatTlogProof({ index, proof, checkpoint, extra: await entryOctets(index) })
        return { mediaType: plainText, body: text, headers: { 'cache-control': 'no-store' } }
      }
    }),
    route({
      method: 'GET',
      path: '/healthz',
      operation: 'getHealth',
      summary: 'Whether the log can be read',
      access: 'anybody',
      query: null,
      params: null,
      body: null,
      answers: { 'application/json': schemas.healthAnswer },
      statuses: [503],
      handle: async () => jsonAnswer({ status: 'ok', size: await reader.size() })
    }),
    route({
      method: 'GET',
      path: '/metrics',
      operation: 'getMetrics',
      summary: 'Figures for Prometheus',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [metrics.mediaType]: null },
      statuses: [503],
      handle: async () => ({ mediaType: metrics.mediaType, body: await metrics.text(), headers: { 'cache-control': 'no-store' } })
    }),
    route({
      method: 'GET',
      path: '/v1/cost',
      operation: 'getCost',
      summary: 'What the entries that meet every condition cost: as they tell it, else by their tokens',
      access: 'auditor',
      query: schemas.costQuery,
      params: null,
      body: null,
      answers: { 'application/json': schemas.costAnswer },
      statuses: [503],
      handle: async ({ query: { groupBy = 'component', ...conditions }, signal }) => {
        const { groups, total } = await reportCost(
          reader,
          { grouping: groupBy, rates, ...filterOf(conditions) },
          undefined,
          signal
        )
        return jsonAnswer({
          group_by: groupBy,
          groups: groups.slice(0, schemas.mostGroups).map((group) => ({ group: group.group, ...costJson(group) })),
          others: Math.max(0, groups.length - schemas.mostGroups),
          total: costJson(total)
        })
      }
    })
  ]
}
