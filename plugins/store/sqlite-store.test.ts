import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { openSqliteStore } from './sqlite-store.ts'
import { storeContract } from './testing/contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'store-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let made = 0
const newPath = () => join(folder, `${++made}`, 'state.db')

storeContract(test, 'SQLite', async () => ({ kind: 'sqlite', path: newPath() }))

test('a file that is something else is refused, and one of a later version', async (t) => {
  const other = join(folder, 'other.db')
  writeFileSync(other, 'not a database, but long enough to be looked at as one'.repeat(100))
  await t.throwsAsync(() => openSqliteStore(other), { code: 'store.damaged' })
  const later = join(folder, 'later.db')
  const database = new DatabaseSync(later)
  database.exec('PRAGMA user_version = 99')
  database.close()
  await t.throwsAsync(() => openSqliteStore(later), { code: 'store.damaged', message: /later version/ })
})

test('a commit waits for another process that writes, and others of this one go along', async (t) => {
  const path = newPath()
  const store = await openSqliteStore(path)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const waiting = Promise.all(
    ['a', 'b', 'c'].map((key) => store.commit({ expect: [], put: [{ key, value: key }], remove: [], tell: [] }))
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.is((await store.read(['a'])).records[0], null)
  other.exec('COMMIT')
  other.close()
  t.deepEqual(
    (await waiting).map(({ ok }) => ok),
    [true, true, true]
  )
  await store.close()
})
