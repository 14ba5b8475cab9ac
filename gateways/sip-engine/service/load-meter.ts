import { performance } from 'node:perf_hooks'
import type { Flow, Listener } from '../transport/port.ts'
import type { LoadSample } from './overload.ts'

const intervalMs = 100
/** Datagrams that the event loop reads from one socket in one round; when it got fewer, it read them all. */
const datagramsOfRound = 32

export interface LoadMeter {
  /** A message was read from a socket. */
  readonly received: (flow: Flow) => void
  readonly close: () => void
}

/** Watches the event loop of this process, and whether it empties its sockets; tells of both ten times a second. */
export function startLoadMeter(sampled: (sample: LoadSample) => void): LoadMeter {
  let dueMs = performance.now() + intervalMs
  let emptyMs = performance.now()
  let rounds = 0
  let inRound = false
  let full = false
  let socket: Listener | null = null
  let run = 0

  const endRound = (): void => {
    if (!full) emptyMs = performance.now()
    rounds++
    inRound = full = false
    socket = null
  }

  const timer = setInterval(() => {
    const now = performance.now()
    if (rounds === 0 && !inRound) emptyMs = now
    rounds = 0
    sampled({ standingMs: now - emptyMs, lagMs: Math.max(0, now - dueMs) })
    dueMs = now + intervalMs
  }, intervalMs)
  timer.unref()

  return {
    received: ({ listener, connection }) => {
      if (connection !== 0) return
      run = listener === socket ? run + 1 : 1
      socket = listener
      if (run >= datagramsOfRound) full = true
      if (inRound) return
      inRound = true
      setImmediate(endRound)
    },
    close: () => clearInterval(timer)
  }
}
