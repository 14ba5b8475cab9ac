import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testPicture } from '../testing/picture.ts'
import { createStreamFile, type KeptFrame, readStreamFile } from './stream-file.ts'

async function written(t: ExecutionContext, frames: readonly KeptFrame[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ndi-file-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'stream.ndi')
  const file = await createStreamFile(path)
  for (const frame of frames) await file.write(frame)
  await file.close()
  return path
}

const video: KeptFrame = { type: 'video', ...testPicture(16, 4, 1), timecode: 5n, sentAt: 7n, metadata: '<a/>' }
const metadata: KeptFrame = { type: 'metadata', timecode: -1n, text: '<grüße/>' }
async function read(path: string): Promise<KeptFrame[]> {
  const frames: KeptFrame[] = []
  for await (const frame of readStreamFile(path)) frames.push(frame)
  return frames
}

test('what is written is read', async (t) => {
  const frames = await read(await written(t, [video, metadata, { ...video, sentAt: null, metadata: null }]))
  const plain = frames.map((frame) => (frame.type === 'video' ? { ...frame, data: new Uint8Array(frame.data) } : frame))
  t.deepEqual(plain, [video, metadata, { ...video, sentAt: null, metadata: null }])
})

test('a file cut anywhere is told, and one of another kind', async (t) => {
  const path = await written(t, [video])
  const octets = readFileSync(path)
  for (let length = 10; length < octets.length; length++) {
    writeFileSync(path, octets.subarray(0, length))
    await t.throwsAsync(read(path), { code: 'ndi.file.short' }, `${length} octets`)
  }
  writeFileSync(path, 'anything else')
  await t.throwsAsync(read(path), { code: 'ndi.file.kind' })
  writeFileSync(path, '')
  await t.throwsAsync(read(path), { code: 'ndi.file.kind' })
})

test('impossible lengths and headers are refused', async (t) => {
  const path = await written(t, [])
  const start = readFileSync(path)
  writeFileSync(path, Buffer.concat([start, Buffer.alloc(8, 0xff)]))
  await t.throwsAsync(read(path), { code: 'ndi.file.size' })
  for (const header of ['{', 'null', '[]', '{"type":"video","timecode":"1"}', '{"type":"metadata","timecode":1}']) {
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32BE(header.length)
    writeFileSync(path, Buffer.concat([start, lengths, Buffer.from(header)]))
    await t.throwsAsync(read(path), { code: 'ndi.file.header' }, header)
  }
})
