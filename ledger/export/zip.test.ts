import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { scratch } from '../testing/fixtures.ts'
import { openArchive } from '../verify/archive.ts'
import { createZip, directoryRecord, endOfDirectory } from './zip.ts'

async function zipOf(
  t: ExecutionContext,
  files: Iterable<readonly [string, Uint8Array | AsyncIterable<Uint8Array>]>
): Promise<string> {
  const path = join(scratch(t), 'a.zip')
  const file = await open(path, 'wx')
  const zip = createZip(file)
  for (const [name, content] of files) await zip.add(name, content)
  await zip.finish()
  await file.close()
  return path
}

async function* inParts(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 3) yield content.subarray(at, at + 3)
}

const name = fc.stringMatching(/^[a-zA-Z0-9_]{1,8}(\/[a-z]{1,3}(\.[a-z])?){0,2}$/)

test('what is written is what the reader of the verifier reads, whatever the order in which files were added', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, fc.uint8Array({ maxLength: 50 })), async (content) => {
      const files = Object.entries(content)
      const path = await zipOf(t, files)
      const archive = openArchive(path)
      try {
        archive.check(() => true)
        t.deepEqual([...archive.files.keys()], files.map(([each]) => each).sort())
        for (const [each, octets] of files) t.deepEqual(archive.read(each, 50), Buffer.from(octets))
      } finally {
        archive.close()
      }
      const streamed = await zipOf(
        t,
        files.map(([each, octets]) => [each, inParts(octets)])
      )
      t.deepEqual(await readFile(streamed), await readFile(path))
    }),
    { numRuns: 40 }
  )
})

test('more than 65,535 files take the ZIP64 end', async (t) => {
  const count = 65_600
  const path = await zipOf(
    t,
    Array.from({ length: count }, (_, n) => [`f${String(n).padStart(6, '0')}`, Buffer.of(n & 0xff)])
  )
  const archive = openArchive(path)
  t.teardown(() => archive.close())
  archive.check(() => true)
  t.is(archive.files.size, count)
  t.deepEqual(archive.read('f065599', 1), Buffer.of(65_599 & 0xff))
})

test('what begins behind 4 GiB has its place in a ZIP64 field', (t) => {
  const record = { name: 'a', crc: 1, size: 2 }
  const far = directoryRecord({ ...record, offset: 0x1_2345_6789 })
  const near = directoryRecord({ ...record, offset: 0xffff_fffe })
  t.is(far.readUInt32LE(42), 0xffff_ffff)
  t.is(far.readUInt16LE(6), 45)
  t.deepEqual(far.subarray(47), Buffer.from('0100080089674523 01000000'.replaceAll(' ', ''), 'hex'))
  t.is(near.readUInt32LE(42), 0xffff_fffe)
  t.is(near.length, 47)
  t.is(endOfDirectory(1, 100, 0xffff_fffe).length, 22)
  const end = endOfDirectory(1, 100, 0x1_0000_0000)
  t.is(end.length, 56 + 20 + 22)
  t.is(end.readBigUInt64LE(48), 0x1_0000_0000n)
  t.is(end.readBigUInt64LE(56 + 8), 0x1_0000_0064n)
})

test('a file of 4 GiB is refused before it is written whole', async (t) => {
  const file = await open(join(scratch(t), 'a.zip'), 'wx')
  t.teardown(() => file.close())
  const huge = Object.defineProperty(new Uint8Array(1), 'length', { value: 0xffff_ffff })
  await t.throwsAsync(createZip(file).add('a', huge), { code: 'ledger.export.too-large' })
  t.is((await file.stat()).size, 0)
})
