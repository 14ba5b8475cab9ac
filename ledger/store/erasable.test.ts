import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { appendItem, checkInclusion, draftEntry, ledgerFiles, openLedgerReader } from '#ledger'
import { commitmentOf } from '../log/commitment.ts'
import { leafHash } from '../log/merkle.ts'
import { parseCheckpoint } from '../log/note.ts'
import { proveInclusion } from '../log/prover.ts'
import { tilesOf } from '../read/tiles.ts'
import { eventNumber, items, openTestLedger, openTestWitness, scratch, verify } from '../testing/fixtures.ts'

const secret = 'the caller said his name was Aloysius'

/** Files of the ledger that hold this text. */
const filesWith = (dir: string, text: string): string[] =>
  readdirSync(dir).filter((name) => readFileSync(join(dir, name)).includes(text))

test('an erasable payload lies beside the log and is read with its entry', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  await witness.record(eventNumber(0, { payload: { callId: 'a' }, erasable: { said: secret } }))
  const [stored] = await ledger.reader.query({})
  t.deepEqual(stored?.erasable, { state: 'present', payload: { said: secret } })
  t.false(Buffer.from(stored!.bytes).includes('Aloysius'))
  t.deepEqual(Object.keys(stored!.entry.payload), ['callId', 'commitment'])
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('an erased payload is in no file of the ledger; its entry and every proof stay', async (t) => {
  const ledger = await openTestLedger(t)
  const many = Array.from({ length: 300 }, (_, at) =>
    appendItem(eventNumber(at, { erasable: { at, said: `${secret} ${at}.` } }), at, `e${at}`)
  )
  await ledger.append(many, 1)
  await ledger.append(items(300, 20), 1)
  t.not(filesWith(ledger.dir, `${secret} 150.`).length, 0)
  const [before] = await ledger.reader.query({ afterIndex: 149, limit: 1 })
  await ledger.erase({ entry: 150, commitment: commitmentOf(before!.entry.payload)!.hash, reason: 'asked for', traceId: 'a' })
  t.deepEqual(filesWith(ledger.dir, `${secret} 150.`), [])
  const salt = many[150]!.erasable!.salt
  t.deepEqual(filesWith(ledger.dir, salt), [])
  const [after] = await ledger.reader.query({ afterIndex: 149, limit: 1 })
  t.deepEqual(after?.erasable, { state: 'erased' })
  t.is(after?.hash, before?.hash)
  const [neighbour] = await ledger.reader.query({ afterIndex: 150, limit: 1 })
  t.deepEqual(neighbour?.erasable, { state: 'present', payload: { at: 151, said: `${secret} 151.` } })
  const { checkpoint } = parseCheckpoint((await ledger.reader.checkpoint())!)
  const proof = await proveInclusion(tilesOf(ledger.reader.log), 150, checkpoint.size)
  t.true(checkInclusion(leafHash(after!.bytes), 150, checkpoint.size, checkpoint.root, proof))
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('a payload that is not the one committed to is told from an erased one', async (t) => {
  const ledger = await openTestLedger(t)
  const item = appendItem(eventNumber(0, { erasable: { said: secret } }), 0, 'a')
  await ledger.append([{ ...item, erasable: { ...item.erasable!, payload: '{"said":"nothing"}' } }], 1)
  await ledger.close()
  const reader = openLedgerReader(ledgerFiles(ledger.dir).database)
  t.teardown(() => reader.close())
  const [stored] = await reader.query({})
  t.deepEqual(stored?.erasable, { state: 'altered' })
})

test('a journal that a reader holds is emptied by the next commit', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append([appendItem(eventNumber(0, { erasable: { said: secret } }), 0, 'a')], 1)
  const { DatabaseSync } = await import('node:sqlite')
  const reading = new DatabaseSync(ledgerFiles(ledger.dir).database, { readOnly: true })
  t.teardown(() => {
    if (reading.isOpen) reading.close()
  })
  reading.exec('BEGIN; SELECT count(*) FROM segment')
  await ledger.erase({ entry: 0, commitment: '0'.repeat(64), reason: 'asked for', traceId: 'a' })
  t.not(filesWith(ledger.dir, secret).length, 0, 'as long as somebody reads the state before')
  reading.close()
  await ledger.append(items(2, 1), 1)
  t.deepEqual(filesWith(ledger.dir, secret), [])
})

test('what is erasable survives in the spool', async (t) => {
  const dir = scratch(t)
  const ledger = await openTestLedger(t)
  let away = true
  const append: typeof ledger.append = (list, epoch) => (away ? Promise.reject(new Error('away')) : ledger.append(list, epoch))
  const witness = await openTestWitness(t, { append }, dir)
  t.is((await witness.record(eventNumber(0, { erasable: { said: secret } }))).state, 'spooled')
  away = false
  await witness.flush(5000)
  const [stored] = await ledger.reader.query({})
  t.deepEqual(stored?.erasable, { state: 'present', payload: { said: secret } })
  t.deepEqual(filesWith(dir, secret), [])
})

test('what cannot be kept beside the log is refused', async (t) => {
  const code = 'ledger.entry.invalid'
  t.throws(() => draftEntry(eventNumber(0, { erasable: {} }), 0), { code })
  t.throws(() => appendItem(eventNumber(0, { erasable: [] as never }), 0, 'k'), { code })
  t.throws(() => appendItem(eventNumber(0, { erasable: {}, payload: { commitment: 1 } }), 0, 'k'), { code })
  t.throws(() => appendItem(eventNumber(0, { erasable: { text: 'x'.repeat(65_000) } }), 0, 'k'), {
    code: 'ledger.entry.too-large'
  })
})
