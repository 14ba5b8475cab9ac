/**
 * The messages a proxy sends: requests and responses as received, with what a proxy adds and takes away.
 *
 * @see RFC 3261 §16.6, §16.7, §16.10; RFC 3327 for Path; RFC 5658 for two Record-Routes
 */
import { allHeaders, header, headerLines, type SipRequest, type SipResponse } from '../codec/message.ts'
import { emptyBody, type HeaderLine } from '../codec/serialize.ts'
import { bracketed, uriScheme } from '../codec/uri.ts'
import type { Listener } from '../transport/port.ts'

export interface Forwarding {
  readonly request: SipRequest
  readonly requestUri: string
  /** All Via values as received, the top one marked with the packet's source. */
  readonly vias: readonly string[]
  /** Route values for the next hops. */
  readonly routes: readonly string[]
  /** Our Via for this branch. */
  readonly via: HeaderLine
  readonly breadth: number
  /** Record-Route, or Path in a REGISTER; none where we do not stay in the path. */
  readonly record: readonly HeaderLine[]
  /** What the application adds. */
  readonly extra: readonly HeaderLine[]
  /** RAck in place of the one received. */
  readonly rack?: string
}

/** Request fields that are written anew. */
const replaced = new Set(['via', 'route', 'max-forwards', 'max-breadth', 'content-length'])

/** The request for one branch; what is not a proxy's business stays as it is, in its order. */
export function forwardedRequest(forwarding: Forwarding): Buffer {
  const { request, record } = forwarding
  const hops = header(request, 'max-forwards')
  const lines: HeaderLine[] = [forwarding.via, ...forwarding.vias.map((value): HeaderLine => ['Via', value]), ...record]
  for (const route of forwarding.routes) lines.push(['Route', route])
  lines.push(
    ['Max-Forwards', hops === undefined ? '70' : `${Math.max(0, Number(hops) - 1)}`],
    ['Max-Breadth', `${forwarding.breadth}`]
  )
  for (const { name, key, value } of allHeaders(request)) {
    if (!replaced.has(key)) lines.push([name, key === 'rack' ? (forwarding.rack ?? value) : value])
  }
  lines.push(...forwarding.extra)
  return encoded(`${request.method} ${forwarding.requestUri} SIP/2.0`, lines, request.body)
}

/**
 * What keeps us in the path of later requests. The listener towards the callee comes first; where the request came in on another one that
 * stands behind it, so that each side sees an address it can reach.
 */
export function recordLines(request: SipRequest, requestUri: string, inbound: Listener, outbound: Listener): HeaderLine[] {
  const listeners = sameSide(inbound, outbound) ? [outbound] : [outbound, inbound]
  const values = listeners.map((listener) => ownRoute(listener, uriScheme(requestUri) === 'sips'))
  if (request.method !== 'REGISTER') return values.map((value) => ['Record-Route', value])
  const lines = values.map((value): HeaderLine => ['Path', value])
  const required = headerLines(request, 'require').some((value) => /(?:^|,)\s*path\s*(?:,|$)/i.test(value))
  return required ? lines : [...lines, ['Require', 'path']]
}

function sameSide(left: Listener, right: Listener): boolean {
  return left.transport === right.transport && left.address === right.address && left.port === right.port
}

function ownRoute({ transport, address, port }: Listener, secure: boolean): string {
  const where = `${bracketed(address)}:${port}`
  if (secure && transport === 'tls') return `<sips:${where};lr>`
  if (transport === 'udp') return `<sip:${where};lr>`
  // RFC 7118 §5.2.3 knows one name for both kinds of WebSocket.
  return `<sip:${where};transport=${transport === 'wss' ? 'ws' : transport};lr>`
}

/** Where ACK and CANCEL of a branch must agree with the request it sent. */
export interface SentBranch {
  readonly request: SipRequest
  readonly requestUri: string
  readonly via: HeaderLine
  readonly routes: readonly string[]
}

/** The ACK of a branch for a final response other than 2xx. @see RFC 3261 §17.1.1.3 */
export function branchAck(branch: SentBranch, response: SipResponse): Buffer {
  return companion('ACK', branch, header(response, 'to'), [])
}

/** The CANCEL of a branch. @param reasons Reason values of the CANCEL that asks for it (RFC 3326 §3.1). */
export function branchCancel(branch: SentBranch, reasons: readonly string[]): Buffer {
  return companion('CANCEL', branch, header(branch.request, 'to'), reasons)
}

function companion(
  method: 'ACK' | 'CANCEL',
  { request, requestUri, via, routes }: SentBranch,
  to: string | undefined,
  reasons: readonly string[]
): Buffer {
  const lines: HeaderLine[] = [via]
  for (const route of routes) lines.push(['Route', route])
  lines.push(['Max-Forwards', '70'], ['From', header(request, 'from')!])
  if (to !== undefined) lines.push(['To', to])
  lines.push(['Call-ID', header(request, 'call-id')!], ['CSeq', header(request, 'cseq')!.replace(/[^ \t]+$/, method)])
  for (const reason of reasons) lines.push(['Reason', reason])
  return encoded(`${method} ${requestUri} SIP/2.0`, lines, emptyBody)
}

export interface ResponseChanges {
  /** Challenges of other branches. */
  readonly extra?: readonly HeaderLine[]
  /** RSeq in place of the one received. */
  readonly rseq?: number | undefined
}

/**
 * A response for the hop before. It gets the Via values that its request came with, whatever the callee has made of them.
 *
 * @param vias as received, the top one marked with the packet's source.
 */
export function forwardedResponse(response: SipResponse, vias: readonly string[], changes: ResponseChanges = {}): Buffer {
  const { extra = [], rseq } = changes
  const lines = vias.map((value): HeaderLine => ['Via', value])
  for (const { name, key, value } of allHeaders(response)) {
    if (key === 'rseq') lines.push([name, `${rseq ?? value}`])
    else if (key !== 'via' && key !== 'content-length') lines.push([name, value])
  }
  return encoded(`SIP/2.0 ${response.status} ${response.reason}`, [...lines, ...extra], response.body)
}

function encoded(startLine: string, lines: readonly HeaderLine[], body: Buffer): Buffer {
  let text = `${startLine}\r\n`
  for (const [name, value] of lines) text += `${name}: ${value}\r\n`
  text += `Content-Length: ${body.length}\r\n\r\n`
  const out = Buffer.allocUnsafe(text.length + body.length)
  out.write(text, 0, 'latin1')
  body.copy(out, text.length)
  return out
}
