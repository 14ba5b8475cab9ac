import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { errorCode, type JsonObject, newTraceId, silentLog } from '#kernel'
import { ledgerFiles, openLedger, openLedgerReader } from '#ledger'
import { maxDepth } from './log/canonical.ts'
import { draftEntry, finishDraft, noPrevious, openEntry } from './log/entry.ts'
import { leafHash } from './log/merkle.ts'
import { entriesOf } from './log/segment.ts'
import { eventNumber, items, openTestLedger, origin, scratch, verify } from './testing/fixtures.ts'

test('what is appended is in the log, in order, chained, and verifies', async (t) => {
  const ledger = await openTestLedger(t)
  const places = (await Promise.all(Array.from({ length: 50 }, (_, i) => ledger.append(items(i, 1), 0)))).flat()
  t.deepEqual(
    places.map(({ index }) => index),
    Array.from({ length: 50 }, (_, i) => i)
  )
  const stored = await ledger.reader.query({})
  t.is(stored[0]!.entry.prev, '0'.repeat(64))
  for (const [i, { entry, hash }] of stored.entries()) {
    t.is(entry.payload.n, i)
    t.is(hash, places[i]!.hash)
    if (i > 0) t.is(entry.prev, stored[i - 1]!.hash)
  }
  t.like(await verify(ledger.dir, ledger.vkey), { verdict: 'valid', entries: 50 })
})

test('a key that the log knows is answered with its place and adds nothing', async (t) => {
  const ledger = await openTestLedger(t)
  const first = await ledger.append(items(0, 3), 0)
  t.deepEqual(await ledger.append(items(0, 3), 0), first)
  t.deepEqual(await ledger.append([...items(1, 1), ...items(3, 1)], 0), [first[1]!, (await ledger.append(items(3, 1), 0))[0]!])
  t.is(await ledger.reader.size(), 4)
})

test('queries: trace with the traces under it, component, event, call, time, limit', async (t) => {
  const ledger = await openTestLedger(t)
  const [parent, child, grandchild] = [newTraceId(), newTraceId(), newTraceId()]
  const at = (n: number, more: object) => ({ draft: draftEntry(eventNumber(n, more), 1000 * n), key: `q${n}` })
  await ledger.append(
    [
      at(0, { traceId: parent }),
      at(1, { traceId: child, parentTraceId: parent, component: 'IF.other' }),
      at(2, { traceId: grandchild, parentTraceId: child, event: 'other_event' }),
      at(3, {})
    ],
    0
  )
  const found = async (filter: object) => (await ledger.reader.query(filter)).map(({ entry }) => entry.payload.n)
  t.deepEqual(await found({ trace: parent }), [0, 1, 2])
  t.deepEqual(await found({ trace: child }), [1, 2])
  t.deepEqual(await found({ component: 'IF.other' }), [1])
  t.deepEqual(await found({ event: 'other_event' }), [2])
  t.deepEqual(await found({ callId: 'call-3' }), [3])
  t.deepEqual(await found({ since: 1000, until: 3000 }), [1, 2])
  t.deepEqual(await found({ afterIndex: 1, limit: 1 }), [2])
})

test('a second process follows the log as it grows', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 2), 0)
  const reader = openLedgerReader(ledgerFiles(ledger.dir).database)
  const abort = new AbortController()
  const seen: unknown[] = []
  const following = (async () => {
    for await (const { entry } of reader.follow({}, abort.signal, 5)) {
      seen.push(entry.payload.n)
      if (seen.length === 2) await ledger.append(items(2, 2), 0)
      if (seen.length === 4) abort.abort()
    }
  })()
  await following
  await reader.close()
  t.deepEqual(seen, [0, 1, 2, 3])
})

for (const [what, event] of [
  ['an event name with a line feed', eventNumber(1, { event: 'a\nb' })],
  ['a trace id with blanks', eventNumber(1, { traceId: 'a b' })],
  ['a cost that is not decimal', eventNumber(1, { cost: '1e3' })],
  ['a payload that is too large', eventNumber(1, { payload: { x: 'y'.repeat(300_000) } })],
  ['negative tokens', eventNumber(1, { tokensIn: -1 })]
] as const) {
  test(`${what} is refused, and the log goes on`, async (t) => {
    const ledger = await openTestLedger(t)
    const error = await t.throwsAsync(async () => ledger.append([{ draft: draftEntry(event, 0), key: 'x' }], 0))
    t.regex(errorCode(error), /^ledger\.entry\.(invalid|too-large)$/)
    t.is((await ledger.append(items(0, 1), 0))[0]!.index, 0)
  })
}

test('two processes append to one log without forking it', async (t) => {
  const dir = scratch(t)
  const [one, two] = [await openTestLedger(t, dir), await openTestLedger(t, dir)]
  const work: Promise<unknown>[] = []
  for (let i = 0; i < 100; i++) {
    work.push(one.append(items(i, 1), 0), two.append(items(1000 + i, 1), 0))
    if (i % 10 === 0) await Promise.all(work)
  }
  await Promise.all(work)
  t.is(await one.reader.size(), 200)
  t.like(await verify(dir, one.vkey), { verdict: 'valid', entries: 200 })
})

test('kill -9 while appending: what was acknowledged is there, and the log is whole', async (t) => {
  const dir = scratch(t)
  const script = `
    import { draftEntry, openLedger } from '#ledger'
    import { silentLog, newTraceId } from '#kernel'
    const ledger = await openLedger({ dir: ${JSON.stringify(dir)}, origin: ${JSON.stringify(origin)}, log: silentLog })
    for (let n = 0; ; n++) {
      const item = { draft: draftEntry({ event: 'e', component: 'c', traceId: newTraceId(), payload: { n } }, Date.now()), key: 'k' + n }
      ledger.append([item], 0).then(([place]) => process.stdout.write(place.index + ' ' + place.hash + '\\n'))
      if (n % 7 === 0) await new Promise(setImmediate)
    }`
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script])
  let acknowledged = ''
  child.stdout.on('data', (data) => {
    acknowledged += data
    if (acknowledged.length > 50_000) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  t.is(child.signalCode, 'SIGKILL')
  const ledger = await openTestLedger(t, dir)
  const hashes = (await ledger.reader.query({ limit: 1_000_000 })).map(({ hash }) => hash)
  const lines = acknowledged.split('\n').slice(0, -1)
  t.true(lines.length > 100)
  for (const line of lines) {
    const [index, hash] = line.split(' ')
    t.is(hashes[Number(index)], hash)
  }
  t.is((await verify(dir, ledger.vkey)).verdict, 'valid')
})

test('the signing key is for its owner alone, and another key is not taken for it', async (t) => {
  const ledger = await openTestLedger(t)
  const { key, vkey } = ledgerFiles(ledger.dir)
  t.is(statSync(key).mode & 0o777, 0o600)
  await ledger.close()
  writeFileSync(vkey, 'other+00000000+AA==\n')
  await t.throwsAsync(openLedger({ dir: ledger.dir, origin, log: silentLog }), { code: 'ledger.key.mismatch' })
})

test('a database that is none is refused by name', async (t) => {
  const dir = scratch(t)
  writeFileSync(ledgerFiles(dir).database, 'x'.repeat(8192))
  await t.throwsAsync(openLedger({ dir, origin, log: silentLog }), { code: 'ledger.store.damaged' })
})

/** A log of 40 entries with heads published at 20 and 40, closed. */
async function closedLedger(t: Parameters<typeof scratch>[0]) {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 20), 0)
  await ledger.close()
  const again = await openTestLedger(t, ledger.dir)
  const early = (await again.reader.checkpoint())!
  await again.append(items(20, 20), 0)
  const late = (await again.reader.checkpoint())!
  await again.close()
  const database = new DatabaseSync(ledgerFiles(ledger.dir).database)
  t.teardown(() => database.isOpen && database.close())
  return { dir: ledger.dir, vkey: ledger.vkey, early, late, database }
}

/** Rewrites every segment: gives the entries of the log to `change`, and stores what it returns in segments of ten. */
function rewrite(database: DatabaseSync, change: (entries: Buffer[]) => Buffer[]): void {
  const rows = database.prepare('SELECT data FROM segment ORDER BY first').all() as { data: Uint8Array }[]
  const entries = change(rows.flatMap(({ data }) => entriesOf(data).map((entry) => Buffer.from(entry))))
  database.exec('DELETE FROM segment')
  for (let first = 0; first < entries.length; first += 10) {
    const ten = entries.slice(first, first + 10)
    const data = Buffer.concat(ten.flatMap((entry) => [Buffer.of(entry.length >> 8, entry.length & 255), entry]))
    database.prepare("INSERT INTO segment VALUES (?, ?, ?, '')").run(first, ten.length, data)
  }
}

test('entries stored in other segments are the same log', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries)
  t.like(await verify(dir, vkey), { verdict: 'valid', entries: 40 })
})

test('tampering: an octet of an entry', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries.with(7, Buffer.from(entries[7]!.toString().replace('"n":7', '"n":8'))))
  t.like(await verify(dir, vkey), { verdict: 'altered', index: 8 })
})

test('tampering: an entry in the place of another', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries.with(7, entries[8]!))
  t.like(await verify(dir, vkey), { verdict: 'altered', index: 7 })
})

test('tampering: the last entry, which no other follows', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries.with(39, Buffer.from(entries[39]!.toString().replace('"n":39', '"n":38'))))
  t.is((await verify(dir, vkey)).verdict, 'altered')
})

test('tampering: an entry removed', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries.toSpliced(5, 1))
  t.like(await verify(dir, vkey), { verdict: 'altered', index: 5 })
})

test('tampering: a segment removed', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries)
  database.exec('DELETE FROM segment WHERE first = 10')
  t.like(await verify(dir, vkey), { verdict: 'altered', index: 10 })
})

test('tampering: the end cut off', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  rewrite(database, (entries) => entries.slice(0, 30))
  t.like(await verify(dir, vkey), { verdict: 'truncated', index: 30 })
})

test('tampering: the end cut off and an old head put back shows by a published or a kept checkpoint, and by nothing else', async (t) => {
  const { dir, vkey, database, early, late } = await closedLedger(t)
  let lastHash = ''
  rewrite(database, (entries) => {
    lastHash = leafHash(entries[19]!).toString('hex')
    return entries.slice(0, 20)
  })
  database.prepare('UPDATE head SET size = 20, last_hash = ?, checkpoint = ?').run(lastHash, early)
  t.is((await verify(dir, vkey, [], false)).verdict, 'valid')
  t.like(await verify(dir, vkey), { verdict: 'truncated', index: 20 })
  t.like(await verify(dir, vkey, [late], false), { verdict: 'truncated', index: 20 })
})

test('a log checked against the key of another is unwitnessed, whatever it has published', async (t) => {
  const { dir } = await closedLedger(t)
  const other = await openTestLedger(t)
  t.is((await verify(dir, other.vkey)).verdict, 'unwitnessed')
})

test('tampering: the whole log computed anew with another key', async (t) => {
  const { dir, vkey, late } = await closedLedger(t)
  const other = await openTestLedger(t)
  await other.append(items(100, 40), 0)
  await other.close()
  copyFileSync(ledgerFiles(other.dir).database, ledgerFiles(dir).database)
  t.is((await verify(dir, vkey, [], false)).verdict, 'unwitnessed')
  t.is((await verify(dir, vkey, [late], false)).verdict, 'altered')
})

test('tampering: another history under the same key is a fork', async (t) => {
  const { dir, vkey, late } = await closedLedger(t)
  const other = scratch(t)
  const [from, to] = [ledgerFiles(dir), ledgerFiles(other)]
  copyFileSync(from.key, to.key)
  copyFileSync(from.vkey, to.vkey)
  const twin = await openTestLedger(t, other)
  await twin.append(items(100, 45), 0)
  t.is((await verify(other, vkey)).verdict, 'valid')
  t.like(await verify(other, vkey, [late]), { verdict: 'forked', index: 39 })
})

test('entries that no signature covers are unwitnessed', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  database.exec("UPDATE head SET checkpoint = 'none'")
  t.is((await verify(dir, vkey, [], false)).verdict, 'unwitnessed')
})

test('a published head that was changed shows', async (t) => {
  const { dir, vkey } = await closedLedger(t)
  const { published } = ledgerFiles(dir)
  writeFileSync(published, readFileSync(published, 'utf8').replace('\\n20\\n', '\\n19\\n'))
  t.is((await verify(dir, vkey)).verdict, 'altered')
})

test('a torn last line of the published heads is no fault, and is cut off before the next', async (t) => {
  const { dir, vkey } = await closedLedger(t)
  const { published } = ledgerFiles(dir)
  writeFileSync(published, '"torn', { flag: 'a' })
  t.is((await verify(dir, vkey)).verdict, 'valid')
  const ledger = await openTestLedger(t, dir)
  await ledger.append(items(40, 1), 0)
  await ledger.close()
  t.false(readFileSync(published, 'utf8').includes('torn'))
  t.is((await verify(dir, vkey)).verdict, 'valid')
})

test('a missing database is said to be unreadable', async (t) => {
  const dir = scratch(t)
  t.false(existsSync(join(dir, 'ledger.db')))
  const vkey = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8'
  await t.throwsAsync(verify(dir, vkey), { code: 'ledger.unreadable' })
})

test('a spoiled head shows, and nothing is built on it', async (t) => {
  const { dir, vkey, database } = await closedLedger(t)
  database.exec('UPDATE head SET size = 39')
  t.is((await verify(dir, vkey)).verdict, 'altered')
  await t.throwsAsync(openLedger({ dir, origin, log: silentLog }), { code: 'ledger.store.damaged' })
})

test('a log that is closed can be read where nothing can be written', async (t) => {
  const { dir, database } = await closedLedger(t)
  database.close()
  const path = ledgerFiles(dir).database
  t.false(existsSync(`${path}-wal`))
  const script = `
    import { openLedgerReader } from '#ledger'
    process.stdout.write(String(await openLedgerReader(process.argv[1]).size()))`
  chmodSync(dir, 0o555)
  chmodSync(path, 0o444)
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script, path]
  // Root may write everywhere: without that capability it is an owner like any other.
  const words = process.getuid!() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', ...node] : node
  const child = spawn(words[0]!, words.slice(1))
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  await new Promise((resolve) => child.on('close', resolve))
  chmodSync(dir, 0o755)
  t.is(output, '40')
})

for (const [what, more] of [
  ['a payload that is too deep in its entry', { payload: deep(maxDepth + 1) }],
  ['a model with an unpaired surrogate', { model: '\ud800' }],
  ['a payload with a hole in a list', { payload: { list: new Array<number>(3) } }]
] as const) {
  test(`${what} is refused before it reaches the thread, where it would hold up others`, (t) => {
    t.throws(() => draftEntry(eventNumber(1, more), 0), { code: 'ledger.entry.invalid' })
  })
}

// RFC 3339 has four digits for a year, and so has the form by which an entry is verified
test('a time that an entry cannot hold is refused', (t) => {
  for (const timeMs of [Number.NaN, 8.65e15, 253_402_300_800_000, -62_167_219_200_001])
    t.throws(() => draftEntry(eventNumber(1), timeMs), { code: 'ledger.entry.invalid' })
  for (const timeMs of [253_402_300_799_999, -62_167_219_200_000]) t.notThrows(() => draftEntry(eventNumber(1), timeMs))
})

test('the deepest payload that is accepted can be read again', (t) => {
  const draft = draftEntry(eventNumber(1, { payload: deep(maxDepth) }), 0)
  t.is(openEntry(Buffer.from(finishDraft(draft, 0, noPrevious))).index, 0)
})

function deep(levels: number): JsonObject {
  let value: JsonObject = {}
  for (let level = 1; level <= levels; level++) value = { inner: value }
  return value
}
