import { InfraFabricError } from '#kernel'
import { leafHash } from '../log/merkle.ts'
import { entriesOf, maxEntryOctets } from '../log/segment.ts'
import { tileHashes, tileWidth } from '../log/tree.ts'
import { openEntryIndex } from '../read/entry-index.ts'
import { createLedgerReader, indexPathOf, type LedgerReader } from '../read/reader.ts'
import { formatTilePath } from '../service/tile-path.ts'
import type { LogReader, Segment } from '../store/store.ts'
import { type Bundle, openBundle } from '../verify/bundle.ts'

const largestSegment = tileWidth * (maxEntryOctets + 2)
const largestProof = 1 << 18
const entryName = /^entries\/(\d{12})\.json$/

/**
 * Reads the entries of an evidence bundle as those of a ledger. The bundle is believed: verify it first.
 *
 * Of a selection the entries stand where they stand in the log, with nothing between them; it has no tiles, since each entry brings its proof.
 *
 * @throws {Error} when it cannot be read or is no bundle
 */
export function openBundleReader(path: string): LedgerReader {
  const bundle = openBundle(path)
  const selection = bundle.facts.filter !== null
  const log = selection ? selectionReader(bundle) : wholeReader(bundle)
  // an index kept beside a selection could not be told from that of another one
  const index = openEntryIndex(selection ? null : indexPathOf(path), log, { gaps: selection })
  const reader = createLedgerReader(log, index, { payloads: bundle.facts.payloads })
  if (!selection) return reader
  const proofName = (number: number) => `proofs/${String(number).padStart(12, '0')}.tlog-proof`
  return { ...reader, keptProof: (number) => bundle.archive.read(proofName(number), largestProof).toString('utf8') }
}

function common({ archive, checkpoint, facts, payloads }: Bundle): Pick<LogReader, 'erasable' | 'close'> & {
  readonly headBehind: (last: Uint8Array | null) => Awaited<ReturnType<LogReader['head']>>
} {
  return {
    headBehind: (last) => ({
      size: facts.size,
      lastHash: last === null ? '' : leafHash(last).toString('hex'),
      checkpoint
    }),
    erasable: async (indexes) => {
      const beside = payloads()
      return new Map(indexes.flatMap((index) => (beside?.has(index) ? [[index, beside.get(index)!]] : [])))
    },
    close: async () => archive.close()
  }
}

function wholeReader(bundle: Bundle): LogReader {
  const { headBehind, ...rest } = common(bundle)
  const { size } = bundle.facts
  const segment = (index: number): Segment => {
    const width = Math.min(tileWidth, size - index * tileWidth)
    const name = `tile/${formatTilePath({ level: 'entries', index, width })}`
    return { first: index * tileWidth, count: width, data: bundle.archive.raw(name, largestSegment) }
  }
  const last = (): Uint8Array => entriesOf(segment(Math.floor((size - 1) / tileWidth)).data).at(-1)!
  return {
    ...rest,
    head: async () => headBehind(last()),
    segments: async function* (from, to) {
      for (let index = Math.floor(from / tileWidth); index * tileWidth < Math.min(to, size); index++) yield segment(index)
    },
    tile: async (level, index) => {
      const width = Math.min(tileWidth, tileHashes(size, level) - index * tileWidth)
      if (width <= 0) return null
      return bundle.archive.read(`tile/${formatTilePath({ level, index, width })}`, tileWidth * 32)
    }
  }
}

function selectionReader(bundle: Bundle): LogReader {
  const { headBehind, ...rest } = common(bundle)
  const { archive } = bundle
  const names = [...archive.files.keys()].flatMap((name) => {
    const digits = entryName.exec(name)?.[1]
    return digits === undefined ? [] : [[Number(digits), name] as const]
  })
  const bytesOf = (name: string) => archive.raw(name, maxEntryOctets)
  return {
    ...rest,
    head: async () => headBehind(names.length === 0 ? null : bytesOf(names.at(-1)![1])),
    segments: async function* (from, to) {
      for (const [first, name] of names) {
        if (first < from) continue
        if (first >= to) return
        const bytes = bytesOf(name)
        yield { first, count: 1, data: Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]) }
      }
    },
    tile: async () => {
      throw new InfraFabricError(
        'ledger.bundle.selection',
        'a selection holds no tree: the proofs of its entries stand in the bundle, proofs/<number>.tlog-proof'
      )
    }
  }
}
