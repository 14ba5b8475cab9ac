import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { appendFile, copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { ledgerFiles, openLedgerReader, proveInclusion, tilesOf, verifyLedger } from '#ledger'
import { bundleOf, contentOf, fill, octetsOf, rewritten, sampleLog } from '../export/testing/bundles.ts'
import { createZip } from '../export/zip.ts'
import { cosign, readCosigner } from '../log/cosignature.ts'
import { leafHash } from '../log/merkle.ts'
import { formatVerifierKey, generateSigningKey, parseCheckpoint, readSigner, signCheckpoint } from '../log/note.ts'
import { formatTlogProof } from '../log/tlog-proof.ts'
import { openTestLedger, scratch } from '../testing/fixtures.ts'
import { openArchive } from './archive.ts'
import { rootFrom } from './inclusion.ts'
import { claimedKey, type Verification, type VerifyOptions } from './verify.ts'

interface Expected {
  readonly verdict: string
  readonly index?: number
  readonly entries?: number
  readonly explanation?: RegExp
  readonly state?: null
}

function is(t: ExecutionContext, found: Verification, { explanation, ...expected }: Expected, message = found.explanation): void {
  t.like(found, expected, message)
  if (explanation !== undefined) t.regex(found.explanation, explanation)
}

const trace = { filter: { trace: 't1' } }
const entryName = (index: number): string => `entries/${String(index).padStart(12, '0')}.json`
const proofName = (index: number): string => `proofs/${String(index).padStart(12, '0')}.tlog-proof`

test('a good bundle of a whole log and one of a selection are valid, from every key the log had', async (t) => {
  const log = await sampleLog(t, 300)
  const second = await log.rotateKey()
  await fill(log, 300, 30)
  const third = await log.rotateKey()
  await fill(log, 330, 10)
  const whole = await bundleOf(log, { withPayloads: true })
  const selection = await bundleOf(log, { ...trace, withPayloads: true })
  for (const vkey of [log.vkey, second.vkey, third.vkey]) {
    const all: VerifyOptions = { vkey, depth: 'form', beside: {} }
    is(t, await verifyLedger(whole, all), { verdict: 'valid', entries: 342 })
    is(t, await verifyLedger(selection, { vkey, depth: 'form' }), { verdict: 'valid', entries: 113, state: null })
  }
  t.deepEqual(await claimedKey(whole), { vkey: log.vkey })
  const other = formatVerifierKey(readSigner('test.example/witness', generateSigningKey()))
  for (const path of [whole, selection]) is(t, await verifyLedger(path, { vkey: other }), { verdict: 'unwitnessed' })
  const empty = await bundleOf(log, { filter: { trace: 'none' } })
  is(t, await verifyLedger(empty, { vkey: log.vkey }), { verdict: 'valid', entries: 0 })
})

test('an unpacked bundle of a whole log is verified as a folder, over changes of key; one of a selection is told to be none', async (t) => {
  const log = await sampleLog(t, 300)
  await log.rotateKey()
  await fill(log, 300, 30)
  const unpack = async (path: string): Promise<string> => {
    const folder = scratch(t)
    for (const [name, octets] of await contentOf(path)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), octets)
    }
    return folder
  }
  const { vkey } = log
  const whole = await unpack(await bundleOf(log, {}))
  is(t, await verifyLedger(whole, { vkey, depth: 'form', beside: {} }), { verdict: 'valid', entries: 331 })
  rmSync(join(whole, 'checkpoints.log'))
  is(t, await verifyLedger(whole, { vkey }), { verdict: 'unwitnessed', index: 300, explanation: /entry 300 .* another key/ })
  const selection = await unpack(await bundleOf(log, trace))
  await t.throwsAsync(verifyLedger(selection, { vkey }), { code: 'ledger.bundle.selection' })
})

test('a flipped bit anywhere is found, and what was changed is named', async (t) => {
  const log = await sampleLog(t, 12)
  const spoiled = join(scratch(t), 'spoiled.zip')
  for (const request of [{ withPayloads: true }, { ...trace, withPayloads: true }]) {
    const path = await bundleOf(log, request)
    const good = await octetsOf(path)
    const archive = openArchive(path)
    const files = [...archive.files.values()]
    archive.close()
    const end = Math.max(...files.map(({ at, size }) => at + size))
    /** Every octet of the directory and of headers is looked at in turn; content by chance. */
    const places = [
      ...files.flatMap(({ offset, at, size }) => [offset, offset + 14, at - 1, at, at + (size >> 1), at + size - 1]),
      ...Array.from({ length: 120 }, (_, n) => end + n),
      ...Array.from({ length: 40 }, (_, n) => good.length - 1 - n)
    ]
    const verdictOf = async (at: number, bit: number) => {
      const octets = Buffer.from(good)
      octets[at]! ^= 1 << bit
      writeFileSync(spoiled, octets)
      return verifyLedger(spoiled, { vkey: log.vkey })
    }
    for (const [n, at] of places.entries()) {
      const { verdict, explanation } = await verdictOf(at, n % 8)
      t.not(verdict, 'valid', `octet ${at}: ${explanation}`)
      const inside = files.find((file) => at >= file.at && at < file.at + file.size)
      const named = inside?.name.replace(/^(?:tile\/entries\/|entries\/0*)/, '')
      if (inside !== undefined)
        t.regex(explanation, inside.name.includes('entries/') ? /entry|segment/ : new RegExp(named!), `octet ${at}`)
    }
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: good.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
        t.not((await verdictOf(at, bit)).verdict, 'valid')
      }),
      { numRuns: 150 }
    )
  }
})

test('octets replaced anywhere, any number of them: never valid, never a crash', async (t) => {
  const log = await sampleLog(t, 12)
  const spoiled = join(scratch(t), 'spoiled.zip')
  const good = await octetsOf(await bundleOf(log, trace))
  const directoryAt = good.readUInt32LE(good.length - 6)
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.integer({ min: directoryAt, max: good.length - 1 }), fc.nat({ max: good.length - 1 })),
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.nat({ max: 60 }),
      async (at, put, taken) => {
        const octets = Buffer.concat([good.subarray(0, at), put, good.subarray(at + taken)])
        fc.pre(!octets.equals(good))
        writeFileSync(spoiled, octets)
        t.not((await verifyLedger(spoiled, { vkey: log.vkey })).verdict, 'valid')
      }
    ),
    { numRuns: 300 }
  )
})

test('a bundle cut short is truncated, wherever it was cut; one with something behind it is altered', async (t) => {
  const log = await sampleLog(t, 12)
  const path = await bundleOf(log)
  const { length } = await octetsOf(path)
  const cut = join(scratch(t), 'cut.zip')
  for (const kept of [4, 100, length >> 1, length - 300, length - 23, length - 1]) {
    await copyFile(path, cut)
    truncateSync(cut, kept)
    is(t, await verifyLedger(cut, { vkey: log.vkey }), { verdict: 'truncated' }, `${kept} octets`)
    t.true('failed' in (await claimedKey(cut)))
  }
  truncateSync(cut, 0)
  t.not((await verifyLedger(cut, { vkey: log.vkey })).verdict, 'valid')
  await copyFile(path, cut)
  await appendFile(cut, 'x')
  is(t, await verifyLedger(cut, { vkey: log.vkey }), {
    verdict: 'altered',
    explanation: /^1 octets stand behind the end of the bundle/
  })
})

test('archives that are not of the one form are refused: paths, doubles, compression, gaps, what has no place', async (t) => {
  const log = await sampleLog(t, 5)
  const path = await bundleOf(log)
  const judged = async (file: string) => (await verifyLedger(file, { vkey: log.vkey })).explanation
  for (const name of ['../evil', '/etc/passwd', 'a//b', 'a/./b', 'c:\\x', '.hidden', `${'x'.repeat(121)}`, 'a/']) {
    t.regex(
      await judged(await rewritten(path, (files) => files.set(name, Buffer.from('x')))),
      /is no name of a file in a bundle/,
      name
    )
  }
  t.is(await judged(await rewritten(path, (files) => files.set('extra', Buffer.from('x')))), 'extra has no place in a bundle')
  t.is(
    await judged(await rewritten(path, (files) => files.set('payloads.jsonl', Buffer.from('')))),
    'payloads.jsonl has no place in a bundle'
  )
  t.is(await judged(await rewritten(path, (files) => files.delete('README.md'))), 'README.md is missing')
  t.is(await judged(await rewritten(path, (files) => files.delete('tile/0/000.p/5'))), 'tile/0/000.p/5 is missing')

  const twice = join(scratch(t), 'twice.zip')
  const octets: Buffer[] = []
  const zip = createZip({
    write: async (data: Buffer) => ({ bytesWritten: octets.push(Buffer.from(data)) && data.length })
  } as never)
  await zip.add('a', Buffer.from('1'))
  await zip.add('a', Buffer.from('2'))
  await zip.finish()
  writeFileSync(twice, Buffer.concat(octets))
  t.regex(await judged(twice), /a is there twice/)

  const good = await octetsOf(path)
  const directoryAt = good.readUInt32LE(good.length - 6)
  const changed = async (change: (data: Buffer) => Buffer) => {
    const file = join(scratch(t), 'changed.zip')
    writeFileSync(file, change(Buffer.from(good)))
    return judged(file)
  }
  const set = (at: number, value: number) => (data: Buffer) => {
    data.writeUInt16LE(value, at)
    return data
  }
  t.regex(await changed(set(directoryAt + 10, 8)), /is compressed/)
  t.regex(await changed(set(directoryAt + 8, 1)), /attributes/)
  t.regex(await changed(set(directoryAt + 4, 0x0314)), /attributes/)
  // a second file hidden in a gap before the directory
  const gap = Buffer.from('hidden')
  const withGap = (data: Buffer) => {
    data.writeUInt32LE(directoryAt + gap.length, data.length - 6)
    return Buffer.concat([data.subarray(0, directoryAt), gap, data.subarray(directoryAt)])
  }
  t.regex(await changed(withGap), /between the files and the directory/)
  t.regex(await changed((data) => Buffer.concat([Buffer.from('PK\u0003\u0004'), data])), /directory/)
})

test('forged with right checksums: each lie of a whole bundle has its verdict', async (t) => {
  const log = await sampleLog(t, 300)
  const files = ledgerFiles(log.dir)
  const { vkey } = log
  const path = await bundleOf(log, { withPayloads: true })
  const judged = async (change: (content: Map<string, Buffer>) => void, more: Partial<VerifyOptions> = {}) =>
    verifyLedger(await rewritten(path, change), { vkey, ...more })
  const edit = (name: string, from: string, to: string) => (content: Map<string, Buffer>) => {
    const before = content.get(name)!.toString('latin1')
    t.true(before.includes(from), `${name} has ${from}`)
    content.set(name, Buffer.from(before.replace(from, to), 'latin1'))
  }
  const last = 'tile/entries/001.p/44'
  is(t, await judged(edit(last, '"n":260', '"n":261')), { verdict: 'altered', index: 261 })
  is(t, await judged((content) => void content.delete(last)), { verdict: 'truncated', index: 256 })
  is(t, await judged((content) => void content.delete('tile/entries/000')), {
    verdict: 'altered',
    explanation: /tile\/entries\/000 is missing/
  })
  is(t, await judged(edit('bundle.json', '"entries":300', '"entries":301')), {
    verdict: 'altered',
    explanation: /another entries/
  })
  is(t, await judged(edit('bundle.json', '"v":1', '"v":2')), { verdict: 'altered', explanation: /version 1/ })
  is(t, await judged((content) => void content.set('bundle.json', Buffer.from('{'))), {
    verdict: 'altered',
    explanation: /not JSON/
  })
  const resized = (content: Map<string, Buffer>) => {
    const note = content.get('checkpoint')!.toString().replace('\n300\n', '\n299\n')
    content.set('checkpoints.log', Buffer.from(`${JSON.stringify(note)}\n`))
  }
  is(t, await judged(resized), { verdict: 'altered' })
  is(t, await judged(edit('payloads.jsonl', 'person 9', 'person 8'), { beside: {} }), { verdict: 'altered', index: 9 })
  const gone = (content: Map<string, Buffer>) => void content.set('payloads.jsonl', Buffer.from(''))
  is(t, await judged(gone, { beside: {} }), { verdict: 'incomplete', index: 9 })
  const spoil = (name: string) => (content: Map<string, Buffer>) => {
    const tile = Buffer.from(content.get(name)!)
    tile[40]! ^= 1
    content.set(name, tile)
  }
  is(t, await judged(spoil('tile/0/000'), { beside: {} }), { verdict: 'altered', explanation: /tile 0 of level 0/ })
  is(t, await judged(spoil('tile/0/001.p/44'), { beside: {} }), { verdict: 'altered', explanation: /tile 1 of level 0/ })

  // another history, well-formed, under another key or under the same one
  const fork = await openTestLedger(t)
  await fill(fork, 1, 300)
  const forged = await bundleOf(fork)
  is(t, await verifyLedger(forged, { vkey }), { verdict: 'unwitnessed' })
  const pinned = [(await log.reader.checkpoint())!]
  is(t, await verifyLedger(path, { vkey, pinned }), { verdict: 'valid' })
  await fill(log, 300, 5)
  is(t, await verifyLedger(path, { vkey, pinned: [(await log.reader.checkpoint())!] }), { verdict: 'truncated' })
  const seat = readCosigner('seat.example/w', generateSigningKey())
  const policy = `witness seat ${formatVerifierKey(seat)}\nquorum seat\n`
  is(t, await verifyLedger(path, { vkey, policy }), { verdict: 'unwitnessed' })
  const cosigned = await rewritten(path, (content) => {
    const note = content.get('checkpoint')!.toString()
    content.set('checkpoint', Buffer.from(note + cosign(parseCheckpoint(note).body, seat, 1_767_225_600)))
  })
  is(t, await verifyLedger(cosigned, { vkey, policy }), { verdict: 'valid' })
  t.is(await openLedgerReader(files.database).size(), 305)
})

test('forged with right checksums: each lie of a selection has its verdict', async (t) => {
  const log = await sampleLog(t, 60)
  const { vkey } = log
  await log.rotateKey()
  await fill(log, 60, 12)
  const path = await bundleOf(log, { ...trace, withPayloads: true })
  const judged = async (change: (content: Map<string, Buffer>) => void, more: Partial<VerifyOptions> = {}) =>
    verifyLedger(await rewritten(path, change), { vkey, ...more })
  const text = (content: Map<string, Buffer>, name: string) => content.get(name)!.toString()
  const edit = (name: string, from: string | RegExp, to: string) => (content: Map<string, Buffer>) => {
    const before = text(content, name)
    t.not(before.replace(from, to), before)
    content.set(name, Buffer.from(before.replace(from, to)))
  }
  is(t, await judged(() => undefined), { verdict: 'valid', entries: 24 })
  is(t, await judged(edit(entryName(4), '"n":4', '"n":5')), { verdict: 'altered', index: 4 })
  is(t, await judged(edit(proofName(4), 'index 4', 'index 7')), { verdict: 'altered', index: 4 })
  is(t, await judged(edit(proofName(4), /\n\n/, '\nAAAA\n\n')), { verdict: 'altered', index: 4 })
  is(t, await judged((content) => void content.set(proofName(4), content.get(proofName(7))!)), { verdict: 'altered', index: 4 })
  is(t, await judged((content) => void content.delete(proofName(4))), {
    verdict: 'altered',
    explanation: /proofs.0+4.tlog-proof is missing/
  })
  const moved = (content: Map<string, Buffer>) => {
    content.set(entryName(5), content.get(entryName(4))!)
    content.set(proofName(5), Buffer.from(text(content, proofName(4)).replace('index 4', 'index 5')))
    content.delete(entryName(4))
    content.delete(proofName(4))
  }
  is(t, await judged(moved), { verdict: 'altered', index: 5 })
  is(t, await judged(edit('payloads.jsonl', 'person', 'people')), { verdict: 'altered' })
  is(t, await judged(edit('payloads.jsonl', /"index":\d+/, '"index":2')), { verdict: 'altered', explanation: /not there/ })
  const rotation = 'rotations/000000000060'
  is(t, await judged(edit(`${rotation}.json`, /vkey":"test/, 'vkey":"best')), { verdict: 'altered', index: 60 })
  is(t, await judged(edit(`${rotation}.tlog-proof`, /— .*\n/, '')), { verdict: 'unwitnessed' })
  is(t, await judged(edit(`${rotation}.tlog-proof`, 'index 60', 'index 61')), { verdict: 'altered', index: 60 })
  const without = (content: Map<string, Buffer>) => {
    content.delete(`${rotation}.json`)
    content.delete(`${rotation}.tlog-proof`)
  }
  is(t, await judged(without), { verdict: 'unwitnessed' })

  // a head of the old key's, forged after it was replaced, cannot be told from the bundle alone but by the key that replaced it
  const head = (await log.reader.checkpoint())!
  is(t, await judged(() => undefined, { pinned: [head] }), { verdict: 'valid' })
  const { origin, size } = parseCheckpoint(head).checkpoint
  const mine = readSigner(origin, generateSigningKey())
  const [stored] = await log.reader.query({ limit: 1 })
  const proof = await proveInclusion(tilesOf(log.reader.log), 0, size)
  const checkpoint = signCheckpoint({ origin, size, root: Buffer.alloc(32, 1) }, mine)
  const foreign = (content: Map<string, Buffer>) => {
    for (const name of [...content.keys()]) if (/^(?:entries|proofs)/.test(name)) content.delete(name)
    content.set(entryName(0), Buffer.from(stored!.bytes))
    content.set(proofName(0), Buffer.from(formatTlogProof({ index: 0, proof, checkpoint })))
    content.set('checkpoint', Buffer.from(checkpoint))
    content.delete('payloads.jsonl')
    const facts = JSON.parse(text(content, 'bundle.json'))
    content.set(
      'bundle.json',
      Buffer.from(JSON.stringify({ ...facts, entries: 1, payloads: false, root: Buffer.alloc(32, 1).toString('base64') }))
    )
  }
  is(t, await judged(foreign), { verdict: 'unwitnessed' })
  await t.throwsAsync(verifyLedger(path, { vkey, completeness: { accountingPath: 'x' } }), { code: 'ledger.bundle.selection' })
  await fill(log, 72, 1)
  await t.throwsAsync(verifyLedger(path, { vkey, pinned: [(await log.reader.checkpoint())!] }), {
    code: 'ledger.bundle.selection'
  })
  t.false(contentOf(path).has('tile/entries/000'))
})

test('the root that a proof leads to is that of the tree, for every leaf of small trees; a proof too long or too short leads nowhere', async (t) => {
  const log = await sampleLog(t, 21)
  const entries = await log.reader.query({})
  for (const size of [1, 2, 3, 7, 8, 13, 21]) {
    const root = await rootOfFirst(size)
    for (let index = 0; index < size; index++) {
      const hashes = await proveInclusion(tilesOf(log.reader.log), index, size)
      const leaf = leafHash(entries[index]!.bytes)
      t.deepEqual(Buffer.from(rootFrom(leaf, index, size, hashes)!), root)
      t.is(rootFrom(leaf, index, size, [...hashes, leaf]), null)
      if (hashes.length > 0) t.is(rootFrom(leaf, index, size, hashes.slice(1)), null)
    }
    t.is(rootFrom(leafHash(entries[0]!.bytes), size, size, []), null)
  }

  async function rootOfFirst(size: number): Promise<Buffer> {
    const { rootAt } = await import('../log/prover.ts')
    return rootAt(tilesOf(log.reader.log), size)
  }
})
