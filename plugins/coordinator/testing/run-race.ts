/** `npm run race:coordinator`: 100 claimants race for each of 10,000 tasks, on both stores. Fails when a task has not exactly one owner. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '../../../ledger/testing/redis-server.ts'
import { race } from './race.ts'

const tasks = Number(process.argv[2] ?? 10_000)
const folder = mkdtempSync(join(tmpdir(), 'race-'))
const redis = await startRedis()
try {
  const results = {
    SQLite: await race({ kind: 'sqlite', path: join(folder, 'state.db') }, tasks),
    Redis: await race({ kind: 'redis', url: redis.url, name: 'race' }, tasks)
  }
  console.table(results)
  const wrong = Object.values(results).reduce(
    (sum, { unclaimed, doubled, disagreeing, other }) => sum + unclaimed + doubled + disagreeing + other,
    0
  )
  if (wrong > 0) process.exitCode = 1
} finally {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
}
