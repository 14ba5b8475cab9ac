import { performance } from 'node:perf_hooks'
import type { LoadSample } from './overload.ts'

const intervalMs = 100

/** Samples the event loop of this process ten times a second. @returns ends it. */
export function startLoadMeter(sampled: (sample: LoadSample) => void): () => void {
  let before = performance.eventLoopUtilization()
  let dueMs = performance.now() + intervalMs
  const timer = setInterval(() => {
    const now = performance.now()
    const after = performance.eventLoopUtilization()
    sampled({ utilization: performance.eventLoopUtilization(after, before).utilization, lagMs: Math.max(0, now - dueMs) })
    before = after
    dueMs = now + intervalMs
  }, intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}
