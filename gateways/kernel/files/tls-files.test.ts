import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { errorCode, followTlsFiles, manualClock, readTlsFiles, silentLog, type TlsPair } from '#kernel'

const make = (folder: string, name: string) => {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  const made = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'.split(' ')
  execFileSync('openssl', ['req', ...made, '-subj', `/CN=${name}`, '-out', files.certificate, '-keyout', files.key], {
    stdio: 'ignore'
  })
  return files
}

/** Files in use, and others that take their place. */
function followed(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tls files '))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const files = make(folder, 'used')
  const clock = manualClock(Date.now())
  const taken: TlsPair[] = []
  const refused: unknown[] = []
  const stop = followTlsFiles(
    files,
    { clock, log: silentLog },
    (pair) => void taken.push(pair),
    (error) => void refused.push(errorCode(error))
  )
  const seconds = async (count: number) => {
    for (let n = 0; n < count; n++) {
      clock.advance(1000)
      await setImmediate()
    }
  }
  return { folder, files, clock, taken, refused, stop, seconds }
}

test('files replaced one after the other are put in force once, when they fit together', async (t) => {
  const { folder, files, clock, taken, refused, stop, seconds } = followed(t)
  const next = make(folder, 'next')
  const { cert } = readTlsFiles(next, clock.now())
  await seconds(2)
  t.is(taken.length, 0)
  renameSync(next.certificate, files.certificate)
  await seconds(2)
  t.is(taken.length, 0, 'the key is still that of the old one')
  renameSync(next.key, files.key)
  await seconds(3)
  t.deepEqual(
    taken.map((pair) => pair.cert),
    [cert]
  )
  t.deepEqual(refused, [])
  stop()
  t.is(clock.pending(), 0)
})

test('what cannot be used is told of once, and what can is taken after it', async (t) => {
  const { folder, files, taken, refused, stop, seconds } = followed(t)
  writeFileSync(files.certificate, 'no certificate')
  await seconds(20)
  t.deepEqual(refused, ['tls.files.unreadable'])
  const next = make(folder, 'next')
  renameSync(next.certificate, files.certificate)
  await seconds(20)
  t.deepEqual(refused, ['tls.files.unreadable', 'tls.files.mismatch'])
  t.is(taken.length, 0)
  renameSync(next.key, files.key)
  await seconds(1)
  t.is(taken.length, 1)
  rmSync(files.key)
  await seconds(20)
  t.is(refused.length, 3)
  stop()
})

test('one that has expired is not taken', (t) => {
  const { files, stop } = followed(t)
  stop()
  t.throws(() => readTlsFiles(files, Date.now() + 3 * 86_400_000), { code: 'tls.files.expired' })
})
