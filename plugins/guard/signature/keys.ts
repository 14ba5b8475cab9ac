import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { InfraFabricError } from '#kernel'

const base64url = /^[A-Za-z0-9_-]*$/

/** Points of small order: a verifier that takes one for a key takes signatures that anybody made. Hexadecimal, RFC 8032 §5.1.2 encoding. */
export const smallOrderKeys: ReadonlySet<string> = new Set([
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'
])

/** Bytes of unpadded base64url in its one canonical spelling (RFC 4648 §5); null for any other text. */
export function decodeBase64url(text: string): Buffer | null {
  if (!base64url.test(text)) return null
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

/** Name of a key: the first 16 hex digits of SHA-256 over the raw 32-byte public key. */
export function keyId(rawPublicKey: Uint8Array): string {
  return createHash('sha256').update(rawPublicKey).digest('hex').slice(0, 16)
}

/** An Ed25519 public key ready to verify with. */
export interface PublicKey {
  /** See {@link keyId}. */
  readonly id: string
  readonly key: KeyObject
}

/**
 * Reads a public key as the registry writes it: base64url of the raw 32 bytes (RFC 8032 §5.1.5).
 *
 * @throws {InfraFabricError} `guard.key.malformed`, `guard.key.weak`
 */
export function readPublicKey(text: string): PublicKey {
  const raw = decodeBase64url(text)
  if (raw === null || raw.length !== 32) {
    throw new InfraFabricError('guard.key.malformed', 'expected 43 characters of base64url, a raw 32-byte Ed25519 public key')
  }
  if (smallOrderKeys.has(raw.toString('hex'))) {
    throw new InfraFabricError('guard.key.weak', 'the key is a point of small order: anybody could sign for it')
  }
  return { id: keyId(raw), key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text }, format: 'jwk' }) }
}

/** A key pair as text: what `ifctl guard keygen` prints. */
export interface KeyPairText {
  readonly keyId: string
  /** base64url of the raw 32 bytes, for the registry. */
  readonly publicKey: string
  /** PKCS #8 PEM, for the signer alone. */
  readonly privateKey: string
}

export function generateKeyPair(): KeyPairText {
  const { privateKey } = generateKeyPairSync('ed25519')
  return describePrivateKey(privateKey)
}

function describePrivateKey(privateKey: KeyObject): KeyPairText {
  const publicKey = publicKeyText(privateKey)
  return {
    keyId: keyId(Buffer.from(publicKey, 'base64url')),
    publicKey,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

function publicKeyText(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ format: 'jwk' }).x!
}

/** An Ed25519 private key with the id under which its public half is known. */
export interface SigningKey {
  readonly id: string
  readonly key: KeyObject
  /** base64url of the raw public key. */
  readonly publicKey: string
}

/**
 * Reads an Ed25519 private key in PKCS #8 PEM.
 *
 * @throws {InfraFabricError} `guard.key.malformed`
 */
export function readSigningKey(pem: string): SigningKey {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (cause) {
    throw new InfraFabricError('guard.key.malformed', 'not a private key in PEM', { cause })
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new InfraFabricError('guard.key.malformed', `expected an Ed25519 key, this one is ${key.asymmetricKeyType}`)
  }
  const publicKey = publicKeyText(key)
  return { id: keyId(Buffer.from(publicKey, 'base64url')), key, publicKey }
}
