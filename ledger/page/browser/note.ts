/**
 * Keys, signed notes, checkpoints and cosignatures, read and checked without Node.
 *
 * @see C2SP signed-note, tlog-checkpoint, tlog-cosignature
 */
import { verifyAsync } from '@noble/ed25519'
import { concat, equal, fromBase64, hex, utf8 } from './octets.ts'
import { hashLength, sha256 } from './sha256.ts'

/** What a key signs: 1 notes of a log, 4 cosignatures of a witness. */
export type KeyType = 1 | 4

export interface VerifierKey {
  /** `name+hash+base64`, as others keep it. */
  readonly text: string
  readonly name: string
  /** Eight hex digits. */
  readonly id: string
  readonly publicKey: Uint8Array
}

export interface NoteSignature {
  readonly name: string
  readonly id: string
  /** What follows the four octets of the key's hash. */
  readonly octets: Uint8Array
}

export interface Checkpoint {
  /** The whole note, as it was read. */
  readonly note: string
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** What is signed. */
  readonly body: string
  readonly signatures: readonly NoteSignature[]
}

/** What was given is not what it should be; the message is for people. */
export class Malformed extends Error {}

const longestNote = 131_072
const mostSignatures = 256

/** @throws {Malformed} */
export function parseKey(text: string, type: KeyType = 1): VerifierKey {
  const match = /^([^+\s]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{1,98}={0,2})$/u.exec(text.trim())
  if (match === null) throw new Malformed('A key looks like name+hash+base64, in one line.')
  const [, name = '', id = '', encoded = ''] = match
  const octets = fromBase64(encoded)
  if (octets?.length !== 1 + hashLength || octets[0] !== type)
    throw new Malformed(type === 1 ? 'This is no Ed25519 key of a log.' : 'This is no Ed25519 key of a witness.')
  if (hex(sha256(concat(utf8(`${name}\n`), octets)).subarray(0, 4)) !== id)
    throw new Malformed('The hash in this key does not belong to it: part of it is wrong or missing.')
  return { text: `${name}+${id}+${encoded}`, name, id, publicKey: octets.subarray(1) }
}

/** @throws {Malformed} */
export function parseCheckpoint(note: string): Checkpoint {
  const split = note.lastIndexOf('\n\n')
  if (note.length > longestNote || split < 0 || !note.endsWith('\n')) throw new Malformed('This is no signed note.')
  const body = note.slice(0, split + 1)
  if (/[\u0000-\u0009\u000b-\u001f]|\n\n/.test(body))
    throw new Malformed('The checkpoint has a control character or an empty line.')
  const [origin = '', sizeText = '', rootText = ''] = body.split('\n')
  const size = Number(sizeText)
  if (origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size))
    throw new Malformed('The checkpoint has no origin or no size.')
  const root = fromBase64(rootText)
  if (root?.length !== hashLength) throw new Malformed('The root of the checkpoint is not 32 octets of base64.')
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > mostSignatures) throw new Malformed(`The checkpoint has more than ${mostSignatures} signatures.`)
  const signatures = lines.map((line): NoteSignature => {
    const [, name, encoded] = /^— ([^+\s\u0085]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? []
    const octets = encoded === undefined ? null : fromBase64(encoded)
    if (name === undefined || octets === null || octets.length < 5) throw new Malformed('A signature line is ill-formed.')
    return { name, id: hex(octets.subarray(0, 4)), octets: octets.subarray(4) }
  })
  return { note, origin, size, root, body, signatures }
}

export const sameTree = (a: Checkpoint, b: Checkpoint): boolean => a.size === b.size && equal(a.root, b.root)

const isSignature = (signature: Uint8Array, message: Uint8Array, { publicKey }: VerifierKey): Promise<boolean> =>
  verifyAsync(signature, message, publicKey, { zip215: false }).catch(() => false)

/** Whether the key signed this checkpoint of its own log, and none of the signatures that name the key is bad. */
export async function isSignedBy({ origin, body, signatures }: Checkpoint, key: VerifierKey): Promise<boolean> {
  if (origin !== key.name) return false
  const own = signatures.filter(({ name, id }) => name === key.name && id === key.id)
  for (const { octets } of own) if (octets.length !== 64 || !(await isSignature(octets, utf8(body), key))) return false
  return own.length > 0
}

const timeOctets = 8

/** When a witness cosigned, in seconds since 1970; null when it did not, or a cosignature that names its key is bad. */
export async function cosignedAt({ body, signatures }: Checkpoint, witness: VerifierKey): Promise<number | null> {
  let latest: number | null = null
  for (const { name, id, octets } of signatures) {
    if (name !== witness.name || id !== witness.id) continue
    if (octets.length !== timeOctets + 64) return null
    const seconds = new DataView(octets.buffer, octets.byteOffset).getBigUint64(0)
    const message = utf8(`cosignature/v1\ntime ${seconds}\n${body}`)
    if (!(await isSignature(octets.subarray(timeOctets), message, witness))) return null
    latest = Math.max(latest ?? 0, Number(seconds))
  }
  return latest
}
