import type { WitnessEvent } from '#kernel'

/** An event on its way into the log. */
export interface AppendItem {
  readonly event: WitnessEvent
  /** When it was told, milliseconds since 1970. */
  readonly timeMs: number
  /** Idempotency key: of several appends with one key the first is kept, and each is answered with its place. */
  readonly key: string
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

/**
 * Where the log is kept.
 *
 * Durability: when `append` returns, its entries and the checkpoint that covers them survive `kill -9` and, where the disk keeps its promises, a power
 * cut. When it throws, none of them is in the log, save after a crash of the machine in between: then all are, and their keys tell.
 *
 * Concurrency: any number of processes may append. Each append reads the head and replaces it in one step (compare-and-swap); a writer whose idea of
 * the head is old goes on from the new one. The log never forks.
 *
 * Crash order: entries, head and checkpoint become durable together. Published copies of the checkpoint come after, so a published head is never
 * ahead of the log.
 */
export interface LedgerStore {
  /**
   * Appends all items, in order, or none.
   *
   * @throws {InfraFabricError} `ledger.entry.invalid`, `ledger.entry.too-large` (nothing can be done with the item); `ledger.store.full`,
   * `ledger.store.busy`, `ledger.store.io`, `ledger.store.damaged` (try again later, or look at the disk)
   */
  readonly append: (items: readonly AppendItem[]) => readonly Place[]
  readonly head: () => Head
  readonly close: () => void
}
