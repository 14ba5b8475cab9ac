/**
 * Whether everything that happened stands in the log: a question of its own beside whether the log was changed.
 *
 * Each entry of a call has a number, from 0 on, and the last one says how many there are: what was not recorded leaves a gap. What was not recorded at
 * all shows against the accounting of the edge, which another program wrote.
 */
import { type Accounting, accountedCall, accountedId, callIdOf } from './accounting.ts'
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
  /** Calls of which several entries have one number, which their application gives once: the first 100 of them, and such a number of each. */
  readonly doubled: readonly { readonly callId: string; readonly traceId: string; readonly number: number }[]
  /** Calls of which the edge says that the application took them, and that the log does not know: `<Call-ID>;from-tag=<tag>`, without a tag where there is none. */
  readonly missingCalls: readonly string[]
  /** The same of refusals that the edge reported, and that the log does not know. */
  readonly missingRefusals: readonly string[]
  /** Calls that the log knows and the edge does not; no fault of the log. Null without an accounting. */
  readonly unknownToEdge: number | null
}

const mostNamed = 100
const closing: ReadonlySet<string> = new Set(['TERMINATED', 'REJECTED', 'SECURITY_REJECTED'])

interface Call {
  readonly callId: string
  /** As the edge names it: none where the log does not say the tag in From, two where the INVITE went again with another. */
  readonly names: Set<string>
  readonly numbers: Set<number>
  doubled: number | null
  entries: number | null
  closed: boolean
}

export function judgeCompleteness(entries: Iterable<CallEntry>, accounting: Accounting | null): Completeness {
  const calls = new Map<string, Call>()
  const told = new Set<string>()
  for (const { traceId, callId, fromTag, seq, entries: total, event } of entries) {
    told.add(accountedCall(callId, fromTag)).add(accountedId(callId))
    // what the edge refused is told by the application, too; it is no call of the application's
    if (seq === null && event !== 'TERMINATED') continue
    const call = calls.get(traceId) ?? {
      callId,
      names: new Set<string>(),
      numbers: new Set<number>(),
      doubled: null,
      entries: null,
      closed: false
    }
    calls.set(traceId, call)
    if (fromTag !== null) call.names.add(accountedCall(callId, fromTag))
    if (seq !== null && call.numbers.has(seq)) call.doubled ??= seq
    if (seq !== null) call.numbers.add(seq)
    call.entries = total ?? call.entries
    call.closed ||= closing.has(event) || total !== null
  }
  const gaps: CallGap[] = []
  const doubled: { callId: string; traceId: string; number: number }[] = []
  let open = 0
  for (const [traceId, { callId, numbers, doubled: number, entries: total, closed }] of calls) {
    if (number !== null && doubled.length < mostNamed) doubled.push({ callId, traceId, number })
    if (!closed) open++
    const missing = missingOf(numbers, total)
    if (missing.length > 0) gaps.push({ callId, traceId, missing })
  }
  const named = new Set<string>()
  /** Call-IDs of all calls, and of those of which the log says no tag: any tag of the edge's may be theirs. */
  const callIds = new Set<string>()
  const untagged = new Set<string>()
  for (const { callId, names } of calls.values()) {
    callIds.add(accountedId(callId))
    if (names.size === 0) untagged.add(accountedId(callId))
    for (const name of names) named.add(name)
  }
  const isMissing = (call: string): boolean => {
    const callId = callIdOf(call)
    return callId === call ? !callIds.has(callId) : !named.has(call) && !untagged.has(callId)
  }
  const unknown = (taken: ReadonlySet<string>): number => {
    const takenIds = new Set([...taken].map(callIdOf))
    const isUnknown = (call: string): boolean => !taken.has(call) && !taken.has(callIdOf(call))
    return [...named].filter(isUnknown).length + [...untagged].filter((callId) => !takenIds.has(callId)).length
  }
  return {
    calls: calls.size,
    open,
    gaps,
    doubled,
    missingCalls: accounting === null ? [] : [...accounting.taken].filter(isMissing),
    missingRefusals:
      accounting === null ? [] : [...accounting.refused].filter((call) => callIdOf(call) !== '' && !told.has(call)),
    unknownToEdge: accounting === null ? null : unknown(accounting.taken)
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
