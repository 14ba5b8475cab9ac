/** An auditor's doubts: what somebody who keeps a log, or hands it over, may have put in place of the truth. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { indexPathOf, ledgerFiles, verifyLedger } from '#ledger'
import { bundleOf, contentOf, sampleLog } from '../export/testing/bundles.ts'
import { cosign, readCosigner } from '../log/cosignature.ts'
import { leafHash } from '../log/merkle.ts'
import { formatVerifierKey, generateSigningKey, readSigner, signCheckpoint } from '../log/note.ts'
import { openSequencer } from '../store/sequencer.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { items, origin, scratch } from '../testing/fixtures.ts'
import { CompactRange } from './compact-range.ts'
import { checkIndex } from './index-check.ts'

const signer = readSigner(origin, generateSigningKey())
const vkey = formatVerifierKey(signer)

/** A log of commits of one entry each, whose database is closed. */
async function closedLog(t: ExecutionContext, entries: number) {
  const path = join(scratch(t), 'ledger.db')
  const store = openSqliteStore(path)
  const sequencer = await openSequencer(store, signer)
  const heads: string[] = []
  for (let n = 0; n < entries; n++) {
    await sequencer.append(items(n, 1))
    heads.push(sequencer.head().checkpoint!)
  }
  await store.close()
  return { path, heads }
}

/** Entries of a log, changed, as a log of its own: every hash, the tree and the head computed anew by whoever has such a key. */
function rewritten(t: ExecutionContext, path: string, change: (entries: string[]) => string[], by = signer): string {
  const copy = join(scratch(t), 'ledger.db')
  copyFileSync(path, copy)
  const database = new DatabaseSync(copy)
  const rows = database.prepare('SELECT data FROM segment ORDER BY first').all() as { data: Uint8Array }[]
  const entries = change(rows.map(({ data }) => Buffer.from(data).subarray(2).toString('utf8')))
  const tree = new CompactRange()
  let last = '0'.repeat(64)
  database.exec('DELETE FROM segment; DELETE FROM tile')
  const insert = database.prepare("INSERT INTO segment VALUES (?, 1, ?, '')")
  for (const [index, text] of entries.entries()) {
    const octets = Buffer.from(text.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${last}"`), 'utf8')
    insert.run(index, Buffer.concat([Buffer.of(octets.length >> 8, octets.length & 0xff), octets]))
    const hash = leafHash(octets)
    last = hash.toString('hex')
    tree.append(hash)
  }
  const checkpoint = signCheckpoint({ origin, size: entries.length, root: Buffer.from(tree.root()) }, by)
  database.prepare('UPDATE head SET size = ?, last_hash = ?, checkpoint = ?').run(entries.length, last, checkpoint)
  database.close()
  return copy
}

test('the last entries and their head dropped, or the whole told anew by the key itself: only a head kept elsewhere shows it', async (t) => {
  const { path, heads } = await closedLog(t, 8)
  const same = rewritten(t, path, (entries) => entries)
  t.is((await verifyLedger(same, { vkey, pinned: [heads[7]!], depth: 'form' })).verdict, 'valid', 'the same again is the same')
  const shorter = rewritten(t, path, (entries) => entries.slice(0, 5))
  t.is((await verifyLedger(shorter, { vkey })).verdict, 'valid')
  t.like(await verifyLedger(shorter, { vkey, pinned: [heads[4]!] }), { verdict: 'valid' })
  t.like(await verifyLedger(shorter, { vkey, pinned: [heads[7]!] }), { verdict: 'truncated', index: 5 })
  const traces = (entries: string[]) => entries.map((text) => /"trace_id":"([^"]*)"/.exec(text)![1]!)
  const swapped = rewritten(t, path, (entries) => {
    const [two, five] = [traces(entries)[2]!, traces(entries)[5]!]
    return entries.map((text, at) => (at === 2 ? text.replace(two, five) : at === 5 ? text.replace(five, two) : text))
  })
  t.is((await verifyLedger(swapped, { vkey, depth: 'form' })).verdict, 'valid', 'by itself it is a log')
  t.is((await verifyLedger(swapped, { vkey, pinned: [heads[2]!] })).verdict, 'forked')
  t.is((await verifyLedger(swapped, { vkey, pinned: [heads[1]!] })).verdict, 'valid', 'a head of before')
  const stranger = readSigner(origin, generateSigningKey())
  t.is(
    (
      await verifyLedger(
        rewritten(t, path, (entries) => entries, stranger),
        { vkey }
      )
    ).verdict,
    'unwitnessed'
  )
})

test('what no ledger writes, under a good chain, tree and signature, is altered', async (t) => {
  const { path } = await closedLog(t, 4)
  const first = (change: (text: string) => string) => rewritten(t, path, (entries) => [change(entries[0]!), ...entries.slice(1)])
  const forms: Readonly<Record<string, (text: string) => string>> = {
    'a member twice': (text) => text.replace('"event":"test_event"', '"event":"test_event","event":"other"'),
    'a member twice in the payload': (text) => text.replace('"n":0', '"n":0,"n":1'),
    'a number beyond what doubles hold': (text) => text.replace('"n":0', '"n":1e999'),
    'a whole number that doubles do not tell apart': (text) => text.replace('"n":0', '"n":9007199254740993'),
    'a number in another form': (text) => text.replace('"n":0', '"n":0.0'),
    'a NUL not escaped': (text) => text.replace('test_event', 'test\0event'),
    'half of a character': (text) => text.replace('test_event', 'test\\ud800'),
    'a space': (text) => text.replace('"n":0', '"n": 0'),
    'members out of order': (text) => text.replace('"callId":"call-0","n":0', '"n":0,"callId":"call-0"'),
    'a time that is none': (text) => text.replace(/"time":"[^"]*"/, '"time":"2026-02-30T00:00:00.000Z"'),
    'a member more': (text) => text.replace('"event":', '"even":1,"event":'),
    nothing: () => '',
    'no entry': () => '[]'
  }
  for (const [name, change] of Object.entries(forms)) {
    const copy = first(change)
    t.like(await verifyLedger(copy, { vkey, depth: 'form' }), { verdict: 'altered', index: 0 }, name)
  }
  const invalid = rewritten(t, path, (entries) => entries)
  const database = new DatabaseSync(invalid)
  database.exec(`UPDATE segment SET data = x'0002c328' WHERE first = 3`)
  database.close()
  t.like(await verifyLedger(invalid, { vkey, depth: 'form' }), { verdict: 'altered', index: 3 })
})

test('a cosignature counts for the head, the log and the witness it was made for, and for no other', async (t) => {
  const { path, heads } = await closedLog(t, 6)
  const seat = readCosigner('seat.example', generateSigningKey())
  const policy = `log ${vkey}\nwitness one ${formatVerifierKey(seat)}\nquorum one\n`
  const bodyOf = (note: string) => note.slice(0, note.indexOf('\n\n') + 1)
  const head = heads[5]!
  const judged = async (line: string) => (await verifyLedger(path, { vkey, policy, pinned: [head + line] })).verdict
  const line = cosign(bodyOf(head), seat, 1_767_225_600)
  t.is(await judged(line), 'valid')
  t.is(await judged(cosign(bodyOf(heads[4]!), seat, 1_767_225_600)), 'unwitnessed', 'of a head before')
  t.is(
    await judged(cosign(bodyOf(head).replace(origin, 'other.example/log'), seat, 1_767_225_600)),
    'unwitnessed',
    'of another log'
  )
  t.is(
    await judged(cosign(bodyOf(head), readCosigner('seat.example', generateSigningKey()), 1)),
    'unwitnessed',
    'of another key of that name'
  )
  const octets = Buffer.from(line.trim().split(' ')[2]!, 'base64')
  octets.writeBigUInt64BE(octets.readBigUInt64BE(4) + 1n, 4)
  t.is(await judged(line.replace(/[^ ]+\n$/, `${octets.toString('base64')}\n`)), 'unwitnessed', 'its time changed')
  t.is(await judged(line + cosign(bodyOf(heads[4]!), seat, 1)), 'unwitnessed', 'a bad one beside the good one')
})

test('a pipe or an endless device in the place of a file is told, and not waited for', async (t) => {
  const log = await sampleLog(t, 300)
  const folder = scratch(t)
  for (const [name, octets] of await contentOf(await bundleOf(log, {}))) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), octets)
  }
  const options = { vkey: log.vkey, depth: 'form', beside: {} } as const
  t.is((await verifyLedger(folder, options)).verdict, 'valid')
  for (const name of ['checkpoint', 'checkpoints.log', 'tile/entries/000', 'tile/entries/001.p/44', 'tile/0/000']) {
    const path = join(folder, name)
    t.true(existsSync(path), name)
    const before = readFileSync(path)
    for (const place of [() => execFileSync('mkfifo', [path]), () => symlinkSync('/dev/zero', path)]) {
      rmSync(path)
      place()
      const { verdict, explanation } = await verifyLedger(folder, options)
      t.is(verdict, 'altered', name)
      t.regex(explanation, /is no file$/)
    }
    rmSync(path)
    writeFileSync(path, before)
  }
  const { database, frames, published } = ledgerFiles(log.dir)
  await log.close()
  for (const path of [indexPathOf(database), frames, published]) {
    rmSync(path, { force: true })
    execFileSync('mkfifo', [path])
  }
  t.is(await checkIndex({ path: database, origin }, indexPathOf(database)), 'the index is no file')
  const own = { vkey: log.vkey, depth: 'form' } as const
  t.like(await verifyLedger(database, { ...own, beside: { framesPath: frames } }), { verdict: 'altered' })
  t.like(await verifyLedger(database, { ...own, publishedPath: published }), { verdict: 'altered' })
})
