/** Audits a selection of entries, each by its own proof. What is not in the selection, it cannot tell of. */
import type { OfflineData } from '../../export/offline-data.ts'
import {
  type Audit,
  conclude,
  count,
  firstFaults,
  type History,
  judgeHead,
  type Payload,
  type Proof,
  readNotes,
  readTrust,
  rootText,
  type TrustedKeys
} from './audit.ts'
import { readEntry } from './entry.ts'
import { ownEntry, signers } from './keys.ts'
import { type Checkpoint, isSignedBy, Malformed, parseCheckpoint, sameTree, type VerifierKey } from './note.ts'
import { base64, equal, fromBase64, hex, utf8 } from './octets.ts'
import { byIndex, type OfflinePayload, payloadOf } from './payload.ts'
import { judge } from './policy.ts'
import { Records } from './records.ts'
import { hashLength } from './sha256.ts'
import { checkInclusion, leafHash } from './tree.ts'
import type { Check, CheckState, Fault, Head, Progress, Report, Trust } from './verdict.ts'

interface ReadProof {
  readonly index: number
  readonly hashes: readonly Uint8Array[]
  readonly checkpoint: Checkpoint
}

const mostHashes = 63
const progressEvery = 256

/** Reads a proof without `extra`; null for what is none. @see C2SP tlog-proof */
function readProof(text: string): ReadProof | null {
  const split = text.indexOf('\n\n')
  const [header, indexLine = '', ...lines] = text.slice(0, Math.max(0, split)).split('\n')
  const index = Number(/^index (0|[1-9]\d{0,15})$/.exec(indexLine)?.[1] ?? Number.NaN)
  if (header !== 'c2sp.org/tlog-proof@v1' || !Number.isSafeInteger(index) || lines.length > mostHashes) return null
  const hashes = lines.map(fromBase64)
  if (!hashes.every((hash): hash is Uint8Array => hash?.length === hashLength)) return null
  try {
    return { index, hashes, checkpoint: parseCheckpoint(text.slice(split + 2)) }
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

export class SelectionAudit implements Audit {
  readonly records = new Records()
  readonly #data: OfflineData
  readonly #trust: Trust
  readonly #known: TrustedKeys
  readonly #payloads: ReadonlyMap<number, OfflinePayload>
  readonly #proofs: (ReadProof | null)[] = []
  readonly #checkpoint: Checkpoint
  #keys: readonly VerifierKey[] = []

  /** @throws {Malformed} */
  constructor(data: OfflineData, trust: Trust) {
    this.#data = data
    this.#payloads = byIndex(data.payloads ?? [])
    this.#trust = trust
    this.#known = readTrust(trust)
    this.#checkpoint = parseCheckpoint(data.checkpoints.at(-1) ?? '')
  }

  async check(progress: (progress: Progress) => void): Promise<Report> {
    const checkpoint = this.#checkpoint
    const { entries, proofs } = this.#data
    const faults: Fault[] = []
    const fault = (kind: Fault['kind'], index: number, text: string) => faults.push({ kind, index, text })
    let before = { index: -1, hash: '' }
    let links = 0
    const isNew = this.records.count === 0
    for (const [at, { index, bytes }] of entries.entries()) {
      if (at % progressEvery === 0) progress({ done: at, of: entries.length })
      const octets = utf8(bytes)
      const leaf = leafHash(octets)
      const { text, entry, problem } = readEntry(octets, index)
      const proof = readProof(proofs[at] ?? '')
      if (problem !== null) fault('form', index, `Entry ${index} is no entry: ${problem}.`)
      if (proof === null) fault('proof', index, `Entry ${index} has no proof that can be read.`)
      else if (proof.index !== index || !sameTree(proof.checkpoint, checkpoint))
        fault('proof', index, `The proof of entry ${index} is of another entry or checkpoint.`)
      else if (!checkInclusion(leaf, index, checkpoint.size, checkpoint.root, proof.hashes))
        fault('altered', index, `Entry ${index} is not the one under the checkpoint: it, or its proof, was altered.`)
      if (index === before.index + 1 && before.hash !== '') {
        links++
        if (entry.prev !== before.hash)
          fault('chain', before.index, `Entry ${before.index} is not the one that entry ${index} was written after.`)
      }
      if (index <= before.index) fault('form', index, `Entry ${index} stands behind entry ${before.index}.`)
      before = { index, hash: hex(leaf) }
      if (isNew) {
        this.#proofs.push(proof)
        this.records.append(text, entry, problem === null)
      }
    }
    progress({ done: entries.length, of: entries.length })
    for (const index of this.#payloads.keys())
      if (this.payload(index)?.good === false)
        fault('payload', index, `The payload beside entry ${index} is not the one it committed to.`)
    return this.#judge(firstFaults(faults), links)
  }

  async #judge(faults: readonly Fault[], links: number): Promise<Report> {
    const checkpoint = this.#checkpoint
    const { entries } = this.#data
    const { seen } = this.#known
    this.#keys = await this.#followKeys()
    const head = await judgeHead(checkpoint, this.#keys, this.#known, this.#trust)
    const checks: Check[] = []
    const add = (name: Check['name'], state: CheckState, text: string) => checks.push({ name, state, text })
    const first = (...kinds: Fault['kind'][]) => faults.find(({ kind }) => kinds.includes(kind))
    const wrong = first('form', 'altered', 'proof')
    add(
      'entries',
      wrong === undefined ? 'good' : 'bad',
      wrong?.text ??
        `${count(entries.length)} of ${checkpoint.size.toLocaleString('en')}, each hashed in this browser and proved to be under the checkpoint.`
    )
    const broken = first('chain')
    add(
      'chain',
      broken === undefined ? 'good' : 'bad',
      broken?.text ?? `${links} links between entries that follow each other hold.`
    )
    add('tree', 'none', 'This is a selection: whether it leaves out entries that belong to it, it cannot show.')
    if (this.#payloads.size > 0) {
      const payload = first('payload')
      add(
        'payloads',
        payload === undefined ? 'good' : 'bad',
        payload?.text ?? `${count(this.#payloads.size, 'payload')} beside the log: those committed to.`
      )
    }
    checks.push(...head.checks)
    const other = seen !== null && seen.size === checkpoint.size && !equal(seen.root, checkpoint.root)
    if (seen === null) add('memory', 'none', 'This browser sees this log for the first time.')
    else if (other)
      add(
        'memory',
        'bad',
        `This browser saw ${count(seen.size)} with root ${rootText(seen).slice(0, 16)}…, not ${rootText(checkpoint).slice(0, 16)}….`
      )
    else if (sameTree(seen, checkpoint)) add('memory', 'good', 'It is the checkpoint that this browser saw last.')
    else add('memory', 'none', `This browser saw ${count(seen.size)} before; a selection cannot show how the two agree.`)
    // an older selection is no sign that a log was cut short
    const story = { altered: faults.length > 0, truncated: false, forked: other, incomplete: false }
    const bad = checks.find(({ state }) => state === 'bad')
    const result = conclude(head, story, this.#trust, faults[0]?.text ?? bad?.text ?? null, { checkpoint, keys: this.#keys })
    const isGood = result.verdict === 'valid' || result.verdict === 'unpinned'
    return {
      ...result,
      origin: checkpoint.origin,
      size: checkpoint.size,
      root: rootText(checkpoint),
      checkpoint: checkpoint.note,
      checks,
      faults,
      // nothing shows that a later one grew from the one seen: only a whole log takes its place
      remember: isGood && seen === null ? checkpoint.note : null,
      held: this.records.count,
      whole: false,
      components: this.records.components,
      events: this.records.events
    }
  }

  async #followKeys(): Promise<VerifierKey[]> {
    const keys = [this.#known.trusted]
    for (const { bytes, proof: text } of this.#data.rotations) {
      const proof = readProof(text)
      if (proof === null) continue
      const octets = utf8(bytes)
      const { entry, problem } = readEntry(octets, proof.index)
      const own = problem === null ? ownEntry(entry, this.#known.trusted.name) : null
      const { size, root } = proof.checkpoint
      if (own === null || !('rotation' in own) || own.rotation.key.text === keys.at(-1)!.text) continue
      // as in a whole log: it is the last one under a head that both keys signed
      if (
        size === proof.index + 1 &&
        checkInclusion(leafHash(octets), proof.index, size, root, proof.hashes) &&
        (await isSignedBy(proof.checkpoint, keys.at(-1)!)) &&
        (await isSignedBy(proof.checkpoint, own.rotation.key))
      )
        keys.push(own.rotation.key)
    }
    return keys
  }

  async heads(): Promise<History> {
    const heads: Head[] = []
    for (const head of readNotes(this.#data.checkpoints)) {
      const signed = await signers(head, this.#keys)
      const judgement = this.#known.policy === null ? null : await judge(this.#known.policy, head)
      const last = this.records.positionOf(head.size - 1)
      heads.push({
        size: head.size,
        root: rootText(head),
        note: head.note,
        lastEntry: last < 0 ? null : this.records.entry(last).time,
        signedBy: signed.map(({ id }) => id),
        witnesses: judgement?.witnesses ?? [],
        quorum: judgement?.quorum ?? true,
        state: signed.length > 0 ? 'good' : 'bad',
        text:
          signed.length > 0
            ? 'It is signed. How it agrees with the others, a selection cannot show.'
            : 'No key that is trusted signed it.',
        proof: null,
        previousSize: null
      })
    }
    return { heads, more: false }
  }

  prove(position: number): Proof | null {
    const proof = this.#proofs[position]
    const told = this.#data.entries[position]
    if (proof == null || told === undefined) return null
    const octets = utf8(told.bytes)
    const leaf = leafHash(octets)
    const { size, root, note } = this.#checkpoint
    const lines = ['c2sp.org/tlog-proof@v1', `extra ${base64(octets)}`, `index ${told.index}`, ...proof.hashes.map(base64)]
    return {
      index: told.index,
      leaf: hex(leaf),
      size,
      root: hex(root),
      hashes: proof.hashes.map(hex),
      good: proof.index === told.index && checkInclusion(leaf, told.index, size, root, proof.hashes),
      text: `${lines.join('\n')}\n\n${note}`
    }
  }

  payload(index: number): Payload | null {
    return payloadOf(this.#payloads.get(index), this.records, index)
  }
}
