import { performance } from 'node:perf_hooks'
import type { Flow, Listener } from '../transport/port.ts'

/** Datagrams that the event loop reads from one socket in one round; when it got fewer, it read them all. */
const datagramsOfRound = 32
/** A round that takes longer has not kept up either, whatever it read. None counts for more: then the machine was elsewhere. */
const longRoundMs = 100

export interface LoadMeter {
  /** A message was read from a socket. */
  readonly received: (flow: Flow) => void
  /** For how long, in milliseconds, the process has worked without emptying its sockets. */
  readonly behindMs: () => number
}

/** Watches whether the rounds of this process's event loop empty its sockets. */
export function createLoadMeter(nowMs: () => number = () => performance.now()): LoadMeter {
  /** Of the rounds that did not, up to the last one. */
  let behindMs = 0
  let inRound = false
  let startedMs = 0
  let endedMs = 0
  let full = false
  let socket: Listener | null = null
  let run = 0

  const tookMs = (now: number): number => Math.min(now - startedMs, longRoundMs)

  const endRound = (): void => {
    endedMs = nowMs()
    const took = tookMs(endedMs)
    behindMs = full || took >= longRoundMs ? behindMs + took : 0
    inRound = full = false
    socket = null
  }

  const beginRound = (): void => {
    const now = nowMs()
    // Behind an unfinished round the loop goes on at once, perhaps with other things first. A gap means that there was nothing to do.
    const continues = behindMs > 0 && now - endedMs < longRoundMs
    if (!continues) behindMs = 0
    startedMs = continues ? endedMs : now
    inRound = true
    setImmediate(endRound)
  }

  return {
    received: ({ listener, connection }) => {
      if (!inRound) beginRound()
      if (connection !== 0) return
      run = listener === socket ? run + 1 : 1
      socket = listener
      if (run >= datagramsOfRound) full = true
    },
    behindMs: () => (inRound ? behindMs + tookMs(nowMs()) : behindMs)
  }
}
