/** Tells those who listen what happens in the suite. */
import type { Clock, Log } from '#kernel'
import type { RecorderEvent } from '#media'
import type { Part, SuiteEvent } from './events.ts'

export interface Announcer {
  readonly emit: (event: SuiteEvent) => void
  readonly listen: (listener: (event: SuiteEvent) => void) => void
  readonly tellPart: (part: Part, state: 'started' | 'stopped' | 'lost' | 'restarted', detail?: string | null) => void
  /** Something is wrong that the suite goes on with. */
  readonly warn: (code: string, message: string) => void
  readonly tellRecording: (event: RecorderEvent) => void
}

export function createAnnouncer(clock: Clock, log: Log): Announcer {
  const listeners = new Set<(event: SuiteEvent) => void>()
  const emit = (event: SuiteEvent) => {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        log.error({ error: String(error) }, 'a listener failed')
      }
    }
  }
  const tellPart = (part: Part, state: 'started' | 'stopped' | 'lost' | 'restarted', detail: string | null = null) =>
    emit({ type: 'part', at: clock.now(), part, state, detail })
  const warn = (code: string, message: string) => {
    log.warn({ code }, message)
    emit({ type: 'warning', at: clock.now(), code, message })
  }
  const tellRecording = (event: RecorderEvent) => {
    if (event.type !== 'started' && event.type !== 'stopped' && event.type !== 'failed') return
    const { type: state, recording, conference } = event
    const seconds = event.type === 'started' ? 0 : event.seconds
    const reason = event.type === 'started' ? null : event.type === 'stopped' ? event.reason : event.code
    emit({ type: 'recording', at: clock.now(), recording, conference, state, seconds, reason })
  }
  return { emit, listen: (listener) => void listeners.add(listener), tellPart, warn, tellRecording }
}
