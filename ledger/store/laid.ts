/**
 * Events on their way to the sequencer: their texts as they will be stored, one behind the other, without leaf numbers and previous hashes, which nobody knows earlier.
 *
 *     | text before the leaf number | text before the previous hash | text behind it | text before … |
 */
import type { Erasable } from '../log/commitment.ts'
import { type EntryDraft, expectBeginFromProducer } from '../log/entry.ts'
import type { OwnItem } from './store.ts'

/** An event laid out. Its places are those in `octets`. */
export interface LaidItem {
  readonly octets: Buffer
  readonly start: number
  /** Where its leaf number will stand. */
  readonly index: number
  /** Where the previous hash will stand. */
  readonly prev: number
  readonly end: number
  /** Idempotency key, as of an AppendItem. */
  readonly key: string
  readonly erasable: Erasable | undefined
  /** As of an OwnItem. */
  readonly erases: number | undefined
}

/** Octets laid out, one item behind the other, and of each item how long its three parts are. */
export interface LaidText {
  readonly octets: Buffer<ArrayBuffer>
  readonly lengths: Uint32Array<ArrayBuffer>
}

const partsOfItem = 3

/** Lays events out, one behind the other. */
export class Layout {
  readonly #parts: string[] = []
  #length = 0

  /** Characters so far. */
  get length(): number {
    return this.#length
  }

  add([begin, between, behind]: EntryDraft): void {
    this.#parts.push(begin, between, behind)
    this.#length += begin.length + between.length + behind.length
  }

  /** What was laid out. */
  text(): LaidText {
    const parts = this.#parts
    const text = parts.join('')
    const octets = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    const isAscii = octets.length === text.length
    octets.write(text, isAscii ? 'latin1' : 'utf8')
    const lengths = new Uint32Array(parts.length)
    for (let part = 0; part < parts.length; part++)
      lengths[part] = isAscii ? parts[part]!.length : Buffer.byteLength(parts[part]!)
    return { octets, lengths }
  }
}

/** Takes laid items out of a text, one after another. */
export class LaidTextReader {
  readonly #octets: Buffer
  readonly #lengths: Uint32Array
  #at = 0
  #of = 0

  constructor({ octets, lengths }: LaidText) {
    // what crossed to another thread is a plain array of octets there
    this.#octets = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    this.#lengths = lengths
  }

  /** Octets read so far. */
  get at(): number {
    return this.#at
  }

  next(key: string, erasable?: Erasable, erases?: number): LaidItem {
    const start = this.#at
    const index = start + this.#lengths[this.#of]!
    const prev = index + this.#lengths[this.#of + 1]!
    const end = prev + this.#lengths[this.#of + 2]!
    this.#of += partsOfItem
    this.#at = end
    return { octets: this.#octets, start, index, prev, end, key, erasable, erases }
  }
}

export function layOut(items: readonly (OwnItem & { readonly erasable?: Erasable })[]): LaidItem[] {
  const layout = new Layout()
  for (const { draft } of items) layout.add(draft)
  const reader = new LaidTextReader(layout.text())
  return items.map(({ key, erasable, erases }) => reader.next(key, erasable, erases))
}

/** Texts before the leaf number that were found to be a producer's own, by their length: the same few come again and again. */
const allowedBegins: (Buffer | undefined)[] = []

function isAllowed({ octets, start, index }: LaidItem): boolean {
  const allowed = allowedBegins[index - start]
  if (allowed === undefined) return false
  for (let at = 0; at < allowed.length; at++) if (allowed[at] !== octets[start + at]) return false
  return true
}

/**
 * What comes from a producer, by whatever way it came: nothing that could be taken for the ledger's own word.
 *
 * @throws {InfraFabricError} `ledger.entry.reserved`; `ledger.entry.invalid` for what is no draft
 */
export function expectFromProducer(item: LaidItem): void {
  if (isAllowed(item)) return
  const begin = item.octets.toString('latin1', item.start, item.index)
  expectBeginFromProducer(begin)
  allowedBegins[begin.length] = Buffer.from(begin, 'latin1')
}
