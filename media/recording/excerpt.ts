/**
 * Some seconds of a recording, with what proves them, in a folder of their own.
 *
 *     excerpt.json                 seconds with their hashes and proofs
 *     mix.wav, track-1.wav, …      their sound, as files that play
 *     rtp-1.rtpdump, …             their packets
 *     entry-0.tlog-proof, …        entries of the ledger, each with its proof under a signed head (C2SP tlog-proof)
 *
 * Nothing else of the recording is needed to check it, and nothing of the ledger but its public key.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import { type RecordedAudio, type RecordedParty, streamFile } from './files.ts'
import { oggHeadLength } from './ogg-opus.ts'
import { octetsOf, type ReadRecording, readOctets, sha256Of } from './read.ts'
import { decodeDumpHeader } from './rtpdump.ts'
import { type SecondLine, secondText } from './second.ts'
import { encodeWaveHeader } from './wave-writer.ts'

const excerptFormat = 'infrafabric-recording-excerpt/1'

/** One second in an excerpt: `from` and `to` are those of the excerpt's own file. */
export interface ExcerptSecond extends SecondLine {
  readonly batch: number
  /** Leaf of the batch, from 0, and the hashes that lead from it to the root, lowest first, as 64 hex digits each. */
  readonly index: number
  readonly proof: readonly string[]
}

export interface Excerpt {
  readonly format: typeof excerptFormat
  readonly recording: string
  readonly conference: string
  /** As in the recording's manifest. */
  readonly startedAt: number
  readonly audio: RecordedAudio
  readonly fromSecond: number
  readonly toSecond: number
  readonly parties: readonly RecordedParty[]
  readonly seconds: readonly ExcerptSecond[]
}

/** A second with its place in its batch. */
export interface PlacedSecond {
  readonly line: SecondLine
  readonly batch: number
  readonly index: number
}

/** The seconds of an excerpt, with their places. @throws {InfraFabricError} `recording.excerpt.empty` */
export function secondsBetween({ batches }: ReadRecording, fromSecond: number, toSecond: number): PlacedSecond[] {
  const placed = batches.flatMap(({ batch, seconds }) =>
    seconds
      .map((line, index) => ({ line, batch, index }))
      .filter(({ line }) => line.second >= fromSecond && line.second <= toSecond)
  )
  if (placed.length === 0)
    throw new InfraFabricError('recording.excerpt.empty', `nothing of second ${fromSecond} to ${toSecond} is in the ledger`)
  return placed
}

export const excerptFile = (folder: string) => join(folder, 'excerpt.json')
export const entryProofFile = (folder: string, batch: number) => join(folder, `entry-${batch}.tlog-proof`)

/**
 * Writes an excerpt.
 *
 * @param proofOf hashes that lead from a leaf of a batch to its root
 * @param folder is made; must not be there yet
 */
export function writeExcerpt(
  recording: ReadRecording,
  placed: readonly PlacedSecond[],
  proofOf: (second: PlacedSecond) => readonly Uint8Array[],
  folder: string
): Excerpt {
  const { manifest } = recording
  const { format, sampleRateHz } = manifest.audio
  mkdirSync(folder, { mode: 0o700 })
  const seconds: ExcerptSecond[] = []
  for (const stream of new Set(placed.map(({ line }) => line.stream))) {
    const own = placed.filter(({ line }) => line.stream === stream)
    const parts = own.map(({ line }) => octetsOf(recording, line))
    const octets = parts.reduce((sum, { length }) => sum + length, 0)
    const name = streamFile(stream, format)
    const head = stream.startsWith('rtp/')
      ? dumpHead(join(recording.folder, name))
      : format === 'wav'
        ? encodeWaveHeader({ channels: 1, sampleRateHz }, octets)
        : oggHead(join(recording.folder, name))
    writeFileSync(join(folder, name), Buffer.concat([head, ...parts]), { mode: 0o600 })
    let at = head.length
    for (const [n, second] of own.entries()) {
      const { line, batch, index } = second
      const to = at + parts[n]!.length
      const proof = proofOf(second).map((node) => Buffer.from(node).toString('hex'))
      seconds.push({ ...line, from: at, to, batch, index, proof })
      at = to
    }
  }
  const numbers = placed.map(({ line }) => line.second)
  const slots = new Set(placed.map(({ line }) => Number(line.stream.split('/')[1] ?? 0)))
  const excerpt: Excerpt = {
    format: excerptFormat,
    recording: manifest.id,
    conference: manifest.conference,
    startedAt: manifest.startedAt,
    audio: manifest.audio,
    fromSecond: Math.min(...numbers),
    toSecond: Math.max(...numbers),
    parties: manifest.parties.filter(({ slot }) => slots.has(slot)),
    seconds
  }
  writeFileSync(excerptFile(folder), `${JSON.stringify(excerpt, null, 2)}\n`, { mode: 0o600 })
  return excerpt
}

function oggHead(path: string): Buffer {
  const head = readOctets(path, 0, 65_536)
  return head.subarray(0, oggHeadLength(head))
}

function dumpHead(path: string): Buffer {
  const head = readOctets(path, 0, 256)
  return head.subarray(0, decodeDumpHeader(head).recordsAt)
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
/** A batch has 65,536 leaves at most. */
const longestProof = 16

/** @throws {InfraFabricError} `recording.excerpt.malformed` */
export function readExcerpt(folder: string): Excerpt {
  const malformed = (problem: string) => new InfraFabricError('recording.excerpt.malformed', `excerpt.json: ${problem}`)
  let value: Partial<Excerpt> | null
  try {
    value = JSON.parse(readFileSync(excerptFile(folder), 'utf8'))
  } catch {
    throw malformed('cannot be read')
  }
  if (typeof value !== 'object' || value === null || value.format !== excerptFormat)
    throw malformed(`expected format ${excerptFormat}`)
  const { recording, audio, seconds, fromSecond, toSecond } = value
  if (typeof recording !== 'string' || (audio?.format !== 'wav' && audio?.format !== 'opus'))
    throw malformed('recording or audio')
  if (!isCount(fromSecond) || !isCount(toSecond)) throw malformed('fromSecond or toSecond')
  const isSecond = (each: unknown): boolean => {
    const { stream, second, from, to, sha256, batch, index, proof } = (each ?? {}) as Record<string, unknown>
    return (
      typeof stream === 'string' &&
      /^(?:mix|(?:track|rtp)\/[1-9]\d{0,4})$/.test(stream) &&
      [second, from, to, batch, index].every(isCount) &&
      isHash(sha256) &&
      Array.isArray(proof) &&
      proof.length <= longestProof &&
      proof.every(isHash)
    )
  }
  if (!Array.isArray(seconds) || seconds.length === 0 || !seconds.every(isSecond)) throw malformed('seconds')
  return value as Excerpt
}

/** A second of an excerpt as it is there: the text whose hash is the leaf, of the octets that are in the file. */
export function leafOfExcerpt(folder: string, { recording, audio }: Excerpt, line: ExcerptSecond): Buffer {
  let octets: Buffer
  try {
    octets = readOctets(join(folder, streamFile(line.stream, audio.format)), line.from, Math.max(line.from, line.to))
  } catch {
    octets = Buffer.alloc(0)
  }
  return secondText(recording, { ...line, to: line.from + octets.length, sha256: sha256Of(octets) })
}

/**
 * What is wrong with the files around their seconds: a header that is not the one of this sound, octets that stand for no second. Nothing when the list is
 * empty.
 */
export function strayOctets(folder: string, { audio, seconds }: Excerpt): string[] {
  return [...new Set(seconds.map(({ stream }) => stream))].flatMap((stream) => {
    const name = streamFile(stream, audio.format)
    let octets: Buffer
    try {
      octets = readFileSync(join(folder, name))
    } catch {
      return [`${name} is missing`]
    }
    const own = seconds.filter((line) => line.stream === stream)
    const end = own.at(-1)!.to
    const from = own[0]!.from
    const gapless = own.every((line, n) => n === 0 || line.from === own[n - 1]!.to)
    if (!gapless || octets.length !== end) return [`${name} holds octets that stand for no second`]
    return isHeadOf(octets.subarray(0, from), stream, audio, end - from) ? [] : [`${name} has another header than its sound`]
  })
}

function isHeadOf(head: Buffer, stream: string, { format, sampleRateHz }: RecordedAudio, octets: number): boolean {
  if (stream.startsWith('rtp/')) {
    try {
      return decodeDumpHeader(head).recordsAt === head.length
    } catch {
      return false
    }
  }
  if (format === 'wav') return head.equals(encodeWaveHeader({ channels: 1, sampleRateHz }, octets))
  return oggHeadLength(head) === head.length
}
