import type { Clock } from '#kernel'
import type { EscalationEvent } from './view.ts'

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
export type EscalationEventBody = DistributiveOmit<EscalationEvent, 'id' | 'at'>

/**
 * Events as they come, numbered; the last ones are remembered for those who lost their connection.
 *
 * Numbers begin at the wall clock's milliseconds, so that who followed an earlier run goes on behind the last number it has, and misses nothing of this one.
 */
export interface EventLog {
  readonly tell: (body: EscalationEventBody) => void
  /** Events behind a number, oldest first: as far back as they are remembered; all of them behind a number that is none of this run's. */
  readonly after: (id: number) => readonly EscalationEvent[]
  /** Number of the last event; before the first, the one it will stand behind. */
  readonly last: () => number
  /** @returns stops it */
  readonly subscribe: (listener: (event: EscalationEvent) => void) => () => void
}

export function createEventLog(clock: Clock, remembered: number, onError: (error: unknown) => void): EventLog {
  const events: EscalationEvent[] = []
  const listeners = new Set<(event: EscalationEvent) => void>()
  let last = clock.now()
  return {
    tell: (body) => {
      const event = { id: ++last, at: new Date(clock.now()).toISOString(), ...body } as EscalationEvent
      events.push(event)
      if (events.length > remembered) events.shift()
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          onError(error)
        }
      }
    },
    after: (id) => (id > last ? [...events] : events.slice(Math.max(0, events.length - (last - id)))),
    last: () => last,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
}
