/**
 * Runs the real SIPp: load, functional and bad-input scenarios, with typed results.
 *
 * @see https://sipp.readthedocs.io
 */
import type { SippOptions } from './options.ts'
import { startSipp } from './process.ts'
import type { SippResult } from './result.ts'

export { chart } from './chart.ts'
export { parseErrors, type SippError, sentHeader } from './error-log.ts'
export { outcomeOf, type SippOutcome } from './exit.ts'
export { junit } from './junit.ts'
export { type MessageCount, parseMessageCounts } from './message-counts.ts'
export type { SippOptions, SippTls } from './options.ts'
export { freePort } from './ports.ts'
export { type SippProcess, startSipp } from './process.ts'
export { parseSippVersion, type SippProgram } from './program.ts'
export { progressLine } from './progress.ts'
export { parseResponseTimes, type ResponseTimeSummary, summarise } from './response-times.ts'
export { failureText, type SippResult } from './result.ts'
export { type Partition, parseStatistics, type SippStatistics } from './statistics.ts'

/** Starts SIPp and waits for its end. A failed run is a result, not an error. @throws what {@link startSipp} throws. */
export async function runSipp(options: SippOptions): Promise<SippResult> {
  const { result } = await startSipp(options)
  return result
}
