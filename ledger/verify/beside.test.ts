/** What lies beside the log, spoiled in every way there is; on SQLite and on a Redis server. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { batchOf, openFrameStore, verifyLedger } from '#ledger'
import { appendItem } from '../client/append-item.ts'
import { draftOwnEntry } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { formatVerifierKey, generateSigningKey, readSigner } from '../log/note.ts'
import { openStore, type StoreSettings } from '../store/open.ts'
import { keysOf } from '../store/redis-connection.ts'
import { openSequencer } from '../store/sequencer.ts'
import { eventNumber, items, origin, scratch } from '../testing/fixtures.ts'
import { startRedis } from '../testing/redis-server.ts'

const entries = 600
const erasables = [3, 256, 599]

/** A log with everything beside it that there can be; `path` is what the verifier is given. */
async function fullLog(t: ExecutionContext, settings: StoreSettings) {
  const signer = readSigner(origin, generateSigningKey())
  const store = await openStore(settings, () => undefined)
  t.teardown(() => store.close())
  const sequencer = await openSequencer(store, signer)
  const framesPath = join(scratch(t), 'frames.db')
  const frames = openFrameStore(framesPath)
  const hashes = Buffer.concat(Array.from({ length: 30 }, (_, at) => leafHash(Buffer.of(at))))
  const batch = batchOf('rtp', hashes)
  frames.save(batch.root, hashes, 0)
  frames.close()
  const all = items(0, entries)
  for (const at of erasables) all[at] = appendItem(eventNumber(at, { erasable: { said: `word ${at}` } }), at, `e${at}`)
  all[100] = appendItem(eventNumber(100, { payload: { batch } }), 100, 'batch')
  await sequencer.append(all)
  const erase = async (entry: number, more: object = {}) => {
    const { commitment } = JSON.parse(all[entry]!.draft[1].slice(',"payload":'.length, -',"prev":"'.length))
    const payload = { entry, commitment: commitment.hash, reason: 'asked for', ...more }
    await sequencer.appendOwn({
      draft: draftOwnEntry({ event: 'payload_erased', payload }, 0),
      key: `erase ${entry}`,
      erases: entry
    })
  }
  const path = settings.kind === 'sqlite' ? settings.path : settings.url
  const check = () => verifyLedger(path, { vkey: formatVerifierKey(signer), beside: { framesPath } })
  return { check, erase, framesPath, sequencer, path, vkey: formatVerifierKey(signer) }
}

const sqlite = (t: ExecutionContext): StoreSettings => ({
  kind: 'sqlite',
  path: join(scratch(t), 'ledger.db'),
  busyTimeoutMs: 2000
})
const change = (path: string, sql: string) => {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

test('SQLite: what lies beside the log is as it should be, and is said', async (t) => {
  const { check, erase } = await fullLog(t, sqlite(t))
  await erase(256)
  const { verdict, notes } = await check()
  t.is(verdict, 'valid')
  t.true(notes.includes('2 payloads beside the log are as committed to, 1 erased'))
  t.true(notes.includes('of 1 batch the frames kept are theirs; of 0 none are kept'))
})

for (const [name, sql, expected] of [
  ['a payload changed', `UPDATE erasable SET payload = '{"said":"nothing"}' WHERE idx = 256`, { verdict: 'altered', index: 256 }],
  ['a salt cut short', `UPDATE erasable SET salt = 'AAAA' WHERE idx = 3`, { verdict: 'altered', index: 3 }],
  ['a payload gone without a word', 'DELETE FROM erasable WHERE idx = 599', { verdict: 'incomplete', index: 599 }],
  [
    'a full tile changed',
    `UPDATE tile SET hashes = zeroblob(8192) WHERE level = 0 AND position = 1`,
    { verdict: 'altered', index: 511 }
  ],
  ['a full tile gone', 'DELETE FROM tile WHERE level = 0 AND position = 0', { verdict: 'altered', index: 255 }],
  ['an unfinished tile changed', 'UPDATE tile SET hashes = zeroblob(64) WHERE level = 1', { verdict: 'altered', index: 599 }]
] as const) {
  test(`SQLite: ${name}`, async (t) => {
    const { check, path, vkey } = await fullLog(t, sqlite(t))
    change(path, sql)
    t.like(await check(), { ...expected, state: null })
    t.is((await verifyLedger(path, { vkey })).verdict, 'valid', 'the entries themselves are in order')
  })
}

test('frames that are not those of their batch; frames that are not kept', async (t) => {
  const { check, framesPath } = await fullLog(t, sqlite(t))
  change(framesPath, 'UPDATE batch SET hashes = zeroblob(960)')
  t.like(await check(), { verdict: 'altered', index: 100 })
  change(framesPath, 'UPDATE batch SET hashes = zeroblob(0)')
  t.like(await check(), { verdict: 'altered', index: 100 })
  change(framesPath, 'DELETE FROM batch')
  t.true((await check()).notes.includes('of 0 batches the frames kept are theirs; of 1 none are kept'))
})

test('an erased payload that was put back is told, and so is another in its place', async (t) => {
  const { check, erase, path } = await fullLog(t, sqlite(t))
  const database = new DatabaseSync(path)
  t.teardown(() => database.close())
  const { salt, payload } = database.prepare('SELECT salt, payload FROM erasable WHERE idx = 256').get() as Record<string, string>
  await erase(256)
  t.is((await check()).verdict, 'valid')
  const put = database.prepare('INSERT OR REPLACE INTO erasable VALUES (256, ?, ?)')
  put.run(salt!, payload!)
  const told = await check()
  t.like(told, { verdict: 'altered', index: 256 })
  t.regex(told.explanation, /^1 payload lies beside the log though an entry tells that it was erased: 256$/)
  put.run(salt!, '{"said":"nothing"}')
  t.like(await check(), {
    verdict: 'altered',
    index: 256,
    explanation: 'the payload beside entry 256 is not the one it committed to'
  })
})

test('an erasure told of another payload erases none; a payload nobody committed to is said', async (t) => {
  const { check, erase, path } = await fullLog(t, sqlite(t))
  await erase(3, { commitment: '0'.repeat(64) })
  t.like(await check(), { verdict: 'incomplete', index: 3 })
  await erase(256)
  t.like(await check(), { verdict: 'incomplete', index: 3 })
  const other = await fullLog(t, sqlite(t))
  change(other.path, `INSERT INTO erasable VALUES (7, 'x', 'y')`)
  t.true((await other.check()).notes.includes('1 payload lies beside the log to which no entry commits'))
  t.truthy(path)
})

test.serial('Redis: entries, head and what lies beside them are verified over the network, read and nothing else', async (t) => {
  const server = await startRedis()
  t.teardown(server.stop)
  const settings = { kind: 'redis', url: server.url, logName: origin, holder: { name: 'test', address: '' } } as const
  const { check, erase, sequencer, path, vkey } = await fullLog(t, settings)
  const client = new Redis({ path: server.socket })
  t.teardown(() => client.disconnect())
  const keys = keysOf(origin)
  await erase(256)
  await sequencer.append(items(1000, 300))
  t.like(await check(), { verdict: 'valid', entries: 901 })
  t.like(await verifyLedger(path, { vkey, threads: 2 }), { verdict: 'valid', entries: 901 })
  const { state } = await verifyLedger(path, { vkey })
  await sequencer.append(items(2000, 5))
  t.like(await verifyLedger(path, { vkey, from: state! }), { verdict: 'valid', entries: 906 })

  // of scripts, too: their commands are counted like others; the lease is renewed by none of these
  const writes = async () => (await client.info('commandstats')).match(/^cmdstat_(?:xadd|hset|hdel|set|del)\b.*/gm)
  const before = await writes()
  t.true(before!.length > 1)
  await check()
  t.deepEqual(await writes(), before)

  const tile = (await client.hgetBuffer(keys.tiles, '0/1'))!
  await client.hset(keys.tiles, '0/1', Buffer.alloc(8192))
  t.like(await check(), { verdict: 'altered', index: 511 })
  await client.hset(keys.tiles, '0/1', tile)
  const payload = (await client.hget(keys.erasable, '3'))!
  await client.hset(keys.erasable, '3', 'nothing')
  t.like(await check(), { verdict: 'altered', index: 3 })
  await client.hdel(keys.erasable, '3')
  t.like(await check(), { verdict: 'incomplete', index: 3 })
  await client.hset(keys.erasable, '3', payload)
  t.is((await check()).verdict, 'valid')

  const last = (await client.xrevrange(keys.segments, '+', '-', 'COUNT', 1))[0]!
  await client.xdel(keys.segments, last[0])
  t.like(await check(), { verdict: 'truncated', index: 901 })
  await client.xdel(keys.segments, '1-0')
  t.like(await check(), { verdict: 'altered', index: 0 })
  await client.hset(keys.head, 'size', 'many')
  t.is((await check()).verdict, 'altered')
  await client.del(keys.head)
  await client.set(keys.head, 'x')
  t.is((await check()).verdict, 'altered')
  client.disconnect()
  await server.kill()
  await t.throwsAsync(check(), { code: 'ledger.unreadable' })
})
