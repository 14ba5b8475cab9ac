import { type GuardDecision, newTraceId, runMachine } from '#kernel'
import { allowedMethods, supported } from '../dialog/requests.ts'
import type { EndCause } from '../message/end-cause.ts'
import { clip, readNameAddr } from '../message/headers.ts'
import { type Refusal, reasonOfStatus, refusal, refusalByGuard, refusalByMedia } from '../message/refusal.ts'
import { readPeerSessionId } from '../message/session-id.ts'
import { answerSessionTimer, refresherOver } from '../message/session-timer.ts'
import { bodyHash, clippedMessage, components, rounded } from '../record/values.ts'
import type { SipRequest, SipResponse } from '../server/drachtio.ts'
import { createCallDialog } from './dialog.ts'
import { type CallEffect, type CallEvent, type CallState, callTable } from './incoming-machine.ts'
import type { Opening } from './opening.ts'
import { type Call, type CallListener, type CallPorts, type CallSettings, createCallParts } from './parts.ts'

/**
 * How long an approved call may take to be answered before its caller is told that it rings. Most are answered in a few milliseconds: 180 would be one more message
 * for everybody on the way, and nobody would hear it.
 *
 * @see RFC 3261 §13.3.1.1: 180 is for who cannot answer at once
 */
const ringAfterMs = 100

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
  /** What is left of the decision once it is told: its facts would be kept for as long as the call lasts. */
  let decided: Pick<GuardDecision, 'expertId' | 'hazard'> | null = null
  let localSdp = ''
  let answeredMs: number | null = null
  let endCause: EndCause = { by: 'application', reason: 'withdrawn' }
  let timerHeaders: Record<string, string> = {}
  let participant = ''
  const { fire, state } = runMachine<CallState, CallEvent, CallEffect>(
    callTable,
    'screening',
    (effect) => parts.contain(() => perform(effect)),
    (state, { type }) => log.debug({ state, event: type }, 'call event without a row')
  )
  const stop = (cause: EndCause, refused: Refusal) => fire({ type: 'stopped', cause, refusal: refused })
  const parts = createCallParts(ports, settings, listener, {
    traceId,
    parentTraceId,
    callId: opening.callId,
    peerSessionId: () => peerSessionId,
    isOver: () => state() === 'ended' || state() === 'withdrawing',
    stop,
    refuse: (refused) => fire({ type: 'refused', refusal: refused })
  })
  const { recorder, event, bridge, exchange, log, sessionId, attempt } = parts
  const refresher = refresherOver(opening.edge?.transport ?? 'udp')
  const dialog = createCallDialog(parts, ports, settings, {
    isLive: () => state() === 'answered' || state() === 'established',
    peer: 'caller',
    refresher,
    acknowledged: (sdp) => {
      if (state() !== 'answered') return false
      fire({ type: 'acknowledged', answer: sdp })
      return true
    },
    hungUp: (cause) => fire({ type: 'hungUp', cause }),
    allow: () => request.get('Allow'),
    transfer: () => ({
      hazard: decided?.hazard ?? null,
      conference: opening.dialled!.conference,
      role: 'expert',
      expertId: decided?.expertId ?? null,
      parentTraceId: parentTraceId ?? traceId,
      successor: () => {}
    }),
    stop
  })
  const cancelSetupTimer = clock.after(settings.setupTimeoutMs, () =>
    fire({ type: 'refused', refusal: refusal('sip.setup.timeout', `not answered within ${settings.setupTimeoutMs} ms`) })
  )
  let cancelRinging: () => void = () => {}
  const cancelTimers = () => {
    cancelSetupTimer()
    cancelRinging()
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
        return parts.bye(dialog.current()!, effect.cause)
      case 'lateBye':
        return parts.bye(dialog.current()!, endCause)
      case 'end':
        return end(effect.cause)
      case 'dropLeg':
        parts.await(effect.leg.leave())
        return
    }
  }

  const screen = async (): Promise<void> => {
    const edge = opening.edge!
    const decision = await ports.guard.decide(parts.context, {
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
    decided = { expertId: decision.expertId, hazard: decision.hazard }
    if (decision.findings.some((finding) => finding.code === signatureVerified))
      recorder.tell(components.sip, 'sip_hash_verified', { expertId: decision.expertId, keyId: keyIdOf(opening.signature) })
    parts.tellDecision(decision, opening.edgeLayers)
    fire(decision.verdict === 'approve' ? { type: 'approved' } : { type: 'refused', refusal: refusalByGuard(decision) })
  }

  const ring = () => {
    response.send(180, { headers: { 'Session-ID': sessionId() } })
    recorder.tell(components.sip, 'sip_180_ringing', {})
    bridge.move({ type: 'ringing' })
    event({ type: 'ringing' })
  }

  const join = async (): Promise<void> => {
    const conference = opening.dialled!.conference
    const expertId = decided!.expertId
    const role = expertId === null ? 'observer' : ports.roleOf(expertId)
    participant = `${expertId ?? 'guest'}-${traceId.slice(0, 8)}`
    bridge.move({ type: 'joining' }, { conference, participant, role })
    if (!opening.reliableOnly) cancelRinging = clock.after(ringAfterMs, () => fire({ type: 'ringDue' }))
    const offer = opening.offer === '' ? null : opening.offer
    const onEarlyMedia = (sdp: string): void => {
      if (state() !== 'joining' || opening.reliableOnly) return
      cancelRinging()
      response.send(183, { headers: { 'Session-ID': sessionId(), 'Content-Type': 'application/sdp' }, body: sdp })
      recorder.tell(components.sip, 'sip_183_progress', { sdpSha256: bodyHash(sdp) })
      if (bridge.state() === 'SETUP') bridge.move({ type: 'ringing' })
    }
    const joined = await ports.conference.join(parts.context, { conference, participant, role, offer, onEarlyMedia })
    if (!joined.ok) return fire({ type: 'refused', refusal: refusalByMedia(joined) })
    if (offer === null) exchange.move({ type: 'ourOffer' })
    fire({ type: 'joined', leg: joined.leg, sdp: joined.sdp })
  }

  const answer = () => {
    cancelTimers()
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
        log.info({ reason: clippedMessage(error) }, 'answer not sent')
        fire({ type: 'notSent' })
      } else {
        dialog.keep(created)
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

  const establish = (sdp: string) => {
    const established = () => {
      if (state() !== 'established') return
      const { expertId, hazard } = decided!
      parts.establish(
        { conference: opening.dialled!.conference, participant, expertId, hazard },
        {
          localUri: opening.toUri,
          localTag: dialog.current()!.sip.localTag,
          remoteUri: opening.fromUri,
          remoteTag: opening.fromTag,
          remoteTarget: clip(readNameAddr(request.get('Contact'))?.uri ?? ''),
          sdpSha256: sdp === '' ? null : bodyHash(sdp)
        },
        { replaces: replaced?.traceId ?? null }
      )
      replaced?.stop({ by: 'application', reason: 'replaced' }, refusal('call-out.stopped', 'replaced'))
    }
    if (exchange.state() === 'offering') parts.takeAnswer(sdp, established)
    else established()
  }

  const refuse = (refused: Refusal) => {
    // for the edge, which keeps it to itself and refuses by itself who is told so too often
    const attack: Record<string, string> = refused.security && refused.layer === 'policy' ? { 'X-IF-Guard': 'attack' } : {}
    const headers = { ...refused.headers, ...attack, Reason: reasonOfStatus(refused.status), 'Session-ID': sessionId() }
    if (refused.phrase === null) response.send(refused.status, { headers })
    else response.send(refused.status, refused.phrase, { headers })
    cancelTimers()
    parts.reject(refused, { expertId: decided?.expertId ?? null, hazard: opening.hazard })
  }

  const end = (cause: EndCause) => {
    endCause = cause
    cancelTimers()
    parts.end(cause, answeredMs === null ? 0 : rounded(clock.monotonicMs() - answeredMs), {
      conference: opening.dialled?.conference ?? null,
      expertId: decided?.expertId ?? null,
      hazard: opening.hazard
    })
  }

  request.on('cancel', () => {
    recorder.tell(components.sip, 'sip_cancel_received', {})
    fire({ type: 'cancelled' })
  })

  recorder.tell(
    components.sip,
    'sip_invite_received',
    {
      cseq: opening.cseq,
      fromTag: opening.fromTag,
      sdpSha256: opening.offer === '' ? null : bodyHash(opening.offer),
      lateOffer: opening.offer === '',
      peerSessionId
    },
    'opening'
  )
  recorder.tell(
    components.proxy,
    'INVITE',
    {
      application: settings.application,
      fromUri: opening.fromUri,
      toUri: opening.toUri,
      requestUri: opening.requestUri,
      conference: opening.dialled?.conference ?? null,
      hazard: opening.hazard,
      replaces: opening.replaces === null ? null : opening.replaces.callId,
      edge: opening.edge === null ? null : { ...opening.edge },
      edgeLayers: [...opening.edgeLayers]
    },
    'opening'
  )
  event({
    type: 'received',
    fromUri: opening.fromUri,
    toUri: opening.toUri,
    conference: opening.dialled?.conference ?? null,
    hazard: opening.hazard
  })

  const timer = answerSessionTimer((name) => request.get(name), settings.sessionTimer, refresher)
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
      state: state(),
      bridge: bridge.state(),
      fromUri: opening.fromUri,
      conference: opening.dialled?.conference ?? null,
      hazard: opening.hazard,
      expertId: decided?.expertId ?? null,
      receivedAt
    }),
    stop,
    hold: dialog.hold,
    showText: dialog.showText,
    tags: dialog.tags,
    left: parts.left,
    signallingLost: () => fire({ type: 'hungUp', cause: { by: 'sip-server', reason: 'signalling-lost' } }),
    over: parts.over
  }
}

/** Key id of an X-IF-Signature as claimed, for the record. */
const keyIdOf = (signature: string | null): string | null =>
  /(?:^|;)\s*kid=([A-Za-z0-9_-]{1,64})/.exec(signature ?? '')?.[1] ?? null
