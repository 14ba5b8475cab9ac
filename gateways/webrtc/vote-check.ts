import { createPublicKey, verify } from 'node:crypto'
import { type SignedVote, voteText } from './vote-text.ts'

const pointOctets = 65

function keyOf(publicKey: string) {
  const point = Buffer.from(publicKey, 'base64url')
  if (point.length !== pointOctets || point[0] !== 4) return null
  const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')]
  try {
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' })
  } catch {
    // no point of the curve
    return null
  }
}

/** Whether a text is a key that votes can be checked with: an uncompressed point of P-256 in base64url. */
export const isVoteKey = (publicKey: string): boolean => keyOf(publicKey) !== null

/** Whether the holder of a key has given this vote. @see FIPS 186-5 §6, signature as r and s (IEEE P1363) */
export function checkVote(vote: SignedVote, publicKey: string, signature: string): boolean {
  const key = keyOf(publicKey)
  const octets = Buffer.from(signature, 'base64url')
  return (
    key !== null &&
    octets.length === 64 &&
    verify('sha256', Buffer.from(voteText(vote)), { key, dsaEncoding: 'ieee-p1363' }, octets)
  )
}
