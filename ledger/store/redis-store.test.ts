import { randomUUID } from 'node:crypto'
import test from 'ava'
import { origin } from '../testing/fixtures.ts'
import { type RedisServer, startRedis } from '../testing/redis-server.ts'
import { storeContract } from './contract.ts'
import type { StoreSettings } from './open.ts'

let shared: RedisServer
test.before(async () => {
  shared = await startRedis()
})
test.after.always(() => shared?.stop())

const settingsOf = (server: RedisServer, logName = `${origin}/${randomUUID()}`) =>
  ({ kind: 'redis', url: server.url, logName, holder: { name: 'test', address: '' }, leaseMs: 1000 }) satisfies StoreSettings

storeContract(test, 'Redis', async () => settingsOf(shared))
