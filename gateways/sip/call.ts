import { createHash } from 'node:crypto'
import {
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  errorCode,
  type Guard,
  type GuardDecision,
  type JsonObject,
  type LegEvent,
  type LegStats,
  type Log,
  newTraceId,
  type ParticipantRole,
  step,
  type Witness
} from '#kernel'
import { type BridgeEvent, type BridgeState, bridgeTable } from './bridge-machine.ts'
import type { CallSnapshot, CallTimelineEvent } from './call-events.ts'
import { type CallEffect, type CallEvent, type CallState, callTable, type EndCause, reasonOfBye } from './call-machine.ts'
import type { SipDialog, SipRequest, SipResponse, SipServerConnection } from './drachtio.ts'
import { handleInDialog } from './in-dialog.ts'
import { type OfferAnswerEvent, type OfferAnswerState, offerAnswerTable } from './offer-answer.ts'
import type { Opening } from './opening.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { type Refusal, reasonOfStatus, refusal, refusalByGuard, refusalByMedia } from './refusal.ts'
import { formatSessionId, readPeerSessionId } from './session-id.ts'
import { answerSessionTimer, type SessionTimerConfig } from './session-timer.ts'
import { clip } from './sip-headers.ts'

export const components = { sip: 'IF.witness.sip', proxy: 'IF.proxy', bridge: 'IF.bridge.conference', guard: 'IF.guard' } as const

/** What a call needs of the world. */
export interface CallPorts {
  readonly server: SipServerConnection
  readonly witness: Witness
  readonly guard: Guard
  readonly conference: ConferencePort
  readonly roleOf: (registryId: string) => ParticipantRole
  readonly log: Log
  readonly clock: Clock
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

/** One inbound call. */
export interface Call {
  readonly traceId: string
  readonly snapshot: () => CallSnapshot
  /** Ends the call from our side: BYE once there is a dialog, else `refusal` as the answer to the INVITE. */
  readonly stop: (cause: EndCause, refusal: Refusal) => void
  /** The server, and with it the dialog, is gone. */
  readonly signallingLost: () => void
  /** Resolves when the leg is free, the BYE (if we sent one) is answered and every entry is settled. */
  readonly over: Promise<void>
}

/** SHA-256 of a body, 64 hex digits: how records name an SDP. */
export const bodyHash = (body: string): string => createHash('sha256').update(body, 'utf8').digest('hex')

/** Parts of a call that in-dialog requests need. */
export interface CallInside {
  readonly state: () => CallState
  readonly leg: () => ConferenceLeg | null
  readonly tell: Recorder['tell']
  readonly event: (event: CallTimelineEventBody) => void
  readonly bridge: (event: BridgeEvent) => void
  readonly exchange: { readonly state: () => OfferAnswerState; readonly move: (event: OfferAnswerEvent) => void }
  readonly fire: (event: CallEvent) => void
  readonly sessionId: () => string
  readonly sessionTimer: SessionTimerConfig
  readonly log: Log
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
export type CallTimelineEventBody = DistributiveOmit<CallTimelineEvent, 'at' | 'traceId' | 'callId'>

const strangerReportMs = 5000

/** Code of the finding that says an X-IF-Signature verified. */
const signatureVerified = 'guard.signature.verified'

/**
 * Takes an INVITE through IF.guard into its conference and keeps it until it ends. The answer to the INVITE is sent here and nowhere else.
 *
 * @param opening the INVITE as read; an opening with a refusal makes a call that is refused, so that it stands in the record like any other.
 */
export function takeCall(
  ports: CallPorts,
  settings: CallSettings,
  listener: CallListener,
  invite: { readonly request: SipRequest; readonly response: SipResponse; readonly opening: Opening }
): Call {
  const { clock, server } = ports
  const { request, response, opening } = invite
  const traceId = newTraceId()
  const parentTraceId = opening.claimedTraceId ?? undefined
  const receivedAt = clock.now()
  const receivedMs = clock.monotonicMs()
  const log = ports.log.child({ traceId })
  const abort = new AbortController()
  const context: CallContext = {
    traceId,
    ...(parentTraceId === undefined ? {} : { parentTraceId }),
    log,
    signal: abort.signal,
    now: clock.now
  }
  const recorder = createRecorder({
    witness: ports.witness,
    traceId,
    parentTraceId,
    common: { callId: opening.callId },
    failClosed: settings.failClosed,
    log,
    onUnrecorded: listener.onUnrecorded
  })
  const peerSessionId = readPeerSessionId(opening.peerSessionId)
  const sessionId = () => formatSessionId(traceId, peerSessionId)

  let state: CallState = 'screening'
  let bridgeState: BridgeState = 'IDLE'
  let exchangeState: OfferAnswerState = 'stable'
  let decision: GuardDecision | null = null
  let leg: ConferenceLeg | null = null
  let localSdp = ''
  let dialog: SipDialog | null = null
  let answeredMs: number | null = null
  let endCause: EndCause = { by: 'application', reason: 'withdrawn' }
  let timerHeaders: Record<string, string> = {}
  let participant = ''
  let strangers = { packets: 0, untold: 0, toldMs: Number.NEGATIVE_INFINITY }
  const teardown: Promise<unknown>[] = []
  const over = Promise.withResolvers<void>()
  const cancelSetupTimer = clock.after(settings.setupTimeoutMs, () =>
    fire({ type: 'refused', refusal: refusal('sip.setup.timeout', `not answered within ${settings.setupTimeoutMs} ms`) })
  )

  const event = (body: CallTimelineEventBody) =>
    listener.onEvent({ at: clock.now(), traceId, callId: opening.callId, ...body } as CallTimelineEvent)

  const bridge = (bridgeEvent: BridgeEvent, detail: JsonObject = {}, last = false) => {
    const next = step(bridgeTable, bridgeState, bridgeEvent, undefined)
    if (!next.allowed) return log.debug({ bridge: bridgeState, event: bridgeEvent.type }, 'bridge event without a row')
    const previous = bridgeState
    bridgeState = next.state
    recorder.tell(components.bridge, 'BRIDGE_STATE_CHANGED', { previous, state: bridgeState, ...detail }, last)
    event({ type: 'bridge', previous, state: bridgeState })
  }

  const exchange = {
    state: () => exchangeState,
    move: (exchangeEvent: OfferAnswerEvent) => {
      exchangeState = step(offerAnswerTable, exchangeState, exchangeEvent, undefined).state
    }
  }

  const fire = (callEvent: CallEvent) => {
    const next = step(callTable, state, callEvent, undefined)
    if (!next.allowed) return log.debug({ state, event: callEvent.type }, 'call event without a row')
    state = next.state
    for (const effect of next.effects as readonly CallEffect[]) perform(effect)
  }

  /** Runs work done for the call; whatever it throws becomes the refusal. */
  const attempt = (work: () => Promise<void>, code: 'guard.failed' | 'conference.failed' | 'witness.unrecorded') => {
    work().catch((error: unknown) => {
      log.error({ code: errorCode(error), during: code }, 'call set-up failed')
      fire({ type: 'refused', refusal: refusal(code, `failed with ${errorCode(error)}`) })
    })
  }

  const perform = (effect: CallEffect) => {
    switch (effect.type) {
      case 'ring':
        return ring()
      case 'join':
        return attempt(join, 'conference.failed')
      case 'keepLeg':
        leg = effect.leg
        localSdp = effect.sdp
        leg.onEvent(legEvent)
        return
      case 'awaitRecords':
        return attempt(async () => {
          await recorder.requiredDurable()
          fire({ type: 'recorded' })
        }, 'witness.unrecorded')
      case 'answer':
        return answer()
      case 'noteAnswered':
        return noteAnswered()
      case 'establish':
        return establish(effect.answer)
      case 'refuse':
        return refuse(effect.refusal)
      case 'bye':
        return bye(effect.cause)
      case 'lateBye':
        return bye(endCause)
      case 'end':
        return end(effect.cause)
      case 'dropLeg':
        teardown.push(effect.leg.leave())
        return
    }
  }

  const screen = async (): Promise<void> => {
    const edge = opening.edge!
    decision = await ports.guard.decide(context, {
      direction: 'inbound',
      method: 'INVITE',
      callId: opening.callId,
      cseq: opening.cseq,
      fromUri: opening.fromUri,
      toUri: opening.toUri,
      claimedTraceId: opening.claimedTraceId,
      hazard: opening.hazard,
      signature: opening.signature,
      body: Buffer.from(opening.offer, 'utf8'),
      edge,
      receivedAt
    })
    const { verdict, layer, code, reason, security, expertId, hazard, findings } = decision
    if (findings.some((finding) => finding.code === signatureVerified))
      recorder.tell(components.sip, 'sip_hash_verified', { expertId, keyId: keyIdOf(opening.signature) })
    recorder.tell(components.guard, 'policy_decision', {
      verdict,
      layer,
      code,
      reason: clip(reason),
      security,
      expertId,
      hazard,
      findings: findings.map((finding) => ({ ...finding, reason: clip(finding.reason) })),
      edgeLayers: [...opening.edgeLayers]
    })
    event({ type: 'decided', verdict, code, expertId })
    fire(verdict === 'approve' ? { type: 'approved' } : { type: 'refused', refusal: refusalByGuard(decision) })
  }

  const ring = () => {
    if (opening.reliableOnly) return
    response.send(180, { headers: { 'Session-ID': sessionId() } })
    recorder.tell(components.sip, 'sip_180_ringing', {})
    event({ type: 'ringing' })
  }

  const join = async (): Promise<void> => {
    const conference = opening.dialled!.conference
    const expertId = decision!.expertId
    const role = expertId === null ? 'observer' : ports.roleOf(expertId)
    participant = `${expertId ?? 'guest'}-${traceId.slice(0, 8)}`
    bridge({ type: 'joining' }, { conference, participant, role })
    if (!opening.reliableOnly) bridge({ type: 'ringing' })
    const offer = opening.offer === '' ? null : opening.offer
    const joined = await ports.conference.join(context, { conference, participant, role, offer })
    if (!joined.ok) return fire({ type: 'refused', refusal: refusalByMedia(joined) })
    if (offer === null) exchange.move({ type: 'ourOffer' })
    fire({ type: 'joined', leg: joined.leg, sdp: joined.sdp })
  }

  const legEvent = (legEvent: LegEvent) => {
    if (state === 'ended' || state === 'withdrawing') return
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
      case 'failed':
        bridge({ type: 'failed' }, { reason: clip(legEvent.reason) })
        return stop({ by: 'conference', reason: 'media-failed' }, refusal('conference.failed', clip(legEvent.reason)))
    }
  }

  const strangerPackets = (packets: number) => {
    const nowMs = clock.monotonicMs()
    strangers = { packets: strangers.packets + packets, untold: strangers.untold + packets, toldMs: strangers.toldMs }
    if (nowMs - strangers.toldMs < strangerReportMs) return
    recorder.tell(components.bridge, 'RTP_STRANGER_REJECTED', { packets: strangers.untold })
    event({ type: 'strangers', packets: strangers.untold })
    strangers = { packets: strangers.packets, untold: 0, toldMs: nowMs }
  }

  const answer = () => {
    cancelSetupTimer()
    const headers = {
      ...timerHeaders,
      'Session-ID': sessionId(),
      Allow: allowedMethods,
      Supported: 'timer',
      'Content-Type': 'application/sdp'
    }
    const told = Promise.withResolvers<void>()
    teardown.push(told.promise)
    server.createUAS(request, response, { localSdp, headers }, (error, created) => {
      if (created === undefined) {
        log.info({ reason: messageOf(error) }, 'answer not sent')
        fire({ type: 'notSent' })
      } else {
        dialog = created
        created.on('ack', acknowledged)
        created.on('destroy', destroyed)
        handleInDialog(created, inside)
        fire({ type: 'sent' })
      }
      told.resolve()
    })
  }

  const noteAnswered = () => {
    answeredMs = clock.monotonicMs()
    const setupMs = rounded(answeredMs - receivedMs)
    recorder.tell(components.sip, 'sip_200_ok', { sdpSha256: bodyHash(localSdp), setupMs })
    event({ type: 'answered', setupMs })
  }

  const acknowledged = (ack: SipRequest) => {
    if (state === 'answered') return fire({ type: 'acknowledged', answer: ack.body })
    if (exchangeState === 'offering') takeAnswer(ack.body, () => undefined)
  }

  /** Gives the answer that an ACK carried to the leg. An offer of ours that gets no usable answer ends the call (RFC 3261 §13.2.1). */
  const takeAnswer = (sdp: string, agreed: () => void) => {
    const refused = (reason: string) =>
      stop({ by: 'application', reason: 'answer-refused' }, refusal('conference.failed', reason))
    if (sdp === '') return refused('no answer in the ACK')
    leg!.answered(sdp).then(
      (result) => {
        exchange.move({ type: 'theirAnswer' })
        if (!result.ok) return refused(clip(result.reason))
        agreed()
        bridge({ type: result.held ? 'held' : 'resumed' })
      },
      (error: unknown) => refused(errorCode(error))
    )
  }

  const establish = (sdp: string) => {
    const established = () => {
      if (state !== 'established') return
      const codec = leg!.codec()
      const conference = opening.dialled!.conference
      const { expertId, hazard } = decision!
      recorder.tell(components.sip, 'sip_dialog_established', {
        codec,
        localTag: dialog!.sip.localTag,
        remoteTag: opening.fromTag,
        sdpSha256: sdp === '' ? null : bodyHash(sdp)
      })
      recorder.tell(components.proxy, 'CONNECTED', { conference, participant, expertId, hazard, codec })
      bridge({ type: 'connected' })
      recorder.tell(components.bridge, 'BRIDGE_ESTABLISHED', { conference, participant, codec })
      event({ type: 'established', conference, participant, codec })
    }
    if (exchangeState === 'offering') takeAnswer(sdp, established)
    else established()
  }

  const destroyed = (bye: SipRequest, reason: string) => {
    const ours = bye.source === 'application'
    if (ours) recorder.tell(components.sip, 'sip_bye_sent', { by: 'sip-server', reason: clip(reason, 128) })
    else recorder.tell(components.sip, 'sip_bye_received', { reason: clip(bye.get('Reason') ?? '', 128) })
    fire({ type: 'hungUp', cause: ours ? serverCause(reason) : { by: 'caller', reason: 'bye' } })
  }

  const refuse = (refused: Refusal) => {
    const headers = { ...refused.headers, Reason: reasonOfStatus(refused.status), 'Session-ID': sessionId() }
    response.send(refused.status, { headers })
    const { status, code, reason, layer, security } = refused
    const facts = {
      status,
      code,
      reason,
      layer,
      expertId: decision?.expertId ?? null,
      hazard: opening.hazard
    }
    recorder.tell(components.proxy, security ? 'SECURITY_REJECTED' : 'REJECTED', facts, bridgeState === 'IDLE')
    event({ type: 'rejected', status, code, layer, security })
    finish(bridgeState === 'IDLE' ? null : 'failed')
  }

  const bye = (cause: EndCause) => {
    const reason = reasonOfBye(cause)
    recorder.tell(components.sip, 'sip_bye_sent', { by: 'application', reason })
    const answered = Promise.withResolvers<void>()
    teardown.push(answered.promise)
    dialog!.destroy({ headers: { Reason: reason, 'Session-ID': sessionId() } }, (error) => {
      if (error) log.info({ reason: messageOf(error) }, 'BYE not answered')
      answered.resolve()
    })
  }

  const end = (cause: EndCause) => {
    endCause = cause
    const endedMs = clock.monotonicMs()
    const durationMs = answeredMs === null ? 0 : rounded(endedMs - answeredMs)
    finish('left', (stats) => {
      const facts = {
        hungUpBy: cause.by,
        reason: cause.reason,
        durationMs,
        conference: opening.dialled?.conference ?? null,
        expertId: decision?.expertId ?? null,
        hazard: opening.hazard,
        leg: stats === null ? null : { ...stats, received: { ...stats.received }, sent: { ...stats.sent } },
        strangerPackets: strangers.packets
      }
      recorder.tell(components.proxy, 'TERMINATED', facts, true)
      event({ type: 'ended', by: cause.by, reason: cause.reason, durationMs, stats })
    })
  }

  /** Frees what the call holds, then tells the last entries. */
  const finish = (bridgeEnd: 'left' | 'failed' | null, last?: (stats: LegStats | null) => void) => {
    cancelSetupTimer()
    abort.abort()
    const leaving = leg
    if (bridgeEnd === 'left' && bridgeState !== 'IDLE') bridge({ type: 'leaving' })
    const left = async (): Promise<void> => {
      let stats: LegStats | null = null
      try {
        stats = (await leaving?.leave()) ?? null
      } catch (error) {
        log.error({ code: errorCode(error) }, 'leg did not leave cleanly')
      }
      if (bridgeEnd === 'failed') bridge({ type: 'failed' })
      if (bridgeEnd !== null) bridge({ type: 'left' }, {}, last === undefined)
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

  const stop = (cause: EndCause, refused: Refusal) => fire({ type: 'stopped', cause, refusal: refused })

  const inside: CallInside = {
    state: () => state,
    leg: () => leg,
    tell: recorder.tell,
    event,
    bridge,
    exchange,
    fire,
    sessionId,
    sessionTimer: settings.sessionTimer,
    log
  }

  request.on('cancel', () => {
    recorder.tell(components.sip, 'sip_cancel_received', {})
    fire({ type: 'cancelled' })
  })

  recorder.tell(components.sip, 'sip_invite_received', {
    cseq: opening.cseq,
    sdpSha256: opening.offer === '' ? null : bodyHash(opening.offer),
    lateOffer: opening.offer === '',
    peerSessionId
  })
  recorder.tell(components.proxy, 'INVITE', {
    application: settings.application,
    fromUri: opening.fromUri,
    toUri: opening.toUri,
    requestUri: opening.requestUri,
    conference: opening.dialled?.conference ?? null,
    hazard: opening.hazard,
    edge: opening.edge === null ? null : { ...opening.edge },
    edgeLayers: [...opening.edgeLayers]
  })
  event({
    type: 'received',
    fromUri: opening.fromUri,
    toUri: opening.toUri,
    conference: opening.dialled?.conference ?? null,
    hazard: opening.hazard
  })

  const timer = answerSessionTimer((name) => request.get(name), settings.sessionTimer)
  if (opening.refusal !== null) fire({ type: 'refused', refusal: opening.refusal })
  else if (!timer.ok)
    fire({
      type: 'refused',
      refusal: refusal('sip.session-interval.too-small', 'session interval too small', { 'Min-SE': String(timer.minSeconds) })
    })
  else {
    timerHeaders = timer.headers
    attempt(screen, 'guard.failed')
  }

  return {
    traceId,
    snapshot: () => ({
      traceId,
      callId: opening.callId,
      state,
      bridge: bridgeState,
      fromUri: opening.fromUri,
      conference: opening.dialled?.conference ?? null,
      hazard: opening.hazard,
      expertId: decision?.expertId ?? null,
      receivedAt
    }),
    stop,
    signallingLost: () => fire({ type: 'hungUp', cause: { by: 'sip-server', reason: 'signalling-lost' } }),
    over: over.promise
  }
}

/** Methods that a dialog of ours understands. */
export const allowedMethods = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO'

const messageOf = (error: unknown): string => clip(error instanceof Error ? error.message : String(error), 200)

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000

/** Key id of an X-IF-Signature as claimed, for the record. */
const keyIdOf = (signature: string | null): string | null =>
  /(?:^|;)\s*kid=([A-Za-z0-9_-]{1,64})/.exec(signature ?? '')?.[1] ?? null

const serverCause = (reason: string): EndCause => ({
  by: 'sip-server',
  reason: /ack/i.test(reason)
    ? 'ack-timeout'
    : /session/i.test(reason)
      ? 'session-timer-expired'
      : /cancel/i.test(reason)
        ? 'cancelled'
        : 'ended-by-server'
})
