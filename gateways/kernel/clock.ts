/**
 * Where time comes from. Protocol code is given `now` and timer expiries as inputs; only adapters hold a Clock.
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00:00Z. May step. */
  readonly now: () => number
  /** Monotonic milliseconds from an arbitrary start, with fractions. Never steps back. */
  readonly monotonicMs: () => number
  /** Calls `expired` once after `delayMs`; the returned function cancels it. A pending timer does not keep the process alive. */
  readonly after: (delayMs: number, expired: () => void) => () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, expired) => {
    const timer = setTimeout(expired, delayMs)
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

export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = startMs
  let sequence = 0
  const timers = new Map<number, { dueMs: number; expired: () => void }>()
  const nextDue = (limitMs: number): number | undefined => {
    let found: number | undefined
    for (const [id, timer] of timers) {
      if (timer.dueMs <= limitMs && (found === undefined || timer.dueMs < timers.get(found)!.dueMs)) found = id
    }
    return found
  }
  return {
    now: () => now,
    monotonicMs: () => now - startMs,
    after: (delayMs, expired) => {
      const id = sequence++
      timers.set(id, { dueMs: now + Math.max(0, delayMs), expired })
      return () => void timers.delete(id)
    },
    advance: (ms) => {
      const until = now + ms
      for (let id = nextDue(until); id !== undefined; id = nextDue(until)) {
        const timer = timers.get(id)!
        timers.delete(id)
        now = timer.dueMs
        timer.expired()
      }
      now = until
    },
    pending: () => timers.size
  }
}
