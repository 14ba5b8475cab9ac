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
  step
} from '#kernel'
import type { Call } from './call.ts'
import type { EndCause } from './call-machine.ts'
import { reasonOfBye } from './call-machine.ts'
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
import type { ReceivedResponse, SentRequest, SipDialog, SipRequest, UnacknowledgedDialog } from './drachtio.ts'
import { allowedMethods, type CallInside, handleInDialog } from './in-dialog.ts'
import { firstCSeq, type LeftCall } from './left-dialogs.ts'
import {
  type Accepted,
  type Declined,
  type OutgoingEffect,
  type OutgoingEvent,
  type OutgoingState,
  outgoingTable
} from './outgoing-machine.ts'
import { type Refusal, refusal, refusalByGuard, refusalByMedia } from './refusal.ts'
import { createHolding } from './reinvite.ts'
import { readPeerSessionId } from './session-id.ts'
import { showText } from './show-text.ts'
import { clip, readNameAddr } from './sip-headers.ts'
import { handleTransfers } from './transfer.ts'

export interface OutgoingPorts extends CallPorts {
  /** Signs with this suite's own key; null sends no signature. */
  readonly sign: RequestSigner | null
  /** Vouches for who calls; null sends no Identity. */
  readonly vouch: IdentityVoucher | null
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
/** Longest session interval that a callee may ask for, seconds. */
const longestInterval = 7200
const longestRetryAfterS = 86_400

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
  const { clock, server } = ports
  const { callee, hazard, conference } = wish
  const traceId = newTraceId()
  const callId = left?.callId ?? `${randomUUID()}@${settings.domain}`
  const fromUri = left?.dialog.localUri ?? `sip:${settings.number ?? conference}@${settings.domain}`
  const toUri = left?.dialog.remoteUri ?? callee.uri
  const to = left === null ? `<${toUri}>` : `<${toUri}>;tag=${left.dialog.remoteTag}`
  const cseqBefore = left === null ? 0 : firstCSeq
  const startedAt = clock.now()
  const participant = `${callee.id}-${traceId.slice(0, 8)}`

  let state: OutgoingState = 'screening'
  let decision: GuardDecision | null = null
  let localSdp = ''
  let invite: SentRequest | null = null
  let from = left === null ? `<${fromUri}>` : `<${fromUri}>;tag=${left.dialog.localTag}`
  let cseq = cseqBefore
  let sentMs = 0
  let dialog: SipDialog | null = null
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

  const stop = (cause: EndCause, refused: Refusal) => fire({ type: 'stopped', cause, refusal: refused })
  const parts = createCallParts(ports, settings, listener, {
    traceId,
    parentTraceId: wish.parentTraceId,
    callId,
    peerSessionId: () => peerSessionId,
    isOver: () => state === 'ended' || state === 'cancelling',
    stop
  })
  const { recorder, event, bridge, exchange, log, sessionId } = parts

  const fire = (callEvent: OutgoingEvent) => {
    const next = step(outgoingTable, state, callEvent, undefined)
    if (!next.allowed) return log.debug({ state, event: callEvent.type }, 'call event without a row')
    state = next.state
    for (const effect of next.effects as readonly OutgoingEffect[]) perform(effect)
  }

  const attempt = (work: () => Promise<void>, code: 'guard.failed' | 'conference.failed' | 'witness.unrecorded') => {
    work().catch((error: unknown) => {
      log.error({ code: errorCode(error), during: code }, 'call out failed')
      fire({ type: 'refused', refusal: refusal(code, `failed with ${errorCode(error)}`) })
    })
  }

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
      case 'invite':
        return sendInvite(effect.sessionExpires)
      case 'noteSent':
        return noteSent()
      case 'noteProgress':
        return noteProgress(effect.status, effect.tag, effect.sdp)
      case 'cancel':
        cancelCause = effect.cause
        return sendCancel()
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
    fire({ type: wish.offer === 'late' ? 'approvedLate' : 'approved' })
  }

  const join = async (offer: string | null): Promise<void> => {
    bridge.move({ type: 'joining' }, { conference, participant, role: wish.role })
    const joined = await ports.conference.join(parts.context, { conference, participant, role: wish.role, offer })
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
      requestUri: clip(left?.dialog.remoteTarget ?? callee.contact),
      takesUp: left?.traceId ?? null,
      conference,
      expertId: callee.id,
      hazard
    })
  }

  const sendInvite = (minSeconds: number | null) => {
    cseq++
    const body = wish.offer === 'late' ? '' : localSdp
    const interval = Math.max(settings.sessionTimer.sessionExpiresSeconds, minSeconds ?? 0)
    const signature = ports.sign?.({
      traceId: wish.parentTraceId,
      hazard,
      fromUri,
      toUri,
      callId,
      cseq,
      method: 'INVITE',
      body: Buffer.from(body, 'utf8')
    })
    const headers: Record<string, string> = {
      From: from,
      To: to,
      'Call-ID': callId,
      CSeq: `${cseq} INVITE`,
      'X-IF-Trace-ID': wish.parentTraceId,
      'X-IF-Hazard': hazard,
      ...(signature === undefined ? {} : { 'X-IF-Signature': signature }),
      ...(ports.vouch === null ? {} : { Identity: ports.vouch({ fromUri, toUri }) }),
      'Session-ID': sessionId(),
      Allow: allowedMethods,
      Accept: 'application/sdp',
      Supported: 'timer, 100rel',
      'Session-Expires': `${interval};refresher=uac`,
      'Min-SE': String(Math.max(settings.sessionTimer.minSessionExpiresSeconds, minSeconds ?? 0)),
      ...(wish.replaces === undefined ? {} : { Replaces: wish.replaces, Require: 'replaces' }),
      ...(body === '' ? {} : { 'Content-Type': 'application/sdp' })
    }
    sentMs = clock.monotonicMs()
    if (cseq === cseqBefore + 1) {
      onProgress({ type: 'calling' })
      event({ type: 'calling', fromUri, toUri, conference, hazard, expertId: callee.id })
    }
    server.createUAC(
      {
        uri: left?.dialog.remoteTarget ?? callee.contact,
        proxy: settings.proxy,
        ...(body === '' ? { noAck: true } : { localSdp: body }),
        headers
      },
      {
        cbRequest: (_error, request) => {
          if (request === undefined) return
          invite = request
          from = request.get('From') ?? from
          fire({ type: 'sent' })
        },
        cbProvisional: (response) => {
          peerSessionId = readPeerSessionId(response.get('Session-ID'))
          fire({
            type: 'progress',
            status: response.status,
            tag: readNameAddr(response.get('To'))?.tag ?? null,
            sdp: response.body ?? ''
          })
        }
      },
      (error, result) => {
        if (result === undefined) finalResponse(error)
        else if ('sdp' in result) fire({ type: 'accepted', accepted: acceptedOffer(result) })
        else {
          watch(result)
          fire({ type: 'accepted', accepted: { kind: 'answer', dialog: result, sdp: result.remote.sdp ?? '' } })
        }
      }
    )
  }

  const finalResponse = (error: unknown) => {
    const response = responseOf(error)
    if (response === null) {
      const reason = messageOf(error)
      return fire({ type: 'declined', declined: { status: 503, reason, retryAfterMs: null, byNetwork: true } })
    }
    const minSeconds = Number(/^\s*(\d{1,6})/.exec(response.get('Min-SE') ?? '')?.[1] ?? 0)
    if (response.status === 422 && cseq === cseqBefore + 1 && minSeconds > 0 && minSeconds <= longestInterval)
      return fire({ type: 'intervalTooSmall', minSeconds })
    fire({ type: 'declined', declined: declinedBy(response) })
  }

  const watch = (created: SipDialog) => {
    created.on('destroy', (bye, reason) => {
      const ours = bye.source === 'application'
      if (ours) recorder.tell(components.sip, 'sip_bye_sent', { by: 'sip-server', reason: clip(reason, 128) })
      else recorder.tell(components.sip, 'sip_bye_received', { reason: clip(bye.get('Reason') ?? '', 128) })
      fire({ type: 'hungUp', cause: ours ? serverCause(reason) : { by: 'callee', reason: 'bye' } })
    })
    created.on('ack', (ack: SipRequest) => {
      if (exchange.state() === 'offering') parts.takeAnswer(ack.body, () => undefined)
    })
    handleInDialog(created, inside)
    handleTransfers(created, inside, ports.transfers, () => ({
      hazard,
      conference,
      role: wish.role,
      expertId: callee.id,
      parentTraceId: wish.parentTraceId,
      successor: (next) => {
        successor = next
      },
      handedOver: () => stop({ by: 'application', reason: 'transferred' }, refusal('call-out.stopped', 'transferred'))
    }))
  }

  const acceptedOffer = ({ sdp, ack, destroy }: UnacknowledgedDialog): Accepted => ({
    kind: 'offer',
    sdp,
    acknowledge: async (answer) => {
      const created = await ack(answer)
      watch(created)
      return created
    },
    withdraw: destroy
  })

  const noteSent = () => {
    recorder.tell(components.sip, 'sip_invite_sent', {
      cseq,
      sdpSha256: localSdp === '' ? null : bodyHash(localSdp),
      lateOffer: wish.offer === 'late',
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
    if (invite === null) return
    cancelTimer()
    cancelTimer = clock.after(cancelTimeoutMs, () => fire({ type: 'forgotten' }))
    const reason = reasonOfBye(cancelCause)
    recorder.tell(components.sip, 'sip_cancel_sent', { reason })
    invite.cancel({ headers: { Reason: reason } }, (error) => {
      if (error) log.info({ reason: messageOf(error) }, 'CANCEL not sent')
    })
  }

  const accept = (accepted: Accepted) => {
    answeredMs = clock.monotonicMs()
    const setupMs = rounded(answeredMs - sentMs)
    recorder.tell(components.sip, 'sip_200_ok', { sdpSha256: accepted.sdp === '' ? null : bodyHash(accepted.sdp), setupMs })
    event({ type: 'answered', setupMs })
    if (accepted.kind === 'offer') held = accepted
    else {
      dialog = accepted.dialog
      remoteTag = dialog.sip.remoteTag
      recorder.tell(components.sip, 'sip_ack_sent', { cseq })
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
      dialog = await acknowledging.acknowledge(sdp)
      held = null
      remoteTag = dialog.sip.remoteTag
      recorder.tell(components.sip, 'sip_ack_sent', { cseq, sdpSha256: bodyHash(sdp) })
      if (state === 'ended') return parts.bye(dialog, cancelCause)
      fire({ type: 'agreed' })
    }, 'conference.failed')
  }

  const establish = () => {
    const codec = parts.leg()!.codec()
    recorder.tell(components.sip, 'sip_dialog_established', {
      codec,
      localUri: fromUri,
      localTag: dialog!.sip.localTag,
      remoteUri: toUri,
      remoteTag: clip(remoteTag, 128),
      remoteTarget: clip(readNameAddr(dialog!.res.get('Contact'))?.uri ?? '')
    })
    recorder.tell(components.proxy, 'CONNECTED', { conference, participant, expertId: callee.id, hazard, codec })
    bridge.move({ type: 'connected' })
    recorder.tell(components.bridge, 'BRIDGE_ESTABLISHED', { conference, participant, codec })
    event({ type: 'established', conference, participant, codec })
    answered.resolve({ ok: true, participant, codec, setupMs: rounded(answeredMs! - sentMs) })
  }

  const withdraw = (accepted: Accepted) => {
    if (accepted.kind === 'answer') {
      recorder.tell(components.sip, 'sip_ack_sent', { cseq })
      return parts.bye(accepted.dialog, cancelCause)
    }
    recorder.tell(components.sip, 'sip_bye_sent', { by: 'application', reason: reasonOfBye(cancelCause) })
    parts.await(accepted.withdraw())
  }

  const hangUp = (cause: EndCause) => {
    cancelCause = cause
    if (dialog !== null) return parts.bye(dialog, cause)
    const unacknowledged = held
    held = null
    if (unacknowledged !== null) withdraw(unacknowledged)
  }

  const refuse = (refused: Refusal) => {
    const { status, code, reason, layer, security } = refused
    const facts = { status, code, reason, layer, expertId: callee.id, hazard, direction: 'outbound' }
    recorder.tell(components.proxy, security ? 'SECURITY_REJECTED' : 'REJECTED', facts, bridge.state() === 'IDLE')
    event({ type: 'rejected', status, code, layer, security })
    answered.resolve(answerOf(refused))
    close(bridge.state() === 'IDLE' ? null : 'failed', { by: 'application', reason: code, durationMs: 0 })
  }

  const decline = ({ status, reason, retryAfterMs, byNetwork }: Declined) => {
    const code = `sip.${status}`
    const facts = { status, code, reason, layer: null, expertId: callee.id, hazard, direction: 'outbound' }
    recorder.tell(components.proxy, 'REJECTED', facts, bridge.state() === 'IDLE')
    event({ type: 'rejected', status, code, layer: null, security: false })
    answered.resolve({
      ok: false,
      by: byNetwork ? 'network' : 'callee',
      security: false,
      status,
      code,
      reason,
      retryAfterMs
    })
    close(bridge.state() === 'IDLE' ? null : 'failed', { by: byNetwork ? 'network' : 'callee', reason: code, durationMs: 0 })
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
    const facts = {
      hungUpBy: cause.by,
      reason: cause.reason,
      durationMs,
      conference,
      expertId: callee.id,
      hazard,
      direction: 'outbound',
      strangerPackets: parts.strangerPackets()
    }
    cancelTimer()
    parts.finish('left', (stats) => {
      recorder.tell(components.proxy, 'TERMINATED', { ...facts, leg: recordOfStats(stats) }, true)
      event({ type: 'ended', by: cause.by, reason: cause.reason, durationMs, stats })
    })
    void parts.over.then(() => leave({ by: cause.by, reason: cause.reason, durationMs }))
  }

  /** After a transfer, the place in the conference is held until the successor leaves it. */
  const leave = (how: CallOutEnd) => {
    if (successor === null) ended.resolve(how)
    else void successor.ended.then(ended.resolve)
  }

  const close = (bridgeEnd: 'failed' | null, how: CallOutEnd) => {
    cancelTimer()
    parts.finish(bridgeEnd)
    void parts.over.then(() => ended.resolve(how))
  }

  const inside: CallInside = {
    isLive: () => state === 'established',
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

  const holding = createHolding(inside, () => dialog, { clock, random: Math.random, ownsCallId: true })
  void parts.over.then(holding.over)

  const cancelRinging = clock.after(wish.ringTimeoutMs, () => {
    if (state !== 'established') callOut.stop('no-answer')
  })
  void answered.promise.then(cancelRinging)

  const callOut: CallOut = {
    traceId,
    callId,
    answered: answered.promise,
    ended: ended.promise,
    hold: (on) => (successor !== null && state === 'ended' ? successor.hold(on) : holding.hold(on)),
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
      if (tried || (state !== 'inviting' && state !== 'proceeding')) return
      tried = true
      recorder.tell(components.sip, 'sip_100_trying', {})
      onProgress({ type: 'trying' })
    },
    snapshot: () => ({
      traceId,
      callId,
      direction: 'outbound',
      state,
      bridge: bridge.state(),
      fromUri,
      conference,
      hazard,
      expertId: callee.id,
      receivedAt: startedAt
    }),
    stop,
    hold: holding.hold,
    showText: (text) => showText(inside, dialog, dialog?.res.get('Allow'), text),
    tags: () => (dialog === null || !inside.isLive() ? null : { local: dialog.sip.localTag, remote: remoteTag }),
    signallingLost: () => fire({ type: 'hungUp', cause: { by: 'sip-server', reason: 'signalling-lost' } }),
    over: parts.over
  }
}

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

function responseOf(error: unknown): ReceivedResponse | null {
  if (!(error instanceof Error) || !('res' in error)) return null
  return error.res as ReceivedResponse
}

/** @see RFC 3261 §20.33 for Retry-After */
function declinedBy(response: ReceivedResponse): Declined {
  const seconds = Number(/^\s*(\d{1,9})/.exec(response.get('Retry-After') ?? '')?.[1] ?? Number.NaN)
  return {
    status: response.status,
    reason: clip(response.reason ?? '', 128),
    retryAfterMs: Number.isNaN(seconds) ? null : Math.min(seconds, longestRetryAfterS) * 1000,
    byNetwork: response.source_address === '' || response.status === 408
  }
}
