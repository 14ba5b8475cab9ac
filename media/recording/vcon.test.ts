import { spawnSync } from 'node:child_process'
import { createPrivateKey, hash, sign, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { JsonObject } from '#kernel'
import { likeness } from '../testing/signals.ts'
import { signalLevel, sine, toneLevel } from '../tone.ts'
import { prepareRecordingSigner } from './certificate.ts'
import { entryProofFile, leafOfExcerpt, readExcerpt, secondsBetween, strayOctets, writeExcerpt } from './excerpt.ts'
import type { RecordingManifest } from './files.ts'
import { alteredSeconds, openRecording, recordingsIn, strayFiles } from './read.ts'
import { recordKinds } from './ring.ts'
import { recordingFormat, secondText } from './second.ts'
import { buildVcon, openVcon, signVcon, strangeFiles, vconUuid } from './vcon.ts'
import { exportWave, waveChannels } from './wave-export.ts'
import { RecordingWriter } from './writer.ts'

const id = 'council-20261121t160000z-00000001'
const startedAt = Date.UTC(2026, 10, 21, 16)

/** A recording of four seconds: one participant from the beginning, one from second 2 on. */
async function recorded(t: ExecutionContext, format: 'wav' | 'opus' = 'wav') {
  const root = await mkdtemp(join(tmpdir(), 'vcon '))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const party = (slot: number, participant: string, role: 'guardian' | 'expert', since: number) =>
    ({ slot, participant, role, consent: 'key', since: startedAt + since, until: slot === 1 ? startedAt + 3900 : null }) as const
  const manifest: RecordingManifest = {
    format: recordingFormat,
    id,
    conference: 'council',
    traceId: '0'.repeat(32),
    startedAt,
    audio: { format, sampleRateHz: 16_000 },
    batchSeconds: 2,
    consent: 'key',
    startedBy: 'guardian-1',
    retentionDays: 30,
    parties: [party(1, 'guardian-1', 'guardian', 0), party(2, 'expert-1', 'expert', 2000)],
    gaps: [],
    state: 'stopped',
    reason: 'conference-over',
    seconds: 4
  }
  const plan = { id, folder: join(root, id), audio: manifest.audio, batchSeconds: 2, startedAt }
  const writer = new RecordingWriter(plan, manifest, { batch: () => undefined, gap: () => undefined })
  const part = new Uint8Array(sine(16_000, 400, -12, 320).buffer)
  for (let n = 0; n < 200; n++) {
    for (const slot of n < 100 ? [1] : [1, 2]) {
      writer.take({ kind: recordKinds.part, slot, timeMs: 20 * n, rateHz: 16_000, octets: part.slice() })
      writer.take({ kind: recordKinds.packet, slot, timeMs: 20 * n, rateHz: 0, octets: Uint8Array.of(0x80, 0, 0, n) })
    }
    writer.take({ kind: recordKinds.frame, slot: 0, timeMs: 20 * n, rateHz: 16_000, octets: new Uint8Array(0) })
  }
  writer.end()
  writer.finish(manifest)
  return { root, recording: openRecording(plan.folder) }
}

/** Parameters of each object with their JSON types, from the sections of draft-ietf-vcon-vcon-core-04; `!` must be there. */
const drafted: Record<string, Record<string, string>> = {
  // §4.1
  vcon: {
    vcon: 'string',
    uuid: 'string!',
    extensions: 'array',
    critical: 'array',
    created_at: 'string!',
    updated_at: 'string',
    subject: 'string',
    redacted: 'object',
    amended: 'object',
    parties: 'array',
    dialog: 'array',
    analysis: 'array',
    attachments: 'array'
  },
  // §4.2, and `role` of the contact-center extension
  parties: {
    tel: 'string',
    sip: 'string',
    stir: 'string',
    mailto: 'string',
    name: 'string',
    did: 'string',
    validation: 'string',
    gmlpos: 'string',
    civicaddress: 'object',
    uuid: 'string',
    type: 'string',
    org: 'string',
    dept: 'string',
    role: 'string'
  },
  // §4.3, for type recording
  dialog: {
    type: 'string!',
    start: 'string!',
    duration: 'number',
    parties: 'array!',
    originator: 'number',
    mediatype: 'string!',
    filename: 'string',
    body: 'string',
    encoding: 'string',
    url: 'string',
    content_hash: 'string',
    session_id: 'object',
    party_history: 'array',
    application: 'string',
    message_id: 'string'
  },
  // §4.4
  attachments: {
    purpose: 'string',
    start: 'string!',
    party: 'number!',
    dialog: 'number!',
    mediatype: 'string!',
    filename: 'string',
    body: 'string',
    encoding: 'string',
    url: 'string',
    content_hash: 'string'
  },
  // §4.3.13
  party_history: { party: 'number!', time: 'string!', event: 'string!', button: 'string' }
}

function checkObject(t: ExecutionContext, kind: string, value: JsonObject): void {
  const names = drafted[kind]!
  for (const [name, form] of Object.entries(names)) if (form.endsWith('!')) t.true(name in value, `${kind}: ${name} is missing`)
  for (const [name, member] of Object.entries(value)) {
    t.is(Array.isArray(member) ? 'array' : typeof member, String(names[name]).replace('!', ''), `${kind}: ${name}`)
  }
  for (const name of ['start', 'created_at', 'time'])
    if (name in value) t.regex(String(value[name]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  // §2.3, §2.4: content stands here with its encoding, or elsewhere with its hash
  if (kind === 'dialog' || kind === 'attachments') {
    t.true('body' in value !== 'url' in value)
    if ('body' in value) t.true(['base64url', 'json', 'none'].includes(String(value.encoding)))
    else t.regex(String(value.content_hash), /^sha512-[A-Za-z0-9_-]{86}$/)
  }
}

for (const url of ['https://example.org/r/', null]) {
  test(`a vCon has what the draft demands, and nothing it does not know: ${url === null ? 'inline' : 'by reference'}`, async (t) => {
    const { root, recording } = await recorded(t)
    const options = {
      url,
      domain: 'council.example',
      proofs: [{ batch: 0, text: 'c2sp.org/tlog-proof@v1\n' }],
      nowMs: startedAt + 5000
    }
    const vcon = buildVcon(recording, options)
    checkObject(t, 'vcon', vcon)
    const list = (name: string) => vcon[name] as readonly JsonObject[]
    for (const name of ['parties', 'dialog', 'attachments']) for (const each of list(name)) checkObject(t, name, each)
    const [mix, first, second] = list('dialog')
    for (const event of mix!.party_history as readonly JsonObject[]) checkObject(t, 'party_history', event)
    t.deepEqual(
      (mix!.party_history as readonly JsonObject[]).map(({ party, event }) => [party, event]),
      [
        [1, 'join'],
        [2, 'join'],
        [1, 'drop']
      ]
    )
    t.is(vcon.vcon, '0.4.0')
    t.deepEqual(vcon.extensions, ['CC'])
    t.deepEqual([mix!.parties, first!.parties, second!.parties], [[1, 2], [1], [2]])
    t.deepEqual([mix!.duration, first!.duration, second!.duration], [4, 4, 2])
    t.is(second!.start, '2026-11-21T16:00:02.000Z')
    for (const { parties: numbers, originator } of list('dialog')) {
      t.true((numbers as number[]).every((n) => n < list('parties').length))
      t.true((originator as number) < list('parties').length)
    }
    for (const { dialog, party } of list('attachments')) {
      t.true((dialog as number) < list('dialog').length)
      t.true((party as number) < list('parties').length)
    }
    if (url === null) t.deepEqual(Buffer.from(String(mix!.body), 'base64url'), await readFile(join(recording.folder, 'mix.wav')))
    else t.is(mix!.url, 'https://example.org/r/mix.wav')
    t.deepEqual(strangeFiles(vcon, recording.folder), [])
    if (url !== null) {
      await writeFile(join(recording.folder, 'mix.wav'), 'x')
      await rm(join(recording.folder, 'rtp-1.rtpdump'))
      t.deepEqual(strangeFiles(vcon, recording.folder), ['mix.wav is not the file of the vCon', 'rtp-1.rtpdump is missing'])
      const strange = { attachments: [{ filename: '../mix.wav', content_hash: 'sha512-x' }] }
      t.deepEqual(strangeFiles(strange, recording.folder), ['"../mix.wav" names no file'])
    }
    checkByPython(t, root, vcon)
  })
}

/** By the vcon package of Python, where there is one. */
function checkByPython(t: ExecutionContext, root: string, vcon: JsonObject): void {
  const script =
    'import sys, vcon, json\nok, errors = vcon.Vcon.build_from_json(open(sys.argv[1]).read()).is_valid()\nprint(json.dumps(errors))\nsys.exit(0 if ok else 9)'
  const path = join(root, 'unsigned.vcon')
  spawnSync('dd', [`of=${path}`, 'status=none'], { input: JSON.stringify(vcon) })
  const told = spawnSync('python3', ['-W', 'ignore', '-c', script, path], { encoding: 'utf8' })
  if (told.status === 0 || told.status === 9) t.is(told.stdout.trim().split('\n').at(-1), '[]')
}

test('signed: opened by its certificate; what was changed is refused', async (t) => {
  const { root, recording } = await recorded(t)
  const signer = prepareRecordingSigner(root, 'council.example/witness', startedAt)
  t.is(prepareRecordingSigner(root, 'another', startedAt).fingerprint, signer.fingerprint, 'made once')
  const vcon = buildVcon(recording, { url: 'https://example.org', domain: 'x', proofs: [], nowMs: startedAt })
  const signed = signVcon(vcon, signer)
  t.deepEqual(Object.keys(signed).sort(), ['payload', 'signatures'])
  t.deepEqual(Object.keys(signed.signatures[0]!).sort(), ['header', 'protected', 'signature'])
  t.deepEqual(JSON.parse(Buffer.from(signed.signatures[0]!.protected, 'base64url').toString()), { alg: 'EdDSA' })
  t.is(signed.signatures[0]!.header.uuid, vcon.uuid)
  t.deepEqual(openVcon(JSON.stringify(signed)), { vcon, fingerprint: signer.fingerprint })
  const { certificate } = signer
  t.true(certificate.verify(certificate.publicKey))
  t.is(certificate.subject, 'CN=council.example/witness')
  t.false(certificate.ca)
  t.is(new Date(certificate.validFrom).getTime(), startedAt)
  t.is(hash('sha256', new X509Certificate(certificate.toString()).raw, 'hex'), signer.fingerprint)
  const [signature] = signed.signatures
  const other = Buffer.from(JSON.stringify({ ...vcon, subject: 'another' })).toString('base64url')
  for (const bad of [
    { ...signed, payload: other },
    { ...signed, signatures: [{ ...signature!, header: { ...signature!.header, uuid: 'x' } }] },
    { ...signed, signatures: [{ ...signature!, protected: Buffer.from('{"alg":"none"}').toString('base64url') }] }
  ])
    t.throws(() => openVcon(JSON.stringify(bad)), { code: 'recording.vcon.signature' })
  // a good signature under another algorithm's name
  for (const alg of ['none', 'RS256']) {
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
    const under = sign(null, Buffer.from(`${header}.${signed.payload}`), createPrivateKey(signer.keyPem)).toString('base64url')
    const bad = { ...signed, signatures: [{ ...signature!, protected: header, signature: under }] }
    t.throws(() => openVcon(JSON.stringify(bad)), { code: 'recording.vcon.signature' }, alg)
  }
  for (const bad of ['', '{}', '[]', 'null', '{"payload":"","signatures":[{}]}', JSON.stringify({ ...signed, payload: '!' })])
    t.throws(() => openVcon(bad), { code: 'recording.vcon.malformed' })
  t.throws(() => buildVcon(recording, { url: 'http://example.org', domain: 'x', proofs: [], nowMs: 0 }), {
    code: 'recording.vcon.url'
  })
})

test('a uuid of version 8: time first, then the host', (t) => {
  const uuid = vconUuid('example.org', 0x0199_e054_ed10, Uint8Array.of(0xff, 0x35))
  t.is(uuid.slice(0, 18), '0199e054-ed10-8f35')
  t.regex(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const sha1 = BigInt(`0x${hash('sha1', 'example.org', 'hex').slice(0, 16)}`)
  t.is(BigInt(`0x${uuid.slice(19).replace('-', '')}`) & ((1n << 62n) - 1n), sha1 >> 2n, 'the high 62 bits')
})

test('one file with a channel for each track, silent where it is not', async (t) => {
  const { root, recording } = await recorded(t)
  const path = join(root, 'all.wav')
  t.deepEqual(waveChannels(recording), ['mix', 'track/1', 'track/2'])
  t.is(exportWave(recording, path), 80 + 4 * 16_000 * 6)
  const file = await readFile(path)
  const sample = (frame: number, channel: number) => file.readInt16LE(80 + 6 * frame + 2 * channel)
  t.is(file.readUInt16LE(58), 3)
  t.is(sample(1000, 2), 0)
  t.is(sample(1010, 0), sample(1010, 1))
  t.not(sample(40_010, 2), 0)
  t.throws(() => exportWave(recording, path), { code: 'EEXIST' })
})

test('the same of a recording that is kept as Opus: each sound in its channel, at its time', async (t) => {
  const { root, recording } = await recorded(t, 'opus')
  const path = join(root, 'all.wav')
  t.is(exportWave(recording, path), 80 + 4 * 16_000 * 6)
  const file = await readFile(path)
  const channel = (number: number) =>
    Int16Array.from({ length: 64_000 }, (_, frame) => file.readInt16LE(80 + 6 * frame + 2 * number))
  const said = Int16Array.from({ length: 64_000 }, (_, n) => sine(16_000, 400, -12, 320)[n % 320]!)
  const [mix, first, second] = [channel(0), channel(1), channel(2)]
  t.true(Math.abs(toneLevel(first!.subarray(8000), 16_000, 400) + 12) < 1)
  t.true(likeness(said.subarray(16_000, 32_000), first!.subarray(16_000, 32_000), 0).correlation > 0.95, 'no sample late')
  t.true(Math.abs(toneLevel(mix!.subarray(40_000), 16_000, 400) + 6) < 1.5, 'the sum of two')
  t.true(signalLevel(second!.subarray(0, 31_500)) < -80, 'nothing before its time')
  t.true(Math.abs(toneLevel(second!.subarray(34_000), 16_000, 400) + 12) < 1)
  const track = join(recording.folder, 'track-1.opus')
  const octets = await readFile(track)
  octets[recording.streams.get('track/1')![1]!.from] = 0
  await writeFile(track, octets)
  for (const turn of [1, 2]) t.throws(() => exportWave(recording, join(root, 'broken.wav')), { code: 'ogg.malformed' }, `${turn}`)
})

for (const format of ['wav', 'opus'] as const) {
  test(`${format}: an excerpt holds the octets that were hashed; what is changed, too long or missing shows`, async (t) => {
    const { root, recording } = await recorded(t, format)
    t.deepEqual(recordingsIn(root), [id])
    t.deepEqual(alteredSeconds(recording), [])
    t.deepEqual(strayFiles(recording), [])
    const folder = join(root, 'excerpt')
    const placed = secondsBetween(recording, 1, 2)
    t.is(placed.length, 8)
    writeExcerpt(recording, placed, () => [], folder)
    const excerpt = readExcerpt(folder)
    t.like(excerpt, { fromSecond: 1, toSecond: 2, recording: id })
    t.deepEqual(strayOctets(folder, excerpt), [])
    for (const line of excerpt.seconds) {
      const of = recording.streams.get(line.stream)!.find(({ second }) => second === line.second)!
      t.deepEqual(leafOfExcerpt(folder, excerpt, line), secondText(id, of), `${line.stream} ${line.second}`)
    }
    const sound = join(folder, `mix.${format}`)
    await writeFile(sound, Buffer.concat([await readFile(sound), Buffer.of(0)]))
    t.deepEqual(strayOctets(folder, excerpt), [`mix.${format} holds octets that stand for no second`])
    await rm(sound)
    t.deepEqual(strayOctets(folder, excerpt), [`mix.${format} is missing`])
    const line = excerpt.seconds.find(({ stream }) => stream === 'mix')!
    t.notDeepEqual(leafOfExcerpt(folder, excerpt, line), secondText(id, line))
    t.throws(() => secondsBetween(recording, 9, 10), { code: 'recording.excerpt.empty' })
    t.is(entryProofFile('x', 3), 'x/entry-3.tlog-proof')
    await writeFile(join(recording.folder, 'more.bin'), 'x')
    t.deepEqual(strayFiles(recording), ['more.bin belongs to no stream of the recording'])
    for (const bad of [
      '',
      '{}',
      '{"format":"infrafabric-recording-excerpt/1"}',
      JSON.stringify({ ...excerpt, seconds: [{ ...line, stream: '../x' }] })
    ]) {
      await writeFile(join(folder, 'excerpt.json'), bad)
      t.throws(() => readExcerpt(folder), { code: 'recording.excerpt.malformed' })
    }
  })
}
