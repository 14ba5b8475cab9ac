import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { origin } from '../testing/fixtures.ts'
import { durable, type RedisServer, startRedis, startSentinel } from '../testing/redis-server.ts'
import { contractSigner, numbered, open, startWriter, storeContract, wholeLog } from './contract.ts'
import { openStore } from './open.ts'
import { keysOf } from './redis-connection.ts'
import { openRedisReader, type RedisSettings, type StoreNotice } from './redis-store.ts'
import { openSequencer, type Sequencer } from './sequencer.ts'

let shared: RedisServer
test.before(async () => {
  shared = await startRedis()
})
test.after.always(() => shared?.stop())

const settingsOf = (server: Pick<RedisServer, 'url'>, more: Partial<RedisSettings> = {}) => ({
  kind: 'redis' as const,
  url: server.url,
  logName: `${origin}/${randomUUID()}`,
  holder: { name: 'test', address: '' },
  leaseMs: 3000,
  ...more
})

async function server(t: ExecutionContext, settings?: readonly string[], port?: number): Promise<RedisServer> {
  const started = await startRedis(settings, port)
  t.teardown(started.stop)
  return started
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

const untilTrue = async (condition: () => Promise<boolean>) => {
  const deadline = performance.now() + 30_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('not within 30 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

storeContract(test, 'Redis', async () => settingsOf(shared))

test('kill -9 of redis-server under load, twice: what was acknowledged is there, and the writer goes on by itself', async (t) => {
  const redis = await server(t)
  const settings = settingsOf(redis, { answerWithinMs: 1000 })
  const writer = startWriter(t, settings, 'p')
  for (const count of [100, 300]) {
    await writer.reached(count)
    await redis.kill()
    const acknowledged = new Map(writer.acknowledged)
    await redis.restart()
    const reader = await openRedisReader(settings)
    const hashes = await wholeLog(t, reader)
    await reader.close()
    for (const { index, hash } of acknowledged.values()) t.is(hashes[index], hash)
  }
  await writer.reached(500)
  await writer.kill()
  const reader = await openRedisReader(settings)
  t.teardown(() => reader.close())
  const hashes = await wholeLog(t, reader)
  for (const { index, hash } of writer.acknowledged.values()) t.is(hashes[index], hash)
  t.is(new Set([...writer.acknowledged.values()].map(({ index }) => index)).size, writer.acknowledged.size)
})

test('a writer without the lease is told who has it and where, and takes over when it is given back', async (t) => {
  const settings = settingsOf(shared, { holder: { name: 'north', address: 'north.example:8443' } })
  const first = await open(t, settings)
  await (await openSequencer(first, contractSigner)).append(numbered('p', 0, 1))
  const second = await openSequencer(await open(t, { ...settings, holder: { name: 'south', address: '' } }), contractSigner)
  const error = await t.throwsAsync(second.append(numbered('q', 0, 1)), { code: 'ledger.store.not-leader' })
  t.regex(error!.message, /^north at north\.example:8443 writes to the log/)
  t.is((await second.append(numbered('p', 0, 1)))[0]!.index, 0, 'what is in the log is known to whoever asks')
  await first.close()
  await untilTrue(() =>
    second.append(numbered('q', 0, 1)).then(
      () => true,
      () => false
    )
  )
  t.is(second.head().size, 2)
})

test('a writer whose lease was taken away is fenced off, though the head is still the one it knows', async (t) => {
  const settings = settingsOf(shared)
  const sequencer = await openSequencer(await open(t, settings), contractSigner)
  await sequencer.append(numbered('p', 0, 1))
  const { lease } = keysOf(settings.logName)
  t.is(await shared.ask(`SET ${lease} "99 {\\"name\\":\\"thief\\",\\"address\\":\\"\\"}" PX 500`), '+OK')
  await t.throwsAsync(sequencer.append(numbered('p', 1, 1)), { code: 'ledger.store.not-leader' })
  await untilTrue(() =>
    sequencer.append(numbered('p', 1, 1)).then(
      () => true,
      () => false
    )
  )
  t.is(sequencer.head().size, 2)
})

test('a server that does not keep what it is told is refused, or taken as the fast mode that tells so', async (t) => {
  const redis = await server(t, ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'allkeys-lru'])
  const error = await t.throwsAsync(
    openStore(settingsOf(redis), () => {}),
    { code: 'ledger.store.not-durable' }
  )
  t.regex(error!.message, /appendfsync is everysec, not always, maxmemory-policy is allkeys-lru, not noeviction/)
  const notices: StoreNotice[] = []
  const store = await openStore(settingsOf(redis, { durability: 'fast' }), (notice) => notices.push(notice))
  t.teardown(() => store.close())
  t.deepEqual(
    notices.map(({ code }) => code),
    ['ledger.store.not-durable']
  )
})

test('settings are looked at again when the server was started anew', async (t) => {
  const redis = await server(t)
  const sequencer = await openSequencer(await open(t, settingsOf(redis)), contractSigner)
  await sequencer.append(numbered('p', 0, 1))
  t.is(await redis.ask('CONFIG SET appendfsync everysec'), '+OK')
  t.is(await redis.ask('CLIENT KILL TYPE normal SKIPME yes'), ':1')
  await untilTrue(() =>
    sequencer.append(numbered('p', 1, 1)).then(
      () => false,
      ({ code }) => code === 'ledger.store.not-durable'
    )
  )
  t.is(await redis.ask('CONFIG SET appendfsync always'), '+OK')
  t.is((await sequencer.append(numbered('p', 1, 1)))[0]!.index, 1)
})

test('a server that keeps its settings to itself is not taken as durable', async (t) => {
  const redis = await server(t, [...durable, '--rename-command', 'CONFIG', ''])
  const error = await t.throwsAsync(
    openStore(settingsOf(redis), () => {}),
    { code: 'ledger.store.not-durable' }
  )
  t.regex(error!.message, /appendfsync is not told/)
})

test('errors by name: no server, no answer, no memory, a wrong password, a replica, spoiled keys', async (t) => {
  const redis = await server(t)
  const settings = settingsOf(redis, { answerWithinMs: 2000, leaseMs: 60_000 })
  const sequencer = await openSequencer(await open(t, settings), contractSigner)
  await sequencer.append(numbered('p', 0, 2))
  const failing = (code: string) => t.throwsAsync(sequencer.append(numbered('p', 0, 9)), { code })

  await redis.ask('CONFIG SET maxmemory 100kb')
  await failing('ledger.store.full')
  await redis.ask('CONFIG SET maxmemory 0')

  await redis.ask('REPLICAOF 127.0.0.1 1')
  await t.throwsAsync(sequencer.append(numbered('p', 0, 9)), { code: 'ledger.store.read-only' })
  await redis.ask('REPLICAOF NO ONE')
  await untilTrue(() =>
    sequencer.append(numbered('p', 0, 3)).then(
      () => true,
      () => false
    )
  )

  process.kill(redis.pid(), 'SIGSTOP')
  const begun = performance.now()
  await failing('ledger.store.unanswered')
  t.true(performance.now() - begun < 20_000)
  process.kill(redis.pid(), 'SIGCONT')
  t.is((await sequencer.append(numbered('p', 0, 4))).length, 4)

  const { producers } = keysOf(settings.logName)
  await redis.ask(`RENAME ${producers} kept`)
  await redis.ask(`SET ${producers} other`)
  const { size } = sequencer.head()
  await failing('ledger.store.damaged')
  const reader = await openRedisReader(settings)
  t.is((await wholeLog(t, reader)).length, size, 'nothing of it was written')
  await reader.close()
  await redis.ask(`RENAME kept ${producers}`)
  t.is((await sequencer.append(numbered('p', 0, 9))).length, 9)

  await redis.ask('CONFIG SET requirepass geheim')
  await t.throwsAsync(
    openStore({ ...settings, url: settings.url.replace('//', '//:falsch@') }, () => {}),
    {
      code: 'ledger.store.denied'
    }
  )
  await t.throwsAsync(
    openStore(settings, () => {}),
    { code: 'ledger.store.denied' }
  )
  const allowed = await openRedisReader({ ...settings, url: settings.url.replace('//', '//:geheim@') })
  t.is((await allowed.head()).size, 9)
  await allowed.close()

  await redis.kill()
  const error = await t.throwsAsync(openStore(settings, () => {}))
  t.regex((error as unknown as { code: string }).code, /^ledger\.store\.(unreachable|unanswered)$/)
})

test('a server that lost what it had acknowledged is not built on', async (t) => {
  const redis = await server(t)
  const settings = settingsOf(redis)
  const sequencer = await openSequencer(await open(t, settings), contractSigner)
  await sequencer.append(numbered('p', 0, 5))
  t.is(await redis.ask('FLUSHALL'), '+OK')
  await untilTrue(() =>
    sequencer.append(numbered('p', 5, 1)).then(
      () => false,
      ({ code }) => code === 'ledger.store.rolled-back'
    )
  )
  const reader = await openRedisReader(settings)
  t.teardown(() => reader.close())
  t.is((await reader.head()).size, 0)
})

test('replicas: a commit they do not have is not acknowledged, and is once they have it', async (t) => {
  const redis = await server(t, [...durable, '--repl-diskless-sync-delay', '0'], await freePort())
  const settings = settingsOf(redis, { waitReplicas: 1, replicasWithinMs: 200 })
  const store = await open(t, settings)
  await t.throwsAsync(openSequencer(store, contractSigner), { code: 'ledger.store.unreplicated' })
  const replica = await server(t, durable)
  t.is(await replica.ask(`REPLICAOF 127.0.0.1 ${redis.port}`), '+OK')
  let opened = null as Sequencer | null
  await untilTrue(async () => {
    opened = await openSequencer(store, contractSigner).catch(() => null)
    return opened !== null
  })
  const sequencer = opened!
  await untilTrue(() =>
    sequencer.append(numbered('p', 0, 2)).then(
      () => true,
      () => false
    )
  )
  process.kill(replica.pid(), 'SIGSTOP')
  await t.throwsAsync(sequencer.append(numbered('p', 2, 2)), { code: 'ledger.store.unreplicated' })
  await t.throwsAsync(sequencer.append(numbered('p', 2, 2)), { code: 'ledger.store.unreplicated' })
  const reader = await openRedisReader(settings)
  t.is((await reader.head()).size, 4, 'it is in the log all the same')
  await reader.close()
  process.kill(replica.pid(), 'SIGCONT')
  await untilTrue(() =>
    store.head().then(
      () => true,
      () => false
    )
  )
  t.deepEqual(
    (await sequencer.append(numbered('p', 2, 2))).map(({ index }) => index),
    [2, 3]
  )
})

test('a cluster: all of a log is in one slot', async (t) => {
  const port = await freePort()
  const redis = await server(
    t,
    [...durable, '--cluster-enabled', 'yes', '--cluster-port', String(await freePort()), '--cluster-announce-ip', '127.0.0.1'],
    port
  )
  t.is(await redis.ask('CLUSTER ADDSLOTSRANGE 0 16383'), '+OK')
  await untilTrue(async () => (await redis.ask('SET probe 1')) === '+OK')
  const settings = settingsOf({ url: `redis+cluster://127.0.0.1:${port}` })
  const store = await open(t, settings)
  const sequencer = await openSequencer(store, contractSigner)
  const places = await sequencer.append(numbered('p', 0, 600))
  t.deepEqual(await sequencer.append(numbered('p', 0, 600)), places)
  t.is((await wholeLog(t, store)).length, 600)
})

test('sentinels lead to the master', async (t) => {
  const redis = await server(t, durable, await freePort())
  const sentinel = await startSentinel(redis.port, await freePort())
  t.teardown(sentinel.stop)
  const store = await open(t, settingsOf({ url: `redis+sentinel://127.0.0.1:${sentinel.port}/main` }))
  await (await openSequencer(store, contractSigner)).append(numbered('p', 0, 3))
  t.is((await wholeLog(t, store)).length, 3)
})
