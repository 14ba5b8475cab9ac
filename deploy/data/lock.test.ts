import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { lockData } from './lock.ts'

test('a folder is locked for one process, and free again when that is gone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'suite-lock-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'suite.lock')
  const unlock = await lockData(file)
  await t.throwsAsync(lockData(file), { code: 'suite.data.in-use' })
  await unlock()
  await t.throwsAsync(readFile(file), { code: 'ENOENT' })
  for (const gone of ['999999999 1', `${process.pid} 1`, '', 'nonsense']) {
    await writeFile(file, gone)
    await (await lockData(file))()
  }
  t.pass()
})
