/**
 * Publishes heads: asks the witnesses of the policy, waits for a quorum, and only then adds the head to the published ones.
 *
 *     head moved ─▶ pause ─▶ ask every witness ─▶ quorum? ─▶ published ─▶ (head moved on? begin again)
 *                     ▲                             │ no
 *                     └────── longer pause ◀── unwitnessed: told once; entries go on
 */
import { type Clock, errorCode } from '#kernel'
import type { AskSeat } from '../client/seat-client.ts'
import { formatAddCheckpoint, parseSize } from '../log/add-checkpoint.ts'
import { cosignedAt } from '../log/cosignature.ts'
import { type CheckpointNote, parseCheckpoint, signatureLine } from '../log/note.ts'
import { isQuorum, nameText, type Policy, type PolicyWitness } from '../log/policy.ts'
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
}

export interface PublisherConfig {
  readonly log: LogReader
  readonly head: () => Head
  readonly heads: PublishedHeads
  readonly policy: Policy
  readonly ask: AskSeat
  readonly clock: Clock
  /** Heads are published at most this often, in milliseconds. */
  readonly intervalMs: number
  /** How long one witness may take, in milliseconds. */
  readonly answerWithinMs: number
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
  /** Tries once more and ends. */
  readonly end: () => Promise<void>
}

/** A head that is asked about again has moved on, or the witness has: one question each, and one to learn where it stands. */
const questions = 3
const longestPauseMs = 30_000

const sizeOf = (checkpoint: string | null): number => (checkpoint === null ? 0 : Number(checkpoint.split('\n')[1]))

export function createPublisher(config: PublisherConfig): Publisher {
  const { clock, heads, policy } = config
  /** Sizes the witnesses have signed, as far as they have said. */
  const signed = new Map<string, number>()
  const asked = policy.witnesses.filter(({ url }) => url !== null)
  const unasked = Object.fromEntries(
    policy.witnesses.filter(({ url }) => url === null).map(({ name }) => [nameText(name), 'no-url'])
  )
  let now: Witnessing = {
    state: policy.quorum === null ? 'unasked' : 'witnessed',
    publishedSize: sizeOf(heads.latest(policy)),
    missing: {}
  }
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
        return lines === '' ? { why: 'bad-signature' } : { lines }
      }
      return { why: 'busy' }
    } catch (error) {
      return { why: errorCode(error) }
    }
  }

  const change = (next: Witnessing) => {
    const before = now
    now = next
    config.onChange(now, before)
  }

  const publishNow = async (): Promise<void> => {
    const { checkpoint } = config.head()
    if (checkpoint === null || sizeOf(checkpoint) <= now.publishedSize) return
    const note = parseCheckpoint(checkpoint)
    const replies = await Promise.all(
      asked.map(async (witness) => ({ name: witness.name, ...(await askOne(witness, checkpoint, note)) }))
    )
    const cosigned = new Set<string>()
    const missing: Record<string, string> = { ...unasked }
    let lines = ''
    for (const reply of replies) {
      if ('why' in reply) missing[nameText(reply.name)] = reply.why
      else {
        cosigned.add(reply.name)
        lines += reply.lines
      }
    }
    if (!isQuorum(policy, cosigned)) {
      pauseMs = Math.min(Math.max(2 * pauseMs, 100), Math.max(longestPauseMs, config.intervalMs))
      return change({ ...now, state: 'unwitnessed', missing })
    }
    heads.publish(checkpoint + lines)
    pauseMs = config.intervalMs
    change({ state: policy.quorum === null ? 'unasked' : 'witnessed', publishedSize: note.checkpoint.size, missing })
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
    if (ended || underWay !== null) return
    cancelPause ??= clock.after(pauseMs, () => {
      cancelPause = null
      void run()
    })
  }

  return {
    changed: plan,
    publishAnyway: (checkpoint) => {
      heads.publish(checkpoint)
      if (policy.quorum === null) now = { ...now, publishedSize: sizeOf(checkpoint) }
    },
    witnessing: () => now,
    end: async () => {
      ended = true
      cancelPause?.()
      await underWay
      await run()
    }
  }
}

/** Those lines of a witness's answer that are its good cosignatures of this checkpoint; others are passed over, as the protocol demands. */
function cosignatureLines({ body }: CheckpointNote, lines: string, verifier: PolicyWitness['verifier']): string {
  let kept = ''
  for (const line of parseCheckpoint(`${body}\n${lines}`).signatures) {
    if (cosignedAt({ body, signatures: [line] }, verifier) !== null) kept += signatureLine(line, line.signature)
  }
  return kept
}
