/**
 * Whether everything that happened stands in the log: a question of its own beside whether the log was changed.
 *
 * Each entry of a call has a number, from 0 on, and the last one says how many there are: what was not recorded leaves a gap. What was not recorded at
 * all shows against the accounting of the edge, which another program wrote.
 */
import { type Accounting, accountedId } from './accounting.ts'
import type { CallEntry } from './call-entries.ts'

/** A call of which entries are missing. */
export interface CallGap {
  readonly callId: string
  readonly traceId: string
  /** Numbers of the entries that are missing: the first 100 of them. */
  readonly missing: readonly number[]
}

export interface Completeness {
  /** Calls that the log knows. */
  readonly calls: number
  /** Calls without a last entry: still open when the log was read, or the application ended before them. */
  readonly open: number
  readonly gaps: readonly CallGap[]
  /** Call-IDs of which the edge says that the application took them, and that the log does not know. */
  readonly missingCalls: readonly string[]
  /** Call-IDs of refusals that the edge reported, and that the log does not know. */
  readonly missingRefusals: readonly string[]
  /** Call-IDs that the log knows and the edge does not; no fault of the log. Null without an accounting. */
  readonly unknownToEdge: number | null
}

const mostNamed = 100
const closing: ReadonlySet<string> = new Set(['TERMINATED', 'REJECTED', 'SECURITY_REJECTED'])

interface Call {
  readonly callId: string
  readonly numbers: Set<number>
  entries: number | null
  closed: boolean
}

export function judgeCompleteness(entries: Iterable<CallEntry>, accounting: Accounting | null): Completeness {
  const calls = new Map<string, Call>()
  const callIds = new Set<string>()
  const told = new Set<string>()
  for (const { traceId, callId, seq, entries: total, event } of entries) {
    told.add(accountedId(callId))
    // what the edge refused is told by the application, too; it is no call of the application's
    if (seq === null && event !== 'TERMINATED') continue
    callIds.add(accountedId(callId))
    const call = calls.get(traceId) ?? { callId, numbers: new Set<number>(), entries: null, closed: false }
    calls.set(traceId, call)
    if (seq !== null) call.numbers.add(seq)
    call.entries = total ?? call.entries
    call.closed ||= closing.has(event) || total !== null
  }
  const gaps: CallGap[] = []
  let open = 0
  for (const [traceId, { callId, numbers, entries: total, closed }] of calls) {
    if (!closed) open++
    const missing = missingOf(numbers, total)
    if (missing.length > 0) gaps.push({ callId, traceId, missing })
  }
  return {
    calls: calls.size,
    open,
    gaps,
    missingCalls: accounting === null ? [] : [...accounting.taken].filter((callId) => !callIds.has(callId)),
    missingRefusals: accounting === null ? [] : [...accounting.refused].filter((callId) => callId !== '' && !told.has(callId)),
    unknownToEdge: accounting === null ? null : [...callIds].filter((callId) => !accounting.taken.has(callId)).length
  }
}

/** Numbers from 0 to the last one known that are not there. */
function missingOf(numbers: ReadonlySet<number>, total: number | null): number[] {
  const end = numbers.size === 0 ? 0 : Math.max(total ?? 0, [...numbers].reduce((last, number) => Math.max(last, number), 0) + 1)
  const missing: number[] = []
  // there are more numbers than entries only where some are missing, so this ends with the entries or with enough named
  for (let number = 0; number < end && missing.length < mostNamed; number++) if (!numbers.has(number)) missing.push(number)
  return missing
}
