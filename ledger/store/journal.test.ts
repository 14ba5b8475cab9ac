import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { appendItem, draftEntry } from '#ledger'
import { generateSigningKey, readSigner } from '../log/note.ts'
import { eventNumber, origin, scratch } from '../testing/fixtures.ts'
import { openSequencer } from './sequencer.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { AppendItem } from './store.ts'

const mebibyte = 1 << 20
/** About a mebibyte of entries. */
const large = (round: number): AppendItem[] =>
  Array.from({ length: 18 }, (_, at) => ({
    draft: draftEntry(eventNumber(at, { payload: { fill: 'x'.repeat(60_000) } }), 0),
    key: `p:${round * 18 + at}`
  }))

async function opened(path: string, journalThread: boolean) {
  const store = openSqliteStore(path, 2000, journalThread)
  const sequencer = await openSequencer(store, readSigner(origin, generateSigningKey()))
  const append = async (from: number, rounds: number) => {
    for (let round = from; round < from + rounds; round++) {
      await sequencer.append(large(round))
      await turn()
    }
  }
  return { store, sequencer, append }
}

test('a journal that is brought home beside the commits begins anew while they go on', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const { store, sequencer, append } = await opened(path, true)
  await append(0, 100)
  t.true(statSync(`${path}-wal`).size < 64 * mebibyte)
  t.true(statSync(path).size > 16 * mebibyte, 'much of it is in the database')
  await append(100, 1)
  t.is(sequencer.head().size, 101 * 18)
  await store.close()
  t.throws(() => statSync(`${path}-wal`), { code: 'ENOENT' }, 'nothing is held back when it is closed')
  const database = new DatabaseSync(path, { readOnly: true })
  t.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  t.is((database.prepare('SELECT sum(count) AS all_of_them FROM segment').get() as { all_of_them: number }).all_of_them, 101 * 18)
  database.close()
})

test('what is erased while the thread is at work stays in no file', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const { store, sequencer, append } = await opened(path, true)
  const [place] = await sequencer.append([appendItem(eventNumber(0, { erasable: { said: 'nobody may know' } }), 0, 'e')])
  await append(0, 6)
  await sequencer.appendOwn({ draft: large(7)[0]!.draft, key: 'erases', erases: place!.index })
  t.is(statSync(`${path}-wal`).size, 0)
  await append(8, 6)
  await store.close()
})

test('where the thread cannot work, SQLite brings the journal home itself', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE fill (data TEXT)')
  t.teardown(() => database.close())
  const { openJournal } = await import('./journal.ts')
  const journal = openJournal(join(path, 'not there'), database)
  const checkpointAt = () =>
    (database.prepare('PRAGMA wal_autocheckpoint').get() as { wal_autocheckpoint: number }).wal_autocheckpoint
  t.is(checkpointAt(), 0)
  journal.grew(4 * mebibyte)
  await journal.settled()
  t.is(checkpointAt(), 1000)
  journal.grew(4 * mebibyte)
  await journal.settled()
  await journal.close()
})
