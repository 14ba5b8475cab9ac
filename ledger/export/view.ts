/** What an export holds: the log as it stood under one signed head, or those of its entries that a filter finds. */
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { InfraFabricError } from '#kernel'
import { commitmentOf, type Erasable, isCommittedTo } from '../log/commitment.ts'
import { openEntry } from '../log/entry.ts'
import { type CheckpointNote, isSignedBy, parseCheckpoint, parseVerifierKey } from '../log/note.ts'
import { noPolicy, type Policy, parsePolicy } from '../log/policy.ts'
import { rootAt } from '../log/prover.ts'
import { entriesOf } from '../log/segment.ts'
import type { LedgerFilter } from '../read/entry-index.ts'
import type { LedgerReader } from '../read/reader.ts'
import { tilesOf } from '../read/tiles.ts'
import { latestPublished } from '../store/published.ts'

export interface ExportSource {
  readonly reader: LedgerReader
  /** Files of the ledger's folder: first public key, published heads, policy. */
  readonly files: { readonly vkey: string; readonly published: string; readonly policy: string }
}

export interface ExportSelection {
  readonly filter: LedgerFilter
  /** Takes the newest head though no quorum has cosigned it. */
  readonly unwitnessed?: boolean
  /** What lies beside the log is exported too. */
  readonly withPayloads?: boolean
  /** Ends the reading early. */
  readonly signal?: AbortSignal
}

export interface ExportedEntry {
  readonly index: number
  /** As stored; valid until the next entry is asked for. */
  readonly bytes: Uint8Array
  /** Of an entry that commits to a payload, where payloads are exported: payload and salt, null once it was erased. */
  readonly erasable?: Erasable | null
}

/** An entry by which a key took over. */
export interface Rotation {
  readonly index: number
  readonly bytes: Uint8Array
  /** Public half of the key that took over. */
  readonly vkey: string
  /** The head up to this entry, which both keys signed; null when it was not published. */
  readonly checkpoint: string | null
}

export interface ExportView {
  readonly reader: LedgerReader
  readonly origin: string
  /** Entries under the head. */
  readonly size: number
  readonly root: Buffer
  /** The head, a signed note. */
  readonly checkpoint: string
  readonly note: CheckpointNote
  /** First public key. */
  readonly vkey: string
  /** In their order; found by the index. */
  readonly rotations: () => Promise<readonly Rotation[]>
  /** Text of the policy; null where the log has none. */
  readonly policy: string | null
  /** Entries that are in the log already, but under no head that the quorum cosigned. */
  readonly leftOut: number
  readonly whole: boolean
  readonly filter: LedgerFilter
  readonly withPayloads: boolean
  /** Entries in their order, read as they are asked for. @throws {InfraFabricError} `ledger.export.aborted` */
  readonly entries: () => AsyncGenerator<ExportedEntry>
  /** Lines of the published heads up to this one, each a JSON string; such that cannot be read are kept: a damaged file is shown as it is. */
  readonly publishedLines: () => AsyncGenerator<string>
}

const pageSize = 1000

/** Whether a filter leaves nothing out. */
const isWhole = (filter: LedgerFilter): boolean => Object.values(filter).every((value) => value === undefined)

/**
 * Chooses the head and looks what belongs to it.
 *
 * @throws {InfraFabricError} `ledger.export.empty`; `ledger.export.head-differs` when the head is not of these entries: `verify` tells more
 */
export async function openExport(
  { reader, files }: ExportSource,
  { filter, unwitnessed = false, withPayloads = false, signal }: ExportSelection
): Promise<ExportView> {
  const head = await reader.log.head()
  if (head.checkpoint === null)
    throw new InfraFabricError('ledger.export.empty', 'the ledger is empty: there is nothing to export')
  const policyText = existsSync(files.policy) ? readFileSync(files.policy) : null
  const policy = policyText === null ? noPolicy : parsePolicy(policyText)
  const checkpoint = chooseHead(files.published, policy, head, unwitnessed)
  const note = parseCheckpoint(checkpoint)
  const { origin, size, root } = note.checkpoint
  if (size > head.size || !(await rootAt(tilesOf(reader.log), size)).equals(root)) {
    throw new InfraFabricError('ledger.export.head-differs', `the head of ${size} entries is not of this log: verify it`)
  }
  const goOn = () => {
    if (signal?.aborted) throw new InfraFabricError('ledger.export.aborted', 'stopped before the end was reached')
  }
  const vkey = readFileSync(files.vkey, 'utf8').trim()
  const publishedLines = () => linesUpTo(files.published, size)
  const whole = isWhole(filter)
  return {
    reader,
    origin,
    size,
    root,
    checkpoint,
    note,
    vkey,
    rotations: () => findRotations(reader, size, vkey, publishedLines),
    policy: policyText?.toString('utf8') ?? null,
    leftOut: head.size - size,
    whole,
    filter,
    withPayloads,
    publishedLines,
    entries: async function* () {
      for await (const page of whole ? segmentsOf(reader, size) : pagesOf(reader, filter, size)) {
        goOn()
        if (withPayloads) yield* withErasable(reader, page)
        else yield* page
      }
    }
  }
}

function chooseHead(
  published: string,
  policy: Policy,
  head: { readonly size: number; readonly checkpoint: string | null },
  unwitnessed: boolean
): string {
  // published heads carry cosignatures, the head of the store has none
  const witnessed = latestPublished(published, policy)
  if (witnessed === null) return head.checkpoint!
  if (policy.quorum !== null && !unwitnessed) return witnessed
  return parseCheckpoint(witnessed).checkpoint.size === head.size ? witnessed : head.checkpoint!
}

async function* segmentsOf({ log }: LedgerReader, size: number): AsyncGenerator<ExportedEntry[]> {
  for await (const { first, data } of log.segments(0, size)) {
    yield entriesOf(data).flatMap((bytes, number) => (first + number < size ? [{ index: first + number, bytes }] : []))
  }
}

async function* pagesOf(reader: LedgerReader, filter: LedgerFilter, size: number): AsyncGenerator<ExportedEntry[]> {
  let left = filter.limit ?? Number.POSITIVE_INFINITY
  let afterIndex = filter.afterIndex ?? -1
  while (left > 0) {
    const limit = Math.min(left, pageSize)
    const page = await reader.query({ ...filter, afterIndex, limit })
    yield page.filter(({ entry }) => entry.index < size).map(({ entry, bytes }) => ({ index: entry.index, bytes }))
    if (page.length < limit) return
    afterIndex = page.at(-1)!.entry.index
    left -= page.length
  }
}

const commitmentMember = Buffer.from('"commitment":')

async function* withErasable({ log }: LedgerReader, page: readonly ExportedEntry[]): AsyncGenerator<ExportedEntry> {
  const committed = new Map(
    page.flatMap(({ index, bytes }) => {
      if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(commitmentMember)) return []
      const commitment = commitmentOf(openEntry(bytes).payload)
      return commitment === null ? [] : [[index, commitment] as const]
    })
  )
  const beside = committed.size === 0 ? new Map<number, Erasable>() : await log.erasable([...committed.keys()])
  for (const entry of page) {
    const commitment = committed.get(entry.index)
    const erasable = beside.get(entry.index)
    if (commitment === undefined) yield entry
    else if (erasable === undefined) yield { ...entry, erasable: null }
    else if (isCommittedTo(commitment, erasable)) yield { ...entry, erasable }
    else {
      throw new InfraFabricError(
        'ledger.export.payload-differs',
        `what lies beside entry ${entry.index} is not what it committed to: leave payloads out`
      )
    }
  }
}

/** Published heads of this size and below; of lines that are none, those before the last such head. */
async function* linesUpTo(path: string, size: number): AsyncGenerator<string> {
  if (!existsSync(path)) return
  let unread: string[] = []
  // a torn last line was not published: readline gives it, and it is no JSON string
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const note = readLine(line)
    if (note === null) unread.push(line)
    else if (note.checkpoint.size > size) return
    else {
      yield* unread
      unread = []
      yield line
    }
  }
}

function readLine(line: string): CheckpointNote | null {
  try {
    return parseCheckpoint(JSON.parse(line))
  } catch {
    return null
  }
}

const mostRotations = 10_000
/** What the ledger tells of itself. */
const ownComponent = 'IF.witness.ledger'

const rotationMember = Buffer.from('"event":"key_rotated"')

/** The public key that an entry brings; null for every entry that brings none. */
export function keyBroughtBy(bytes: Uint8Array): string | null {
  // looked for before it is parsed: hardly any entry does
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(rotationMember)) return null
  const { component, event, payload } = openEntry(bytes)
  if (component !== ownComponent || event !== 'key_rotated' || typeof payload.vkey !== 'string') return null
  return payload.vkey
}

async function findRotations(
  reader: LedgerReader,
  size: number,
  first: string,
  publishedLines: () => AsyncGenerator<string>
): Promise<Rotation[]> {
  const found = await reader.query({ component: ownComponent, event: 'key_rotated', limit: mostRotations })
  const rotations = found.flatMap(({ entry, bytes }) => {
    const vkey = entry.index < size ? keyBroughtBy(bytes) : null
    return vkey === null ? [] : [{ index: entry.index, bytes, vkey }]
  })
  const byHead = new Map(rotations.map((rotation) => [rotation.index + 1, rotation]))
  const checkpoints = new Map<number, string>()
  if (rotations.length > 0) {
    let before = parseVerifierKey(first)
    for await (const line of publishedLines()) {
      const note = readLine(line)
      const rotation = note === null ? undefined : byHead.get(note.checkpoint.size)
      if (note === null || rotation === undefined || checkpoints.has(rotation.index)) continue
      const next = parseVerifierKey(rotation.vkey)
      if (!isSignedBy(note, before) || !isSignedBy(note, next)) continue
      checkpoints.set(rotation.index, JSON.parse(line))
      before = next
    }
  }
  return rotations.map((rotation) => ({ ...rotation, checkpoint: checkpoints.get(rotation.index) ?? null }))
}
