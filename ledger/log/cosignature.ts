/**
 * Cosignatures: a witness says that, as of a time, a checkpoint is the largest consistent one it has seen of a log.
 *
 *     cosignature/v1                       what is signed: two lines before the body of the checkpoint
 *     time 1679315147                      POSIX seconds
 *     example.com/behind-the-sofa          body: origin, size, root
 *     …
 *
 *     — witness.example.com/w1 jWbPPwAA…   line: base64 of key hash (4 octets) ‖ time (8, big-endian) ‖ Ed25519 signature (64)
 *
 * @see C2SP tlog-cosignature, Ed25519 (signature type 0x04)
 */
import {
  type CheckpointNote,
  isOf,
  type NoteSigner,
  type NoteVerifier,
  parseVerifierKey,
  readSigner,
  signatureLine
} from './note.ts'

const cosignatureType = 4
const timeOctets = 8
const signatureOctets = 64

const message = (body: string, timeS: bigint): Buffer => Buffer.from(`cosignature/v1\ntime ${timeS}\n${body}`, 'utf8')

/** @throws {InfraFabricError} `ledger.key.malformed`, `ledger.key.name` */
export const readCosigner = (name: string, pem: string): NoteSigner => readSigner(name, pem, cosignatureType)

/** @throws {InfraFabricError} `ledger.vkey.malformed` */
export const parseCosignerKey = (vkey: string): NoteVerifier => parseVerifierKey(vkey, cosignatureType)

/**
 * A signature line for a checkpoint.
 *
 * @param body of the checkpoint, as {@link CheckpointNote} gives it
 * @param timeS seconds since 1970
 */
export function cosign(body: string, cosigner: NoteSigner, timeS: number): string {
  const time = Buffer.alloc(timeOctets)
  time.writeBigUInt64BE(BigInt(timeS))
  return signatureLine(cosigner, Buffer.concat([time, cosigner.privateKey.sign(message(body, BigInt(timeS)))]))
}

/** When the witness says it saw the checkpoint, in seconds since 1970: of its cosignatures the latest; null when there is none, or one that names its key is bad. */
export function cosignedAt(
  { body, signatures }: Pick<CheckpointNote, 'body' | 'signatures'>,
  verifier: NoteVerifier
): number | null {
  let latest: number | null = null
  for (const line of signatures) {
    if (!isOf(line, verifier)) continue
    if (line.signature.length !== timeOctets + signatureOctets) return null
    const timeS = line.signature.readBigUInt64BE()
    if (timeS > BigInt(Number.MAX_SAFE_INTEGER)) return null
    if (!verifier.publicKey.verifies(message(body, timeS), line.signature.subarray(timeOctets))) return null
    latest = Math.max(latest ?? 0, Number(timeS))
  }
  return latest
}
