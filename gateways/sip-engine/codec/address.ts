import { formatParameters, noParameters, type Parameters, parseParameters, skipQuoted, splitList, trimmed } from './text.ts'
import { isUri } from './uri.ts'

/** `name-addr` or `addr-spec` with header parameters: From, To, Contact, Route, Refer-To … */
export interface NameAddress {
  /** As written, with its quotes; null when there is none. */
  readonly display: string | null
  readonly uri: string
  readonly params: Parameters
}

const notInDisplay = /[>",]/
const notInBareUri = /[,?]/
/** Elements of one header's lists; longer ones are malformed. */
const maxAddresses = 256

/**
 * Reads one address. Without angle brackets everything from the first semicolon belongs to the header, and the URI may hold neither comma
 * nor question mark: it would have to stand in brackets. A display name without quotes may be any text but a comma, which ends a value.
 *
 * @returns undefined where the text is not an address.
 * @see RFC 3261 §20, §20.10
 */
export function parseAddress(value: string): NameAddress | undefined {
  const text = trimmed(value)
  let quoted = 0
  if (text.startsWith('"')) {
    quoted = skipQuoted(text, 0)
    if (quoted < 0) return undefined
  }
  const open = text.indexOf('<', quoted)
  if (open >= 0) {
    const close = text.indexOf('>', open)
    if (close < 0) return undefined
    const display = trimmed(text, 0, open)
    const uri = trimmed(text, open + 1, close)
    const params = close + 1 === text.length ? noParameters : parseParameters(text, close + 1)
    if (!isUri(uri) || params === undefined) return undefined
    if (quoted === 0 ? notInDisplay.test(display) : display.length !== quoted) return undefined
    return { display: display === '' ? null : display, uri, params }
  }
  if (text.startsWith('"')) return undefined
  const semicolon = text.indexOf(';')
  const uri = trimmed(text, 0, semicolon < 0 ? text.length : semicolon)
  const params = semicolon < 0 ? noParameters : parseParameters(text, semicolon)
  if (!isUri(uri) || notInBareUri.test(uri) || params === undefined) return undefined
  return { display: null, uri, params }
}

/** `name-addr` form, always with brackets. */
export function formatAddress({ display, uri, params }: NameAddress): string {
  return `${display === null ? '' : `${display} `}<${uri}>${formatParameters(params)}`
}

/** Reads comma-separated lists of addresses (Route, Record-Route, Path …); undefined when one of them is malformed or there are too many. */
export function parseAddressList(values: readonly string[]): NameAddress[] | undefined {
  const addresses: NameAddress[] = []
  for (const value of values) {
    for (const element of splitList(value)) {
      const address = parseAddress(element)
      if (address === undefined || addresses.length === maxAddresses) return undefined
      addresses.push(address)
    }
  }
  return addresses
}

/** The `tag` parameter, empty when there is none (RFC 2543 peers). */
export function tagOf(address: NameAddress): string {
  return address.params.get('tag') ?? ''
}
