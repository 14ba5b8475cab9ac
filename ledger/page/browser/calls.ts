/** Whether calls lack entries: each entry of a call has a number from 0 on, and the last one says how many there are. */
import type { LedgerEntry } from '../../log/entry.ts'

interface Call {
  readonly callId: string
  readonly numbers: Set<number>
  entries: number
}

/** A call of which entries are missing. */
export interface CallGap {
  readonly callId: string
  /** Numbers that are missing: the first 20 of them. */
  readonly missing: readonly number[]
}

const mostNamed = 20
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** What the entries of a log say of its calls. */
export class Calls {
  /** By trace. */
  readonly #calls = new Map<string, Call>()

  get count(): number {
    return this.#calls.size
  }

  take({ trace_id: trace, payload }: LedgerEntry): void {
    const { callId, seq, entries } = payload
    if (typeof callId !== 'string' || !isCount(seq)) return
    let call = this.#calls.get(trace)
    if (call === undefined) {
      call = { callId, numbers: new Set(), entries: 0 }
      this.#calls.set(trace, call)
    }
    call.numbers.add(seq)
    // one behind the last number known
    call.entries = Math.max(call.entries, seq + 1, isCount(entries) ? entries : 0)
  }

  gaps(): CallGap[] {
    const gaps: CallGap[] = []
    for (const { callId, numbers, entries } of this.#calls.values()) {
      if (numbers.size === entries) continue
      const missing: number[] = []
      for (let number = 0; number < entries && missing.length < mostNamed; number++)
        if (!numbers.has(number)) missing.push(number)
      gaps.push({ callId, missing })
    }
    return gaps
  }
}
