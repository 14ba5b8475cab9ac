import { exitCodes } from '../line/exit-codes.ts'
import type { Output } from '../show/output.ts'

/** One Ctrl-C may come twice: from the terminal, and passed on by what runs this command. */
const sameRequestMs = 500

/** When a command that goes on is to end. */
export interface UntilStopped {
  /** Resolves at the first signal, or when the reader of the output is gone. A second signal ends the process at once. */
  readonly stopped: Promise<void>
  /** Gives the signals back. */
  readonly off: () => void
}

/** @param told at the first signal */
export function untilStopped(
  output: Output,
  signals: readonly NodeJS.Signals[],
  told: () => void = () => undefined
): UntilStopped {
  const stop = Promise.withResolvers<void>()
  let askedAt: number | null = null
  const onSignal = (): void => {
    if (askedAt === null) {
      askedAt = performance.now()
      told()
      stop.resolve()
    } else if (performance.now() - askedAt > sameRequestMs) process.exit(exitCodes.stoppedAtOnce)
  }
  for (const signal of signals) process.on(signal, onSignal)
  output.whenGone(() => stop.resolve())
  return {
    stopped: stop.promise,
    off: () => {
      for (const signal of signals) process.off(signal, onSignal)
    }
  }
}
