/**
 * Where time comes from. Protocol code is given `now` and timer expiries as inputs; only adapters hold a Clock.
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00:00Z. May step. */
  readonly now: () => number
  /** Monotonic milliseconds from an arbitrary start, with fractions. Never steps back. */
  readonly monotonicMs: () => number
  /**
   * Calls `expired` once after `delayMs`, or after 2^31−1 ms (24.8 days) when that is less; the returned function cancels it. A pending timer
   * does not keep the process alive.
   */
  readonly after: (delayMs: number, expired: () => void) => () => void
}

const maxDelayMs = 0x7fff_ffff

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, expired) => {
    // A longer delay would be taken as 1 ms.
    const timer = setTimeout(expired, Math.min(delayMs, maxDelayMs))
    timer.unref()
    return () => clearTimeout(timer)
  }
}

/** A clock that moves only when it is told to: 32 seconds of Timer B cost a test nothing. */
export interface ManualClock extends Clock {
  /** Moves time on by `ms`, firing every timer due on the way, in order of expiry and then of creation. */
  readonly advance: (ms: number) => void
  /** Number of timers not yet expired or cancelled; a test of clean teardown expects 0. */
  readonly pending: () => number
}

interface ManualTimer {
  readonly dueMs: number
  readonly sequence: number
  /** Null once it has expired or was cancelled. */
  expired: (() => void) | null
}

const isBefore = (a: ManualTimer, b: ManualTimer): boolean =>
  a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence)

/** Timers wait in a binary heap, so that a simulation of many thousand calls stays fast; cancelled ones are dropped when their time comes. */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = startMs
  let sequence = 0
  let pending = 0
  const heap: ManualTimer[] = []

  const push = (timer: ManualTimer): void => {
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  const pop = (): ManualTimer => {
    const first = heap[0]!
    const last = heap.pop()!
    const size = heap.length
    if (size > 0) {
      let at = 0
      for (let child = 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++
        if (!isBefore(heap[child]!, last)) break
        heap[at] = heap[child]!
        at = child
      }
      heap[at] = last
    }
    return first
  }

  return {
    now: () => now,
    monotonicMs: () => now - startMs,
    after: (delayMs, expired) => {
      const timer: ManualTimer = { dueMs: now + Math.max(0, delayMs), sequence: sequence++, expired }
      push(timer)
      pending++
      return () => {
        if (timer.expired === null) return
        timer.expired = null
        pending--
      }
    },
    advance: (ms) => {
      const until = now + ms
      while (heap.length > 0 && heap[0]!.dueMs <= until) {
        const timer = pop()
        const { expired } = timer
        if (expired === null) continue
        timer.expired = null
        pending--
        now = timer.dueMs
        expired()
      }
      now = until
    },
    pending: () => pending
  }
}
