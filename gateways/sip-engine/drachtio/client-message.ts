/** What an application says to the server: one meta line of fields separated by `|`, for some kinds followed by SIP text. */
export type ClientMessage =
  | { readonly kind: 'authenticate'; readonly id: string; readonly secret: string; readonly tags: readonly string[] }
  | { readonly kind: 'ping'; readonly id: string }
  | { readonly kind: 'route'; readonly id: string; readonly verb: string }
  | { readonly kind: 'removeRoute'; readonly id: string; readonly verb: string }
  /** A response to the request delivered as `transactionId`. */
  | { readonly kind: 'response'; readonly id: string; readonly transactionId: string; readonly sip: Buffer }
  | { readonly kind: 'dialogRequest'; readonly id: string; readonly dialogId: string; readonly sip: Buffer }
  | { readonly kind: 'cancel'; readonly id: string; readonly transactionId: string; readonly sip: Buffer }
  /** A request outside any dialog; `nextHop` is a URI or `host[:port]`, empty where the Request-URI says it. */
  | { readonly kind: 'newRequest'; readonly id: string; readonly nextHop: string; readonly sip: Buffer }
  | ProxyMessage
  /** Nothing the server knows: it is refused with `text` and the connection is closed. */
  | { readonly kind: 'refused'; readonly id: string; readonly text: string }

/** A request to send the request `transactionId` on to `destinations`. */
export interface ProxyMessage {
  readonly kind: 'proxy'
  readonly id: string
  readonly transactionId: string
  readonly remainInDialog: boolean
  /** Whether the application wants to see each final response. */
  readonly fullResponse: boolean
  readonly followRedirects: boolean
  readonly simultaneous: boolean
  /** `2s`, `1500ms` or empty. */
  readonly provisionalTimeout: string
  readonly finalTimeout: string
  readonly destinations: readonly string[]
  /** A request whose header fields are added to the one sent on. */
  readonly sip: Buffer
}

const carriageReturn = 13
const maxTags = 20
const maxTag = 32

/** Reads one frame payload. Pure; never throws. */
export function parseClientMessage(payload: Buffer): ClientMessage {
  let metaEnd = payload.indexOf(carriageReturn)
  if (metaEnd < 0) metaEnd = payload.length
  const fields = payload.toString('latin1', 0, metaEnd).split('|')
  const id = fields[0]!
  if (fields.length < 2) return { kind: 'refused', id, text: 'Invalid message format' }
  const sip = payload.subarray(Math.min(metaEnd + 2, payload.length))
  switch (fields[1]) {
    case 'authenticate':
      return {
        kind: 'authenticate',
        id,
        secret: Buffer.from(fields[2] ?? '', 'latin1').toString('utf8'),
        tags: (fields[3] ?? '')
          .split(',')
          .filter((tag) => tag !== '' && tag.length <= maxTag)
          .slice(0, maxTags)
      }
    case 'ping':
      return { kind: 'ping', id }
    case 'route':
      return { kind: 'route', id, verb: (fields[2] ?? '').toLowerCase() }
    case 'remove_route':
      return { kind: 'removeRoute', id, verb: (fields[2] ?? '').toLowerCase() }
    case 'sip':
      return sipMessage(id, fields[2] ?? '', fields[3] ?? '', fields[4] ?? '', sip)
    case 'proxy':
      if (fields.length < 4) return { kind: 'refused', id, text: 'Invalid proxy request: not enough information provided' }
      return {
        kind: 'proxy',
        id,
        transactionId: fields[2]!,
        remainInDialog: fields[3] === 'remainInDialog',
        fullResponse: fields[4] === 'fullResponse',
        followRedirects: fields[5] === 'followRedirects',
        simultaneous: fields[6] === 'simultaneous',
        provisionalTimeout: fields[7] ?? '',
        finalTimeout: fields[8] ?? '',
        destinations: fields.slice(9).filter((destination) => destination !== ''),
        sip
      }
    default:
      return { kind: 'refused', id, text: 'Unknown message type' }
  }
}

function sipMessage(id: string, transactionId: string, dialogId: string, nextHop: string, sip: Buffer): ClientMessage {
  if (sip.toString('latin1', 0, 4) === 'SIP/') {
    if (transactionId === '') return { kind: 'refused', id, text: 'transaction id missing' }
    return { kind: 'response', id, transactionId, sip }
  }
  if (dialogId !== '') return { kind: 'dialogRequest', id, dialogId, sip }
  if (transactionId !== '') return { kind: 'cancel', id, transactionId, sip }
  return { kind: 'newRequest', id, nextHop, sip }
}
