/**
 * Dialogs whose application went away. One that logs in with the same tags within `orphanMs` takes them over: it is the same application,
 * started again, or another of its kind. Those that nobody takes over are ended.
 */
import type { Clock } from '#kernel'
import type { Application } from '../drachtio/application.ts'
import type { Session } from './sessions.ts'

export interface Orphans {
  readonly leave: (application: Application, sessions: readonly Session[]) => void
  /** Gives an application the dialogs of those that had its tags. An application without tags gets none. @returns how many. */
  readonly adopt: (application: Application) => number
  readonly close: () => void
}

interface Estate {
  /** The tags of the application, sorted. */
  readonly tags: string
  readonly sessions: readonly Session[]
  readonly cancelTimer: () => void
}

/** @param end told each dialog that nobody took over. */
export function createOrphans(clock: Clock, orphanMs: number, end: (session: Session) => void): Orphans {
  const estates = new Set<Estate>()
  const tagsOf = ({ tags }: Application): string => [...new Set(tags)].sort().join(',')
  return {
    leave: (application, sessions) => {
      if (sessions.length === 0) return
      const estate: Estate = {
        tags: tagsOf(application),
        sessions,
        cancelTimer: clock.after(orphanMs, () => {
          estates.delete(estate)
          for (const session of sessions) if (session.state !== 'ended') end(session)
        })
      }
      estates.add(estate)
    },
    adopt: (application) => {
      const tags = tagsOf(application)
      if (tags === '') return 0
      let adopted = 0
      for (const estate of [...estates]) {
        if (estate.tags !== tags) continue
        estate.cancelTimer()
        estates.delete(estate)
        for (const session of estate.sessions) {
          if (session.state === 'ended') continue
          session.application = application
          adopted++
        }
      }
      return adopted
    },
    close: () => {
      for (const { cancelTimer } of estates) cancelTimer()
      estates.clear()
    }
  }
}
