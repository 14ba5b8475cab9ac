import { rename, rm, writeFile } from 'node:fs/promises'
import test from 'ava'
import { ConfigError, manualClock, silentLog } from '#kernel'
import { createGuard } from './guard.ts'
import { openBench, registryText } from './testing/fixtures.ts'

const settle = () => new Promise((resolve) => setTimeout(resolve, 30))

test('a reload takes the new file; a bad file keeps the registry and is reported', async (t) => {
  const bench = await openBench()
  const { guard, registryPath, keys } = bench
  const before = guard.registry()
  await writeFile(registryPath, 'experts: [{id: X}]')
  const refused = await guard.reload()
  t.false(refused.ok)
  t.is(guard.registry(), before)
  t.true(guard.registryProblems().length > 0)

  await writeFile(registryPath, registryText(keys).replaceAll('guardian-1', 'guardian-9'))
  t.deepEqual(await guard.reload(), { ok: true, parties: 4 })
  t.deepEqual(guard.registryProblems(), [])
  t.truthy(guard.registry().byId('guardian-9'))
  t.is(guard.registry().byId('guardian-1'), undefined)

  await rm(registryPath)
  t.like(await guard.reload(), { ok: false })
  t.truthy(guard.registry().byId('guardian-9'))
  await writeFile(registryPath, '')
  await bench.close()
  t.is(bench.clock.pending(), 0)
})

test('a change of the file is taken without being asked, once it has settled', async (t) => {
  const bench = await openBench({ registryPollMs: 1_000 })
  const { guard, clock, registryPath, keys } = bench
  await writeFile(`${registryPath}.new`, registryText(keys).replaceAll('guardian-1', 'guardian-9'))
  await rename(`${registryPath}.new`, registryPath)
  clock.advance(1_000)
  await settle()
  t.truthy(guard.registry().byId('guardian-1'), 'seen once: it may still be being written')
  for (let look = 0; look < 20 && guard.registry().byId('guardian-9') === undefined; look++) {
    clock.advance(1_000)
    await settle()
  }
  t.truthy(guard.registry().byId('guardian-9'))
  await bench.close()
})

test('many reloads at once end with the file as it is', async (t) => {
  const bench = await openBench()
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => bench.guard.reload()))
  t.true(outcomes.every(({ ok }) => ok))
  await bench.close()
})

test('a guard does not start on a registry that is bad or absent', async (t) => {
  const error = await t.throwsAsync(
    createGuard({ registryPath: '/nonexistent/experts.yaml', clock: manualClock(), log: silentLog }),
    { instanceOf: ConfigError }
  )
  t.deepEqual(error.problems, ['cannot be read (ENOENT)'])
})
