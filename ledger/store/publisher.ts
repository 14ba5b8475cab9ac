/**
 * Publishes heads: asks the witnesses of the policy, waits for a quorum, and only then adds the head to the published ones.
 *
 *     head moved ─▶ pause ─▶ ask every witness ─▶ quorum? ─▶ published ─▶ (head moved on? begin again)
 *                     ▲                             │ no
 *                     └────── longer pause ◀── unwitnessed: told once; entries go on
 *
 * Witnesses that cannot be asked, since the policy has no address of them, come and ask which head waits, and bring their cosignatures. For them a head
 * stands still for a while before the next one takes its turn.
 */
import { type Clock, errorCode } from '#kernel'
import type { AskSeat } from '../client/seat-client.ts'
import { formatAddCheckpoint, parseSize } from '../log/add-checkpoint.ts'
import { cosignedAt } from '../log/cosignature.ts'
import { type CheckpointNote, parseCheckpoint, signatureLine } from '../log/note.ts'
import { isQuorum, judgeCheckpoint, nameText, type Policy, type PolicyWitness } from '../log/policy.ts'
import { proveConsistency } from '../log/prover.ts'
import { tilesOf } from '../read/tiles.ts'
import type { PublishedHeads } from './published.ts'
import type { Head, LogReader } from './store.ts'

/** How the publishing of heads stands. */
export interface Witnessing {
  /** `unasked`: the policy names no quorum. `unwitnessed`: the last head that was to be published found none. */
  readonly state: 'unasked' | 'witnessed' | 'unwitnessed'
  /** Entries under the newest published head. */
  readonly publishedSize: number
  /** Witnesses, by their names in the policy, that did not cosign when last asked, and why: a code, an HTTP status, `behind`. */
  readonly missing: Readonly<Record<string, string>>
  /** The head that waits for cosignatures, signed by the log alone; null when none waits for witnesses that are not asked. */
  readonly waiting: string | null
}

/** What became of a cosignature that a witness brought: `late`, the head has been published, or given up; `refused`, it is none of a witness of the policy. */
export type Brought = 'taken' | 'late' | 'refused'

/** Counts since the ledger was opened. */
export interface WitnessingFigures {
  /** Heads published. */
  readonly published: number
  /** When a quorum was last found, in milliseconds since 1970; null when it was not yet. */
  readonly witnessedAtMs: number | null
  /** By names of witnesses in the policy. */
  readonly seats: Readonly<Record<string, { readonly asked: number; readonly received: number; readonly late: number }>>
}

export interface PublisherConfig {
  readonly log: LogReader
  readonly head: () => Head
  readonly heads: PublishedHeads
  readonly policy: Policy
  readonly ask: AskSeat
  readonly clock: Clock
  /** Heads are published at most this often, in milliseconds; with Infinity only at the end. */
  readonly intervalMs: number
  /** How long one witness may take, in milliseconds. */
  readonly answerWithinMs: number
  /** How long a head stands still for witnesses that are not asked, in milliseconds. Default 30,000. */
  readonly holdMs?: number
  /** Told when `state` changes, and when something was published. */
  readonly onChange: (now: Witnessing, before: Witnessing) => void
  /** Told when the file of published heads cannot be written. */
  readonly onFailure: (code: string) => void
}

export interface Publisher {
  /** The head of the log has moved. */
  readonly changed: () => void
  /** Publishes a head under which one key takes over from another: what follows cannot be checked without it, so it waits for no quorum. @throws what the file system throws */
  readonly publishAnyway: (checkpoint: string) => void
  readonly witnessing: () => Witnessing
  readonly figures: () => WitnessingFigures
  /** Takes cosignatures that a witness brings: the checkpoint as it waits, with its lines. Never throws for what it holds. */
  readonly bring: (note: string) => Brought
  /** Tries once more and ends. */
  readonly end: () => Promise<void>
}

/** A head that is asked about again has moved on, or the witness has: one question each, and one to learn where it stands. */
const questions = 3
const longestPauseMs = 30_000
/** Signatures of the log itself under a head. */
const mostOwnLines = 2

/** A head on its way to a quorum. */
interface Gathering {
  readonly checkpoint: string
  readonly note: CheckpointNote
  /** Cosignatures so far, by names of witnesses. */
  readonly lines: Map<string, string>
  missing: Record<string, string>
  readonly sinceMs: number
}

const sizeOf = (checkpoint: string | null): number => (checkpoint === null ? 0 : Number(checkpoint.split('\n')[1]))

export function createPublisher(config: PublisherConfig): Publisher {
  const { clock, heads, policy } = config
  /** Sizes the witnesses have signed, as far as they have said. */
  const signed = new Map<string, number>()
  const asked = policy.witnesses.filter(({ url }) => url !== null)
  /** Whether some of the witnesses come by themselves. */
  const brings = asked.length < policy.witnesses.length && policy.quorum !== null
  const unasked = Object.fromEntries(
    policy.witnesses.filter(({ url }) => url === null).map(({ name }) => [nameText(name), 'no-url'])
  )
  const latest = heads.latest(policy)
  let now: Witnessing = {
    state: policy.quorum === null ? 'unasked' : 'witnessed',
    publishedSize: sizeOf(latest),
    missing: {},
    waiting: null
  }
  const holdMs = config.holdMs ?? 30_000
  const figures = {
    published: 0,
    witnessedAtMs: witnessedAt(latest, policy),
    seats: Object.fromEntries(policy.witnesses.map(({ name }) => [nameText(name), { asked: 0, received: 0, late: 0 }]))
  }
  const of = (name: string) => figures.seats[nameText(name)]!
  /** The head that cosignatures are gathered for. */
  let gathering: Gathering | null = null
  let cancelPause: (() => void) | null = null
  let underWay: Promise<void> | null = null
  let pauseMs = config.intervalMs
  let ended = false

  /** The witness's signature lines for this checkpoint, or why there are none. */
  const askOne = async (
    { name, verifier, url }: PolicyWitness,
    checkpoint: string,
    note: CheckpointNote
  ): Promise<{ lines: string } | { why: string }> => {
    const { size } = note.checkpoint
    of(name).asked++
    try {
      for (let times = 0; times < questions; times++) {
        const oldSize = signed.get(name) ?? 0
        if (oldSize > size) return { why: 'ahead' }
        const proof = await proveConsistency(tilesOf(config.log), oldSize, size)
        const reply = await config.ask(url!, formatAddCheckpoint({ oldSize, proof, checkpoint }), config.answerWithinMs)
        if (reply.type === 'refused') return { why: `http-${reply.status}` }
        if (reply.type === 'size') {
          const theirs = parseSize(reply.text.replace(/\n$/, ''))
          if (theirs === null) return { why: 'malformed' }
          if (theirs === oldSize) return { why: 'http-409' }
          signed.set(name, theirs)
          continue
        }
        signed.set(name, size)
        const lines = cosignatureLines(note, reply.lines, verifier)
        if (lines === '') return { why: 'bad-signature' }
        of(name).received++
        return { lines }
      }
      return { why: 'busy' }
    } catch (error) {
      of(name).late++
      return { why: errorCode(error) }
    }
  }

  const change = (next: Witnessing) => {
    const before = now
    now = next
    config.onChange(now, before)
  }

  const countPublished = () => {
    figures.published++
    figures.witnessedAtMs = clock.now()
  }

  const isComplete = ({ lines }: Gathering): boolean => isQuorum(policy, new Set(lines.keys()))

  /** @throws what the file system throws */
  const publishGathered = ({ checkpoint, note, lines, missing }: Gathering) => {
    heads.publish(checkpoint + [...lines.values()].join(''))
    countPublished()
    gathering = null
    pauseMs = config.intervalMs
    const state = policy.quorum === null ? 'unasked' : 'witnessed'
    change({ state, publishedSize: note.checkpoint.size, missing, waiting: null })
  }

  /** The head to be published next; null when there is nothing new. */
  const nextHead = (): Gathering | null => {
    const { checkpoint } = config.head()
    if (checkpoint === null || sizeOf(checkpoint) <= now.publishedSize) return null
    const note = parseCheckpoint(checkpoint)
    // where nobody comes by himself nobody is waited for, and what tells the time takes Node a millisecond to load
    const sinceMs = brings ? clock.monotonicMs() : 0
    return { checkpoint, note, lines: new Map(), missing: { ...unasked }, sinceMs }
  }

  const publishNow = async (): Promise<void> => {
    const isHeld = gathering !== null && brings && clock.monotonicMs() - gathering.sinceMs < holdMs
    gathering = isHeld ? gathering : nextHead()
    if (gathering === null) return
    const mine = gathering
    const open = asked.filter(({ name }) => !mine.lines.has(name))
    const replies = await Promise.all(
      open.map(async (witness) => ({ name: witness.name, ...(await askOne(witness, mine.checkpoint, mine.note)) }))
    )
    // a cosignature that was brought meanwhile may have completed it
    if (gathering !== mine) return
    mine.missing = Object.fromEntries(
      Object.entries(unasked).filter(([name]) => ![...mine.lines.keys()].map(nameText).includes(name))
    )
    for (const reply of replies) {
      if ('why' in reply) mine.missing[nameText(reply.name)] = reply.why
      else mine.lines.set(reply.name, reply.lines)
    }
    if (isComplete(mine)) return publishGathered(mine)
    if (brings && clock.monotonicMs() - mine.sinceMs < holdMs) {
      pauseMs = Math.max(config.intervalMs, 100)
      if (now.waiting !== mine.checkpoint) change({ ...now, waiting: mine.checkpoint })
      return
    }
    pauseMs = Math.min(Math.max(2 * pauseMs, 100), Math.max(longestPauseMs, config.intervalMs))
    change({ ...now, state: 'unwitnessed', missing: mine.missing })
  }

  const bring = (text: string): Brought => {
    let brought: CheckpointNote
    try {
      brought = parseCheckpoint(text)
    } catch {
      return 'refused'
    }
    // a stranger may bring this: each line costs a check of a signature
    if (brought.signatures.length > policy.witnesses.length + mostOwnLines) return 'refused'
    const good = policy.witnesses.filter(({ verifier }) => cosignedAt(brought, verifier) !== null)
    if (good.length === 0) return 'refused'
    const mine = gathering
    if (mine === null || mine.note.body !== brought.body) {
      for (const { name } of good) of(name).late++
      return 'late'
    }
    const lines = brought.signatures.map((line) => signatureLine(line, line.signature)).join('')
    for (const { name, verifier } of good) {
      if (mine.lines.has(name)) continue
      of(name).received++
      mine.lines.set(name, cosignatureLines(mine.note, lines, verifier))
      delete mine.missing[nameText(name)]
    }
    try {
      if (isComplete(mine)) publishGathered(mine)
    } catch (error) {
      config.onFailure(errorCode(error))
    }
    return 'taken'
  }

  const run = (): Promise<void> => {
    cancelPause?.()
    cancelPause = null
    underWay ??= publishNow()
      .catch((error: unknown) => config.onFailure(errorCode(error)))
      .finally(() => {
        underWay = null
        if (!ended && sizeOf(config.head().checkpoint) > now.publishedSize) plan()
      })
    return underWay
  }

  const plan = () => {
    if (ended || underWay !== null || pauseMs === Number.POSITIVE_INFINITY) return
    cancelPause ??= clock.after(pauseMs, () => {
      cancelPause = null
      void run()
    })
  }

  return {
    changed: plan,
    publishAnyway: (checkpoint) => {
      heads.publish(checkpoint)
      figures.published++
      if (policy.quorum === null) now = { ...now, publishedSize: sizeOf(checkpoint) }
    },
    witnessing: () => now,
    figures: () => structuredClone(figures),
    bring,
    end: async () => {
      ended = true
      cancelPause?.()
      await underWay
      await run()
    }
  }
}

/** When the last of its witnesses saw a head, in milliseconds since 1970. */
function witnessedAt(published: string | null, policy: Policy): number | null {
  const times = published === null ? [] : [...judgeCheckpoint(policy, parseCheckpoint(published)).cosigned.values()]
  return times.length === 0 ? null : 1000 * Math.max(...times)
}

/** Those lines of a witness's answer that are its good cosignatures of this checkpoint; others are passed over, as the protocol demands. */
function cosignatureLines({ body }: CheckpointNote, lines: string, verifier: PolicyWitness['verifier']): string {
  let kept = ''
  for (const line of parseCheckpoint(`${body}\n${lines}`).signatures) {
    if (cosignedAt({ body, signatures: [line] }, verifier) !== null) kept += signatureLine(line, line.signature)
  }
  return kept
}
