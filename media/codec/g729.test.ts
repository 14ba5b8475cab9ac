import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { likeness, noise, voice } from '../testing/signals.ts'
import { signalLevel } from '../tone.ts'
import { g729, g729Missing } from './g729.ts'

const vectors: Readonly<Record<'bitstream' | 'decoded', string>> = JSON.parse(
  readFileSync(new URL('../testdata/g729-ffmpeg.json', import.meta.url), 'utf8')
)

function send(sound: Int16Array, annexb: string): Uint8Array[] {
  const encoder = g729.createEncoder({ parameters: { annexb } })
  const packets: Uint8Array[] = []
  for (let at = 0; at + 160 <= sound.length; at += 160) {
    const out = new Uint8Array(24)
    packets.push(out.slice(4, 4 + encoder.encode(sound.subarray(at, at + 160), out, 4)))
  }
  encoder.close()
  return packets
}

function hear(packets: readonly Uint8Array[]): Int16Array {
  const decoder = g729.createDecoder()
  const heard = new Int16Array(packets.length * 160)
  packets.forEach((packet, n) => {
    const out = heard.subarray(n * 160, (n + 1) * 160)
    const samples = packet.length === 0 ? 0 : decoder.decode(packet, 0, packet.length, out)
    if (samples < 160) decoder.pause(out.subarray(samples))
  })
  decoder.close()
  return heard
}

test('libbcg729 serves', (t) => {
  t.is(g729.servedBy(), 'libbcg729')
})

test('without the library it is not served, and says what is missing', (t) => {
  t.is(g729Missing.servedBy(), null)
  t.throws(() => g729Missing.createEncoder(), { code: 'media.codec.unavailable', message: /libbcg729/ })
})

test('decodes as FFmpeg does, which has a post-filter of its own', (t) => {
  const stream = Buffer.from(vectors.bitstream, 'base64')
  const bytes = Buffer.from(vectors.decoded, 'base64')
  const theirs = Int16Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i))
  const packets = Array.from({ length: stream.length / 20 }, (_, n) => stream.subarray(n * 20, (n + 1) * 20))
  const ours = hear(packets)
  t.is(ours.length, theirs.length)
  const { correlation, delay } = likeness(theirs, ours, 20)
  t.true(correlation > 0.99 && delay === 0, `${correlation} at ${delay}`)
  t.true(Math.abs(signalLevel(ours) - signalLevel(theirs)) < 0.5)
})

test('a voice comes through at its level', (t) => {
  const said = voice(8000, 3, -16, 5)
  const packets = send(said, 'no')
  t.true(packets.every(({ length }) => length === 20))
  const heard = hear(packets)
  const { correlation, delay } = likeness(said, heard, 200)
  t.true(correlation > 0.7, `${correlation}`)
  t.true(delay <= 60, `${delay} samples`)
  t.true(Math.abs(signalLevel(heard) - signalLevel(said)) < 2)
})

test('silence: described, then not sent, and heard as what it was', (t) => {
  const random = noise(4)
  const sound = Int16Array.from({ length: 8000 * 5 }, () => Math.round(random() * 60))
  const said = voice(8000, 1.5, -16, 6)
  for (let i = 0; i < said.length; i++) sound[i] = Math.max(-32_768, Math.min(32_767, sound[i]! + said[i]!))
  const packets = send(sound, 'yes')
  const quiet = packets.slice(120)
  t.true(quiet.filter(({ length }) => length === 0).length > quiet.length / 2)
  t.true(packets.some(({ length }) => length === 2 || length === 12))
  t.true(
    packets.every(({ length }) => [0, 2, 10, 12, 20].includes(length)),
    packets.map(({ length }) => length).join(' ')
  )
  const background = hear(packets).subarray(8000 * 3)
  t.true(Math.abs(signalLevel(background) - signalLevel(sound.subarray(8000 * 3))) < 6, `${signalLevel(background)}`)
})

test('a peer that knows no silence frames gets none', (t) => {
  t.true(send(new Int16Array(16_000), 'no').every(({ length }) => length === 20))
})

test('a payload is frames of 10 octets and perhaps one of 2; anything else is none', (t) => {
  const decoder = g729.createDecoder()
  const out = new Int16Array(480)
  const samples = (length: number) => decoder.samplesIn(new Uint8Array(length), 0, length)
  t.deepEqual([0, 1, 2, 3, 9, 10, 11, 12, 20, 22, 60].map(samples), [0, 0, 80, 0, 0, 80, 0, 160, 160, 240, 480])
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(480), (packet, room) => {
      const expected = Math.min(samples(packet.length), room - (room % 80))
      const decoded = decoder.decode(packet, 0, packet.length, out.subarray(0, room))
      decoder.conceal(out.subarray(0, room))
      decoder.pause(out.subarray(0, room))
      return decoded === expected
    }),
    { numRuns: 1000, seed: 1 }
  )
  t.is(decoder.decode(new Uint8Array(10), 0, 20, out), 0)
  decoder.close()
})

test('losses are made up and fade; a reset decoder is a new one; closing twice frees once', (t) => {
  const packets = send(voice(8000, 1, -16, 5), 'no')
  const decoder = g729.createDecoder()
  const out = new Int16Array(160)
  const run = () =>
    packets.slice(0, 20).flatMap((packet) => {
      decoder.decode(packet, 0, 20, out)
      return [...out]
    })
  const first = run()
  decoder.conceal(out)
  const level = signalLevel(out)
  for (let n = 0; n < 30; n++) decoder.conceal(out)
  t.true(signalLevel(out) < level - 6, `${level} then ${signalLevel(out)}`)
  decoder.reset()
  t.deepEqual(run(), first)
  decoder.close()
  decoder.close()
  decoder.reset()
  t.is(decoder.decode(packets[0]!, 0, 20, out), 0)
  decoder.conceal(out)
  t.true(out.every((sample) => sample === 0))
})

test('sounds that are not whole frames, and no room, give nothing', (t) => {
  const encoder = g729.createEncoder()
  t.is(encoder.encode(new Int16Array(100), new Uint8Array(100), 0), 0)
  t.is(encoder.encode(new Int16Array(160), new Uint8Array(19), 0), 0)
  encoder.close()
  encoder.close()
  t.is(encoder.encode(new Int16Array(160), new Uint8Array(100), 0), 0)
})
