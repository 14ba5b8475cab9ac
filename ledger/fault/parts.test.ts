/** A thin selection of `npm run fault:ledger`, with fixed seeds. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { type Damage, spoilBeside, spoilRedis, spoilSpool, spoilSqlite } from './damage.ts'
import { shortenWrites } from './failed-writes.ts'
import type { RunOptions } from './kills.ts'
import type { Tally } from './oracle.ts'
import { killLeaders, killRedis } from './redis-kills.ts'
import { killService } from './service-kills.ts'

const unharmed = { lost: 0, duplicated: 0, forked: 0, invalid: 0, problems: [] }

const kills: Readonly<Record<string, readonly [run: (options: RunOptions) => Promise<Tally>, runs: number]>> = {
  'kill -9 of redis-server': [killRedis, 2],
  'kill -9 or a long stop of the leader of two writers': [killLeaders, 2],
  'kill -9 of the service under remote producers with spools': [killService, 1],
  'writes cut short under SQLite': [(options) => shortenWrites('sqlite', options), 1],
  'writes cut short under redis-server': [(options) => shortenWrites('redis', options), 1]
}
for (const [what, [run, runs]] of Object.entries(kills)) {
  test.serial(`${what}: nothing acknowledged is lost, doubled or forked`, async (t) => {
    t.timeout(60_000)
    const tally = await run({ runs, seed: 2 })
    t.like(tally, unharmed)
    t.true(tally.acknowledged > 20)
  })
}

const damages: Readonly<Record<string, readonly [spoil: (options: RunOptions) => Promise<Damage>, runs: number]>> = {
  'files of SQLite, heads and keys': [spoilSqlite, 6],
  'the append-only file of redis-server': [spoilRedis, 3],
  'tokens, the memory of a seat, the index': [spoilBeside, 60],
  'the spool': [spoilSpool, 4]
}
for (const [what, [spoil, runs]] of Object.entries(damages)) {
  test.serial(`${what}, cut short or with a bit flipped: told, repaired or refused`, async (t) => {
    t.timeout(60_000)
    const tally = await spoil({ runs, seed: 2 })
    t.like(tally, unharmed)
    t.true(tally.seen > 0)
  })
}

const run = (...words: string[]) => {
  const program = fileURLToPath(new URL('run.ts', import.meta.url))
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...words], { encoding: 'utf8' })
}

test.serial('fault:ledger gives its figures as JSON, and refuses what it does not know', (t) => {
  const { status, stdout } = run('--only', 'writers', '--kills', '5', '--seed', '2', '--json')
  t.is(status, 0)
  const figures = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { metric: string; value: number })
  const figureOf = (name: string) => figures.find(({ metric }) => metric === `fault.${name}`)?.value
  t.deepEqual(['kills', 'power_cuts', 'lost', 'duplicated', 'forked'].map(figureOf), [2, 0, 0, 0, 0])
  t.is(run('--only', 'nothing').status, 2)
  t.is(run('--kills', 'many').status, 2)
})
