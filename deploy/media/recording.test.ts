/** Recordings of real calls, from the phone to the proof: the suite, baresip, ifctl, and programs that check it all independently. */
import { execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { noPolicy, parseVerifierKey } from '#ledger'
import { decodeWav, RtpPhone, toneLevel } from '#media'
import type { SuiteSettings } from '#suite'
import { checkExcerpt } from '../../cli/subjects/recordings.ts'
import { ifctl } from '../../cli/testing/run.ts'
import { openPhone } from '../../gateways/sip/testing/phone.ts'
import { decodeDumpHeader, decodeRecords } from '../../media/recording/rtpdump.ts'
import { likeness } from '../../media/testing/signals.ts'
import { expertInside, hasBaresip } from '../testing/baresip.ts'
import { edgeHeaders, runSuite, temporaryFolder, tone, until } from '../testing/harness.ts'

const has = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

const recording = (more: Partial<SuiteSettings['recording']> = {}): SuiteSettings => ({
  recording: { enabled: true, batchSeconds: 2, policies: [{ conference: 'council', consent: 'announce' }], ...more }
})

/** Runs ifctl in the data folder of a suite. */
async function command(t: ExecutionContext, data: string, args: readonly string[], code = 0) {
  const { code: ended, stdout, stderr } = await ifctl([...args, '--data', data])
  t.is(ended, code, `${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** Changes one octet of a file. */
async function damage(path: string, at: number): Promise<void> {
  const octets = await readFile(path)
  octets[at]! ^= 1
  await writeFile(path, octets)
}

/** What a verification finds. */
const faultsOf = (json: string): string[] => (JSON.parse(json).faults as { problem: string }[]).map(({ problem }) => problem)

const call = hasBaresip ? test : test.skip

call('a call of baresip over SRTP is recorded, excerpted, proved, exported, and checked by others', async (t) => {
  const run = await runSuite(t, { md5OnlyUsers: ['expert-safety'], ...recording() })
  const { suite, phone, rtp, entriesOf, events } = run
  const guardianSound = await rtp({ says: tone(1000) })
  const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: guardianSound.sdp() })
  guardianSound.talkTo(guardian.response.body)
  const expert = await expertInside(t, suite, { srtp: true })
  await until(() => entriesOf('recording_consent').length === 2, 15_000, 'both have heard the announcement')
  const before = entriesOf('recording_batch').length
  await until(() => entriesOf('recording_batch').length >= before + 3, 15_000, 'three batches')
  await expert.hangup()
  await guardian.bye()
  await until(() => entriesOf('recording_stopped').length === 1, 10_000, 'the end')
  t.true(events.some((event) => event.type === 'recording' && event.state === 'stopped'))
  t.is((await run.verify()).verdict, 'valid')

  const data = suite.data.folder
  const [listed] = (await command(t, data, ['recording', 'list', '--json'])).trim().split('\n')
  const { id, seconds } = JSON.parse(listed!)
  t.like(JSON.parse(listed!), { conference: 'council', state: 'stopped' })
  t.true(seconds >= 6)
  t.regex(await command(t, data, ['recording', 'verify', id]), /^valid/)
  const folder = join(suite.data.recordings, id)

  // one file with a channel for each track
  const wave = join(data, 'all.wav')
  t.deepEqual(
    JSON.parse(await command(t, data, ['recording', 'export', id, '--format', 'wav', '--out', wave, '--json'])).channels,
    ['mix', 'track/1', 'track/2']
  )
  if (has('sox', '--version')) {
    const info = execFileSync('soxi', [wave], { encoding: 'utf8' })
    t.regex(info, /Channels\s+: 3/)
    t.regex(info, /Sample Rate\s+: 16000/)
    // of the last seconds, in which both are there: the Guardian alone is on the first track, the expert on the second
    for (const [channel, hz, other] of [
      [2, 1000, 440],
      [3, 440, 1000]
    ] as const) {
      const one = join(data, `channel-${channel}.wav`)
      execFileSync('sox', [wave, one, 'remix', String(channel), 'trim', '-2.5', '1'], { stdio: 'pipe' })
      const { samples } = decodeWav(await readFile(one))
      t.true(toneLevel(samples, 16_000, hz) > -40, `${hz} Hz`)
      t.true(toneLevel(samples, 16_000, other) < -50, `${other} Hz`)
    }
  }

  // two seconds, proved without ledger and recording
  const first = seconds - 4
  const excerpt = join(data, 'excerpt')
  await command(t, data, ['recording', 'excerpt', id, '--from', `${first}`, '--to', `${first + 1}`, '--out', excerpt])
  const elsewhere = await temporaryFolder(t)
  const moved = join(elsewhere, 'excerpt')
  await cp(excerpt, moved, { recursive: true })
  const verified = JSON.parse(await command(t, elsewhere, ['recording', 'verify', moved, '--vkey', suite.vkey, '--json']))
  t.like(verified, { verdict: 'valid', recording: id, faults: [] })
  // the same without a process for each question
  const check = async () => {
    const { verdict, faults } = await checkExcerpt(moved, { logs: [parseVerifierKey(suite.vkey)], policy: noPolicy })
    t.is(verdict, 'altered')
    return faults.map(({ problem }) => problem)
  }
  const dump = await readFile(join(moved, 'rtp-2.rtpdump'))
  const { records } = decodeRecords(dump, decodeDumpHeader(dump).recordsAt)
  t.true(records.length > 80, `${records.length} packets in two seconds`)
  t.true(
    records.every(({ packet }) => packet[0] === 0x80 && [0, 8].includes(packet[1]! & 0x7f) && packet.length === 172),
    'decrypted: G.711 as it was agreed'
  )
  const { length } = await readFile(join(moved, 'rtp-2.rtpdump'))
  await damage(join(moved, 'rtp-2.rtpdump'), length - 3)
  t.deepEqual(await check(), [`rtp/2, second ${first + 1}: not what was recorded`])
  await damage(join(moved, 'rtp-2.rtpdump'), length - 3)
  await damage(join(moved, 'mix.wav'), 80 + 32_000 - 2)
  t.deepEqual(await check(), [`mix, second ${first}: not what was recorded`])
  await damage(join(moved, 'mix.wav'), 80 + 32_000 - 2)
  await damage(join(moved, 'mix.wav'), 61)
  t.deepEqual(await check(), ['mix.wav has another header than its sound'])
  await damage(join(moved, 'mix.wav'), 61)
  const described = JSON.parse(await readFile(join(moved, 'excerpt.json'), 'utf8'))
  await writeFile(join(moved, 'excerpt.json'), JSON.stringify({ ...described, startedAt: described.startedAt + 1000 }))
  t.regex((await check()).join(), /says something else than entry/)
  const without = described.seconds.filter(
    (line: { stream: string; second: number }) => line.stream !== 'track/1' || line.second !== first
  )
  await writeFile(join(moved, 'excerpt.json'), JSON.stringify({ ...described, seconds: without }))
  t.regex((await check()).join(), /holds octets that stand for no second|another header/)

  // a vCon whose files lie elsewhere
  const vconFile = join(data, 'call.vcon')
  const url = 'https://recordings.example/case-1'
  await command(t, data, ['recording', 'export', id, '--format', 'vcon', '--url', url, '--out', vconFile])
  const ofVcon = ['recording', 'verify', vconFile, '--vkey', suite.vkey, '--files', folder, '--json']
  t.like(JSON.parse(await command(t, elsewhere, ofVcon)), { verdict: 'valid', faults: [] })
  const signed = JSON.parse(await readFile(vconFile, 'utf8'))
  const vcon = JSON.parse(Buffer.from(signed.payload, 'base64url').toString('utf8'))
  t.deepEqual(
    // a participant is named by its party and the beginning of its trace
    vcon.parties.map(({ name, role }: { name: string; role: string }) => [name.replace(/-[0-9a-f]{8}$/, ''), role]),
    [
      ['council', 'host'],
      ['guardian-1', 'guardian'],
      ['expert-safety', 'expert'],
      ['infrafabric-telephony', 'recorder']
    ]
  )
  for (const { filename, url: at, content_hash } of vcon.dialog) {
    t.is(at, `${url}/${filename}`)
    const sum = execFileSync('openssl', ['dgst', '-sha512', '-binary', join(folder, filename)])
    t.is(content_hash, `sha512-${sum.toString('base64url')}`, 'openssl finds the same')
  }
  t.is(
    vcon.attachments.filter(({ filename }: { filename: string }) => filename.endsWith('.tlog-proof')).length,
    entriesOf('recording_batch').length
  )
  const certificate = Buffer.from(signed.signatures[0].header.x5c[0], 'base64')
  t.is(
    entriesOf('recording_started')[0]!.payload.signer,
    execFileSync('openssl', ['dgst', '-sha256', '-r'], { input: certificate }).toString().slice(0, 64)
  )
  checkSignature(t, elsewhere, signed)

  // what was changed in the recording itself
  await damage(join(folder, 'track-2.wav'), 80 + 32_000)
  t.deepEqual(faultsOf(await command(t, elsewhere, ofVcon, 11)), ['track-2.wav is not the file of the vCon'])
  t.deepEqual(faultsOf(await command(t, data, ['recording', 'verify', id, '--json'], 11)), [
    `track/2, second ${1 + firstSecond(await readFile(join(folder, 'seconds.jsonl'), 'utf8'), 'track/2')}: not what was recorded`
  ])
})

const firstSecond = (index: string, stream: string): number =>
  index
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .find((line) => line.opens === stream).second

/** By openssl, and by a JOSE library where Python has one. */
function checkSignature(
  t: ExecutionContext,
  folder: string,
  signed: { payload: string; signatures: { protected: string; signature: string; header: { x5c: string[] } }[] }
): void {
  const [first] = signed.signatures
  const at = (name: string) => join(folder, name)
  const files: Record<string, Buffer> = {
    input: Buffer.from(`${first!.protected}.${signed.payload}`),
    signature: Buffer.from(first!.signature, 'base64url'),
    certificate: Buffer.from(first!.header.x5c[0]!, 'base64')
  }
  for (const [name, octets] of Object.entries(files)) execFileSync('dd', [`of=${at(name)}`, 'status=none'], { input: octets })
  execFileSync('openssl', ['x509', '-inform', 'der', '-in', at('certificate'), '-pubkey', '-noout', '-out', at('key.pem')])
  execFileSync('openssl', ['x509', '-inform', 'der', '-in', at('certificate'), '-out', at('certificate.pem')])
  t.regex(
    execFileSync('openssl', ['verify', '-check_ss_sig', '-CAfile', at('certificate.pem'), at('certificate.pem')], {
      encoding: 'utf8'
    }),
    /: OK/
  )
  const verified = execFileSync(
    'openssl',
    ['pkeyutl', '-verify', '-pubin', '-inkey', at('key.pem'), '-rawin', '-in', at('input'), '-sigfile', at('signature')],
    { encoding: 'utf8' }
  )
  t.regex(verified, /Verified Successfully/)
  if (!has('python3', '-c', 'import joserfc')) return
  const script = `
import sys, json
from joserfc import jws
from joserfc.jwk import OKPKey
signed = json.load(sys.stdin)
key = OKPKey.import_key(open(sys.argv[1]).read())
registry = jws.JWSRegistry(algorithms=['EdDSA'], strict_check_header=False)
obj = jws.deserialize_json(signed, key, registry=registry)
print(json.loads(obj.payload)['uuid'])
broken = dict(signed, payload=signed['payload'][:-4] + ('AAAA' if signed['payload'][-4:] != 'AAAA' else 'BBBB'))
try:
    jws.deserialize_json(broken, key, registry=registry)
    print('taken')
except Exception as error:
    print(type(error).__name__)
`
  const told = spawnSync('python3', ['-W', 'ignore', '-c', script, at('key.pem')], {
    input: JSON.stringify(signed),
    encoding: 'utf8'
  })
  t.is(told.status, 0, told.stderr)
  const [uuid, refused] = told.stdout.trim().split('\n')
  t.is(uuid, JSON.parse(Buffer.from(signed.payload, 'base64url').toString('utf8')).uuid)
  t.is(refused, 'BadSignatureError')
}

test('operators start and stop a recording, and see who has agreed', async (t) => {
  const policies = [{ conference: 'council', consent: 'announce' as const, start: 'manual' as const }]
  const { suite, phone, rtp, entriesOf } = await runSuite(t, { edge: 'external', ...recording({ policies }) })
  const data = suite.data.folder
  t.regex((await ifctl(['recording', 'start', 'council', '--data', data])).stderr, /nobody is in this conference/)
  const sound = await rtp({ says: tone(440) })
  const caller = await phone('expert-safety')
  const called = await caller.invite({ to: 'council-safety', sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  sound.talkTo(called.response.body)
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.regex((await ifctl(['recording', 'stop', 'council', '--data', data])).stderr, /not being recorded/)
  const id = (await command(t, data, ['recording', 'start', 'council'])).trim()
  await until(() => entriesOf('recording_batch').length > 0)
  t.like(JSON.parse(await command(t, data, ['recording', 'status', '--json'])), {
    recording: id,
    conference: 'council',
    state: 'running'
  })
  t.is((await command(t, data, ['recording', 'stop', 'council'])).trim(), id)
  await until(() => entriesOf('recording_stopped').length === 1)
  t.like(entriesOf('recording_stopped')[0]!.payload, { recording: id, reason: 'operator' })
})

test('a suite that is killed leaves a recording that is whole; the next start tells its end', async (t) => {
  const data = await temporaryFolder(t)
  const settings: SuiteSettings = { data, edge: 'external', listen: { tls: 0 }, ...recording({ format: 'opus' }) }
  const child = fork(fileURLToPath(new URL('../testing/suite-process.ts', import.meta.url)), [JSON.stringify(settings)], {
    execArgv: ['--disable-warning=ExperimentalWarning']
  })
  t.teardown(() => void child.kill('SIGKILL'))
  const [ready] = (await once(child, 'message')) as [{ port: number }]
  const caller = await openPhone({ port: ready.port, uri: 'sip:expert-safety@external.advisor' })
  t.teardown(caller.close)
  const sound = await RtpPhone.open({ says: tone(440) })
  t.teardown(() => sound.close())
  const called = await caller.invite({ to: 'council-safety', sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(called.status, 200)
  sound.talkTo(called.response.body)
  const recordings = join(data, 'recordings')
  const index = async () => {
    const [id] = (await readdir(recordings)).filter((name) => name.startsWith('council'))
    return id === undefined ? '' : readFile(join(recordings, id, 'seconds.jsonl'), 'utf8').catch(() => '')
  }
  await until(async () => (await index()).includes('"witnessed":1'), 15_000, 'two batches')
  await new Promise((resolve) => setTimeout(resolve, 1300))
  child.kill('SIGKILL')
  await once(child, 'exit')
  const { entriesOf, verify, suite } = await runSuite(t, settings)
  t.like(entriesOf('recording_stopped')[0]!.payload, { reason: 'interrupted', recovered: true })
  const batches = entriesOf('recording_batch')
  t.true(batches.length >= 3)
  t.is(batches.at(-1)!.payload.recovered, true, 'the last seconds stood in no batch yet')
  t.is((await verify()).verdict, 'valid')
  const id = String(batches[0]!.payload.recording)
  const report = JSON.parse(await command(t, data, ['recording', 'verify', id, '--json']))
  t.like(report, { verdict: 'valid', faults: [] })
  t.is(report.notes.at(-1), 'the recording was interrupted: interrupted')
  if (has('ffmpeg', '-version')) {
    const told = spawnSync(
      'ffmpeg',
      ['-v', 'warning', '-i', join(suite.data.recordings, id, 'mix.opus'), '-f', 's16le', '-ar', '16000', '-'],
      { maxBuffer: 1 << 26 }
    )
    t.is(told.status, 0)
    const seconds = told.stdout.length / 32_000
    t.true(Math.abs(seconds - Number(entriesOf('recording_stopped')[0]!.payload.seconds)) < 0.1, `${seconds} s are heard`)
    // one WAV file of all tracks has what another decoder finds, sample by sample
    const wave = join(data, 'all.wav')
    await command(t, data, ['recording', 'export', id, '--format', 'wav', '--out', wave])
    const theirs = Int16Array.from({ length: 16_000 }, (_, n) => told.stdout.readInt16LE(32_000 + 2 * n))
    const ours = decodeWav(await readFile(wave)).samples.subarray(16_000, 32_000)
    t.true(likeness(theirs, ours, 0).correlation > 0.999)
  }
  const excerpt = join(data, 'excerpt')
  await command(t, data, ['recording', 'excerpt', id, '--from', '1', '--to', '2', '--out', excerpt])
  await command(t, data, ['recording', 'verify', excerpt, '--vkey', suite.vkey])
  if (has('ffmpeg', '-version'))
    t.is(spawnSync('ffmpeg', ['-v', 'error', '-i', join(excerpt, 'mix.opus'), '-f', 'null', '-']).status, 0)
})
