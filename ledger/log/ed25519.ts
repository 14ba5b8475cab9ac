/**
 * Ed25519 keys as octets: by compiled code where it was built, else by node:crypto, which is loaded when it is first needed.
 *
 * @see RFC 8032 §5.1, RFC 8410 §7
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { InfraFabricError } from '#kernel'
import { type Compiled, compiled } from './compiled.ts'

export interface PublicKey {
  /** 32 octets. */
  readonly octets: Buffer
  readonly verifies: (octets: Uint8Array, signature: Uint8Array) => boolean
}

export interface PrivateKey {
  readonly publicKey: PublicKey
  /** A signature of 64 octets. */
  readonly sign: (octets: Uint8Array) => Buffer
}

const keyLength = 32
/** DER of a private key, but for the seed at its end. */
const pkcs8Begin = Buffer.from('302e020100300506032b657004220420', 'hex')
const pemBegin = '-----BEGIN PRIVATE KEY-----\n'
const pemEnd = '\n-----END PRIVATE KEY-----\n'

/** A new signing key, as PKCS #8 PEM. */
export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** The seed in a PEM of the form that {@link generateSigningKey} makes; null for any other. */
function seedOf(pem: string): Buffer | null {
  const der = Buffer.from(pem.slice(pemBegin.length, -pemEnd.length), 'base64')
  const isPem = der.length === pkcs8Begin.length + keyLength && pem === `${pemBegin}${der.toString('base64')}${pemEnd}`
  return isPem && pkcs8Begin.equals(der.subarray(0, pkcs8Begin.length)) ? der.subarray(pkcs8Begin.length) : null
}

function nodeKey(pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    throw new InfraFabricError('ledger.key.malformed', 'the signing key is not a PEM private key', { cause: error })
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new InfraFabricError('ledger.key.malformed', `expected an Ed25519 key, got ${key.asymmetricKeyType}`)
}

/**
 * @param quick null: node:crypto
 * @throws {InfraFabricError} `ledger.key.malformed`
 */
export function readPrivateKey(pem: string, quick: Compiled | null = compiled()): PrivateKey {
  const seed = quick === null ? null : seedOf(pem)
  if (quick !== null && seed !== null)
    return { publicKey: publicKeyOf(quick.publicKey(seed), quick), sign: (octets) => quick.sign(seed, octets) }
  const key = nodeKey(pem)
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url')
  return { publicKey: publicKeyOf(raw, quick), sign: (octets) => sign(null, octets, key) }
}

/**
 * @param octets 32, whether or not they are a point of the curve: no signature is good under those that are not
 * @param quick null: node:crypto
 * @throws {RangeError} for another length
 */
export function publicKeyOf(octets: Buffer, quick: Compiled | null = compiled()): PublicKey {
  // compiled code would read on behind what is shorter
  if (octets.length !== keyLength) throw new RangeError(`an Ed25519 public key has ${keyLength} octets, got ${octets.length}`)
  if (quick !== null) return { octets, verifies: (signed, signature) => quick.verify(octets, signed, signature) }
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: octets.toString('base64url') }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return { octets, verifies: (signed, signature) => verify(null, signed, key, signature) }
}
