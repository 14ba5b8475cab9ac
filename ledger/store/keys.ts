/**
 * Idempotency keys. A key `<producer>:<number>` is one of a producer that counts: of each such producer the store keeps one row, and the keys themselves
 * stand with the segments, where those of a repeated append are looked up. Any other key has a row of its own.
 */
import type { Place } from './store.ts'

export interface NumberedKey {
  readonly producer: string
  readonly number: number
}

/** A producer's keys in the log. */
export interface Producer {
  readonly id: string
  /** Highest number in the log. */
  readonly last: number
  /** Leaf numbers of its first and its latest entry. */
  readonly firstIndex: number
  readonly lastIndex: number
}

const numbered = /^([A-Za-z0-9_-]{1,100}):(0|[1-9]\d{0,14})$/
const mostDigits = 15

/** The number behind `producer:` in a key; -1 when it is another producer's key, or none that counts. */
function numberOf(key: string, producer: string): number {
  const from = producer.length + 1
  const digits = key.length - from
  if (digits < 1 || digits > mostDigits || key[from - 1] !== ':' || !key.startsWith(producer)) return -1
  if (digits > 1 && key[from] === '0') return -1
  let number = 0
  for (let at = from; at < key.length; at++) {
    const digit = key.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

/** {@link numberedKey} of each. Keys of one producer mostly come one behind the other: they are given its name as one text, and read without looking for it. */
export function numberedKeys(keys: readonly string[]): (NumberedKey | null)[] {
  let last: NumberedKey | null = null
  return keys.map((key) => {
    const number = last === null ? -1 : numberOf(key, last.producer)
    const id = number === -1 ? numberedKey(key) : { producer: last!.producer, number }
    if (id !== null) last = id
    return id
  })
}

export function numberedKey(key: string): NumberedKey | null {
  const match = numbered.exec(key)
  return match === null ? null : { producer: match[1]!, number: Number(match[2]) }
}

/** What a commit changes: `producers` as they are after it, and the keys that need rows of their own. */
export interface KeyChanges {
  readonly producers: readonly Producer[]
  readonly single: readonly { readonly key: string; readonly place: Place }[]
}

/** A copy of ASCII text: what was cut out of a longer text, as by {@link numberedKey}, keeps all of that in memory. */
export const ownText = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')

/**
 * @param ids of the keys, as {@link numberedKeys} finds them
 * @param first leaf number of the first key's entry; the others stand behind it
 * @param placeOf where the entry of a key stands, by the key's number
 * @param known producers as they are in the store, by id; left as it is
 */
export function keyChanges(
  keys: readonly string[],
  ids: readonly (NumberedKey | null)[],
  first: number,
  placeOf: (number: number) => Place,
  known: ReadonlyMap<string, Producer>
): KeyChanges {
  type Changed = { readonly id: string; last: number; readonly firstIndex: number; lastIndex: number }
  const producers = new Map<string, Changed>()
  const single: { key: string; place: Place }[] = []
  let name: string | null = null
  let changed: Changed | undefined
  for (let at = 0; at < keys.length; at++) {
    const id = ids[at]!
    if (id === null) {
      single.push({ key: keys[at]!, place: placeOf(at) })
      continue
    }
    if (id.producer !== name) {
      name = id.producer
      changed = producers.get(name)
    }
    if (changed === undefined) {
      const before = known.get(id.producer)
      const own = before?.id ?? ownText(id.producer)
      changed = {
        id: own,
        last: Math.max(before?.last ?? 0, id.number),
        firstIndex: before?.firstIndex ?? first + at,
        lastIndex: 0
      }
      producers.set(own, changed)
    } else if (changed.last < id.number) changed.last = id.number
    changed.lastIndex = first + at
  }
  return { producers: [...producers.values()], single }
}

/** Keys of a segment as they are stored with it. They hold no line feed: see {@link isKey}. */
export const joinKeys = (keys: readonly string[]): string => keys.join('\n')
export const splitKeys = (text: string): string[] => text.split('\n')

const longestKey = 128
/** Whether a key can be kept: 1 to 128 printable ASCII characters. No pattern: each entry has a key, and that takes more than twice as long. */
export function isKey(key: string): boolean {
  if (key.length === 0 || key.length > longestKey) return false
  for (let at = 0; at < key.length; at++) {
    const character = key.charCodeAt(at)
    if (character < 0x20 || character > 0x7e) return false
  }
  return true
}
