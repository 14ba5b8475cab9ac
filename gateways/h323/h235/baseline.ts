/** H.235.1 baseline security: HMAC-SHA1-96 over a whole message with its hash field zeroed, by a shared secret. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { InfraFabricError } from '#kernel'
import type { Pdu } from '../asn1/asn1.ts'
import type { CryptoH323Token } from '../h225/security.ts'

/** Object identifiers of H.235.1 §6 (its "A", "T" and "U"), in the form of version 2 and later. */
export const baselineOids = {
  /** Authentication and integrity of the whole message. */
  message: '0.0.8.235.0.2.1',
  clearToken: '0.0.8.235.0.2.5',
  hmacSha1_96: '0.0.8.235.0.2.6'
} as const

const hashOctets = 12
const hashBits = hashOctets * 8

/** The key of a password: SHA-1 of its characters. @see H.235.1 §7 */
export const keyOfPassword = (password: string): Buffer => createHash('sha1').update(password, 'latin1').digest()

export interface BaselineClaims {
  readonly sendersID: string
  /** Identifier of the recipient: of the gatekeeper, or of the endpoint. */
  readonly generalID: string
  /** Unix seconds. */
  readonly timeStamp: number
  /** Never the same again with the same time. */
  readonly random: number
}

/** The token of a message that is to be sealed: its hash is still zero. */
export const baselineToken = ({ sendersID, generalID, timeStamp, random }: BaselineClaims): CryptoH323Token => ({
  type: 'nestedcryptoToken',
  value: {
    type: 'cryptoHashedToken',
    value: {
      tokenOID: baselineOids.message,
      hashedVals: { tokenOID: baselineOids.clearToken, timeStamp, random, generalID, sendersID },
      token: { algorithmOID: baselineOids.hmacSha1_96, paramS: {}, hash: { length: hashBits, bytes: Buffer.alloc(hashOctets) } }
    }
  }
})

type Tokens = readonly CryptoH323Token[] | undefined

interface Found {
  readonly claims: Partial<BaselineClaims>
  readonly hash: Uint8Array
}

/** The baseline token among the tokens of a message; undefined where there is none. */
export function baselineTokenOf(tokens: Tokens): Found | undefined {
  for (const token of tokens ?? []) {
    if (token.type !== 'nestedcryptoToken' || token.value.type !== 'cryptoHashedToken') continue
    const { tokenOID, hashedVals, token: hashed } = token.value.value
    if (tokenOID !== baselineOids.message || hashed.algorithmOID !== baselineOids.hmacSha1_96) continue
    if (hashed.hash.length !== hashBits) continue
    const { sendersID, generalID, timeStamp, random } = hashedVals
    const claims = { sendersID, generalID, timeStamp, random: random === undefined ? undefined : Number(random) }
    return { claims, hash: hashed.hash.bytes }
  }
  return undefined
}

/** Where in the message a hash lies that was decoded from it; undefined where it is no view of the message. */
function placeOf(hash: Uint8Array, message: Uint8Array): number | undefined {
  const at = hash.byteOffset - message.byteOffset
  return hash.buffer === message.buffer && at >= 0 && at + hash.length <= message.length ? at : undefined
}

function hashOf(message: Uint8Array, at: number, key: Uint8Array): Buffer {
  const before = message.subarray(0, at)
  const behind = message.subarray(at + hashOctets)
  const hmac = createHmac('sha1', key).update(before).update(Buffer.alloc(hashOctets)).update(behind)
  return hmac.digest().subarray(0, hashOctets)
}

/**
 * Encodes a message that holds a {@link baselineToken} and puts the hash in its place.
 *
 * @param tokensOf where the message has its cryptoTokens
 * @throws {InfraFabricError} `h323.h235.no-token`
 * @throws {EncodeError} `h323.per.encode`
 */
export function seal<T>(pdu: Pdu<T>, value: T, key: Uint8Array, tokensOf: (value: T) => Tokens): Buffer {
  const octets = pdu.encode(value)
  const found = baselineTokenOf(tokensOf(pdu.decode(octets)))
  const at = found === undefined ? undefined : placeOf(found.hash, octets)
  if (at === undefined) throw new InfraFabricError('h323.h235.no-token', 'the message holds no baseline token')
  hashOf(octets, at, key).copy(octets, at)
  return octets
}

/**
 * Whether the hash of a message is right. In constant time for any two hashes.
 *
 * @param octets the message as it came, of which `tokens` were decoded
 */
export function isSealed(octets: Uint8Array, tokens: Tokens, key: Uint8Array): boolean {
  const found = baselineTokenOf(tokens)
  const at = found === undefined ? undefined : placeOf(found.hash, octets)
  return at !== undefined && timingSafeEqual(hashOf(octets, at, key), found!.hash)
}

/** A token that was taken, for as long as its time lies in the window. */
export interface SeenToken {
  readonly timeStamp: number
  readonly random: number
}

/**
 * Judges time and random of one sender's token. A retransmission repeats both: look for the request it repeats first.
 *
 * @param seen tokens of this sender from before; give back what is returned
 * @param nowS Unix seconds
 * @param windowS how far a clock may be off, either way
 */
export function judgeFreshness(
  seen: readonly SeenToken[],
  token: Partial<SeenToken>,
  nowS: number,
  windowS = 60
): { readonly verdict: 'fresh' | 'incomplete' | 'stale' | 'replayed'; readonly seen: readonly SeenToken[] } {
  const live = seen.filter(({ timeStamp }) => Math.abs(nowS - timeStamp) <= windowS)
  const { timeStamp, random } = token
  if (timeStamp === undefined || random === undefined) return { verdict: 'incomplete', seen: live }
  if (Math.abs(nowS - timeStamp) > windowS) return { verdict: 'stale', seen: live }
  if (live.some((other) => other.timeStamp === timeStamp && other.random === random)) return { verdict: 'replayed', seen: live }
  return { verdict: 'fresh', seen: [...live, { timeStamp, random }] }
}
