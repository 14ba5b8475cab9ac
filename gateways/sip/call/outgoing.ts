import { randomUUID } from 'node:crypto'
import {
  type CallOut,
  type CallOutAnswer,
  type CallOutEnd,
  type CallOutProgress,
  type CallOutRefusal,
  type CallOutRequest,
  type CallOutStop,
  errorCode,
  type GuardDecision,
  type IdentityVoucher,
  newTraceId,
  type RequestSigner,
  runMachine
} from '#kernel'
import type { LeftCall } from '../dialog/left-dialogs.ts'
import { type EndCause, reasonOfBye } from '../message/end-cause.ts'
import { clip, readNameAddr } from '../message/headers.ts'
import { type Refusal, refusal, refusalByGuard, refusalByMedia } from '../message/refusal.ts'
import { readPeerSessionId } from '../message/session-id.ts'
import { bodyHash, clippedMessage, components, rounded } from '../record/values.ts'
import type { SipDialog, UnacknowledgedDialog } from '../server/drachtio.ts'
import { createCallDialog } from './dialog.ts'
import { createInvitation } from './invitation.ts'
import {
  type Accepted,
  type Declined,
  type OutgoingEffect,
  type OutgoingEvent,
  type OutgoingState,
  outgoingTable
} from './outgoing-machine.ts'
import { type Call, type CallListener, type CallPorts, type CallSettings, createCallParts, type Rejection } from './parts.ts'

export interface OutgoingPorts extends CallPorts {
  /** Signs with this suite's own key; null sends no signature. */
  readonly sign: RequestSigner | null
  /** Vouches for who calls; null sends no Identity. */
  readonly vouch: IdentityVoucher | null
  /** Whether who is called under this URI, at this contact, must describe the session first, whatever was wished for. */
  readonly describesFirst: (uri: string, contact: string) => Promise<boolean>
}

export interface OutgoingSettings extends CallSettings {
  /** Where calls out go first: the edge. */
  readonly proxy: string
  /** Host of the URI in From: `sip:<conference>@<domain>`. */
  readonly domain: string
  /** In the place of the conference's name in that URI. */
  readonly number: string | null
}

/** 64·T1: after a CANCEL, the INVITE is given up without a final response. @see RFC 3261 §9.1 */
const cancelTimeoutMs = 32_000

/** For so long the answer to our CANCEL or BYE is waited for before a call is told to be over. */
const lastAnswerMs = 4000

/** What asks for a call out is told, by the reason for which we stopped it. */
const stopped: Readonly<Record<string, readonly [code: string, reason: string]>> = {
  cancelled: ['call-out.cancelled', 'cancelled before the answer'],
  'no-answer': ['call-out.no-answer', 'nobody answered in time'],
  'answered-elsewhere': ['call-out.answered-elsewhere', 'another expert answered first'],
  'escalation-ended': ['call-out.cancelled', 'the escalation ended before the answer'],
  draining: ['sip.draining', 'the application is shutting down']
}

/** A call out, which the application keeps like any other. */
export interface OutgoingCall extends Call {
  readonly callOut: CallOut
  /** The server saw `100 Trying`, which the drachtio protocol does not show. */
  readonly trying: () => void
}

/**
 * Calls somebody out into a conference: IF.guard is asked and the record is durable before a packet leaves, the INVITE is signed and goes to the edge.
 *
 * @param blocked what keeps the call from being made (drain, limits), null when nothing does; it then stands in the record like any other refusal.
 * @param left a call of an earlier run that is taken up: the INVITE goes in its dialog, and lets the peer describe the session, whose earlier descriptions of
 *   ours nobody knows (RFC 3264 §8 binds the origin of offers only).
 */
export function placeCall(
  ports: OutgoingPorts,
  settings: OutgoingSettings,
  listener: CallListener,
  wish: CallOutRequest,
  onProgress: (progress: CallOutProgress) => void,
  blocked: Refusal | null,
  left: LeftCall | null = null
): OutgoingCall {
  const { clock } = ports
  const { callee, hazard, conference } = wish
  const traceId = newTraceId()
  const callId = left?.callId ?? `${randomUUID()}@${settings.domain}`
  const fromUri = left?.dialog.localUri ?? `sip:${settings.number ?? conference}@${settings.domain}`
  const toUri = left?.dialog.remoteUri ?? callee.uri
  const requestUri = left?.dialog.remoteTarget ?? callee.contact
  const startedAt = clock.now()
  const family = isAtIpv6(requestUri) ? 6 : 4
  const participant = `${callee.id}-${traceId.slice(0, 8)}`

  let decision: GuardDecision | null = null
  let lateOffer = wish.offer === 'late'
  let localSdp = ''
  let reoffered = false
  /** Session interval that the callee has asked for, seconds. */
  let interval: number | null = null
  let held: Extract<Accepted, { kind: 'offer' }> | null = null
  let answeredMs: number | null = null
  let peerSessionId = readPeerSessionId(undefined)
  let remoteTag = ''
  let tried = false
  let cancelCause: EndCause = { by: 'application', reason: 'cancelled' }
  /** Latest session description of each fork that sent one before the answer. */
  const early = new Map<string, string>()
  let cancelTimer = () => {}
  /** Who took the place in the conference after a transfer. */
  let successor: CallOut | null = null
  const answered = Promise.withResolvers<CallOutAnswer>()
  const ended = Promise.withResolvers<CallOutEnd>()

  const { fire, state } = runMachine<OutgoingState, OutgoingEvent, OutgoingEffect>(
    outgoingTable,
    'screening',
    (effect) => parts.contain(() => perform(effect)),
    (state, { type }) => log.debug({ state, event: type }, 'call event without a row')
  )
  const stop = (cause: EndCause, refused: Refusal) => fire({ type: 'stopped', cause, refusal: refused })
  const parts = createCallParts(ports, settings, listener, {
    traceId,
    parentTraceId: wish.parentTraceId,
    callId,
    peerSessionId: () => peerSessionId,
    isOver: () => state() === 'ended' || state() === 'cancelling',
    stop,
    refuse: (refused) => fire({ type: 'refused', refusal: refused })
  })
  const { recorder, event, bridge, exchange, log, attempt } = parts
  const dialog = createCallDialog(parts, ports, settings, {
    isLive: () => state() === 'established',
    peer: 'callee',
    refresher: 'uas',
    acknowledged: () => false,
    hungUp: (cause) => fire({ type: 'hungUp', cause }),
    allow: () => dialog.current()?.res.get('Allow'),
    transfer: () => ({
      hazard,
      conference,
      role: wish.role,
      expertId: callee.id,
      parentTraceId: wish.parentTraceId,
      successor: (next) => {
        successor = next
      }
    }),
    stop
  })
  const invitation = createInvitation(
    {
      ...ports,
      ...settings,
      callId,
      fromUri,
      toUri,
      requestUri,
      left,
      claimedTraceId: wish.parentTraceId,
      hazard,
      replaces: wish.replaces,
      sessionId: parts.sessionId,
      log
    },
    {
      sent: () => fire({ type: 'sent' }),
      progress: ({ status, tag, sdp, sessionId }) => {
        peerSessionId = readPeerSessionId(sessionId)
        fire({ type: 'progress', status, tag, sdp })
      },
      accepted: (result) => fire({ type: 'accepted', accepted: acceptedBy(result) }),
      dismissed: (reason) => {
        recorder.tell(components.sip, 'sip_ack_sent', { cseq: invitation.cseq() })
        recorder.tell(components.sip, 'sip_bye_sent', { by: 'application', reason })
      },
      intervalTooSmall: (minSeconds) => fire({ type: 'intervalTooSmall', minSeconds }),
      declined: (declined) => {
        const sdp = declined.status === 488 && !lateOffer && !reoffered ? (parts.leg()?.offerSecure?.() ?? null) : null
        fire(sdp === null ? { type: 'declined', declined } : { type: 'profileRefused', sdp })
      }
    }
  )

  const perform = (effect: OutgoingEffect) => {
    switch (effect.type) {
      case 'join':
        return attempt(() => join(null), 'conference.failed')
      case 'keepLeg':
        localSdp = parts.describe(effect.sdp)
        return parts.keepLeg(effect.leg)
      case 'awaitRecords':
        return attempt(async () => {
          tellInvite()
          await recorder.requiredDurable()
          fire({ type: 'recorded' })
        }, 'witness.unrecorded')
      case 'reoffer':
        reoffered = true
        localSdp = parts.describe(effect.sdp)
        return
      case 'invite':
        return sendInvite(effect.sessionExpires)
      case 'noteSent':
        return noteSent()
      case 'noteProgress':
        return noteProgress(effect.status, effect.tag, effect.sdp)
      case 'cancel':
        cancelCause = effect.cause
        sendCancel()
        parts.release()
        return endSoon({ by: effect.cause.by, reason: effect.cause.reason, durationMs: 0 })
      case 'lateCancel':
        return sendCancel()
      case 'accept':
        return accept(effect.accepted)
      case 'acknowledge':
        return acknowledge(localSdp)
      case 'establish':
        return establish()
      case 'withdraw':
        return withdraw(effect.accepted)
      case 'bye':
        return hangUp(effect.cause)
      case 'refuse':
        return refuse(effect.refusal)
      case 'decline':
        return decline(effect.declined)
      case 'giveUp':
        return giveUp(effect.cause, effect.refusal)
      case 'end':
        return end(effect.cause)
      case 'endCancelled':
        return end(cancelCause)
      case 'dropLeg':
        parts.await(effect.leg.leave())
        return
    }
  }

  const screen = async (): Promise<void> => {
    decision = await ports.guard.decide(parts.context, {
      direction: 'outbound',
      method: 'INVITE',
      callId,
      cseq: 1,
      fromUri,
      toUri,
      claimedTraceId: wish.parentTraceId,
      hazard,
      signature: null,
      body: Buffer.alloc(0),
      edge: ownFacts,
      receivedAt: startedAt
    })
    parts.tellDecision(decision, [])
    if (decision.verdict !== 'approve') return fire({ type: 'refused', refusal: refusalByGuard(decision) })
    lateOffer ||= await ports.describesFirst(toUri, requestUri)
    fire({ type: lateOffer ? 'approvedLate' : 'approved' })
  }

  const join = async (offer: string | null): Promise<void> => {
    bridge.move({ type: 'joining' }, { conference, participant, role: wish.role })
    const joined = await ports.conference.join(parts.context, { conference, participant, role: wish.role, offer, family })
    if (!joined.ok) return fire({ type: 'refused', refusal: refusalByMedia(joined) })
    if (offer === null) exchange.move({ type: 'ourOffer' })
    fire({ type: 'joined', leg: joined.leg, sdp: joined.sdp })
  }

  const tellInvite = () => {
    recorder.tell(components.proxy, 'INVITE', {
      direction: 'outbound',
      application: settings.application,
      fromUri,
      toUri,
      requestUri: clip(requestUri),
      takesUp: left?.traceId ?? null,
      conference,
      expertId: callee.id,
      hazard
    })
  }

  const sendInvite = (minSeconds: number | null) => {
    if (!invitation.isSent()) {
      onProgress({ type: 'calling' })
      event({ type: 'calling', fromUri, toUri, conference, hazard, expertId: callee.id })
    }
    interval = minSeconds ?? interval
    invitation.send(lateOffer ? '' : localSdp, interval)
  }

  const acceptedBy = (result: SipDialog | UnacknowledgedDialog): Accepted =>
    'sdp' in result
      ? {
          kind: 'offer',
          sdp: result.sdp,
          acknowledge: async (answer) => dialog.keep(await result.ack(answer)),
          withdraw: result.destroy
        }
      : { kind: 'answer', dialog: dialog.keep(result), sdp: result.remote.sdp ?? '' }

  const noteSent = () => {
    recorder.tell(components.sip, 'sip_invite_sent', {
      cseq: invitation.cseq(),
      fromTag: clip(invitation.fromTag(), 128),
      sdpSha256: localSdp === '' ? null : bodyHash(localSdp),
      lateOffer,
      signed: ports.sign !== null,
      vouched: ports.vouch !== null
    })
  }

  const noteProgress = (status: number, tag: string | null, sdp: string) => {
    const withMedia = sdp !== ''
    if (withMedia) early.set(tag ?? '', sdp)
    recorder.tell(components.sip, 'sip_180_ringing', {
      status,
      tag: tag === null ? null : clip(tag, 128),
      sdpSha256: withMedia ? bodyHash(sdp) : null
    })
    bridge.move({ type: 'ringing' })
    onProgress({ type: 'ringing', status, earlyMedia: withMedia })
    event({ type: 'ringing' })
    if (!withMedia || wish.earlyMedia === 'ignored' || exchange.state() !== 'offering') return
    parts
      .leg()!
      .answered(sdp)
      .then(
        (result) => {
          if (result.ok) recorder.tell(components.bridge, 'EARLY_MEDIA', { tag: tag === null ? null : clip(tag, 128) })
          else log.info({ code: result.code }, 'early media cannot be used')
        },
        (error: unknown) => log.info({ code: errorCode(error) }, 'early media cannot be used')
      )
  }

  const sendCancel = () => {
    const reason = reasonOfBye(cancelCause)
    const isSent = invitation.cancel(reason, (error) => log.info({ reason: clippedMessage(error) }, 'CANCEL not sent'))
    if (!isSent) return
    recorder.tell(components.sip, 'sip_cancel_sent', { reason })
    cancelTimer()
    cancelTimer = clock.after(cancelTimeoutMs, () => fire({ type: 'forgotten' }))
  }

  const accept = (accepted: Accepted) => {
    answeredMs = clock.monotonicMs()
    const setupMs = rounded(answeredMs - invitation.sentMs())
    recorder.tell(components.sip, 'sip_200_ok', { sdpSha256: accepted.sdp === '' ? null : bodyHash(accepted.sdp), setupMs })
    event({ type: 'answered', setupMs })
    if (accepted.kind === 'offer') held = accepted
    else {
      remoteTag = accepted.dialog.sip.remoteTag ?? ''
      recorder.tell(components.sip, 'sip_ack_sent', { cseq: invitation.cseq() })
    }
    if (!wish.claim())
      return stop({ by: 'application', reason: 'answered-elsewhere' }, refusal('call-out.overtaken', 'another expert was faster'))
    if (accepted.kind === 'offer') return attempt(() => join(accepted.sdp), 'conference.failed')
    const sdp = accepted.sdp === '' ? (early.get(remoteTag) ?? '') : accepted.sdp
    parts.takeAnswer(sdp, () => fire({ type: 'agreed' }))
  }

  const acknowledge = (sdp: string) => {
    const acknowledging = held!
    attempt(async () => {
      const created = await acknowledging.acknowledge(sdp)
      held = null
      remoteTag = created.sip.remoteTag ?? ''
      recorder.tell(components.sip, 'sip_ack_sent', { cseq: invitation.cseq(), sdpSha256: bodyHash(sdp) })
      if (state() === 'ended') return parts.bye(created, cancelCause)
      fire({ type: 'agreed' })
    }, 'conference.failed')
  }

  const establish = () => {
    const { sip, res } = dialog.current()!
    parts.establish(
      { conference, participant, expertId: callee.id, hazard },
      {
        localUri: fromUri,
        localTag: sip.localTag,
        remoteUri: toUri,
        remoteTag: clip(remoteTag, 128),
        remoteTarget: clip(readNameAddr(res.get('Contact'))?.uri ?? ''),
        localCSeq: invitation.cseq()
      }
    )
    const codec = parts.leg()!.codec()
    answered.resolve({ ok: true, participant, codec, setupMs: rounded(answeredMs! - invitation.sentMs()) })
  }

  const withdraw = (accepted: Accepted) => {
    if (accepted.kind === 'answer') {
      recorder.tell(components.sip, 'sip_ack_sent', { cseq: invitation.cseq() })
      return parts.bye(accepted.dialog, cancelCause)
    }
    recorder.tell(components.sip, 'sip_bye_sent', { by: 'application', reason: reasonOfBye(cancelCause) })
    parts.await(accepted.withdraw())
  }

  const hangUp = (cause: EndCause) => {
    cancelCause = cause
    const established = dialog.current()
    if (established !== null) return parts.bye(established, cause)
    const unacknowledged = held
    held = null
    if (unacknowledged !== null) withdraw(unacknowledged)
  }

  const notConnected = (rejection: Rejection, answer: CallOutRefusal, by: string) => {
    cancelTimer()
    answered.resolve(answer)
    parts.reject(rejection, { expertId: callee.id, hazard, direction: 'outbound' })
    void parts.over.then(() => ended.resolve({ by, reason: rejection.code, durationMs: 0 }))
  }

  const refuse = (refused: Refusal) => notConnected(refused, answerOf(refused), 'application')

  const decline = ({ status, code = `sip.${status}`, reason, retryAfterMs, reasonHeader, byNetwork }: Declined) => {
    const by = byNetwork ? 'network' : 'callee'
    // a 2xx that is no answer is said as a gateway says it of what is behind it (RFC 3261 §21.5.3)
    const rejection = { status: status < 300 ? 502 : status, code, reason, layer: null, security: false }
    notConnected(rejection, { ok: false, by, retryAfterMs, reasonHeader, ...rejection, status }, by)
  }

  const giveUp = (cause: EndCause, refused: Refusal) => {
    cancelCause = cause
    const known = stopped[cause.reason]
    answered.resolve({
      ...answerOf(refused),
      by: known === undefined ? 'conference' : 'caller',
      status: null,
      code: known?.[0] ?? refused.code,
      reason: known?.[1] ?? refused.reason
    })
  }

  const end = (cause: EndCause) => {
    answered.resolve({
      ok: false,
      by: 'network',
      security: false,
      status: null,
      code: `call-out.${cause.reason}`,
      reason: 'the call ended before it was connected',
      retryAfterMs: null
    })
    const durationMs = answeredMs === null ? 0 : rounded(clock.monotonicMs() - answeredMs)
    cancelTimer()
    parts.end(cause, durationMs, { conference, expertId: callee.id, hazard, direction: 'outbound' })
    const { by, reason, reasonHeader } = cause
    endSoon({ by, reason, durationMs, ...(reasonHeader !== undefined && { reasonHeader }) })
  }

  /** Nobody in the council waits for a phone that answers neither CANCEL nor BYE; the record is closed when its time is over. */
  const endSoon = (how: CallOutEnd) => {
    const cancelWait = clock.after(lastAnswerMs, () => leave(how))
    void parts.over.then(() => {
      cancelWait()
      leave(how)
    })
  }

  /** After a transfer, the place in the conference is held until the successor leaves it. */
  const leave = (how: CallOutEnd) => {
    if (successor === null) ended.resolve(how)
    else void successor.ended.then(ended.resolve)
  }

  const cancelRinging = clock.after(wish.ringTimeoutMs, () => {
    if (state() !== 'established') callOut.stop('no-answer')
  })
  void answered.promise.then(cancelRinging)

  const callOut: CallOut = {
    traceId,
    callId,
    answered: answered.promise,
    ended: ended.promise,
    hold: (on) => (successor !== null && state() === 'ended' ? successor.hold(on) : dialog.hold(on)),
    stop: (why: CallOutStop) => {
      successor?.stop(why)
      stop({ by: 'application', reason: why }, refusal('call-out.stopped', why))
    }
  }

  if (blocked !== null) fire({ type: 'refused', refusal: blocked })
  else attempt(screen, 'guard.failed')

  return {
    traceId,
    callOut,
    trying: () => {
      if (tried || (state() !== 'inviting' && state() !== 'proceeding')) return
      tried = true
      recorder.tell(components.sip, 'sip_100_trying', {})
      onProgress({ type: 'trying' })
    },
    snapshot: () => ({
      traceId,
      callId,
      direction: 'outbound',
      state: state(),
      bridge: bridge.state(),
      fromUri,
      conference,
      hazard,
      expertId: callee.id,
      ...(left === null ? {} : { takesUp: left.traceId }),
      receivedAt: startedAt
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

/** Whether a SIP URI has an IPv6 address for its host. @see RFC 3261 §25.1 (IPv6reference) */
const isAtIpv6 = (uri: string) => /^sips?:(?:[^@[\]]*@)?\[/i.test(uri)

/** A request of our own came over no edge. */
const ownFacts = {
  sourceAddress: '127.0.0.1',
  transport: 'udp',
  tlsVersion: null,
  tlsCipher: null,
  certificateIdentity: null,
  authenticatedUser: null,
  digestAlgorithm: null
} as const

function answerOf({ code, reason, layer, security }: Refusal): CallOutRefusal {
  const by =
    layer === 'witness' ? 'witness' : layer !== null ? 'guard' : /^(?:sip|call-out)\./.test(code) ? 'limit' : 'conference'
  return { ok: false, by, security, status: null, code, reason, retryAfterMs: null }
}
