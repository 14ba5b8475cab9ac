import type { Erasable } from '../log/commitment.ts'
import type { EntryDraft } from '../log/entry.ts'
import type { Tile } from '../log/tree.ts'
import type { KeyChanges, Producer } from './keys.ts'

/** An event on its way into the log. */
export interface AppendItem {
  readonly draft: EntryDraft
  /** Idempotency key, 1 to 128 printable ASCII characters, best `<producer>:<number>` with numbers that grow: of several appends of one entry under one key the first is kept, and each is answered with its place. */
  readonly key: string
  /** What the entry commits to. */
  readonly erasable?: Erasable
}

/** What the ledger tells of itself. */
export interface OwnItem {
  readonly draft: EntryDraft
  readonly key: string
  /** Leaf number of an entry whose erasable payload is gone once this entry, which tells of it, is in the log. */
  readonly erases?: number
}

/** Where an event stands. */
export interface Place {
  readonly index: number
  /** 64 hex digits. */
  readonly hash: string
}

export interface Head {
  readonly size: number
  /** Hash of the last entry, 64 hex digits; zeros when there is none. */
  readonly lastHash: string
  /** The signed checkpoint of exactly this size; null while the log is empty. */
  readonly checkpoint: string | null
}

/** Entries of one commit, as they are stored. */
export interface Segment {
  /** Leaf number of its first entry. */
  readonly first: number
  readonly count: number
  /** As log/segment.ts lays them out. */
  readonly data: Uint8Array
}

/** What a commit changes beside the log. */
export interface ErasableChanges {
  readonly added: readonly { readonly index: number; readonly erasable: Erasable }[]
  /** Leaf numbers. Of those payloads and their salts no copy stays in the store: not in freed pages, not in a journal. */
  readonly erased: readonly number[]
}

/** One step of the log. */
export interface Commit {
  /** The head it was made for. */
  readonly after: Head
  readonly segment: Segment
  /** Tiles that were filled, and unfinished ones above the leaves that have grown; the latter replace what is stored under their place. */
  readonly tiles: readonly Tile[]
  /** Idempotency keys of the segment's entries, in their order, as joinKeys writes them, and what they change. */
  readonly keys: string
  readonly keyChanges: KeyChanges
  readonly erasableChanges: ErasableChanges
  readonly head: Head & { readonly checkpoint: string }
}

/** Reads a log while others append to it. What is given may be a moment old, and always belongs to one head. */
export interface LogReader {
  readonly head: () => Promise<Head>
  /** Segments in order, from the one that holds entry `from` on, until entry `to` (exclusive) has been given or the log ends. */
  readonly segments: (from: number, to: number) => AsyncIterable<Segment>
  /** A stored tile: full, or unfinished as of the newest head. Null where none is stored, as for the unfinished tile of leaves. */
  readonly tile: (level: number, index: number) => Promise<Uint8Array | null>
  /** What lies beside the log of these entries; erased payloads are missing. */
  readonly erasable: (indexes: readonly number[]) => Promise<ReadonlyMap<number, Erasable>>
  readonly close: () => Promise<void>
}

/**
 * Where the log is kept.
 *
 * Durability: when `commit` resolves to true, its entries, keys, tiles, erasable payloads, head and checkpoint survive `kill -9` and, where the disk keeps its promises, a power
 * cut. When it rejects, either all of it is in the log or nothing is, and the keys tell which.
 *
 * Concurrency: any number of processes may commit. Each commit names the head it was made for and is taken only on that head, in one step
 * (compare-and-swap): the log never forks. A writer that was overtaken reads the head and makes its commit anew. Stores whose writers sit on several
 * machines also hold a lease with a fencing token, so that the writers do not get in each other's way: see `lease`.
 *
 * Crash order: everything of a commit becomes durable together. Published copies of the checkpoint come after, so a published head is never ahead of the log.
 */
export interface LogStore extends LogReader {
  /**
   * Takes a step. False when the log has another head than the step was made for: nothing was written then. Steps told one behind the other, without waiting for the
   * answers, are tried in that order.
   *
   * @param commit given away: the octets of its segment may be on their way to another thread afterwards
   * @throws {InfraFabricError} `ledger.store.full`, `ledger.store.busy`, `ledger.store.io`, `ledger.store.damaged`, `ledger.store.not-leader`; of a store out of
   *   this process also `ledger.store.unreachable`, `ledger.store.unanswered`, `ledger.store.loading`, `ledger.store.read-only`, `ledger.store.denied`,
   *   `ledger.store.not-durable`, and `ledger.store.unreplicated`: it is in the log, and not on as many machines as it should be
   */
  readonly commit: (commit: Commit) => Promise<boolean>
  /** Those of these producers that have entries in the log. */
  readonly producers: (ids: readonly string[]) => Promise<ReadonlyMap<string, Producer>>
  /** Places of those keys with a row of their own that are in the log. */
  readonly singleKeys: (keys: readonly string[]) => Promise<ReadonlyMap<string, Place>>
  /** Keys of the segments that hold entries `from` to `to` (exclusive), the newest segment first. */
  readonly keysBackward: (
    from: number,
    to: number
  ) => AsyncIterable<{ readonly segment: Segment; readonly keys: readonly string[] }>
}
