/** What the page asks of its worker. */
import type { Grouping } from '../../audit/tally.ts'
import type { LedgerEntry } from '../../log/entry.ts'
import type { History, Payload, Proof } from './audit.ts'
import type { Filter, Row } from './records.ts'
import type { Fault, Progress, Report, Trust } from './verdict.ts'

/** What is audited: the service that the page came from, or the data in the file, as its JSON text. */
export type Source = { readonly kind: 'service'; readonly token: string } | { readonly kind: 'file'; readonly json: string }

export interface EntryView {
  readonly position: number
  /** As stored. */
  readonly text: string
  readonly entry: LedgerEntry
  readonly proof: Proof | null
  readonly payload: Payload | null
  readonly faults: readonly Fault[]
}

export interface TraceView {
  readonly id: string
  readonly parent: string | null
  readonly entries: readonly (LedgerEntry & { readonly position: number })[]
  /** Entries of the trace and of those under it; more than `entries` where there are very many. */
  readonly count: number
}

/** One line of costs: numbers as text, for they may be larger than numbers are. */
export interface CostLine {
  readonly group: string
  readonly entries: number
  readonly tokensIn: string
  readonly tokensOut: string
  /** US dollars, exact. */
  readonly cost: string
  readonly unpriced: number
}

export interface Costs {
  readonly total: CostLine
  readonly groups: readonly CostLine[]
}

/** Questions, by name: what is given and what comes back. */
export interface Questions {
  readonly open: { readonly ask: { readonly source: Source; readonly trust: Trust }; readonly answer: Report }
  /** Reads what the log has grown by, and judges again. */
  readonly refresh: { readonly ask: null; readonly answer: Report }
  readonly search: { readonly ask: Filter; readonly answer: Uint32Array }
  readonly rows: { readonly ask: readonly number[]; readonly answer: readonly Row[] }
  readonly entry: { readonly ask: { readonly index: number }; readonly answer: EntryView | null }
  readonly trace: { readonly ask: { readonly id: string }; readonly answer: TraceView }
  readonly costs: { readonly ask: { readonly grouping: Grouping; readonly trace: string | null }; readonly answer: Costs }
  readonly heads: { readonly ask: { readonly older: boolean }; readonly answer: History }
}
export type Question = keyof Questions

export interface Asked<Q extends Question = Question> {
  readonly id: number
  readonly question: Q
  readonly ask: Questions[Q]['ask']
}

export type Told =
  | { readonly id: number; readonly progress: Progress }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly status: number | null } }
