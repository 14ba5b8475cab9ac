import { nextComma, type Parameters, parseParameters } from './text.ts'
import { parseHostPort } from './uri.ts'

export interface Via {
  /** `UDP`, `TCP`, `TLS`, `WS`, `WSS` … in upper case. */
  readonly transport: string
  /** Host of sent-by, lower case, IPv6 without brackets. */
  readonly host: string
  readonly port: number | null
  readonly params: Parameters
}

const sentProtocol = /^SIP[ \t]*\/[ \t]*2\.0[ \t]*\/[ \t]*([A-Za-z0-9\-.!%*_+`'~]{1,32})[ \t]+/i
const sentBy = /^(\[[^\]\s]{2,64}\]|[^\s;:,[\]]{1,253})[ \t]*(?::[ \t]*(\d{1,5}))?/

/** RFC 3261 §8.1.1.7: every branch made by a stack that follows it begins so. */
export const magicCookie = 'z9hG4bK'

/** The first element of a Via header line. */
export function firstVia(line: string): string {
  const comma = nextComma(line)
  return (comma < 0 ? line : line.slice(0, comma)).trim()
}

/**
 * Reads one Via value.
 *
 * @returns undefined where it is malformed.
 * @see RFC 3261 §20.42
 */
export function parseVia(value: string): Via | undefined {
  const protocol = sentProtocol.exec(value)
  if (protocol === null) return undefined
  const rest = value.slice(protocol[0].length)
  const by = sentBy.exec(rest)
  if (by === null) return undefined
  const where = parseHostPort(by[2] === undefined ? by[1]! : `${by[1]}:${by[2]}`)
  const params = parseParameters(rest, by[0].length)
  if (where === undefined || params === undefined) return undefined
  return { transport: protocol[1]!.toUpperCase(), ...where, params }
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
  let first = (comma < 0 ? line : line.slice(0, comma)).trimEnd()
  const rest = comma < 0 ? '' : line.slice(comma)
  if (via.params.has('rport')) first = first.replace(/;[ \t]*rport(?:[ \t]*=[ \t]*[^;\s]*)?(?=[ \t]*(?:;|$))/i, `;rport=${port}`)
  else first += `;rport=${port}`
  if (via.params.has('received')) first = first.replace(/;[ \t]*received[ \t]*=[ \t]*[^;\s]*/i, '')
  if (via.host !== address) first += `;received=${address}`
  return first + rest
}
