import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { InfraFabricError, silentLog } from '#kernel'
import { type AppendItem, appendItem, type Ledger, ledgerFiles, openLedger, readEntries, verifyLedger } from '#ledger'
import { readSigner } from '../log/note.ts'
import { openEntryIndex } from '../read/entry-index.ts'
import { createLedgerReader } from '../read/reader.ts'
import { openKeyring, prepareKeys } from '../store/keyring.ts'
import { openStore, type StoreSettings } from '../store/open.ts'
import { openSequencer } from '../store/sequencer.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { eventNumber, items, openTestLedger, openTestWitness, origin, scratch, verify } from '../testing/fixtures.ts'
import { type RedisServer, startRedis } from '../testing/redis-server.ts'
import { type Failure, failingStore } from './failing-store.ts'
import { killWriters } from './kills.ts'
import { randomFrom } from './random.ts'

test('kill -9 of writers at random moments: nothing acknowledged is lost, doubled or forked', async (t) => {
  const tally = await killWriters({ runs: 8, seed: 7 })
  t.like(tally, { lost: 0, duplicated: 0, forked: 0, invalid: 0, problems: [] })
  t.true(tally.acknowledged > 50)
})

test('a new database that another process is about to set up is waited for', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const other = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    const database = new (require('node:sqlite').DatabaseSync)(workerData)
    database.exec('BEGIN IMMEDIATE')
    parentPort.postMessage('held')
    parentPort.once('message', () => setTimeout(() => database.close(), 200))`,
    { eval: true, workerData: path }
  )
  const ended = once(other, 'exit')
  await once(other, 'message')
  t.throws(() => openSqliteStore(path, 0), { code: 'ledger.store.busy' })
  other.postMessage('let go')
  const store = openSqliteStore(path, 60_000)
  t.is((await store.head()).size, 0)
  await store.close()
  await ended
})

let redis: RedisServer
test.before(async () => {
  redis = await startRedis()
})
test.after.always(() => redis?.stop())

const failuresOf = {
  sqlite: ['ledger.store.io', 'ledger.store.full', 'ledger.store.busy'],
  redis: ['ledger.store.unanswered', 'ledger.store.unreachable', 'ledger.store.unreplicated', 'ledger.store.io']
} as const

for (const [kind, codes] of Object.entries(failuresOf) as ['sqlite' | 'redis', readonly string[]][]) {
  for (const code of codes) {
    for (const failure of ['not persisted', 'persisted anyway'] satisfies Failure[]) {
      test(`${kind}: a commit fails with ${code}, ${failure}: told again, its entries stand in the log once`, async (t) => {
        const dir = scratch(t)
        const files = ledgerFiles(dir)
        const name = `${kind}-${failure.replace(' ', '-')}.${code}.example/log`
        const vkey = prepareKeys(files, name)
        const holder = { name: 'test', address: '' }
        const settings: StoreSettings =
          kind === 'sqlite'
            ? { kind, path: files.database, busyTimeoutMs: 2000 }
            : { kind, url: redis.url, logName: name, holder }
        const store = await openStore(settings, () => undefined)
        t.teardown(() => store.close())
        const failing = failingStore(
          store,
          new Map([
            [1, failure],
            [2, failure]
          ]),
          code
        )
        const sequencer = await openSequencer(failing, openKeyring(files, name))
        const first = await sequencer.append(items(0, 3))
        await t.throwsAsync(sequencer.append(items(3, 3)), { code })
        // what failed is told again together with something new, and fails again
        await t.throwsAsync(sequencer.append(items(2, 6)), { code })
        const places = await sequencer.append(items(0, 10))
        t.deepEqual(places.slice(0, 3), first)
        t.deepEqual(
          places.map(({ index }) => index),
          upTo(10)
        )
        const reader = createLedgerReader(store, openEntryIndex(join(dir, 'index.db'), store))
        t.deepEqual(
          (await reader.query({})).map(({ entry }) => entry.payload.n),
          upTo(10)
        )
        const log = kind === 'sqlite' ? files.database : redis.url
        t.is((await verifyLedger(log, { vkey, beside: {} })).verdict, 'valid')
      })
    }
  }
}

for (const code of failuresOf.sqlite) {
  for (const failure of ['not persisted', 'persisted anyway'] satisfies Failure[]) {
    test(`the ledger fails with ${code}, ${failure}: the witness spools, and delivers each entry once`, async (t) => {
      const ledger = await openTestLedger(t)
      let fails = 2
      const failing: Pick<Ledger, 'append'> = {
        append: async (told: readonly AppendItem[], epoch) => {
          if (fails === 0) return ledger.append(told, epoch)
          fails--
          if (failure === 'persisted anyway') await ledger.append(told, epoch)
          throw new InfraFabricError(code, failure)
        }
      }
      const witness = await openTestWitness(t, failing, scratch(t))
      const receipts = []
      for (const n of upTo(6)) receipts.push(await witness.record(eventNumber(n)))
      t.is(receipts[0]!.state, 'spooled')
      await witness.flush(5000)
      t.deepEqual(
        (await ledger.reader.query({})).map(({ entry }) => entry.payload.n),
        upTo(6)
      )
    })
  }
}

test('a log set back to an earlier state verifies by itself; a checkpoint kept elsewhere shows it, and shows the fork when it goes on', async (t) => {
  const { dir, vkey, early, late } = await logOf40(t)
  const { database, published } = ledgerFiles(dir)
  copyFileSync(early.database, database)
  copyFileSync(early.published, published)
  t.like(await verify(dir, vkey), { verdict: 'valid', entries: 20 })
  t.like(await verify(dir, vkey, [late]), { verdict: 'truncated', index: 20 })
  const ledger = await openTestLedger(t, dir)
  await ledger.append(items(100, 30), 0)
  await ledger.close()
  t.is((await verify(dir, vkey)).verdict, 'valid')
  t.like(await verify(dir, vkey, [late]), { verdict: 'forked', index: 39 })
})

test('published heads that are behind the log are caught up with; heads ahead of it show', async (t) => {
  const { dir, vkey, early } = await logOf40(t)
  const { database, published } = ledgerFiles(dir)
  copyFileSync(early.published, published)
  t.is((await verify(dir, vkey)).verdict, 'valid')
  await (await openTestLedger(t, dir)).close()
  t.regex(readFileSync(published, 'utf8'), /\\n40\\n/)
  copyFileSync(early.database, database)
  t.like(await verify(dir, vkey), { verdict: 'truncated', index: 20 })
})

test('a database set back to an earlier state is not built on: the heads published beside it tell', async (t) => {
  const { dir, early } = await logOf40(t)
  const { database, published } = ledgerFiles(dir)
  const late = readFileSync(published)
  const opened = () => openLedger({ dir, origin, log: silentLog })
  copyFileSync(early.database, database)
  const shorter = await t.throwsAsync(opened(), { code: 'ledger.store.rolled-back' })
  t.regex(shorter!.message, /the log has 20 entries, and a head of 40 was published/)
  t.is(readEntries(database).length, 20, 'nothing was written')
  // goes on without its heads, which come back later
  copyFileSync(early.published, published)
  const forked = await openTestLedger(t, dir)
  await forked.append(items(100, 30), 0)
  await forked.close()
  writeFileSync(published, late)
  const other = await t.throwsAsync(opened(), { code: 'ledger.store.rolled-back' })
  t.regex(other!.message, /the log has 50 entries, and the first 40 are not those that were published/)
  // a line that nobody signed says nothing
  writeFileSync(published, late.toString('latin1').replaceAll('\\n40\\n', '\\n99\\n'))
  await (await opened()).close()
})

test('a database cut short anywhere is never taken for the whole', async (t) => {
  const { dir, vkey, late } = await logOf40(t)
  const { database } = ledgerFiles(dir)
  const whole = readFileSync(database)
  for (let length = 0; length < whole.length; length += 1021) {
    writeFileSync(database, whole.subarray(0, length))
    t.not(await verdictOf(dir, vkey, late), 'valid', `${length} octets`)
    rmSync(`${database}-wal`, { force: true })
    rmSync(`${database}-shm`, { force: true })
  }
})

test('a bit that flips in the database is seen, or changes nothing that is told', async (t) => {
  const { dir, vkey, late } = await logOf40(t)
  const { database } = ledgerFiles(dir)
  const whole = readFileSync(database)
  const told = JSON.stringify(readEntries(database))
  const random = randomFrom(11)
  let seen = 0
  for (let times = 0; times < 150; times++) {
    const spoiled = Buffer.from(whole)
    const at = Math.floor(random() * whole.length)
    spoiled[at]! ^= 1 << Math.floor(random() * 8)
    writeFileSync(database, spoiled)
    if ((await verdictOf(dir, vkey, late)) === 'valid') t.is(JSON.stringify(readEntries(database)), told, `octet ${at}`)
    else seen++
    rmSync(`${database}-wal`, { force: true })
    rmSync(`${database}-shm`, { force: true })
  }
  t.true(seen > 20)
})

test('a bit that flips in the published heads is seen', async (t) => {
  const { dir, vkey } = await logOf40(t)
  const { database, published } = ledgerFiles(dir)
  const whole = readFileSync(published)
  const random = randomFrom(12)
  for (let times = 0; times < 60; times++) {
    const spoiled = Buffer.from(whole)
    // without its line feed the last line was never published
    const at = Math.floor(random() * (whole.length - 1))
    spoiled[at]! ^= 1 << Math.floor(random() * 8)
    writeFileSync(published, spoiled)
    // whose entries agree with it, a head's signature is only looked at when everything is
    const { verdict } = await verifyLedger(database, { vkey, publishedPath: published, depth: 'form' })
    t.not(verdict, 'valid', `octet ${at}`)
  }
})

test('a bit that flips in the spool never brings another entry into the log', async (t) => {
  const spoolDir = scratch(t)
  const shut: Pick<Ledger, 'append'> = {
    append: async () => {
      throw new InfraFabricError('ledger.store.io', 'shut')
    }
  }
  const first = await openTestWitness(t, shut, spoolDir)
  for (const n of upTo(5)) await first.record(eventNumber(n))
  await first.close()
  const name = readdirSync(spoolDir)[0]!
  const whole = readFileSync(join(spoolDir, name))
  const random = randomFrom(13)
  for (let times = 0; times < 10; times++) {
    const dir = join(scratch(t), 'spool')
    mkdirSync(dir)
    const spoiled = Buffer.from(whole)
    spoiled[Math.floor(random() * (whole.length - 1))]! ^= 1 << Math.floor(random() * 8)
    writeFileSync(join(dir, name), spoiled)
    const ledger = await openTestLedger(t)
    const witness = await openTestWitness(t, ledger, dir)
    await witness.flush(5000)
    const events = (await ledger.reader.query({})).map(({ entry }) => entry)
    const numbers = events.filter(({ event }) => event === 'test_event').map(({ payload }) => payload.n as number)
    t.deepEqual(
      numbers,
      upTo(5).filter((n) => numbers.includes(n))
    )
    t.true(numbers.length >= 3 && events.some(({ event }) => event === 'witness_spool_spoiled'))
  }
})

test('a clock that goes back is told and is no fault: the order is that of the log', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append([appendItem(eventNumber(0), 1_767_225_600_000, 'a:0')], 0)
  await ledger.append([appendItem(eventNumber(1), 1_767_225_500_000, 'a:1')], 0)
  await ledger.close()
  const { verdict, notes } = await verify(ledger.dir, ledger.vkey)
  t.is(verdict, 'valid')
  t.regex(notes.join(), /clock was set back/)
})

test('a public key that an interrupted start left unwritten is made again; no half of a file stays', async (t) => {
  const dir = scratch(t)
  const files = ledgerFiles(dir)
  prepareKeys(files, origin)
  const key = readFileSync(files.key, 'utf8')
  rmSync(files.vkey)
  writeFileSync(`${files.vkey}.1`, '')
  const vkey = prepareKeys(files, origin)
  t.is(readSigner(origin, key).name, origin)
  t.is(readFileSync(files.vkey, 'utf8').trim(), vkey)
  const ledger = await openLedger({ dir, origin, log: silentLog })
  await ledger.close()
  t.true(existsSync(files.database))
})

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

/** A closed log of 40 entries, copies of its files when it had 20, and its last checkpoint. */
async function logOf40(t: ExecutionContext) {
  const { dir, ...ledger } = await openTestLedger(t)
  const files = ledgerFiles(dir)
  await ledger.append(items(0, 20), 0)
  await ledger.close()
  const kept = scratch(t)
  const early = { database: join(kept, 'ledger.db'), published: join(kept, 'checkpoints.log') }
  copyFileSync(files.database, early.database)
  copyFileSync(files.published, early.published)
  const again = await openTestLedger(t, dir)
  await again.append(items(20, 20), 0)
  await again.close()
  const late = JSON.parse(readFileSync(files.published, 'utf8').trim().split('\n').at(-1)!) as string
  return { dir, vkey: ledger.vkey, early, late }
}

/** The verifier's word, or the code with which it refuses to give one. */
async function verdictOf(dir: string, vkey: string, pinned: string): Promise<string> {
  try {
    return (await verify(dir, vkey, [pinned])).verdict
  } catch (error) {
    if (error instanceof InfraFabricError) return error.code
    throw error
  }
}
