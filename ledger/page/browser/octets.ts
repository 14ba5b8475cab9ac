/** Octets as text and back, without Node. */

const encoder = new TextEncoder()

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** @throws {TypeError} for octets that are not UTF-8 */
export const fromUtf8 = (octets: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets)

const digits = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

export function hex(octets: Uint8Array): string {
  let text = ''
  for (const octet of octets) text += digits[octet]
  return text
}

export function base64(octets: Uint8Array): string {
  let text = ''
  for (const octet of octets) text += String.fromCharCode(octet)
  return btoa(text)
}

/** Octets of base64 in the one form they have; null for any other text. */
export function fromBase64(text: string): Uint8Array | null {
  let latin: string
  try {
    latin = atob(text)
  } catch {
    return null
  }
  if (btoa(latin) !== text) return null
  return Uint8Array.from(latin, (character) => character.charCodeAt(0))
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
