/** Recordings against a ledger that tells less, or something else. The whole way from a call is tested in deploy/recording.test.ts. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { newTraceId, silentLog, type WitnessEvent } from '#kernel'
import { appendItem, batchOf, formatVerifierKey, frameHash, generateSigningKey, openLedger, readSigner } from '#ledger'
import { prepareRecordingSigner, type RecordingManifest, type SecondLine, secondText } from '#media/recording'
import { recordKinds } from '../media/recording/ring.ts'
import { RecordingWriter } from '../media/recording/writer.ts'
import { ifctl, withFolder } from './testing/run.ts'

const id = 'council-20261121t160000z-00000001'
const startedAt = Date.UTC(2026, 10, 21, 16)
const audio = { format: 'wav', sampleRateHz: 8000 } as const

/** A data folder with a recording of four seconds in two batches, and the ledger's entries about it. */
async function prepare(
  data: string,
  told: (batch: number, event: WitnessEvent) => WitnessEvent | null
): Promise<{ folder: string; vkey: string }> {
  const traceId = newTraceId()
  const folder = join(data, 'recordings', id)
  const manifest: RecordingManifest = {
    format: 'infrafabric-recording/1',
    id,
    conference: 'council',
    traceId,
    startedAt,
    audio,
    batchSeconds: 2,
    consent: 'key',
    startedBy: 'operator',
    retentionDays: null,
    parties: [{ slot: 1, participant: 'a', role: 'expert', consent: 'key', since: startedAt, until: null }],
    gaps: [],
    state: 'stopped',
    reason: 'operator',
    seconds: 4
  }
  const batches: (readonly SecondLine[])[] = []
  const plan = { id, folder, audio, batchSeconds: 2, startedAt }
  const writer = new RecordingWriter(plan, manifest, { batch: (_number, seconds) => batches.push(seconds), gap: () => undefined })
  for (let n = 0; n < 200; n++) {
    writer.take({ kind: recordKinds.part, slot: 1, timeMs: 20 * n, rateHz: 8000, octets: new Uint8Array(320).fill(n) })
    writer.take({ kind: recordKinds.frame, slot: 0, timeMs: 20 * n, rateHz: 8000, octets: new Uint8Array(0) })
  }
  writer.end()
  writer.finish(manifest)
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin: 'council.example/witness', log: silentLog })
  for (const [number, seconds] of batches.entries()) {
    const batch = batchOf('recording', Buffer.concat(seconds.map((line) => frameHash(secondText(id, line)))))
    const payload = { recording: id, number, startedAt: new Date(startedAt).toISOString(), audio, batch }
    const event = told(number, { event: 'recording_batch', component: 'IF.media.recorder', traceId, payload })
    if (event !== null) await ledger.append([appendItem(event, startedAt, `batch-${number}`)], null)
  }
  await ledger.close()
  prepareRecordingSigner(join(data, 'recordings'), 'council.example/witness', startedAt)
  return { folder, vkey: ledger.vkey }
}

async function verify(t: ExecutionContext, data: string, code: number): Promise<{ verdict: string; problems: string[] }> {
  const { stdout, stderr, code: ended } = await ifctl(['recording', 'verify', id, '--data', data, '--json'])
  t.is(ended, code, stdout + stderr)
  const { verdict, faults } = JSON.parse(stdout)
  return { verdict, problems: faults.map(({ problem }: { problem: string }) => problem) }
}

test('a batch that the ledger does not know, and one that is not here', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (batch, event) => (batch === 0 ? event : null))
    t.deepEqual(await verify(t, data, 13), { verdict: 'unwitnessed', problems: ['batch 1 is in no entry of the ledger'] })
    const index = join(folder, 'seconds.jsonl')
    const lines = (await readFile(index, 'utf8')).split('\n')
    const [first] = lines.filter((line) => line.startsWith('{"batch":0'))
    await writeFile(index, lines.filter((line) => line !== first).join('\n'))
    const { verdict, problems } = await verify(t, data, 13)
    t.is(verdict, 'unwitnessed')
    t.true(problems.includes('entry 0 tells of batch 0, which is not here'))
  }))

test('a list of seconds that was changed with its sound, and a description that was changed', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (_batch, event) => event)
    t.deepEqual(await verify(t, data, 0), { verdict: 'valid', problems: [] })
    const manifest = join(folder, 'recording.json')
    const said = await readFile(manifest, 'utf8')
    await writeFile(manifest, said.replace(String(startedAt), String(startedAt + 1)))
    t.deepEqual((await verify(t, data, 11)).problems, [
      'recording.json says something else than entry 0',
      'recording.json says something else than entry 1'
    ])
    await writeFile(manifest, said)
    const index = join(folder, 'seconds.jsonl')
    const text = await readFile(index, 'utf8')
    const [sha256] = /[0-9a-f]{64}/.exec(text)!
    await writeFile(index, text.replace(sha256, '0'.repeat(64)))
    t.deepEqual((await verify(t, data, 11)).problems, [
      'mix, second 0: not what was recorded',
      'the list of batch 0 is not that of entry 0'
    ])
    await writeFile(index, 'nonsense\n')
    const { code, stderr } = await ifctl(['recording', 'verify', id, '--data', data])
    t.is(code, 1)
    t.regex(stderr, /line 1 of the seconds is none/)
  }))

test('an excerpt, checked with another key, with an entry about something else, and with none', (t) =>
  withFolder(async (data) => {
    const { vkey } = await prepare(data, (_batch, event) => event)
    const out = join(data, 'excerpt')
    const excerpt = (...more: string[]) =>
      ifctl(['recording', 'excerpt', id, '--data', data, '--from', '1', '--to', '2', '--out', out, ...more])
    t.is((await excerpt()).code, 0)
    t.regex((await excerpt()).stderr, /is there already/)
    const check = async (...more: string[]) => {
      const { code, stdout, stderr } = await ifctl(['recording', 'verify', out, '--data', data, ...more])
      return { code, said: stdout + stderr }
    }
    t.like(await check('--vkey', vkey), { code: 0 })
    const beside = await check()
    t.is(beside.code, 0)
    t.regex(beside.said, /public key taken from/)
    const other = formatVerifierKey(readSigner('council.example/witness', generateSigningKey()))
    const strange = await check('--vkey', other)
    t.is(strange.code, 13)
    t.regex(strange.said, /no trusted key, or no quorum, stands under the head/)
    await writeFile(join(out, 'entry-1.tlog-proof'), await readFile(join(out, 'entry-0.tlog-proof')))
    const swapped = await check('--vkey', vkey)
    t.is(swapped.code, 11)
    t.regex(swapped.said, /entry 0 is not about batch 1/)
    await writeFile(join(out, 'entry-1.tlog-proof'), 'nonsense')
    t.is((await check('--vkey', vkey)).code, 1)
  }))

test('a bundle of the ledger proves an excerpt as the ledger does', (t) =>
  withFolder(async (data) => {
    const { vkey } = await prepare(data, (_batch, event) => event)
    const done = async (...args: string[]) => {
      const { code, stdout, stderr } = await ifctl(args)
      t.is(code, 0, stdout + stderr)
      return stdout
    }
    const [bundle, taken, out] = [join(data, 'evidence.zip'), join(data, 'taken'), join(data, 'excerpt')]
    await done(
      'witness',
      'export',
      '--data',
      data,
      '--format',
      'bundle',
      '--event',
      'recording_batch',
      '--unwitnessed',
      '--out',
      bundle
    )
    await done('witness', 'import', bundle, '--vkey', vkey, '--into', taken)
    await done('recording', 'excerpt', id, '--data', data, '--ledger', taken, '--from', '0', '--to', '3', '--out', out)
    t.regex(await done('recording', 'verify', out, '--ledger', taken, '--vkey', vkey), /^valid/)
    t.regex(await done('recording', 'verify', id, '--data', data, '--ledger', taken), /^valid/)
  }))

test('what cannot be done is said', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (_batch, event) => event)
    const says = async (args: readonly string[], code: number, said: RegExp) => {
      const { code: ended, stderr } = await ifctl(['recording', ...args, '--data', data])
      t.is(ended, code, `${args.join(' ')}: ${stderr}`)
      t.regex(stderr, said)
    }
    await says(['verify', 'no-such'], 1, /there is no recording no-such/)
    await says(['excerpt', id, '--from', '5', '--to', '4', '--out', join(data, 'x')], 2, /--to lies before --from/)
    await says(['excerpt', id, '--from', '50', '--out', join(data, 'x')], 1, /nothing of second 50/)
    await says(['excerpt', '../..', '--out', join(data, 'x')], 1, /there is no recording/)
    await says(['export', id, '--format', 'mp3', '--out', 'x'], 2, /expected one of wav, vcon/)
    await says(['export', id, '--format', 'vcon', '--url', 'http://x', '--out', join(data, 'x')], 1, /https/)
    await says(['start', 'council'], 1, /no suite|is running/)
    await writeFile(join(folder, 'recording.json'), '{}')
    await says(['verify', id], 1, /expected format/)
    const { stdout } = await ifctl(['recording', 'list', '--recordings', join(data, 'elsewhere')])
    t.is(stdout, '')
  }))
