import { hash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { sine, toneLevel } from '../tone.ts'
import { decodeWav } from '../wav.ts'
import { isRecordingId, type RecordingManifest, readManifest, recordingFiles, recordingId } from './files.ts'
import { recoverAll } from './recover.ts'
import { type RingRecord, recordKinds } from './ring.ts'
import { decodeDumpHeader, decodeRecords } from './rtpdump.ts'
import { readIndex, recordingFormat, type SecondLine, secondText } from './second.ts'
import { RecordingWriter } from './writer.ts'

const id = 'council-20261121t160000z-00000001'

const manifest: RecordingManifest = {
  format: recordingFormat,
  id,
  conference: 'council',
  traceId: '0'.repeat(32),
  startedAt: 1_700_000_000_000,
  audio: { format: 'wav', sampleRateHz: 16_000 },
  batchSeconds: 2,
  consent: 'announce',
  startedBy: 'automatic',
  retentionDays: null,
  parties: [],
  gaps: [],
  state: 'running',
  reason: null,
  seconds: 0
}

const tones = new Map<string, Int16Array>()

function toneOf(slot: number, rateHz: number): Int16Array {
  const name = `${slot} ${rateHz}`
  const tone = tones.get(name) ?? sine(rateHz, 300 * slot, -12, rateHz)
  tones.set(name, tone)
  return tone
}

interface Scene {
  readonly root: string
  readonly folder: string
  readonly writer: RecordingWriter
  readonly batches: { batch: number; seconds: readonly SecondLine[] }[]
  readonly gaps: number[]
  /** So many frames, in which the slots sound. */
  readonly frames: (count: number, slots: readonly number[], rateHz?: number) => void
  readonly skip: (ms: number) => void
  readonly file: (name: string) => Promise<Buffer>
}

async function scene(t: ExecutionContext, format: 'wav' | 'opus' = 'wav'): Promise<Scene> {
  const root = await mkdtemp(join(tmpdir(), 'recording '))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const folder = join(root, id)
  const batches: Scene['batches'] = []
  const gaps: number[] = []
  const described = { ...manifest, audio: { ...manifest.audio, format } }
  const writer = new RecordingWriter(
    { id, folder, audio: described.audio, batchSeconds: 2, startedAt: manifest.startedAt },
    described,
    { batch: (batch, seconds) => batches.push({ batch, seconds }), gap: (_second, milliseconds) => gaps.push(milliseconds) }
  )
  let timeMs = 1000
  let at = 0
  const record = (kind: number, slot: number, rateHz: number, octets: Uint8Array): RingRecord => ({
    kind,
    slot,
    timeMs,
    rateHz,
    octets
  })
  return {
    root,
    folder,
    writer,
    batches,
    gaps,
    frames: (count, slots, rateHz = 8000) => {
      for (let n = 0; n < count; n++, timeMs += 20, at++) {
        for (const slot of slots) {
          const tone = toneOf(slot, rateHz)
          const from = (at % 50) * (rateHz / 50)
          const part = tone.slice(from, from + rateHz / 50)
          writer.take(record(recordKinds.packet, slot, 0, Uint8Array.of(0x80, 0, at >> 8, at & 255, slot)))
          writer.take(record(recordKinds.part, slot, rateHz, new Uint8Array(part.buffer)))
        }
        writer.take(record(recordKinds.frame, 0, rateHz, new Uint8Array(0)))
      }
    },
    skip: (ms) => {
      timeMs += ms
    },
    file: (name) => readFile(join(folder, name))
  }
}

/** Whether the octets of each second are those that were hashed. */
async function checkSeconds(t: ExecutionContext, { file }: Pick<Scene, 'file'>, seconds: readonly SecondLine[], format = 'wav') {
  for (const { stream, from, to, sha256 } of seconds) {
    const name = stream.replace('/', '-')
    const octets = await file(stream.startsWith('rtp') ? `${name}.rtpdump` : `${name}.${format}`)
    t.is(hash('sha256', octets.subarray(from, to), 'hex'), sha256, `${stream} ${from}`)
  }
}

test('each participant has a file of sound and one of packets, and all are in the mix; each second is hashed', async (t) => {
  const all = await scene(t)
  const { frames, writer, batches, file } = all
  frames(100, [1])
  frames(75, [1, 2])
  writer.close(1)
  frames(60, [2], 48_000)
  writer.end()
  writer.finish({ ...manifest, state: 'stopped', seconds: writer.seconds })
  t.is(writer.seconds, 5)
  t.deepEqual(
    batches.map(({ batch, seconds }) => [batch, seconds.map(({ stream, second }) => `${stream}@${second}`).join(' ')]),
    [
      [0, 'mix@0 track/1@0 rtp/1@0 mix@1 track/1@1 rtp/1@1'],
      [1, 'mix@2 track/1@2 track/2@2 rtp/1@2 rtp/2@2 mix@3 track/1@3 track/2@3 rtp/1@3 rtp/2@3'],
      [2, 'mix@4 track/2@4 rtp/2@4']
    ]
  )
  for (const { seconds } of batches) await checkSeconds(t, all, seconds)
  const mix = decodeWav(await file('mix.wav'))
  t.is(mix.samples.length, 5 * 16_000)
  const level = (samples: Int16Array, from: number, to: number, hz: number) =>
    toneLevel(samples.subarray(from * 16_000, to * 16_000), 16_000, hz)
  t.true(level(mix.samples, 0.5, 2, 300) > -13)
  t.true(level(mix.samples, 0.5, 1.9, 600) < -60, 'who is not there is not heard')
  t.true(level(mix.samples, 2.2, 3.4, 600) > -13)
  t.true(level(mix.samples, 3.7, 4.6, 600) > -13, 'another sample rate')
  const first = decodeWav(await file('track-1.wav')).samples
  t.is(first.length, 4 * 16_000, 'it begins with the recording and ends with the second in which the participant left')
  t.true(level(first, 3.6, 4, 300) < -60)
  const dump = await file('rtp-1.rtpdump')
  const { recordsAt, startMs } = decodeDumpHeader(dump)
  t.is(startMs, manifest.startedAt)
  const { records } = decodeRecords(dump, recordsAt)
  t.is(records.length, 175)
  t.is(records[100]!.offsetMs, 2000)
  t.deepEqual([...records[100]!.packet], [0x80, 0, 0, 100, 1])
  t.is(readManifest((await file('recording.json')).toString()).state, 'stopped')
})

test('frames that are missing are told, and silence stands in their place', async (t) => {
  const { frames, skip, writer, gaps, file } = await scene(t)
  frames(50, [1])
  skip(3000)
  frames(50, [1])
  t.is(writer.seconds, 5)
  t.deepEqual(gaps, [3000])
  const { samples } = decodeWav(await file('track-1.wav'))
  t.true(toneLevel(samples.subarray(16_000, 63_000), 16_000, 300) < -60)
  t.true(toneLevel(samples.subarray(65_000, 80_000), 16_000, 300) > -13)
})

test('a packet that comes when its second is over stands at the beginning of the next', async (t) => {
  const { frames, writer, file } = await scene(t)
  frames(60, [1])
  writer.take({ kind: recordKinds.packet, slot: 1, timeMs: 1400, rateHz: 0, octets: Uint8Array.of(9) })
  frames(40, [])
  const dump = await file('rtp-1.rtpdump')
  const { records } = decodeRecords(dump, decodeDumpHeader(dump).recordsAt)
  t.like(records.at(-1), { offsetMs: 1180 })
})

for (const format of ['wav', 'opus'] as const) {
  test(`${format}: what a process that died has left is whole, and its last seconds become a batch`, async (t) => {
    const all = await scene(t, format)
    const { frames, root, folder, batches } = all
    frames(50 * 7 + 20, [1, 2])
    t.is(batches.length, 3)
    // the process is gone: what it had written is all there is
    const copy = join(root, 'copy')
    await cp(folder, join(copy, id), { recursive: true })
    const files = recordingFiles(join(copy, id))
    const sound = join(copy, id, `track-2.${format}`)
    const length = (await readFile(sound)).length
    await truncate(sound, length - 10)
    await writeFile(files.index, `${await readFile(files.index, 'utf8')}{"batch":3,"sec`)
    const { recordings, problems } = recoverAll(copy)
    t.deepEqual(problems, [])
    const [recovered] = recordings
    t.like(recovered, { interrupted: true, manifest: { state: 'interrupted', seconds: 7 } })
    t.deepEqual(
      recovered!.batches.map(({ batch, seconds }) => [batch, seconds.length]),
      [
        [0, 10],
        [1, 10],
        [2, 10],
        // track 2 has lost its last second
        [3, 3]
      ]
    )
    const file = (name: string) => readFile(join(copy, id, name))
    for (const { seconds } of recovered!.batches) await checkSeconds(t, { file }, seconds, format)
    t.is(
      recovered!.batches[3]!.seconds.some(({ stream }) => stream === 'track/2'),
      false
    )
    t.is(readIndex(await readFile(files.index, 'utf8')).filter((line) => 'batch' in line).length, 4)
    if (format === 'wav') t.is(decodeWav(await file('track-2.wav')).samples.length, 6 * 16_000)
    t.deepEqual(
      recoverAll(copy).recordings.map(({ interrupted, batches: left }) => [interrupted, left.length]),
      [[false, 4]],
      'asked again, it tells what nobody has said to be in the ledger'
    )
  })
}

test('the text of a second, line by line', (t) => {
  const line = { stream: 'track/3', second: 17, from: 80, to: 32_080, sha256: 'ab'.repeat(32) }
  t.is(secondText('r', line).toString(), `infrafabric-recording/1\nr\ntrack/3\n17\n32000\n${'ab'.repeat(32)}\n`)
  for (const text of [
    '{}\n',
    '{"opens":"../x","second":0}\n',
    'x\n',
    '{"batch":0,"seconds":[{}]}\n',
    '{"witnessed":-1,"entry":null}\n'
  ])
    t.throws(() => readIndex(text), { code: 'recording.index.malformed' })
  t.deepEqual(readIndex('{"witnessed":1,"entry":null}\n{"wit'), [{ witnessed: 1, entry: null }])
})

test('names of recordings are names of folders, whatever the conference is called', (t) => {
  for (const name of ['council', '../../etc', 'Übersee / 7', '']) {
    const made = recordingId(name, 0, '00ff')
    t.true(isRecordingId(made), made)
    t.false(made.includes('/'))
  }
  for (const name of ['', '..', '../x', '/x', 'a/b', 'A']) t.false(isRecordingId(name))
  t.throws(() => readManifest('{}'), { code: 'recording.manifest.malformed' })
})
