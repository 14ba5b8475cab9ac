/**
 * What a process that died has left: recordings that were running, and batches of which nobody knows whether the ledger has them.
 *
 * Files are cut back to whole seconds, headers are made right, and the seconds that stand in no batch yet become one more.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '#kernel'
import { isRecordingId, type RecordingManifest, readManifest, recordingFiles, streamFile } from './files.ts'
import { granuleRateHz, oggHeadLength } from './ogg-opus.ts'
import type { RecoveredRecording } from './protocol.ts'
import { readOctets, sha256Of } from './read.ts'
import { decodeDumpHeader, decodeRecords } from './rtpdump.ts'
import { type IndexLine, readIndex, type SecondLine, writeIndexLine } from './second.ts'
import { encodeWaveHeader, waveHeaderLength } from './wave-writer.ts'
import { writeManifest } from './writer.ts'

interface Tail {
  readonly seconds: readonly { readonly second: number; readonly octets: Buffer }[]
}

function wavTail(octets: Buffer, second: number, rateHz: number): Tail {
  const step = 2 * rateHz
  const count = Math.floor(octets.length / step)
  return {
    seconds: Array.from({ length: count }, (_, n) => ({ second: second + n, octets: octets.subarray(n * step, (n + 1) * step) }))
  }
}

/** Pages end with a second, but for those that were full before: a second is over where the granule position says so. */
function oggTail(octets: Buffer, second: number): Tail {
  const seconds: { second: number; octets: Buffer }[] = []
  let from = 0
  for (let at = 0; at + 27 <= octets.length && octets.toString('latin1', at, at + 4) === 'OggS'; ) {
    const segments = octets[at + 26]!
    const lacing = octets.subarray(at + 27, at + 27 + segments)
    const end = at + 27 + segments + lacing.reduce((sum, length) => sum + length, 0)
    if (end > octets.length || segments === 0) break
    const granule = Number(octets.readBigUInt64LE(at + 6))
    at = end
    if (granule % granuleRateHz !== 0) continue
    seconds.push({ second: second + seconds.length, octets: octets.subarray(from, end) })
    from = end
  }
  return { seconds }
}

/** Packets of each second up to `last`, those in which none came included. */
function rtpTail(octets: Buffer, second: number, last: number): Tail {
  const { records } = decodeRecords(octets, 0)
  const seconds: { second: number; octets: Buffer }[] = []
  let at = 0
  let next = 0
  for (let n = second; n <= last; n++) {
    const from = at
    while (next < records.length && Math.floor(records[next]!.offsetMs / 1000) <= n) {
      at += 8 + records[next]!.packet.length
      next++
    }
    seconds.push({ second: n, octets: octets.subarray(from, at) })
  }
  return { seconds }
}

/** Seconds of one stream that stand in no batch; what is not whole is cut off its file. */
function tailOf(
  folder: string,
  manifest: RecordingManifest,
  stream: string,
  from: number,
  second: number,
  last: number
): SecondLine[] {
  const { format, sampleRateHz } = manifest.audio
  const path = join(folder, streamFile(stream, format))
  if (!existsSync(path)) return []
  const octets = readOctets(path, from, statSync(path).size)
  const { seconds } = stream.startsWith('rtp/')
    ? rtpTail(octets, second, last)
    : format === 'wav'
      ? wavTail(octets, second, sampleRateHz)
      : oggTail(octets, second)
  let at = from
  const lines = seconds.map(({ second: number, octets: part }) => {
    const line = { stream, second: number, from: at, to: at + part.length, sha256: sha256Of(part) }
    at += part.length
    return line
  })
  truncateSync(path, at)
  if (!stream.startsWith('rtp/') && format === 'wav') {
    const fd = openSync(path, 'r+')
    writeSync(fd, encodeWaveHeader({ channels: 1, sampleRateHz }, at - waveHeaderLength), 0, waveHeaderLength, 0)
    closeSync(fd)
  }
  return lines
}

/** Octets in front of the first second of a stream. */
function startOf(folder: string, stream: string, format: 'wav' | 'opus'): number {
  const path = join(folder, streamFile(stream, format))
  if (!existsSync(path)) return 0
  const head = readOctets(path, 0, Math.min(statSync(path).size, 65_536))
  if (stream.startsWith('rtp/')) return decodeDumpHeader(head).recordsAt
  if (format === 'wav') return waveHeaderLength
  return oggHeadLength(head)
}

/** Repairs one recording that was running. @returns its manifest, and the batch of what stood in none */
function repair(folder: string, manifest: RecordingManifest, lines: readonly IndexLine[]) {
  const ends = new Map<string, { to: number; second: number }>()
  const batches = lines.filter((line) => 'batch' in line)
  for (const line of lines) {
    if ('opens' in line) ends.set(line.opens, { to: startOf(folder, line.opens, manifest.audio.format), second: line.second })
    if ('batch' in line) for (const { stream, to, second } of line.seconds) ends.set(stream, { to, second: second + 1 })
  }
  const covered = batches.at(-1)?.seconds.at(-1)?.second ?? -1
  const sounds = [...ends.keys()].filter((stream) => !stream.startsWith('rtp/'))
  const tail: SecondLine[] = []
  for (const stream of sounds) {
    const { to, second } = ends.get(stream)!
    tail.push(...tailOf(folder, manifest, stream, to, second, 0))
  }
  for (const stream of ends.keys()) {
    if (!stream.startsWith('rtp/')) continue
    const { to, second } = ends.get(stream)!
    const track = tail.findLast((line) => line.stream === stream.replace('rtp', 'track'))
    tail.push(...tailOf(folder, manifest, stream, to, second, track?.second ?? second - 1))
  }
  tail.sort((a, b) => a.second - b.second)
  const batch = tail.length === 0 ? null : { batch: batches.length, seconds: tail }
  if (batch !== null) appendFileSync(recordingFiles(folder).index, writeIndexLine(batch))
  const seconds = 1 + Math.max(covered, tail.at(-1)?.second ?? -1)
  const repaired: RecordingManifest = { ...manifest, state: 'interrupted', reason: 'interrupted', seconds }
  writeManifest(folder, repaired)
  return { manifest: repaired, batch }
}

const folders = new Map<string, string>()

/** Notes that the ledger has a batch of a recording that was recovered. */
export function witnessedLate(recording: string, batch: number, entry: number | null): void {
  const folder = folders.get(recording)
  if (folder !== undefined) appendFileSync(recordingFiles(folder).index, writeIndexLine({ witnessed: batch, entry }))
}

/** Looks through all recordings. What cannot be read is told and left as it is. */
export function recoverAll(folder: string): { recordings: RecoveredRecording[]; problems: string[] } {
  const recordings: RecoveredRecording[] = []
  const problems: string[] = []
  if (!existsSync(folder)) return { recordings, problems }
  for (const name of readdirSync(folder).filter(isRecordingId)) {
    const path = join(folder, name)
    const files = recordingFiles(path)
    if (!existsSync(files.manifest)) continue
    try {
      const recovered = recoverOne(path)
      if (recovered === null) continue
      folders.set(name, path)
      recordings.push(recovered)
    } catch (error) {
      problems.push(`${name}: ${errorCode(error)}`)
    }
  }
  return { recordings, problems }
}

/** @returns null where nothing is to be told */
function recoverOne(folder: string): RecoveredRecording | null {
  const files = recordingFiles(folder)
  const manifest = readManifest(readFileSync(files.manifest, 'utf8'))
  const text = existsSync(files.index) ? readFileSync(files.index, 'utf8') : ''
  // a line that a crash has cut is taken off, so that what follows is a line of its own
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length !== text.length) truncateSync(files.index, Buffer.byteLength(whole))
  const lines = readIndex(whole)
  const told = new Set(lines.flatMap((line) => ('witnessed' in line ? [line.witnessed] : [])))
  const batches = lines.flatMap((line) => ('batch' in line && !told.has(line.batch) ? [line] : []))
  if (manifest.state !== 'running') return batches.length === 0 ? null : { manifest, interrupted: false, batches }
  const repaired = repair(folder, manifest, lines)
  return {
    manifest: repaired.manifest,
    interrupted: true,
    batches: repaired.batch === null ? batches : [...batches, repaired.batch]
  }
}
