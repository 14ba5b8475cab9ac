/**
 * The crypto attribute of SDP: a suite and its master key, each side's own.
 *
 *     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<base64 of key and salt>|2^31 UNENCRYPTED_SRTCP
 *             tag  suite                 key                             lifetime  session parameters
 *
 * @see RFC 4568 §9
 */
import { DecodeError } from '#kernel'
import { type CryptoSuite, cryptoSuiteNamed } from './suites.ts'

/** What we write. */
export interface OfferedKey {
  /** 1 to 9 digits; an answer repeats that of the offer it takes. */
  readonly tag: number
  readonly suite: CryptoSuite
  /** Master key, then master salt. Never logged. */
  readonly key: Uint8Array
}

/** What is read. */
export interface CryptoAttribute extends OfferedKey {
  /** Key identifier (MKI) in each packet that its writer sends; empty for none. @see RFC 4568 §6.1 */
  readonly mki: Uint8Array
}

export const noMki = new Uint8Array(0)

const form = /^(?<tag>[1-9]\d{0,8}) (?<suite>[A-Za-z0-9_]{1,64}) (?<keys>\S{1,512})(?<session>(?: \S{1,64}){0,16})$/
const inline =
  /^inline:(?<key>[A-Za-z0-9+/]+={0,2})(?:\|(?<lifetime>2\^\d{1,2}|\d{1,15}))?(?:\|(?<mki>\d{1,10}):(?<mkiLength>\d{1,3}))?$/

/** Session parameters that change nothing of what we send or must understand. @see RFC 4568 §6.3.7 */
const harmless = /^(WSH=\d{2,9}|-.*)$/

/**
 * Reads what stands behind `a=crypto:`.
 *
 * @returns null when it is well-formed but asks for what is not spoken here: another suite, several keys, a session
 *   parameter such as UNENCRYPTED_SRTP. Such an offer is passed over, not refused (§5.1.2).
 * @throws {DecodeError} `sdp.crypto.malformed`; the message does not hold the key
 */
export function decodeCryptoAttribute(text: string): CryptoAttribute | null {
  const fields = form.exec(text)?.groups
  if (fields === undefined) throw malformed('expected a tag, a suite and a key')
  const suite = cryptoSuiteNamed(fields.suite!)
  if (suite === undefined) return null
  if (fields.keys!.includes(';')) return null
  const parameters = inline.exec(fields.keys!)?.groups
  if (parameters === undefined) throw malformed('expected inline:<base64>, lifetime and MKI')
  const key = Buffer.from(parameters.key!, 'base64')
  const length = suite.keyLength + suite.saltLength
  const written = key.toString('base64')
  // some peers leave the padding out
  if (key.length !== length || ![written, written.replaceAll('=', '')].includes(parameters.key!))
    throw malformed(`expected ${length} octets of key and salt in base64 for ${suite.name}, got ${key.length}`)
  const mki = readMki(parameters.mki, parameters.mkiLength)
  if (mki === null) throw malformed('expected a key identifier that fits its length of 1 to 128 octets')
  const session = fields.session!.split(' ').filter((word) => word !== '')
  if (!session.every((word) => harmless.test(word))) return null
  return { tag: Number(fields.tag), suite, key, mki }
}

/** @returns null for what is no identifier */
function readMki(value: string | undefined, length: string | undefined): Uint8Array | null {
  if (value === undefined) return noMki
  const octets = Number(length)
  const hex = BigInt(value).toString(16)
  if (octets < 1 || octets > 128 || hex.length > 2 * octets) return null
  return Buffer.from(hex.padStart(2 * octets, '0'), 'hex')
}

const malformed = (expected: string) => new DecodeError('sdp.crypto.malformed', expected, { path: 'a=crypto', bitOffset: 0 })

export function encodeCryptoAttribute({ tag, suite, key }: OfferedKey): string {
  return `${tag} ${suite.name} inline:${Buffer.from(key.buffer, key.byteOffset, key.length).toString('base64')}`
}
