/** Why and by whom a call ended. */
export interface EndCause {
  readonly by: 'caller' | 'callee' | 'application' | 'conference' | 'sip-server'
  /** Stable: `bye`, `cancelled`, `media-timeout`, … */
  readonly reason: string
  /** Of the far side, Q.850: said in the BYE as it is. */
  readonly cause?: number
  /** Reason of the BYE that came, where it has one (RFC 3326). */
  readonly reasonHeader?: string
}

/** Why a dialog ended that the server ended, by the text it gives. */
export const serverCause = (reason: string): EndCause => ({
  by: 'sip-server',
  reason: /ack/i.test(reason)
    ? 'ack-timeout'
    : /session/i.test(reason)
      ? 'session-timer-expired'
      : /cancel/i.test(reason)
        ? 'cancelled'
        : 'ended-by-server'
})

/** `Reason` of a BYE or CANCEL that we send. @see RFC 3326 §2 */
export function reasonOfBye(cause: EndCause): string {
  if (cause.cause !== undefined) return `Q.850;cause=${cause.cause}`
  const [protocol, code, text] = byeReasons[cause.reason] ?? ['Q.850', 16, 'Normal call clearing']
  return `${protocol};cause=${code};text="${text}"`
}

const byeReasons: Readonly<Record<string, readonly [protocol: 'SIP' | 'Q.850', cause: number, text: string]>> = {
  'media-timeout': ['SIP', 408, 'Media timeout'],
  'media-failed': ['SIP', 500, 'Media failure'],
  'internal-error': ['SIP', 500, 'Server internal error'],
  'answer-refused': ['SIP', 488, 'Not Acceptable Here'],
  'answer-malformed': ['SIP', 502, 'Malformed answer'],
  'peer-silent': ['SIP', 408, 'Request Timeout'],
  'peer-forgot': ['SIP', 481, 'Call/Transaction Does Not Exist'],
  draining: ['SIP', 503, 'Service shutting down'],
  cancelled: ['SIP', 487, 'Request Terminated'],
  'no-answer': ['Q.850', 19, 'No answer from user'],
  'answered-elsewhere': ['SIP', 200, 'Call completed elsewhere'],
  transferred: ['SIP', 200, 'Call transferred'],
  replaced: ['SIP', 200, 'Call replaced'],
  'application-restart': ['SIP', 500, 'Restarted'],
  'escalation-ended': ['Q.850', 16, 'Normal call clearing']
}
