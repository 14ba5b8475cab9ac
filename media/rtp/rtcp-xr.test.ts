import test from 'ava'
import { DecodeError } from '#kernel'
import { decodeVoipMetrics, encodeVoipMetrics, type VoipMetrics } from './rtcp-xr.ts'

const metrics: VoipMetrics = {
  ssrc: 0x0102_0304,
  lossRate: 4 / 256,
  discardRate: 0,
  burstDensity: 0.5,
  gapDensity: 1 / 256,
  burstDurationMs: 120,
  gapDurationMs: 4000,
  roundTripMs: 35,
  endSystemDelayMs: 42,
  rFactor: 88,
  mosListening: 4.2,
  mosConversational: 4.1,
  jitterBuffer: { adaptive: true, nominalMs: 40, maximumMs: 120, absoluteMaximumMs: 400 }
}

test('RFC 3611 §4.7: octet by octet', (t) => {
  t.is(
    encodeVoipMetrics(0xaabb_ccdd, metrics, 16).toString('hex'),
    [
      '80cf000a aabbccdd', // XR, 11 words, who reports
      '07000008 01020304', // VoIP metrics, 9 words, about whom
      '04008001', // loss, discard, burst density, gap density
      '00780fa0 0023002a', // burst, gap; round trip, end system
      '7f7f7f10', // levels and RERL are not known; Gmin
      '587f2a29', // R, no external R, MOS-LQ, MOS-CQ
      'f0000028 00780190' // enhanced concealment, adaptive; nominal, maximum, absolute maximum
    ]
      .join('')
      .replaceAll(' ', '')
  )
})

test('decode(encode(metrics)) is the metrics; what is not known stays so', (t) => {
  t.deepEqual(decodeVoipMetrics(encodeVoipMetrics(1, metrics, 16)), [metrics])
  const unknown = { ...metrics, rFactor: null, mosListening: null, mosConversational: null }
  t.deepEqual(decodeVoipMetrics(encodeVoipMetrics(1, unknown, 16)), [unknown])
  const out = { ...metrics, lossRate: 1, roundTripMs: 1e6, rFactor: 120, mosListening: 0 }
  t.like(decodeVoipMetrics(encodeVoipMetrics(1, out, 16))[0], {
    lossRate: 255 / 256,
    roundTripMs: 65_535,
    rFactor: 100,
    mosListening: 1
  })
})

test('blocks of other types are passed over; lengths that lie are refused', (t) => {
  const packet = encodeVoipMetrics(1, metrics, 16)
  const other = Buffer.from('04000002 0000000000000000'.replaceAll(' ', ''), 'hex')
  const both = Buffer.concat([packet.subarray(0, 8), other, packet.subarray(8)])
  both.writeUInt16BE(both.length / 4 - 1, 2)
  t.deepEqual(decodeVoipMetrics(both), [metrics])
  for (let length = 0; length < packet.length; length++)
    t.throws(() => decodeVoipMetrics(packet.subarray(0, length)), { instanceOf: DecodeError })
  for (const [at, value] of [
    [2, 0xffff],
    [2, 0],
    [10, 0xffff],
    [10, 7]
  ] as const) {
    const bad = Buffer.from(packet)
    bad.writeUInt16BE(value, at)
    t.throws(() => decodeVoipMetrics(bad), { instanceOf: DecodeError, code: 'rtcp.xr.length' })
  }
})
