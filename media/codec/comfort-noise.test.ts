import test from 'ava'
import fc from 'fast-check'
import { loadLibrary } from '../native.ts'
import { noise, voice } from '../testing/signals.ts'
import { signalLevel, sine } from '../tone.ts'
import { ComfortNoiseDecoder, ComfortNoiseEncoder } from './comfort-noise.ts'
import { pcmu } from './g711.ts'

/** Noise that is stronger in the low (`tilt` > 0) or high frequencies. `amplitude` of its white source. */
function tilted(samples: number, tilt: number, amplitude: number, seed = 3): Int16Array {
  const random = noise(seed)
  let value = 0
  return Int16Array.from({ length: samples }, () => {
    value = tilt * value + random() * amplitude
    return Math.round(value)
  })
}

/** Correlation of neighbours: 1 for the lowest frequencies, −1 for the highest. */
function neighbours(samples: Int16Array): number {
  let product = 0
  let power = 1e-9
  for (let i = 1; i < samples.length; i++) {
    product += samples[i]! * samples[i - 1]!
    power += samples[i]! ** 2
  }
  return product / power
}

function describe(sound: Int16Array): Uint8Array {
  const encoder = new ComfortNoiseEncoder(8000)
  let last = new Uint8Array(0)
  for (let at = 0; at + 160 <= sound.length; at += 160) {
    const out = new Uint8Array(20)
    const length = encoder.encode(sound.subarray(at, at + 160), out, 0)
    if (length > 0) last = out.slice(0, length)
  }
  return last
}

for (const tilt of [0.9, 0, -0.7]) {
  test(`noise with a tilt of ${tilt} comes back with its level and tilt`, (t) => {
    const background = tilted(16_000, tilt, 120)
    const payload = describe(background)
    t.is(payload.length, 11)
    t.is(payload[0]! & 0x80, 0)
    const decoder = new ComfortNoiseDecoder()
    decoder.describe(payload, 0, payload.length)
    const made = new Int16Array(16_000)
    for (let at = 0; at < made.length; at += 160) t.true(decoder.fill(made.subarray(at, at + 160)))
    t.true(Math.abs(signalLevel(made) - signalLevel(background)) < 1.5, `${signalLevel(made)} ${signalLevel(background)}`)
    t.true(Math.abs(neighbours(made) - neighbours(background)) < 0.1, `${neighbours(made)} ${neighbours(background)}`)
  })
}

test('level is in dB below overload, a square wave at full scale', (t) => {
  const square = Int16Array.from({ length: 16_000 }, (_, i) => (i & 1 ? 328 : -328))
  const [level] = describe(square)
  t.is(level, 40)
})

test('reflection coefficients have the signs and about the values of libbcg729', (t) => {
  const library = loadLibrary(['libbcg729.so.0'], {
    initBcg729EncoderChannel: 'void *initBcg729EncoderChannel(uint8_t)',
    closeBcg729EncoderChannel: 'void closeBcg729EncoderChannel(void *)',
    bcg729Encoder: 'void bcg729Encoder(void *, int16_t *, uint8_t *, uint8_t *)',
    bcg729GetRFC3389Payload: 'void bcg729GetRFC3389Payload(void *, uint8_t *)'
  })!
  const encoder = library.initBcg729EncoderChannel(1)
  const background = tilted(24_000, 0.9, 30, 7)
  for (let at = 0; at < background.length; at += 80) {
    library.bcg729Encoder(encoder, background.slice(at, at + 80), new Uint8Array(20), new Uint8Array(1))
  }
  const theirs = new Uint8Array(20)
  library.bcg729GetRFC3389Payload(encoder, theirs)
  library.closeBcg729EncoderChannel(encoder)
  const ours = describe(background)
  t.true(theirs[1]! > 200 && ours[1]! > 200, `${theirs[1]} ${ours[1]}`)
  for (let i = 2; i <= 10; i++) t.true(Math.abs(theirs[i]! - ours[i]!) < 40, `k${i}: ${theirs[i]} ${ours[i]}`)
})

test('speech is sent, the pauses of a speaker are not; every second of them is described once', (t) => {
  const encoder = pcmu.createEncoder({ comfortNoise: true })
  const sound = tilted(8000 * 6, 0.5, 20)
  const said = voice(8000, 2, -18, 2)
  for (let i = 0; i < said.length; i++) sound[i + 16_000] = Math.max(-32_768, Math.min(32_767, sound[i + 16_000]! + said[i]!))
  const kinds: string[] = []
  const out = new Uint8Array(400)
  for (let at = 0; at < sound.length; at += 160) {
    const length = encoder.encode(sound.subarray(at, at + 160), out, 0)
    kinds.push(length === 0 ? '-' : encoder.wroteComfortNoise ? 'n' : 's')
  }
  const part = (fromS: number, toS: number) => kinds.slice(fromS * 50, toS * 50).join('')
  t.regex(part(0.3, 2), /^[-n]+$/)
  t.true(part(2, 4).replaceAll('s', '').length < 8, part(2, 4))
  t.regex(part(4.6, 6), /^[-n]+$/)
  t.true(part(4.6, 6).split('n').length - 1 <= 3, part(4.6, 6))
})

test('a tone that goes on for minutes is never taken for background', (t) => {
  const encoder = pcmu.createEncoder({ comfortNoise: true })
  const tone = sine(8000, 440, -30, 160)
  const out = new Uint8Array(160)
  for (let n = 0; n < 6000; n++) if (encoder.encode(tone, out, 0) !== 160) t.fail(`left out after ${n * 20} ms`)
  t.pass()
})

test('without agreement everything is sent', (t) => {
  t.is(pcmu.createEncoder().encode(new Int16Array(160), new Uint8Array(160), 0), 160)
})

test('a decoder fills pauses as described, and is silent when nothing was', (t) => {
  const decoder = pcmu.createDecoder()
  const out = new Int16Array(160)
  t.false(decoder.pause(out))
  t.true(out.every((sample) => sample === 0))
  decoder.comfortNoise!(Uint8Array.of(50), 0, 1)
  t.true(decoder.pausing)
  t.true(decoder.pause(out))
  t.true(Math.abs(signalLevel(out) + 47) < 2, `${signalLevel(out)}`)
  decoder.decode(new Uint8Array(160), 0, 160, out)
  t.false(decoder.pausing)
  decoder.reset()
  t.false(decoder.pause(out))
})

test('whatever a description says, the noise stays within 16 bits and ends when told', (t) => {
  const decoder = new ComfortNoiseDecoder()
  const out = new Int16Array(160)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (payload) => {
      decoder.describe(payload, 0, payload.length)
      for (let n = 0; n < 5; n++) decoder.fill(out)
      return out.every(Number.isInteger)
    }),
    { numRuns: 500, seed: 1 }
  )
  decoder.describe(Uint8Array.of(127), 0, 1)
  for (let n = 0; n < 60; n++) decoder.fill(out)
  t.false(decoder.fill(out))
})
