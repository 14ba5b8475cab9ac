import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { silentLog } from '#kernel'
import {
  checkTlogProof,
  type LedgerReader,
  noPolicy,
  openLedger,
  openReader,
  parseTlogProof,
  parseVerifierKey,
  proveInclusion,
  reportCost,
  tilesOf,
  verifyLedger
} from '#ledger'
import { parseRates } from '../audit/rates.ts'
import { leafHash } from '../log/merkle.ts'
import { parseCheckpoint } from '../log/note.ts'
import { checkInclusion } from '../log/proof.ts'
import { scratch } from '../testing/fixtures.ts'
import { importBundle } from './import.ts'
import { bundleOf, contentOf, exportedText, octetsOf, rewritten, sampleLog } from './testing/bundles.ts'

/** Octets as text: one reader gives them as a Buffer, another as the array that it is. */
const plain = (entries: Awaited<ReturnType<LedgerReader['query']>>) =>
  entries.map((entry) => ({ ...entry, bytes: Buffer.from(entry.bytes).toString() }))

test('a whole log taken in is read as the ledger itself: queries, payloads, costs, proofs, exports', async (t) => {
  const log = await sampleLog(t, 700)
  const into = join(scratch(t), 'new', 'folder')
  const bundle = await bundleOf(log, { withPayloads: true })
  t.like(await importBundle({ bundle, into, vkey: log.vkey }), { verdict: 'valid', entries: 700 })
  t.deepEqual(readdirSync(into).sort(), ['checkpoint', 'checkpoints.log', 'evidence.zip', 'rates.yaml', 'vkey'])
  t.is(readFileSync(join(into, 'checkpoint'), 'utf8'), (await log.reader.checkpoint())!)
  const reader = await openReader(into)
  t.teardown(() => reader.close())
  for (const filter of [
    {},
    { trace: 't2', since: Date.UTC(2026, 0, 1) + 50 },
    { event: 'event_1', limit: 3 },
    { afterIndex: 650 }
  ])
    t.deepEqual(plain(await reader.query(filter)), plain(await log.reader.query(filter)))
  t.deepEqual((await reader.query({ afterIndex: 8, limit: 1 }))[0]!.erasable, { state: 'present', payload: { name: 'person 9' } })
  const rates = await parseRates(readFileSync(join(into, 'rates.yaml'), 'utf8'))
  t.deepEqual(
    await reportCost(reader, { grouping: 'component', rates }),
    await reportCost(log.reader, { grouping: 'component', rates })
  )
  const { size, root } = parseCheckpoint((await reader.checkpoint())!).checkpoint
  for (const index of [0, 255, 256, 511, 512, 699]) {
    const [stored] = await reader.query({ afterIndex: index - 1, limit: 1 })
    t.true(checkInclusion(leafHash(stored!.bytes), index, size, root, await proveInclusion(tilesOf(reader.log), index, size)))
  }
  const again = await bundleOf({ dir: into, reader }, { withPayloads: true })
  t.true((await octetsOf(again)).equals(await octetsOf(bundle)))
  t.is(await exportedText({ dir: into, reader }, { format: 'json' }), await exportedText(log, { format: 'json' }))
  await t.throwsAsync(openLedger({ dir: into, origin: 'test.example/witness', log: silentLog }), { code: 'ledger.imported' })
  t.false(existsSync(join(into, 'ledger.db')))
})

test('a selection taken in answers queries of what it holds, and gives its proofs', async (t) => {
  const log = await sampleLog(t, 60)
  const into = join(scratch(t), 'folder')
  const filter = { trace: 't1' }
  const bundle = await bundleOf(log, { filter })
  t.like(await importBundle({ bundle, into, vkey: log.vkey, pinned: [(await log.reader.checkpoint())!] }), {
    verdict: 'valid',
    entries: 20
  })
  const reader = await openReader(into)
  t.teardown(() => reader.close())
  const bytes = (entries: readonly { readonly bytes: Uint8Array }[]) =>
    entries.map((entry) => Buffer.from(entry.bytes).toString())
  t.deepEqual(bytes(await reader.query({})), bytes(await log.reader.query(filter)))
  t.deepEqual(bytes(await reader.query({ event: 'event_3' })), bytes(await log.reader.query({ ...filter, event: 'event_3' })))
  t.deepEqual(await reader.query({ trace: 't2' }), [])
  const [committed] = await reader.query({ afterIndex: 18, limit: 1 })
  t.regex(JSON.stringify(committed!.entry.payload), /commitment/)
  t.is(committed!.erasable, undefined, 'not exported is not erased')
  await t.throwsAsync(proveInclusion(tilesOf(reader.log), 4, 60), { code: 'ledger.bundle.selection' })
  const files = contentOf(bundle)
  t.is(reader.keptProof!(4), files.get('proofs/000000000004.tlog-proof')!.toString())
  t.throws(() => reader.keptProof!(5), { message: /is missing/ })
  const proof = parseTlogProof(files.get('proofs/000000000004.tlog-proof')!.toString())
  const trust = { logs: [parseVerifierKey(log.vkey)], policy: noPolicy }
  t.true(checkTlogProof(proof, trust, files.get('entries/000000000004.json')!).good)
  t.false(checkTlogProof(proof, trust, files.get('entries/000000000007.json')!).good)
})

test('nothing is taken in that is not valid in every part, and nothing that is there is touched', async (t) => {
  const log = await sampleLog(t, 300)
  const parent = scratch(t)
  const into = join(parent, 'folder')
  const bundle = await bundleOf(log, { withPayloads: true })
  const { vkey } = log
  const spoiledTile = await rewritten(bundle, (files) => void files.set('tile/0/000', Buffer.alloc(8192)))
  t.like(await importBundle({ bundle: spoiledTile, into, vkey }), { verdict: 'altered' })
  const badPath = await rewritten(bundle, (files) => void files.set('../../evil', Buffer.from('x')))
  t.like(await importBundle({ bundle: badPath, into, vkey }), { verdict: 'altered' })
  t.like(await importBundle({ bundle, into, vkey, policy: 'quorum none\n', pinned: [] }), { verdict: 'valid' })
  t.deepEqual(readdirSync(parent), ['folder'])
  await t.throwsAsync(importBundle({ bundle, into, vkey }), { code: 'ledger.import.exists' })
  const used = join(parent, 'used')
  mkdirSync(used)
  await t.throwsAsync(importBundle({ bundle: join(parent, 'absent'), into: used, vkey }), { code: 'ledger.import.unreadable' })
  t.like(await importBundle({ bundle, into: used, vkey }), { verdict: 'valid' }, 'an empty folder is taken')
  writeFileSync(join(parent, 'file'), 'x')
  await t.throwsAsync(importBundle({ bundle, into: join(parent, 'file'), vkey }), { code: 'ledger.import.exists' })
  t.deepEqual(readdirSync(parent).sort(), ['file', 'folder', 'used'])
})

test('a bundle unpacked is a folder of tiles that verifies', async (t) => {
  const log = await sampleLog(t, 300)
  const dir = scratch(t)
  for (const [name, content] of contentOf(await bundleOf(log))) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), content)
  }
  const publishedPath = join(dir, 'checkpoints.log')
  t.like(await verifyLedger(dir, { vkey: log.vkey, publishedPath, beside: {} }), { verdict: 'valid', entries: 300 })
})
