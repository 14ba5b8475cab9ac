import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { fileVersion, keepDatabasePrivate, makeFolder } from '#kernel'

const scratch = (t: ExecutionContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'files-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const modeOf = (path: string) => statSync(path).mode & 0o777

test('folders are made with those above them; what is there stays as it is', (t) => {
  const dir = scratch(t)
  const deep = join(dir, 'a', 'b', 'c')
  makeFolder(deep)
  for (const path of [deep, join(dir, 'a', 'b'), join(dir, 'a')]) t.is(modeOf(path), 0o700)
  chmodSync(deep, 0o750)
  makeFolder(deep)
  t.is(modeOf(deep), 0o750)
  makeFolder('/')
  symlinkSync(deep, join(dir, 'link'))
  makeFolder(join(dir, 'link', 'd'))
  t.true(existsSync(join(deep, 'd')))
})

test('a folder that cannot be is refused at once, with a reason', (t) => {
  const dir = scratch(t)
  writeFileSync(join(dir, 'file'), '')
  symlinkSync(join(dir, 'nowhere', 'deeper'), join(dir, 'dangling'))
  symlinkSync(join(dir, 'round'), join(dir, 'round'))
  mkdirSync(join(dir, 'closed'), { mode: 0o500 })
  for (const [path, reason] of [
    ['/proc/x', /^the folder \/proc\/x cannot be made: no folder can be made there \(ENOENT\)$/],
    ['/proc/self/x/y', /ENOENT/],
    [join(dir, 'file'), /no folder \(ENOTDIR\)/],
    [join(dir, 'file', 'x'), /no folder \(ENOTDIR\)/],
    [join(dir, 'x'.repeat(256)), /too long \(ENAMETOOLONG\)/],
    [join(dir, 'dangling'), /EEXIST/],
    [join(dir, 'round', 'x'), /ELOOP/],
    ['/dev/null/x', /ENOTDIR/],
    [`${dir}/\0`, /ERR_INVALID_ARG_VALUE/]
  ] as const)
    t.regex(t.throws(() => makeFolder(path), { code: 'files.folder' })!.message, reason)
  if (process.getuid!() !== 0) t.throws(() => makeFolder(join(dir, 'closed', 'x')), { code: 'files.folder', message: /EACCES/ })
})

test('a database is its owner’s alone, with its journals, whatever the umask; a group that was let in stays', (t) => {
  for (const umask of ['0000', '0022', '0077']) {
    const path = join(scratch(t), 'a.db')
    const program = `process.umask(0o${umask}); const { keepDatabasePrivate } = await import(${JSON.stringify(import.meta.resolve('./files.ts'))});
      const { DatabaseSync } = await import('node:sqlite'); keepDatabasePrivate(${JSON.stringify(path)});
      new DatabaseSync(${JSON.stringify(path)}).exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b)');
      const { statSync } = await import('node:fs');
      console.log(['', '-wal', '-shm'].map((end) => (statSync(${JSON.stringify(path)} + end).mode & 0o777).toString(8)).join(' '))`
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
      {
        encoding: 'utf8'
      }
    )
    t.is(stdout, '600 600 600\n', `${umask}: ${stderr}`)
  }
  const path = join(scratch(t), 'b.db')
  const database = new DatabaseSync(path)
  t.teardown(() => database.close())
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b)')
  const files = ['', '-wal', '-shm'].map((end) => path + end)
  for (const file of files) chmodSync(file, 0o644)
  keepDatabasePrivate(path)
  t.deepEqual(files.map(modeOf), [0o600, 0o600, 0o600])
  chmodSync(path, 0o640)
  keepDatabasePrivate(path)
  t.is(modeOf(path), 0o640)
  keepDatabasePrivate(':memory:')
  t.false(existsSync(':memory:'))
})

test('the version of a file is another after every change of it, through a link too, and the same while there is none', (t) => {
  const dir = scratch(t)
  const file = join(dir, 'file')
  const link = join(dir, 'link')
  symlinkSync(file, link)
  const seen: string[] = []
  const changed = (change: () => void) => {
    const before = fileVersion(link)
    t.is(fileVersion(link), before)
    change()
    const after = fileVersion(link)
    t.not(after, before)
    seen.push(after)
  }
  t.is(fileVersion(link), 'absent')
  changed(() => writeFileSync(file, 'one'))
  changed(() => writeFileSync(file, 'three'))
  changed(() => chmodSync(file, 0o600))
  changed(() => {
    writeFileSync(join(dir, 'other'), 'three')
    renameSync(join(dir, 'other'), file)
  })
  changed(() => rmSync(file))
  t.is(new Set(seen).size, seen.length)
  t.is(fileVersion(join(file, 'under')), 'absent')
})
