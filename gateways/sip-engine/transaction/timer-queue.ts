/** Timers of transactions: many, mostly stopped before they expire, with few different delays. */
import type { Clock } from '#kernel'

/** A running timer: `name` expires for `owner`. One object, and no closure, for each. */
export interface QueuedTimer<Owner, Name> {
  readonly owner: Owner
  readonly name: Name
  readonly dueMs: number
  previous: QueuedTimer<Owner, Name> | null
  next: QueuedTimer<Owner, Name> | null
  /** Null once expired or stopped. */
  queue: DelayQueue<Owner, Name> | null
}

/** All running timers of one delay: they expire in the order in which they were started, so the clock is asked for the first only. */
interface DelayQueue<Owner, Name> {
  readonly delayMs: number
  first: QueuedTimer<Owner, Name> | null
  last: QueuedTimer<Owner, Name> | null
  cancelClock: (() => void) | null
}

export interface TimerQueue<Owner, Name> {
  readonly start: (owner: Owner, name: Name, delayMs: number) => QueuedTimer<Owner, Name>
  /** Does nothing to a timer that has expired or was stopped. */
  readonly stop: (timer: QueuedTimer<Owner, Name>) => void
}

export function createTimerQueue<Owner, Name>(
  clock: Clock,
  expired: (owner: Owner, name: Name) => void
): TimerQueue<Owner, Name> {
  const queues = new Map<number, DelayQueue<Owner, Name>>()

  const unlink = (queue: DelayQueue<Owner, Name>, timer: QueuedTimer<Owner, Name>): void => {
    if (timer.previous === null) queue.first = timer.next
    else timer.previous.next = timer.next
    if (timer.next === null) queue.last = timer.previous
    else timer.next.previous = timer.previous
    timer.queue = timer.previous = timer.next = null
  }

  const arm = (queue: DelayQueue<Owner, Name>, delayMs: number): void => {
    queue.cancelClock = clock.after(delayMs, () => {
      queue.cancelClock = null
      const now = clock.monotonicMs()
      for (let timer = queue.first; timer !== null && timer.dueMs <= now; timer = queue.first) {
        unlink(queue, timer)
        expired(timer.owner, timer.name)
      }
      if (queue.first !== null && queue.cancelClock === null) arm(queue, queue.first.dueMs - now)
    })
  }

  return {
    start: (owner, name, delayMs) => {
      let queue = queues.get(delayMs)
      if (queue === undefined) {
        queue = { delayMs, first: null, last: null, cancelClock: null }
        queues.set(delayMs, queue)
      }
      const timer = { owner, name, dueMs: clock.monotonicMs() + delayMs, previous: queue.last, next: null, queue }
      if (queue.last === null) queue.first = timer
      else queue.last.next = timer
      queue.last = timer
      if (queue.cancelClock === null) arm(queue, delayMs)
      return timer
    },
    stop: (timer) => {
      const { queue } = timer
      if (queue === null) return
      unlink(queue, timer)
      if (queue.first !== null) return
      queue.cancelClock?.()
      queue.cancelClock = null
      queues.delete(queue.delayMs)
    }
  }
}
