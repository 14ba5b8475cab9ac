import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { likeness, noise, voice } from '../testing/signals.ts'
import { signalLevel, sine, toneLevel } from '../tone.ts'
import { g722 } from './g722.ts'
import { G722Decoder, G722Encoder } from './g722-adpcm.ts'

const vectors: Readonly<Record<'inputSha256' | 'encodedSha256' | 'decodedSha256', string>> = JSON.parse(
  readFileSync(new URL('../testdata/g722-ffmpeg.json', import.meta.url), 'utf8')
)
const sha256 = (data: Int16Array | Uint8Array) =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')

/** Soft noise, low noise, triangles, loud noise; in integers, so that it is the same everywhere. */
function integerSound(samples: number): Int16Array {
  let state = 1
  let low = 0
  return Int16Array.from({ length: samples }, (_, i) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const white = state >> 17
    low += (white - low) >> 3
    const triangle = Math.abs(((i * 37) % 4000) - 2000) * 8 - 8000
    const part = (i >> 12) & 3
    return part === 0 ? white >> 4 : part === 1 ? low : part === 2 ? triangle : white
  })
}

function encode(sound: Int16Array): Uint8Array {
  const encoder = g722.createEncoder()
  const out = new Uint8Array(sound.length / 2)
  for (let at = 0; at < sound.length; at += 320) encoder.encode(sound.subarray(at, at + 320), out, at / 2)
  return out
}

function decode(octets: Uint8Array): Int16Array {
  const decoder = new G722Decoder()
  const out = new Int16Array(octets.length * 2)
  octets.forEach((octet, i) => {
    decoder.decode(octet, out, 2 * i)
  })
  return out
}

test('bit for bit as FFmpeg', (t) => {
  const sound = integerSound(65_536)
  t.is(sha256(sound), vectors.inputSha256)
  const padded = new Int16Array(65_600)
  padded.set(sound)
  const encoded = encode(padded).subarray(0, 32_768)
  t.is(sha256(encoded), vectors.encodedSha256)
  t.is(sha256(decode(encoded)), vectors.decodedSha256)
})

test('a voice and a tone of the upper band come through', (t) => {
  const said = voice(16_000, 2)
  const { correlation } = likeness(said, decode(encode(said)), 40)
  t.true(correlation > 0.98, `${correlation}`)
  const heard = decode(encode(sine(16_000, 6000, -20, 16_000)))
  t.true(Math.abs(toneLevel(heard, 16_000, 6000) + 20) < 1)
})

test('a reset encoder is a new one; lengths that do not fit give nothing', (t) => {
  const encoder = g722.createEncoder()
  const sound = integerSound(640)
  const [first, second] = [new Uint8Array(160), new Uint8Array(160)]
  encoder.encode(sound.subarray(0, 320), first, 0)
  encoder.encode(sound.subarray(320), second, 0)
  encoder.reset()
  encoder.encode(sound.subarray(0, 320), second, 0)
  t.deepEqual(second, first)
  t.is(encoder.encode(new Int16Array(3), second, 0), 0)
  t.is(encoder.encode(new Int16Array(320), second, 1), 0)
  t.is(encoder.encode(new Int16Array(40_000), new Uint8Array(40_000), 0), 0)
})

test('random octets decode within 16 bits, limited and not wrapped around', (t) => {
  const random = noise(8)
  const octets = Uint8Array.from({ length: 20_000 }, () => Math.floor((random() + 1) * 128))
  const heard = decode(octets)
  const limited = heard.filter((sample) => sample === 32_767 || sample === -32_768).length
  t.true(limited > 50 && limited < 1000, `${limited}`)
  let wrapped = 0
  for (let i = 1; i < heard.length; i++) if (Math.abs(heard[i]! - heard[i - 1]!) > 65_000) wrapped++
  t.true(wrapped < 5, `${wrapped}`)
})

test('the clock says 8000, the samples are 16,000; whole octets are decoded, and no more than there is room for', (t) => {
  t.like(g722, { clockRateHz: 8000, sampleRateHz: 16_000, staticPayloadType: 9, channels: 1 })
  const decoder = g722.createDecoder()
  t.is(decoder.samplesIn(new Uint8Array(160), 0, 160), 320)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(700), (packet, room) => {
      const samples = decoder.decode(packet, 0, packet.length, new Int16Array(room))
      return samples === Math.min(packet.length * 2, room - (room % 2))
    }),
    { numRuns: 300, seed: 1 }
  )
  t.throws(() => g722.createEncoder({ sampleRateHz: 8000 }), { code: 'media.codec.option' })
})

test('a lost packet is made up, and the decoder finds its way again', (t) => {
  const said = sine(16_000, 400, -12, 16_000)
  const encoded = encode(said)
  const decoder = g722.createDecoder()
  const heard = new Int16Array(16_000)
  for (let n = 0; n < 50; n++) {
    const out = heard.subarray(n * 320, (n + 1) * 320)
    if (n === 20) decoder.conceal(out)
    else decoder.decode(encoded, n * 160, (n + 1) * 160, out)
  }
  t.true(Math.abs(signalLevel(heard.subarray(6400, 6720)) + 12) < 2)
  t.true(Math.abs(signalLevel(heard.subarray(8000)) + 12) < 0.5)
  t.true(toneLevel(heard.subarray(8000), 16_000, 400) > -12.5)
})

test('own encoder and decoder are inverse near silence', (t) => {
  const encoder = new G722Encoder()
  const decoder = new G722Decoder()
  const out = new Int16Array(2)
  for (let n = 0; n < 2000; n++) decoder.decode(encoder.encode(0, 0), out, 0)
  t.true(Math.abs(out[0]!) < 4 && Math.abs(out[1]!) < 4)
})
