/**
 * Loops and spirals: the branch of each request sent on carries a hash of what its routing depends on, by which the proxy knows the request
 * when it comes back.
 *
 * @see RFC 5393 §4.2
 */
import { hash } from 'node:crypto'
import { header, headerLines, type SipRequest } from '../codec/message.ts'
import { splitList } from '../codec/text.ts'
import { magicCookie, parseVia } from '../codec/via.ts'
import type { Endpoint } from '../transport/port.ts'

/** Hash of the fields that decide where a request goes, 16 hex digits. Via is not among them: it differs every time around. */
export function routeHash(request: SipRequest): string {
  const fields = [
    request.uri,
    header(request, 'call-id'),
    header(request, 'from'),
    header(request, 'to'),
    header(request, 'cseq')
  ]
  for (const key of ['route', 'proxy-require', 'proxy-authorization']) fields.push(headerLines(request, key).join(','))
  return hash('sha256', fields.join('\n'), 'hex').slice(0, 16)
}

/** @param token unique to the branch. */
export function loopBranch(token: string, routed: string): string {
  return `${magicCookie}${token}.${routed}`
}

/** Whether the request has been here before and would go the same way again. One that goes another way this time is a spiral, and is fine. */
export function isLooped(request: SipRequest, own: readonly Endpoint[], routed: string): boolean {
  return headerLines(request, 'via')
    .flatMap(splitList)
    .some((value) => {
      if (!value.includes(routed)) return false
      const via = parseVia(value)
      if (via === undefined || !via.params.get('branch')?.endsWith(`.${routed}`)) return false
      return own.some((each) => each.port === (via.port ?? 5060) && each.address.toLowerCase() === via.host)
    })
}
