import { type KeyObject, sign, verify } from 'node:crypto'
import { DecodeError } from '#kernel'
import { decodeBase64url } from '../signature/keys.ts'

/** How far the originating provider vouches: A for caller and number, B for the caller, C for having let the call in. */
const attestations = ['A', 'B', 'C'] as const
export type Attestation = (typeof attestations)[number]

/** What a PASSporT claims. Numbers are canonical. */
export interface PassportClaims {
  readonly orig: { readonly tn: string } | { readonly uri: string }
  readonly dest: { readonly tn: readonly string[]; readonly uri: readonly string[] }
  /** Unix seconds. */
  readonly issuedAt: number
  /** Null in a plain PASSporT. */
  readonly attestation: Attestation | null
  /** UUID of where the call came in; null in a plain PASSporT. */
  readonly originId: string | null
}

/** A PASSporT that was read; whether its signature is good is another question. */
export interface Passport extends PassportClaims {
  /** `x5u`: where the certificate is. */
  readonly certificateUrl: string
  /** `shaken`, or null for the plain one. */
  readonly type: 'shaken' | null
  readonly signedOctets: Buffer
  /** 64 octets, r and s. */
  readonly signature: Buffer
}

const refuse = (code: string, message: string, path: string): never => {
  throw new DecodeError(`guard.identity.${code}`, message, { path: `PASSporT.${path}`, bitOffset: 0 })
}

const mostNumbers = 32
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const numberForm = /^[0-9#*]{1,15}$/
const signatureOctets = 64

/**
 * Reads a PASSporT in full form. Only ES256 is known (RFC 8225 §8.3): `none`, a shared-secret algorithm and another curve are refused by their names,
 * before a key is looked at.
 *
 * @throws {DecodeError} `guard.identity.malformed`, `.algorithm`, `.unsupported-type`
 * @see RFC 8225 §4, §5, RFC 8588 §3 to §5
 */
export function parsePassport(token: string): Passport {
  const parts = token.split('.')
  if (parts.length !== 3) refuse('malformed', 'expected three parts', '')
  const [headerText, payloadText, signatureText] = parts as [string, string, string]
  const header = readJson(headerText, 'header')
  const { alg, typ, ppt, x5u, crit } = header
  if (alg !== 'ES256') refuse('algorithm', 'only ES256 is taken', 'header.alg')
  if (typ !== 'passport') refuse('malformed', 'expected passport', 'header.typ')
  if (crit !== undefined) refuse('malformed', 'an extension is demanded that is not understood', 'header.crit')
  if (typeof x5u !== 'string' || x5u.length > 512) return refuse('malformed', 'expected a URL', 'header.x5u')
  if (ppt !== undefined && ppt !== 'shaken') refuse('unsupported-type', 'only shaken and plain PASSporTs are known', 'header.ppt')
  const signature = decodeBase64url(signatureText)
  if (signature?.length !== signatureOctets)
    return refuse('malformed', `expected ${signatureOctets} octets in base64url`, 'signature')

  const { orig, dest, iat, attest, origid } = readJson(payloadText, 'payload')
  if (!Number.isSafeInteger(iat) || (iat as number) < 0) refuse('malformed', 'expected Unix seconds', 'payload.iat')
  const type = ppt === 'shaken' ? 'shaken' : null
  const attestation = attestations.find((each) => each === attest) ?? null
  const originId = typeof origid === 'string' && uuid.test(origid) ? origid.toLowerCase() : null
  if (type === 'shaken') {
    if (attestation === null) refuse('malformed', 'expected A, B or C', 'payload.attest')
    if (originId === null) refuse('malformed', 'expected a UUID', 'payload.origid')
  }
  const caller = readOrig(orig)
  if (type === 'shaken' && !('tn' in caller)) refuse('malformed', 'expected a telephone number', 'payload.orig')
  return {
    certificateUrl: x5u,
    type,
    orig: caller,
    dest: readDest(dest),
    issuedAt: iat as number,
    attestation: type === null ? null : attestation,
    originId: type === null ? null : originId,
    signedOctets: Buffer.from(`${headerText}.${payloadText}`, 'ascii'),
    signature
  }
}

function readJson(text: string, path: string): Readonly<Record<string, unknown>> {
  const octets = decodeBase64url(text)
  if (octets === null) return refuse('malformed', 'not canonical base64url', path)
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
    if (isObject(value)) return value
  } catch {
    // said below, without what the caller sent
  }
  return refuse('malformed', 'not a JSON object', path)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readOrig(value: unknown): PassportClaims['orig'] {
  if (!isObject(value)) return refuse('malformed', 'expected an object', 'payload.orig')
  const { tn, uri } = value
  if ((tn === undefined) === (uri === undefined)) refuse('malformed', 'expected one of tn and uri', 'payload.orig')
  if (tn !== undefined)
    return typeof tn === 'string' && numberForm.test(tn) ? { tn } : refuse('malformed', 'expected a number', 'payload.orig.tn')
  return typeof uri === 'string' && uri.length <= 512 ? { uri } : refuse('malformed', 'expected a URI', 'payload.orig.uri')
}

function readDest(value: unknown): PassportClaims['dest'] {
  if (!isObject(value)) return refuse('malformed', 'expected an object', 'payload.dest')
  const list = (name: 'tn' | 'uri', good: (text: string) => boolean): string[] => {
    const items = value[name] ?? []
    if (!Array.isArray(items) || items.length > mostNumbers || !items.every((item) => typeof item === 'string' && good(item)))
      return refuse('malformed', `expected at most ${mostNumbers} of them`, `payload.dest.${name}`)
    return items
  }
  const dest = { tn: list('tn', (text) => numberForm.test(text)), uri: list('uri', (text) => text.length <= 512) }
  if (dest.tn.length + dest.uri.length === 0) refuse('malformed', 'names nobody', 'payload.dest')
  return dest
}

/** Whether a key can be one of ES256: on P-256, and no other curve. */
export const isP256 = (key: KeyObject): boolean =>
  key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'

/** Whether the signature is of this key (ECDSA with P-256 and SHA-256, RFC 7518 §3.4). */
export function passportCovers({ signedOctets, signature }: Passport, key: KeyObject): boolean {
  return isP256(key) && verify('sha256', signedOctets, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/**
 * Makes a PASSporT in full form. Members are in the order of their names and without blanks (RFC 8225 §9).
 *
 * @param key private key on P-256.
 * @throws {TypeError} for another key
 */
export function signPassport(key: KeyObject, claims: PassportClaims, certificateUrl: string): string {
  if (!isP256(key) || key.type !== 'private') throw new TypeError('expected a private key on P-256')
  const shaken = claims.attestation !== null
  const header = { alg: 'ES256', ...(shaken ? { ppt: 'shaken' } : {}), typ: 'passport', x5u: certificateUrl }
  const { tn, uri } = claims.dest
  const payload = {
    ...(shaken ? { attest: claims.attestation } : {}),
    dest: { ...(tn.length > 0 ? { tn } : {}), ...(uri.length > 0 ? { uri } : {}) },
    iat: claims.issuedAt,
    orig: claims.orig,
    ...(shaken ? { origid: claims.originId } : {})
  }
  const signed = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign('sha256', Buffer.from(signed, 'ascii'), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}
