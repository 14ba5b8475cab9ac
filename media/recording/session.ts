/**
 * One recording, from the first question to closed files: announcement, consent in the ledger, then sound. What the ledger does not take is not recorded.
 *
 *     asking ──somebody has agreed──▶ running ──end, fail──▶ ending ──▶ closed
 *        └──────────────────end, fail─────────────────────────▲
 */
import { join } from 'node:path'
import { type Clock, errorCode, type JsonObject, type Log, newTraceId, type ParticipantRole, step } from '#kernel'
import type { MediaPlane } from '../media.ts'
import { type ConsentEffect, type ConsentEvent, type ConsentState, consentTable } from './consent.ts'
import type { RecordingEntries } from './entries.ts'
import type { RecordedAudio, RecordedParty, RecordingGap, RecordingManifest, RecordingState } from './files.ts'
import type { RecordingPolicy } from './policy.ts'
import { endWithinMs, type RecordingThread, type ToldOfRecording } from './recording-thread.ts'
import { RingReader, ringMemory } from './ring.ts'
import { recordingFormat, type SecondLine } from './second.ts'

/** How recordings are made. */
export interface RecordingConfig {
  /** Folder of all recordings, each in a folder of its own. */
  readonly folder: string
  readonly audio: RecordedAudio
  /** Seconds of one entry in the ledger, 1 to 600. */
  readonly batchSeconds: number
  /** SHA-256 of the certificate with which exports will be signed, told in each recording's first entry; null for none. */
  readonly signer: string | null
  /** Room for what waits for the disk, a power of two. Default 8 MiB: seconds of a large conference. */
  readonly ringOctets?: number
}

export type RecorderEvent = {
  readonly recording: string
  readonly conference: string
} & (
  | { readonly type: 'started' }
  | { readonly type: 'consent'; readonly participant: string; readonly given: boolean; readonly by: string }
  | { readonly type: 'batch'; readonly seconds: number; readonly entry: number | null }
  | { readonly type: 'stopped'; readonly seconds: number; readonly reason: string }
  | { readonly type: 'failed'; readonly seconds: number; readonly code: string }
)

export interface RecordingStatus {
  readonly recording: string
  readonly conference: string
  /** `asking`: nobody has agreed yet, nothing is recorded. */
  readonly state: 'asking' | 'running' | 'ending'
  readonly participants: readonly { readonly participant: string; readonly consent: ConsentState }[]
}

export interface SessionPorts {
  readonly plane: Pick<MediaPlane, 'announce' | 'record' | 'recordParticipant'>
  readonly thread: Pick<RecordingThread, 'isThere' | 'start' | 'post'>
  readonly entries: RecordingEntries
  readonly clock: Clock
  readonly log: Log
  readonly emit: (event: RecorderEvent) => void
}

export interface SessionParts {
  readonly id: string
  readonly conference: string
  readonly policy: RecordingPolicy
  /** A participant, `automatic` or `operator`. */
  readonly startedBy: string
}

/** Somebody in the conference; the role is read each time that it is told. */
export interface Person {
  readonly participant: string
  readonly role: ParticipantRole
}

interface Member {
  readonly person: Person
  consent: ConsentState
  /** 0 while it is not recorded. */
  slot: number
  cancelTimer: (() => void) | null
}

const watchMs = 250

export class RecordingSession {
  readonly id: string
  readonly conference: string
  readonly policy: RecordingPolicy
  readonly traceId = newTraceId()
  readonly #startedBy: string
  readonly #config: RecordingConfig
  readonly #ports: SessionPorts
  readonly #members = new Map<string, Member>()
  readonly #parties: RecordedParty[] = []
  #state: RecordingStatus['state'] = 'asking'
  /** Whether it has begun, once somebody has agreed: false when the ledger or the disk did not take it. */
  #begun: Promise<boolean> | null = null
  #startedAt: number
  #ring: RingReader | null = null
  #nextSlot = 1
  #seconds = 0
  #cancelWatch: (() => void) | null = null
  /** Gaps that stand in no entry yet. */
  #gaps: RecordingGap[] = []
  /** Entries under way; the last one is told when they are done. */
  readonly #telling = new Set<Promise<unknown>>()
  /** The thread has closed its files. */
  readonly #over = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<void>()

  constructor({ id, conference, policy, startedBy }: SessionParts, config: RecordingConfig, ports: SessionPorts) {
    this.id = id
    this.conference = conference
    this.policy = policy
    this.#startedBy = startedBy
    this.#config = config
    this.#ports = ports
    this.#startedAt = ports.clock.now()
  }

  get isEnding(): boolean {
    return this.#state === 'ending'
  }

  /** Resolves when it has ended, the files are closed, and the ledger has everything. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  status(): RecordingStatus {
    return {
      recording: this.id,
      conference: this.conference,
      state: this.#state,
      participants: [...this.#members.values()].map(({ person, consent }) => ({ participant: person.participant, consent }))
    }
  }

  /** Asks somebody, once. */
  admit(person: Person): void {
    if (this.#members.has(person.participant)) return
    const member: Member = { person, consent: 'unasked', slot: 0, cancelTimer: null }
    this.#members.set(person.participant, member)
    this.#happens(member, { type: 'ask' })
  }

  /** Somebody has left. */
  dismiss(participant: string): void {
    const member = this.#members.get(participant)
    if (member === undefined) return
    this.#members.delete(participant)
    member.cancelTimer?.()
    if (member.slot === 0) return
    this.#release(member)
    this.#describe()
  }

  /** What somebody says to being recorded. */
  answer(participant: string, event: Extract<ConsentEvent, { type: 'yes' | 'no' | 'turn' }>): void {
    const member = this.#members.get(participant)
    if (member !== undefined) this.#happens(member, event)
  }

  /** What the recording thread tells. */
  receive(told: ToldOfRecording): void {
    switch (told.type) {
      case 'batch':
        this.#seconds = told.seconds.at(-1)!.second + 1
        this.#tellBatch(told.batch, told.seconds)
        return
      case 'gap': {
        const { second, milliseconds } = told
        this.#gaps.push({ second, milliseconds })
        this.#ports.log.warn({ recording: this.id, second, milliseconds }, 'a gap in a recording')
        return
      }
      case 'failed':
        this.#seconds = told.seconds
        this.#fail(told.code)
        this.#over.resolve()
        return
      case 'ended':
        this.#seconds = told.seconds
        this.#over.resolve()
    }
  }

  threadLost(): void {
    this.#fail('recording.thread.lost')
    this.#over.resolve()
  }

  /** Idempotent. */
  end(reason: string): void {
    if (this.#state === 'ending') return
    const hadBegun = this.#state === 'running'
    this.#silence()
    if (!hadBegun) {
      this.#over.resolve()
      if (this.#begun !== null) this.#tell('recording_stopped', { reason, seconds: 0 })
      this.#closeUp()
      return
    }
    this.#ports.thread.post({ type: 'end', manifest: this.#manifest('stopped', reason) })
    this.#closeUp(() => {
      const seconds = this.#seconds
      this.#tell('recording_stopped', { reason, seconds, parties: this.#parties.length })
      this.#emit({ type: 'stopped', seconds, reason })
    })
  }

  /** The call goes on; the recording does not. */
  #fail(code: string): void {
    if (this.#state === 'ending') return
    const hadBegun = this.#state === 'running'
    this.#silence()
    this.#ports.log.error({ recording: this.id, code }, 'recording failed')
    if (hadBegun) this.#ports.thread.post({ type: 'end', manifest: this.#manifest('failed', code) })
    else this.#over.resolve()
    this.#tell('recording_failed', { code, seconds: this.#seconds })
    this.#emit({ type: 'failed', seconds: this.#seconds, code })
    this.#closeUp()
  }

  // its beginning and its end

  #begin(): Promise<boolean> {
    this.#begun ??= (async () => {
      const { plane, thread, entries, clock } = this.#ports
      const { folder, audio, batchSeconds, signer, ringOctets = 1 << 23 } = this.#config
      this.#startedAt = clock.now()
      try {
        await entries.note(this, 'recording_started', {
          by: this.#startedBy,
          consent: this.policy.consent,
          retentionDays: this.policy.retentionDays,
          audio: { ...audio },
          batchSeconds,
          startedAt: new Date(this.#startedAt).toISOString(),
          ...(signer === null ? {} : { signer })
        })
        if (!thread.isThere()) await thread.start()
      } catch (error) {
        this.#fail(errorCode(error))
        return false
      }
      if (this.#state !== 'asking') return false
      const memory = ringMemory(ringOctets)
      this.#ring = new RingReader(memory)
      this.#state = 'running'
      thread.post({
        type: 'begin',
        plan: { id: this.id, folder: join(folder, this.id), audio, batchSeconds, startedAt: this.#startedAt },
        ring: memory,
        manifest: this.#manifest('running', null)
      })
      inPlane(() => plane.record(this.conference, memory))
      this.#watch()
      this.#emit({ type: 'started' })
      return true
    })()
    return this.#begun
  }

  /** A thread that waits for its disk tells nothing: that the ring has run over shows it. */
  #watch(): void {
    this.#cancelWatch = this.#ports.clock.after(watchMs, () => {
      if (this.#state !== 'running') return
      if (this.#ring!.lost > 0) this.#fail('recording.disk-slow')
      else this.#watch()
    })
  }

  /** Nothing more is taken. */
  #silence(): void {
    this.#state = 'ending'
    this.#cancelWatch?.()
    inPlane(() => this.#ports.plane.record(this.conference, null))
    for (const member of this.#members.values()) {
      member.cancelTimer?.()
      if (member.slot > 0) this.#release(member)
    }
  }

  /**
   * Waits until the files are closed and the ledger has everything.
   *
   * @param last what is told when all seconds have been
   */
  #closeUp(last?: () => void): void {
    const close = async () => {
      const cancel = this.#ports.clock.after(endWithinMs, this.#over.resolve)
      await this.#over.promise
      cancel()
      last?.()
      await Promise.all(this.#telling)
    }
    close().then(this.#closed.resolve, this.#closed.reject)
  }

  // consent

  #happens(member: Member, event: ConsentEvent): void {
    if (this.#state === 'ending') return
    const { state, effects, allowed } = step<ConsentState, ConsentEvent, ConsentEffect, void>(
      consentTable,
      member.consent,
      event,
      undefined
    )
    if (!allowed) return
    member.consent = state
    member.cancelTimer?.()
    member.cancelTimer = null
    for (const effect of effects) {
      if (effect.type === 'announce') this.#announce(member)
      else if (effect.type === 'wait')
        member.cancelTimer = this.#ports.clock.after(this.policy.answerWithinMs, () => this.#happens(member, { type: 'timeout' }))
      else if (effect.type === 'record') void this.#record(member, effect.by)
      else this.#refuse(member, effect.by)
    }
  }

  #announce(member: Member): void {
    const { announcement, consent } = this.policy
    this.#ports.plane.announce(this.conference, announcement, member.person.participant).then(
      (whole) => {
        if (whole) this.#happens(member, { type: consent === 'key' ? 'heard' : 'agreed' })
      },
      (error: unknown) => this.#ports.log.warn({ code: errorCode(error) }, 'announcement not played: not recorded')
    )
  }

  async #record(member: Member, by: 'announcement' | 'key'): Promise<void> {
    const { plane, thread, entries, clock, log } = this.#ports
    const { participant, role } = member.person
    if (!(await this.#begin())) return
    const isStill = () => this.#state === 'running' && member.consent === 'given' && member.slot === 0
    if (!isStill()) return
    const slot = this.#nextSlot++
    try {
      await entries.note(this, 'recording_consent', { participant, role, given: true, by, slot })
    } catch (error) {
      log.error({ code: errorCode(error) }, 'consent not in the ledger: not recorded')
      return
    }
    this.#emit({ type: 'consent', participant, given: true, by })
    if (!isStill() || this.#members.get(participant) !== member) return
    member.slot = slot
    this.#parties.push({ slot, participant, role, consent: by, since: clock.now(), until: null })
    thread.post({ type: 'slot', recording: this.id, slot, open: true })
    this.#describe()
    inPlane(() => plane.recordParticipant(this.conference, participant, slot))
  }

  #refuse(member: Member, by: 'key' | 'timeout'): void {
    const { participant, role } = member.person
    const withdrawn = member.slot > 0
    if (withdrawn) {
      this.#release(member)
      this.#describe()
    }
    this.#tell('recording_consent', { participant, role, given: false, by, ...(withdrawn ? { withdrawn } : {}) })
    this.#emit({ type: 'consent', participant, given: false, by })
  }

  /** A participant is no longer recorded, at once. */
  #release(member: Member): void {
    const { plane, thread, clock } = this.#ports
    const { slot, person } = member
    member.slot = 0
    inPlane(() => plane.recordParticipant(this.conference, person.participant, 0))
    thread.post({ type: 'slot', recording: this.id, slot, open: false })
    const at = this.#parties.findIndex((party) => party.slot === slot)
    this.#parties[at] = { ...this.#parties[at]!, until: clock.now() }
  }

  // what is told

  #emit(event: Told): void {
    this.#ports.emit({ recording: this.id, conference: this.conference, ...event })
  }

  /** Who is recorded has changed. */
  #describe(): void {
    this.#ports.thread.post({ type: 'describe', manifest: this.#manifest('running', null) })
  }

  #manifest(state: RecordingState, reason: string | null): RecordingManifest {
    return {
      format: recordingFormat,
      id: this.id,
      conference: this.conference,
      traceId: this.traceId,
      startedAt: this.#startedAt,
      audio: this.#config.audio,
      batchSeconds: this.#config.batchSeconds,
      consent: this.policy.consent as 'announce' | 'key',
      startedBy: this.#startedBy,
      retentionDays: this.policy.retentionDays,
      parties: this.#parties,
      gaps: [],
      state,
      reason,
      seconds: this.#seconds
    }
  }

  /** Tells the ledger without waiting; what is not taken is logged. */
  #tell(event: 'recording_consent' | 'recording_stopped' | 'recording_failed', payload: JsonObject): void {
    const { entries, log } = this.#ports
    this.#await(
      entries
        .note(this, event, payload)
        .catch((error: unknown) => log.error({ code: errorCode(error), event }, 'not in the ledger'))
    )
  }

  #tellBatch(batch: number, seconds: readonly SecondLine[]): void {
    const { entries, thread } = this.#ports
    const gaps = this.#gaps.splice(0).map((gap) => ({ ...gap }))
    const { id, conference, traceId } = this
    const recording = { id, conference, traceId, startedAt: this.#startedAt }
    this.#await(
      entries.batch(recording, this.#config.audio, batch, seconds, gaps.length === 0 ? {} : { gaps }).then(
        (entry) => {
          thread.post({ type: 'witnessed', recording: id, batch, entry })
          this.#emit({ type: 'batch', seconds: this.#seconds, entry })
        },
        (error: unknown) => this.#fail(errorCode(error))
      )
    )
  }

  #await(told: Promise<unknown>): void {
    this.#telling.add(told)
    void told.then(() => this.#telling.delete(told))
  }
}

/** An event without what all of one recording have in common. */
type Told = RecorderEvent extends infer E ? (E extends RecorderEvent ? Omit<E, 'recording' | 'conference'> : never) : never

function inPlane(act: () => void): void {
  try {
    act()
  } catch (error) {
    // who has left needs nothing any more
    if (!['media.conference.unknown', 'media.participant.unknown'].includes(errorCode(error))) throw error
  }
}
