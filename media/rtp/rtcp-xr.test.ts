import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { decodeExtendedReport, encodeExtendedReport, type StatisticsSummary, type VoipMetrics } from './rtcp-xr.ts'

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

const encodeVoipMetrics = (ssrc: number, metrics: VoipMetrics, gmin: number) =>
  encodeExtendedReport({ ssrc, summaries: [], voip: [metrics] }, gmin)
const decodeVoipMetrics = (data: Buffer) => decodeExtendedReport(data).voip

const summary: StatisticsSummary = {
  ssrc: 0x0102_0304,
  beginSequence: 65_000,
  endSequence: 300,
  lost: 7,
  duplicates: 1,
  jitter: { least: 0, most: 640, mean: 12, deviation: 30 }
}

test('RFC 3611 §4.6: octet by octet', (t) => {
  t.is(
    encodeExtendedReport({ ssrc: 0xaabb_ccdd, summaries: [summary], voip: [] }, 16).toString('hex'),
    [
      '80cf000b aabbccdd', // XR, 12 words, who reports
      '06e00009 01020304', // summary of loss, duplicates and jitter, 10 words, about whom
      'fde8012c', // from 65,000 up to 299
      '00000007 00000001', // lost, duplicates
      '00000000 00000280 0000000c 0000001e', // jitter: least, most, mean, deviation
      '00000000' // no TTL
    ]
      .join('')
      .replaceAll(' ', '')
  )
})

test('decode(encode(summary)) is the summary, with what is not told', (t) => {
  const word = fc.nat(0xffff_ffff)
  const made = fc.record({
    ssrc: word,
    beginSequence: fc.nat(0xffff),
    endSequence: fc.nat(0xffff),
    lost: fc.option(word),
    duplicates: fc.option(word),
    jitter: fc.option(fc.record({ least: word, most: word, mean: word, deviation: word }))
  })
  fc.assert(
    fc.property(fc.array(made, { maxLength: 3 }), word, (summaries, ssrc) => {
      const report = { ssrc, summaries, voip: [metrics] }
      t.deepEqual(decodeExtendedReport(encodeExtendedReport(report, 16)), report)
    })
  )
})

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
      'b0000028 00780190' // enhanced concealment, adaptive; nominal, maximum, absolute maximum
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

test('RFC 3611 §4.7.1, §4.7.2: of a share in 1/256 the integer part is told', (t) => {
  const shares = { lossRate: 5.9 / 256, discardRate: 0.99 / 256, burstDensity: 255.99 / 256, gapDensity: 1.5 / 256 }
  t.like(decodeVoipMetrics(encodeVoipMetrics(1, { ...metrics, ...shares }, 16))[0], {
    lossRate: 5 / 256,
    discardRate: 0,
    burstDensity: 255 / 256,
    gapDensity: 1 / 256
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
