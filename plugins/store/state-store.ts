/**
 * The state that plugins share: records with versions, changed by transactions, and a feed of what was told with each change.
 */
import type { Json, JsonObject } from '#kernel'

/** A record as it was read. */
export interface StoredRecord {
  readonly key: string
  readonly value: Json
  /** Number of the commit that wrote it: never used twice in a store, so that a record that was removed and made again is told apart. */
  readonly version: number
}

/** Place in the feed: behind the event with this commit number and ordinal. `0-0` is before the first. */
export type Cursor = `${number}-${number}`

/** Something that was told with a commit. */
export interface ToldEvent {
  readonly cursor: Cursor
  /** Store time of the commit, milliseconds since 1970. */
  readonly at: number
  /** Words joined by `.`: `task.claimed.T-1`. */
  readonly topic: string
  readonly data: JsonObject
}

/** What is to become so, all of it or nothing. */
export interface Change {
  /** What must still be so: the version of a record, 0 where there must be none. */
  readonly expect: readonly { readonly key: string; readonly version: number }[]
  readonly put: readonly { readonly key: string; readonly value: Json }[]
  readonly remove: readonly string[]
  /** Told to those who watch, in this order. */
  readonly tell: readonly { readonly topic: string; readonly data: JsonObject }[]
}

export type CommitResult =
  | { readonly ok: true; readonly version: number; readonly at: number }
  /** Nothing was written: this record is not as expected. */
  | { readonly ok: false; readonly conflict: string }

/** A consistent view of some records. Absent ones are null. */
export interface Snapshot {
  readonly at: number
  readonly records: readonly (StoredRecord | null)[]
}

export interface StoreHealth {
  readonly kind: 'sqlite' | 'redis'
  /** File, or address without password. */
  readonly place: string
  /** Milliseconds of a write and its answer. */
  readonly roundTripMs: number
  /** Records, events kept in the feed, and the place behind the newest. */
  readonly records: number
  readonly events: number
  readonly newest: Cursor
  /** Settings that do not keep the store's promise; empty on a sound store. */
  readonly faults: readonly string[]
}

/**
 * Versioned records with compare-and-swap over several of them.
 *
 * - *Durability.* A commit that was acknowledged survives `kill -9` of every process and, on SQLite (WAL, synchronous FULL) and Redis with
 *   `appendfsync always`, a power cut. A Redis server with weaker settings is refused unless told otherwise.
 * - *Concurrency.* Any number of processes. Commits are serialised: each sees all before it. Of two commits that expect the same version of a record
 *   exactly one takes effect. Reads of {@link read} and {@link list} are each one snapshot; two of them are not.
 * - *Time.* `at` is the time of the store (of the server, for Redis), so that leases do not depend on the clocks of their owners.
 * - *Crash order.* Records and feed of a commit are written together; there is no state between.
 * - *Unanswered.* A commit that fails with `store.unanswered` or `store.unreachable` may have taken effect: whoever goes on reads again first.
 *
 * Keys are 1–200 characters of `A-Z a-z 0-9 . _ : @ / + -`, values at most 256 KiB of JSON, a commit at most 1,000 records.
 *
 * @throws {InfraFabricError} `store.full`, `store.io`, `store.busy`, `store.damaged`, `store.unreachable`, `store.unanswered`, `store.denied`,
 * `store.invalid`, `store.closed`
 */
export interface StateStore {
  readonly read: (keys: readonly string[]) => Promise<Snapshot>
  /** Records whose keys begin with `prefix`, in the order of their octets, behind `after`; at most `limit` (1–10,000). */
  readonly list: (
    prefix: string,
    page?: { readonly after?: string; readonly limit?: number }
  ) => Promise<{ readonly at: number; readonly records: readonly StoredRecord[] }>
  readonly count: (prefix: string) => Promise<number>
  readonly commit: (change: Change) => Promise<CommitResult>
  /**
   * Events behind `after` (`newest`: from now on) whose topics match, as they happen, until `signal` is aborted. The newest 100,000 are kept.
   *
   * @param pattern as {@link topicMatcher} reads it
   * @throws {InfraFabricError} `store.feed.gone` when events behind `after` are no longer kept
   */
  readonly watch: (options: {
    readonly after: Cursor | 'newest'
    readonly pattern: string
    readonly signal: AbortSignal
  }) => AsyncIterable<ToldEvent>
  readonly health: () => Promise<StoreHealth>
  /** Idempotent. */
  readonly close: () => Promise<void>
}

export const eventsKept = 100_000
export const maxValueOctets = 256 << 10
export const maxRecordsOfCommit = 1000

/** `*` stands for one word of a topic, `**` at the end for any number of them: `task.*.T-1`, `task.**`. */
export function topicMatcher(pattern: string): (topic: string) => boolean {
  const words = pattern.split('.')
  const open = words.at(-1) === '**'
  const fixed = open ? words.slice(0, -1) : words
  return (topic) => {
    const told = topic.split('.')
    if (open ? told.length < fixed.length : told.length !== fixed.length) return false
    return fixed.every((word, at) => word === '*' || word === told[at])
  }
}

const cursorPattern = /^\d{1,15}-\d{1,6}$/

export function isCursor(text: string): text is Cursor {
  return cursorPattern.test(text)
}

export function parseCursor(cursor: Cursor): readonly [version: number, ordinal: number] {
  const [version, ordinal] = cursor.split('-')
  return [Number(version), Number(ordinal)]
}
