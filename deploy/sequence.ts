import { errorCode, InfraFabricError, type Log, messageOf } from '#kernel'

/** Parts of a whole that start one after another and stop in the reverse order. */
export interface Sequence {
  /**
   * Starts a part and keeps how to stop it.
   *
   * @throws {InfraFabricError} `suite.start.<part>` when it does not start, after those before it were stopped.
   */
  readonly start: <T>(part: string, begin: () => Promise<T>, stop: (running: T) => Promise<void>) => Promise<T>
  /** Stops what runs, last first. A part that does not stop cleanly is logged and does not keep the others from it. Idempotent. */
  readonly stop: () => Promise<void>
}

export function createSequence(log: Log): Sequence {
  const running: { part: string; stop: () => Promise<void> }[] = []
  let stopping: Promise<void> | null = null

  const stopAll = async (): Promise<void> => {
    for (let last = running.pop(); last !== undefined; last = running.pop()) {
      try {
        await last.stop()
      } catch (error) {
        log.error({ part: last.part, code: errorCode(error), error: String(error) }, 'part did not stop cleanly')
      }
    }
  }

  return {
    start: async (part, begin, stop) => {
      try {
        const started = await begin()
        running.push({ part, stop: () => stop(started) })
        return started
      } catch (cause) {
        await stopAll()
        const reason = messageOf(cause)
        throw new InfraFabricError(`suite.start.${part}`, `${part} did not start: ${reason}`, { cause })
      }
    },
    stop: () => {
      stopping ??= stopAll()
      return stopping
    }
  }
}
