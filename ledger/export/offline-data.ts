/** One rate as a rates file has it: US dollars per million tokens, exact decimals as text. */
export interface OfflineRate {
  readonly model: string
  readonly in: string
  readonly out: string
  /** RFC 3339; null: always. */
  readonly from: string | null
}

/** What the offline page holds: enough to search, to show and to check every entry in it without asking anybody. */
export interface OfflineData {
  /** Name of the log. */
  readonly origin: string
  /** Public keys of the log, `name+hash+base64`, oldest first; each but the first took over by an entry `key_rotated`. */
  readonly keys: readonly string[]
  /** C2SP tlog-policy; null where the log has none. */
  readonly policy: string | null
  /** Checkpoints, signed notes, oldest first. The last one covers every entry; all proofs stand under it. */
  readonly checkpoints: readonly string[]
  /** Whether `entries` is the whole log: chain and tree can be rebuilt from them. Otherwise each entry has its proof. */
  readonly whole: boolean
  /** In the order of the log. */
  readonly entries: readonly {
    readonly index: number
    /** Canonical JSON as it is stored; the leaf is its UTF-8. */
    readonly bytes: string
  }[]
  /** C2SP tlog-proof without `extra`, one for each entry, in their order; empty for a whole log. */
  readonly proofs: readonly string[]
  /**
   * Of a selection: the entries `key_rotated` by which keys took over, in their order, each with a proof under a head that the key before it signed.
   * Empty for a whole log, which holds them.
   */
  readonly rotations: readonly { readonly bytes: string; readonly proof: string }[]
  /** Payloads that lie beside the log; `payload` is the canonical JSON committed to with `salt` (base64). Null where they were not exported. */
  readonly payloads: readonly { readonly index: number; readonly salt: string; readonly payload: string }[] | null
  /** What models cost; empty where costs are not shown. */
  readonly rates: readonly OfflineRate[]
}
