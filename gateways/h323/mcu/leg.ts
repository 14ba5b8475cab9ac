/** One terminal's place in a conference: its states, and their entries in the record. */
import {
  type BridgeEvent,
  type BridgeState,
  bridgeTable,
  errorCode,
  type JsonObject,
  type Log,
  step,
  type Witness
} from '#kernel'

const component = 'IF.bridge.h323'

export interface LegRecorder {
  readonly state: () => BridgeState
  readonly move: (event: BridgeEvent['type'], detail?: JsonObject) => void
  readonly tell: (event: string, payload: JsonObject) => void
  /** Resolves when all that was told is durable, or could not be recorded. */
  readonly settled: () => Promise<void>
}

/** @param common facts of every entry */
export function createLegRecorder(
  { witness, log }: { readonly witness: Witness; readonly log: Log },
  traceId: string,
  parentTraceId: string | undefined,
  common: JsonObject
): LegRecorder {
  let state: BridgeState = 'IDLE'
  const underWay = new Set<Promise<unknown>>()
  const tell = (event: string, payload: JsonObject): void => {
    const recorded = witness
      .record({
        component,
        event,
        traceId,
        ...(parentTraceId === undefined ? {} : { parentTraceId }),
        payload: { ...common, ...payload }
      })
      .catch((error: unknown) => log.error({ traceId, event, code: errorCode(error) }, 'not recorded'))
    underWay.add(recorded)
    void recorded.finally(() => underWay.delete(recorded))
  }
  return {
    state: () => state,
    tell,
    move: (type, detail = {}) => {
      const next = step(bridgeTable, state, { type }, undefined)
      if (!next.allowed) return log.debug({ traceId, state, event: type }, 'bridge event without a row')
      const previous = state
      state = next.state
      tell('BRIDGE_STATE_CHANGED', { previous, state, ...detail })
    },
    settled: async () => {
      while (underWay.size > 0) await Promise.all(underWay)
    }
  }
}
