import type { JsonObject } from '../json.ts'

/** One thing that happened, as the code that saw it tells it to the ledger. */
export interface WitnessEvent {
  /** Name from the event list (docs/architecture.md): `sip_invite_received`, `REJECTED`, … */
  readonly event: string
  /** Who saw it: `IF.witness.sip`, `IF.guard`, `IF.proxy`, `IF.bridge.conference`, … */
  readonly component: string
  readonly traceId: string
  /** Set on the entries of a child trace: a query for the parent returns them too. */
  readonly parentTraceId?: string
  /** Facts. Bodies and SDP by their SHA-256; no credentials. */
  readonly payload: JsonObject
  /** Facts that may have to be erased one day: kept beside the ledger, which holds a salted hash of them as the payload's `commitment`. */
  readonly erasable?: JsonObject
  readonly tokensIn?: number
  readonly tokensOut?: number
  /** US dollars as an exact decimal string, e.g. `0.09095`. */
  readonly cost?: string
  readonly model?: string
}

/** What became of an event. Either way it survives `kill -9` of this process and, where the disk keeps its promises, a power cut. */
export type WitnessReceipt =
  /** In the log at `index` (0-based leaf number). `hash` is the leaf's entry hash, 64 hex digits. */
  | { readonly state: 'committed'; readonly index: number; readonly hash: string }
  /** The ledger was out of reach: kept in the local spool, to be delivered later, in order. */
  | { readonly state: 'spooled' }

/**
 * Whether somebody waits for the receipt of an event. Those for which nobody does may go to the log together with the next ones: some milliseconds later, and for a
 * fraction of the work.
 */
export type WitnessHaste = 'now' | 'soon'

/** The port through which everything that happens is recorded. */
export interface Witness {
  /**
   * Records one event; resolves when it is durable. Calls made one after another are recorded in that order.
   *
   * @param haste default `now`; one that goes at once takes all before it along
   * @throws {InfraFabricError} `witness.unrecorded` when neither the ledger nor the spool could take it. The caller decides by policy whether
   * the call goes on ("no record, no call" per event kind).
   */
  readonly record: (event: WitnessEvent, haste?: WitnessHaste) => Promise<WitnessReceipt>
}

/** Records many items, whatever they are, by one entry: its payload gets a member `batch` with the root of a Merkle tree, by which each item can be proved. */
export interface BatchWitness {
  /**
   * @param kind what the items are: `recording`, …
   * @param items at least one, in the order of the leaves; not kept
   * @throws {InfraFabricError} as {@link Witness.record}
   */
  readonly recordBatch: (event: WitnessEvent, kind: string, items: readonly Uint8Array[]) => Promise<WitnessReceipt>
}
