import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
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

  test(`${codec.name}: whatever octets and room there are, as many samples as fit`, (t) => {
    const decoder = codec.createDecoder()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), (packet, start, room) => {
        const from = Math.min(start, packet.length)
        const count = decoder.decode(packet, from, packet.length, new Int16Array(room))
        return count === Math.min(room, packet.length - from)
      })
    )
    t.is(decoder.decode(new Uint8Array(10), 0, 11, new Int16Array(20)), 0)
    t.is(codec.createEncoder().encode(new Int16Array(160), new Uint8Array(100), 0), 0)
    t.throws(() => codec.createDecoder({ sampleRateHz: 16_000 }), { code: 'media.codec.option' })
  })
}

interface Vectors {
  readonly decoded: readonly number[]
  readonly encodedSha256: string
}
const sox: Readonly<Record<string, Vectors>> = JSON.parse(
  readFileSync(new URL('../testdata/g711-sox.json', import.meta.url), 'utf8')
)
const everySample = Int16Array.from({ length: 65_536 }, (_, n) => n - 32_768)
const everyOctet = Array.from({ length: 256 }, (_, octet) => octet)
const sha256 = (octets: Iterable<number>) => createHash('sha256').update(Uint8Array.from(octets)).digest('hex')

for (const codec of [pcmu, pcma]) {
  test(`${codec.name}: all 256 octets decode as in SoX`, (t) => {
    t.deepEqual(decode(codec, ...everyOctet), sox[codec.name]!.decoded)
  })
}

test('PCMA: all 65,536 samples encode as in SoX, which rounds to 13 bits first', (t) => {
  const rounded = everySample.map((sample) => Math.min(32_767, sample + 4))
  t.is(sha256(encode(pcma, ...rounded)), sox.PCMA!.encodedSha256)
})

test('PCMU: all 65,536 samples encode as in SoX, which rounds to 14 bits first and codes the amount of a negative sample', (t) => {
  const coded = [...everySample].map((sample) => {
    const rounded = Math.min(8191, (sample + 2) >> 2)
    const [octet] = encode(pcmu, Math.min(8191, Math.abs(rounded)) * 4)
    return rounded < 0 ? octet! & 0x7f : octet!
  })
  t.is(sha256(coded), sox.PCMU!.encodedSha256)
})

/**
 * Decision values of a positive half, in 16-bit units, from the segments of G.711: steps of a segment are equal, and double from
 * one to the next.
 */
function decisionValues(firstSegment: readonly number[], firstStep: number, segments: number, scale: number): number[] {
  const values = [...firstSegment]
  for (let segment = 0, step = firstStep; segment < segments; segment++, step *= 2) {
    for (let n = 0; n < 16; n++) values.push(values.at(-1)! + step)
  }
  return values.map((value) => value * scale)
}

test('decision values are those of G.711: the code changes there and nowhere else', (t) => {
  const mu = decisionValues([0, ...Array.from({ length: 15 }, (_, n) => 1 + 2 * n), 31], 4, 7, 4)
  const a = decisionValues(
    Array.from({ length: 33 }, (_, n) => 2 * n),
    4,
    6,
    8
  )
  for (const [codec, values] of [
    [pcmu, mu],
    [pcma, a]
  ] as const) {
    const codes = encode(codec, ...everySample)
    const at = (sample: number) => codes[sample + 32_768]!
    const changes: number[] = []
    for (let sample = 1; sample < 32_768; sample++) if (at(sample) !== at(sample - 1)) changes.push(sample)
    t.deepEqual(
      changes,
      values.filter((value) => value > 0 && value < (codec === pcmu ? 8159 * 4 : 32_768)),
      codec.name
    )
    for (let sample = 0; sample < 32_768; sample++) if (at(~sample) !== (at(sample) & 0x7f)) t.fail(`${codec.name} ${~sample}`)
  }
})
