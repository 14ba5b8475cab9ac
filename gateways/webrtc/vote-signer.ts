/** Signs the votes of one seat: ECDSA over P-256 with SHA-256, which every browser's WebCrypto has. The key is made here and cannot be taken out. */
import { type SignedVote, voteText } from './vote-text.ts'

export interface VoteSigner {
  /** Uncompressed point, 65 octets in base64url. */
  readonly publicKey: string
  /** @returns r and s, 64 octets in base64url */
  readonly sign: (vote: SignedVote) => Promise<string>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

function base64url(octets: ArrayBuffer): string {
  let text = ''
  for (const octet of new Uint8Array(octets)) text += String.fromCharCode(octet)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export async function createVoteSigner(): Promise<VoteSigner> {
  const { subtle } = crypto
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, false, ['sign', 'verify'])
  return {
    publicKey: base64url(await subtle.exportKey('raw', publicKey)),
    sign: async (vote) => base64url(await subtle.sign(algorithm, privateKey, new TextEncoder().encode(voteText(vote))))
  }
}
