/** Receipts of participants: signed by a key that their page made for the session, whose private half never leaves it; the handshake names the public half. */
import { createPublicKey, verify } from 'node:crypto'
import { type Receipt, receiptText } from './link/messages.ts'

/**
 * Whether a receipt bears the signature of this key.
 *
 * @param key ECDSA P-256, SubjectPublicKeyInfo in base64
 * @see FIPS 186-5 §6; signatures as WebCrypto makes them, r and s side by side (IEEE P1363)
 */
export function isSignedReceipt(call: string, participant: string, receipt: Receipt, key: string): boolean {
  const { signature, ...facts } = receipt
  if (signature === null) return false
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' })
    if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false
    const text = Buffer.from(receiptText(call, participant, facts))
    return verify('sha256', text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}
