import type { Clock } from '#kernel'

/** When an edge that lives is asked whether it works, and what is made of silence. */
export interface ProbeTimes {
  /** From an answer, or its lack, to the next question. */
  readonly everyMs: number
  readonly withinMs: number
  /** So many questions in a row without an answer, and the edge counts as lost. */
  readonly lostAfter: number
  /** So many, and it is killed, to be started anew. */
  readonly hopelessAfter: number
}

/** With a question that takes 5 s to fail: lost within some 16 s, killed after some 50 s. */
export const probeTimes: ProbeTimes = { everyMs: 3000, withinMs: 5000, lostAfter: 2, hopelessAfter: 6 }

export interface ProbeEvents {
  readonly lost: () => void
  /** It was lost, and answers again. */
  readonly found: () => void
  readonly hopeless: () => void
}

/**
 * Sees that a program answers which may live and yet do nothing: stopped, out of memory that moves, or waiting for a lock that nobody gives back. Questions are
 * counted, not seconds: a machine that slept, or was busy, asks again before it judges.
 *
 * @returns how to stop asking
 */
export function watchAnswers(clock: Clock, ask: () => Promise<unknown>, times: ProbeTimes, tell: ProbeEvents): () => void {
  let stopped = false
  let silent = 0
  let cancel = (): void => undefined
  const question = (): void => {
    let over = false
    const done = (answered: boolean): void => {
      if (over || stopped) return
      over = true
      cancel()
      if (answered) {
        if (silent >= times.lostAfter) tell.found()
        silent = 0
      } else {
        silent++
        if (silent === times.lostAfter) tell.lost()
        if (silent === times.hopelessAfter) tell.hopeless()
      }
      if (!stopped) cancel = clock.after(times.everyMs, question)
    }
    cancel = clock.after(times.withinMs, () => done(false))
    ask().then(
      () => done(true),
      () => done(false)
    )
  }
  cancel = clock.after(times.everyMs, question)
  return () => {
    stopped = true
    cancel()
  }
}
