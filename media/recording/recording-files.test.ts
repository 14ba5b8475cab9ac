import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { opus } from '../codec/opus.ts'
import { loadLibrary } from '../native.ts'
import { sine } from '../tone.ts'
import { decodeWav } from '../wav.ts'
import { OggOpusWriter, oggCrc } from './ogg-opus.ts'
import { decodeDumpHeader, decodeRecords, encodeDumpHeader, encodeRecord, type RtpRecord } from './rtpdump.ts'
import { opusFile } from './track.ts'
import { encodeWaveHeader, waveHeaderLength } from './wave-writer.ts'

const source = { address: '127.0.0.1', port: 4000 }

test('rtpdump: octet by octet', (t) => {
  const header = encodeDumpHeader(source, 1_700_000_000_250)
  t.is(header.toString('latin1', 0, 28), '#!rtpplay1.0 127.0.0.1/4000\n')
  t.is(header.toString('hex', 28), '6553f1000003d0907f0000010fa00000')
  t.is(encodeRecord({ offsetMs: 20, packet: Buffer.from('8000', 'hex') }).toString('hex'), '000a0002000000148000')
  t.deepEqual(decodeDumpHeader(header), { source, startMs: 1_700_000_000_250, recordsAt: 44 })
})

test('rtpdump: what is written is read, and a file that was cut says where', (t) => {
  const record = fc.record({ offsetMs: fc.nat(), packet: fc.uint8Array({ minLength: 1, maxLength: 40 }) })
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), fc.nat(), (records: RtpRecord[], cut) => {
      const file = Buffer.concat([encodeDumpHeader(source, 0), ...records.map(encodeRecord)])
      const at = decodeDumpHeader(file).recordsAt
      const whole = decodeRecords(file, at)
      t.deepEqual(
        whole.records.map(({ offsetMs, packet }) => ({ offsetMs, packet: Uint8Array.from(packet) })),
        records
      )
      t.is(whole.cutAt, null)
      const part = decodeRecords(file.subarray(0, at + (cut % (file.length - at))), at)
      t.true(part.records.length < records.length || part.cutAt === null)
      for (const [i, { offsetMs }] of part.records.entries()) t.is(offsetMs, records[i]!.offsetMs)
    })
  )
})

test('rtpdump: what is none is refused', (t) => {
  const bad = [Buffer.from('#!rtpplay2.0 127.0.0.1/1\n'), Buffer.from('#!rtpplay1.0 127.0.0.1/1\nshort'), Buffer.alloc(0)]
  for (const file of bad) t.throws(() => decodeDumpHeader(file), { instanceOf: DecodeError, code: 'rtpdump.malformed' })
  for (const hex of ['0008000000000000', '000a000300000000aabb', '0000000000000000'])
    t.throws(() => decodeRecords(Buffer.from(hex, 'hex'), 0), { code: 'rtpdump.malformed' })
  t.throws(() => encodeRecord({ offsetMs: 0, packet: new Uint8Array(0) }), { instanceOf: RangeError })
})

test('WAV: a file that grows is read at every length; beyond 4 GiB it is RF64', (t) => {
  const samples = sine(8000, 440, -12, 800)
  const file = Buffer.concat([
    encodeWaveHeader({ channels: 1, sampleRateHz: 8000 }, 2 * samples.length),
    Buffer.from(samples.buffer)
  ])
  t.is(waveHeaderLength, 80)
  t.deepEqual(decodeWav(file), { sampleRateHz: 8000, samples })
  const large = encodeWaveHeader({ channels: 3, sampleRateHz: 48_000 }, 6 * 1_000_000_000)
  t.is(large.toString('latin1', 0, 4), 'RF64')
  t.is(large.toString('latin1', 8, 16), 'WAVEds64')
  t.is(large.readUInt32LE(4), 0xffff_ffff)
  t.is(large.readBigUInt64LE(20), 6_000_000_072n)
  t.is(large.readBigUInt64LE(28), 6_000_000_000n)
  t.is(large.readBigUInt64LE(36), 1_000_000_000n)
  t.is(large.readUInt32LE(76), 0xffff_ffff)
})

/** The first page that was written by libavformat of ffmpeg 5.1.9: `ffmpeg -f lavfi -i sine=r=48000:d=0.1 -c:a libopus -bitexact -f ogg out.opus`. */
const foreignPage = '4f6767530002000000000000000000000000000000000228b57201134f707573486561640101380180bb0000000000'

/** Pages of a file, each checked. */
function pagesOf(file: Buffer) {
  const pages: { flags: number; granule: number; sequence: number; packets: Buffer[] }[] = []
  for (let at = 0; at < file.length; ) {
    if (file.toString('latin1', at, at + 4) !== 'OggS') throw new Error(`no page at ${at}`)
    const lacing = [...file.subarray(at + 27, at + 27 + file[at + 26]!)]
    const end = at + 27 + lacing.length + lacing.reduce((sum, octets) => sum + octets, 0)
    const page = Buffer.from(file.subarray(at, end))
    const crc = page.readUInt32LE(22)
    page.writeUInt32LE(0, 22)
    if (oggCrc(page) !== crc) throw new Error(`a wrong check sum at ${at}`)
    const packets: Buffer[] = []
    let from = 27 + lacing.length
    let length = 0
    for (const octets of lacing) {
      length += octets
      if (octets === 255) continue
      packets.push(page.subarray(from, from + length))
      from += length
      length = 0
    }
    pages.push({ flags: page[5]!, granule: Number(page.readBigInt64LE(6)), sequence: page.readUInt32LE(18), packets })
    at = end
  }
  return pages
}

test('the check sum is that of another writer', (t) => {
  t.is(pagesOf(Buffer.from(foreignPage, 'hex'))[0]!.packets[0]!.toString('latin1', 0, 8), 'OpusHead')
})

test('Ogg Opus: what was encoded comes out of its pages, in its order', (t) => {
  const encoder = opus.createEncoder({ sampleRateHz: 48_000 })
  const writer = new OggOpusWriter({ serial: 7, channels: 1, inputRateHz: 48_000, preSkip: 312, comments: ['TITLE=council'] })
  const tone = sine(48_000, 440, -12, 48_000 * 3)
  const parts: Buffer[] = [writer.head()]
  const packets: Buffer[] = []
  for (let at = 0; at < tone.length; at += 960) {
    const packet = Buffer.alloc(1460)
    const octets = encoder.encode(tone.subarray(at, at + 960), packet, 0)
    packets.push(packet.subarray(0, octets))
    const page = writer.add(packets.at(-1)!, 960)
    if (page !== null) parts.push(page)
  }
  parts.push(writer.flush(true)!)
  const pages = pagesOf(Buffer.concat(parts))
  t.is(pages[0]!.packets[0]!.toString('hex'), `${Buffer.from('OpusHead').toString('hex')}0101380180bb0000000000`)
  t.is(pages[1]!.packets[0]!.toString('latin1', 0, 8), 'OpusTags')
  t.deepEqual([pages[0]!.flags, pages.at(-1)!.flags], [2, 4])
  t.deepEqual(
    pages.map(({ sequence }) => sequence),
    pages.map((_, i) => i)
  )
  t.is(pages.at(-1)!.granule, tone.length)
  t.deepEqual(
    pages.slice(2).flatMap((page) => page.packets),
    packets
  )
  encoder.close()
})

test('RFC 7845 §4.2: what players leave out at the start is the look-ahead of the encoder, at every rate', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'ogg '))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [voip, getLookahead] = [2048, 4027]
  const library = loadLibrary(['libopus.so.0'], {
    opus_encoder_create: 'void *opus_encoder_create(int32_t, int, int, _Out_ int *)',
    opus_encoder_ctl: 'int opus_encoder_ctl(void *, int, ...)',
    opus_encoder_destroy: 'void opus_encoder_destroy(void *)'
  })!
  for (const rate of [8000, 16_000, 48_000]) {
    const handle = library.opus_encoder_create(rate, 1, voip, [0])
    const lookahead = new Int32Array(1)
    t.is(library.opus_encoder_ctl(handle, getLookahead, 'int32_t *', lookahead), 0)
    library.opus_encoder_destroy(handle)
    const path = join(folder, `${rate}.opus`)
    opusFile(path, rate, 1, []).close()
    t.is(pagesOf(await readFile(path))[0]!.packets[0]!.readUInt16LE(10), (lookahead[0]! * 48_000) / rate, `${rate} Hz`)
  }
})

test('Ogg Opus: packets of every length', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1300 }), { maxLength: 60 }), (lengths) => {
      const writer = new OggOpusWriter({ serial: 1, channels: 1, inputRateHz: 8000, preSkip: 0, comments: [] })
      const packets = lengths.map((length, i) => Buffer.alloc(length, i))
      const parts = packets.map((packet) => writer.add(packet, 2880))
      const file = Buffer.concat([...parts, writer.flush(true)].filter((part) => part !== null))
      t.deepEqual(
        pagesOf(file).flatMap((page) => page.packets),
        packets
      )
    })
  )
  const writer = new OggOpusWriter({ serial: 1, channels: 1, inputRateHz: 8000, preSkip: 0, comments: [] })
  t.throws(() => writer.add(Buffer.alloc(255 * 255), 960), { instanceOf: RangeError })
})
