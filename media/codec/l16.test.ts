import test from 'ava'
import fc from 'fast-check'
import { codecNamed } from './codecs.ts'
import { l16 } from './l16.ts'

test('the high octet first (RFC 3551 §4.5.11)', (t) => {
  const out = new Uint8Array(8).fill(9)
  t.is(l16[2]!.createEncoder().encode(Int16Array.of(0x1234, -2, -32_768), out, 1), 6)
  t.deepEqual([...out], [9, 0x12, 0x34, 0xff, 0xfe, 0x80, 0x00, 9])
})

test('any samples come back; an odd octet at the end is left out', (t) => {
  const [codec] = l16
  const encoder = codec!.createEncoder()
  fc.assert(
    fc.property(fc.int16Array({ minLength: 1, maxLength: 730 }), fc.boolean(), (samples, odd) => {
      const decoder = codec!.createDecoder()
      const packet = new Uint8Array(2 * samples.length + 1)
      const length = encoder.encode(samples, packet, 0)
      const out = new Int16Array(730)
      return (
        decoder.decode(packet, 0, length + (odd ? 1 : 0), out) === samples.length &&
        samples.every((sample, i) => sample === out[i])
      )
    })
  )
  t.is(encoder.encode(new Int16Array(960), new Uint8Array(3000), 0), 0, 'more than a packet holds')
})

test('formats of one name differ in their clock', (t) => {
  for (const rate of [8000, 16_000, 48_000]) t.like(codecNamed('l16', rate), { clockRateHz: rate, sampleRateHz: rate })
  t.is(codecNamed('L16', 44_100), undefined)
})
