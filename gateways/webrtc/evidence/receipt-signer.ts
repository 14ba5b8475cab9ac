/** Signs the receipts of one participant: ECDSA over P-256 with SHA-256, in pages and agents alike. The key is made here and cannot be taken out. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export interface ReceiptSigner {
  /** SubjectPublicKeyInfo in base64, as the handshake names it. */
  readonly key: string
  /** @returns r and s, 64 octets in base64 */
  readonly sign: (text: string) => Promise<string>
}

const base64 = (octets: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(octets)))

export async function createReceiptSigner(): Promise<ReceiptSigner> {
  const { subtle } = crypto
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, false, ['sign', 'verify'])
  return {
    key: base64(await subtle.exportKey('spki', publicKey)),
    sign: async (text) => base64(await subtle.sign(algorithm, privateKey, new TextEncoder().encode(text)))
  }
}
