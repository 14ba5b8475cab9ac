import {
  type BridgeEvent,
  type BridgeState,
  bridgeTable,
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  errorCode,
  type Guard,
  type GuardDecision,
  type JsonObject,
  type Layer,
  type LegEvent,
  type LegStats,
  type Log,
  type ParticipantRole,
  recordOfQuality,
  step,
  type Witness
} from '#kernel'
import { createVersioning } from '../dialog/hold-sdp.ts'
import { type OpenCall, readRecordedDialog } from '../dialog/left-dialogs.ts'
import { type OfferAnswerExchange, type OfferAnswerState, offerAnswerTable } from '../dialog/offer-answer.ts'
import type { HoldOutcome } from '../dialog/reinvite.ts'
import { type EndCause, reasonOfBye } from '../message/end-cause.ts'
import { clip } from '../message/headers.ts'
import { type Refusal, refusal } from '../message/refusal.ts'
import { formatSessionId } from '../message/session-id.ts'
import type { SessionTimerConfig } from '../message/session-timer.ts'
import type { CallSnapshot, CallTimelineEvent, CallTimelineEventBody } from '../record/events.ts'
import { createRecorder, type Recorder } from '../record/recorder.ts'
import { clippedMessage, components } from '../record/values.ts'
import type { SipDialog, SipServerConnection } from '../server/drachtio.ts'
import type { TransferPorts } from '../transfer/transfer.ts'

/** What a call needs of the world. */
export interface CallPorts {
  readonly server: SipServerConnection
  readonly witness: Witness
  readonly guard: Guard
  readonly conference: ConferencePort
  readonly roleOf: (registryId: string) => ParticipantRole
  readonly log: Log
  readonly clock: Clock
  /** Null where nobody may hand a call over. */
  readonly transfers: TransferPorts | null
}

export interface CallSettings {
  readonly application: string
  readonly failClosed: ReadonlySet<string>
  readonly sessionTimer: SessionTimerConfig
  readonly setupTimeoutMs: number
}

export interface CallListener {
  readonly onEvent: (event: CallTimelineEvent) => void
  readonly onUnrecorded: (event: string) => void
  readonly onOver: () => void
}

/** Counts of a leg as a record holds them; its quality has an entry of its own. */
const recordOfStats = (stats: LegStats | null): JsonObject | null => {
  if (stats === null) return null
  const { quality: _, ...counts } = stats
  return structuredClone(counts) as unknown as JsonObject
}

const strangerReportMs = 5000

/** Why the work done for a call is given up: one for all, since to make an error with its stack for each takes longer than to abort. */
const callIsOver = new DOMException('the call is over', 'AbortError')

export interface CallIdentity {
  readonly traceId: string
  readonly parentTraceId: string | undefined
  readonly callId: string
  /** The peer's half of Session-ID, as far as it is known. */
  readonly peerSessionId: () => string
  /** The call takes no more events of its leg. */
  readonly isOver: () => boolean
  /** Something on our side ends the call. */
  readonly stop: (cause: EndCause, refusal: Refusal) => void
  /** Something that the call cannot do without has failed. */
  readonly refuse: (refusal: Refusal) => void
}

/** What `REJECTED` says of a call that did not come about. */
export type Rejection = Pick<Refusal, 'status' | 'code' | 'reason' | 'layer' | 'security'>

/** Where a call is, and what about. */
export interface CallPlace {
  readonly conference: string
  readonly participant: string
  readonly expertId: string | null
  readonly hazard: string | null
}

/** One call, in either direction. */
export interface Call {
  readonly traceId: string
  readonly snapshot: () => CallSnapshot
  /** Ends the call from our side: BYE once there is a dialog, else `refusal` as the answer to the INVITE. */
  readonly stop: (cause: EndCause, refusal: Refusal) => void
  /** Puts the other side on hold so that neither hears the other, or resumes. */
  readonly hold: (on: boolean) => Promise<HoldOutcome>
  /** Shows a text on the other side's telephone. @returns whether it took it; null where it cannot be asked */
  readonly showText: (text: string) => Promise<boolean | null>
  /** Tags of its dialog, null before there is one and after its end. */
  readonly tags: () => { readonly local: string; readonly remote: string } | null
  /** What is to be known of it where its dialog is lost; null before it is established and after its end. */
  readonly left: () => OpenCall | null
  /** The server, and with it the dialog, is gone. */
  readonly signallingLost: () => void
  /** Resolves when the leg is free, the BYE (if we sent one) is answered and every entry is settled. */
  readonly over: Promise<void>
}

/** What inbound and outbound calls have in common: their record, their place in the conference, and how they end. */
export interface CallParts {
  readonly context: CallContext
  readonly log: Log
  readonly recorder: Recorder
  readonly sessionId: () => string
  /** A session description of ours as it goes out: with the version that is due. */
  readonly describe: (sdp: string) => string
  readonly event: (body: CallTimelineEventBody) => void
  readonly bridge: { readonly state: () => BridgeState; readonly move: (event: BridgeEvent, detail?: JsonObject) => void }
  readonly exchange: OfferAnswerExchange
  readonly leg: () => ConferenceLeg | null
  readonly keepLeg: (leg: ConferenceLeg) => void
  /** Work that has to be done before the call is over. */
  readonly await: (work: Promise<unknown>) => void
  /** Writes what IF.guard decided. */
  readonly tellDecision: (decision: GuardDecision, edgeLayers: readonly Layer[]) => void
  /** Gives the leg the answer to an offer of ours. An offer that gets no usable answer ends the call (RFC 3261 §13.2.1). */
  readonly takeAnswer: (sdp: string, agreed: () => void) => void
  readonly bye: (dialog: SipDialog, cause: EndCause) => void
  /** Runs work done for the call; whatever it throws becomes the refusal. */
  readonly attempt: (work: () => Promise<void>, code: 'guard.failed' | 'conference.failed' | 'witness.unrecorded') => void
  /** Does what an event of this call asks for. A defect that shows there ends this call, never the process that carries the others. */
  readonly contain: (work: () => void) => void
  /** The call is in its conference. @param dialog what the record keeps of the dialog */
  readonly establish: (place: CallPlace, dialog: JsonObject, more?: JsonObject) => void
  readonly left: () => OpenCall | null
  /** Frees what the call holds of the conference before its end stands in the record. */
  readonly release: () => void
  /** The call did not come about: tells so, and frees what it holds. */
  readonly reject: (rejection: Rejection, facts: JsonObject) => void
  /** The call is over: frees what it holds, then tells its last entries. */
  readonly end: (cause: EndCause, durationMs: number, facts: JsonObject) => void
  /** Resolves when the leg is free, the BYE (if we sent one) is answered and every entry is settled. */
  readonly over: Promise<void>
}

export function createCallParts(
  ports: CallPorts,
  settings: CallSettings,
  listener: CallListener,
  identity: CallIdentity
): CallParts {
  const { clock } = ports
  const { traceId, parentTraceId, callId, stop } = identity
  const log = ports.log.child({ traceId })
  const abort = new AbortController()
  const recorder = createRecorder({
    witness: ports.witness,
    traceId,
    parentTraceId,
    common: { callId },
    failClosed: settings.failClosed,
    log,
    onUnrecorded: listener.onUnrecorded
  })
  const sessionId = () => formatSessionId(traceId, identity.peerSessionId())

  let bridgeState: BridgeState = 'IDLE'
  let exchangeState: OfferAnswerState = 'stable'
  let leg: ConferenceLeg | null = null
  let leaving: Promise<LegStats | null> | null = null
  let established: { readonly dialog: JsonObject; readonly place: OpenCall['place'] } | null = null
  let strangers = { packets: 0, untold: 0, toldMs: Number.NEGATIVE_INFINITY }
  const teardown: Promise<unknown>[] = []
  const over = Promise.withResolvers<void>()

  const event = (body: CallTimelineEventBody) =>
    listener.onEvent({
      at: clock.now(),
      traceId,
      ...(parentTraceId === undefined ? {} : { parentTraceId }),
      callId,
      ...body
    } as CallTimelineEvent)

  const moveBridge = (bridgeEvent: BridgeEvent, detail: JsonObject = {}, last = false) => {
    const next = step(bridgeTable, bridgeState, bridgeEvent, undefined)
    if (!next.allowed) return log.debug({ bridge: bridgeState, event: bridgeEvent.type }, 'bridge event without a row')
    const previous = bridgeState
    bridgeState = next.state
    recorder.tell(
      components.bridge,
      'BRIDGE_STATE_CHANGED',
      { previous, state: bridgeState, ...detail },
      last ? 'end' : undefined
    )
    event({ type: 'bridge', previous, state: bridgeState })
  }

  const exchange: OfferAnswerExchange = {
    state: () => exchangeState,
    move: (exchangeEvent) => {
      exchangeState = step(offerAnswerTable, exchangeState, exchangeEvent, undefined).state
    }
  }

  const legEvent = (legEvent: LegEvent) => {
    if (identity.isOver()) return
    switch (legEvent.type) {
      case 'dtmf':
        recorder.tell(components.sip, 'sip_dtmf_received', {
          digit: legEvent.digit,
          durationMs: legEvent.durationMs,
          by: 'telephone-event'
        })
        return event({ type: 'key', digit: legEvent.digit })
      case 'strangerRejected':
        return strangerPackets(legEvent.packets)
      case 'mediaTimeout':
        return stop({ by: 'conference', reason: 'media-timeout' }, refusal('conference.failed', 'no media'))
      case 'ended':
        return stop(
          { by: 'conference', reason: 'far-end-left', cause: legEvent.cause },
          refusal('conference.failed', 'far end left')
        )
      case 'failed':
        moveBridge({ type: 'failed' }, { reason: clip(legEvent.reason) })
        return stop({ by: 'conference', reason: 'media-failed' }, refusal('conference.failed', clip(legEvent.reason)))
    }
  }

  const tellQuality = (stats: LegStats) => {
    const quality = recordOfQuality(stats)
    if (quality !== null) recorder.tell(components.bridge, 'leg_quality', quality)
  }

  const strangerPackets = (packets: number) => {
    const nowMs = clock.monotonicMs()
    strangers = { packets: strangers.packets + packets, untold: strangers.untold + packets, toldMs: strangers.toldMs }
    if (nowMs - strangers.toldMs < strangerReportMs) return
    recorder.tell(components.bridge, 'RTP_STRANGER_REJECTED', { packets: strangers.untold })
    event({ type: 'strangers', packets: strangers.untold })
    strangers = { packets: strangers.packets, untold: 0, toldMs: nowMs }
  }

  const leaveConference = async (): Promise<LegStats | null> => {
    try {
      return (await leg?.leave()) ?? null
    } catch (error) {
      log.error({ code: errorCode(error) }, 'leg did not leave cleanly')
      return null
    }
  }

  const release = (): Promise<LegStats | null> => {
    abort.abort(callIsOver)
    leaving ??= leaveConference()
    return leaving
  }

  /** Frees what the call holds, then tells the last entries. */
  const finish = (bridgeEnd: 'left' | 'failed' | null, last?: (stats: LegStats | null) => void) => {
    const leaving = release()
    if (bridgeEnd === 'left' && bridgeState !== 'IDLE') moveBridge({ type: 'leaving' })
    const left = async (): Promise<void> => {
      const stats = await leaving
      if (stats !== null) tellQuality(stats)
      if (bridgeEnd === 'failed') moveBridge({ type: 'failed' })
      if (bridgeEnd !== null) moveBridge({ type: 'left' }, {}, last === undefined)
      last?.(stats)
    }
    const settle = async (): Promise<void> => {
      await left()
      while (teardown.length > 0) await Promise.allSettled(teardown.splice(0))
      await recorder.settled()
      over.resolve()
      listener.onOver()
    }
    void settle()
  }

  return {
    context: {
      traceId,
      ...(parentTraceId === undefined ? {} : { parentTraceId }),
      log,
      signal: abort.signal,
      now: clock.now
    },
    log,
    recorder,
    sessionId,
    describe: createVersioning(),
    event,
    bridge: { state: () => bridgeState, move: moveBridge },
    exchange,
    leg: () => leg,
    keepLeg: (kept) => {
      leg = kept
      kept.onEvent(legEvent)
    },
    await: (work) => void teardown.push(work),
    tellDecision: ({ verdict, layer, code, reason, security, expertId, hazard, findings, receipt }, edgeLayers) => {
      recorder.tell(components.guard, 'policy_decision', {
        verdict,
        layer,
        code,
        reason: clip(reason),
        security,
        expertId,
        hazard,
        findings: findings.map((finding) => ({ ...finding, reason: clip(finding.reason) })),
        edgeLayers: [...edgeLayers],
        ...(receipt === undefined ? {} : { receipt: { ...receipt } })
      })
      const shown = findings.map(({ policy, verdict, code }) => ({ policy, verdict, code }))
      event({ type: 'decided', verdict, code, expertId, findings: shown })
    },
    takeAnswer: (sdp, agreed) => {
      const refused = (reason: string) =>
        stop({ by: 'application', reason: 'answer-refused' }, refusal('conference.failed', reason))
      if (sdp === '') return refused('no answer to our offer')
      leg!.answered(sdp).then(
        (result) => {
          exchange.move({ type: 'theirAnswer' })
          if (!result.ok) return refused(clip(result.reason))
          agreed()
          moveBridge({ type: result.held ? 'held' : 'resumed' })
        },
        (error: unknown) => refused(errorCode(error))
      )
    },
    bye: (dialog, cause) => {
      const reason = reasonOfBye(cause)
      recorder.tell(components.sip, 'sip_bye_sent', { by: 'application', reason })
      const answered = Promise.withResolvers<void>()
      teardown.push(answered.promise)
      dialog.destroy({ headers: { Reason: reason, 'Session-ID': sessionId() } }, (error) => {
        if (error) log.info({ reason: clippedMessage(error) }, 'BYE not answered')
        answered.resolve()
      })
    },
    attempt: (work, code) => {
      work().catch((error: unknown) => {
        log.error({ code: errorCode(error), during: code }, 'call set-up failed')
        identity.refuse(refusal(code, `failed with ${errorCode(error)}`))
      })
    },
    contain: (work) => {
      try {
        work()
      } catch (error) {
        log.error({ code: errorCode(error), stack: error instanceof Error ? error.stack : String(error) }, 'call failed')
        stop({ by: 'application', reason: 'internal-error' }, refusal('call.failed', `failed with ${errorCode(error)}`))
      }
    },
    establish: ({ conference, participant, expertId, hazard }, dialog, more = {}) => {
      const codec = leg!.codec()
      established = { dialog, place: { conference, hazard } }
      recorder.tell(components.sip, 'sip_dialog_established', { codec, ...dialog })
      recorder.tell(components.proxy, 'CONNECTED', { conference, participant, expertId, hazard, codec, ...more })
      moveBridge({ type: 'connected' })
      recorder.tell(components.bridge, 'BRIDGE_ESTABLISHED', { conference, participant, codec })
      event({ type: 'established', conference, participant, codec })
    },
    left: () => {
      if (established === null || identity.isOver()) return null
      const parent = parentTraceId === undefined ? {} : { parentTraceId }
      return {
        traceId,
        ...parent,
        callId,
        dialog: readRecordedDialog(established.dialog),
        place: established.place!,
        receivedAt: null
      }
    },
    release: () => void release(),
    reject: ({ status, code, reason, layer, security }, facts) => {
      const isLast = bridgeState === 'IDLE'
      const payload = { status, code, reason, layer, ...facts }
      recorder.tell(components.proxy, security ? 'SECURITY_REJECTED' : 'REJECTED', payload, isLast ? 'end' : undefined)
      event({ type: 'rejected', status, code, layer, security })
      finish(isLast ? null : 'failed')
    },
    end: (cause, durationMs, facts) =>
      finish('left', (stats) => {
        const how = { hungUpBy: cause.by, reason: cause.reason, durationMs }
        const media = { leg: recordOfStats(stats), strangerPackets: strangers.packets }
        recorder.tell(components.proxy, 'TERMINATED', { ...how, ...facts, ...media }, 'end')
        event({ type: 'ended', by: cause.by, reason: cause.reason, durationMs, stats })
      }),
    over: over.promise
  }
}
