/** Meta lines of what the server says to an application. Field positions are fixed: drachtio-srf reads them by index. */

/** Facts about one SIP message on the wire. */
export interface WireFacts {
  /** Octets on the wire; 0 for a message the engine made up. */
  readonly octets: number
  readonly transport: string
  readonly address: string
  readonly port: number
  /** `HH:MM:SS.uuuuuu` in UTC. */
  readonly time: string
}

const facts = (wire: WireFacts): string => `${wire.octets}|${wire.transport}|${wire.address}|${wire.port}|${wire.time}`

export const okReply = (id: string, requestId: string, ...fields: string[]): string =>
  [id, 'response', requestId, 'OK', ...fields].join('|')

/** A protocol-level refusal; the connection is closed behind it. */
export const noReply = (id: string, requestId: string, text: string): string => `${id}|response|${requestId}|NO|${text}`

/** A SIP-level failure. */
export const nokReply = (id: string, requestId: string, text: string): string => `${id}|response|${requestId}|NOK|${text}`

/** Reply to a request the application sent; the request as sent follows. */
export const requestSent = (id: string, requestId: string, wire: WireFacts, transactionId: string): string =>
  `${id}|response|${requestId}|OK|application|${facts(wire)}|${transactionId}|Msg sent:|`

/** Reply to a response the application sent; the response as sent follows. The field behind the dialog id stays empty. */
export const responseSent = (id: string, requestId: string, wire: WireFacts, transactionId: string, dialogId: string): string =>
  `${id}|response|${requestId}|OK|application|${facts(wire)}|${transactionId}|${dialogId}||Msg sent:|`

/** A final response to a request that is being proxied; the response as received follows, and more replies do. */
export const proxyProgress = (id: string, requestId: string, wire: WireFacts): string =>
  `${id}|response|${requestId}|OK|network|${facts(wire)}|||continue`

/** A request outside any dialog: its dialog id is empty, and it tells the address it came in on. */
export const newRequest = (
  id: string,
  wire: WireFacts,
  transactionId: string,
  local: { readonly address: string; readonly port: number }
): string => `${id}|sip|network|${facts(wire)}|${transactionId}||${local.address}|${local.port}|`

/** Every other message off the wire: requests in a dialog, CANCEL, ACK, responses. */
export const networkMessage = (id: string, wire: WireFacts, transactionId: string, dialogId: string): string =>
  `${id}|sip|network|${facts(wire)}|${transactionId}|${dialogId}|`

/** A request the engine made by itself. */
export const unsolicited = (id: string, wire: WireFacts, dialogId: string): string =>
  `${id}|sip|application|${facts(wire)}|unsolicited|${dialogId}|`

/** `HH:MM:SS.uuuuuu` of a wall clock in milliseconds with fractions. */
export function wireTime(wallMs: number): string {
  const inDay = wallMs - Math.floor(wallMs / 86_400_000) * 86_400_000
  const seconds = Math.floor(inDay / 1000)
  const micros = Math.floor((inDay - seconds * 1000) * 1000)
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(micros).padStart(6, '0')}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}

/** A call record; the message it is about follows. @param detail role or reason; an attempt has none. */
export const callRecord = (
  id: string,
  kind: 'attempt' | 'start' | 'stop',
  source: string,
  time: string,
  detail: string | null
): string => `${id}|cdr:${kind}|${source}|${time}${detail === null ? '' : `|${detail}`}`
