/** What SIPp's exit codes mean. @see SIPp manual page, "Exit codes" */

/** `timeout` and `aborted` are ours: the run was ended from outside. `killed`: by a signal that nobody here sent. */
export type SippOutcome =
  | 'passed'
  | 'failed'
  | 'stopped'
  | 'no-calls'
  | 'fatal'
  | 'bind-failed'
  | 'timeout'
  | 'aborted'
  | 'killed'

/** A process's exit status has 8 bits: SIPp's −1 and −2 arrive as 255 and 254. */
const outcomes: Readonly<Record<number, SippOutcome>> = {
  0: 'passed',
  1: 'failed',
  97: 'stopped',
  99: 'no-calls',
  254: 'bind-failed',
  255: 'fatal'
}

/** @param reported whether SIPp wrote a report: one that cannot start, for a bad scenario or option, leaves with 1 as well. */
export function outcomeOf(exitCode: number | null, reported = true): SippOutcome {
  if (exitCode === 1 && !reported) return 'fatal'
  return exitCode === null ? 'killed' : (outcomes[exitCode & 0xff] ?? 'fatal')
}
