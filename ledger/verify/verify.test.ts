import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { JsonObject } from '#kernel'
import { indexPathOf, ledgerFiles, openLedgerReader, verifyLedger } from '#ledger'
import { cosign, readCosigner } from '../log/cosignature.ts'
import { draftEntry, draftOwnEntry } from '../log/entry.ts'
import { formatVerifierKey, generateSigningKey, readSigner, signCheckpoint } from '../log/note.ts'
import { openSequencer } from '../store/sequencer.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { eventNumber, items, openTestLedger, scratch } from '../testing/fixtures.ts'
import { checkIndex } from './index-check.ts'

/** A closed log of `entries` entries, made by the sequencer itself. */
async function closedLog(t: ExecutionContext, entries: number) {
  const dir = scratch(t)
  const path = join(dir, 'ledger.db')
  const signer = readSigner('test.example/witness', generateSigningKey())
  const store = openSqliteStore(path)
  const sequencer = await openSequencer(store, signer)
  const append = async (count: number) => {
    const from = sequencer.head().size
    for (let n = from; n < from + count; n += 1000) await sequencer.append(items(n, Math.min(1000, from + count - n)))
  }
  await append(entries)
  t.teardown(() => store.close())
  return { dir, path, append, store, signer, checkpoint: () => sequencer.head().checkpoint!, vkey: formatVerifierKey(signer) }
}

const change = (path: string, sql: string) => {
  const database = new DatabaseSync(path)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}

test('several threads find what one finds: a good log, and faults within a range and at a seam', async (t) => {
  const { path, vkey, checkpoint } = await closedLog(t, 70_000)
  for (const threads of [1, 2]) {
    t.like(await verifyLedger(path, { vkey, threads, pinned: [checkpoint()] }), { verdict: 'valid', entries: 70_000 })
  }
  for (const [first, index] of [
    [32_000, 32_000],
    [65_000, 65_000]
  ] as const) {
    const copy = `${path}.${first}`
    copyFileSync(path, copy)
    copyFileSync(`${path}-wal`, `${copy}-wal`)
    change(copy, `DELETE FROM segment WHERE first = ${first}`)
    for (const threads of [1, 2]) t.like(await verifyLedger(copy, { vkey, threads }), { verdict: 'altered', index })
  }
})

test('bits flipped anywhere in the file: never valid unless every entry and the head are what they were, and never a crash', async (t) => {
  const { path, vkey } = await closedLog(t, 40)
  change(path, 'PRAGMA wal_checkpoint(TRUNCATE)')
  const good = readFileSync(path)
  const content = (file: string) => {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      // what stands there, whatever a bit that flips in the schema calls it
      const rows = [database.prepare('SELECT first, count, hex(data) FROM segment'), database.prepare('SELECT * FROM head')]
      return JSON.stringify(rows.map((statement) => statement.all().map(Object.values)))
    } finally {
      database.close()
    }
  }
  const before = content(path)
  const spoiled = join(scratch(t), 'spoiled.db')
  let caught = 0
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: good.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
      const octets = Buffer.from(good)
      octets[at]! ^= 1 << bit
      writeFileSync(spoiled, octets)
      try {
        const { verdict } = await verifyLedger(spoiled, { vkey, depth: 'form' })
        if (verdict === 'valid') t.true(content(spoiled) === before, `octet ${at}, bit ${bit}`)
        else caught++
      } catch (error) {
        t.is((error as { code?: string }).code, 'ledger.unreadable')
      }
    }),
    { numRuns: 300 }
  )
  t.true(caught > 20)
  for (let length = 0; length < good.length; length += 1777) {
    writeFileSync(spoiled, good)
    truncateSync(spoiled, length)
    t.not((await verifyLedger(spoiled, { vkey })).verdict, 'valid')
  }
})

test('an accounting that cannot be read all through leaves open what is missing; a pipe in place of the log is not waited for', async (t) => {
  const { dir, path, vkey } = await closedLog(t, 5)
  const accountingPath = join(dir, 'accounting.jsonl')
  const judged = async (text: string) => {
    writeFileSync(accountingPath, text)
    return verifyLedger(path, { vkey, completeness: { accountingPath } })
  }
  t.is((await judged('')).verdict, 'valid')
  t.is((await judged('{"time":1,"callId":"to')).verdict, 'valid', 'a line that was never whole')
  for (const spoiled of ['no accounting\n', `${'x'.repeat(100_000)}\n`, '{"time":1,"outcome":"relayed"}\n']) {
    const { verdict, explanation } = await judged(spoiled)
    t.is(verdict, 'incomplete')
    t.regex(explanation, /1 line of the accounting cannot be read/)
  }
  const pipe = join(dir, 'pipe')
  execFileSync('mkfifo', [pipe])
  await t.throwsAsync(verifyLedger(pipe, { vkey }), { code: 'ledger.unreadable' })
  change(path, "INSERT INTO segment VALUES (-5, 1, x'00027b7d', '')")
  t.like(await verifyLedger(path, { vkey }), { verdict: 'altered', explanation: 'a segment stands before the first entry' })
})

test('from the state of an earlier verification only what is new is read, and it has to follow', async (t) => {
  const { path, vkey, append } = await closedLog(t, 3000)
  const { state } = await verifyLedger(path, { vkey })
  await append(500)
  const next = await verifyLedger(path, { vkey, from: state! })
  t.like(next, { verdict: 'valid', entries: 3500 })
  t.regex(next.explanation, /500 of them new/)
  t.is(next.root, (await verifyLedger(path, { vkey })).root)
  const stranger = formatVerifierKey(readSigner('test.example/witness', generateSigningKey()))
  await t.throwsAsync(
    verifyLedger(path, { vkey: stranger, from: state! }),
    { code: 'ledger.state.key' },
    'no verdict under a key that nothing was held against'
  )
  const spoiled = { ...state!, tree: Buffer.from(state!.tree, 'base64').fill(0, 0, 4).toString('base64') }
  await t.throwsAsync(verifyLedger(path, { vkey, from: spoiled }), { code: 'ledger.state.malformed' })
  change(path, 'DELETE FROM segment WHERE first >= 2000')
  t.is((await verifyLedger(path, { vkey, from: next.state! })).verdict, 'truncated')
})

test('changes of key are followed from the one trusted, and no further than heads vouch for them', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 5), 0)
  const { vkey: second } = await ledger.rotateKey()
  await ledger.append(items(5, 5), 0)
  const { database, published } = ledgerFiles(ledger.dir)
  await ledger.close()
  const result = await verifyLedger(database, { vkey: ledger.vkey, publishedPath: published })
  t.like(result, { verdict: 'valid', entries: 11 })
  t.is(result.state!.vkey, second)
  t.is((await verifyLedger(database, { vkey: second, publishedPath: published })).verdict, 'valid')
  t.is((await verifyLedger(database, { vkey: ledger.vkey })).verdict, 'unwitnessed', 'no head of the old key is known')
})

test('a log set back behind a change of key: a head held elsewhere, which the new key alone signed, shows what is missing', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 5), 0)
  const { database, published } = ledgerFiles(ledger.dir)
  const copy = join(scratch(t), 'ledger.db')
  for (const end of ['', '-wal']) copyFileSync(database + end, copy + end)
  const { vkey: second } = await ledger.rotateKey()
  await ledger.append(items(5, 5), 0)
  await ledger.close()
  const whole = await verifyLedger(database, { vkey: ledger.vkey, publishedPath: published })
  const held = whole.state!.checkpoint
  const judged = (pinned: string, vkey = ledger.vkey) => verifyLedger(copy, { vkey, pinned: [pinned] })
  const byItself = await verifyLedger(copy, { vkey: ledger.vkey })
  t.is(byItself.verdict, 'valid', 'nothing shows')
  t.like(await judged(held), { verdict: 'truncated', index: 5, entries: 5 })
  t.like(await judged(held, second), { verdict: 'truncated', index: 5 })
  t.is((await verifyLedger(database, { vkey: ledger.vkey, pinned: [held], publishedPath: published })).verdict, 'valid')

  const signatureOf = (note: string) => note.trimEnd().split('\n').at(-1)!
  const signature = signatureOf(held)
  const others = {
    'of another log': held.replaceAll('test.example', 'other.example'),
    'that nobody of this log signed': held.replace(signature, signature.replace('test.example', 'other.example')),
    'no longer than the log': held.replace('\n11\n', '\n5\n'),
    'whose signature the known key made of another': held.replace(signature, signatureOf(byItself.state!.checkpoint))
  }
  for (const [name, note] of Object.entries(others)) t.is((await judged(note)).verdict, 'unwitnessed', name)
})

test('published heads: one that says the same as the entries needs no signature unless all is asked for; any other does', async (t) => {
  const { dir, path, vkey, append, signer, checkpoint } = await closedLog(t, 10)
  const early = checkpoint()
  await append(10)
  const publishedPath = join(dir, 'checkpoints.log')
  const judged = (depth: 'place' | 'form', ...notes: string[]) => {
    writeFileSync(publishedPath, notes.map((note) => `${JSON.stringify(note)}\n`).join(''))
    return verifyLedger(path, { vkey, publishedPath, depth })
  }
  const signatureOf = (note: string) => note.trimEnd().split(' ').at(-1)!
  const unsigned = (note: string) => note.replace(signatureOf(note), signatureOf(checkpoint()))
  const other = (size: number) => signCheckpoint({ origin: signer.name, size, root: Buffer.alloc(32, 7) }, signer)
  t.like(await judged('place', early), { verdict: 'valid', heads: 2 })
  t.like(await judged('form', early), { verdict: 'valid', heads: 2, notes: [] })
  t.is((await judged('place', unsigned(early))).verdict, 'valid', 'the entries themselves say so')
  const told = await judged('form', unsigned(early))
  t.is(told.verdict, 'altered')
  t.regex(told.explanation, /^1 line of the published heads/)
  for (const depth of ['place', 'form'] as const) {
    t.is((await judged(depth, early, other(7))).verdict, 'forked')
    t.is((await judged(depth, early, other(70))).verdict, 'truncated')
    t.is((await judged(depth, early, unsigned(other(7)))).verdict, 'altered')
    t.is((await judged(depth, early, unsigned(other(70)))).verdict, 'altered')
    t.is((await judged(depth, early, early.replace(signatureOf(early), 'AAAA'))).verdict, 'altered')
  }
})

test('a change of key that no dual signature stands under is altered, wherever it stands', async (t) => {
  const { path, vkey, append, store, signer } = await closedLog(t, 5)
  const attacker = readSigner('test.example/witness', generateSigningKey())
  const sequencer = await openSequencer(store, signer)
  const forge = (event: string, payload: JsonObject) =>
    sequencer.appendOwn({ draft: draftOwnEntry({ event, payload }, 0), key: `forged ${event} ${JSON.stringify(payload)}` })
  const copyOf = (name: string) => {
    for (const end of ['', '-wal']) copyFileSync(path + end, `${path}.${name}${end}`)
    return `${path}.${name}`
  }
  const before = copyOf('before')
  await forge('key_rotated', { vkey: formatVerifierKey(attacker) })
  t.like(await verifyLedger(path, { vkey }), { verdict: 'altered', index: 5 }, 'the head over it has one signature')
  await append(3)
  t.like(await verifyLedger(path, { vkey }), { verdict: 'altered', index: 5 }, 'the key goes on signing')
  for (const [name, payload] of [
    ['no key', {}],
    ['a key of another log', { vkey: formatVerifierKey(readSigner('other.example/a', generateSigningKey())) }],
    ['the key that signs anyway', { vkey }]
  ] as const) {
    const copy = `${before}.${name}`
    for (const end of ['', '-wal']) copyFileSync(before + end, copy + end)
    const forging = await openSequencer(openSqliteStore(copy), signer)
    await forging.appendOwn({ draft: draftOwnEntry({ event: 'key_rotated', payload }, 0), key: 'forged' })
    t.like(await verifyLedger(copy, { vkey }), { verdict: 'altered', index: 5 }, name)
  }
})

test('an event that the ledger never tells of itself is altered', async (t) => {
  const { path, vkey, store, signer } = await closedLog(t, 5)
  const sequencer = await openSequencer(store, signer)
  await sequencer.appendOwn({ draft: draftOwnEntry({ event: 'all_is_well', payload: {} }, 0), key: 'forged' })
  t.like(await verifyLedger(path, { vkey }), { verdict: 'altered', index: 5 })
})

test('a policy is met by a checkpoint over all entries that its quorum cosigned', async (t) => {
  const { path, vkey, checkpoint, append } = await closedLog(t, 10)
  const seats = ['one', 'two'].map((name) => readCosigner(`${name}.example`, generateSigningKey()))
  const vkeys = seats.map((seat) => formatVerifierKey(seat))
  const policy = (threshold: number) =>
    `log ${vkey}\nwitness one ${vkeys[0]}\nwitness two ${vkeys[1]}\ngroup council ${threshold} one two\nquorum council\n`
  const note = checkpoint()
  const body = note.slice(0, note.indexOf('\n\n') + 1)
  const cosigned = note + cosign(body, seats[0]!, 1_767_225_600)
  const line = cosigned.endsWith('\n') ? cosigned : `${cosigned}\n`
  const verdict = async (threshold: number, pinned: string[]) =>
    (await verifyLedger(path, { vkey, pinned, policy: policy(threshold) })).verdict
  t.is(await verdict(1, [line]), 'valid')
  t.is(await verdict(2, [line]), 'unwitnessed')
  t.is(await verdict(1, []), 'unwitnessed')
  await append(1)
  t.like(await verifyLedger(path, { vkey, pinned: [line], policy: policy(1) }), { verdict: 'unwitnessed', index: 10 })
  await t.throwsAsync(verifyLedger(path, { vkey, policy: 'quorum nobody\n' }), { code: 'ledger.policy.malformed' })
})

test('a clock that was set back is said, and is no fault', async (t) => {
  const ledger = await openTestLedger(t)
  const at = (n: number, time: number) => ({ draft: draftEntry(eventNumber(n), time), key: `c${n}` })
  await ledger.append([at(0, 5000), at(1, 4000), at(2, 6000)], 0)
  const { verdict, notes } = await verifyLedger(ledgerFiles(ledger.dir).database, { vkey: ledger.vkey })
  t.is(verdict, 'valid')
  t.regex(notes.join(), /^1 entry has a time before/)
})

test('an index that hides an entry is told from one that is behind', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 20), 0)
  const { database } = ledgerFiles(ledger.dir)
  await ledger.close()
  const reader = openLedgerReader(database)
  // only a question with a condition goes through the index: without one it would hold what its thread came to before it was closed
  t.is((await reader.query({ component: 'IF.test' })).length, 20)
  await reader.close()
  const index = indexPathOf(database)
  const at = { path: database, origin: 'test.example/witness' }
  t.is(await checkIndex(at, index), null)
  const known = new DatabaseSync(index, { readOnly: true })
  t.deepEqual({ ...known.prepare('SELECT size FROM progress').get() }, { size: 20 })
  known.close()
  change(index, 'CREATE TRIGGER hides AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE idx = new.idx; END')
  t.regex((await checkIndex(at, index))!, /hides/)
  change(index, 'DROP TRIGGER hides')
  change(index, "UPDATE entry SET trace = 'elsewhere' WHERE idx = 7")
  t.regex((await checkIndex(at, index))!, /entry 7/)
  change(index, 'DELETE FROM entry WHERE idx = 3')
  t.regex((await checkIndex(at, index))!, /entry 3/)
  writeFileSync(index, 'no database')
  t.regex((await checkIndex(at, index))!, /cannot be read/)
  t.is(await checkIndex(at, `${index}.none`), null)
})
