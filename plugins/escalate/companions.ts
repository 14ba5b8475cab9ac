import { type CallContext, type Clock, errorCode } from '#kernel'
import type { Evidence } from './message.ts'
import type { EscalationView } from './view.ts'

/** What a companion is given. */
export interface CompanionRequest {
  readonly escalation: string
  readonly conference: string
  readonly expertId: string
  readonly evidence: readonly Evidence[]
}

/**
 * Something that runs beside the call of an escalation, such as evidence or video for the expert. It may fail and the call goes on: the escalation is
 * then degraded.
 */
export interface Companion {
  readonly name: 'evidence' | 'ndi-video'
  /** Begins when the expert is connected. @returns what ends it */
  readonly start: (context: CallContext, request: CompanionRequest) => Promise<() => Promise<void>>
}

export interface RunningCompanions {
  readonly views: () => EscalationView['companions']
  readonly start: (context: CallContext, request: CompanionRequest) => void
  /** Resolves when all have stopped. Idempotent. */
  readonly stop: () => Promise<void>
}

/** Waits between attempts to start. */
const retriesMs = [1000, 2000, 4000]

/** @param absent what is wanted and nobody here provides: told as failed when the expert is connected */
export function runCompanions(
  companions: readonly Companion[],
  absent: readonly string[],
  clock: Clock,
  onChange: (view: EscalationView['companions'][number]) => void
): RunningCompanions {
  type View = { -readonly [key in keyof EscalationView['companions'][number]]: EscalationView['companions'][number][key] }
  const views: View[] = [...companions.map(({ name }) => name), ...absent].map((name) => ({
    name,
    state: 'waiting',
    reason: null
  }))
  const stops = new Map<View, () => Promise<void>>()
  const ended = new AbortController()
  let starting: Promise<void>[] = []

  const change = (view: View, state: View['state'], reason: string | null) => {
    view.state = state
    view.reason = reason
    onChange({ ...view })
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        cancel()
        ended.signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = clock.after(ms, end)
      ended.signal.addEventListener('abort', end)
    })

  const startOne = async (companion: Companion, view: View, context: CallContext, request: CompanionRequest): Promise<void> => {
    for (let attempt = 0; !ended.signal.aborted; attempt++) {
      try {
        stops.set(view, await companion.start(context, request))
        return change(view, 'running', null)
      } catch (error) {
        change(view, 'failed', errorCode(error))
        const pauseMs = retriesMs[attempt]
        if (pauseMs === undefined) return
        await pause(pauseMs)
      }
    }
  }

  let stopping: Promise<void> | null = null
  const stop = async (): Promise<void> => {
    ended.abort()
    await Promise.all(starting)
    await Promise.all(
      [...stops].map(async ([view, end]) => {
        try {
          await end()
          change(view, 'stopped', null)
        } catch (error) {
          change(view, 'failed', errorCode(error))
        }
      })
    )
  }

  return {
    views: () => views.map((view) => ({ ...view })),
    start: (context, request) => {
      for (const view of views.slice(companions.length)) change(view, 'failed', 'escalate.companion.absent')
      starting = companions.map((companion, at) => startOne(companion, views[at]!, context, request))
    },
    stop: () => {
      stopping ??= stop()
      return stopping
    }
  }
}
