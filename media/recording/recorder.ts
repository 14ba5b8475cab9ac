/**
 * The recorder: who is recorded, under which policy, and what the ledger is told of it. Files are the recording thread's (thread.ts), what is
 * recorded comes from the media threads by a ring (ring.ts); this thread only decides.
 *
 * In this order: announcement, consent in the ledger, then sound. What the ledger does not take is not recorded.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  type BatchWitness,
  type Clock,
  ConfigError,
  errorCode,
  InfraFabricError,
  type JsonObject,
  type Log,
  newTraceId,
  type ParticipantRole,
  step,
  type Witness,
  type WitnessReceipt
} from '#kernel'
import type { ConferenceEvent, MediaPlane } from '../media.ts'
import { type ConsentEffect, type ConsentEvent, type ConsentState, consentTable } from './consent.ts'
import {
  isRecordingId,
  type RecordedAudio,
  type RecordedParty,
  type RecordingGap,
  type RecordingManifest,
  type RecordingState,
  readManifest,
  recordingFiles,
  recordingId
} from './files.ts'
import { consentKeys, policyOf, policyProblems, type RecordingPolicy } from './policy.ts'
import type { FromRecordingThread, RecoveredRecording, ToRecordingThread } from './protocol.ts'
import { RingReader, ringMemory } from './ring.ts'
import { recordingFormat, type SecondLine, secondText } from './second.ts'

const recorderComponent = 'IF.media.recorder'
/** Kind of the batches in the ledger. */
const batchKind = 'recording'

export interface RecorderConfig {
  /** Folder of all recordings, each in a folder of its own. */
  readonly folder: string
  readonly audio: RecordedAudio
  /** Seconds of one entry in the ledger, 1 to 600. */
  readonly batchSeconds: number
  readonly policies: readonly RecordingPolicy[]
  /** SHA-256 of the certificate with which exports will be signed, told in each recording's first entry; null for none. */
  readonly signer: string | null
  /** Room for what waits for the disk, a power of two. Default 8 MiB: seconds of a large conference. */
  readonly ringOctets?: number
}

export interface RecorderPorts {
  readonly plane: Pick<MediaPlane, 'announce' | 'record' | 'recordParticipant' | 'onConferenceEvent'>
  readonly witness: Pick<Witness, 'record'> & BatchWitness
  readonly clock: Clock
  readonly log: Log
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

/** Why nothing is started or stopped. */
export type RecorderRefusal =
  | 'recording.off'
  | 'recording.empty'
  | 'recording.forbidden'
  | 'recording.running'
  | 'recording.absent'

export type RecorderOutcome =
  | { readonly ok: true; readonly recording: string }
  | { readonly ok: false; readonly code: RecorderRefusal }

/** Somebody who wants something: by name and role, or whoever runs the suite. */
export type Wanting = { readonly participant: string; readonly role: ParticipantRole } | 'operator'

export interface Recorder {
  readonly start: (conference: string, by: Wanting) => RecorderOutcome
  readonly stop: (conference: string, by: Wanting) => RecorderOutcome
  readonly status: () => readonly RecordingStatus[]
  readonly onEvent: (listener: (event: RecorderEvent) => void) => void
  /** Deletes what is older than its policy allows. @returns names of the recordings */
  readonly expire: () => Promise<readonly string[]>
  /** Ends every recording and the thread. Idempotent. */
  readonly close: () => Promise<void>
}

interface Person {
  readonly participant: string
  role: ParticipantRole
  /** Its sound comes, so it can hear. */
  sending: boolean
  pressed: string
  pressedMs: number
}

interface Member {
  readonly person: Person
  consent: ConsentState
  /** 0 while it is not recorded. */
  slot: number
  cancelTimer: (() => void) | null
}

interface Session {
  readonly id: string
  readonly conference: string
  readonly policy: RecordingPolicy
  readonly traceId: string
  readonly startedBy: string
  readonly members: Map<string, Member>
  readonly parties: RecordedParty[]
  state: 'asking' | 'running' | 'ending'
  /** Whether it has begun, once somebody has agreed: false when the ledger or the disk did not take it. */
  begun: Promise<boolean> | null
  startedAt: number
  ring: RingReader | null
  nextSlot: number
  seconds: number
  cancelWatch: (() => void) | null
  /** Gaps that stand in no entry yet. */
  gaps: RecordingGap[]
  /** Entries under way; the last one is told when they are done. */
  readonly telling: Set<Promise<unknown>>
  /** The thread has closed its files. */
  readonly over: PromiseWithResolvers<void>
}

const longestPauseMs = 3000
const watchMs = 250
/** A thread that waits for a disk for so long is given up. */
const endWithinMs = 10_000
const expireEveryMs = 3_600_000
const dayMs = 86_400_000

/** @throws {ConfigError} with every problem */
function checkConfig({ audio, batchSeconds, policies }: RecorderConfig): void {
  const problems = policyProblems(policies)
  if (!['wav', 'opus'].includes(audio.format)) problems.push(`audio.format: expected wav or opus, got ${audio.format}`)
  if (![8000, 16_000, 48_000].includes(audio.sampleRateHz))
    problems.push(`audio.sampleRateHz: expected 8000, 16000 or 48000, got ${audio.sampleRateHz}`)
  if (!Number.isInteger(batchSeconds) || batchSeconds < 1 || batchSeconds > 600)
    problems.push(`batchSeconds: expected 1 to 600, got ${batchSeconds}`)
  if (problems.length > 0) throw new ConfigError('recording', problems)
}

/**
 * Starts the recorder: what an earlier process left open is repaired and told first.
 *
 * @throws {ConfigError}; {InfraFabricError} `recording.thread.lost`
 */
export async function createRecorder(config: RecorderConfig, { plane, witness, clock, log }: RecorderPorts): Promise<Recorder> {
  checkConfig(config)
  const listeners = new Set<(event: RecorderEvent) => void>()
  const conferences = new Map<string, Map<string, Person>>()
  const sessions = new Map<string, Session>()
  /** Sessions that are being closed. */
  const endings = new Set<Promise<void>>()
  let closing: Promise<void> | null = null
  let recovered: PromiseWithResolvers<readonly RecoveredRecording[]> | null = null

  const emit = (event: RecorderEvent) => {
    for (const listener of listeners) listener(event)
  }
  const openSession = (conference: string) =>
    [...sessions.values()].find((session) => session.conference === conference && session.state !== 'ending')

  // the recording thread

  let thread: Worker | null = null
  const startThread = (): Promise<Worker> => {
    const ready = Promise.withResolvers<Worker>()
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      name: 'recording',
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
    thread = worker
    worker.on('message', (message: FromRecordingThread) => {
      if (message.type === 'ready') ready.resolve(worker)
      else receive(message)
    })
    worker.on('error', (error) => log.error({ code: errorCode(error) }, 'recording thread failed'))
    worker.on('exit', () => {
      if (thread === worker) thread = null
      const lost = new InfraFabricError('recording.thread.lost', 'the recording thread ended')
      ready.reject(lost)
      recovered?.reject(lost)
      for (const session of [...sessions.values()]) {
        fail(session, 'recording.thread.lost')
        session.over.resolve()
      }
    })
    return ready.promise
  }
  const post = (message: ToRecordingThread) => thread?.postMessage(message)

  function receive(message: Exclude<FromRecordingThread, { type: 'ready' }>): void {
    if (message.type === 'recovered') {
      for (const problem of message.problems) log.warn({ problem }, 'a recording cannot be read')
      recovered?.resolve(message.recordings)
      return
    }
    const session = sessions.get(message.recording)
    if (session === undefined) return
    switch (message.type) {
      case 'batch':
        session.seconds = message.seconds.at(-1)!.second + 1
        tellBatch(session, message.batch, message.seconds)
        return
      case 'gap':
        session.gaps.push({ second: message.second, milliseconds: message.milliseconds })
        log.warn({ recording: session.id, second: message.second, milliseconds: message.milliseconds }, 'a gap in a recording')
        return
      case 'failed':
        session.seconds = message.seconds
        fail(session, message.code)
        session.over.resolve()
        return
      case 'ended':
        session.seconds = message.seconds
        session.over.resolve()
    }
  }

  // the ledger

  const note = (session: Pick<Session, 'id' | 'conference' | 'traceId'>, event: string, payload: JsonObject) =>
    witness.record({
      event,
      component: recorderComponent,
      traceId: session.traceId,
      payload: { recording: session.id, conference: session.conference, ...payload }
    })

  /** Tells without waiting; what is not taken is logged. */
  function tell(session: Session, event: string, payload: JsonObject): void {
    const told = note(session, event, payload).catch((error: unknown) =>
      log.error({ code: errorCode(error), event }, 'not in the ledger')
    )
    session.telling.add(told)
    void told.then(() => session.telling.delete(told))
  }

  function recordBatch(
    { id, conference, traceId, startedAt }: Pick<Session, 'id' | 'conference' | 'traceId' | 'startedAt'>,
    audio: RecordedAudio,
    batch: number,
    seconds: readonly SecondLine[],
    more: JsonObject
  ): Promise<WitnessReceipt> {
    const numbers = seconds.map(({ second }) => second)
    return witness.recordBatch(
      {
        event: 'recording_batch',
        component: recorderComponent,
        traceId,
        payload: {
          recording: id,
          conference,
          number: batch,
          fromSecond: numbers[0]!,
          toSecond: numbers.at(-1)!,
          startedAt: new Date(startedAt).toISOString(),
          audio: { ...audio },
          streams: [...new Set(seconds.map(({ stream }) => stream))],
          octets: seconds.reduce((sum, { from, to }) => sum + to - from, 0),
          ...more
        }
      },
      batchKind,
      seconds.map((line) => secondText(id, line))
    )
  }

  function tellBatch(session: Session, batch: number, seconds: readonly SecondLine[]): void {
    const gaps = session.gaps.splice(0).map((gap) => ({ ...gap }))
    const told = recordBatch(session, config.audio, batch, seconds, gaps.length === 0 ? {} : { gaps }).then(
      (receipt) => {
        const entry = receipt.state === 'committed' ? receipt.index : null
        post({ type: 'witnessed', recording: session.id, batch, entry })
        emit({ type: 'batch', recording: session.id, conference: session.conference, seconds: session.seconds, entry })
      },
      (error: unknown) => fail(session, errorCode(error))
    )
    session.telling.add(told)
    void told.then(() => session.telling.delete(told))
  }

  // sessions

  const manifestOf = (session: Session, state: RecordingState, reason: string | null): RecordingManifest => ({
    format: recordingFormat,
    id: session.id,
    conference: session.conference,
    traceId: session.traceId,
    startedAt: session.startedAt,
    audio: config.audio,
    batchSeconds: config.batchSeconds,
    consent: session.policy.consent as 'announce' | 'key',
    startedBy: session.startedBy,
    retentionDays: session.policy.retentionDays,
    parties: session.parties,
    gaps: [],
    state,
    reason,
    seconds: session.seconds
  })

  const inPlane = (act: () => void) => {
    try {
      act()
    } catch (error) {
      // who has left needs nothing any more
      if (!['media.conference.unknown', 'media.participant.unknown'].includes(errorCode(error))) throw error
    }
  }

  function begin(session: Session): Promise<boolean> {
    session.begun ??= (async () => {
      const { id, conference, policy } = session
      session.startedAt = clock.now()
      try {
        await note(session, 'recording_started', {
          by: session.startedBy,
          consent: policy.consent,
          retentionDays: policy.retentionDays,
          audio: { ...config.audio },
          batchSeconds: config.batchSeconds,
          startedAt: new Date(session.startedAt).toISOString(),
          ...(config.signer === null ? {} : { signer: config.signer })
        })
        if (thread === null) await startThread()
      } catch (error) {
        fail(session, errorCode(error))
        return false
      }
      if (session.state !== 'asking') return false
      const memory = ringMemory(config.ringOctets ?? 1 << 23)
      session.ring = new RingReader(memory)
      session.state = 'running'
      const { audio, batchSeconds } = config
      post({
        type: 'begin',
        plan: { id, folder: join(config.folder, id), audio, batchSeconds, startedAt: session.startedAt },
        ring: memory,
        manifest: manifestOf(session, 'running', null)
      })
      inPlane(() => plane.record(conference, memory))
      watch(session)
      emit({ type: 'started', recording: id, conference })
      return true
    })()
    return session.begun
  }

  /** A thread that waits for its disk tells nothing: that the ring has run over shows it. */
  function watch(session: Session): void {
    session.cancelWatch = clock.after(watchMs, () => {
      if (session.state !== 'running') return
      if (session.ring!.lost > 0) fail(session, 'recording.disk-slow')
      else watch(session)
    })
  }

  /** Nothing more is taken. */
  function silence(session: Session): void {
    session.state = 'ending'
    session.cancelWatch?.()
    inPlane(() => plane.record(session.conference, null))
    for (const member of session.members.values()) {
      member.cancelTimer?.()
      if (member.slot > 0) release(session, member)
    }
  }

  /** A participant is no longer recorded, at once. */
  function release(session: Session, member: Member): void {
    const { slot, person } = member
    member.slot = 0
    inPlane(() => plane.recordParticipant(session.conference, person.participant, 0))
    post({ type: 'slot', recording: session.id, slot, open: false })
    const at = session.parties.findIndex((party) => party.slot === slot)
    session.parties[at] = { ...session.parties[at]!, until: clock.now() }
  }

  /** The call goes on; the recording does not. */
  function fail(session: Session, code: string): void {
    if (session.state === 'ending') return
    const hadBegun = session.state === 'running'
    silence(session)
    log.error({ recording: session.id, code }, 'recording failed')
    if (hadBegun) post({ type: 'end', manifest: manifestOf(session, 'failed', code) })
    else session.over.resolve()
    tell(session, 'recording_failed', { code, seconds: session.seconds })
    emit({ type: 'failed', recording: session.id, conference: session.conference, seconds: session.seconds, code })
    closeUp(session)
  }

  function end(session: Session, reason: string): void {
    if (session.state === 'ending') return
    const hadBegun = session.state === 'running'
    silence(session)
    const { id, conference } = session
    if (!hadBegun) {
      session.over.resolve()
      if (session.begun !== null) tell(session, 'recording_stopped', { reason, seconds: 0 })
      closeUp(session)
      return
    }
    post({ type: 'end', manifest: manifestOf(session, 'stopped', reason) })
    closeUp(session, () => {
      tell(session, 'recording_stopped', { reason, seconds: session.seconds, parties: session.parties.length })
      emit({ type: 'stopped', recording: id, conference, seconds: session.seconds, reason })
    })
  }

  /**
   * Waits until the files are closed and the ledger has everything.
   *
   * @param last what is told when all seconds have been
   */
  function closeUp(session: Session, last?: () => void): void {
    const ending = (async () => {
      const cancel = clock.after(endWithinMs, session.over.resolve)
      await session.over.promise
      cancel()
      last?.()
      await Promise.all(session.telling)
      sessions.delete(session.id)
    })()
    endings.add(ending)
    void ending.then(() => endings.delete(ending))
  }

  // consent

  function happens(session: Session, member: Member, event: ConsentEvent): void {
    if (session.state === 'ending') return
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
      if (effect.type === 'announce') announce(session, member)
      else if (effect.type === 'wait')
        member.cancelTimer = clock.after(session.policy.answerWithinMs, () => happens(session, member, { type: 'timeout' }))
      else if (effect.type === 'record') void record(session, member, effect.by)
      else refuse(session, member, effect.by)
    }
  }

  function announce(session: Session, member: Member): void {
    const { conference, policy } = session
    plane.announce(conference, policy.announcement, member.person.participant).then(
      (whole) => {
        if (whole) happens(session, member, { type: policy.consent === 'key' ? 'heard' : 'agreed' })
      },
      (error: unknown) => log.warn({ code: errorCode(error) }, 'announcement not played: not recorded')
    )
  }

  async function record(session: Session, member: Member, by: 'announcement' | 'key'): Promise<void> {
    const { participant, role } = member.person
    if (!(await begin(session))) return
    const isStill = () => session.state === 'running' && member.consent === 'given' && member.slot === 0
    if (!isStill()) return
    const slot = session.nextSlot++
    try {
      await note(session, 'recording_consent', { participant, role, given: true, by, slot })
    } catch (error) {
      log.error({ code: errorCode(error) }, 'consent not in the ledger: not recorded')
      return
    }
    emit({ type: 'consent', recording: session.id, conference: session.conference, participant, given: true, by })
    if (!isStill() || session.members.get(participant) !== member) return
    member.slot = slot
    session.parties.push({ slot, participant, role, consent: by, since: clock.now(), until: null })
    post({ type: 'slot', recording: session.id, slot, open: true })
    post({ type: 'describe', manifest: manifestOf(session, 'running', null) })
    inPlane(() => plane.recordParticipant(session.conference, participant, slot))
  }

  function refuse(session: Session, member: Member, by: 'key' | 'timeout'): void {
    const { participant, role } = member.person
    const withdrawn = member.slot > 0
    if (withdrawn) {
      release(session, member)
      post({ type: 'describe', manifest: manifestOf(session, 'running', null) })
    }
    tell(session, 'recording_consent', { participant, role, given: false, by, ...(withdrawn ? { withdrawn } : {}) })
    emit({ type: 'consent', recording: session.id, conference: session.conference, participant, given: false, by })
  }

  function admit(session: Session, person: Person): void {
    if (session.members.has(person.participant)) return
    const member: Member = { person, consent: 'unasked', slot: 0, cancelTimer: null }
    session.members.set(person.participant, member)
    happens(session, member, { type: 'ask' })
  }

  function dismiss(session: Session, participant: string): void {
    const member = session.members.get(participant)
    if (member === undefined) return
    session.members.delete(participant)
    member.cancelTimer?.()
    if (member.slot === 0) return
    release(session, member)
    post({ type: 'describe', manifest: manifestOf(session, 'running', null) })
  }

  // wishes

  const may = (policy: RecordingPolicy, by: Wanting) => by === 'operator' || policy.startedBy.includes(by.role)

  function begins(conference: string, policy: RecordingPolicy, startedBy: string): RecorderOutcome {
    const people = [...(conferences.get(conference)?.values() ?? [])].filter(({ sending }) => sending)
    if (people.length === 0) return { ok: false, code: 'recording.empty' }
    if (openSession(conference) !== undefined) return { ok: false, code: 'recording.running' }
    const now = clock.now()
    const session: Session = {
      id: recordingId(conference, now, randomBytes(4).toString('hex')),
      conference,
      policy,
      traceId: newTraceId(),
      startedBy,
      members: new Map(),
      parties: [],
      state: 'asking',
      begun: null,
      startedAt: now,
      ring: null,
      nextSlot: 1,
      seconds: 0,
      cancelWatch: null,
      gaps: [],
      telling: new Set(),
      over: Promise.withResolvers()
    }
    sessions.set(session.id, session)
    for (const person of people) admit(session, person)
    return { ok: true, recording: session.id }
  }

  const start: Recorder['start'] = (conference, by) => {
    const policy = closing === null ? policyOf(config.policies, conference) : null
    if (policy === null) return { ok: false, code: 'recording.off' }
    if (!may(policy, by)) return { ok: false, code: 'recording.forbidden' }
    return begins(conference, policy, by === 'operator' ? by : by.participant)
  }

  const stop: Recorder['stop'] = (conference, by) => {
    const session = openSession(conference)
    if (session === undefined) return { ok: false, code: 'recording.absent' }
    if (!may(session.policy, by)) return { ok: false, code: 'recording.forbidden' }
    end(session, by === 'operator' ? 'operator' : 'participant')
    return { ok: true, recording: session.id }
  }

  // what the plane tells

  function press(conference: string, person: Person, digit: string): void {
    const nowMs = clock.monotonicMs()
    if (digit === '*' || nowMs - person.pressedMs > longestPauseMs) person.pressed = ''
    person.pressedMs = nowMs
    person.pressed += digit
    const { pressed } = person
    if (!pressed.startsWith('*') || pressed.length >= 2) person.pressed = ''
    const session = openSession(conference)
    const member = session?.members.get(person.participant)
    if (pressed === consentKeys.record) {
      const by = { participant: person.participant, role: person.role }
      const outcome = session === undefined ? start(conference, by) : stop(conference, by)
      if (!outcome.ok) log.info({ conference, code: outcome.code }, 'recording neither started nor stopped')
    } else if (session === undefined || member === undefined) return
    else if (pressed === consentKeys.consent) happens(session, member, { type: 'turn' })
    else if (pressed === consentKeys.yes) happens(session, member, { type: 'yes' })
    else if (pressed === consentKeys.no) happens(session, member, { type: 'no' })
  }

  function sends(conference: string, person: Person): void {
    person.sending = true
    const session = openSession(conference)
    const policy = policyOf(config.policies, conference)
    if (session !== undefined) admit(session, person)
    else if (policy?.start === 'automatic' && closing === null) begins(conference, policy, 'automatic')
  }

  plane.onConferenceEvent((event: ConferenceEvent) => {
    if (!('participant' in event)) return
    const { conference, participant } = event
    if (event.type === 'joined') {
      const people = conferences.get(conference) ?? new Map<string, Person>()
      conferences.set(conference, people)
      people.set(participant, { participant, role: event.role, sending: false, pressed: '', pressedMs: 0 })
      return
    }
    const people = conferences.get(conference)
    const person = people?.get(participant)
    if (people === undefined || person === undefined) return
    if (event.type === 'role') person.role = event.role
    else if (event.type === 'sending') sends(conference, person)
    else if (event.type === 'key') press(conference, person, event.digit)
    else if (event.type === 'left') {
      people.delete(participant)
      const session = openSession(conference)
      if (session !== undefined) dismiss(session, participant)
      if (people.size > 0) return
      conferences.delete(conference)
      if (session !== undefined) end(session, 'conference-over')
    }
  })

  // what is left of earlier processes

  async function recover(): Promise<void> {
    recovered = Promise.withResolvers()
    post({ type: 'recover', folder: config.folder })
    for (const { manifest, interrupted, batches } of await recovered.promise) {
      for (const { batch, seconds } of batches) {
        const receipt = await recordBatch(manifest, manifest.audio, batch, seconds, { recovered: true })
        const entry = receipt.state === 'committed' ? receipt.index : null
        post({ type: 'witnessed', recording: manifest.id, batch, entry })
      }
      if (interrupted)
        await note(manifest, 'recording_stopped', { reason: 'interrupted', seconds: manifest.seconds, recovered: true })
    }
    recovered = null
  }

  async function expire(): Promise<readonly string[]> {
    // keys lie beside the recordings
    const found = await readdir(config.folder, { withFileTypes: true }).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    })
    const gone: string[] = []
    for (const { name } of found.filter((one) => one.isDirectory() && isRecordingId(one.name))) {
      const folder = join(config.folder, name)
      try {
        const manifest = readManifest(await readFile(recordingFiles(folder).manifest, 'utf8'))
        const { retentionDays, startedAt, state, seconds } = manifest
        if (state === 'running' || retentionDays === null) continue
        if (clock.now() < startedAt + 1000 * seconds + retentionDays * dayMs) continue
        await note(manifest, 'recording_erased', { reason: 'retention', retentionDays })
        await rm(folder, { recursive: true })
        gone.push(name)
      } catch (error) {
        log.warn({ recording: name, code: errorCode(error) }, 'a recording cannot be looked at, or deleted')
      }
    }
    return gone
  }

  let cancelExpiry: (() => void) | null = null
  const expireOften = () => {
    cancelExpiry = clock.after(expireEveryMs, expireOften)
    expire().catch((error: unknown) => log.warn({ code: errorCode(error) }, 'recordings not looked through'))
  }

  const shutdown = async () => {
    cancelExpiry?.()
    for (const session of sessions.values()) end(session, 'closing')
    await Promise.all(endings)
    const worker = thread
    if (worker === null) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    post({ type: 'shutdown' })
    const cancel = clock.after(endWithinMs, () => void worker.terminate())
    await ended
    cancel()
  }

  await startThread()
  try {
    await recover()
  } catch (error) {
    log.error({ code: errorCode(error) }, 'earlier recordings are not all told')
  }
  expireOften()

  return {
    start,
    stop,
    status: () =>
      [...sessions.values()].map(({ id, conference, state, members }) => ({
        recording: id,
        conference,
        state,
        participants: [...members.values()].map(({ person, consent }) => ({ participant: person.participant, consent }))
      })),
    onEvent: (listener) => void listeners.add(listener),
    expire,
    close: () => {
      closing ??= shutdown()
      return closing
    }
  }
}
