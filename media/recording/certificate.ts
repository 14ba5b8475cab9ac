/**
 * A certificate that a key signs for itself: Ed25519, X.509 version 3. It only carries the public key, for formats that want a certificate.
 *
 * @see RFC 5280 §4.1, RFC 8410 §3 (Ed25519), X.690 §8, §10 (DER)
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { InfraFabricError, makeFolder } from '#kernel'
import { signerFiles } from './files.ts'
import { sha256Of } from './read.ts'

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  time: 0x18
} as const

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.from(head), content])
}

const sequence = (...parts: readonly Uint8Array[]) => der(tags.sequence, ...parts)
const oid = (hex: string) => der(tags.oid, Buffer.from(hex, 'hex'))
const bits = (octets: Uint8Array, unused = 0) => der(tags.bitString, Uint8Array.of(unused), octets)
/** 1.3.101.112 */
const ed25519 = sequence(oid('2b6570'))
/** 2.5.4.3, 2.5.29.15, 2.5.29.19 */
const oids = { commonName: oid('550403'), keyUsage: oid('551d0f'), basicConstraints: oid('551d13') } as const

/** GeneralizedTime, in whole seconds. @see RFC 5280 §4.1.2.5.2 */
const time = (ms: number) => der(tags.time, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))

/** No date is known at which it ends. @see RFC 5280 §4.1.2.5 */
const noEnd = der(tags.time, Buffer.from('99991231235959Z'))

/** @param keyPem private key, Ed25519, PKCS #8 */
function selfSignedCertificate(keyPem: string, commonName: string, nowMs: number): string {
  const key = createPrivateKey(keyPem)
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const name = sequence(der(tags.set, sequence(oids.commonName, der(tags.utf8, Buffer.from(commonName.slice(0, 64), 'utf8')))))
  // positive, and not padded: the first bit is 0, the second 1
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const critical = der(tags.boolean, Uint8Array.of(0xff))
  const digitalSignature = der(tags.octetString, bits(Uint8Array.of(0x80), 7))
  const extensions = sequence(
    sequence(oids.basicConstraints, critical, der(tags.octetString, sequence())),
    sequence(oids.keyUsage, critical, digitalSignature)
  )
  const body = sequence(
    der(0xa0, der(tags.integer, Uint8Array.of(2))),
    der(tags.integer, serial),
    ed25519,
    name,
    sequence(time(nowMs), noEnd),
    name,
    publicKey,
    der(0xa3, extensions)
  )
  const certificate = sequence(body, ed25519, bits(sign(null, body, key)))
  const lines = certificate.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** A key with which exports are signed, and its certificate. */
export interface RecordingSigner {
  readonly keyPem: string
  readonly certificate: X509Certificate
  /** SHA-256 of the certificate, 64 hex digits: told in the ledger when a recording begins. */
  readonly fingerprint: string
}

/** The signer of a folder of recordings. @throws {InfraFabricError} `recording.signer.absent` */
export function readRecordingSigner(folder: string): RecordingSigner {
  const files = signerFiles(folder)
  if (!existsSync(files.key) || !existsSync(files.certificate))
    throw new InfraFabricError('recording.signer.absent', `no key to sign with in ${folder}`)
  const certificate = new X509Certificate(readFileSync(files.certificate))
  return { keyPem: readFileSync(files.key, 'utf8'), certificate, fingerprint: sha256Of(certificate.raw) }
}

/** The same; made where there is none. */
export function prepareRecordingSigner(folder: string, commonName: string, nowMs: number): RecordingSigner {
  const files = signerFiles(folder)
  makeFolder(folder)
  if (!existsSync(files.key)) {
    const { privateKey } = generateKeyPairSync('ed25519')
    const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    writeFileSync(files.key, keyPem, { mode: 0o600, flag: 'wx' })
  }
  if (!existsSync(files.certificate))
    writeFileSync(files.certificate, selfSignedCertificate(readFileSync(files.key, 'utf8'), commonName, nowMs))
  return readRecordingSigner(folder)
}
