/**
 * The signing keys of a log.
 *
 *     signing-key.pem, vkey     the first key: what auditors trust from the beginning
 *     keys/<key hash>.pem       keys that took over later
 *     keys/<key hash>.vkey
 *
 * Which key signs is not written down beside the log, where it could come apart from it: the head says so. Its last signature of the log is the present
 * key's; a head under which a key takes over carries two, the old key's first.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InfraFabricError, makeFolder } from '#kernel'
import {
  formatVerifierKey,
  generateSigningKey,
  type NoteSigner,
  type NoteVerifier,
  parseCheckpoint,
  parseVerifierKey,
  readSigner
} from '../log/note.ts'
import { putNewFile } from './durable-file.ts'

export interface KeyFiles {
  /** First private key, PEM. */
  readonly key: string
  /** First public key. */
  readonly vkey: string
  /** Folder of later keys. */
  readonly keys: string
}

export interface Keyring {
  /**
   * The key that signs behind a head; the first key while the log is empty.
   *
   * @throws {InfraFabricError} `ledger.key.missing` when the private key is not in the folder
   */
  readonly signerBehind: (checkpoint: string | null) => NoteSigner
}

/** The signer read last: whoever opens a log reads its key several times, and each time takes half a millisecond. */
let last: { readonly origin: string; readonly pem: string; readonly signer: NoteSigner } | null = null

function signerOf(origin: string, path: string): NoteSigner {
  const pem = readFileSync(path, 'utf8')
  if (last?.origin !== origin || last.pem !== pem) last = { origin, pem, signer: readSigner(origin, pem) }
  return last.signer
}

const idOf = ({ keyHash }: NoteSigner): string => keyHash.toString('hex')

/**
 * Makes the first key when there is none.
 *
 * @returns the first public key
 * @throws {InfraFabricError} `ledger.key.mismatch` when private and public key or the origin do not belong together
 */
export function prepareKeys(files: KeyFiles, origin: string): string {
  makeFolder(dirname(files.key))
  // a first key that another has taken over from is gone, and its public half stays
  if (!existsSync(files.key) && !existsSync(files.vkey)) putNewFile(files.key, generateSigningKey(), 0o600)
  const mismatch = (kept: string, expected: string) =>
    new InfraFabricError('ledger.key.mismatch', `${files.vkey} holds ${kept}, but the signing key and origin give ${expected}`)
  if (existsSync(files.key)) {
    chmodSync(files.key, 0o600)
    const vkey = formatVerifierKey(signerOf(origin, files.key))
    if (!existsSync(files.vkey)) putNewFile(files.vkey, `${vkey}\n`, 0o644)
    const kept = readFileSync(files.vkey, 'utf8').trim()
    if (kept !== vkey) throw mismatch(kept, vkey)
    return vkey
  }
  const kept = readFileSync(files.vkey, 'utf8').trim()
  if (parseVerifierKey(kept).name !== origin) throw mismatch(kept, `a key of ${origin}`)
  return kept
}

export function openKeyring(files: KeyFiles, origin: string): Keyring {
  const known = new Map<string, NoteSigner>()
  const learn = (path: string): NoteSigner => {
    const signer = signerOf(origin, path)
    known.set(idOf(signer), signer)
    return signer
  }
  const learnAll = () => {
    if (existsSync(files.key)) learn(files.key)
    if (!existsSync(files.keys)) return
    for (const name of readdirSync(files.keys)) if (name.endsWith('.pem')) learn(join(files.keys, name))
  }
  return {
    signerBehind: (checkpoint) => {
      if (checkpoint === null) return learn(files.key)
      const own = parseCheckpoint(checkpoint).signatures.filter(({ name }) => name === origin)
      const id = own.at(-1)?.keyHash.toString('hex') ?? 'none'
      if (!known.has(id)) learnAll()
      const signer = known.get(id)
      if (signer !== undefined) return signer
      throw new InfraFabricError(
        'ledger.key.missing',
        `the head of the log is signed by key ${id}, whose private half is not in this folder`
      )
    }
  }
}

/** Makes a key to take over, on disk with its public half before this returns. */
export function makeNextKey(files: KeyFiles, origin: string): NoteSigner {
  makeFolder(files.keys)
  const pem = generateSigningKey()
  const signer = readSigner(origin, pem)
  putNewFile(join(files.keys, `${idOf(signer)}.vkey`), `${formatVerifierKey(signer)}\n`, 0o644)
  putNewFile(join(files.keys, `${idOf(signer)}.pem`), pem, 0o600)
  return signer
}

/** Removes a key that was made to take over and never will: no head can be signed by it. */
export function forgetNextKey(files: KeyFiles, next: NoteSigner): void {
  for (const form of ['pem', 'vkey']) rmSync(join(files.keys, `${idOf(next)}.${form}`), { force: true })
}

/** The public keys in the folder: the first, and those that took over. */
export function publicKeys(files: KeyFiles): NoteVerifier[] {
  const later = existsSync(files.keys) ? readdirSync(files.keys).filter((name) => name.endsWith('.vkey')) : []
  return [files.vkey, ...later.map((name) => join(files.keys, name))].map((path) => parseVerifierKey(readFileSync(path, 'utf8')))
}

/** The keys that signed a head under which one takes over from another, as eight hex digits each, the old one first; null for any other head. */
export function takeOverIn(checkpoint: string | null, origin: string): readonly [old: string, next: string] | null {
  if (checkpoint === null) return null
  const [old, next] = parseCheckpoint(checkpoint).signatures.filter(({ name }) => name === origin)
  return next === undefined ? null : [old!.keyHash.toString('hex'), next.keyHash.toString('hex')]
}

/** Removes the private half of a key that signs no more. */
export function retireKey(files: KeyFiles, origin: string, id: string): void {
  rmSync(join(files.keys, `${id}.pem`), { force: true })
  if (existsSync(files.key) && idOf(signerOf(origin, files.key)) === id) rmSync(files.key)
}
