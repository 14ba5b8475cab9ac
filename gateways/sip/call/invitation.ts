import type { Clock, IdentityVoucher, Log, RequestSigner } from '#kernel'
import { cseqBefore, type LeftCall, remoteAddress } from '../dialog/left-dialogs.ts'
import { allowedMethods } from '../dialog/requests.ts'
import { reasonOfBye } from '../message/end-cause.ts'
import { clip, readNameAddr } from '../message/headers.ts'
import type { SessionTimerConfig } from '../message/session-timer.ts'
import { clippedMessage } from '../record/values.ts'
import type { ReceivedResponse, SentRequest, SipDialog, SipServerConnection, UnacknowledgedDialog } from '../server/drachtio.ts'
import type { Declined } from './outgoing-machine.ts'

/** Longest session interval that a callee may ask for, seconds. */
const longestInterval = 7200
const longestRetryAfterS = 86_400

export interface InvitationOptions {
  readonly server: SipServerConnection
  readonly clock: Clock
  /** Signs with this suite's own key; null sends no signature. */
  readonly sign: RequestSigner | null
  /** Vouches for who calls; null sends no Identity. */
  readonly vouch: IdentityVoucher | null
  /** Next hop. */
  readonly proxy: string
  readonly sessionTimer: SessionTimerConfig
  readonly callId: string
  readonly fromUri: string
  readonly toUri: string
  readonly requestUri: string
  /** The call of an earlier run in whose dialog it goes. */
  readonly left: LeftCall | null
  /** Stand in X-IF-Trace-ID and X-IF-Hazard. */
  readonly claimedTraceId: string
  readonly hazard: string
  /** Value of Replaces. */
  readonly replaces: string | undefined
  readonly sessionId: () => string
  readonly log: Log
}

/** What becomes of an INVITE. */
export interface InvitationListener {
  readonly sent: () => void
  readonly progress: (response: {
    readonly status: number
    readonly tag: string | null
    readonly sdp: string
    readonly sessionId: string | undefined
  }) => void
  readonly accepted: (dialog: SipDialog | UnacknowledgedDialog) => void
  /** ACK and BYE have gone out for an answer of which no dialog can be made; it is declined next. */
  readonly dismissed: (reason: string) => void
  /** 422: it may go once more with this interval (RFC 4028 §7.3). */
  readonly intervalTooSmall: (minSeconds: number) => void
  readonly declined: (how: Declined) => void
}

/** The INVITE of a call out. */
export interface Invitation {
  /** Sends it, signed anew each time. @param sdp empty for a late offer */
  readonly send: (sdp: string, minSeconds: number | null) => void
  /** @returns false while the INVITE is not out: there is nothing to cancel. */
  readonly cancel: (reason: string, problem: (error: unknown) => void) => boolean
  readonly cseq: () => number
  /** Empty until the INVITE is out. */
  readonly fromTag: () => string
  /** It has gone out, or is about to. */
  readonly isSent: () => boolean
  /** Of the last that went out, monotonic clock. */
  readonly sentMs: () => number
}

export function createInvitation(options: InvitationOptions, listener: InvitationListener): Invitation {
  const { server, clock, sign, vouch, sessionTimer, callId, fromUri, toUri, left, claimedTraceId, hazard, replaces } = options
  const cseqStart = left === null ? 0 : cseqBefore(left.dialog)
  const to = left === null ? `<${toUri}>` : remoteAddress(left.dialog)
  let from = left === null ? `<${fromUri}>` : `<${fromUri}>;tag=${left.dialog.localTag}`
  let cseq = cseqStart
  let intervalTold = false
  let sentMs = 0
  let sent: SentRequest | null = null
  /** The 2xx that came; a call has been set up, whatever can be made of it. */
  let answer: ReceivedResponse | null = null

  const headersFor = (sdp: string, minSeconds: number): Record<string, string> => {
    const body = Buffer.from(sdp, 'utf8')
    const signature = sign?.({ traceId: claimedTraceId, hazard, fromUri, toUri, callId, cseq, method: 'INVITE', body })
    return {
      From: from,
      To: to,
      'Call-ID': callId,
      CSeq: `${cseq} INVITE`,
      'X-IF-Trace-ID': claimedTraceId,
      'X-IF-Hazard': hazard,
      ...(signature === undefined ? {} : { 'X-IF-Signature': signature }),
      ...(vouch === null ? {} : { Identity: vouch({ fromUri, toUri }) }),
      'Session-ID': options.sessionId(),
      Allow: allowedMethods,
      Accept: 'application/sdp',
      Supported: 'timer, 100rel',
      'Session-Expires': `${Math.max(sessionTimer.sessionExpiresSeconds, minSeconds)};refresher=uac`,
      'Min-SE': String(Math.max(sessionTimer.minSessionExpiresSeconds, minSeconds)),
      ...(replaces === undefined ? {} : { Replaces: replaces, Require: 'replaces' }),
      ...(sdp === '' ? {} : { 'Content-Type': 'application/sdp' })
    }
  }

  /** drachtio-srf has sent the ACK, and makes no dialog of such an answer: the BYE goes where the INVITE went (RFC 3261 §12.1.2 has no other target). */
  const hangUp = (to: string | undefined) => {
    const reason = reasonOfBye({ by: 'application', reason: 'answer-malformed' })
    const headers = { From: from, To: to ?? '', 'Call-ID': callId, CSeq: `${cseq + 1} BYE`, Reason: reason }
    listener.dismissed(reason)
    server.request({ uri: options.requestUri, method: 'BYE', proxy: options.proxy, headers }, (error) => {
      if (error) options.log.info({ reason: clippedMessage(error) }, 'BYE not sent')
    })
  }

  /** An answer that makes no dialog. */
  const malformed = (response: ReceivedResponse, reason: string) => {
    hangUp(response.get('To'))
    listener.declined({ status: response.status, code: 'sip.answer.malformed', reason, retryAfterMs: null, byNetwork: false })
  }

  const refused = (error: unknown) => {
    if (answer !== null) return malformed(answer, faultOf(answer) ?? clippedMessage(error))
    const response = responseOf(error)
    if (response === null) {
      return listener.declined({ status: 503, reason: clippedMessage(error), retryAfterMs: null, byNetwork: true })
    }
    const minSeconds = Number(/^\s*(\d{1,6})/.exec(response.get('Min-SE') ?? '')?.[1] ?? 0)
    if (response.status === 422 && !intervalTold && minSeconds > 0 && minSeconds <= longestInterval) {
      intervalTold = true
      return listener.intervalTooSmall(minSeconds)
    }
    listener.declined(declinedBy(response))
  }

  const accepted = (result: SipDialog | UnacknowledgedDialog) => {
    const fault = 'sdp' in result ? faultOf(result.res) : null
    if (!('sdp' in result) || fault === null) return listener.accepted(result)
    void result.destroy()
    malformed(result.res, fault)
  }

  return {
    send: (sdp, minSeconds) => {
      cseq++
      answer = null
      sentMs = clock.monotonicMs()
      server.createUAC(
        {
          uri: options.requestUri,
          proxy: options.proxy,
          ...(sdp === '' ? { noAck: true } : { localSdp: sdp }),
          headers: headersFor(sdp, minSeconds ?? 0)
        },
        {
          cbRequest: (_error, request) => {
            if (request === undefined) return
            sent = request
            request.on('response', (response) => {
              if (response.status >= 200 && response.status < 300) answer = response
            })
            from = request.get('From') ?? from
            listener.sent()
          },
          cbProvisional: (response) =>
            listener.progress({
              status: response.status,
              tag: readNameAddr(response.get('To'))?.tag ?? null,
              sdp: response.body ?? '',
              sessionId: response.get('Session-ID')
            })
        },
        (error, result) => (result === undefined ? refused(error) : accepted(result))
      )
    },
    cancel: (reason, problem) => {
      sent?.cancel({ headers: { Reason: reason } }, (error) => {
        if (error) problem(error)
      })
      return sent !== null
    },
    cseq: () => cseq,
    fromTag: () => readNameAddr(from)?.tag ?? '',
    isSent: () => cseq > cseqStart,
    sentMs: () => sentMs
  }
}

/** Why no dialog can be made of a 2xx; null where one can. @see RFC 3261 §12.1.1, §13.3.1.4 */
function faultOf(response: ReceivedResponse): string | null {
  if (response.status !== 200) return `the INVITE was answered with ${response.status}`
  const contact = response.get('Contact')
  if (contact === undefined) return 'the 200 has no Contact'
  return readNameAddr(contact) === null ? 'the Contact of the 200 cannot be read' : null
}

function responseOf(error: unknown): ReceivedResponse | null {
  if (!(error instanceof Error) || !('res' in error)) return null
  return error.res as ReceivedResponse
}

/** @see RFC 3261 §20.33 for Retry-After */
function declinedBy(response: ReceivedResponse): Declined {
  const seconds = Number(/^\s*(\d{1,9})/.exec(response.get('Retry-After') ?? '')?.[1] ?? Number.NaN)
  const reasonHeader = clip(response.get('Reason') ?? '', 128)
  return {
    status: response.status,
    reason: clip(response.reason ?? '', 128),
    retryAfterMs: Number.isNaN(seconds) ? null : Math.min(seconds, longestRetryAfterS) * 1000,
    ...(reasonHeader !== '' && { reasonHeader }),
    // 513 is what the server says of an answer of the callee's that is larger than it takes
    byNetwork: (response.source_address === '' && response.status !== 513) || response.status === 408
  }
}
