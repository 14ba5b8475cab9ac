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
  /** A request to proxy the request `transactionId`. */
  | { readonly kind: 'proxy'; readonly id: string; readonly transactionId: string }
  /** Nothing the server knows: it is refused with `text` and the connection is closed. */
  | { readonly kind: 'refused'; readonly id: string; readonly text: string }

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
      return { kind: 'proxy', id, transactionId: fields[2]! }
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
