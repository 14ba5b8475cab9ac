/** What lies where in the folder of a recording, and what its description says. */
import { isAbsolute, join } from 'node:path'
import { InfraFabricError, type ParticipantRole } from '#kernel'
import { recordingFormat } from './second.ts'

export type AudioFormat = 'wav' | 'opus'

export interface RecordedAudio {
  readonly format: AudioFormat
  readonly sampleRateHz: number
}

/** A span of time in which a participant was recorded, under a number of its own. */
export interface RecordedParty {
  readonly slot: number
  readonly participant: string
  readonly role: ParticipantRole
  /** How it agreed. */
  readonly consent: string
  /** Wall clock, milliseconds since 1970; `until` is null while it is recorded. */
  readonly since: number
  readonly until: number | null
}

export type RecordingState = 'running' | 'stopped' | 'failed' | 'interrupted'

/** A stretch in which nothing was mixed, or that was lost: silence stands in its place. */
export interface RecordingGap {
  readonly second: number
  readonly milliseconds: number
}

/** `recording.json`. */
export interface RecordingManifest {
  readonly format: typeof recordingFormat
  readonly id: string
  readonly conference: string
  readonly traceId: string
  /** Wall clock of the beginning, milliseconds since 1970: when the ledger was told, which is just before the first sample. */
  readonly startedAt: number
  readonly audio: RecordedAudio
  readonly batchSeconds: number
  readonly consent: 'announce' | 'key'
  /** Who started it: a participant, `automatic` or `operator`. */
  readonly startedBy: string
  /** Days after which it is deleted; null for never. */
  readonly retentionDays: number | null
  readonly parties: readonly RecordedParty[]
  readonly gaps: readonly RecordingGap[]
  readonly state: RecordingState
  /** Why it is over, null while it runs. */
  readonly reason: string | null
  /** Whole seconds of it, as far as known. */
  readonly seconds: number
}

export const recordingFiles = (folder: string) => ({
  manifest: join(folder, 'recording.json'),
  index: join(folder, 'seconds.jsonl')
})

/** Key and certificate with which exports are signed, in the folder of all recordings. */
export const signerFiles = (folder: string) => ({
  key: join(folder, 'signing-key.pem'),
  certificate: join(folder, 'signing-certificate.pem')
})

/** File of a stream, in the recording's folder. */
export function streamFile(stream: string, format: AudioFormat): string {
  const name = stream.replace('/', '-')
  return stream.startsWith('rtp/') ? `${name}.rtpdump` : `${name}.${format}`
}

const idPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/

/** Whether a text can be the name of a recording, and so of its folder. */
export const isRecordingId = (id: string): boolean => idPattern.test(id) && !id.includes('..') && !isAbsolute(id)

/** `council-20261121t160000z-0a1b2c3d`. */
export function recordingId(conference: string, nowMs: number, random: string): string {
  const name =
    conference
      .toLowerCase()
      .replace(/[^a-z0-9-]/g, '-')
      .replace(/^-+/, '')
      .slice(0, 64) || 'conference'
  const time = new Date(nowMs)
    .toISOString()
    .replace(/[-:]|\.\d+/g, '')
    .toLowerCase()
  return `${name}-${time}-${random}`
}

const isParty = (value: unknown): boolean => {
  const party = value as Partial<RecordedParty> | null
  return (
    typeof party === 'object' &&
    party !== null &&
    Number.isSafeInteger(party.slot) &&
    typeof party.participant === 'string' &&
    typeof party.role === 'string' &&
    typeof party.consent === 'string' &&
    Number.isFinite(party.since) &&
    (party.until === null || Number.isFinite(party.until))
  )
}

/** @throws {InfraFabricError} `recording.manifest.malformed` */
export function readManifest(text: string): RecordingManifest {
  const malformed = (problem: string) => new InfraFabricError('recording.manifest.malformed', `recording.json: ${problem}`)
  let value: Partial<RecordingManifest> | null
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed('no JSON')
  }
  if (typeof value !== 'object' || value === null || value.format !== recordingFormat)
    throw malformed(`expected format ${recordingFormat}`)
  const { id, conference, traceId, startedAt, audio, batchSeconds, parties, gaps, state } = value
  if (typeof id !== 'string' || !isRecordingId(id)) throw malformed('id')
  if (typeof conference !== 'string' || typeof traceId !== 'string') throw malformed('conference or traceId')
  if (!Number.isSafeInteger(startedAt) || !Number.isSafeInteger(batchSeconds)) throw malformed('startedAt or batchSeconds')
  if ((audio?.format !== 'wav' && audio?.format !== 'opus') || ![8000, 16_000, 48_000].includes(audio.sampleRateHz))
    throw malformed('audio')
  if (!Array.isArray(parties) || !parties.every(isParty) || !Array.isArray(gaps)) throw malformed('parties or gaps')
  if (!['running', 'stopped', 'failed', 'interrupted'].includes(state as string)) throw malformed('state')
  return value as RecordingManifest
}
