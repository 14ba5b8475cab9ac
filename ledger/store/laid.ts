/**
 * Events on their way to the sequencer, laid out as they will stand in a segment but for two holes: the leaf number, and the hash of the entry before, which nobody
 * knows earlier. A row of them is copied in one go where the number is as long as its hole.
 *
 *     | length (2) | text | leaf number (some) | text | previous hash (64) | text | length (2) | …
 *
 * The two octets of the length are filled in by the sequencer, too.
 */
import type { Erasable } from '../log/commitment.ts'
import { type EntryDraft, expectBeginFromProducer, noPrevious } from '../log/entry.ts'
import { lengthOctets } from '../log/segment.ts'
import type { OwnItem } from './store.ts'

/** Octets of a hash in an entry: 64 hex digits. */
const prevOctets: number = noPrevious.length

/** An event laid out. Its places are those in `octets`. */
export interface LaidItem {
  readonly octets: Buffer
  /** Where the entry begins, behind the octets of its length. */
  readonly start: number
  /** Where its leaf number begins, and where the text goes on behind it. */
  readonly index: number
  readonly rest: number
  /** Where the previous hash begins. */
  readonly prev: number
  readonly end: number
  /** Idempotency key, as of an AppendItem. */
  readonly key: string
  readonly erasable: Erasable | undefined
  /** As of an OwnItem. */
  readonly erases: number | undefined
}

/** Octets laid out, one item behind the other, and of each item how long the text before the number, between the holes and behind them is. */
export interface LaidText {
  readonly octets: Buffer<ArrayBuffer>
  readonly lengths: Uint32Array<ArrayBuffer>
  /** Digits of each hole for a leaf number. */
  readonly digits: number
}

const lengthsOfItem = 3
/** Parts of an item: its length, and five parts of the entry. */
const partsOfItem = 6
const lengthHole = '\0'.repeat(lengthOctets)

/** Lays events out, one behind the other. */
export class Layout {
  readonly #digits: number
  readonly #number: string
  readonly #parts: string[] = []
  #length = 0

  /** @param next the leaf number that the first is likely to get */
  constructor(next: number) {
    this.#digits = String(next).length
    this.#number = '0'.repeat(this.#digits)
  }

  /** Characters so far. */
  get length(): number {
    return this.#length
  }

  add(draft: EntryDraft): void {
    this.#parts.push(lengthHole, draft[0], this.#number, draft[1], noPrevious, draft[2])
    this.#length += lengthOctets + draft[0].length + this.#digits + draft[1].length + prevOctets + draft[2].length
  }

  /** What was laid out. */
  text(): LaidText {
    const parts = this.#parts
    // to write the parts themselves would have each of them, which is mostly put together of many, made one text first and kept as that
    const text = parts.join('')
    const octets = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    const isAscii = octets.length === text.length
    octets.write(text, isAscii ? 'latin1' : 'utf8')
    const octetsOf = (part: string): number => (isAscii ? part.length : Buffer.byteLength(part))
    const lengths = new Uint32Array((parts.length / partsOfItem) * lengthsOfItem)
    for (let part = 0, of = 0; part < parts.length; part += partsOfItem) {
      lengths[of++] = octetsOf(parts[part + 1]!)
      lengths[of++] = octetsOf(parts[part + 3]!)
      lengths[of++] = octetsOf(parts[part + 5]!)
    }
    return { octets, lengths, digits: this.#digits }
  }
}

/** Takes laid items out of a text, one after another. */
export class LaidTextReader {
  readonly #octets: Buffer
  readonly #lengths: Uint32Array
  readonly #digits: number
  #at = 0
  #of = 0

  constructor({ octets, lengths, digits }: LaidText) {
    // what crossed to another thread is a plain array of octets there
    this.#octets = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    this.#lengths = lengths
    this.#digits = digits
  }

  /** Octets read so far. */
  get at(): number {
    return this.#at
  }

  next(key: string, erasable?: Erasable, erases?: number): LaidItem {
    const start = this.#at + lengthOctets
    const index = start + this.#lengths[this.#of]!
    const rest = index + this.#digits
    const prev = rest + this.#lengths[this.#of + 1]!
    const end = prev + prevOctets + this.#lengths[this.#of + 2]!
    this.#of += lengthsOfItem
    this.#at = end
    return { octets: this.#octets, start, index, rest, prev, end, key, erasable, erases }
  }
}

/** @param next the leaf number that the first is likely to get */
export function layOut(items: readonly (OwnItem & { readonly erasable?: Erasable })[], next: number): LaidItem[] {
  const layout = new Layout(next)
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
