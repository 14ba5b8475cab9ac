import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test from 'ava'
import { openInput, readBeside, readInput } from './files.ts'

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

test('a pipe is read to its end; what does not end is told, and not kept', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'files-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const written = writeFile(pipe, 'octets')
  t.is((await readInput(pipe)).toString(), 'octets')
  await written
  await t.throwsAsync(readInput('/dev/zero'), { code: 'cli.file.too-large', message: /^\/dev\/zero has more than 64 MiB$/ })
})

test('what lies beside a ledger is a file: a pipe there is told, and not waited for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'files-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'vkey')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', folder])
    await t.throwsAsync(readBeside(path), { code: 'cli.file.unreadable', message: `${path} cannot be read (it is no file)` })
  const file = join(folder, 'file')
  writeFileSync(file, 'octets')
  t.is((await readBeside(file)).toString(), 'octets')
})
