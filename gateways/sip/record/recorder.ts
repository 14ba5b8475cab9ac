import { errorCode, type JsonObject, type Log, type Witness } from '#kernel'

export interface RecorderOptions {
  readonly witness: Witness
  readonly traceId: string
  readonly parentTraceId: string | undefined
  /** Facts that every entry of this call carries. */
  readonly common: JsonObject
  /** Names of the events without whose entry there is no call. */
  readonly failClosed: ReadonlySet<string>
  readonly log: Log
  /** Told for each entry that neither the ledger nor the spool took. */
  readonly onUnrecorded: (event: string) => void
}

/** Writes the entries of one call, in the order in which they are told. */
export interface Recorder {
  /**
   * Hands an entry to the witness and goes on. Entries are numbered (`seq`, from 0), and the last one says how many there are (`entries`): what is not
   * recorded leaves a gap that an auditor sees.
   *
   * @param at `opening` for what IF.guard's decision follows: it goes along with that one
   */
  readonly tell: (component: string, event: string, payload: JsonObject, at?: 'opening' | 'end') => void
  /** Resolves when every fail-closed entry told so far is durable. @throws what the witness threw for the first that is not. */
  readonly requiredDurable: () => Promise<void>
  /** Resolves when the fate of every entry told so far, and of what is told meanwhile, is known; never rejects. */
  readonly settled: () => Promise<void>
}

/**
 * A recorder for one call. Entries are not awaited one by one: they go to the witness as they happen, and one group commit serves those that
 * {@link Recorder.requiredDurable} waits for, with all that was told before. Others have time.
 */
export function createRecorder(options: RecorderOptions): Recorder {
  const required: Promise<unknown>[] = []
  let told = 0
  /** Entries of which it is not known yet whether they were taken. */
  let open = 0
  let waiting: (() => void)[] = []
  const settle = () => {
    if (--open > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
  return {
    tell: (component, event, payload, at) => {
      const seq = told++
      const isRequired = options.failClosed.has(event)
      const receipt = options.witness.record(
        {
          component,
          event,
          traceId: options.traceId,
          ...(options.parentTraceId === undefined ? {} : { parentTraceId: options.parentTraceId }),
          payload: { ...options.common, ...payload, seq, ...(at === 'end' ? { entries: told } : {}) }
        },
        isRequired && at !== 'opening' ? 'now' : 'soon'
      )
      if (isRequired) required.push(receipt)
      open++
      receipt.then(settle, (error: unknown) => {
        options.onUnrecorded(event)
        options.log.error({ event, component, code: errorCode(error) }, 'entry not recorded')
        settle()
      })
    },
    requiredDurable: async () => {
      await Promise.all(required)
    },
    settled: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)))
  }
}
