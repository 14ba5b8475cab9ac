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
 * @param ids of the keys, as {@link numberedKey} finds them
 * @param known producers as they are in the store, by id; left as it is
 */
export function keyChanges(
  keys: readonly string[],
  ids: readonly (NumberedKey | null)[],
  places: readonly Place[],
  known: ReadonlyMap<string, Producer>
): KeyChanges {
  const producers = new Map<string, { id: string; last: number; firstIndex: number; lastIndex: number }>()
  const single: { key: string; place: Place }[] = []
  keys.forEach((key, at) => {
    const place = places[at]!
    const id = ids[at]!
    if (id === null) {
      single.push({ key, place })
      return
    }
    const changed = producers.get(id.producer)
    if (changed !== undefined) {
      changed.last = Math.max(changed.last, id.number)
      changed.lastIndex = place.index
      return
    }
    const before = known.get(id.producer)
    const own = before?.id ?? ownText(id.producer)
    producers.set(own, {
      id: own,
      last: Math.max(before?.last ?? 0, id.number),
      firstIndex: before?.firstIndex ?? place.index,
      lastIndex: place.index
    })
  })
  return { producers: [...producers.values()], single }
}

/** Keys of a segment as they are stored with it. They hold no line feed: see {@link isKey}. */
export const joinKeys = (keys: readonly string[]): string => keys.join('\n')
export const splitKeys = (text: string): string[] => text.split('\n')

/** Whether a key can be kept: 1 to 128 printable ASCII characters. */
export const isKey = (key: string): boolean => /^[\x20-\x7e]{1,128}$/.test(key)
