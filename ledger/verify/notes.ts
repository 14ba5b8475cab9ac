/**
 * Reads keys, signed notes, checkpoints and cosignatures, and checks their signatures.
 *
 * @see C2SP signed-note, tlog-checkpoint, tlog-cosignature
 */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { InfraFabricError } from '#kernel'
import { hashLength } from '../log/merkle.ts'

/** Key types of signed notes that are read here. */
export const keyTypes = { ed25519: 1, cosignatureV1: 4 } as const

/** Longest note that is read, in characters. */
const longestNote = 131_072
const mostSignatures = 256

export interface VerifierKey {
  /** As it was given, and as others keep it. */
  readonly text: string
  readonly name: string
  /** Eight hex digits: the first octets of SHA-256(name ‖ LF ‖ type ‖ key). */
  readonly id: string
  readonly type: number
  readonly key: KeyObject
}

export interface NoteSignature {
  readonly name: string
  readonly id: string
  /** What follows the key's id. */
  readonly octets: Uint8Array
}

export interface CheckpointNote {
  readonly origin: string
  readonly size: number
  /** 32 octets. */
  readonly root: Uint8Array
  /** The signed text, its last line feed included. */
  readonly body: string
  readonly signatures: readonly NoteSignature[]
}

/** Octets of base64 written in the one canonical way; null for anything else. */
function fromBase64(text: string): Buffer | null {
  const octets = Buffer.from(text, 'base64')
  return octets.toString('base64') === text ? octets : null
}

/**
 * Reads `name+id+base64(type ‖ key)`.
 *
 * @throws {InfraFabricError} `ledger.vkey.malformed`
 */
export function readVerifierKey(text: string, type: number = keyTypes.ed25519): VerifierKey {
  const fail = (problem: string): never => {
    throw new InfraFabricError('ledger.vkey.malformed', `verifier key: ${problem}; expected name+hash+base64 key`)
  }
  const match = /^([^+\s]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,100})$/u.exec(text.trim()) ?? fail('not of the form')
  const [, name = '', id = '', key = ''] = match
  const octets = fromBase64(key) ?? fail('not base64')
  if (octets.length !== 1 + hashLength || octets[0] !== type) fail(`not an Ed25519 key of type ${type}`)
  if (hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), octets])).slice(0, 8) !== id) {
    fail('the hash does not belong to the key')
  }
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: octets.subarray(1).toString('base64url') }
  return { text: `${name}+${id}+${key}`, name, id, type, key: createPublicKey({ key: jwk, format: 'jwk' }) }
}

/** Reads a checkpoint. Signatures of keys we do not know are kept as they are. @throws {InfraFabricError} `ledger.checkpoint.malformed` */
export function readCheckpoint(note: string): CheckpointNote {
  const fail = (problem: string): never => {
    throw new InfraFabricError('ledger.checkpoint.malformed', `checkpoint: ${problem}`)
  }
  if (note.length > longestNote) fail(`longer than ${longestNote} characters`)
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n') || split + 2 >= note.length) fail('no signature lines behind an empty line')
  const body = note.slice(0, split + 1)
  if (/[\u0000-\u0009\u000b-\u001f]|\n\n/.test(body)) fail('a control character or an empty line')
  const [origin = '', size = '', rootText = ''] = body.split('\n')
  if (origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) fail('no origin or no size')
  const root = fromBase64(rootText)
  if (root?.length !== hashLength) return fail('the root is not 32 octets of base64')
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > mostSignatures) fail(`more than ${mostSignatures} signatures`)
  const signatures = lines.map((line): NoteSignature => {
    const match = /^— ([^+\s\u0085]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? fail('a signature line is ill-formed')
    const octets = fromBase64(match[2]!)
    if (octets === null || octets.length < 5) return fail('a signature line is ill-formed')
    return { name: match[1]!, id: octets.toString('hex', 0, 4), octets: octets.subarray(4) }
  })
  return { origin, size: Number(size), root, body, signatures }
}

const signaturesOf = ({ signatures }: CheckpointNote, key: VerifierKey): NoteSignature[] =>
  signatures.filter(({ name, id }) => name === key.name && id === key.id)

/** Whether the log's key signed this checkpoint of its own log, and none of the signatures that name the key is bad. */
export function isSignedBy(note: CheckpointNote, key: VerifierKey): boolean {
  const own = signaturesOf(note, key)
  return (
    note.origin === key.name &&
    own.length > 0 &&
    own.every(({ octets }) => octets.length === 64 && verify(null, Buffer.from(note.body), key.key, octets))
  )
}

/** Whether a checkpoint of the key's own log names the key, whatever its signature is worth. */
export const claimsSignatureOf = (note: CheckpointNote, key: VerifierKey): boolean =>
  note.origin === key.name && signaturesOf(note, key).length > 0

/**
 * Why none of the keys of a log is taken to have signed a checkpoint, in words.
 *
 * @param from where it comes from
 */
export function whyUnsigned(from: string, note: CheckpointNote, keys: readonly VerifierKey[]): string {
  const { name } = keys[0]!
  if (note.origin !== name) return `${from} is of another log, ${note.origin}; the key is of ${name}`
  const forged = keys.find((key) => claimsSignatureOf(note, key))
  if (forged !== undefined) return `${from} names key ${forged.id}, and the signature is forged or spoiled`
  const others = note.signatures.filter((signature) => signature.name === name).map(({ id }) => id)
  const known = keys.map(({ id }) => id).join(' or ')
  return `${from} is not signed by key ${known}${others.length === 0 ? '' : `, but by ${others.join(' and ')}, for which nothing vouches`}`
}

const timestampOctets = 8

/**
 * Time at which a witness cosigned, in seconds since 1970; null when it did not, or a cosignature that names its key is bad.
 *
 * @see C2SP tlog-cosignature: the signed message is `cosignature/v1`, `time <seconds>` and the body of the note
 */
export function cosignedAt(note: CheckpointNote, witness: VerifierKey): number | null {
  const own = signaturesOf(note, witness)
  let time: number | null = null
  for (const { octets } of own) {
    if (octets.length !== timestampOctets + 64) return null
    const seconds = Buffer.from(octets).readBigUInt64BE()
    const message = Buffer.from(`cosignature/v1\ntime ${seconds}\n${note.body}`)
    if (!verify(null, message, witness.key, octets.subarray(timestampOctets))) return null
    time = Math.max(time ?? 0, Number(seconds))
  }
  return time
}
