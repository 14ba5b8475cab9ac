import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { silentLog } from '#kernel'
import { draftEntry, ledgerFiles, openLedger } from '#ledger'
import { openSqliteReader } from '../store/sqlite-store.ts'
import { eventNumber, openTestLedger, origin, scratch } from '../testing/fixtures.ts'
import { openIndexThread } from './index-thread.ts'

/** How far an index has come; 0 while it has no tables. */
function entriesIn(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 2000 })
  try {
    return (database.prepare('SELECT size FROM progress').get() as { size: number } | undefined)?.size ?? 0
  } catch {
    return 0
  } finally {
    database.close()
  }
}

test('a query that looks through the whole log leaves the event loop to others', async (t) => {
  const ledger = await openTestLedger(t)
  const common = (n: number) => ({
    draft: draftEntry({ ...eventNumber(n), event: `event_${n % 2}`, component: `IF.part${n % 2}` }, n),
    key: `k:${n}`
  })
  for (let n = 0; n < 60_000; n += 2000)
    await ledger.append(
      Array.from({ length: 2000 }, (_, at) => common(n + at)),
      1
    )
  const ticks: number[] = []
  let last = performance.now()
  const timer = setInterval(() => {
    ticks.push(performance.now() - last)
    last = performance.now()
  }, 1)
  // no entry is of both, so that each of one has to be looked at
  const found = await Promise.all(
    Array.from({ length: 20 }, () => ledger.reader.query({ event: 'event_0', component: 'IF.part1' }))
  )
  clearInterval(timer)
  t.deepEqual(found.flat(), [])
  t.true(ticks.length > 20, `${ticks.length} turns while 20 queries ran`)
  t.is((await ledger.reader.query({ event: 'event_1', limit: 3 })).length, 3)
})

test('a question ends the rests of the thread', async (t) => {
  const ledger = await openTestLedger(t)
  const entries = 20_000
  for (let n = 0; n < entries; n += 2000)
    await ledger.append(
      Array.from({ length: 2000 }, (_, at) => ({ draft: draftEntry(eventNumber(n + at), n), key: `k:${n + at}` })),
      1
    )
  await ledger.close()
  const log = { kind: 'sqlite', path: ledgerFiles(ledger.dir).database } as const
  const reader = openSqliteReader(log.path)
  const thread = (name: string) => openIndexThread({ log, indexPath: join(scratch(t), name) }, reader, silentLog)

  const begunMs = performance.now()
  const asked = thread('asked.db')
  t.deepEqual(await asked.find({ event: 'none' }), [])
  const askedMs = performance.now() - begunMs
  await asked.close()

  const path = join(scratch(t), 'alone.db')
  const begunAloneMs = performance.now()
  const alone = openIndexThread({ log, indexPath: path }, reader, silentLog)
  for (let taken = 0; taken < entries; ) {
    await pause(20)
    if (existsSync(path)) taken = entriesIn(path)
  }
  const aloneMs = performance.now() - begunAloneMs
  await alone.close()
  await reader.close()
  t.true(2 * askedMs < aloneMs, `asked ${askedMs.toFixed()} ms, alone ${aloneMs.toFixed()} ms`)
})

test('without its thread the index is still asked', async (t) => {
  const dir = scratch(t)
  const ledger = await openLedger({ dir, origin, log: silentLog })
  await ledger.append([{ draft: draftEntry(eventNumber(1), 0), key: 'k' }], 1)
  await ledger.close()
  const { database } = ledgerFiles(dir)
  const reader = openSqliteReader(database)
  const settings = { log: { kind: 'sqlite', path: join(dir, 'not there') } as const, indexPath: join(dir, 'index.db') }
  const index = openIndexThread(settings, reader, silentLog)
  t.deepEqual(await index.find({ event: 'test_event' }), [0])
  t.deepEqual(await index.find({ event: 'none' }), [])
  await index.close()
  await reader.close()
})
