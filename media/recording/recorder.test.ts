import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { InfraFabricError, newTraceId, silentLog, systemClock, type WitnessEvent } from '#kernel'
import { type ConferenceEvent, createMediaPlane, type MediaPlane } from '../media.ts'
import { RtpPhone } from '../rtp-phone.ts'
import { sine, toneLevel } from '../tone.ts'
import { decodeWav } from '../wav.ts'
import { readManifest } from './files.ts'
import { defaultPolicy, type RecordingPolicy } from './policy.ts'
import { createRecorder, type Recorder, type RecorderConfig, type RecorderEvent } from './recorder.ts'
import { RingWriter } from './ring.ts'

const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
const announcement = { samples: sine(8000, 1400, -12, 4000), sampleRateHz: 8000 }

async function until(what: () => boolean | Promise<boolean>, why: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await what()); await sleep(20)) if (Date.now() > deadline) throw new Error(why)
}

/** A ledger in memory. `refuses` is asked before each entry. */
function memoryWitness(refuses: (event: WitnessEvent) => boolean = () => false) {
  const entries: (WitnessEvent & { items?: readonly string[] })[] = []
  const take = async (event: WitnessEvent, items?: readonly Uint8Array[]) => {
    if (refuses(event)) throw new InfraFabricError('witness.unrecorded', 'no')
    entries.push(items === undefined ? event : { ...event, items: items.map((item) => Buffer.from(item).toString()) })
    return { state: 'committed', index: entries.length - 1, hash: '' } as const
  }
  return {
    entries,
    names: () => entries.map(({ event }) => event),
    of: (name: string) => entries.filter(({ event }) => event === name),
    witness: {
      record: (event: WitnessEvent) => take(event),
      recordBatch: (event: WitnessEvent, _kind: string, items: readonly Uint8Array[]) => take(event, items)
    }
  }
}

interface Scene extends ReturnType<typeof memoryWitness> {
  readonly media: MediaPlane
  readonly recorder: Recorder
  readonly events: RecorderEvent[]
  readonly folder: string
  readonly join: (
    participant: string,
    toneHz: number,
    role?: 'guardian' | 'expert' | 'observer'
  ) => Promise<{ phone: RtpPhone; leave: () => Promise<unknown> }>
  readonly restart: () => Promise<Recorder>
}

async function scene(
  t: ExecutionContext,
  policy: Partial<RecordingPolicy> = {},
  config: Partial<RecorderConfig> = {},
  refuses?: (event: WitnessEvent) => boolean
): Promise<Scene> {
  const folder = config.folder ?? (await mkdtemp(join(tmpdir(), 'recorder ')))
  if (config.folder === undefined) t.teardown(() => rm(folder, { recursive: true, force: true }))
  const ledger = memoryWitness(refuses)
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [24_000, 24_399], log: silentLog })
  t.teardown(() => media.close())
  const events: RecorderEvent[] = []
  const start = async () => {
    const recorder = await createRecorder(
      {
        folder,
        audio: { format: 'wav', sampleRateHz: 16_000 },
        batchSeconds: 1,
        policies: [{ ...defaultPolicy, conference: 'council', consent: 'announce', announcement, ...policy }],
        signer: null,
        ...config
      },
      { plane: media, witness: ledger.witness, clock: systemClock, log: silentLog }
    )
    recorder.onEvent((event) => events.push(event))
    t.teardown(() => recorder.close())
    return recorder
  }
  const recorder = await start()
  return {
    ...ledger,
    media,
    recorder,
    events,
    folder,
    restart: start,
    join: async (participant, toneHz, role = 'expert') => {
      const phone = await RtpPhone.open({ says: sine(8000, toneHz, -12, 8000) })
      t.teardown(() => phone.close())
      const joined = await media.join(context, { conference: 'council', participant, role, offer: phone.sdp() })
      if (!joined.ok) throw new Error(joined.reason)
      phone.talkTo(joined.sdp)
      return { phone, leave: joined.leg.leave }
    }
  }
}

const sound = async (folder: string, recording: string, name: string) =>
  decodeWav(await readFile(join(folder, recording, name))).samples
const hears = (samples: Int16Array, hz: number) => toneLevel(samples, 16_000, hz) > -40

test('who has heard the announcement is recorded; consent stands in the ledger before sound stands on the disk', async (t) => {
  const { join: enter, recorder, names, of, events, folder } = await scene(t)
  const a = await enter('a', 440)
  const b = await enter('b', 700)
  await until(() => of('recording_consent').length === 2, 'both')
  const before = of('recording_batch').length
  await until(() => of('recording_batch').length >= before + 3, 'batches')
  t.deepEqual(names().slice(0, 2), ['recording_started', 'recording_consent'])
  const heard = a.phone.takeHeard()
  const loudest = Math.max(...Array.from({ length: 20 }, (_, n) => toneLevel(heard.subarray(800 * n, 800 * (n + 1)), 8000, 1400)))
  t.true(loudest > -20, `the announcement was played: ${loudest}`)
  await a.leave()
  await b.leave()
  await until(() => recorder.status().length === 0, 'the end')
  t.is(names().at(-1), 'recording_stopped')
  t.like(of('recording_stopped')[0]!.payload, { reason: 'conference-over', parties: 2 })
  t.deepEqual(
    of('recording_consent')
      .map(({ payload }) => `${payload.participant} ${payload.given} ${payload.by}`)
      .sort(),
    ['a true announcement', 'b true announcement']
  )
  const { recording } = events[0]!
  const mix = await sound(folder, recording, 'mix.wav')
  const both = mix.subarray(16_000 * (before + 1), 16_000 * (before + 2))
  t.true(hears(both, 440) && hears(both, 700))
  t.false(hears(mix, 1400), 'the announcement came before')
  const manifest = readManifest(await readFile(join(folder, recording, 'recording.json'), 'utf8'))
  t.is(manifest.state, 'stopped')
  t.is(manifest.parties.length, 2)
  const { slot } = manifest.parties.find(({ participant }) => participant === 'a')!
  const track = await sound(folder, recording, `track-${slot}.wav`)
  t.true(hears(track, 440) && !hears(track, 700))
  t.is(
    of('recording_batch').reduce((sum, { items }) => sum + items!.filter((text) => text.includes('\nmix\n')).length, 0),
    manifest.seconds
  )
})

test('by key: yes, no, no answer, taken back, given again; nothing of who has not agreed is kept', async (t) => {
  const { join: enter, recorder, of, events, folder } = await scene(t, { consent: 'key', answerWithinMs: 1500 })
  const [yes, no, mute] = [await enter('yes', 440), await enter('no', 700), await enter('mute', 1000)]
  await until(() => recorder.status()[0]?.participants.every(({ consent }) => consent === 'asked') === true, 'asked')
  t.deepEqual(of('recording_started'), [], 'nothing begins before somebody agrees')
  yes.phone.press('1')
  no.phone.press('0')
  await until(() => of('recording_consent').length === 3, 'three answers')
  t.deepEqual(
    of('recording_consent')
      .map(({ payload }) => `${payload.participant} ${payload.given} ${payload.by}`)
      .sort(),
    ['mute false timeout', 'no false key', 'yes true key']
  )
  await until(() => of('recording_batch').length >= 2, 'two seconds')
  for (const key of '*4') {
    yes.phone.press(key)
    await sleep(120)
  }
  await until(() => of('recording_consent').length === 4, 'taken back')
  const withdrawnAt = of('recording_batch').length
  t.like(of('recording_consent')[3]!.payload, { participant: 'yes', given: false, withdrawn: true })
  await until(() => of('recording_batch').length >= withdrawnAt + 3, 'it goes on, silent')
  for (const key of '*4') {
    yes.phone.press(key)
    await sleep(120)
  }
  await until(() => of('recording_consent').length === 5, 'given again')
  await until(() => of('recording_batch').length >= withdrawnAt + 5, 'two seconds more')
  recorder.stop('council', 'operator')
  await until(() => events.at(-1)?.type === 'stopped', 'the end')
  const { recording } = events[0]!
  const files = (await readdir(join(folder, recording))).sort()
  t.deepEqual(files, [
    'mix.wav',
    'recording.json',
    'rtp-1.rtpdump',
    'rtp-2.rtpdump',
    'seconds.jsonl',
    'track-1.wav',
    'track-2.wav'
  ])
  const mix = await sound(folder, recording, 'mix.wav')
  t.true(hears(mix.subarray(0, 16_000), 440))
  for (const hz of [700, 1000]) t.false(hears(mix, hz), `${hz} Hz`)
  const from = 16_000 * (withdrawnAt + 1)
  t.false(hears(mix.subarray(from, from + 16_000), 440), 'silent while consent is taken back')
  void mute
})

test('it is started by whom the policy names, by key, and ended by the same', async (t) => {
  const { join: enter, recorder, of } = await scene(t, { start: 'manual', startedBy: ['guardian'] })
  t.deepEqual(recorder.start('council', 'operator'), { ok: false, code: 'recording.empty' })
  t.deepEqual(recorder.start('elsewhere', 'operator'), { ok: false, code: 'recording.off' })
  const expert = await enter('e', 440)
  const guardian = await enter('g', 700, 'guardian')
  await sleep(300)
  t.deepEqual(recorder.start('council', { participant: 'e', role: 'expert' }), { ok: false, code: 'recording.forbidden' })
  const press = async (phone: RtpPhone) => {
    for (const key of '*3') {
      phone.press(key)
      await sleep(150)
    }
  }
  await press(expert.phone)
  await sleep(300)
  t.deepEqual(recorder.status(), [])
  await press(guardian.phone)
  await until(() => of('recording_batch').length > 0, 'a batch')
  t.deepEqual(recorder.start('council', 'operator'), { ok: false, code: 'recording.running' })
  t.like(of('recording_started')[0]!.payload, { by: 'g', consent: 'announce' })
  t.deepEqual(recorder.stop('council', { participant: 'e', role: 'expert' }), { ok: false, code: 'recording.forbidden' })
  await press(guardian.phone)
  await until(() => of('recording_stopped').length === 1, 'the end')
  t.deepEqual(recorder.stop('council', 'operator'), { ok: false, code: 'recording.absent' })
})

test('muted or observing, nobody is recorded, packets neither', async (t) => {
  const { join: enter, media, of, events, folder, recorder } = await scene(t)
  await enter('a', 440)
  await enter('o', 700, 'observer')
  await until(() => of('recording_batch').length >= 1, 'a second')
  media.mute('council', 'a', true, 'self')
  const mutedAt = of('recording_batch').length
  await until(() => of('recording_batch').length >= mutedAt + 3, 'three seconds')
  recorder.stop('council', 'operator')
  await until(() => events.at(-1)?.type === 'stopped', 'the end')
  const { recording } = events[0]!
  const packets = of('recording_batch').flatMap(({ items }) => items!.filter((text) => text.includes('\nrtp/1\n')))
  t.is(packets[mutedAt + 1]!.split('\n')[4], '0', 'no octet while muted')
  t.not(packets[0]!.split('\n')[4], '0')
  for (const name of ['rtp-2.rtpdump', 'track-2.wav']) {
    const { length } = await readFile(join(folder, recording, name))
    if (name.endsWith('rtpdump')) t.true(length < 100, 'packets of an observer')
  }
  t.false(hears(await sound(folder, recording, 'mix.wav'), 700))
})

test('what the ledger does not take is not recorded', async (t) => {
  const closed = await scene(t, {}, {}, ({ event }) => event === 'recording_started')
  await closed.join('a', 440)
  await until(() => closed.events.some(({ type }) => type === 'failed'), 'failed')
  t.deepEqual(await readdir(closed.folder), [])
})

test('batches that the ledger refuses end the recording, and are told at the next start', async (t) => {
  let refused = true
  const {
    join: enter,
    events,
    of,
    folder,
    recorder,
    restart,
    names
  } = await scene(t, {}, {}, ({ event }) => refused && (event === 'recording_batch' || event === 'recording_failed'))
  const { phone } = await enter('a', 440)
  await until(() => events.some(({ type }) => type === 'failed'), 'failed')
  phone.takeHeard()
  await until(() => phone.takeHeard().length > 0, 'the call goes on')
  await until(() => recorder.status().length === 0, 'closed')
  refused = false
  await restart()
  t.true(of('recording_batch').length >= 1)
  t.true(of('recording_batch').every(({ payload }) => payload.recovered === true))
  t.false(names().includes('recording_stopped'), 'it was no crash')
  const { recording } = events[0]!
  t.is(readManifest(await readFile(join(folder, recording, 'recording.json'), 'utf8')).state, 'failed')
})

test('frames that are missing are told in the entry of their batch', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'recorder '))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { witness, of } = memoryWitness()
  let tell: (event: ConferenceEvent) => void = () => undefined
  let memory: SharedArrayBuffer | null = null
  const plane = {
    announce: async () => true,
    record: (_conference: string, ring: SharedArrayBuffer | null) => {
      memory = ring ?? memory
    },
    recordParticipant: () => undefined,
    onConferenceEvent: (listener: typeof tell) => {
      tell = listener
    }
  }
  const policies = [{ ...defaultPolicy, conference: '*', consent: 'announce' as const }]
  const audio = { format: 'wav' as const, sampleRateHz: 8000 }
  const recorder = await createRecorder(
    { folder, audio, batchSeconds: 4, policies, signer: null },
    { plane, witness, clock: systemClock, log: silentLog }
  )
  t.teardown(() => recorder.close())
  tell({ type: 'joined', conference: 'c', participant: 'a', role: 'expert' })
  tell({ type: 'sending', conference: 'c', participant: 'a' })
  await until(() => memory !== null, 'begun')
  const ring = new RingWriter(memory!)
  for (let n = 0; n < 150; n++) ring.frame(n < 60 ? 20 * n : 20 * n + 2500, 8000)
  await until(() => of('recording_batch').length === 1, 'a batch')
  t.deepEqual(of('recording_batch')[0]!.payload.gaps, [{ second: 1, milliseconds: 2500 }])
  tell({ type: 'left', conference: 'c', participant: 'a' })
  await until(() => of('recording_stopped').length === 1, 'the end')
  t.false('gaps' in of('recording_batch')[1]!.payload)
})

test('recordings are deleted when their time is over, and the ledger says so', async (t) => {
  const { recorder, of, folder } = await scene(t)
  const old = {
    format: 'infrafabric-recording/1',
    conference: 'council',
    traceId: newTraceId(),
    audio: { format: 'wav', sampleRateHz: 16_000 },
    batchSeconds: 1,
    consent: 'announce',
    startedBy: 'automatic',
    parties: [],
    gaps: [],
    reason: null,
    seconds: 10
  }
  const write = async (id: string, startedAt: number, more: object) => {
    await mkdir(join(folder, id))
    await writeFile(join(folder, id, 'recording.json'), JSON.stringify({ ...old, id, startedAt, ...more }))
  }
  const days = (count: number) => Date.now() - count * 86_400_000
  await write('old', days(31), { state: 'stopped', retentionDays: 30 })
  await write('kept', days(31), { state: 'stopped', retentionDays: null })
  await write('young', days(29), { state: 'stopped', retentionDays: 30 })
  await write('running', days(31), { state: 'running', retentionDays: 30 })
  t.deepEqual(await recorder.expire(), ['old'])
  t.deepEqual((await readdir(folder)).sort(), ['kept', 'running', 'young'])
  t.like(of('recording_erased')[0]!.payload, { recording: 'old', reason: 'retention', retentionDays: 30 })
})

const isRoot = process.getuid?.() === 0
const mount = (...args: string[]) => spawnSync('mount', args).status === 0

test('a full disk ends the recording, not the call: whole seconds are kept and told', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'recorder-full '))
  if (!isRoot || !mount('-t', 'tmpfs', '-o', 'size=400k', 'none', folder)) {
    await rm(folder, { recursive: true })
    t.pass('needs the right to mount')
    return
  }
  t.teardown(async () => {
    spawnSync('umount', ['-l', folder])
    await rm(folder, { recursive: true, force: true })
  })
  const { join: enter, events, of, recorder } = await scene(t, {}, { folder, batchSeconds: 30 })
  const { phone } = await enter('a', 440)
  await until(() => events.some(({ type }) => type === 'failed'), 'the disk is full')
  t.like(events.at(-1), { type: 'failed', code: 'ENOSPC' })
  phone.takeHeard()
  await until(() => phone.takeHeard().length > 0, 'the call goes on')
  await until(() => recorder.status().length === 0, 'closed')
  t.like(of('recording_failed')[0]!.payload, { code: 'ENOSPC' })
  const { recording } = events[0]!
  const batch = of('recording_batch')[0]!
  const seconds = Number(batch.payload.toSecond) + 1
  t.true(seconds >= 2)
  for (const name of ['mix.wav', 'track-1.wav']) t.is((await sound(folder, recording, name)).length, 16_000 * seconds, name)
})

test('a disk that hangs ends the recording, not the call', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'recorder-slow '))
  const image = join(root, 'image')
  const folder = join(root, 'disk')
  await mkdir(folder)
  await writeFile(image, Buffer.alloc(8 << 20))
  const made = isRoot && spawnSync('mkfs.ext4', ['-q', image]).status === 0 && mount('-o', 'loop', image, folder)
  if (!made || spawnSync('fsfreeze', ['--help']).status !== 0) {
    await rm(root, { recursive: true })
    t.pass('needs the right to mount, mkfs.ext4 and fsfreeze')
    return
  }
  const thaw = () => spawnSync('fsfreeze', ['-u', folder])
  t.teardown(async () => {
    thaw()
    spawnSync('umount', ['-l', folder])
    await rm(root, { recursive: true, force: true })
  })
  const { join: enter, events, of, recorder } = await scene(t, {}, { folder: join(folder, 'recordings'), ringOctets: 1 << 16 })
  const { phone } = await enter('a', 440)
  await until(() => of('recording_batch').length >= 1, 'a second')
  t.is(spawnSync('fsfreeze', ['-f', folder]).status, 0)
  await until(() => events.some(({ type }) => type === 'failed'), 'the disk hangs')
  t.like(
    events.find(({ type }) => type === 'failed'),
    { code: 'recording.disk-slow' }
  )
  phone.takeHeard()
  await until(() => phone.takeHeard().length > 0, 'the call goes on')
  thaw()
  await until(() => recorder.status().length === 0, 'closed')
  t.like(of('recording_failed')[0]!.payload, { code: 'recording.disk-slow' })
  await recorder.close()
})
