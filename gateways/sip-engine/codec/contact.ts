import { type NameAddress, parseAddress } from './address.ts'
import { splitList } from './text.ts'

/** One Contact. `formatAddress` writes it: `q` and `expires` are among its parameters. */
export interface Contact extends NameAddress {
  /** Preference in thousandths, 0–1000; null when there is none. */
  readonly q: number | null
  /** Seconds; null when there is none. What exceeds 2^32−1 is 2^32−1, what is no number 3600 (RFC 3261 §20.10, §10.3). */
  readonly expiresS: number | null
}

/** Contacts of one message, more are refused. */
const maxContacts = 256
const qvalue = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/
const decimal = /^\d+$/
const maxSeconds = 0xffff_ffff

/**
 * Reads all Contact fields of a message.
 *
 * @param lines their values, one for each header line.
 * @returns `*` for the one that unregisters everything; undefined where one is malformed, `*` is not alone, or there are too many.
 * @see RFC 3261 §20.10
 */
export function parseContacts(lines: readonly string[]): '*' | Contact[] | undefined {
  if (lines.length === 1 && lines[0] === '*') return '*'
  const contacts: Contact[] = []
  for (const line of lines) {
    for (const element of splitList(line)) {
      const address = parseAddress(element)
      if (address === undefined || contacts.length === maxContacts) return undefined
      const q = address.params.get('q')
      if (q !== undefined && (q === null || !qvalue.test(q))) return undefined
      const expires = address.params.get('expires')
      contacts.push({
        ...address,
        q: q === undefined ? null : Math.round(Number(q) * 1000),
        expiresS: expires === undefined ? null : deltaSeconds(expires)
      })
    }
  }
  return contacts
}

function deltaSeconds(text: string | null): number {
  if (text === null || !decimal.test(text)) return 3600
  return Math.min(Number(text), maxSeconds)
}
