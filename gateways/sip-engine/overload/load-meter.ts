import { performance } from 'node:perf_hooks'
import type { Flow, Listener } from '../transport/port.ts'

/** Datagrams that the event loop reads from one socket in one round; when it got fewer, it read them all. */
const datagramsOfRound = 32
/** A round that takes longer has not kept up either, whatever it read. None counts for more: then the machine was elsewhere. */
const longRoundMs = 100
/** A mark that has not come back by then was lost. */
const lostMs = 1000

export interface LoadMeter {
  /** A message was read from a socket. */
  readonly received: (flow: Flow) => void
  /**
   * For how long, in milliseconds, the process has worked without emptying its sockets; less where it is known that what came before some moment has been read.
   * What a new request waits for is no longer than that, and no shorter than half of it.
   */
  readonly behindMs: () => number
}

/** Up to which moment a socket that was not emptied has been read. */
interface Mark {
  /** When it was set out; null when none is. */
  setMs: number | null
  readToMs: number
}

/**
 * Watches whether the rounds of this process's event loop empty its sockets. One that works to the full may leave something in them for seconds, and still nothing
 * waits for long: therefore a mark is put behind what waits, again and again.
 *
 * @param mark tells when everything that waits in a socket now has been read; never, where it was lost
 */
export function createLoadMeter(
  mark: (listener: Listener, reached: () => void) => void,
  nowMs: () => number = () => performance.now()
): LoadMeter {
  /** Of the rounds that did not, up to the last one. */
  let behindMs = 0
  let inRound = false
  let startedMs = 0
  let endedMs = 0
  let socket: Listener | null = null
  let run = 0
  /** Sockets that this round did not empty. */
  const full = new Set<Listener>()
  /** Sockets that were not emptied since there is a backlog. */
  const marks = new Map<Listener, Mark>()

  const tookMs = (now: number): number => Math.min(now - startedMs, longRoundMs)

  const setMark = (listener: Listener, now: number): void => {
    const known = marks.get(listener) ?? { setMs: null, readToMs: Number.NEGATIVE_INFINITY }
    marks.set(listener, known)
    if (known.setMs !== null && now - known.setMs < lostMs) return
    known.setMs = now
    mark(listener, () => {
      count(listener)
      known.setMs = null
      known.readToMs = now
    })
  }

  const endRound = (): void => {
    endedMs = nowMs()
    const took = tookMs(endedMs)
    behindMs = full.size > 0 || took >= longRoundMs ? behindMs + took : 0
    for (const listener of marks.keys()) if (!full.has(listener)) marks.delete(listener)
    for (const listener of full) setMark(listener, endedMs)
    full.clear()
    inRound = false
    socket = null
  }

  const beginRound = (): void => {
    const now = nowMs()
    // Behind an unfinished round the loop goes on at once, perhaps with other things first. A gap means that there was nothing to do.
    const continues = behindMs > 0 && now - endedMs < longRoundMs
    if (!continues) {
      behindMs = 0
      marks.clear()
    }
    startedMs = continues ? endedMs : now
    inRound = true
    setImmediate(endRound)
  }

  /** A datagram was read. */
  const count = (listener: Listener): void => {
    if (!inRound) beginRound()
    run = listener === socket ? run + 1 : 1
    socket = listener
    if (run >= datagramsOfRound) full.add(listener)
  }

  return {
    received: ({ listener, connection }) => {
      if (connection === 0) count(listener)
      else if (!inRound) beginRound()
    },
    behindMs: () => {
      const now = nowMs()
      const worked = inRound ? behindMs + tookMs(now) : behindMs
      if (marks.size === 0) return worked
      let readToMs = Number.POSITIVE_INFINITY
      for (const each of marks.values()) readToMs = Math.min(readToMs, each.readToMs)
      return Math.min(worked, now - readToMs)
    }
  }
}
