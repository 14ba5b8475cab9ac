import { existsSync } from 'node:fs'
import test from 'ava'
import { startRedis } from '../../ledger/testing/redis-server.ts'
import { openRedisStore } from './redis-store.ts'
import type { ToldEvent } from './state-store.ts'
import { storeContract } from './testing/contract.ts'

const server = await startRedis()
test.after.always(() => server.stop())
let made = 0

storeContract(test, 'Redis', async () => ({ kind: 'redis', url: server.url, name: `store-${++made}` }))

test('a server that may lose what it acknowledged is refused, or taken and told of', async (t) => {
  const unsafe = await startRedis(['--appendonly', 'no'])
  try {
    await t.throwsAsync(() => openRedisStore(unsafe.url, 'x'), { code: 'store.unsafe', message: /appendonly/ })
    const store = await openRedisStore(unsafe.url, 'x', { allowUnsafe: true })
    t.true((await store.health()).faults.length > 0)
    await store.close()
  } finally {
    await unsafe.stop()
  }
  t.false(existsSync(unsafe.socket))
})

test('no server, or no address, is an error by name', async (t) => {
  await t.throwsAsync(() => openRedisStore('redis://127.0.0.1:1', 'x'), { code: 'store.unreachable' })
  await t.throwsAsync(() => openRedisStore('http://127.0.0.1', 'x'), { code: 'store.address' })
})

test('who watches goes on when the server is back', async (t) => {
  const own = await startRedis()
  const store = await openRedisStore(own.url, 'x')
  const controller = new AbortController()
  const told: ToldEvent[] = []
  const watching = (async () => {
    for await (const event of store.watch({ after: '0-0', pattern: '**', signal: controller.signal })) {
      told.push(event)
      if (told.length === 2) break
    }
  })()
  const tell = (n: number) => store.commit({ expect: [], put: [], remove: [], tell: [{ topic: 't', data: { n } }] })
  await tell(1)
  await own.kill()
  await own.restart()
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await tell(2)
      break
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  await watching
  t.deepEqual(
    told.map(({ data }) => data.n),
    [1, 2]
  )
  await store.close()
  await own.stop()
})
