import test from 'ava'
import fc from 'fast-check'
import { pcma, pcmu } from './g711.ts'

const encode = (codec: typeof pcmu, ...samples: number[]) => {
  const out = new Uint8Array(samples.length)
  codec.createEncoder().encode(Int16Array.from(samples), out, 0)
  return [...out]
}
const decode = (codec: typeof pcmu, ...octets: number[]) => {
  const out = new Int16Array(octets.length)
  codec.createDecoder().decode(Uint8Array.from(octets), 0, octets.length, out)
  return [...out]
}

test('ITU-T G.711 table 2a/2b: quantised values of µ-law at the ends and the segment borders', (t) => {
  const table: [number, number][] = [
    [0x80, 8031],
    [0x8f, 4191],
    [0x9f, 2079],
    [0xaf, 1023],
    [0xbf, 495],
    [0xcf, 231],
    [0xdf, 99],
    [0xef, 33],
    [0xfe, 2],
    [0xff, 0]
  ]
  for (const [octet, value] of table) {
    t.deepEqual(decode(pcmu, octet), [value * 4])
    t.deepEqual(decode(pcmu, octet & 0x7f).map(Math.abs), [value * 4])
  }
})

test('ITU-T G.711 table 1a/1b: quantised values of A-law at the ends and the segment borders', (t) => {
  const table: [number, number][] = [
    [0xff, 4032],
    [0xf0, 2112],
    [0xe0, 1056],
    [0xd0, 528],
    [0xc0, 264],
    [0xb0, 132],
    [0xa0, 66],
    [0x90, 33],
    [0x80, 1]
  ]
  for (const [character, value] of table) {
    t.deepEqual(decode(pcma, character ^ 0x55), [value * 8])
    t.deepEqual(decode(pcma, (character & 0x7f) ^ 0x55), [-value * 8])
  }
})

test('ITU-T G.711 tables 5 and 6: the digital milliwatt, a 1 kHz sine at 0 dBm0', (t) => {
  const mu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e]
  const a = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4]
  for (const [codec, octets, fullScaleDbm0] of [
    [pcmu, mu, 3.17],
    [pcma, a, 3.14]
  ] as const) {
    const samples = decode(codec, ...octets)
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
    const level = 10 * Math.log10((2 * power) / (codec === pcmu ? 8159 * 4 : 32_768) ** 2) + fullScaleDbm0
    t.true(Math.abs(level) < 0.05, `${level} dBm0`)
  }
})

test('silence, extremes', (t) => {
  t.deepEqual(encode(pcmu, 0, 32_767, -32_768), [0xff, 0x80, 0x00])
  t.deepEqual(encode(pcma, 0, 32_767, -32_768), [0xd5, 0xaa, 0x2a])
})

for (const codec of [pcmu, pcma]) {
  test(`${codec.name}: every octet comes back, but for the second zero of µ-law`, (t) => {
    for (let octet = 0; octet < 256; octet++) {
      if (codec === pcmu && octet === 0x7f) continue
      t.deepEqual(encode(codec, ...decode(codec, octet)), [octet])
    }
  })

  test(`${codec.name}: the error is at most half a step, 1/32 of the value and some`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: -32_768, max: 32_767 }), (sample) => {
        const [back] = decode(codec, ...encode(codec, sample))
        return Math.abs(back! - sample) <= Math.abs(sample) / 32 + 16 || Math.abs(sample) > 32_124
      })
    )
    t.pass()
  })

  test(`${codec.name}: a lost packet is the last one at half the level, silence after five`, (t) => {
    const decoder = codec.createDecoder()
    const out = new Int16Array(160)
    decoder.decode(Uint8Array.from(encode(codec, ...Array<number>(160).fill(8000))), 0, 160, out)
    const level = out[0]!
    decoder.conceal(out, 1)
    t.is(out[0], level >> 1)
    decoder.conceal(out, 6)
    t.true(out.every((sample) => sample === 0))
  })
}
