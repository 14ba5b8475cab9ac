/** Where a proxied request may go. */
import { parseAddressList } from '../codec/address.ts'
import { headerLines, type SipResponse } from '../codec/message.ts'
import { bracketed, parseSipUri } from '../codec/uri.ts'

export interface Target {
  readonly uri: string
  /** Whether the URI takes the place of the Request-URI; else it is the next hop only. */
  readonly replaces: boolean
}

/** Targets with one key are the same place. @see RFC 3261 §19.1.4 */
export function targetKey(text: string): string {
  const uri = parseSipUri(text)
  if (uri === undefined) return text
  const params = [...uri.params].map(([name, value]) => `;${name}=${(value ?? '').toLowerCase()}`).sort()
  return `${uri.scheme}:${uri.user ?? ''}@${bracketed(uri.host)}:${uri.port ?? ''}${params.join('')}`
}

/**
 * Targets of a 3xx, those with the highest `q` first.
 *
 * @param secure whether the request went to a sips URI: no other may follow then.
 * @see RFC 3261 §16.5, §16.7 step 4
 */
export function redirectTargets(response: SipResponse, secure: boolean): Target[] {
  const contacts = parseAddressList(headerLines(response, 'contact')) ?? []
  return contacts
    .map(({ uri, params }) => ({ uri, parsed: parseSipUri(uri), weight: quality(params.get('q')) }))
    .filter(({ parsed }) => parsed !== undefined && (!secure || parsed.scheme === 'sips'))
    .sort((left, right) => right.weight - left.weight)
    .map(({ uri }) => ({ uri: bareUri(uri), replaces: true }))
}

function quality(q: string | null | undefined): number {
  const value = Number(q ?? 1)
  return value >= 0 && value <= 1 ? value : 1
}

/** Header fields and `method` have no place in a Request-URI (RFC 3261 §19.1.1). */
export function bareUri(uri: string): string {
  const question = uri.indexOf('?')
  return (question < 0 ? uri : uri.slice(0, question)).replace(/;method=[^;]*/i, '')
}
