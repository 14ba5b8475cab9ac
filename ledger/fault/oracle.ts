/** Knows what was acknowledged, from outside of the process that did it, and holds the log against that. */
import { existsSync } from 'node:fs'
import { ledgerFiles, type Verdict, type Verification, verifyLedger } from '#ledger'
import { leafHash } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import { type LogPlace, openLogReader } from '../store/open.ts'
import { readPublished } from '../store/published.ts'
import type { LogReader, Place } from '../store/store.ts'

/** What was counted; sums over all rounds. */
export interface Tally {
  acknowledged: number
  /** Acknowledged and not in the log, not in the place told, or a published head longer than the log. */
  lost: number
  /** Keys that stand in the log twice, or were acknowledged at two places. */
  duplicated: number
  /** Heads, or entries under a head, that an earlier look saw otherwise. */
  forked: number
  /** Rounds in which the verifier had another word than `valid`, or the log could not be opened. */
  invalid: number
  /** What was wrong, in words; the first twenty. */
  readonly problems: string[]
}

export const newTally = (): Tally => ({ acknowledged: 0, lost: 0, duplicated: 0, forked: 0, invalid: 0, problems: [] })

/** What is watched. */
export interface Watched {
  readonly log: LogPlace
  /** Folders of the processes that write to it: their published heads are in them. */
  readonly folders: readonly string[]
}

/** An embedded ledger. */
export const embedded = (dir: string): Watched => ({ log: { kind: 'sqlite', path: ledgerFiles(dir).database }, folders: [dir] })

const ackLine = /^([A-Za-z0-9_-]+):(\d+) (?:(\d+) ([0-9a-f]{64})|spooled) (\d+)$/

export class Oracle {
  readonly tally: Tally
  readonly #log: LogPlace
  readonly #folders: readonly string[]
  /** Keys that a spool has acknowledged: they are to be in the log when it is delivered. */
  readonly #promised = new Set<string>()
  readonly #acknowledged = new Map<string, Place>()
  readonly #next: Record<string, number>
  #top = -1
  /** Hashes of the entries of the latest look, by leaf number. */
  #seen: string[] = []
  /** Heads that somebody outside has seen. */
  readonly #heads = new Set<string>()

  constructor({ log, folders }: Watched, producers: readonly string[], tally: Tally) {
    this.#log = log
    this.#folders = folders
    this.#next = Object.fromEntries(producers.map((producer) => [producer, 0]))
    this.tally = tally
  }

  /** Where each producer goes on: behind the last entry acknowledged. */
  next(): Readonly<Record<string, number>> {
    return { ...this.#next }
  }

  /** The highest leaf number acknowledged; -1 while there is none. */
  get top(): number {
    return this.#top
  }

  problem(words: string): void {
    if (this.tally.problems.length < 20) this.tally.problems.push(words)
  }

  /** A round that did not go as it must. */
  invalid(words: string): void {
    this.tally.invalid++
    this.problem(words)
  }

  /**
   * Takes what a process wrote. A torn last line was not received.
   *
   * @param untilNs the monotonic clock when the power went: what a process says afterwards, no machine could have said
   * @returns codes of failures it told
   */
  hear(output: string, untilNs = Number.POSITIVE_INFINITY): string[] {
    const failures: string[] = []
    for (const line of output.split('\n').slice(0, -1)) {
      const match = ackLine.exec(line)
      if (match === null) {
        failures.push(line.replace(/^! /, ''))
        continue
      }
      const [, producer, number, index, hash, atNs] = match
      if (Number(atNs) > untilNs) continue
      const key = `${producer}:${number}`
      if (index === undefined) {
        this.#promised.add(key)
        this.tally.acknowledged++
        continue
      }
      const place = { index: Number(index), hash: hash! }
      const before = this.#acknowledged.get(key)
      if (before !== undefined && (before.index !== place.index || before.hash !== place.hash)) {
        this.tally.duplicated++
        this.problem(`${key} was acknowledged at ${before.index} and at ${place.index}`)
      }
      if (before === undefined) this.tally.acknowledged++
      this.#acknowledged.set(key, place)
      this.#top = Math.max(this.#top, place.index)
      this.#next[producer!] = Math.max(this.#next[producer!] ?? 0, Number(number) + 1)
    }
    return failures
  }

  /** Keeps the heads published so far, as somebody would who fetches them while the log runs. */
  observeHeads(): void {
    for (const dir of this.#folders) {
      for (const head of readPublished(ledgerFiles(dir).published)) if (head !== null) this.#heads.add(head)
    }
  }

  /**
   * Holds the log, as it lies on the disk after the fault, against all that is known.
   *
   * @param vkey null while no ledger was made
   * @param delivered whether what was spooled must be there
   */
  async check(vkey: string | null, delivered = false): Promise<void> {
    if (vkey === null || (this.#log.kind === 'sqlite' && !existsSync(this.#log.path))) {
      if (this.#acknowledged.size === 0) return
      this.tally.lost += this.#acknowledged.size
      return this.problem('there is no log, and entries were acknowledged')
    }
    let found: Found
    try {
      found = await this.#read(readAll)
    } catch (error) {
      // a database without tables: the process was stopped before it had made them
      if (this.#acknowledged.size === 0 && /no such table/.test(String(error))) return
      return this.invalid(`the log cannot be read: ${String(error)}`)
    }
    const { keys, hashes, head } = found
    const times = new Map<string, number>()
    for (const key of keys) times.set(key, (times.get(key) ?? 0) + 1)
    for (const [key, count] of times) {
      if (count === 1) continue
      this.tally.duplicated++
      this.problem(`${key} stands in the log ${count} times`)
    }
    let lost = 0
    for (const [key, { index, hash }] of this.#acknowledged) {
      if (keys[index] === key && hashes[index] === hash) continue
      if (lost++ === 0) this.problem(`${key}, acknowledged at ${index}, is not there: the log has ${hashes.length} entries`)
    }
    for (const key of delivered ? this.#promised : []) {
      if (times.has(key)) continue
      if (lost++ === 0) this.problem(`${key}, acknowledged by the spool, is not there`)
    }
    this.tally.lost += lost
    const changed = this.#seen.findIndex((hash, index) => index < hashes.length && hashes[index] !== hash)
    if (changed >= 0) {
      this.tally.forked++
      this.problem(`entry ${changed} is another than before`)
    }
    const { verdict, explanation } = await this.verify(vkey)
    this.#count(verdict, explanation)
    this.#seen = hashes
    if (head !== null) this.#heads.add(head)
  }

  /** The verifier's word. @param held whether it is told the heads that were seen */
  async verify(vkey: string, held = true): Promise<Verification> {
    const log = this.#log.kind === 'sqlite' ? this.#log.path : this.#log.url
    const all = { vkey, depth: 'form', beside: {} } as const
    if (!held) return verifyLedger(log, all)
    if (this.#log.kind === 'redis') this.observeHeads()
    return verifyLedger(log, { ...all, pinned: [...this.#heads], publishedPath: ledgerFiles(this.#folders[0]!).published })
  }

  async #read<T>(use: (reader: LogReader) => Promise<T>): Promise<T> {
    const reader = await openLogReader(this.#log)
    try {
      return await use(reader)
    } finally {
      await reader.close()
    }
  }

  #count(verdict: Verdict, explanation: string): void {
    if (verdict === 'valid') return
    if (verdict === 'forked') this.tally.forked++
    else if (verdict === 'truncated') this.tally.lost++
    this.invalid(`${verdict}: ${explanation}`)
  }
}

interface Found {
  readonly keys: readonly string[]
  readonly hashes: string[]
  readonly head: string | null
}

async function readAll(reader: LogReader): Promise<Found> {
  const head = await reader.head()
  const keys: string[] = []
  const hashes: string[] = []
  for await (const { data } of reader.segments(0, head.size)) {
    for (const entry of entriesOf(data)) {
      hashes.push(leafHash(entry).toString('hex'))
      keys.push((JSON.parse(Buffer.from(entry).toString('utf8')) as { payload: { key: string } }).payload.key)
    }
  }
  return { keys, hashes, head: head.checkpoint }
}
