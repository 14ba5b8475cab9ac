/** A recording as it lies on the disk, for whoever examines it. Nothing here writes. */
import { hash } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import { isRecordingId, type RecordingManifest, readManifest, recordingFiles, streamFile } from './files.ts'
import { readIndex, type SecondLine } from './second.ts'

export interface ReadBatch {
  readonly batch: number
  readonly seconds: readonly SecondLine[]
  /** Number of its entry in the ledger, as far as the recorder was told; null where it waited in the spool, or nobody knows. */
  readonly entry: number | null
}

export interface ReadRecording {
  readonly folder: string
  readonly manifest: RecordingManifest
  readonly batches: readonly ReadBatch[]
  /** Seconds of each stream, in their order, with the streams in the order in which they began. */
  readonly streams: ReadonlyMap<string, readonly SecondLine[]>
}

/** @throws {InfraFabricError} `recording.absent`, `recording.manifest.malformed`; {DecodeError} `recording.index.malformed` */
export function openRecording(folder: string): ReadRecording {
  const files = recordingFiles(folder)
  if (!existsSync(files.manifest)) throw new InfraFabricError('recording.absent', `there is no recording in ${folder}`)
  const manifest = readManifest(readFileSync(files.manifest, 'utf8'))
  const lines = existsSync(files.index) ? readIndex(readFileSync(files.index, 'utf8')) : []
  const entries = new Map(lines.flatMap((line) => ('witnessed' in line ? [[line.witnessed, line.entry] as const] : [])))
  const batches = lines.flatMap((line) => ('batch' in line ? [{ ...line, entry: entries.get(line.batch) ?? null }] : []))
  const streams = new Map<string, SecondLine[]>()
  for (const line of lines) if ('opens' in line) streams.set(line.opens, [])
  for (const { seconds } of batches) {
    for (const line of seconds) {
      const before = streams.get(line.stream) ?? []
      streams.set(line.stream, before)
      before.push(line)
    }
  }
  return { folder, manifest, batches, streams }
}

/** Names of the recordings in a folder, oldest first where their conferences have one name. */
export function recordingsIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => isRecordingId(name) && existsSync(recordingFiles(join(folder, name)).manifest))
    .sort()
}

/** Part of a file, shorter where the file is. */
export function readOctets(path: string, from: number, to: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    const out = Buffer.alloc(to - from)
    let at = 0
    while (at < out.length) {
      const got = readSync(fd, out, at, out.length - at, from + at)
      if (got === 0) break
      at += got
    }
    return out.subarray(0, at)
  } finally {
    closeSync(fd)
  }
}

export const sha256Of = (octets: Uint8Array): string => hash('sha256', octets, 'hex')

/** Octets of one second. An absent file has none. */
export function octetsOf({ folder, manifest }: ReadRecording, { stream, from, to }: SecondLine): Buffer {
  const path = join(folder, streamFile(stream, manifest.audio.format))
  return existsSync(path) ? readOctets(path, from, to) : Buffer.alloc(0)
}

/** Seconds whose octets are not those that were hashed. */
export function alteredSeconds(recording: ReadRecording): SecondLine[] {
  return recording.batches.flatMap(({ seconds }) => seconds.filter((line) => sha256Of(octetsOf(recording, line)) !== line.sha256))
}

/** Pages that may stand behind the last second of an Ogg file: the one that ends the stream. */
const oggTail = 64

/** Files that hold more than their seconds, or that belong to no stream. */
export function strayFiles({ folder, manifest, streams }: ReadRecording): string[] {
  const { format } = manifest.audio
  const files = new Map([...streams].map(([stream, lines]) => [streamFile(stream, format), { stream, lines }]))
  const own = Object.values(recordingFiles(''))
  return readdirSync(folder).flatMap((name) => {
    if (own.includes(name)) return []
    const file = files.get(name)
    if (file === undefined) return [`${name} belongs to no stream of the recording`]
    const end = file.lines.at(-1)?.to
    const allowed = !file.stream.startsWith('rtp/') && format === 'opus' ? oggTail : 0
    const isOver = end !== undefined && statSync(join(folder, name)).size > end + allowed
    return isOver && manifest.state !== 'running' ? [`${name} holds octets behind its last second`] : []
  })
}
