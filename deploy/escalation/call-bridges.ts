/** The bridges that the suite opens beside an expert's call: H.323 terminals, the council's pages, video. */
import type { BridgeWish } from '#escalate'
import type { Invitation } from '#h323/mcu'
import {
  type BridgedCall,
  type BridgeTimes,
  type CallBridge,
  type CallBridgeKind,
  type CallContext,
  type Clock,
  InfraFabricError,
  type OpenBridgeEvent,
  startBridgeSession
} from '#kernel'
import type { RunningH323 } from '../h323/h323.ts'

export interface CallBridgesConfig extends Pick<BridgeTimes, 'retriesMs' | 'operationMs'> {
  readonly terminals: 'registered' | readonly string[]
}

/** Parts of the suite that bridges lead to; null where one is off. */
export interface CallBridgeParts {
  readonly h323: () => RunningH323 | null
  readonly webrtc: () => CallBridge | null
  readonly ndi: () => CallBridge | null
  readonly clock: Clock
}

/** Q.850: whoever hung up or declined meant it, and is not called again. */
const [normal, rejected] = [16, 21]

const skipping = (name: CallBridgeKind, skipped: string, detail: string): CallBridge => ({
  name,
  open: () => ({ ok: false, skipped, detail })
})

const named = (name: CallBridgeKind, bridge: CallBridge | null): CallBridge | null =>
  bridge === null ? null : { ...bridge, name }

/** A bridge as the record names it. */
export interface RecordedBridge {
  readonly bridge: string
  readonly target: string | null
}

export interface CallBridges {
  /** What is opened for a call that an expert has answered. */
  readonly begin: (wish: BridgeWish) => readonly CallBridge[]
  /** What a call had that is taken up after a restart. Terminals are waited for: they register anew when their registration has run out. */
  readonly again: (had: readonly RecordedBridge[]) => readonly CallBridge[]
}

const lookAgainMs = 250

export function callBridges(config: CallBridgesConfig, parts: CallBridgeParts): CallBridges {
  const { retriesMs, operationMs } = config
  const { clock } = parts
  const terminals = sharedTerminals()

  const whenRegistered = (h323: RunningH323, target: string, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      let cancel = () => {}
      const look = () => {
        if (signal.aborted || h323.isTerminal(target)) return resolve()
        cancel = clock.after(lookAgainMs, look)
      }
      signal.addEventListener('abort', () => {
        cancel()
        resolve()
      })
      look()
    })

  const terminalBridge = (h323: RunningH323, target: string, isAwaited = false): CallBridge => ({
    name: 'h323',
    target,
    open: (context, call) => {
      if (h323.isPresent(call.conference, target) && !terminals.holds(call.conference, target))
        return { ok: false, skipped: 'h323.terminal.present', detail: 'in the conference by a call of its own' }
      const open = (signal: AbortSignal, tell: (event: OpenBridgeEvent) => void) =>
        terminals.open(h323, target, context, call, signal, tell)
      const session = startBridgeSession(open, {
        clock,
        log: context.log.child({ bridge: 'h323', target }),
        retriesMs,
        operationMs,
        ...(isAwaited ? { ready: (signal: AbortSignal) => whenRegistered(h323, target, signal) } : {})
      })
      return { ok: true, session }
    }
  })

  const withoutH323 = skipping('h323', 'h323.off', 'H.323 is off (h323.enabled)')

  const h323Bridges = (): readonly CallBridge[] => {
    const h323 = parts.h323()
    if (h323 === null) return [withoutH323]
    const targets = config.terminals === 'registered' ? h323.guardians() : config.terminals
    if (targets.length === 0) return [skipping('h323', 'h323.terminals.none', 'no Guardian has registered a terminal')]
    return targets.map((target) => terminalBridge(h323, target))
  }

  const webrtcBridge = (): CallBridge =>
    named('webrtc', parts.webrtc()) ?? skipping('webrtc', 'webrtc.off', 'browsers are off (webrtc.enabled)')
  const ndiBridge = (): CallBridge =>
    named('ndi', parts.ndi()) ?? skipping('ndi', 'ndi.off', 'NDI is off (ndi.enabled), or has no runtime')

  const recordedBridge = ({ bridge, target }: RecordedBridge): readonly CallBridge[] => {
    const h323 = parts.h323()
    if (bridge === 'h323' && target !== null) return [h323 === null ? withoutH323 : terminalBridge(h323, target, true)]
    return bridge === 'webrtc' ? [webrtcBridge()] : bridge === 'ndi' ? [ndiBridge()] : []
  }

  return {
    begin: ({ ndiVideo }) => [...h323Bridges(), webrtcBridge(), ...(ndiVideo ? [ndiBridge()] : [])],
    again: (had) => had.flatMap(recordedBridge)
  }
}

interface SharedCall {
  readonly invitation: Invitation
  readonly holders: Set<(event: OpenBridgeEvent) => void>
}

/** Calls to terminals. Two experts of one conference share the call of a terminal: it ends with the last of them. */
function sharedTerminals() {
  const calls = new Map<string, SharedCall>()
  const keyOf = (conference: string, target: string): string => `${conference}\n${target}`

  const place = (h323: RunningH323, target: string, context: CallContext, conference: string): SharedCall => {
    const key = keyOf(conference, target)
    const before = calls.get(key)
    if (before !== undefined) return before
    const invitation = h323.invite(conference, target, context.parentTraceId ?? context.traceId)
    if (invitation === null)
      throw new InfraFabricError('h323.terminal.unregistered', 'nobody has registered this alias, or there is no such conference')
    const shared: SharedCall = { invitation, holders: new Set() }
    calls.set(key, shared)
    void invitation.ended.then(({ cause }) => {
      if (calls.get(key) === shared) calls.delete(key)
      const reason = `h323.cause.${cause}`
      for (const tell of shared.holders) tell({ type: cause === normal ? 'left' : 'lost', reason })
    })
    return shared
  }

  return {
    holds: (conference: string, target: string): boolean => calls.has(keyOf(conference, target)),
    open: async (
      h323: RunningH323,
      target: string,
      context: CallContext,
      { conference }: BridgedCall,
      signal: AbortSignal,
      tell: (event: OpenBridgeEvent) => void
    ) => {
      const shared = place(h323, target, context, conference)
      const { invitation, holders } = shared
      const letGo = async (): Promise<void> => {
        holders.delete(tell)
        if (holders.size > 0) return
        // whoever comes from now on makes a call of its own
        if (calls.get(keyOf(conference, target)) === shared) calls.delete(keyOf(conference, target))
        invitation.cancel()
        await invitation.ended
      }
      holders.add(tell)
      const aborted = Promise.withResolvers<null>()
      const giveUp = () => aborted.resolve(null)
      signal.addEventListener('abort', giveUp)
      const answered = await Promise.race([invitation.answered, aborted.promise])
      signal.removeEventListener('abort', giveUp)
      if (answered === null) {
        await letGo()
        throw new InfraFabricError('h323.no-answer', 'the terminal did not answer in time')
      }
      if (answered.ok) return { ok: true, bridge: { close: letGo } } as const
      holders.delete(tell)
      const reason = `h323.cause.${answered.cause}`
      if (answered.cause === rejected) return { ok: false, reason } as const
      throw new InfraFabricError(reason, answered.reason ?? 'the terminal did not answer')
    }
  }
}
