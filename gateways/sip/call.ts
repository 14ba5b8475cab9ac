import { errorCode, type GuardDecision, newTraceId, step } from '#kernel'
import type { CallSnapshot } from './call-events.ts'
import { type CallEffect, type CallEvent, type CallState, callTable, type EndCause } from './call-machine.ts'
import {
  bodyHash,
  type CallListener,
  type CallPorts,
  type CallSettings,
  components,
  createCallParts,
  messageOf,
  recordOfStats,
  rounded,
  serverCause
} from './call-parts.ts'
import type { SipDialog, SipRequest, SipResponse } from './drachtio.ts'
import { allowedMethods, type CallInside, handleInDialog, supported } from './in-dialog.ts'
import type { Opening } from './opening.ts'
import { type Refusal, reasonOfStatus, refusal, refusalByGuard, refusalByMedia } from './refusal.ts'
import { createHolding, type HoldOutcome } from './reinvite.ts'
import { readPeerSessionId } from './session-id.ts'
import { answerSessionTimer } from './session-timer.ts'
import { showText } from './show-text.ts'
import { clip, readNameAddr } from './sip-headers.ts'
import { handleTransfers } from './transfer.ts'

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
  /** The server, and with it the dialog, is gone. */
  readonly signallingLost: () => void
  /** Resolves when the leg is free, the BYE (if we sent one) is answered and every entry is settled. */
  readonly over: Promise<void>
}

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
  invite: {
    readonly request: SipRequest
    readonly response: SipResponse
    readonly opening: Opening
    /** The call whose place it takes, once it is established. */
    readonly replaced: Call | null
  }
): Call {
  const { clock, server } = ports
  const { request, response, opening, replaced } = invite
  const traceId = newTraceId()
  const parentTraceId = opening.claimedTraceId ?? replaced?.traceId
  const receivedAt = clock.now()
  const receivedMs = clock.monotonicMs()
  const peerSessionId = readPeerSessionId(opening.peerSessionId)
  let state: CallState = 'screening'
  let decision: GuardDecision | null = null
  let localSdp = ''
  let dialog: SipDialog | null = null
  let answeredMs: number | null = null
  let endCause: EndCause = { by: 'application', reason: 'withdrawn' }
  let timerHeaders: Record<string, string> = {}
  let participant = ''
  const stop = (cause: EndCause, refused: Refusal) => fire({ type: 'stopped', cause, refusal: refused })
  const parts = createCallParts(ports, settings, listener, {
    traceId,
    parentTraceId,
    callId: opening.callId,
    peerSessionId: () => peerSessionId,
    isOver: () => state === 'ended' || state === 'withdrawing',
    stop
  })
  const { recorder, event, bridge, exchange, log, sessionId } = parts
  const cancelSetupTimer = clock.after(settings.setupTimeoutMs, () =>
    fire({ type: 'refused', refusal: refusal('sip.setup.timeout', `not answered within ${settings.setupTimeoutMs} ms`) })
  )

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
        parts.keepLeg(effect.leg)
        localSdp = parts.describe(effect.sdp)
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
        return parts.bye(dialog!, effect.cause)
      case 'lateBye':
        return parts.bye(dialog!, endCause)
      case 'end':
        return end(effect.cause)
      case 'dropLeg':
        parts.await(effect.leg.leave())
        return
    }
  }

  const screen = async (): Promise<void> => {
    const edge = opening.edge!
    decision = await ports.guard.decide(parts.context, {
      direction: 'inbound',
      method: 'INVITE',
      callId: opening.callId,
      cseq: opening.cseq,
      fromUri: opening.fromUri,
      toUri: opening.toUri,
      claimedTraceId: opening.claimedTraceId,
      hazard: opening.hazard,
      signature: opening.signature,
      identities: opening.identities,
      body: Buffer.from(opening.offer, 'utf8'),
      edge,
      receivedAt
    })
    if (decision.findings.some((finding) => finding.code === signatureVerified))
      recorder.tell(components.sip, 'sip_hash_verified', { expertId: decision.expertId, keyId: keyIdOf(opening.signature) })
    parts.tellDecision(decision, opening.edgeLayers)
    fire(decision.verdict === 'approve' ? { type: 'approved' } : { type: 'refused', refusal: refusalByGuard(decision) })
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
    bridge.move({ type: 'joining' }, { conference, participant, role })
    if (!opening.reliableOnly) bridge.move({ type: 'ringing' })
    const offer = opening.offer === '' ? null : opening.offer
    const onEarlyMedia = (sdp: string): void => {
      if (state !== 'joining' || opening.reliableOnly) return
      response.send(183, { headers: { 'Session-ID': sessionId(), 'Content-Type': 'application/sdp' }, body: sdp })
      recorder.tell(components.sip, 'sip_183_progress', { sdpSha256: bodyHash(sdp) })
    }
    const joined = await ports.conference.join(parts.context, { conference, participant, role, offer, onEarlyMedia })
    if (!joined.ok) return fire({ type: 'refused', refusal: refusalByMedia(joined) })
    if (offer === null) exchange.move({ type: 'ourOffer' })
    fire({ type: 'joined', leg: joined.leg, sdp: joined.sdp })
  }

  const answer = () => {
    cancelSetupTimer()
    const headers = {
      ...timerHeaders,
      'Session-ID': sessionId(),
      Allow: allowedMethods,
      Supported: supported,
      'Content-Type': 'application/sdp'
    }
    const told = Promise.withResolvers<void>()
    parts.await(told.promise)
    server.createUAS(request, response, { localSdp, headers }, (error, created) => {
      if (created === undefined) {
        log.info({ reason: messageOf(error) }, 'answer not sent')
        fire({ type: 'notSent' })
      } else {
        dialog = created
        created.on('ack', acknowledged)
        created.on('destroy', destroyed)
        handleInDialog(created, inside)
        handleTransfers(created, inside, ports.transfers, () => ({
          hazard: decision?.hazard ?? null,
          conference: opening.dialled!.conference,
          role: 'expert',
          expertId: decision?.expertId ?? null,
          parentTraceId: parentTraceId ?? traceId,
          successor: () => {},
          handedOver: () => stop({ by: 'application', reason: 'transferred' }, refusal('call-out.stopped', 'transferred'))
        }))
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
    if (exchange.state() === 'offering') parts.takeAnswer(ack.body, () => undefined)
  }

  const establish = (sdp: string) => {
    const established = () => {
      if (state !== 'established') return
      const codec = parts.leg()!.codec()
      const conference = opening.dialled!.conference
      const { expertId, hazard } = decision!
      recorder.tell(components.sip, 'sip_dialog_established', {
        codec,
        localUri: opening.toUri,
        localTag: dialog!.sip.localTag,
        remoteUri: opening.fromUri,
        remoteTag: opening.fromTag,
        remoteTarget: clip(readNameAddr(request.get('Contact'))?.uri ?? ''),
        sdpSha256: sdp === '' ? null : bodyHash(sdp)
      })
      const replaces = replaced?.traceId ?? null
      recorder.tell(components.proxy, 'CONNECTED', { conference, participant, expertId, hazard, codec, replaces })
      bridge.move({ type: 'connected' })
      recorder.tell(components.bridge, 'BRIDGE_ESTABLISHED', { conference, participant, codec })
      event({ type: 'established', conference, participant, codec })
      replaced?.stop({ by: 'application', reason: 'replaced' }, refusal('call-out.stopped', 'replaced'))
    }
    if (exchange.state() === 'offering') parts.takeAnswer(sdp, established)
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
    if (refused.phrase === null) response.send(refused.status, { headers })
    else response.send(refused.status, refused.phrase, { headers })
    const { status, code, reason, layer, security } = refused
    const facts = {
      status,
      code,
      reason,
      layer,
      expertId: decision?.expertId ?? null,
      hazard: opening.hazard
    }
    recorder.tell(components.proxy, security ? 'SECURITY_REJECTED' : 'REJECTED', facts, bridge.state() === 'IDLE')
    event({ type: 'rejected', status, code, layer, security })
    cancelSetupTimer()
    parts.finish(bridge.state() === 'IDLE' ? null : 'failed')
  }

  const end = (cause: EndCause) => {
    endCause = cause
    const endedMs = clock.monotonicMs()
    const durationMs = answeredMs === null ? 0 : rounded(endedMs - answeredMs)
    cancelSetupTimer()
    parts.finish('left', (stats) => {
      const facts = {
        hungUpBy: cause.by,
        reason: cause.reason,
        durationMs,
        conference: opening.dialled?.conference ?? null,
        expertId: decision?.expertId ?? null,
        hazard: opening.hazard,
        leg: recordOfStats(stats),
        strangerPackets: parts.strangerPackets()
      }
      recorder.tell(components.proxy, 'TERMINATED', facts, true)
      event({ type: 'ended', by: cause.by, reason: cause.reason, durationMs, stats })
    })
  }

  const inside: CallInside = {
    isLive: () => state === 'answered' || state === 'established',
    leg: parts.leg,
    tell: recorder.tell,
    event,
    bridge: bridge.move,
    exchange,
    describe: parts.describe,
    sessionId,
    sessionTimer: settings.sessionTimer,
    log
  }

  const holding = createHolding(inside, () => dialog, { clock, random: Math.random, ownsCallId: false })
  void parts.over.then(holding.over)

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
    replaces: opening.replaces === null ? null : opening.replaces.callId,
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
      direction: 'inbound',
      state,
      bridge: bridge.state(),
      fromUri: opening.fromUri,
      conference: opening.dialled?.conference ?? null,
      hazard: opening.hazard,
      expertId: decision?.expertId ?? null,
      receivedAt
    }),
    stop,
    hold: holding.hold,
    showText: (text) => showText(inside, dialog, request.get('Allow'), text),
    tags: () => (dialog === null || !inside.isLive() ? null : { local: dialog.sip.localTag, remote: dialog.sip.remoteTag }),
    signallingLost: () => fire({ type: 'hungUp', cause: { by: 'sip-server', reason: 'signalling-lost' } }),
    over: parts.over
  }
}

/** Key id of an X-IF-Signature as claimed, for the record. */
const keyIdOf = (signature: string | null): string | null =>
  /(?:^|;)\s*kid=([A-Za-z0-9_-]{1,64})/.exec(signature ?? '')?.[1] ?? null
