/** Recordings beside their ledger: where they lie, what the ledger says of them, and whether both agree. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { JsonObject } from '#kernel'
import type { LedgerEntry, LedgerReader, NoteVerifier, Policy } from '#ledger'
import type { Excerpt, ReadRecording, SecondLine } from '#media/recording'
import { dataFolder } from '../command.ts'
import { type Arguments, CommandError } from '../line/arguments.ts'
import { exitCodes } from '../line/exit-codes.ts'
import type { StoredEntry } from './ledger.ts'

/** Folder of all recordings. */
export const recordingsFolder = (args: Arguments): string =>
  resolve(args.value('recordings') ?? join(dataFolder(args), 'recordings'))

/** Folder of a recording that is named by its id, or by its folder. @throws {CommandError} `cli.recording.absent` */
export async function recordingFolder(args: Arguments, named: string): Promise<string> {
  const { isRecordingId } = await import('#media/recording')
  const folder = isRecordingId(named) ? join(recordingsFolder(args), named) : resolve(named)
  if (!existsSync(join(folder, 'recording.json')))
    throw new CommandError('cli.recording.absent', `there is no recording ${named}`)
  return folder
}

/** Entries of a recording's batches, by the number of the batch. What was told twice counts once. */
export async function batchEntries(
  reader: LedgerReader,
  { id, traceId }: ReadRecording['manifest']
): Promise<ReadonlyMap<number, StoredEntry>> {
  const found = await reader.query({ trace: traceId, event: 'recording_batch', limit: 1_000_000 })
  const entries = new Map<number, StoredEntry>()
  for (const stored of found) {
    const { recording, number } = stored.entry.payload
    if (recording === id && typeof number === 'number' && !entries.has(number)) entries.set(number, stored)
  }
  return entries
}

export type RecordingVerdict = 'valid' | 'altered' | 'unwitnessed' | 'incomplete'

/** Where something is wrong: a second of a stream, or a sentence about the rest. */
export interface RecordingFault {
  readonly verdict: Exclude<RecordingVerdict, 'valid'>
  readonly problem: string
  readonly stream?: string
  readonly second?: number
}

export interface RecordingReport {
  readonly verdict: RecordingVerdict
  readonly recording: string
  /** Seconds of streams that were checked. */
  readonly checked: number
  readonly faults: readonly RecordingFault[]
  readonly notes: readonly string[]
}

const worstFirst = ['altered', 'unwitnessed', 'incomplete'] as const

export function reportOf(
  recording: string,
  checked: number,
  faults: readonly RecordingFault[],
  notes: readonly string[]
): RecordingReport {
  const verdict = worstFirst.find((each) => faults.some((fault) => fault.verdict === each)) ?? 'valid'
  return { verdict, recording, checked, faults, notes }
}

export const exitCodeOf = (verdict: RecordingVerdict): number => (verdict === 'valid' ? exitCodes.ok : exitCodes[verdict])

const secondFault = ({ stream, second }: Pick<SecondLine, 'stream' | 'second'>, problem: string): RecordingFault => ({
  verdict: 'altered',
  stream,
  second,
  problem: `${stream}, second ${second}: ${problem}`
})

/** Holds a recording against the entries of its batches. */
export async function checkRecording(
  recording: ReadRecording,
  entries: ReadonlyMap<number, StoredEntry>
): Promise<RecordingReport> {
  const [{ alteredSeconds, secondText, strayFiles }, { batchIn, batchOf, frameHash }] = await Promise.all([
    import('#media/recording'),
    import('#ledger')
  ])
  const { manifest, batches } = recording
  const faults: RecordingFault[] = alteredSeconds(recording).map((line) => secondFault(line, 'not what was recorded'))
  for (const { batch, seconds } of batches) {
    const entry = entries.get(batch)
    if (entry === undefined) {
      faults.push({ verdict: 'unwitnessed', problem: `batch ${batch} is in no entry of the ledger` })
      continue
    }
    const { root } = batchOf('recording', Buffer.concat(seconds.map((line) => frameHash(secondText(manifest.id, line)))))
    if (batchIn(entry.entry.payload)?.root !== root)
      faults.push({ verdict: 'altered', problem: `the list of batch ${batch} is not that of entry ${entry.entry.index}` })
    else if (!saysTheSame(entry.entry.payload, manifest))
      faults.push({ verdict: 'altered', problem: `recording.json says something else than entry ${entry.entry.index}` })
  }
  for (const [batch, { entry }] of entries) {
    if (!batches.some((each) => each.batch === batch))
      faults.push({ verdict: 'incomplete', problem: `entry ${entry.index} tells of batch ${batch}, which is not here` })
  }
  for (const problem of strayFiles(recording)) faults.push({ verdict: 'altered', problem })
  const notes = [...entries.values()].flatMap(({ entry }) => gapsOf(entry.payload))
  if (manifest.state !== 'stopped') notes.push(`the recording ${describeState(manifest)}`)
  return reportOf(
    manifest.id,
    batches.reduce((sum, { seconds }) => sum + seconds.length, 0),
    faults,
    notes
  )
}

/** What a batch's entry says was missing. */
const gapsOf = ({ gaps }: JsonObject): string[] =>
  Array.isArray(gaps)
    ? (gaps as readonly JsonObject[]).map(
        ({ second, milliseconds }) => `second ${second}: ${milliseconds} ms were not recorded, silence stands in their place`
      )
    : []

const describeState = ({ state, reason }: ReadRecording['manifest']): string =>
  state === 'running' ? 'is running, or its process has died' : `${state === 'failed' ? 'failed' : 'was interrupted'}: ${reason}`

/** What players and readers go by besides the octets. */
function saysTheSame(payload: JsonObject, { startedAt, audio }: Pick<Excerpt, 'startedAt' | 'audio'>): boolean {
  const told = payload.audio as { readonly format?: string; readonly sampleRateHz?: number } | undefined
  return (
    payload.startedAt === new Date(startedAt).toISOString() &&
    told?.format === audio.format &&
    told.sampleRateHz === audio.sampleRateHz
  )
}

export interface Trust {
  readonly logs: readonly NoteVerifier[]
  readonly policy: Policy
}

/** An entry that a proof brings and a trusted key has signed; else why not. */
export async function provedEntry(text: string, trust: Trust): Promise<LedgerEntry | RecordingFault> {
  const { checkTlogProof, parseTlogProof } = await import('#ledger')
  const proof = parseTlogProof(text)
  const result = checkTlogProof(proof, trust)
  if (!result.included) return { verdict: 'altered', problem: `entry ${proof.index} is not under the head of its proof` }
  if (!result.good)
    return { verdict: 'unwitnessed', problem: `no trusted key, or no quorum, stands under the head of entry ${proof.index}` }
  return JSON.parse(Buffer.from(proof.extra!).toString('utf8'))
}

/** Holds an excerpt against the proofs that it brings. */
export async function checkExcerpt(folder: string, trust: Trust): Promise<RecordingReport> {
  const [{ entryProofFile, leafOfExcerpt, readExcerpt, strayOctets }, { batchIn, checkFrame }, { readInput }] = await Promise.all(
    [import('#media/recording'), import('#ledger'), import('./files.ts')]
  )
  const excerpt = readExcerpt(folder)
  const { seconds, recording } = excerpt
  const notes: string[] = []
  const faults: RecordingFault[] = strayOctets(folder, excerpt).map((problem) => ({ verdict: 'altered', problem }))
  for (const batch of new Set(seconds.map((line) => line.batch))) {
    const told = await provedEntry((await readInput(entryProofFile(folder, batch))).toString('utf8'), trust)
    if ('verdict' in told) {
      faults.push(told)
      continue
    }
    const { payload, event, index } = told
    const root = batchIn(payload)
    if (event !== 'recording_batch' || payload.recording !== recording || payload.number !== batch || root === null) {
      faults.push({ verdict: 'altered', problem: `entry ${index} is not about batch ${batch} of ${recording}` })
      continue
    }
    if (!saysTheSame(payload, excerpt))
      faults.push({ verdict: 'altered', problem: `excerpt.json says something else than entry ${index}` })
    notes.push(...gapsOf(payload))
    for (const line of seconds.filter((each) => each.batch === batch)) {
      const proof = { index: line.index, proof: line.proof.map((node) => Buffer.from(node, 'hex')) }
      // the leaf is made of the file's own octets: what the list says of them has to be the same
      const leaf = leafOfExcerpt(folder, excerpt, line)
      if (!checkFrame(root, leaf, proof) || !leaf.includes(line.sha256)) faults.push(secondFault(line, 'not what was recorded'))
    }
  }
  for (const problem of missingSeconds(excerpt)) faults.push({ verdict: 'incomplete', problem })
  return reportOf(recording, seconds.length, faults, notes)
}

/** The mix has every second, any other stream those between its first and its last. */
function missingSeconds({ seconds, fromSecond, toSecond }: Excerpt): string[] {
  return [...new Set(['mix', ...seconds.map(({ stream }) => stream)])].flatMap((stream) => {
    const there = new Set(seconds.filter((line) => line.stream === stream).map(({ second }) => second))
    const first = stream === 'mix' ? fromSecond : Math.min(...there)
    const last = stream === 'mix' ? toSecond : Math.max(...there)
    const missing = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n).filter((n) => !there.has(n))
    return missing.length === 0 ? [] : [`${stream}: second ${missing.slice(0, 20).join(', ')} is missing`]
  })
}
