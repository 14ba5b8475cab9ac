/** What an audit of a log comes to. */

/**
 * `valid`: all of it fits, under keys that the auditor vouches for. `unpinned`: all of it fits, under keys that were taken over on first use.
 * `altered`, `truncated`, `forked`, `unwitnessed`, `incomplete`: as the ledger's verifier tells them apart.
 */
export type Verdict = 'valid' | 'unpinned' | 'altered' | 'truncated' | 'forked' | 'unwitnessed' | 'incomplete'

export type CheckState = 'good' | 'warn' | 'bad' | 'none'

/** One question that was asked, and how it came out. */
export interface Check {
  readonly name:
    | 'entries'
    | 'chain'
    | 'tree'
    | 'tiles'
    | 'signature'
    | 'key'
    | 'quorum'
    | 'memory'
    | 'history'
    | 'payloads'
    | 'calls'
  readonly state: CheckState
  readonly text: string
}

/** Something of the log that is not as it should be. */
export interface Fault {
  readonly kind: 'altered' | 'chain' | 'tile' | 'form' | 'proof' | 'payload'
  /** Leaf number of the entry it is about. */
  readonly index: number
  readonly text: string
}

export interface Report {
  readonly verdict: Verdict
  readonly summary: string
  readonly origin: string
  /** Entries under the checkpoint. */
  readonly size: number
  /** 64 hex digits. */
  readonly root: string
  /** The checkpoint that all was held against. */
  readonly checkpoint: string
  readonly checks: readonly Check[]
  /** The first of them, in the order of the log. */
  readonly faults: readonly Fault[]
  /** What this browser may remember of the log: null unless nothing speaks against the checkpoint. */
  readonly remember: string | null
  /** Entries in the page; fewer than `size` for a selection, or for a log larger than the page holds. */
  readonly held: number
  readonly whole: boolean
  readonly components: readonly string[]
  readonly events: readonly string[]
}

/** What an auditor, or this browser, knows of a log from before. */
export interface Trust {
  /** First key of the log. */
  readonly key: string
  /** C2SP tlog-policy; null where no cosignatures are asked for. */
  readonly policy: string | null
  /** Whether an auditor vouched for both. */
  readonly pinned: boolean
  /** When they were taken over or vouched for, milliseconds since 1970. */
  readonly sinceMs: number
  /** Newest checkpoint that this browser found good; null before the first. */
  readonly seen: string | null
}

export interface Progress {
  readonly done: number
  readonly of: number
}

/** A checkpoint of the history, as the page shows it. */
export interface Head {
  readonly size: number
  readonly root: string
  readonly note: string
  /** Time of the last entry it covers, RFC 3339; null where the page does not hold that entry. */
  readonly lastEntry: string | null
  /** Keys of the log that signed it, eight hex digits each. */
  readonly signedBy: readonly string[]
  readonly witnesses: readonly { readonly name: string; readonly timeS: number | null }[]
  readonly quorum: boolean
  readonly state: CheckState
  readonly text: string
  /** Consistency proof from the head before it, hex; null where the tree is not at hand. */
  readonly proof: readonly string[] | null
  readonly previousSize: number | null
}
