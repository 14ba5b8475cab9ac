/**
 * Signed notes and the checkpoints they carry.
 *
 *     infrafabric.example/witness          origin
 *     1042                                 size
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…    root hash, base64
 *                                          (empty line)
 *     — infrafabric.example/witness az3x…  key name, base64 of key hash (4 octets) ‖ Ed25519 signature (64 octets)
 *
 * @see C2SP signed-note, C2SP tlog-checkpoint
 */
import { InfraFabricError } from '#kernel'
import { quickest } from './compiled.ts'
import { type PrivateKey, type PublicKey, publicKeyOf, readPrivateKey } from './ed25519.ts'
import { hashLength } from './merkle.ts'

export { generateSigningKey } from './ed25519.ts'

/** What a key signs: 1 notes of a log, 4 timestamped cosignatures of a witness. One key pair has another key hash for each. @see C2SP signed-note */
export type SignatureType = 1 | 4

/** Longest note that is read, in characters: 16 signatures of post-quantum keys, which have up to 5000 octets, have room. @see C2SP signed-note */
export const longestNote = 131_072
const mostSignatures = 256

export interface NoteVerifier {
  readonly name: string
  readonly type: SignatureType
  /** First four octets of SHA-256(name ‖ LF ‖ type ‖ public key). */
  readonly keyHash: Buffer
  readonly publicKey: PublicKey
}

export interface NoteSigner extends NoteVerifier {
  readonly privateKey: PrivateKey
}

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  /** 32 octets. */
  readonly root: Buffer
}

function keyHashOf(name: string, type: SignatureType, publicKey: Buffer): Buffer {
  return quickest()
    .sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]))
    .subarray(0, 4)
}

function checkName(name: string): string {
  if (!/^[^\s\u0085+\u0000-\u001f]{1,200}$/u.test(name)) {
    throw new InfraFabricError(
      'ledger.key.name',
      `a key name has 1 to 200 characters, no blanks and no plus sign; got ${JSON.stringify(name)}`
    )
  }
  return name
}

/** @throws {InfraFabricError} `ledger.key.malformed`, `ledger.key.name` */
export function readSigner(name: string, pem: string, type: SignatureType = 1): NoteSigner {
  const privateKey = readPrivateKey(pem)
  const { publicKey } = privateKey
  return { name: checkName(name), type, keyHash: keyHashOf(name, type, publicKey.octets), publicKey, privateKey }
}

/** The public key as others keep it: `name+<key hash, 8 hex digits>+<base64 of type ‖ key>`. */
export function formatVerifierKey({ name, type, keyHash, publicKey }: NoteVerifier): string {
  return `${name}+${keyHash.toString('hex')}+${Buffer.concat([Buffer.of(type), publicKey.octets]).toString('base64')}`
}

/** @throws {InfraFabricError} `ledger.vkey.malformed`, also for a key of another type */
export function parseVerifierKey(vkey: string, type: SignatureType = 1): NoteVerifier {
  const malformed = (problem: string) =>
    new InfraFabricError('ledger.vkey.malformed', `verifier key: ${problem}; expected name+hash+base64 key`)
  const match = /^([^+\s]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,100})$/.exec(vkey.trim())
  if (match === null) throw malformed('not of the form')
  const [, name, hashText, keyText] = match
  const key = Buffer.from(keyText!, 'base64')
  if (key.length !== 1 + hashLength || key[0] !== type) {
    throw malformed(type === 1 ? 'not an Ed25519 key' : 'not an Ed25519 key for cosignatures')
  }
  const raw = key.subarray(1)
  const keyHash = keyHashOf(name!, type, raw)
  if (keyHash.toString('hex') !== hashText) throw malformed('the hash does not belong to the key')
  return { name: name!, type, keyHash, publicKey: publicKeyOf(raw) }
}

/** Body of a checkpoint: origin, size, root, each with its line feed. */
function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** One signature line of a note. */
export function signatureLine({ name, keyHash }: Pick<NoteVerifier, 'name' | 'keyHash'>, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([keyHash, signature]).toString('base64')}\n`
}

/** A checkpoint as a signed note. While one key takes over from another, both sign: the old one first. */
export function signCheckpoint(checkpoint: Checkpoint, ...signers: readonly NoteSigner[]): string {
  const body = formatCheckpoint(checkpoint)
  const octets = Buffer.from(body, 'utf8')
  return `${body}\n${signers.map((signer) => signatureLine(signer, signer.privateKey.sign(octets))).join('')}`
}

export interface NoteSignature {
  readonly name: string
  /** Four octets. */
  readonly keyHash: Buffer
  readonly signature: Buffer
}

/** A checkpoint note taken apart; no signature has been checked. */
export interface CheckpointNote {
  /** What is signed: up to the line feed before the empty line. */
  readonly body: string
  readonly checkpoint: Checkpoint
  readonly signatures: readonly NoteSignature[]
}

const keyHashLength = 4

/** Whether a text may be that of a checkpoint: no control character but line feeds, no empty line. @see C2SP signed-note, tlog-checkpoint */
const isNoteText = (text: string): boolean => !/[\u0000-\u0009\u000b-\u001f]|\n\n/.test(text)

/** @throws {InfraFabricError} `ledger.checkpoint.malformed` */
export function parseCheckpoint(note: string): CheckpointNote {
  const malformed = (problem: string) => new InfraFabricError('ledger.checkpoint.malformed', `checkpoint: ${problem}`)
  if (note.length > longestNote) throw malformed(`longer than ${longestNote} characters`)
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) throw malformed('no signature lines behind an empty line')
  const body = note.slice(0, split + 1)
  if (!isNoteText(body)) throw malformed('a control character or an empty line')
  const [origin, sizeText, rootText] = body.split('\n')
  if (!origin || !/^(?:0|[1-9]\d{0,15})$/.test(sizeText ?? '') || !Number.isSafeInteger(Number(sizeText))) {
    throw malformed('no origin or no size')
  }
  const root = Buffer.from(rootText ?? '', 'base64')
  if (root.length !== hashLength || root.toString('base64') !== rootText) throw malformed('the root is not 32 octets of base64')
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > mostSignatures) throw malformed(`more than ${mostSignatures} signatures`)
  const signatures = lines.map((line): NoteSignature => {
    const match = /^— ([^+\s\u0085]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line)
    if (match === null) throw malformed('a signature line is ill-formed')
    const octets = Buffer.from(match[2]!, 'base64')
    if (octets.toString('base64') !== match[2]) throw malformed('a signature is not in the one base64 form it has')
    if (octets.length <= keyHashLength) throw malformed('a signature without octets')
    return { name: match[1]!, keyHash: octets.subarray(0, keyHashLength), signature: octets.subarray(keyHashLength) }
  })
  return { body, checkpoint: { origin, size: Number(sizeText), root }, signatures }
}

/** Whether a signature says that it is of this key; it may still be a bad one. */
export const isOf = (signature: NoteSignature, { name, keyHash }: NoteVerifier): boolean =>
  signature.name === name && signature.keyHash.equals(keyHash)

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint
  /**
   * Whether it is of the log of the verifier's name and signed by the verifier's key, with no bad signature of that key beside: a key that two logs share
   * does not let one stand for the other. Signatures of keys we do not know are passed over, as the format demands.
   */
  readonly signed: boolean
}

/** Whether a checkpoint is of the log of the key's name, signed by the key, and none of the signatures that name the key is bad. @see C2SP signed-note */
export function isSignedBy({ body, checkpoint, signatures }: CheckpointNote, verifier: NoteVerifier): boolean {
  if (checkpoint.origin !== verifier.name) return false
  const octets = Buffer.from(body, 'utf8')
  const own = signatures.filter((line) => isOf(line, verifier))
  return own.length > 0 && own.every((line) => verifier.publicKey.verifies(octets, line.signature))
}

/**
 * Reads a checkpoint note and checks the verifier's signature.
 *
 * @throws {InfraFabricError} `ledger.checkpoint.malformed`
 */
export function openCheckpoint(note: string, verifier: NoteVerifier): OpenedCheckpoint {
  const parsed = parseCheckpoint(note)
  return { checkpoint: parsed.checkpoint, signed: isSignedBy(parsed, verifier) }
}
