/** Requests of this side and what is made of them, as pure functions. */
import { header, type SipResponse } from '../codec/message.ts'
import { emptyBody, encodeRequest, encodeResponse, type HeaderLine, type OutgoingRequest } from '../codec/serialize.ts'
import { hostPort } from '../common/own-address.ts'
import { newToken } from '../common/tokens.ts'
import type { Listener } from '../transport/port.ts'
import { type Dialog, withTag } from './dialog.ts'

/** RFC 3581 §3: `rport` is always asked for. RFC 5923 §7.1: over TLS the peer may send its own requests on our connection. */
export function viaLine(listener: Listener, branch: string): HeaderLine {
  const alias = listener.transport === 'tls' ? ';alias' : ''
  return ['Via', `SIP/2.0/${listener.transport.toUpperCase()} ${hostPort(listener)};rport;branch=${branch}${alias}`]
}

/** The request as it goes out from another listener, as a transaction of its own. */
export function readdressed(request: OutgoingRequest, listener: Listener, branch: string): OutgoingRequest {
  const headers = [...request.headers]
  headers[headers.findIndex(([name]) => name === 'Via')] = viaLine(listener, branch)
  return { ...request, headers }
}

/** The header fields every request in a dialog has. @see RFC 3261 §12.2.1.1 */
export function dialogLines(
  dialog: Dialog,
  listener: Listener,
  branch: string,
  cseq: { readonly number: number; readonly method: string },
  routes: readonly string[]
): HeaderLine[] {
  const lines: HeaderLine[] = [viaLine(listener, branch)]
  for (const route of routes) lines.push(['Route', route])
  lines.push(
    ['Max-Forwards', '70'],
    ['From', dialog.localAddress],
    ['To', dialog.remoteAddress],
    ['Call-ID', dialog.callId],
    ['CSeq', `${cseq.number} ${cseq.method}`]
  )
  return lines
}

const copied = new Set(['Via', 'Route', 'Max-Forwards', 'From', 'To', 'Call-ID'])

/** A request that goes the way of an INVITE: same Request-URI, branch, route and CSeq number. */
function companion(
  invite: OutgoingRequest,
  method: 'ACK' | 'CANCEL',
  to: string | undefined,
  extra: readonly HeaderLine[]
): Buffer {
  const headers: HeaderLine[] = []
  for (const [name, value] of invite.headers) {
    if (name === 'CSeq') headers.push([name, value.replace('INVITE', method)])
    else if (name === 'To') headers.push([name, to ?? value])
    else if (copied.has(name)) headers.push([name, value])
  }
  headers.push(...extra)
  return encodeRequest({ method, uri: invite.uri, headers, body: emptyBody })
}

/** The ACK for a final response other than 2xx. @see RFC 3261 §17.1.1.3 */
export function ackFor(invite: OutgoingRequest, response: SipResponse): Buffer {
  return companion(invite, 'ACK', header(response, 'to'), [])
}

/** @see RFC 3261 §9.1 */
export function cancelFor(invite: OutgoingRequest, extra: readonly HeaderLine[]): Buffer {
  return companion(invite, 'CANCEL', undefined, extra)
}

const answered = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq'])

/** A response that no peer sent. @see RFC 3261 §8.1.3.1 */
export function madeUpResponse(request: OutgoingRequest, status: number, reason: string): Buffer {
  const headers = request.headers
    .filter(([name]) => answered.has(name))
    .map(([name, value]): HeaderLine => [name, name === 'To' ? withTag(value, newToken()) : value])
  return encodeResponse({ status, reason, headers, body: emptyBody })
}
