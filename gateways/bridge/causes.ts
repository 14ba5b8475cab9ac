/**
 * What one side's ending is to the other: Q.850 causes of H.323 and final statuses of SIP.
 *
 * @see RFC 3398 §7.2.4.1 (cause to status), §8.2.6.1 (status to cause); RFC 4123 §4.3 asks for both
 */

/** Statuses by cause. Causes that are not here are {@link statusOfCause}'s to judge by their class. */
const statuses: Readonly<Record<number, number>> = {
  1: 404, // unallocated number
  2: 404, // no route to transit network
  3: 404, // no route to destination
  16: 480, // normal clearing before an answer: RFC 3398 has no status for it, the caller sees that nobody took the call
  17: 486, // user busy
  18: 408, // no user responding
  19: 480, // no answer from user
  20: 480, // subscriber absent
  21: 403, // call rejected
  22: 410, // number changed
  23: 410, // redirection to new destination
  26: 404, // non-selected user clearing
  27: 502, // destination out of order
  28: 484, // address incomplete
  29: 501, // facility rejected
  31: 480, // normal, unspecified
  34: 503, // no circuit available
  38: 503, // network out of order
  41: 503, // temporary failure
  42: 503, // switching equipment congestion
  47: 503, // resource unavailable
  55: 403, // incoming calls barred within CUG
  57: 403, // bearer capability not authorised
  58: 503, // bearer capability not presently available
  65: 488, // bearer capability not implemented
  70: 488, // only restricted digital information
  79: 501, // service or option not implemented
  87: 403, // user not member of CUG
  88: 503, // incompatible destination
  102: 504, // recovery on timer expiry
  111: 500, // protocol error
  127: 500 // interworking
}

/** Final status for a call that ended before its answer. @param cause Q.850, 1–127 */
export function statusOfCause(cause: number): number {
  const status = statuses[cause]
  if (status !== undefined) return status
  // Q.850 §2.1: the class says what a cause unknown here is like
  if (cause >= 32 && cause <= 47) return 503
  return 500
}

/** Causes by status. */
const causes: Readonly<Record<number, number>> = {
  400: 41,
  401: 21,
  402: 21,
  403: 21,
  404: 1,
  405: 63,
  406: 79,
  407: 21,
  408: 102,
  410: 22,
  413: 127,
  414: 127,
  415: 79,
  416: 127,
  420: 127,
  421: 127,
  423: 127,
  480: 18,
  481: 41,
  482: 25,
  483: 25,
  484: 28,
  485: 1,
  486: 17,
  487: 16, // cancelled by the caller: RFC 3398 maps CANCEL, not its answer
  488: 65, // RFC 3398 asks the Warning header; without one, the cause that comes back as 488
  491: 41,
  500: 41,
  501: 79,
  502: 38,
  503: 41,
  504: 102,
  505: 127,
  513: 127,
  600: 17,
  603: 21,
  604: 1,
  606: 65
}

/** Q.850 cause for a final status of SIP; a redirection that is not followed is a changed number. */
export function causeOfStatus(status: number): number {
  const cause = causes[status]
  if (cause !== undefined) return cause
  if (status >= 300 && status < 400) return 23
  if (status >= 400 && status < 500) return 31
  return status >= 600 ? 21 : 127
}

/**
 * Cause that a Reason header names; null when it names none of Q.850.
 *
 * @see RFC 3326 §2, RFC 6432 §2
 */
export function causeOfReason(reason: string | undefined): number | null {
  for (const value of (reason ?? '').split(',')) {
    const match = /^\s*Q\.850\s*;(?:[^,]*;)?\s*cause\s*=\s*(\d{1,3})\s*(?:;|$)/i.exec(value)
    const cause = Number(match?.[1] ?? 0)
    if (cause >= 1 && cause <= 127) return cause
  }
  return null
}

/** What ended a SIP leg, for the other side: its Reason header before its status. */
export const causeOfSip = (status: number, reason: string | undefined): number => causeOfReason(reason) ?? causeOfStatus(status)

/** Name of a cause in the record and in a Reason header. */
const causeNames: Readonly<Record<number, string>> = {
  1: 'Unallocated number',
  3: 'No route to destination',
  16: 'Normal call clearing',
  17: 'User busy',
  18: 'No user responding',
  19: 'No answer from user',
  20: 'Subscriber absent',
  21: 'Call rejected',
  22: 'Number changed',
  27: 'Destination out of order',
  28: 'Address incomplete',
  31: 'Normal, unspecified',
  34: 'No circuit available',
  38: 'Network out of order',
  41: 'Temporary failure',
  42: 'Switching equipment congestion',
  47: 'Resource unavailable',
  57: 'Bearer capability not authorised',
  58: 'Bearer capability not presently available',
  65: 'Bearer capability not implemented',
  79: 'Service or option not implemented',
  88: 'Incompatible destination',
  102: 'Recovery on timer expiry',
  111: 'Protocol error',
  127: 'Interworking'
}

/** `Q.850;cause=17;text="User busy"`. @see RFC 3326 §2 */
export function reasonOfCause(cause: number): string {
  const name = causeNames[cause]
  return name === undefined ? `Q.850;cause=${cause}` : `Q.850;cause=${cause};text="${name}"`
}
