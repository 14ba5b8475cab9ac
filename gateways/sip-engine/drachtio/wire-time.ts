import type { Clock } from '#kernel'
import { wireTime } from './server-message.ts'

/** Wall time with microseconds: the wall clock read once, carried on by the monotonic clock, read again when the two part by 50 ms. */
export function createTime(clock: Clock): () => string {
  let offset = clock.now() - clock.monotonicMs()
  return () => {
    const wall = clock.now()
    let now = clock.monotonicMs() + offset
    if (Math.abs(now - wall) > 50) {
      offset += wall - now
      now = wall
    }
    return wireTime(now)
  }
}
