/** Requests that no proxy may send on. */
import { header, headerLines, type SipRequest } from '../codec/message.ts'
import { reasonPhrases } from '../codec/reasons.ts'
import type { HeaderLine } from '../codec/serialize.ts'

export interface Refusal {
  readonly status: number
  readonly headers: readonly HeaderLine[]
  /** For the application. */
  readonly text: string
}

/** RFC 5393 §5.3.3: what a request without Max-Breadth gets. */
const defaultBreadth = 60

/** Max-Breadth as received; a malformed one counts as absent. */
export function breadthOf(request: SipRequest): number {
  const value = header(request, 'max-breadth')
  return value !== undefined && /^\d{1,4}$/.test(value) ? Number(value) : defaultBreadth
}

/** @see RFC 3261 §16.3 steps 3 to 5, RFC 5393 §5.3.3 */
export function refusalOf(request: SipRequest, looped: boolean): Refusal | undefined {
  if (header(request, 'max-forwards') === '0') return refusal(483, 'Max-Forwards value of 0')
  if (looped) return refusal(482, 'loop')
  const extensions = headerLines(request, 'proxy-require').join(', ')
  if (extensions !== '') return refusal(420, 'Proxy-Require', [['Unsupported', extensions]])
  if (breadthOf(request) === 0) return refusal(440, 'Max-Breadth value of 0')
  return undefined
}

function refusal(status: number, cause: string, headers: readonly HeaderLine[] = []): Refusal {
  return { status, headers, text: `Rejected with ${status} ${reasonPhrases[status]} due to ${cause}` }
}
