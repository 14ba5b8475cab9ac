import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { ledgerFiles } from '#ledger'
import { openLogReader } from '../store/open.ts'
import type { LogReader } from '../store/store.ts'
import { items, openTestLedger, scratch } from '../testing/fixtures.ts'
import { openEntryIndex } from './entry-index.ts'

/** A log and its index, which is closed. */
async function indexed(t: ExecutionContext, entries: number): Promise<{ log: LogReader; path: string }> {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, entries), 1)
  await ledger.close()
  const log = await openLogReader({ kind: 'sqlite', path: ledgerFiles(ledger.dir).database })
  t.teardown(() => log.close())
  const path = join(scratch(t), 'index.db')
  const made = openEntryIndex(path, log)
  await made.catchUp()
  await made.close()
  return { log, path }
}

test('what an index holds beyond its own progress is forgotten when the log gets there', async (t) => {
  const { log, path } = await indexed(t, 3)
  const database = new DatabaseSync(path)
  database.exec(
    `UPDATE entry SET event = 'of no log' WHERE idx = 2; UPDATE progress SET size = 0, last_hash = '${'0'.repeat(64)}'`
  )
  database.close()
  const index = openEntryIndex(path, log)
  t.teardown(() => index.close())
  t.true(await index.catchUp())
  t.deepEqual(await index.find({ event: 'of no log' }), [])
  t.deepEqual(await index.find({}), [0, 1, 2])
})

test('whoever takes entries in may rest behind each segment', async (t) => {
  const ledger = await openTestLedger(t)
  for (let n = 0; n < 6; n++) await ledger.append(items(n, 1), 0)
  await ledger.close()
  const log = await openLogReader({ kind: 'sqlite', path: ledgerFiles(ledger.dir).database })
  const index = openEntryIndex(null, log)
  t.teardown(async () => {
    await index.close()
    await log.close()
  })
  let rests = 0
  t.true(await index.catchUp(6, () => rests++))
  t.true(rests >= 6, `${rests} rests`)
  t.deepEqual(await index.find({}), [0, 1, 2, 3, 4, 5])
})

test('the index of another log of as many entries is not taken for this one’s', async (t) => {
  const [one, other] = [await indexed(t, 5), await indexed(t, 5)]
  const index = openEntryIndex(one.path, other.log)
  t.teardown(() => index.close())
  const traces = (path: string) => {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      return database.prepare('SELECT trace FROM entry ORDER BY idx').all()
    } finally {
      database.close()
    }
  }
  t.deepEqual(await index.find({ component: 'IF.test' }), [0, 1, 2, 3, 4])
  t.deepEqual(traces(one.path), traces(other.path))
})

test('a log with entries missing inside is refused, and not read again and again', async (t) => {
  const ledger = await openTestLedger(t)
  for (let n = 0; n < 6; n++) await ledger.append(items(n, 1), 0)
  await ledger.close()
  const { database } = ledgerFiles(ledger.dir)
  const spoil = new DatabaseSync(database)
  spoil.exec('DELETE FROM segment WHERE first = 3')
  spoil.close()
  const log = await openLogReader({ kind: 'sqlite', path: database })
  t.teardown(() => log.close())
  for (const path of [null, join(scratch(t), 'index.db')]) {
    const index = openEntryIndex(path, log)
    t.teardown(() => index.close())
    await t.throwsAsync(index.find({ component: 'IF.test' }), { code: 'ledger.index.log' })
  }
})

test('an index that somebody else empties, or holds locked, hides nothing, and its file stays', async (t) => {
  const { log, path } = await indexed(t, 4)
  const index = openEntryIndex(path, log)
  t.teardown(() => index.close())
  t.true(await index.catchUp())
  const other = new DatabaseSync(path)
  t.teardown(() => other.close())
  other.exec('DELETE FROM entry; DELETE FROM progress')
  t.deepEqual(await index.find({ component: 'IF.test' }), [0, 1, 2, 3])
  await index.close()
  const { ino } = statSync(path)
  other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  const late = openEntryIndex(path, log)
  t.teardown(() => late.close())
  t.deepEqual(await late.find({ component: 'IF.test' }), [0, 1, 2, 3])
  t.is(statSync(path).ino, ino)
  other.exec('ROLLBACK')
})

test('an index whose spoiled pages show only when they are read is made anew', async (t) => {
  const { log, path } = await indexed(t, 600)
  const octets = readFileSync(path)
  const pageOctets = 2048
  // all but the schema and the progress, by which it is opened
  for (let at = pageOctets; at < octets.length; at += pageOctets) {
    const holdsProgress = octets.subarray(at, at + pageOctets).includes(Buffer.from('600'))
    if (octets[at] === 13 && !holdsProgress) octets[at] = 99
    else if (octets[at] === 10 || octets[at] === 5) octets[at] = 99
  }
  writeFileSync(path, octets)
  const index = openEntryIndex(path, log)
  t.teardown(() => index.close())
  t.is((await index.find({ component: 'IF.test' })).length, 600)
  t.deepEqual(await index.find({ afterIndex: 597 }), [598, 599])
})
