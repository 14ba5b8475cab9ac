import {
  type Callee,
  type CallOut,
  type CallOutAnswer,
  type CallOutProgress,
  type CallsOut,
  type Clock,
  errorCode,
  type ParticipantRole
} from '#kernel'
import { type CallInside, onRequest } from '../dialog/requests.ts'
import { clip, readNameAddr } from '../message/headers.ts'
import { reasonOfStatus } from '../message/refusal.ts'
import { components } from '../record/values.ts'
import type { SipDialog, SipRequest } from '../server/drachtio.ts'

/** What transfers need of the application. */
export interface TransferPorts {
  /** Somebody of the registry whom a SIP URI names, null for anybody else: strangers are not called on a caller's word. */
  readonly calleeOf: (uri: string) => Callee | null
  readonly calls: CallsOut
  readonly clock: Clock
}

/** Where the call is that is handed over. */
export interface TransferContext {
  readonly hazard: string | null
  readonly conference: string
  readonly role: ParticipantRole
  readonly expertId: string | null
  readonly parentTraceId: string
  /** Told of the call to the other when it begins, and null when it has come to nothing. */
  readonly successor: (call: CallOut | null) => void
  /** The other is in the conference, and the one who handed over has had time to hang up. */
  readonly handedOver: () => void
}

/** A Refer-To as read: whom to call, and the dialog that the call is to replace. */
export interface ReferTo {
  readonly uri: string
  readonly replaces: string | null
}

const replacesForm = /^[^\s;,]{1,256}(?:;(?:to-tag|from-tag)=[^\s;,]{1,128}|;early-only){2,3}$/

/**
 * Reads a Refer-To with one SIP URI, with a Replaces header in it or without.
 *
 * @returns null when it cannot be read, asks for another method than INVITE, or brings further headers.
 * @see RFC 3515 §2.1, RFC 3891 §6.1
 */
export function readReferTo(value: string | undefined): ReferTo | null {
  const address = readNameAddr(value)
  if (address === null || !/^sips?:/i.test(address.uri)) return null
  const [target = '', query, more] = address.uri.split('?')
  const method = /;method=([^;]*)/i.exec(target)?.[1]
  if (more !== undefined || (method !== undefined && method.toUpperCase() !== 'INVITE')) return null
  const uri = target.replace(/;method=[^;]*/i, '')
  if (query === undefined) return { uri, replaces: null }
  const header = /^replaces=([^&=]{1,1024})$/i.exec(query)
  if (header === null) return null
  try {
    const replaces = decodeURIComponent(header[1]!)
    return replacesForm.test(replaces) && /;to-tag=/.test(replaces) && /;from-tag=/.test(replaces) ? { uri, replaces } : null
  } catch {
    return null
  }
}

/** How long the one who handed over has to hang up after the NOTIFY with the final status. */
const graceMs = 2000
const ringTimeoutMs = 60_000

/**
 * Takes REFERs of a dialog: the one who has the call hands it over to somebody else of the registry, who is called into the same conference after IF.guard
 * has been asked. Progress goes back as NOTIFY.
 *
 * @param ports null where policy allows no transfer.
 * @see RFC 3515, RFC 5589 (transfer), RFC 4488 (no subscription)
 */
export function handleTransfers(
  dialog: SipDialog,
  call: CallInside,
  ports: TransferPorts | null,
  context: () => TransferContext
): void {
  let busy = false
  onRequest(dialog, call, 'refer', (request, response) => {
    // drachtio-srf does not know the compact form (RFC 3515 §2.1)
    const referTo = request.get('Refer-To') ?? request.get('r')
    const answer = (status: number, code: string, headers: Record<string, string> = {}) => {
      call.tell(components.sip, 'sip_refer_received', { status, code, referTo: clip(referTo ?? '', 256) })
      const reason: Record<string, string> = status >= 300 ? { Reason: reasonOfStatus(status) } : {}
      response.send(status, { headers: { ...reason, ...headers, 'Session-ID': call.sessionId() } })
    }
    if (!call.isLive()) return answer(481, 'sip.call.over')
    const { hazard, conference, role, expertId, parentTraceId, successor: succeed, handedOver } = context()
    if (ports === null) return answer(403, 'sip.transfer.forbidden')
    const wanted = readReferTo(referTo)
    if (wanted === null) return answer(400, 'sip.transfer.malformed')
    const callee = ports.calleeOf(wanted.uri)
    if (callee === null || hazard === null || callee.id === expertId) return answer(403, 'sip.transfer.unknown-target')
    if (busy) return answer(491, 'sip.transfer.under-way')
    busy = true
    const silent = /^\s*false\b/i.test(request.get('Refer-Sub') ?? '')
    answer(202, 'sip.transfer.accepted', silent ? { 'Refer-Sub': 'false' } : {})
    const notify = silent ? () => {} : createNotifier(dialog, call, request)
    notify(100, 'active;expires=180')
    const successor = ports.calls.place(
      {
        callee,
        hazard,
        conference,
        role,
        parentTraceId,
        ringTimeoutMs,
        earlyMedia: 'ignored',
        offer: 'early',
        claim: () => true,
        ...(wanted.replaces === null ? {} : { replaces: wanted.replaces })
      },
      (progress: CallOutProgress) => {
        if (progress.type === 'ringing') notify(progress.status, 'active;expires=180')
      }
    )
    succeed(successor)
    call.tell(components.sip, 'sip_transfer_started', {
      to: callee.id,
      callId: successor.callId,
      callTraceId: successor.traceId,
      attended: wanted.replaces !== null
    })
    successor.answered
      .then((result: CallOutAnswer) => {
        busy = false
        const status = result.ok ? 200 : (result.status ?? (result.by === 'guard' ? 403 : 480))
        notify(status, 'terminated;reason=noresource')
        call.tell(components.sip, 'sip_transfer_ended', { to: callee.id, ok: result.ok, code: result.ok ? null : result.code })
        if (result.ok) ports.clock.after(graceMs, handedOver)
        else succeed(null)
      })
      .catch((error: unknown) => call.log.error({ code: errorCode(error) }, 'transfer'))
  })
}

/** Sends NOTIFY for one REFER, one after another. @see RFC 3515 §2.4.5; RFC 3420 for the body */
function createNotifier(dialog: SipDialog, call: CallInside, refer: SipRequest): (status: number, subscription: string) => void {
  const id = /^\s*(\d+)/.exec(refer.get('CSeq') ?? '')?.[1] ?? '0'
  let tail: Promise<void> = Promise.resolve()
  /** The peer knows nothing of the subscription, and is told nothing more (RFC 6665 §4.2.2). */
  let isForgotten = false
  return (status, subscription) => {
    const headers = {
      Event: `refer;id=${id}`,
      'Subscription-State': subscription,
      'Content-Type': 'message/sipfrag;version=2.0',
      'Session-ID': call.sessionId()
    }
    const body = `SIP/2.0 ${status} ${phrases[status] ?? 'Status'}\r\n`
    tail = tail.then(
      () =>
        new Promise((resolve) => {
          if (!call.isLive() || isForgotten) return resolve()
          dialog.request({ method: 'NOTIFY', headers, body }, (error, response) => {
            if (error != null) call.log.info({ status }, 'NOTIFY not answered')
            isForgotten = response?.status === 481
            resolve()
          })
        })
    )
  }
}

const phrases: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  183: 'Session Progress',
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  480: 'Temporarily Unavailable',
  486: 'Busy Here',
  488: 'Not Acceptable Here',
  503: 'Service Unavailable',
  603: 'Decline'
}
