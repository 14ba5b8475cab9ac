/**
 * What two user agents share about a call, as plain data: tags, sequence numbers, route set, remote target. Functions return changed copies.
 *
 * @see RFC 3261 §12
 */
import { parseAddress, parseAddressList, tagOf } from '../codec/address.ts'
import { header, headerLines, type SipMessage } from '../codec/message.ts'
import { parseSipUri } from '../codec/uri.ts'
import { retainText } from '../common/retained.ts'

export interface Dialog {
  readonly callId: string
  readonly localTag: string
  /** Empty until the peer has told its tag. */
  readonly remoteTag: string
  /** From header of requests we send: our address with our tag. */
  readonly localAddress: string
  /** To header of requests we send: the peer's address with its tag, once it has one. */
  readonly remoteAddress: string
  /** Number of the latest request we sent; 0 before the first. */
  readonly localCSeq: number
  /** Number of the latest request received; null before the first. */
  readonly remoteCSeq: number | null
  /** Contact URI of the peer. */
  readonly remoteTarget: string
  /** Route header values for requests we send, in order. */
  readonly routeSet: readonly string[]
}

/**
 * The id by which application and engine speak of a dialog: Call-ID and the tag in From of the request that created it. It holds from the
 * first request on, through early and confirmed state, and whichever side sends.
 */
export function dialogId(callId: string, creatorTag: string): string {
  return `${callId};from-tag=${creatorTag}`
}

/** Address with its `tag` parameter set; an address that has one is left as it is. */
export function withTag(address: string, tag: string): string {
  const parsed = parseAddress(address)
  if (tag === '' || parsed === undefined || parsed.params.has('tag')) return address
  return `${address};tag=${tag}`
}

/** Dialog state of the server side, from the request that creates it. @see RFC 3261 §12.1.1 */
export function serverDialog(request: SipMessage, localTag: string, cseq: number): Dialog {
  const from = header(request, 'from')!
  const contact = parseAddressList(headerLines(request, 'contact'))?.[0]
  return {
    callId: header(request, 'call-id')!,
    localTag,
    remoteTag: tagOf(parseAddress(from)!),
    localAddress: withTag(header(request, 'to')!, localTag),
    remoteAddress: from,
    localCSeq: 0,
    remoteCSeq: cseq,
    remoteTarget: contact?.uri ?? parseAddress(from)!.uri,
    routeSet: routes(headerLines(request, 'record-route'))
  }
}

/** Dialog state of the client side, before any response. */
export function clientDialog(request: {
  readonly callId: string
  readonly from: string
  readonly to: string
  readonly localTag: string
  readonly cseq: number
  readonly target: string
}): Dialog {
  return {
    callId: request.callId,
    localTag: request.localTag,
    remoteTag: '',
    localAddress: request.from,
    remoteAddress: request.to,
    localCSeq: request.cseq,
    remoteCSeq: null,
    remoteTarget: request.target,
    routeSet: []
  }
}

/** Takes tag, target and route set from a response that forms or confirms the dialog. @see RFC 3261 §12.1.2, §13.2.2.4 */
export function formedBy(dialog: Dialog, response: SipMessage): Dialog {
  const to = header(response, 'to')!
  const contact = parseAddressList(headerLines(response, 'contact'))?.[0]
  return {
    ...dialog,
    remoteTag: tagOf(parseAddress(to)!),
    remoteAddress: to,
    remoteTarget: contact?.uri ?? dialog.remoteTarget,
    routeSet: routes(headerLines(response, 'record-route')).reverse()
  }
}

/** Remote target of a target refresh (re-INVITE, UPDATE, SUBSCRIBE, NOTIFY or a 2xx to one). @see RFC 3261 §12.2 */
export function refreshedBy(dialog: Dialog, message: SipMessage): Dialog {
  const contact = parseAddressList(headerLines(message, 'contact'))?.[0]
  return contact === undefined || contact.uri === dialog.remoteTarget ? dialog : { ...dialog, remoteTarget: contact.uri }
}

const targetRefreshers = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER'])

export function isTargetRefresh(method: string): boolean {
  return targetRefreshers.has(method)
}

function routes(lines: readonly string[]): string[] {
  return (parseAddressList(lines) ?? []).map(({ uri, params }) => {
    let route = `<${uri}>`
    for (const [name, value] of params) route += value === null ? `;${name}` : `;${name}=${value}`
    return route
  })
}

export interface RequestTarget {
  readonly requestUri: string
  readonly routes: readonly string[]
  /** URI of the next hop: first route, or the target where there is none. */
  readonly nextHop: string
}

/** Request-URI, Route and next hop of a request in the dialog; a strict router at the front gets its URI as Request-URI. @see RFC 3261 §12.2.1.1 */
export function requestTarget(dialog: Dialog): RequestTarget {
  const first = dialog.routeSet[0]
  if (first === undefined) return { requestUri: dialog.remoteTarget, routes: [], nextHop: dialog.remoteTarget }
  const firstUri = parseAddress(first)!.uri
  if (parseSipUri(firstUri)?.params.has('lr') ?? true) {
    return { requestUri: dialog.remoteTarget, routes: dialog.routeSet, nextHop: firstUri }
  }
  return {
    requestUri: firstUri,
    routes: [...dialog.routeSet.slice(1), `<${dialog.remoteTarget}>`],
    nextHop: firstUri
  }
}

/** Whether a received request with this number is in order: higher than every one before it. @see RFC 3261 §12.2.2 */
export function inOrder(dialog: Dialog, cseq: number): boolean {
  return dialog.remoteCSeq === null || cseq > dialog.remoteCSeq
}

/** The same dialog, with none of its texts a part of the message it was read from. */
export function retainDialog(dialog: Dialog): Dialog {
  return {
    ...dialog,
    callId: retainText(dialog.callId),
    remoteTag: retainText(dialog.remoteTag),
    localAddress: retainText(dialog.localAddress),
    remoteAddress: retainText(dialog.remoteAddress),
    remoteTarget: retainText(dialog.remoteTarget),
    routeSet: dialog.routeSet.map(retainText)
  }
}
