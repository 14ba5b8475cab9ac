/**
 * What a recording costs: the media thread for copying out a frame, the recording thread for a second of one participant.
 *
 *     node media/testing/bench-recording.ts [--json]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import type { AudioFormat, RecordingManifest } from '../recording/files.ts'
import { RingReader, type RingRecord, RingWriter, ringMemory } from '../recording/ring.ts'
import { recordingFormat } from '../recording/second.ts'
import { RecordingWriter } from '../recording/writer.ts'
import { voice } from './signals.ts'

const participants = 8
const seconds = 20
const rounds = 5
const rateHz = 16_000
const frame = rateHz / 50

const cpuUs = (act: () => void): number => {
  const before = process.cpuUsage()
  act()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

const least = (measure: () => number): number => Math.min(...Array.from({ length: rounds }, measure))

const said = voice(rateHz, seconds + 1)
const packet = new Uint8Array(172)

/** One participant's part of a frame and its packet, into the ring. */
function copying(): number {
  const memory = ringMemory(1 << 24)
  const ring = new RingWriter(memory)
  const reader = new RingReader(memory)
  let spent = 0
  for (let n = 0; n < 50 * seconds; n += 50) {
    spent += cpuUs(() => {
      for (let at = n; at < n + 50; at++) {
        for (let slot = 1; slot <= participants; slot++) {
          ring.packet(slot, 20 * at, packet)
          ring.part(slot, 20 * at, rateHz, said.subarray(at * frame, (at + 1) * frame))
        }
        ring.frame(20 * at, rateHz)
      }
    })
    reader.drain(() => undefined)
  }
  if (ring.lost > 0) throw new Error('the ring ran over')
  return spent / (50 * seconds * participants)
}

const manifest = (format: AudioFormat): RecordingManifest => ({
  format: recordingFormat,
  id: 'bench',
  conference: 'bench',
  traceId: '',
  startedAt: 0,
  audio: { format, sampleRateHz: rateHz },
  batchSeconds: 10,
  consent: 'announce',
  startedBy: 'bench',
  retentionDays: null,
  parties: [],
  gaps: [],
  state: 'running',
  reason: null,
  seconds: 0
})

let runs = 0

/** Milliseconds for a second of one participant, its share of the mix, its packets and the hashes included. */
function writing(folder: string, format: AudioFormat): number {
  const plan = {
    id: 'bench',
    folder: join(folder, `${format}-${runs++}`),
    audio: manifest(format).audio,
    batchSeconds: 10,
    startedAt: 0
  }
  const writer = new RecordingWriter(plan, manifest(format), { batch: () => undefined, gap: () => undefined })
  const records: RingRecord[] = []
  for (let n = 0; n < 50 * seconds; n++) {
    const part = new Uint8Array(said.slice(n * frame, (n + 1) * frame).buffer)
    for (let slot = 1; slot <= participants; slot++) {
      records.push(
        { kind: 1, slot, timeMs: 20 * n, rateHz: 0, octets: packet },
        { kind: 2, slot, timeMs: 20 * n, rateHz, octets: part }
      )
    }
    records.push({ kind: 3, slot: 0, timeMs: 20 * n, rateHz, octets: new Uint8Array(0) })
  }
  const spent = cpuUs(() => {
    for (const record of records) writer.take(record)
    writer.end()
  })
  writer.finish(manifest(format))
  return spent / 1000 / (seconds * participants)
}

const root = await mkdtemp(join(tmpdir(), 'bench recording '))
const metrics: Metric[] = []
try {
  const copied = least(copying)
  metrics.push({
    metric: 'media.record_copy',
    value: copied,
    unit: 'µs',
    note: 'media thread: a frame and a packet of one participant'
  })
  for (const format of ['wav', 'opus'] as const) {
    const value = least(() => writing(root, format))
    metrics.push({
      metric: `media.record_write_${format}`,
      value,
      unit: 'ms',
      note: `recording thread: a second of one participant of ${participants}`
    })
  }
} finally {
  await rm(root, { recursive: true, force: true })
}

console.log(process.argv.includes('--json') ? jsonLines(metrics) : metricTable(metrics))
