import { createHash, randomBytes, sign, verify } from 'node:crypto'
import { DecodeError, InfraFabricError } from '#kernel'
import { decodeBase64url, type PublicKey, type SigningKey } from './keys.ts'

/** What an X-IF-Signature protects, besides its own version, time and nonce. */
export interface SignedFields {
  /** X-IF-Trace-ID as sent; null when the request has none. */
  readonly traceId: string | null
  /** The hazard the call is about, from X-IF-Hazard or from the dialled address; null when neither names one. */
  readonly hazard: string | null
  /** URI of the From header exactly as sent: no display name, no header parameters. */
  readonly fromUri: string
  /** URI of the To header, likewise. */
  readonly toUri: string
  readonly callId: string
  readonly cseq: number
  readonly method: string
  readonly body: Uint8Array
}

/** The fields of an X-IF-Signature header. */
export interface SignatureHeader {
  readonly version: 1
  /** 16 lowercase hex digits, see `keyId`. */
  readonly keyId: string
  /** Unix seconds at which it was made. */
  readonly issuedAt: number
  /** base64url, 16 to 64 bytes, never used twice by one key. */
  readonly nonce: string
  /** 64 bytes. */
  readonly signature: Uint8Array
}

const longestHeader = 512
const fieldNames = ['v', 'kid', 'iat', 'nonce', 'sig'] as const
type FieldName = (typeof fieldNames)[number]

const refuse = (code: string, message: string, path: string, offset: number): never => {
  throw new DecodeError(code, message, { path: `X-IF-Signature.${path}`, bitOffset: offset * 8 })
}

/**
 * Reads `v=1;kid=<16 hex>;iat=<unix s>;nonce=<base64url>;sig=<base64url>`. The five fields come once each, in any order; blanks may follow a semicolon.
 *
 * @throws {DecodeError} `guard.signature.malformed` for a missing, repeated, unknown or ill-formed field and for a header over 512 characters;
 * `guard.signature.unsupported-version` for any version but 1
 */
export function parseSignature(header: string): SignatureHeader {
  if (header.length > longestHeader)
    refuse('guard.signature.malformed', `longer than ${longestHeader} characters`, '', longestHeader)
  const found = new Map<FieldName, { value: string; offset: number }>()
  let offset = 0
  for (const part of header.split(';')) {
    const text = offset === 0 ? part : part.replace(/^[ \t]+/, '')
    const equals = text.indexOf('=')
    const name = fieldNames.find((known) => known === text.slice(0, equals))
    if (equals < 1 || name === undefined) refuse('guard.signature.malformed', 'unknown field', '', offset)
    else if (found.has(name)) refuse('guard.signature.malformed', 'field given twice', name, offset)
    else found.set(name, { value: text.slice(equals + 1), offset })
    offset += part.length + 1
  }
  const field = (name: FieldName, form: RegExp, expected: string): string => {
    const at = found.get(name)
    if (at === undefined) return refuse('guard.signature.malformed', 'field is missing', name, header.length)
    if (!form.test(at.value)) refuse('guard.signature.malformed', `expected ${expected}`, name, at.offset)
    return at.value
  }
  if (field('v', /^\d{1,3}$/, 'a version number') !== '1') {
    refuse('guard.signature.unsupported-version', 'only version 1 is known', 'v', found.get('v')!.offset)
  }
  const nonce = field('nonce', /^[A-Za-z0-9_-]{22,86}$/, '16 to 64 bytes in base64url')
  if (decodeBase64url(nonce) === null)
    refuse('guard.signature.malformed', 'not canonical base64url', 'nonce', found.get('nonce')!.offset)
  const signature = decodeBase64url(field('sig', /^[A-Za-z0-9_-]{86}$/, '64 bytes in base64url'))
  return {
    version: 1,
    keyId: field('kid', /^[0-9a-f]{16}$/, '16 lowercase hex digits'),
    issuedAt: Number(field('iat', /^(?:0|[1-9]\d{0,11})$/, 'Unix seconds')),
    nonce,
    signature: signature ?? refuse('guard.signature.malformed', 'not canonical base64url', 'sig', found.get('sig')!.offset)
  }
}

/** Mirror image of {@link parseSignature}. */
export function formatSignature(header: SignatureHeader): string {
  const signature = Buffer.from(header.signature).toString('base64url')
  return `v=${header.version};kid=${header.keyId};iat=${header.issuedAt};nonce=${header.nonce};sig=${signature}`
}

/**
 * The octets that are signed: ten lines of UTF-8, each ended by LF, in this order and with exactly one blank where one is shown.
 *
 *     X-IF-Signature 1
 *     trace <trace id>
 *     hazard <hazard>
 *     from <From URI>
 *     to <To URI>
 *     call-id <Call-ID>
 *     cseq <number> <METHOD>
 *     body-sha256 <64 lowercase hex digits>
 *     iat <unix seconds>
 *     nonce <nonce>
 *
 * An absent trace id or hazard is the empty text: its line ends in the blank. The first line keeps these signatures apart from any other use of the key.
 *
 * @throws {InfraFabricError} `guard.signature.unsignable` when a value holds a control character or an unpaired surrogate, since two requests could
 * then share one text
 */
export function canonicalText(fields: SignedFields, issuedAt: number, nonce: string): Buffer {
  const bodyHash = createHash('sha256').update(fields.body).digest('hex')
  const lines = [
    'X-IF-Signature 1',
    `trace ${fields.traceId ?? ''}`,
    `hazard ${fields.hazard ?? ''}`,
    `from ${fields.fromUri}`,
    `to ${fields.toUri}`,
    `call-id ${fields.callId}`,
    `cseq ${fields.cseq} ${fields.method}`,
    `body-sha256 ${bodyHash}`,
    `iat ${issuedAt}`,
    `nonce ${nonce}`
  ]
  if (lines.some((line) => /[\u0000-\u001f\u007f]/.test(line) || !line.isWellFormed())) {
    throw new InfraFabricError('guard.signature.unsignable', 'a signed value holds a control character or is not Unicode')
  }
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8')
}

/**
 * Makes the value of X-IF-Signature for a request about to be sent.
 *
 * @param issuedAtMs wall clock, milliseconds since 1970.
 * @param nonce base64url of at least 16 random bytes; a fresh one when left out.
 * @throws {InfraFabricError} `guard.signature.unsignable`
 */
export function signRequest(
  key: SigningKey,
  fields: SignedFields,
  issuedAtMs: number,
  nonce = randomBytes(18).toString('base64url')
): string {
  const issuedAt = Math.floor(issuedAtMs / 1000)
  const signature = sign(null, canonicalText(fields, issuedAt, nonce), key.key)
  return formatSignature({ version: 1, keyId: key.id, issuedAt, nonce, signature })
}

/** Whether the signature covers exactly these fields (Ed25519, RFC 8032). Time and replay are not looked at. */
export function signatureCovers(key: PublicKey, header: SignatureHeader, fields: SignedFields): boolean {
  return verify(null, canonicalText(fields, header.issuedAt, header.nonce), key.key, header.signature)
}
