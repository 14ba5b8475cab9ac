/** Checks a bundle that holds some entries of a log, each with its proof. */
import { InfraFabricError } from '#kernel'
import { hashLength, leafHash, sha256 } from '../log/merkle.ts'
import { type Bundle, expectFacts, expectNames, expectUndamaged, headOf } from './bundle.ts'
import { checkEntry } from './entry-form.ts'
import { isHexOf, newPlace, octetsOf, readPlace } from './entry-octets.ts'
import { readProof, rootFrom } from './inclusion.ts'
import type { Judgement, Verdict } from './judge.ts'
import { readRotation } from './keys.ts'
import { type CheckpointNote, isSignedBy, readCheckpoint, type VerifierKey, whyUnsigned } from './notes.ts'
import { cosignersOf, meetsQuorum, newestCosignature, type QuorumPolicy } from './policy.ts'
import { brokenLink, type Depth } from './ranges.ts'
import { SourceDamaged } from './sources.ts'
import { countOf } from './words.ts'

export interface SelectionTrust {
  readonly trusted: VerifierKey
  readonly policy: QuorumPolicy | null
  /** Checkpoints kept from elsewhere. */
  readonly pinned: readonly CheckpointNote[]
  readonly depth: Depth
  readonly onProgress?: (entries: number, of: number) => void
}

export interface SelectionJudgement extends Judgement {
  readonly entries: number
  readonly root: string | null
}

const largestEntry = 65_535
const largestProof = 1 << 18
const digits = 12
const entryName = /^entries\/(\d{12})\.json$/
const rotationName = /^rotations\/(\d{12})\.json$/

/**
 * @throws {SourceDamaged} when the bundle itself is not in order
 * @throws {InfraFabricError} `ledger.bundle.selection` for a checkpoint given of another size than the bundle's: nothing in a selection leads from one to the other
 */
export function judgeSelection(bundle: Bundle, trust: SelectionTrust): SelectionJudgement {
  const { archive } = bundle
  expectUndamaged(bundle)
  const note = headOf(bundle)
  const root = Buffer.from(note.root).toString('base64')
  const entries = numbersOf(bundle, entryName)
  const rotations = numbersOf(bundle, rotationName)
  const names = (folder: string, numbers: readonly number[], proofs: string) =>
    numbers.flatMap((number) => [`${folder}/${nameOf(number)}.json`, `${proofs}/${nameOf(number)}.tlog-proof`])
  expectNames(bundle, [...names('entries', entries, 'proofs'), ...names('rotations', rotations, 'rotations')])
  expectFacts(bundle, note, entries.length)
  const say = (verdict: Verdict, explanation: string, index: number | null = null, heads = 0): SelectionJudgement => ({
    verdict,
    explanation,
    index,
    heads,
    notes: [],
    entries: entries.length,
    root
  })

  const chain = keysOf(bundle, rotations, trust.trusted)
  if (typeof chain === 'object' && 'fault' in chain) return say('altered', chain.fault, chain.index)
  const signedBy = chain.keys.findLast((key) => isSignedBy(note, key))
  if (signedBy === undefined) return say('unwitnessed', whyUnsigned('the head', note, chain.keys))
  if (signedBy !== chain.keys.at(-1)) return say('unwitnessed', 'the head is signed by a key that was replaced')
  for (const pinned of trust.pinned) {
    if (!chain.keys.some((key) => isSignedBy(pinned, key)))
      return say('unwitnessed', whyUnsigned('the checkpoint given', pinned, chain.keys))
    if (pinned.size !== note.size) {
      throw new InfraFabricError(
        'ledger.bundle.selection',
        `the checkpoint given is of ${pinned.size} entries, the bundle's of ${note.size}: a selection does not hold what leads from one to the other`
      )
    }
    if (Buffer.compare(pinned.root, note.root) !== 0)
      return say(
        'forked',
        `the checkpoint given and the head of the bundle are of ${note.size} entries each, and tell different stories`,
        note.size - 1,
        1
      )
  }

  const place = newPlace()
  const payloads = bundle.payloads()
  let before: { readonly index: number; readonly hash: Uint8Array } | null = null
  let beside = 0
  for (const [number, index] of entries.entries()) {
    const octets = archive.raw(`entries/${nameOf(index)}.json`, largestEntry)
    const proof = readProof(archive.read(`proofs/${nameOf(index)}.tlog-proof`, largestProof).toString('utf8'))
    if (proof === null || proof.index !== index || proof.checkpoint !== bundle.checkpoint)
      return say('altered', `the proof of entry ${index} is none of it under the head of the bundle`, index)
    const hash = leafHash(octets)
    const found = rootFrom(hash, index, note.size, proof.hashes)
    if (found === null || Buffer.compare(found, note.root) !== 0)
      return say('altered', `entry ${index} is not the one that stands under the head`, index)
    const read = octetsOf(octets)
    const sure = readPlace(read, 0, octets.length, place)
    const problem = !sure || trust.depth === 'form' ? checkEntry(octets, 0, octets.length, place) : null
    if (problem !== null) return say('altered', `entry ${index} is not an entry: ${problem}`, index)
    if (place.index !== index) return say('altered', `entry ${index} says of itself that it is entry ${place.index}`, index)
    if (before?.index === index - 1 && !isHexOf(read, place.prevAt, before.hash)) return say('altered', brokenLink(index), index)
    before = { index, hash }
    const payload = payloads?.get(index)
    if (payload !== undefined) {
      beside++
      if (!isCommitted(octets, payload.salt, payload.payload))
        return say('altered', `the payload beside entry ${index} is not the one it committed to`, index)
    }
    trust.onProgress?.(number + 1, entries.length)
  }
  if (payloads !== null && payloads.size > beside)
    throw new SourceDamaged('payloads.jsonl has payloads of entries that are not there')
  const cosigners = trust.policy === null ? null : cosignersOf([note], trust.policy)
  if (trust.policy !== null && !meetsQuorum(note, trust.policy))
    return say('unwitnessed', `the quorum has not cosigned the head: ${cosigners!.missing.join(' and ')} did not`, null, 1)
  const notes = [
    ...(chain.keys.length > 1
      ? [`the key changed ${countOf(chain.keys.length - 1, 'time', 'times, each time')} under a head that both keys signed`]
      : []),
    ...(cosigners === null || cosigners.lastS === null ? [] : [newestCosignature(cosigners.lastS)]),
    ...(beside > 0 ? [`${countOf(beside, 'payload beside the log is as', 'payloads beside the log are as')} committed to`] : []),
    'a selection: whether something was left out shows in the whole log alone'
  ]
  const explanation = `${countOf(entries.length, 'entry', 'entries')}, each proved to stand in the log of ${note.size} under its signed root`
  return { ...say('valid', explanation, null, 1), notes }
}

const nameOf = (index: number): string => String(index).padStart(digits, '0')

/** Numbers of the entries that have such names, in order. */
const numbersOf = ({ archive }: Bundle, form: RegExp): number[] =>
  [...archive.files.keys()].flatMap((name) => {
    const digits = form.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })

type Keys = { readonly keys: readonly VerifierKey[] } | { readonly fault: string; readonly index: number }

/** Follows the changes of key from the trusted one: each is proved under the head of exactly its entry, which both keys signed. */
function keysOf({ archive }: Bundle, rotations: readonly number[], trusted: VerifierKey): Keys {
  const keys = [trusted]
  /** What was handed over before the trusted key came is not its concern. */
  const changes = rotations.map((index) => {
    const octets = archive.read(`rotations/${nameOf(index)}.json`, largestEntry)
    return { index, octets, rotation: readRotation({ index, text: octets.toString('utf8') }, trusted.name) }
  })
  const brought = changes.findLast(({ rotation }) => rotation?.key.text === trusted.text)?.index ?? -1
  for (const { index, octets, rotation } of changes) {
    const bad = { fault: `the change of key in entry ${index} is not proved`, index }
    if (rotation === null) return { fault: `entry ${index} names no key of this log`, index }
    if (index <= brought) continue
    const proof = readProof(archive.read(`rotations/${nameOf(index)}.tlog-proof`, largestProof).toString('utf8'))
    const head = proof === null ? null : readHead(proof.checkpoint)
    if (proof === null || head === null || proof.index !== index || head.size !== index + 1) return bad
    const root = rootFrom(leafHash(octets), index, head.size, proof.hashes)
    if (root === null || Buffer.compare(root, head.root) !== 0) return bad
    if (!isOwn(octets)) return bad
    // as in a whole log: a change that the keys did not sign does not count
    if (isSignedBy(head, keys.at(-1)!) && isSignedBy(head, rotation.key)) keys.push(rotation.key)
  }
  return { keys }
}

/** Whether the ledger itself told of it. */
function isOwn(octets: Buffer): boolean {
  const entry = JSON.parse(octets.toString('utf8'))
  return entry.component === 'IF.witness.ledger' && entry.event === 'key_rotated'
}

function readHead(text: string): CheckpointNote | null {
  try {
    return readCheckpoint(text)
  } catch {
    return null
  }
}

function isCommitted(entry: Buffer, saltText: string, payload: string): boolean {
  const { payload: told } = JSON.parse(entry.toString('utf8'))
  const salt = Buffer.from(saltText, 'base64')
  const digest = sha256(Buffer.concat([salt, Buffer.from(payload)])).toString('hex')
  return salt.length === hashLength && told?.commitment?.alg === 'sha256' && told.commitment.hash === digest
}
