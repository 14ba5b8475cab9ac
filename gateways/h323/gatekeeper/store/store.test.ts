import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startRedis } from '../../../../ledger/testing/redis-server.ts'
import type { Registration } from '../tables/registrations.ts'
import { startBench } from '../testing/fakes.ts'
import { openRasClient, rrq } from '../testing/ras-client.ts'
import { openRedisStore } from './redis-store.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { RegistrationStore, StoreChange } from './store.ts'

const registration = (endpointId: string, aliases: string[], expiresAt = 1000): Registration => ({
  endpointId,
  aliases,
  prefixes: [],
  kind: 'terminal',
  signalAddresses: ['192.0.2.1:1720'],
  rasAddress: '192.0.2.1:1719',
  user: null,
  traceId: '0'.repeat(31) + 1,
  registeredAt: endpointId.charCodeAt(0),
  expiresAt
})

/** Opens one store again and again on the same data. */
type Open = (member: string) => Promise<RegistrationStore>

const openers: Record<string, (t: ExecutionContext) => Promise<Open>> = {
  sqlite: async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'gatekeeper-'))
    t.teardown(() => rmSync(dir, { recursive: true, force: true }))
    return async () => openSqliteStore(join(dir, 'registrations.db'))
  },
  redis: async (t) => {
    const server = await startRedis()
    t.teardown(server.stop)
    return (member) => openRedisStore({ server: { path: server.socket }, member })
  }
}

for (const [name, prepare] of Object.entries(openers)) {
  test(`${name}: an alias is one endpoint's at a time, until that goes or expires`, async (t) => {
    const open = await prepare(t)
    const store = await open('one')
    t.deepEqual(await store.claim(registration('a', ['h323:x', 'digits:1']), 0), { state: 'claimed' })
    t.deepEqual(await store.claim(registration('b', ['h323:y', 'digits:1']), 0), { state: 'taken', aliases: ['digits:1'] })
    t.deepEqual(await store.claim(registration('b', ['h323:y']), 0), { state: 'claimed' }, 'the refused claim left nothing')
    t.deepEqual(await store.claim(registration('a', ['h323:x']), 0), { state: 'claimed' })
    t.deepEqual(await store.claim(registration('b', ['h323:y', 'digits:1'], 2000), 0), { state: 'claimed' }, 'given up by a')
    await store.forget('a', 999)
    t.deepEqual((await store.load(0)).length, 2, 'a has not expired by then')
    await store.forget('a')
    await store.forget('a')
    t.deepEqual(await store.claim(registration('c', ['h323:x'], 3000), 0), { state: 'claimed' })
    t.deepEqual(await store.claim(registration('d', ['digits:1'], 3000), 2000), { state: 'claimed' }, 'b has expired')
    await store.close()
  })

  test(`${name}: registrations are there after a restart, renewed ones with their new end, expired ones not`, async (t) => {
    const open = await prepare(t)
    const first = await open('one')
    await first.claim(registration('a', ['h323:a'], 5000), 0)
    await first.claim(registration('b', ['h323:b'], 1000), 0)
    await first.claim(registration('c', ['h323:c'], 1000), 0)
    await first.renew('c', 9000)
    await first.renew('nobody', 9000)
    await first.close()
    const second = await open('one')
    const there = await second.load(1000)
    t.deepEqual(
      there.map(({ endpointId, expiresAt }) => [endpointId, expiresAt]),
      [
        ['a', 5000],
        ['c', 9000]
      ]
    )
    t.deepEqual(there[0], registration('a', ['h323:a'], 5000))
    await second.close()
  })
}

test('redis: what one gatekeeper writes, the others are told, and it is not', async (t) => {
  const open = await openers.redis!(t)
  const [one, two] = [await open('one'), await open('two')]
  const told: StoreChange[] = []
  const own: StoreChange[] = []
  const third = Promise.withResolvers<void>()
  await one.watch((change) => own.push(change))
  await two.watch((change) => {
    told.push(change)
    if (told.length === 3) third.resolve()
  })
  await one.claim(registration('a', ['h323:a']), 0)
  await one.renew('a', 7000)
  await one.forget('a')
  await third.promise
  t.deepEqual(
    told.map((change) => [change.endpointId, change.registration?.expiresAt ?? null]),
    [
      ['a', 1000],
      ['a', 7000],
      ['a', null]
    ]
  )
  t.deepEqual(own, [])
  await Promise.all([one.close(), two.close()])
})

test('redis: a change that cannot be read is reported, and the next one is taken', async (t) => {
  const server = await startRedis()
  t.teardown(server.stop)
  const failures: string[] = []
  const reader = await openRedisStore({
    server: { path: server.socket },
    member: 'two',
    failed: (error) => failures.push((error as Error & { code: string }).code)
  })
  const writer = await openRedisStore({ server: { path: server.socket }, member: 'one' })
  const told = Promise.withResolvers<StoreChange>()
  await reader.watch(told.resolve)
  await server.ask('PUBLISH h323:gk:changes {')
  await writer.claim(registration('a', ['h323:a']), 0)
  t.is((await told.promise).endpointId, 'a')
  t.deepEqual(failures, ['h323.store.malformed'])
  await Promise.all([reader.close(), writer.close()])
})

test('a server out of reach is told at once', async (t) => {
  await t.throwsAsync(openRedisStore({ server: { path: '/nonexistent/redis.sock' }, member: 'one' }), {
    code: 'h323.store.unreachable'
  })
})

test('an alias taken on one gatekeeper is refused by the other; a gatekeeper that starts again knows its endpoints', async (t) => {
  const open = await openers.redis!(t)
  const [one, two] = [await open('one'), await open('two')]
  const first = await startBench({ store: one })
  const second = await startBench({ store: two })
  const client = await openRasClient(first.gatekeeper.address)
  const other = await openRasClient(second.gatekeeper.address)
  t.is((await client.ask(rrq(client, ['alice']))).type, 'registrationConfirm')
  const refused = await other.ask(rrq(other, ['alice']))
  t.is(refused.type === 'registrationReject' ? refused.value.rejectReason.type : refused.type, 'duplicateAlias')
  const [alice] = first.gatekeeper.endpoints()
  await first.close()
  const again = await startBench({ store: one })
  t.deepEqual(again.gatekeeper.endpoints(), [alice!])
  await Promise.all([again.close(), second.close()])
  await Promise.all([one.close(), two.close()])
  client.close()
  other.close()
})
