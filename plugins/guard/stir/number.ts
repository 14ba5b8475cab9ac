import { addressKey, parseAddressOfRecord } from '../sip-uri.ts'

/** How a PASSporT names somebody: by telephone number where the URI holds one, and by the URI. */
export interface StirName {
  /** Digits, `#` and `*` alone, 1 to 15 of them; null where the URI holds no number. */
  readonly number: string | null
  /** Address of record as it is compared; null for `tel:`. */
  readonly uri: string | null
}

const numberForm = /^[0-9#*]{1,15}$/

/**
 * A telephone number in canonical form: without visual separators and the leading plus.
 *
 * @returns null for what is no number
 * @see RFC 8224 §8.3
 */
export function canonicalNumber(text: string): string | null {
  const digits = text.replace(/^\+/, '').replace(/[-.()]/g, '')
  return numberForm.test(digits) ? digits : null
}

/** Whom a URI of From or To names. @see RFC 8224 §8.1, §8.5 */
export function stirName(uri: string): StirName {
  if (uri.length > 512) return { number: null, uri: null }
  const tel = /^tel:([^;?]+)/i.exec(uri)
  if (tel !== null) return { number: canonicalNumber(tel[1]!), uri: null }
  const user = parseAddressOfRecord(uri)?.user ?? null
  return { number: user === null ? null : canonicalNumber(user.split(';')[0]!), uri: addressKey(uri) }
}
