/**
 * Evidence bundles: what one says of itself, and the entries of a bundle that holds a whole log.
 *
 * @see C2SP tlog-tiles
 */
import { InfraFabricError, messageOf } from '#kernel'
import { type Archive, openArchive } from './archive.ts'
import { type CheckpointNote, readCheckpoint } from './notes.ts'
import { type BesidePayload, type EntrySource, isCount, largestRun, SourceDamaged, tilePath } from './sources.ts'

/** What `bundle.json` claims. */
export interface BundleFacts {
  readonly origin: string
  /** Entries under the head. */
  readonly size: number
  /** Base64. */
  readonly root: string
  /** Entries in the bundle. */
  readonly entries: number
  /** Whether payloads from beside the log were exported. */
  readonly payloads: boolean
  /** Null for a whole log. */
  readonly filter: Readonly<Record<string, unknown>> | null
}

const largestText = 1 << 20
/** Of payloads altogether: they are held in memory. */
const largestPayloads = 1 << 28
const alwaysThere = ['README.md', 'bundle.json', 'checkpoint', 'vkeys']
const maybeThere = ['index.html', 'payloads.jsonl', 'policy', 'rates.yaml']
const tileWidth = 256

/** Octets that are hashed anyhow: a change shows there, and by the number of the entry. */
const isEntries = (name: string): boolean => name.startsWith('tile/entries/') || name.startsWith('entries/')

export interface Bundle {
  readonly archive: Archive
  readonly facts: BundleFacts
  readonly checkpoint: string
  /** Public keys in the bundle, oldest first. They are claims. */
  readonly vkeys: readonly string[]
  /** Payloads that were exported, by leaf number; null when none were asked for. */
  readonly payloads: () => ReadonlyMap<number, BesidePayload> | null
}

/** @throws {SourceDamaged} @throws {Error} when it cannot be read */
export function openBundle(path: string): Bundle {
  const archive = openArchive(path)
  try {
    const facts = readFacts(archive)
    let payloads: ReadonlyMap<number, BesidePayload> | null | undefined
    return {
      archive,
      facts,
      checkpoint: archive.read('checkpoint', largestText).toString('utf8'),
      vkeys: archive
        .read('vkeys', largestText)
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== ''),
      payloads: () => {
        payloads ??= facts.payloads ? readPayloads(archive) : null
        return payloads
      }
    }
  } catch (error) {
    archive.close()
    throw error
  }
}

function readFacts(archive: Archive): BundleFacts {
  const claim = JSON.parse(json(archive.read('bundle.json', largestText))) as Record<string, unknown> | null
  const { v, origin, size, root, entries, payloads, filter } = claim ?? {}
  const isText = typeof origin === 'string' && typeof root === 'string'
  const isFilter = filter === null || (typeof filter === 'object' && !Array.isArray(filter))
  if (v !== 1 || !isText || !isCount(size) || !isCount(entries) || typeof payloads !== 'boolean' || !isFilter)
    throw new SourceDamaged('bundle.json is not that of a bundle of version 1')
  return { origin, size, root, entries, payloads, filter: filter as BundleFacts['filter'] }
}

/** Text that is JSON. @throws {SourceDamaged} */
function json(octets: Buffer, name = 'bundle.json'): string {
  const text = octets.toString('utf8')
  try {
    JSON.parse(text)
  } catch (error) {
    throw new SourceDamaged(`${name} is not JSON`, { cause: error })
  }
  return text
}

function readPayloads(archive: Archive): Map<number, BesidePayload> {
  const found = new Map<number, BesidePayload>()
  let last = -1
  for (const line of archive.read('payloads.jsonl', largestPayloads).toString('utf8').split('\n').slice(0, -1)) {
    const { index, payload, salt } = JSON.parse(json(Buffer.from(line), 'a line of payloads.jsonl'))
    if (!isCount(index) || index <= last || typeof payload !== 'string' || typeof salt !== 'string')
      throw new SourceDamaged('a line of payloads.jsonl is not of its form, or out of order')
    last = index
    found.set(index, { payload, salt })
  }
  return found
}

/** Sees to it that the bundle holds exactly the files that such a bundle has. @throws {SourceDamaged} */
export function expectNames({ archive, facts }: Bundle, expected: Iterable<string>): void {
  const names = new Set([...alwaysThere, ...expected, ...(facts.payloads ? ['payloads.jsonl'] : [])])
  for (const name of names) if (!archive.files.has(name)) throw new SourceDamaged(`${name} is missing`)
  for (const name of archive.files.keys()) {
    const known = names.has(name) || (maybeThere.includes(name) && (name !== 'payloads.jsonl' || facts.payloads))
    if (!known) throw new SourceDamaged(`${name} has no place in a bundle`)
  }
}

/** Holds what the bundle says of itself against what was found. @throws {SourceDamaged} */
export function expectFacts({ facts }: Bundle, note: Pick<CheckpointNote, 'origin' | 'size' | 'root'>, entries: number): void {
  const told: readonly (readonly [string, unknown, unknown])[] = [
    ['origin', facts.origin, note.origin],
    ['size', facts.size, note.size],
    ['root', facts.root, Buffer.from(note.root).toString('base64')],
    ['entries', facts.entries, entries]
  ]
  const wrong = told.find(([, claimed, found]) => claimed !== found)
  if (wrong !== undefined) throw new SourceDamaged(`bundle.json says another ${wrong[0]} than is found`)
}

/** Holds headers and checksums of everything but entries. @throws {SourceDamaged} */
export const expectUndamaged = ({ archive }: Bundle): void => archive.check((name) => !isEntries(name))

/** Names of the tiles of a log of `size` entries. */
function* tileNames(size: number): Generator<string> {
  for (const level of ['entries', ...Array.from({ length: 8 }, (_, number) => number)]) {
    const count = Math.floor(size / (typeof level === 'number' ? tileWidth ** level : 1))
    for (let position = 0; position * tileWidth < count; position++) {
      const width = Math.min(tileWidth, count - position * tileWidth)
      yield `tile/${level}/${tilePath(position)}${width === tileWidth ? '' : `.p/${width}`}`
    }
  }
}

/** Leaf number of the first entry in `tile/entries/<N>[.p/<W>]`. */
const beginOf = (name: string): number =>
  Number(
    name
      .slice('tile/entries/'.length)
      .replace(/\.p\/.*$/, '')
      .replace(/[x/]/g, '')
  ) * tileWidth

/** The entries of a whole log in a bundle. @throws {InfraFabricError} `ledger.bundle.selection` for a bundle that holds none */
export function openBundleSource(path: string): EntrySource {
  const bundle = openBundle(path)
  const { archive, facts } = bundle
  if (facts.filter !== null) {
    archive.close()
    throw new InfraFabricError('ledger.bundle.selection', 'the bundle holds a selection of entries, no log')
  }
  const nameOf = (position: number) => `tile/entries/${tilePath(position)}`
  let full = 0
  while (archive.files.has(nameOf(full))) full++
  const partial = [...Array(tileWidth).keys()].find((width) => archive.files.has(`${nameOf(full)}.p/${width}`)) ?? 0
  const end = full * tileWidth + partial
  const later = [...archive.files.keys()].some((name) => name.startsWith('tile/entries/') && beginOf(name) > end)
  if (later) {
    archive.close()
    throw new SourceDamaged(`${nameOf(full)} is missing`)
  }
  const published = archive.files.get('checkpoints.log')
  return {
    head: () => ({ checkpoint: bundle.checkpoint, size: null, lastHash: null }),
    end: () => end,
    seam: (index) => index - (index % tileWidth),
    runs: function* (from, to) {
      for (let position = Math.floor(from / tileWidth); position * tileWidth < Math.min(to, end); position++) {
        const width = Math.min(tileWidth, end - position * tileWidth)
        const name = `${nameOf(position)}${width === tileWidth ? '' : `.p/${width}`}`
        yield { first: position * tileWidth, count: width, data: archive.raw(name, largestRun) }
      }
    },
    beside: {
      hasTiles: true,
      tile: (level, position, width) => {
        const name = `tile/${level}/${tilePath(position)}`
        const found = [name, `${name}.p/${width}`].find((each) => archive.files.has(each))
        return found === undefined ? null : archive.read(found, tileWidth * 32)
      },
      erasable: (indexes) => {
        const payloads = bundle.payloads()
        if (payloads === null) return null
        return new Map(indexes.flatMap((index) => (payloads.has(index) ? [[index, payloads.get(index)!]] : [])))
      },
      erasables: () => bundle.payloads()?.size ?? 0
    },
    published: published === undefined ? null : { path, start: published.at, end: published.at + published.size },
    claims: {
      damage: () => expectUndamaged(bundle),
      facts: (note) => {
        expectNames(bundle, ['checkpoints.log', ...tileNames(end)])
        expectFacts(bundle, note, end)
      }
    },
    close: () => archive.close()
  }
}

/** The head of a bundle. @throws {SourceDamaged} when it is none */
export function headOf({ checkpoint }: Bundle): CheckpointNote {
  try {
    return readCheckpoint(checkpoint)
  } catch (error) {
    throw new SourceDamaged(messageOf(error), { cause: error })
  }
}
