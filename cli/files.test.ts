import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test from 'ava'
import { openInput, readInput } from './files.ts'

test('a file that cannot be read is told by name, whole or as a stream', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'files-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'file')
  const refused = { code: 'cli.file.unreadable', message: `${path} cannot be read (ENOENT)` }
  await t.throwsAsync(readInput(path), refused)
  await t.throwsAsync(openInput(path), refused)
  writeFileSync(path, 'octets')
  t.is((await readInput(path)).toString(), 'octets')
  const stream = await openInput(path)
  await new Promise((resolve) => setImmediate(resolve))
  t.is((await buffer(stream)).toString(), 'octets')
})
