import { readFileSync, writeFileSync } from 'node:fs'
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

test('an index whose spoiled pages show only when they are read is made anew', async (t) => {
  const { log, path } = await indexed(t, 600)
  const octets = readFileSync(path)
  const pageOctets = 4096
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
