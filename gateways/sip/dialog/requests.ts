import { type BridgeEvent, type ConferenceLeg, errorCode, type JsonObject, type Log } from '#kernel'
import { dtmfMediaTypes, readDtmfInfo } from '../message/dtmf-relay.ts'
import { clip, isEncoded, readMediaType, readTokens } from '../message/headers.ts'
import { reasonOfStatus, refusalByMedia } from '../message/refusal.ts'
import { answerSessionTimer, type Refresher, type SessionTimerConfig } from '../message/session-timer.ts'
import type { CallTimelineEventBody } from '../record/events.ts'
import type { Recorder } from '../record/recorder.ts'
import { bodyHash, components } from '../record/values.ts'
import type { InDialogMethod, SipDialog, SipRequest, SipResponse } from '../server/drachtio.ts'
import type { OfferAnswerExchange } from './offer-answer.ts'

/** Extensions that are met where a peer asks for them. `replaces`: RFC 3891 §4. */
export const supported = 'timer, replaces'

/** Methods that a dialog of ours understands. */
export const allowedMethods = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, REFER'

/** Parts of a call that in-dialog requests need. */
export interface CallInside {
  /** There is a dialog, and it is not about to end. */
  readonly isLive: () => boolean
  readonly leg: () => ConferenceLeg | null
  readonly tell: Recorder['tell']
  readonly event: (event: CallTimelineEventBody) => void
  readonly bridge: (event: BridgeEvent, detail?: JsonObject) => void
  readonly exchange: OfferAnswerExchange
  /** Does what a request asks for. A defect that shows there ends this call, never the process that carries the others. */
  readonly contain: (work: () => void) => void
  /** A session description of ours as it goes out: with the version that is due. */
  readonly describe: (sdp: string) => string
  readonly sessionId: () => string
  readonly sessionTimer: SessionTimerConfig
  /** Who refreshes the session where a request of the peer does not say it. */
  readonly refresher: Refresher
  readonly log: Log
}

/** Methods that drachtio-srf would answer by itself and that no dialog of ours understands. */
const refused: readonly InDialogMethod[] = ['message', 'publish', 'notify', 'subscribe']

/**
 * Answers the requests that come inside a call's dialog: re-INVITE and UPDATE, INFO, OPTIONS; anything else gets 405.
 *
 * @see RFC 3261 §12.2.2, §14; RFC 3311; RFC 6086 for INFO (keys only, in the form phones send)
 */
export function handleInDialog(dialog: SipDialog, call: CallInside): void {
  onRequest(dialog, call, 'modify', (request, response) => modify(call, 'INVITE', request, response))
  onRequest(dialog, call, 'update', (request, response) => modify(call, 'UPDATE', request, response))
  onRequest(dialog, call, 'info', (request, response) => info(call, request, response))
  onRequest(dialog, call, 'options', (_request, response) =>
    response.send(200, { headers: { ...own(call), Allow: allowedMethods, Accept: 'application/sdp', Supported: supported } })
  )
  for (const method of refused)
    onRequest(dialog, call, method, (_request, response) =>
      response.send(405, { headers: { ...own(call), Allow: allowedMethods } })
    )
}

/** Extensions of which a peer may demand in a dialog that we understand them; the last is met by the answer to a REFER (RFC 4488 §4). */
const understood: ReadonlySet<string> = new Set(['timer', '100rel', 'replaces', 'norefersub'])

/** Hears requests of one method in a dialog. One that demands what is not understood gets 420 (RFC 3261 §8.2.2.3). A defect that shows while one is answered is answered with 500, and ends the call and nothing else. */
export function onRequest(
  dialog: SipDialog,
  call: CallInside,
  method: InDialogMethod,
  handle: (request: SipRequest, response: SipResponse) => void | Promise<void>
): void {
  dialog.on(method, (request, response) => {
    const failed = (error: unknown) =>
      call.contain(() => {
        if (!response.finalResponseSent) response.send(500, { headers: { ...own(call), Reason: reasonOfStatus(500) } })
        throw error
      })
    try {
      const unsupported = [...readTokens(request.get('Require'))].filter((tag) => !understood.has(tag))
      if (unsupported.length > 0) {
        const headers = { ...own(call), Unsupported: clip(unsupported.join(', '), 256), Reason: reasonOfStatus(420) }
        return response.send(420, { headers })
      }
      handle(request, response)?.catch(failed)
    } catch (error) {
      failed(error)
    }
  })
}

const own = (call: CallInside): Record<string, string> => ({ 'Session-ID': call.sessionId() })

async function modify(call: CallInside, method: 'INVITE' | 'UPDATE', request: SipRequest, response: SipResponse): Promise<void> {
  const answer = (status: number, headers: Record<string, string> = {}, body?: string) => {
    const reason: Record<string, string> = status >= 300 ? { Reason: reasonOfStatus(status) } : {}
    response.send(status, { headers: { ...headers, ...reason, ...own(call) }, ...(body === undefined ? {} : { body }) })
  }
  const leg = call.leg()
  if (!call.isLive() || leg === null) return answer(481)
  const timer = answerSessionTimer((name) => request.get(name), call.sessionTimer, call.refresher)
  if (!timer.ok) return answer(422, { 'Min-SE': String(timer.minSeconds) })
  const accepted = { ...timer.headers, Allow: allowedMethods, Supported: supported }
  const offer = request.body
  if (offer === '' && method === 'UPDATE') return answer(200, accepted)
  const withSdp = { ...accepted, 'Content-Type': 'application/sdp' }
  if (call.exchange.state() === 'offering') return answer(491)
  if (call.exchange.state() === 'answering') return answer(500, { 'Retry-After': '2' })
  if (offer === '') {
    call.exchange.move({ type: 'ourOffer' })
    const sdp = call.describe(leg.localSdp())
    call.tell(components.sip, 'sip_session_modified', { method, status: 200, lateOffer: true, localSdpSha256: bodyHash(sdp) })
    return answer(200, withSdp, sdp)
  }
  if (isEncoded((name) => request.get(name))) return answer(415, { 'Accept-Encoding': 'identity' })
  if (readMediaType(request.get('Content-Type')) !== 'application/sdp') return answer(415, { Accept: 'application/sdp' })

  call.exchange.move({ type: 'theirOffer' })
  const facts = { method, remoteSdpSha256: bodyHash(offer) }
  try {
    const result = await leg.offered(offer)
    if (!call.isLive()) return answer(481)
    if (!result.ok) {
      const { status, headers, code } = refusalByMedia(result)
      call.tell(components.sip, 'sip_session_modified', { ...facts, status, code })
      return answer(status, headers)
    }
    const ours = call.describe(result.sdp)
    answer(200, withSdp, ours)
    call.tell(components.sip, 'sip_session_modified', {
      ...facts,
      status: 200,
      held: result.held,
      codec: leg.codec(),
      localSdpSha256: bodyHash(ours)
    })
    call.bridge({ type: result.held ? 'held' : 'resumed' })
  } catch (error) {
    if (response.finalResponseSent) throw error
    call.log.error({ code: errorCode(error), method }, 'leg could not take an offer')
    answer(500)
  } finally {
    call.exchange.move({ type: 'answerSent' })
  }
}

function info(call: CallInside, request: SipRequest, response: SipResponse) {
  if (!call.isLive()) return response.send(481, { headers: own(call) })
  const mediaType = readMediaType(request.get('Content-Type'))
  if (request.body === '') return response.send(200, { headers: own(call) })
  if (mediaType === null || !(dtmfMediaTypes as readonly string[]).includes(mediaType))
    return response.send(415, { headers: { ...own(call), Accept: dtmfMediaTypes.join(', ') } })
  const key = readDtmfInfo(mediaType, request.body)
  if (key === null) return response.send(400, { headers: own(call) })
  call.tell(components.sip, 'sip_dtmf_received', { digit: key.digit, durationMs: key.durationMs, by: 'info' })
  call.event({ type: 'key', digit: key.digit })
  response.send(200, { headers: own(call) })
}
