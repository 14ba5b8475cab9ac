import {
  formatParameters,
  isToken,
  nextComma,
  noParameters,
  type Parameters,
  parameterSpan,
  parseParameters,
  skipBlanks,
  trimmed
} from './text.ts'
import { bracketed, parseHostPort } from './uri.ts'

export interface Via {
  /** `UDP`, `TCP`, `TLS`, `WS`, `WSS` … in upper case. */
  readonly transport: string
  /** Host of sent-by, lower case, IPv6 without brackets. */
  readonly host: string
  readonly port: number | null
  readonly params: Parameters
}

const usualProtocol = 'SIP/2.0/'
const sentProtocol = /^SIP[ \t]*\/[ \t]*2\.0[ \t]*\/[ \t]*/i
const usualTransports = new Set(['UDP', 'TCP', 'TLS', 'WS', 'WSS', 'SCTP', 'TLS-SCTP'])
const maxTransport = 32

/** RFC 3261 §8.1.1.7: every branch made by a stack that follows it begins so. */
export const magicCookie = 'z9hG4bK'

/** The first element of a Via header line. */
export function firstVia(line: string): string {
  const comma = nextComma(line)
  return trimmed(line, 0, comma < 0 ? line.length : comma)
}

/**
 * Reads one Via value.
 *
 * @returns undefined where it is malformed.
 * @see RFC 3261 §20.42
 */
export function parseVia(value: string): Via | undefined {
  const transportStart = value.startsWith(usualProtocol) ? usualProtocol.length : (sentProtocol.exec(value)?.[0].length ?? 0)
  if (transportStart === 0) return undefined
  let transportEnd = transportStart
  while (transportEnd < value.length && !isBlank(value.charCodeAt(transportEnd))) transportEnd++
  const sentBy = skipBlanks(value, transportEnd)
  if (sentBy === transportEnd || transportEnd - transportStart > maxTransport) return undefined
  const written = value.slice(transportStart, transportEnd)
  const transport = usualTransports.has(written) ? written : written.toUpperCase()
  if (transport !== written && !isToken(written)) return undefined
  if (!usualTransports.has(transport) && !isToken(transport)) return undefined
  const semicolon = value.indexOf(';', sentBy)
  const where = parseSentBy(semicolon < 0 ? value.slice(sentBy) : value.slice(sentBy, semicolon))
  if (where === undefined) return undefined
  const params = semicolon < 0 ? noParameters : parseParameters(value, semicolon)
  if (params === undefined) return undefined
  return { transport, host: where.host, port: where.port, params }
}

/** Host and port; blanks may stand around the colon between them. */
function parseSentBy(text: string): ReturnType<typeof parseHostPort> {
  const plain = trimmed(text)
  const where = parseHostPort(plain)
  if (where !== undefined) return where
  const colon = plain.lastIndexOf(':')
  return colon < 0 ? undefined : parseHostPort(`${trimmed(plain, 0, colon)}:${trimmed(plain, colon + 1)}`)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

export function formatVia(via: Via): string {
  const port = via.port === null ? '' : `:${via.port}`
  return `SIP/2.0/${via.transport} ${bracketed(via.host)}${port}${formatParameters(via.params)}`
}

/**
 * The address in `received`. IPv6 stands there without brackets by the grammar, but often with them: both are read (RFC 5118 §4.5).
 *
 * @returns undefined when there is none, or it is no address.
 */
export function receivedAddress(via: Via): string | undefined {
  const text = via.params.get('received')
  if (text === undefined || text === null) return undefined
  const where = parseHostPort(text.includes(':') && !text.startsWith('[') ? `[${text}]` : text)
  return where === undefined || where.port !== null ? undefined : where.host
}

/**
 * Marks the top Via with the packet's source: `rport` always (also where the peer did not ask, so that it can see it), `received`
 * where the source address differs from sent-by or the peer asked for `rport`-style routing with a name.
 *
 * @param line the whole header line; elements behind the first are left as they are.
 * @see RFC 3581 §4, RFC 3261 §18.2.1
 */
export function markReceived(line: string, via: Via, address: string, port: number): string {
  const comma = nextComma(line)
  let first = trimmed(line, 0, comma < 0 ? line.length : comma)
  const rest = comma < 0 ? '' : line.slice(comma)
  while (first.endsWith(';')) first = trimmed(first, 0, first.length - 1)
  const put = (name: string, text: string, append: boolean): void => {
    const span = via.params.has(name) ? parameterSpan(first, name, first.indexOf(';')) : undefined
    if (span !== undefined) first = first.slice(0, span.start) + (append ? '' : text) + first.slice(span.end)
    if (span === undefined || append) first += text
  }
  put('rport', `;rport=${port}`, false)
  put('received', via.host === address ? '' : `;received=${address}`, true)
  return first + rest
}
