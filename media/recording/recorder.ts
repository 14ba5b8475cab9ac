/**
 * The recorder: which conferences are recorded, under which policy, and by whose wish. One recording is session.ts; files are the recording thread's
 * (thread.ts), what is recorded comes from the media threads by a ring (ring.ts).
 */
import { randomBytes } from 'node:crypto'
import { type BatchWitness, type Clock, ConfigError, errorCode, type Log, type ParticipantRole, type Witness } from '#kernel'
import type { ConferenceEvent, MediaPlane } from '../media.ts'
import { recordingEntries } from './entries.ts'
import { recordingId } from './files.ts'
import { consentKeys, KeySequence } from './keys.ts'
import { policyOf, policyProblems, type RecordingPolicy } from './policy.ts'
import { createRecordingThread } from './recording-thread.ts'
import { eraseExpired } from './retention.ts'
import { type RecorderEvent, type RecordingConfig, RecordingSession, type RecordingStatus } from './session.ts'

export type { RecorderEvent, RecordingStatus } from './session.ts'

export interface RecorderConfig extends RecordingConfig {
  readonly policies: readonly RecordingPolicy[]
}

export interface RecorderPorts {
  readonly plane: Pick<MediaPlane, 'announce' | 'record' | 'recordParticipant' | 'onConferenceEvent'>
  readonly witness: Pick<Witness, 'record'> & BatchWitness
  readonly clock: Clock
  readonly log: Log
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
  readonly keys: KeySequence
}

const expireEveryMs = 3_600_000

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
  const entries = recordingEntries(witness)
  const listeners = new Set<(event: RecorderEvent) => void>()
  const conferences = new Map<string, Map<string, Person>>()
  /** Those that are being closed among them. */
  const sessions = new Map<string, RecordingSession>()
  let closing: Promise<void> | null = null

  const emit = (event: RecorderEvent) => {
    for (const listener of listeners) listener(event)
  }
  const openSession = (conference: string) =>
    [...sessions.values()].find((session) => session.conference === conference && !session.isEnding)

  const thread = createRecordingThread({
    clock,
    log,
    onTold: (told) => sessions.get(told.recording)?.receive(told),
    onLost: () => {
      for (const session of [...sessions.values()]) session.threadLost()
    }
  })

  // wishes

  const may = (policy: RecordingPolicy, by: Wanting) => by === 'operator' || policy.startedBy.includes(by.role)

  function begins(conference: string, policy: RecordingPolicy, startedBy: string): RecorderOutcome {
    const people = [...(conferences.get(conference)?.values() ?? [])].filter(({ sending }) => sending)
    if (people.length === 0) return { ok: false, code: 'recording.empty' }
    if (openSession(conference) !== undefined) return { ok: false, code: 'recording.running' }
    const id = recordingId(conference, clock.now(), randomBytes(4).toString('hex'))
    const session = new RecordingSession({ id, conference, policy, startedBy }, config, {
      plane,
      thread,
      entries,
      clock,
      log,
      emit
    })
    sessions.set(id, session)
    void session.closed.then(() => sessions.delete(id))
    for (const person of people) session.admit(person)
    return { ok: true, recording: id }
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
    session.end(by === 'operator' ? 'operator' : 'participant')
    return { ok: true, recording: session.id }
  }

  // what the plane tells

  function press(conference: string, person: Person, digit: string): void {
    const pressed = person.keys.press(digit, clock.monotonicMs())
    const { participant, role } = person
    const session = openSession(conference)
    if (pressed === consentKeys.record) {
      const by = { participant, role }
      const outcome = session === undefined ? start(conference, by) : stop(conference, by)
      if (!outcome.ok) log.info({ conference, code: outcome.code }, 'recording neither started nor stopped')
    } else if (pressed === consentKeys.consent) session?.answer(participant, { type: 'turn' })
    else if (pressed === consentKeys.yes) session?.answer(participant, { type: 'yes' })
    else if (pressed === consentKeys.no) session?.answer(participant, { type: 'no' })
  }

  function sends(conference: string, person: Person): void {
    person.sending = true
    const session = openSession(conference)
    const policy = policyOf(config.policies, conference)
    if (session !== undefined) session.admit(person)
    else if (policy?.start === 'automatic' && closing === null) begins(conference, policy, 'automatic')
  }

  plane.onConferenceEvent((event: ConferenceEvent) => {
    if (!('participant' in event)) return
    const { conference, participant } = event
    if (event.type === 'joined') {
      const people = conferences.get(conference) ?? new Map<string, Person>()
      conferences.set(conference, people)
      people.set(participant, { participant, role: event.role, sending: false, keys: new KeySequence() })
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
      session?.dismiss(participant)
      if (people.size > 0) return
      conferences.delete(conference)
      session?.end('conference-over')
    }
  })

  // what earlier processes have left

  async function recover(): Promise<void> {
    for (const { manifest, interrupted, batches } of await thread.recover(config.folder)) {
      for (const { batch, seconds } of batches) {
        const entry = await entries.batch(manifest, manifest.audio, batch, seconds, { recovered: true })
        thread.post({ type: 'witnessed', recording: manifest.id, batch, entry })
      }
      if (interrupted)
        await entries.note(manifest, 'recording_stopped', { reason: 'interrupted', seconds: manifest.seconds, recovered: true })
    }
  }

  const expire = () => eraseExpired(config.folder, { entries, clock, log })
  let cancelExpiry: (() => void) | null = null
  const expireOften = () => {
    cancelExpiry = clock.after(expireEveryMs, expireOften)
    expire().catch((error: unknown) => log.warn({ code: errorCode(error) }, 'recordings not looked through'))
  }

  const shutdown = async () => {
    cancelExpiry?.()
    const open = [...sessions.values()]
    for (const session of open) session.end('closing')
    await Promise.all(open.map(({ closed }) => closed))
    await thread.close()
  }

  await thread.start()
  try {
    await recover()
  } catch (error) {
    log.error({ code: errorCode(error) }, 'earlier recordings are not all told')
  }
  expireOften()

  return {
    start,
    stop,
    status: () => [...sessions.values()].map((session) => session.status()),
    onEvent: (listener) => void listeners.add(listener),
    expire,
    close: () => {
      closing ??= shutdown()
      return closing
    }
  }
}
