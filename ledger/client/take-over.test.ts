import { spawn } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { silentLog } from '#kernel'
import { ledgerFiles, openLedger } from '#ledger'
import { openTestWitness, origin, scratch } from '../testing/fixtures.ts'
import { startRedis } from '../testing/redis-server.ts'

test('two processes on one log in Redis, the leader killed under load: no acknowledged entry is lost, none stands twice', async (t) => {
  t.timeout(60_000)
  const redis = await startRedis()
  t.teardown(redis.stop)
  const dir = scratch(t)
  const store = { kind: 'redis' as const, url: redis.url, leaseMs: 1000 }
  const first = await openLedger({ dir: join(dir, 'a'), origin, store, log: silentLog })
  await first.close()
  mkdirSync(join(dir, 'b'))
  for (const file of ['key', 'vkey'] as const) cpSync(ledgerFiles(join(dir, 'a'))[file], ledgerFiles(join(dir, 'b'))[file])

  const acknowledged: { name: string; n: number; index: number | null }[] = []
  const committed = (name: string) => acknowledged.filter((entry) => entry.name === name && entry.index !== null).length
  const start = (name: string) => {
    const settings = JSON.stringify({ dir: join(dir, name), origin, store })
    const script = new URL('../testing/witness-process.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [script, settings, join(dir, `${name}-spool`), name], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^(\d+) (?:committed (\d+) [0-9a-f]{64}|spooled - -)$/.exec(line)
      if (match !== null)
        acknowledged.push({ name, n: Number(match[1]), index: match[2] === undefined ? null : Number(match[2]) })
    })
    const kill = async () => {
      child.kill('SIGKILL')
      await ended
    }
    t.teardown(kill)
    return kill
  }
  const until = async (condition: () => boolean, withinMs: number) => {
    const begun = performance.now()
    while (!condition()) {
      if (performance.now() - begun > withinMs) throw new Error(`not within ${withinMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return performance.now() - begun
  }

  const killLeader = start('a')
  await until(() => committed('a') > 100, 10_000)
  const killNext = start('b')
  await until(() => acknowledged.some(({ name }) => name === 'b'), 10_000)
  t.is(committed('b'), 0, 'one leads, the other spools')
  await killLeader()
  const tookMs = await until(() => committed('b') > 100, 10_000)
  t.log(`taken over ${Math.round(tookMs)} ms after kill -9, with a lease of ${store.leaseMs} ms`)
  await killNext()

  // what both left in their spools is delivered by the next
  const ledger = await openLedger({ dir: join(dir, 'b'), origin, store, log: silentLog })
  t.teardown(() => ledger.close())
  for (const name of ['a', 'b']) {
    const spoolDir = join(dir, `${name}-spool`)
    const witness = await openTestWitness(t, ledger, spoolDir)
    await witness.flush(10_000)
  }
  const stored = await ledger.reader.query({ event: 'test_event', limit: 100_000 })
  const found = new Map(stored.map(({ entry }) => [`${entry.payload.name}:${entry.payload.n}`, entry.index]))
  t.is(found.size, stored.length, 'none twice')
  for (const { name, n, index } of acknowledged) {
    t.true(found.has(`${name}:${n}`))
    if (index !== null) t.is(found.get(`${name}:${n}`), index)
  }
  t.deepEqual(
    stored.map(({ entry }) => entry.index),
    stored.map((_, at) => at + stored[0]!.entry.index)
  )
})
