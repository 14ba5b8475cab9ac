/** What a bridge tells the ledger. */
import {
  type BridgeEvent,
  type BridgeState,
  bridgeTable,
  type CallContext,
  errorCode,
  type JsonObject,
  type LegStats,
  type Log,
  recordOfQuality,
  step,
  type Witness
} from '#kernel'
import { stateOfBridge } from './states.ts'

const component = 'IF.bridge.sip-h323'

/** What the record has of a side's sound: per direction packets, octets, errors, drops; codec, encryption. */
export const countsOf = ({ codec, encrypted, received, sent, jitterMs, lost }: LegStats): JsonObject => ({
  codec,
  encrypted,
  received: { ...received },
  sent: { ...sent },
  jitterMs,
  lost
})

export interface BridgeRecorder {
  readonly move: (side: 'sip' | 'h323', event: BridgeEvent['type'], detail?: JsonObject) => void
  readonly tell: (event: string, payload: JsonObject) => void
  /** How a side has sounded. */
  readonly quality: (side: 'sip' | 'h323', stats: LegStats | null) => void
  /** @throws as the witness does: no record, no call */
  readonly durable: (event: string, payload: JsonObject) => Promise<void>
  readonly settled: () => Promise<void>
}

/** Both legs' states, and that of the bridge by the six rules; every change is an entry. */
export function createBridgeRecorder(
  { witness, log }: { readonly witness: Witness; readonly log: Log },
  context: Pick<CallContext, 'traceId' | 'parentTraceId'>,
  common: JsonObject
): BridgeRecorder {
  const { traceId, parentTraceId } = context
  const legs: Record<'sip' | 'h323', BridgeState> = { sip: 'IDLE', h323: 'IDLE' }
  let state: BridgeState = 'IDLE'
  let last: Promise<unknown> = Promise.resolve()
  const record = (event: string, payload: JsonObject): Promise<unknown> =>
    witness.record({
      component,
      event,
      traceId,
      ...(parentTraceId === undefined ? {} : { parentTraceId }),
      payload: { ...common, ...payload }
    })
  const tell = (event: string, payload: JsonObject): void => {
    const told = record(event, payload).catch((error: unknown) =>
      log.error({ traceId, event, code: errorCode(error) }, 'not recorded')
    )
    last = Promise.all([last, told])
  }
  return {
    tell,
    quality: (side, stats) => {
      const quality = stats === null ? null : recordOfQuality(stats)
      if (quality !== null) tell('leg_quality', { side, ...quality })
    },
    durable: async (event, payload) => void (await record(event, payload)),
    settled: async () => void (await last),
    move: (side, type, detail = {}) => {
      const next = step(bridgeTable, legs[side], { type }, undefined)
      if (!next.allowed) return log.debug({ traceId, side, state: legs[side], event: type }, 'bridge event without a row')
      legs[side] = next.state
      const previous = state
      state = stateOfBridge(legs.sip, legs.h323)
      if (state !== previous) tell('BRIDGE_STATE_CHANGED', { previous, state, ...legs, ...detail })
    }
  }
}
