import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { silentLog } from '#kernel'
import { chunkOctets } from './link/messages.ts'
import { cleanName } from './names.ts'
import { type Declared, defaultStoreLimits, type EvidenceStore, openEvidenceStore, type StoreLimits } from './store.ts'

const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex')
const limits: StoreLimits = {
  ...defaultStoreLimits,
  mostBytes: 1_000_000,
  mostBytesOfTrace: 1_500_000,
  mostFilesOfTrace: 3,
  mostBytesInAll: 2_000_000
}

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'evidence-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const openIn = (folder: string): Promise<EvidenceStore> =>
  openEvidenceStore(folder, limits, silentLog, () => Date.UTC(2026, 0, 1))
const facts = (octets: Uint8Array, more: Partial<Declared> = {}): Declared => ({
  trace: 'case-42',
  name: 'log.txt',
  mediaType: 'text/plain',
  bytes: octets.length,
  sha256: sha256(octets),
  ...more
})

async function put(store: EvidenceStore, octets: Uint8Array, more: Partial<Declared> = {}) {
  const begun = await store.begin(facts(octets, more))
  if (!begun.ok) return begun
  for (let at = 0; at < octets.length; at += chunkOctets) await begun.file.write(octets.subarray(at, at + chunkOctets), null)
  return begun.file.finish('agent', 'http')
}

test('a file is kept by its hash, readable by the owner only, and is there after a restart', async (t) => {
  const folder = await folderOf(t)
  const store = await openIn(folder)
  const octets = randomBytes(200_000)
  const made = await put(store, octets)
  if (!made.ok) return t.fail(made.reason)
  t.like(made.item, { trace: 'case-42', name: 'log.txt', bytes: 200_000, sha256: sha256(octets), by: 'agent', via: 'http' })
  t.is((await stat(store.path(made.item.id))).mode & 0o777, 0o600)
  t.is((await stat(folder)).mode & 0o777, 0o700)
  t.deepEqual(await readdir(join(folder, 'incoming')), [])
  await writeFile(join(folder, 'incoming', 'left'), 'by a run that was killed')
  await writeFile(join(folder, 'items', 'broken.json'), '{')

  const again = await openIn(folder)
  t.deepEqual(again.list(), [made.item])
  t.deepEqual(await readdir(join(folder, 'incoming')), [])
  const file = await again.open(made.item.id)
  const into = new Uint8Array(chunkOctets)
  const last = await file.read(3, into)
  t.is(last.length, 200_000 - 3 * chunkOctets)
  t.is(last.sha256, sha256(octets.subarray(3 * chunkOctets)))
  t.is(sha256(into.subarray(0, last.length)), last.sha256)
  await file.close()
  await file.close()
})

test('what is refused, and why', async (t) => {
  const store = await openIn(await folderOf(t))
  const octets = randomBytes(100)
  const codeOf = async (more: Partial<Declared>) => {
    const outcome = await put(store, octets, more)
    return outcome.ok ? 'taken' : outcome.code
  }
  t.is(await codeOf({ name: '../etc/passwd' }), 'evidence.name')
  t.is(await codeOf({ mediaType: 'text/html' }), 'evidence.media-type')
  t.is(await codeOf({ mediaType: 'image/svg+xml' }), 'evidence.media-type')
  t.is(await codeOf({ bytes: 1_000_001 }), 'evidence.too-large')
  t.is(await codeOf({ bytes: -1 }), 'evidence.size')
  t.is(await codeOf({ bytes: Number.MAX_VALUE }), 'evidence.size')
  t.is(await codeOf({ sha256: 'f'.repeat(64) }), 'evidence.hash')
  t.is(store.octets(), 0, 'nothing stays set aside')
  t.is(
    await codeOf({ mediaType: 'APPLICATION/ZIP', name: 'bomb.zip' }),
    'taken',
    'an archive is a file like others: nobody opens it'
  )
  t.is(await codeOf({}), 'evidence.replay', 'the same file again')
  t.is(await codeOf({ trace: 'case-43' }), 'taken', 'but in another call')
  t.is((await put(store, randomBytes(10))).ok, true)
  t.is((await put(store, randomBytes(11))).ok, true)
  const many = await put(store, randomBytes(12))
  t.is(many.ok ? '' : many.code, 'evidence.too-many')
})

test('sizes are what was declared: set aside at once, no octet more, none less', async (t) => {
  const store = await openIn(await folderOf(t))
  const octets = randomBytes(chunkOctets + 10)
  const begun = await store.begin(facts(octets, { bytes: 900_000, sha256: null }))
  if (!begun.ok) return t.fail(begun.reason)
  t.is(store.octets(), 900_000)
  const second = await store.begin(facts(octets, { bytes: 900_000, sha256: null }))
  t.is(second.ok ? '' : second.code, 'evidence.quota', 'all that is on its way counts')
  await begun.file.write(octets.subarray(0, chunkOctets), null)
  await t.throwsAsync(begun.file.write(octets.subarray(chunkOctets), null), { code: 'evidence.size' })
  const short = await begun.file.finish('agent', 'http')
  t.is(short.ok ? '' : short.code, 'evidence.size')
  await begun.file.discard()
  t.is(store.octets(), 0)
  const wrong = await store.begin(facts(octets))
  if (!wrong.ok) return t.fail(wrong.reason)
  t.false(await wrong.file.write(octets.subarray(0, chunkOctets), 'a'.repeat(64)), 'a chunk of another hash is not kept')
  t.is(wrong.file.next(), 0)
  await wrong.file.discard()
})

test('erased, the octets are gone from the disk, unless another call has them too', async (t) => {
  const folder = await folderOf(t)
  const store = await openIn(folder)
  const octets = randomBytes(1000)
  const [one, two] = [await put(store, octets), await put(store, octets, { trace: 'case-43' })]
  if (!one.ok || !two.ok) return t.fail('not taken')
  t.true(await store.erase(one.item.id))
  t.false(await store.erase(one.item.id))
  t.deepEqual(await readFile(store.path(two.item.id)), octets)
  t.true(await store.erase(two.item.id))
  t.deepEqual(await readdir(join(folder, 'octets')), [])
  t.deepEqual(await readdir(join(folder, 'items')), [])
  t.throws(() => store.path(one.item.id), { code: 'evidence.unknown' })
})

test('a disk that takes nothing is told as such', async (t) => {
  const folder = await folderOf(t)
  const store = await openIn(folder)
  await rm(join(folder, 'incoming'), { recursive: true })
  const refusedNow = await store.begin(facts(randomBytes(10)))
  t.is(refusedNow.ok ? '' : refusedNow.code, 'evidence.disk')
  t.is(store.octets(), 0)
  await chmod(folder, 0o700)
})

test('names: what is cleaned, what is refused', (t) => {
  const clean = (name: string) => {
    const outcome = cleanName(name)
    return outcome.ok ? outcome.name : null
  }
  t.is(clean('  Bericht  über\u00a0alles.pdf '), 'Bericht über alles.pdf')
  t.is(clean('cafe\u0301.txt'), 'café.txt')
  for (const name of [
    '',
    '   ',
    '.',
    '..',
    '.hidden',
    'a/b',
    'a\\b',
    'a\u0000b',
    'a\nb',
    'invoice\u202Egnp.exe',
    'a\u2066b',
    'a\u200Bb',
    'a\ufeffb',
    'C:evil',
    'a|b',
    'con',
    'NUL.txt',
    'lpt1.log',
    'trailing.',
    'x'.repeat(256),
    'é'.repeat(128)
  ])
    t.is(clean(name), null, JSON.stringify(name))
})

test('a name that is taken is one of a file, and stays as it is', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (given) => {
      const outcome = cleanName(given)
      if (!outcome.ok) return
      t.notRegex(outcome.name, /[/\\\p{Cc}\p{Cf}]/u)
      t.deepEqual(cleanName(outcome.name), outcome)
    })
  )
})
