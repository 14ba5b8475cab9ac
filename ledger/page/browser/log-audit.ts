/** Audits a whole log: every entry is hashed, its chain followed, the tree built anew and held against the checkpoint. */
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
import { Calls } from './calls.ts'
import { readBundle, readEntry } from './entry.ts'
import { followKeys, ownEntry, type Rotation, signers } from './keys.ts'
import { type Checkpoint, Malformed, parseCheckpoint, type VerifierKey } from './note.ts'
import { base64, equal, hex, utf8 } from './octets.ts'
import { byIndex, Commitments, type OfflinePayload, payloadOf } from './payload.ts'
import { judge } from './policy.ts'
import { Records } from './records.ts'
import { hashLength } from './sha256.ts'
import { type LogSource, SourceError, tileWidth } from './source.ts'
import { checkConsistency, checkInclusion, leafHash, Tree } from './tree.ts'
import type { Check, CheckState, Fault, Head, Progress, Report, Trust } from './verdict.ts'

const noPrevious = '0'.repeat(64)
/** Bundles asked for ahead of the one that is read. */
const ahead = 6
/** Faults kept, of which the first are told. */
const mostKept = 10_000
/** What a page can hold. A larger log is for `ifctl witness verify`. */
const mostEntries = 2_000_000
/** Progress is told at most so often, in entries. */
const progressEvery = 2048

interface Fetched {
  readonly bundle: Uint8Array
  readonly tile: Uint8Array | null
}

export class LogAudit implements Audit {
  readonly records = new Records()
  readonly #tree = new Tree()
  readonly #source: LogSource
  readonly #trust: Trust
  readonly #payloads: ReadonlyMap<number, OfflinePayload>
  /** What the entries say of payloads beside them; null where the source brings none. */
  readonly #commitments: Commitments | null
  readonly #calls = new Calls()
  #known: TrustedKeys
  readonly #faults: Fault[] = []
  /** Leaves whose tile says another hash than the entry has. */
  readonly #tileLeaves: number[] = []
  readonly #rotations: Rotation[] = []
  #last = noPrevious
  #checkpoint: Checkpoint | null = null
  #keys: readonly VerifierKey[] = []
  #history: readonly Checkpoint[] = []
  /** Checkpoints of the history that cannot be read. */
  #spoiled = 0
  /** Pages of the history that were asked for, and what the next one is asked by. */
  #older: { readonly notes: readonly Checkpoint[]; readonly previous: string | null } | null = null

  /** @throws {Malformed} for keys, a policy or a remembered checkpoint that cannot be read */
  constructor(source: LogSource, trust: Trust, payloads: readonly OfflinePayload[] | null = null) {
    this.#source = source
    this.#payloads = byIndex(payloads ?? [])
    this.#commitments = payloads === null ? null : new Commitments()
    this.#trust = trust
    this.#known = readTrust(trust)
  }

  async check(progress: (progress: Progress) => void): Promise<Report> {
    const checkpoint = parseCheckpoint(await this.#source.checkpoint())
    if (checkpoint.size > mostEntries)
      throw new Malformed(
        `The checkpoint covers ${count(checkpoint.size)}, and a page holds ${mostEntries.toLocaleString('en')}: use ifctl witness verify.`
      )
    const { missingFrom } = await this.#read(checkpoint.size, progress)
    await this.#checkUpperTiles(Math.min(checkpoint.size, this.#tree.size))
    const { checkpoints, previous } = await this.#source.history(null)
    this.#history = readNotes(checkpoints)
    this.#spoiled = checkpoints.length - this.#history.length
    this.#older ??= { notes: [], previous }
    this.#checkpoint = checkpoint
    const report = await this.#judge(checkpoint, missingFrom)
    // from here on this is what the log has to have grown from
    if (report.remember !== null) this.#known = { ...this.#known, seen: checkpoint }
    return report
  }

  async #judge(checkpoint: Checkpoint, missingFrom: number | null): Promise<Report> {
    const tree = this.#tree
    const { seen } = this.#known
    const fits = ({ size, root }: Checkpoint) => size <= tree.size && equal(tree.rootAt(size), root)
    const rootFits = missingFrom === null && fits(checkpoint)
    const heads = [...this.#history, checkpoint]
    const chain = await followKeys(this.#known.trusted, this.#rotations, heads.filter(fits))
    this.#keys = chain.keys
    const head = await judgeHead(checkpoint, this.#keys, this.#known, this.#trust)
    const checks: Check[] = []
    const add = (name: Check['name'], state: CheckState, text: string) => checks.push({ name, state, text })

    const faults = [...this.#faults]
    if (chain.fault !== null) faults.push({ kind: 'altered', ...chain.fault })
    for (const index of this.#tileLeaves) {
      if (rootFits)
        faults.push({
          kind: 'tile',
          index,
          text: `Entry ${index} is as it was signed, but the tile of hashes holds another hash for it.`
        })
      else
        faults.push({
          kind: 'altered',
          index,
          text: `Entry ${index} has another hash than the tree holds for it: it was altered.`
        })
    }
    const told = firstFaults(faults)
    const of = (...kinds: Fault['kind'][]) => told.filter(({ kind }) => kinds.includes(kind))

    const hashed = count(Math.min(checkpoint.size, tree.size))
    const forms = of('form', 'altered')
    if (missingFrom !== null)
      add('entries', 'bad', `The checkpoint covers ${count(checkpoint.size)}; those from ${missingFrom} on are not there.`)
    else if (forms.length > 0) add('entries', 'bad', forms[0]!.text)
    else add('entries', 'good', `${hashed} read, each hashed in this browser, canonical and in its place.`)
    const links = of('chain')
    if (links.length > 0) add('chain', 'bad', links[0]!.text)
    else add('chain', 'good', 'Each entry holds the hash of the one before it.')
    if (rootFits)
      add('tree', 'good', `The tree of these entries has the root that was signed: ${hex(checkpoint.root).slice(0, 16)}…`)
    else if (missingFrom === null) {
      const made = hex(tree.rootAt(Math.min(checkpoint.size, tree.size))).slice(0, 16)
      add(
        'tree',
        'bad',
        `The tree of these entries has the root ${made}…, the checkpoint says ${hex(checkpoint.root).slice(0, 16)}….${this.#between(fits)}`
      )
    }
    if (this.#source.tile !== null) {
      const tiles = of('tile')
      if (tiles.length > 0) add('tiles', 'bad', tiles[0]!.text)
      else if (rootFits) add('tiles', 'good', 'The tiles of hashes that others check by are those of these entries.')
    }
    checks.push(...head.checks)

    const strays = this.#history.filter((note) => note.size <= tree.size && !fits(note))
    const signedStrays: Checkpoint[] = []
    for (const stray of strays.slice(-20)) if ((await signers(stray, this.#keys)).length > 0) signedStrays.push(stray)
    const longer = await this.#longerThan(checkpoint)
    if (signedStrays.length > 0)
      add(
        'history',
        'bad',
        `A checkpoint of the history over ${count(signedStrays[0]!.size)} was signed for other entries than these.`
      )
    else if (strays.length > 0 || this.#spoiled > 0)
      add(
        'history',
        'bad',
        `Of the history, ${count(strays.length + this.#spoiled, 'checkpoint')} ${strays.length + this.#spoiled === 1 ? 'is' : 'are'} not of this log, and not signed by it.`
      )
    else if (longer !== null)
      add(
        'history',
        'bad',
        `The history has a signed checkpoint over ${count(longer.size)}; the newest one shown is over ${count(checkpoint.size)}.`
      )
    else if (rootFits)
      add(
        'history',
        'good',
        `Of the history, ${count(this.#history.length, 'checkpoint')} ${this.#history.length === 1 ? 'was' : 'were'} held against this tree: nothing else was signed.`
      )

    const shorter = seen !== null && seen.size > checkpoint.size
    const other = seen !== null && !shorter && seen.size <= tree.size && !equal(tree.rootAt(seen.size), seen.root)
    if (seen === null)
      add('memory', 'none', 'This browser sees this log for the first time: it cannot tell whether entries were removed before.')
    else if (shorter)
      add(
        'memory',
        'bad',
        `This browser saw ${count(seen.size)} with root ${rootText(seen).slice(0, 16)}…; now there are ${count(checkpoint.size)}.`
      )
    else if (other)
      add(
        'memory',
        'bad',
        `This browser saw the first ${count(seen.size)} with root ${rootText(seen).slice(0, 16)}…; now they have ${hex(tree.rootAt(seen.size)).slice(0, 16)}…`
      )
    else if (missingFrom === null) add('memory', 'good', `The log grew from the ${count(seen.size)} that this browser saw last.`)

    const beside = this.#besideCheck()
    if (beside !== null) checks.push(beside.check)
    const gaps = missingFrom === null ? this.#calls.gaps() : []
    if (gaps.length > 0) {
      const [{ callId, missing }] = gaps as [(typeof gaps)[number]]
      add(
        'calls',
        'bad',
        `${count(gaps.length, 'call')} of ${this.#calls.count} lack entries: of ${callId}, those numbered ${missing.join(', ')}.`
      )
    } else if (this.#calls.count > 0)
      add(
        'calls',
        'good',
        `${count(this.#calls.count, 'call')} without a gap. Calls that were not recorded at all show against the accounting of the edge alone.`
      )

    const ownGood = rootFits && head.signed
    const damaged =
      beside?.altered === true ||
      told.length > 0 ||
      (!rootFits && missingFrom === null) ||
      (signedStrays.length > 0 ? !ownGood : strays.length > 0 || this.#spoiled > 0)
    const story = {
      altered: damaged,
      truncated: shorter || missingFrom !== null || longer !== null,
      forked: other || (ownGood && signedStrays.length > 0),
      incomplete: beside?.check.state === 'bad' || gaps.length > 0
    }
    const isBad = ({ state, name }: Check) => state === 'bad' && (!story.altered || name !== 'memory')
    // what this browser saw itself says more than what the history does
    const own = head.signed ? checks.find((check) => check.name === 'memory' && isBad(check)) : undefined
    const bad = own ?? checks.find(isBad)
    const detail = story.altered ? (told[0]?.text ?? bad?.text ?? null) : (bad?.text ?? null)
    const result = conclude(head, story, this.#trust, detail, { checkpoint, keys: this.#keys })
    return {
      ...result,
      origin: checkpoint.origin,
      size: checkpoint.size,
      root: rootText(checkpoint),
      checkpoint: checkpoint.note,
      checks,
      faults: told,
      remember: ['valid', 'unpinned', 'incomplete'].includes(result.verdict) ? checkpoint.note : null,
      held: this.records.count,
      whole: true,
      components: this.records.components,
      events: this.records.events
    }
  }

  /** The longest checkpoint of the history that is signed and covers more than the one shown as the newest; null where that one has only just been published. */
  async #longerThan({ size }: Checkpoint): Promise<Checkpoint | null> {
    for (const note of this.#history.filter((each) => each.size > size).sort((a, b) => b.size - a.size)) {
      if ((await signers(note, this.#keys)).length === 0) continue
      return parseCheckpoint(await this.#source.checkpoint()).size >= note.size ? null : note
    }
    return null
  }

  /** Payloads beside the log, held against the entries; null where there are none to hold. */
  #besideCheck(): { readonly check: Check; readonly altered: boolean } | null {
    const told = (state: CheckState, text: string, altered = false) => ({
      check: { name: 'payloads', state, text } as const,
      altered
    })
    const spoiled = [...this.#payloads.keys()].find((index) => this.payload(index)?.good === false)
    if (spoiled !== undefined) return told('bad', `The payload beside entry ${spoiled} is not the one it committed to.`, true)
    if (this.#commitments === null) return null
    const { gone, returned } = this.#commitments.against(this.#payloads)
    if (returned !== null)
      return told('bad', `The payload beside entry ${returned} is there though an entry tells that it was erased.`, true)
    if (gone !== null) return told('bad', `The payload beside entry ${gone} is gone, and no entry tells that it was erased.`)
    return this.#payloads.size === 0
      ? null
      : told('good', `${count(this.#payloads.size, 'payload')} beside the log: those committed to.`)
  }

  /** Between which of the history's checkpoints the entries went wrong, where that can be told. */
  #between(fits: (head: Checkpoint) => boolean): string {
    const good = this.#history.filter(fits).at(-1)?.size ?? 0
    const wrong = this.#history.find((head) => head.size > good && head.size <= this.#tree.size && !fits(head))
    if (wrong === undefined) return good === 0 ? '' : ` Up to entry ${good - 1} they are as an earlier checkpoint says.`
    return ` The first that differs is among entries ${good} to ${wrong.size - 1}.`
  }

  /** Reads entries up to `size`. Gives the leaf from which on the source has none. */
  async #read(size: number, progress: (progress: Progress) => void): Promise<{ readonly missingFrom: number | null }> {
    const first = Math.floor(this.#tree.size / tileWidth)
    const end = this.#tree.size >= size ? first : Math.ceil(size / tileWidth)
    const waiting: Promise<Fetched | null>[] = []
    const widthOf = (bundle: number) => Math.min(tileWidth, size - bundle * tileWidth)
    let asked = first
    const ask = () => {
      const fetched = this.#fetch(asked, widthOf(asked))
      // what fails is told when its turn comes
      fetched.catch(() => undefined)
      waiting.push(fetched)
      asked++
    }
    for (let bundle = first; bundle < end; bundle++) {
      while (asked < end && waiting.length < ahead) ask()
      const fetched = await waiting.shift()!
      if (fetched === null) return { missingFrom: Math.max(bundle * tileWidth, this.#tree.size) }
      const entries = readBundle(fetched.bundle)
      for (const [at, octets] of (entries ?? []).slice(0, widthOf(bundle)).entries())
        this.#take(octets, bundle * tileWidth + at, fetched.tile, at)
      // fewer of them than were asked for are the end of what is shown
      if (entries !== null && entries.length < widthOf(bundle)) return { missingFrom: this.#tree.size }
      if (entries?.length !== widthOf(bundle)) {
        const index = this.#tree.size
        this.#fault({
          kind: 'form',
          index,
          text: `The bundle of entries from ${bundle * tileWidth} on is not of its form.`
        })
        return { missingFrom: index }
      }
      if (bundle % (progressEvery / tileWidth) === 0) progress({ done: this.#tree.size, of: size })
    }
    progress({ done: size, of: size })
    return { missingFrom: null }
  }

  /** Null where the source says that there is no such bundle. */
  async #fetch(bundle: number, width: number): Promise<Fetched | null> {
    try {
      const [octets, tile] = await Promise.all([
        this.#source.bundle(bundle, width),
        this.#source.tile?.(0, bundle, width) ?? null
      ])
      return { bundle: octets, tile }
    } catch (error) {
      if (error instanceof SourceError && error.status === 404) return null
      throw error
    }
  }

  #fault(fault: Fault): void {
    if (this.#faults.length < mostKept) this.#faults.push(fault)
  }

  #take(octets: Uint8Array, index: number, tile: Uint8Array | null, at: number): void {
    const leaf = leafHash(octets)
    if (index < this.#tree.size) {
      if (!equal(this.#tree.node(0, index), leaf))
        this.#fault({ kind: 'altered', index, text: `Entry ${index} is not the one that was shown a moment ago.` })
      return
    }
    const { text, entry, problem } = readEntry(octets, index)
    if (problem !== null) this.#fault({ kind: 'form', index, text: `Entry ${index} is no entry: ${problem}.` })
    const tileDiffers = tile !== null && !equal(tile.subarray(at * hashLength, (at + 1) * hashLength), leaf)
    if (tileDiffers) this.#tileLeaves.push(index)
    if (entry.prev !== this.#last && problem === null) {
      const before = index - 1
      this.#fault(
        index === 0 || tileDiffers
          ? { kind: 'chain', index, text: `Entry ${index} does not hold the hash of the entry before it.` }
          : { kind: 'chain', index: before, text: `Entry ${before} is not the one that entry ${index} was written after.` }
      )
    }
    const own = problem === null ? ownEntry(entry, this.#known.trusted.name) : null
    if (own !== null && 'rotation' in own) this.#rotations.push(own.rotation)
    else if (own !== null) this.#fault({ kind: 'form', index, text: own.problem })
    if (problem === null) {
      this.#calls.take(entry)
      this.#commitments?.take(entry)
    }
    this.#last = hex(leaf)
    this.#tree.append(leaf)
    this.records.append(text, entry, problem === null)
  }

  async #checkUpperTiles(size: number): Promise<void> {
    if (this.#source.tile === null) return
    for (let level = 1, width = tileWidth; Math.floor(size / width) > 0; level++, width *= tileWidth) {
      const hashes = Math.floor(size / width)
      for (let tile = 0; tile * tileWidth < hashes; tile++) {
        const count = Math.min(tileWidth, hashes - tile * tileWidth)
        const told = await this.#source.tile(level, tile, count)
        for (let at = 0; at < count; at++) {
          const node = tile * tileWidth + at
          if (equal(told.subarray(at * hashLength, (at + 1) * hashLength), this.#tree.node(level * 8, node))) continue
          const index = node * width
          if (!this.#tileLeaves.some((leaf) => leaf >= index && leaf < index + width))
            this.#fault({
              kind: 'tile',
              index,
              text: `Tile ${level}/${tile} holds another hash for entries ${index} to ${index + width - 1}.`
            })
        }
      }
    }
  }

  async heads(progress: (progress: Progress) => void, older: boolean): Promise<History> {
    const checkpoint = this.#checkpoint
    if (checkpoint === null || this.#older === null) return { heads: [], more: false }
    if (older && this.#older.previous !== null) {
      const { checkpoints, previous } = await this.#source.history(this.#older.previous)
      this.#older = { notes: [...readNotes(checkpoints), ...this.#older.notes], previous }
    }
    const all = [...this.#older.notes, ...this.#history, checkpoint]
    const notes = [...new Map(all.map((head) => [head.note, head])).values()].sort((a, b) => a.size - b.size)
    const heads: Head[] = []
    let previous: Checkpoint | null = null
    for (const [at, head] of notes.entries()) {
      if (at % 10 === 0) progress({ done: at, of: notes.length })
      heads.push(await this.#head(head, previous))
      if (head.size <= this.#tree.size) previous = head
    }
    progress({ done: notes.length, of: notes.length })
    return { heads, more: this.#older.previous !== null }
  }

  async #head(head: Checkpoint, previous: Checkpoint | null): Promise<Head> {
    const tree = this.#tree
    const signed = await signers(head, this.#keys)
    const judgement = this.#known.policy === null ? null : await judge(this.#known.policy, head)
    const grown = head.size <= tree.size && (previous === null || previous.size <= head.size)
    const proof = grown && previous !== null ? tree.consistencyProof(previous.size, head.size) : null
    const last = head.size === 0 ? -1 : this.records.positionOf(head.size - 1)
    const [state, text] = this.#stateOf(head, previous, signed.length > 0, proof)
    return {
      size: head.size,
      root: rootText(head),
      note: head.note,
      lastEntry: last < 0 ? null : this.records.entry(last).time,
      signedBy: signed.map(({ id }) => id),
      witnesses: judgement?.witnesses ?? [],
      quorum: judgement?.quorum ?? true,
      state,
      text,
      proof: proof?.map(hex) ?? null,
      previousSize: previous?.size ?? null
    }
  }

  #stateOf(
    head: Checkpoint,
    previous: Checkpoint | null,
    signed: boolean,
    proof: readonly Uint8Array[] | null
  ): readonly [CheckState, string] {
    if (head.size > this.#tree.size) return ['bad', 'It covers entries that the log does not show.']
    if (!equal(this.#tree.rootAt(head.size), head.root))
      return [
        'bad',
        signed ? 'It was signed for other entries than these: a fork.' : 'It is not of these entries, and not signed by the log.'
      ]
    if (!signed) return ['warn', 'It is a state of this tree, but no key that is trusted signed it.']
    if (previous === null || proof === null) return ['good', 'It is a state of this tree.']
    return checkConsistency(previous.size, previous.root, head.size, head.root, proof)
      ? ['good', `It grew from the checkpoint over ${count(previous.size)}: shown by ${proof.length} hashes.`]
      : ['bad', `It did not grow from the checkpoint over ${count(previous.size)}.`]
  }

  prove(position: number): Proof | null {
    const checkpoint = this.#checkpoint
    const { size } = checkpoint ?? { size: 0 }
    if (checkpoint === null || position >= Math.min(size, this.#tree.size)) return null
    const leaf = this.#tree.node(0, position)
    const hashes = size <= this.#tree.size ? this.#tree.inclusionProof(position, size) : []
    const octets = utf8(this.records.text(position))
    const good = equal(leafHash(octets), leaf) && checkInclusion(leaf, position, size, checkpoint.root, hashes)
    const lines = ['c2sp.org/tlog-proof@v1', `extra ${base64(octets)}`, `index ${position}`, ...hashes.map(base64)]
    return {
      index: position,
      leaf: hex(leaf),
      size,
      root: rootText(checkpoint),
      hashes: hashes.map(hex),
      good,
      text: `${lines.join('\n')}\n\n${checkpoint.note}`
    }
  }

  payload(index: number): Payload | null {
    return payloadOf(this.#payloads.get(index), this.records, index)
  }
}
