import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestFn } from 'ava'
import type { JsonObject } from '#kernel'
import { openStore, type StorePlace } from '../open.ts'
import type { StateStore, ToldEvent } from '../state-store.ts'
import { transact } from '../transact.ts'
import { witnessedStore } from '../witnessed.ts'

const nothing = { expect: [], put: [], remove: [], tell: [] }

async function take(events: AsyncIterable<ToldEvent>, count: number): Promise<ToldEvent[]> {
  const taken: ToldEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

/** What every store keeps. @param makePlace a new, empty store at each call */
export function storeContract(test: TestFn, kind: string, makePlace: () => Promise<StorePlace>): void {
  const opened = async (): Promise<{ store: StateStore; place: StorePlace }> => {
    const place = await makePlace()
    return { store: await openStore(place), place }
  }

  test(`${kind}: what was committed is read, listed in order and counted, with its version`, async (t) => {
    const { store, place } = await opened()
    const keys = ['b/1', 'a/2', 'a/10', 'a/1', 'a', 'A/1']
    const first = await store.commit({ ...nothing, put: keys.map((key) => ({ key, value: { key } })) })
    t.true(first.ok)
    const second = await store.commit({ ...nothing, put: [{ key: 'a/2', value: 'ü' }], remove: ['a/10'] })
    t.true(second.ok && first.ok && second.version > first.version)
    const { records } = await store.read(['a/2', 'absent', 'a/1'])
    t.deepEqual(
      records.map((record) => record?.value ?? null),
      ['ü', null, { key: 'a/1' }]
    )
    t.is(records[0]!.version, second.ok ? second.version : 0)
    t.deepEqual(
      (await store.list('a/')).records.map(({ key }) => key),
      ['a/1', 'a/2']
    )
    t.deepEqual(
      (await store.list('', { after: 'a', limit: 2 })).records.map(({ key }) => key),
      ['a/1', 'a/2']
    )
    t.is(await store.count('a/'), 2)
    await store.close()
    const again = await openStore(place)
    t.deepEqual((await again.read(['a/2'])).records[0]!.value, 'ü')
    await again.close()
  })

  test(`${kind}: of two changes that expect the same version one takes effect, the other writes nothing`, async (t) => {
    const { store } = await opened()
    const one = await store.commit({ ...nothing, expect: [{ key: 'k', version: 0 }], put: [{ key: 'k', value: 1 }] })
    t.true(one.ok)
    const other = {
      expect: [{ key: 'k', version: 0 }],
      put: [{ key: 'x', value: 1 }],
      remove: ['k'],
      tell: [{ topic: 't', data: {} }]
    }
    t.deepEqual(await store.commit(other), { ok: false, conflict: 'k' })
    const { records } = await store.read(['k', 'x'])
    t.deepEqual([records[0]?.value, records[1]], [1, null])
    t.is((await store.health()).events, 0)
    // removed and made again is another record
    await store.commit({ ...nothing, remove: ['k'] })
    await store.commit({ ...nothing, put: [{ key: 'k', value: 1 }] })
    t.false((await store.commit({ ...nothing, expect: [{ key: 'k', version: one.ok ? one.version : 0 }] })).ok)
    await store.close()
  })

  test(`${kind}: counters changed by many at once lose nothing`, async (t) => {
    const { store, place } = await opened()
    const others = await Promise.all([openStore(place), openStore(place)])
    const add = (by: StateStore) =>
      transact(by, async ({ get, put }) => {
        put('sum', ((await get<number>('sum')) ?? 0) + 1)
      })
    await Promise.all([store, ...others].flatMap((by) => Array.from({ length: 40 }, () => add(by))))
    t.is((await store.read(['sum'])).records[0]!.value, 120)
    for (const each of [store, ...others]) await each.close()
  })

  test(`${kind}: who watches is told as it happens, by any process, in order, and goes on where it stopped`, async (t) => {
    const { store, place } = await opened()
    const other = await openStore(place)
    const controller = new AbortController()
    const tell = (by: StateStore, topic: string, data: JsonObject) => by.commit({ ...nothing, tell: [{ topic, data }] })
    await tell(store, 'task.claimed.early', {})
    const events = take(store.watch({ after: 'newest', pattern: 'task.*.*', signal: controller.signal }), 3)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await tell(other, 'task.claimed.T-1', { n: 1 })
    await tell(store, 'swarm.seen.s', { n: 2 })
    await store.commit({
      ...nothing,
      tell: [
        { topic: 'task.released.T-1', data: { n: 3 } },
        { topic: 'task.released.T-2', data: { n: 4 } }
      ]
    })
    const told = await events
    t.deepEqual(
      told.map(({ topic, data }) => [topic, data.n]),
      [
        ['task.claimed.T-1', 1],
        ['task.released.T-1', 3],
        ['task.released.T-2', 4]
      ]
    )
    t.true(Math.abs(told[0]!.at - Date.now()) < 60_000)
    const rest = await take(store.watch({ after: told[1]!.cursor, pattern: '**', signal: controller.signal }), 1)
    t.is(rest[0]!.data.n, 4)
    const all = await take(store.watch({ after: '0-0', pattern: 'task.**', signal: controller.signal }), 4)
    t.is(all[0]!.topic, 'task.claimed.early')
    // one that waits ends with its signal
    const idle = take(store.watch({ after: 'newest', pattern: '**', signal: controller.signal }), 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    controller.abort()
    t.deepEqual(await idle, [])
    await Promise.all([store.close(), other.close()])
  })

  test(`${kind}: a feed that was cut says so`, async (t) => {
    const { store } = await opened()
    const tell = Array.from({ length: 990 }, (_, n) => ({ topic: 't', data: { n } }))
    for (let commit = 0; commit < 104; commit++) await store.commit({ ...nothing, tell })
    // SQLite looks at the length each 1000 commits
    for (let commit = 0; commit < 900; commit += 100)
      await Promise.all(Array.from({ length: 100 }, () => store.commit({ ...nothing, tell: [{ topic: 'u', data: {} }] })))
    const { events } = await store.health()
    t.true(events >= 100_000 && events < 102_000, `${events} events`)
    const { signal } = new AbortController()
    await t.throwsAsync(take(store.watch({ after: '1-1', pattern: '**', signal }), 1), { code: 'store.feed.gone' })
    await store.close()
  })

  test(`${kind}: what cannot be kept is refused by name`, async (t) => {
    const { store } = await opened()
    const put = (key: string, value: string) => store.commit({ ...nothing, put: [{ key, value }] })
    await t.throwsAsync(() => put('a b', ''), { code: 'store.invalid', message: /"a b" is no key/ })
    await t.throwsAsync(() => put('k', 'x'.repeat(300_000)), { code: 'store.invalid', message: /more than 262144 octets/ })
    await t.throwsAsync(() => store.commit({ ...nothing, remove: Array.from({ length: 1001 }, (_, n) => `k${n}`) }), {
      code: 'store.invalid',
      message: /at most 1000/
    })
    await t.throwsAsync(() => store.read(['']), { code: 'store.invalid' })
    await store.close()
    await store.close()
    await t.throwsAsync(() => store.read(['k']), { code: 'store.closed' })
    await t.throwsAsync(() => put('k', ''), { code: 'store.closed' })
  })

  test(`${kind}: what was acknowledged before kill -9 is there`, async (t) => {
    const place = await makePlace()
    const child = spawn(process.execPath, [new URL('writing-process.ts', import.meta.url).pathname, JSON.stringify(place)], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let acknowledged = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      acknowledged = Number(text.trim().split('\n').at(-1))
      if (acknowledged >= 50) child.kill('SIGKILL')
    })
    await once(child, 'close')
    t.true(acknowledged >= 50)
    const store = await openStore(place)
    const value = Number((await store.read(['written'])).records[0]!.value)
    t.true(value === acknowledged || value === acknowledged + 1, `${value} after ${acknowledged} were acknowledged`)
    await store.close()
  })

  test(`${kind}: what is witnessed reaches the ledger once, also from a process that ended before`, async (t) => {
    const { store } = await opened()
    const recorded: string[] = []
    let reachable = false
    const witnessed = witnessedStore(store, async (events) => {
      if (!reachable) throw new Error('out of reach')
      for (const { event, key } of events) if (!recorded.includes(key)) recorded.push(key, event.event)
    })
    const claim = (name: string) =>
      witnessed.transact(async ({ put, witness }) => {
        put(name, 1)
        witness({ event: name, component: 'IF.test', traceId: '1'.repeat(32), payload: {} })
      })
    await t.throwsAsync(() => claim('task_claimed'), { code: 'store.unwitnessed', message: /done, and not yet in the ledger/ })
    t.is((await store.read(['task_claimed'])).records[0]!.value, 1)
    t.is(await witnessed.waiting(), 1)
    // not yet old enough to have been left behind
    t.is(await witnessed.deliverLeft(), 0)
    const [{ key, value } = { key: '', value: null }] = (await store.list('outbox/')).records
    await store.commit({
      ...nothing,
      remove: [key],
      put: [{ key: key.replace(/^outbox\/\d+/, 'outbox/000001767225600'), value }]
    })
    reachable = true
    t.is(await witnessed.deliverLeft(), 1)
    await claim('task_released')
    t.deepEqual(
      recorded.filter((_, at) => at % 2 === 1),
      ['task_claimed', 'task_released']
    )
    await claim('task_failed')
    t.is(await witnessed.waiting(), 1)
    await witnessed.close()
  })
}
