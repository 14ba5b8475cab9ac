import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { decodeRtcp, encodeReport, ntpMiddle, ntpTime, type ReportBlock, roundTripMs } from './rtcp.ts'

const block: ReportBlock = {
  ssrc: 0xcafe,
  fractionLost: 64,
  cumulativeLost: -3,
  extendedHighest: 0x1_0005,
  jitter: 77,
  lastSenderReport: 0xb7052000,
  delaySinceLast: 0x00054000
}
const sender = { ntpSeconds: 0xb44db705, ntpFraction: 0x20000000, timestamp: 4711, packets: 100, octets: 16_000 }

const code = (data: Buffer, reducedSize = false) => {
  try {
    decodeRtcp(data, reducedSize)
    return null
  } catch (error) {
    return error instanceof DecodeError ? error.code : String(error)
  }
}

test('a sender report with block, CNAME and goodbye comes back whole', (t) => {
  const packet = encodeReport({ ssrc: 7, cname: 'abc@conference', sender, block, goodbye: true })
  t.is(packet.length % 4, 0)
  t.deepEqual(decodeRtcp(packet), [
    { type: 'senderReport', ssrc: 7, sender, blocks: [block] },
    { type: 'sourceDescription', cname: 'abc@conference' },
    { type: 'goodbye', ssrcs: [7] }
  ])
})

test('a receiver report without a block, CNAMEs of every length', (t) => {
  for (let length = 0; length <= 64; length++) {
    const cname = 'c'.repeat(length)
    t.deepEqual(decodeRtcp(encodeReport({ ssrc: 9, cname, sender: null, block: null, goodbye: false })), [
      { type: 'receiverReport', ssrc: 9, blocks: [] },
      { type: 'sourceDescription', cname }
    ])
  }
})

test('the octets of a receiver report are those of RFC 3550 §6.4.2', (t) => {
  const packet = encodeReport({ ssrc: 0x01020304, cname: 'x', sender: null, block, goodbye: false })
  t.is(packet.toString('hex', 0, 32), '81c90007010203040000cafe40fffffd000100050000004db705200000054000')
  t.is(packet.toString('hex', 32), '81ca00020102030401017800')
})

test('cumulative loss is held to 24 bits', (t) => {
  for (const [lost, told] of [
    [0x1000000, 0x7fffff],
    [-0x1000000, -0x800000]
  ] as const) {
    const packet = encodeReport({ ssrc: 1, cname: 'x', sender: null, block: { ...block, cumulativeLost: lost }, goodbye: false })
    t.like(decodeRtcp(packet)[0], { blocks: [{ ...block, cumulativeLost: told }] })
  }
})

test('hostile lengths', (t) => {
  const packet = encodeReport({ ssrc: 7, cname: 'abc', sender, block, goodbye: true })
  for (let length = 1; length < packet.length; length++) {
    const cut = code(packet.subarray(0, length))
    t.true(cut === null || cut.startsWith('rtcp.'), `${length}: ${cut}`)
  }
  const patched = (at: number, value: number) => {
    const copy = Buffer.from(packet)
    copy[at] = value
    return code(copy)
  }
  t.is(patched(0, 0x41), 'rtcp.version')
  t.is(patched(0, 0x9f), 'rtcp.length')
  t.is(patched(3, 0xff), 'rtcp.length')
  t.is(patched(2, 0xff), 'rtcp.length')
  t.is(code(Buffer.from('81cb0001', 'hex'), true), 'rtcp.length')
  t.is(code(Buffer.from('9fcb000100000001', 'hex'), true), 'rtcp.length')
  t.is(code(Buffer.from('81ca00020000000101ff4141', 'hex'), true), 'rtcp.length')
  t.is(code(Buffer.from('80c9', 'hex')), 'rtcp.short')
})

test('a compound begins with a report, but for reduced size', (t) => {
  const goodbye = Buffer.from('81cb000100000001', 'hex')
  t.is(code(goodbye), 'rtcp.compound')
  t.deepEqual(decodeRtcp(goodbye, true), [{ type: 'goodbye', ssrcs: [1] }])
  t.deepEqual(decodeRtcp(Buffer.from('80cd0000', 'hex'), true), [{ type: 'other', packetType: 205 }])
})

test('any octets are read or refused', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 199, max: 204 }),
      fc.nat(31),
      fc.nat(20),
      (octets, type, count, words) => {
        const packet = Buffer.from([0x80 | count, type, 0, words, ...octets])
        const refused = code(packet, true)
        return refused === null || refused.startsWith('rtcp.')
      }
    ),
    { numRuns: 500, seed: 1 }
  )
  t.pass()
})

test('NTP time counts from 1900', (t) => {
  t.deepEqual(ntpTime(0), { ntpSeconds: 2_208_988_800, ntpFraction: 0 })
  t.deepEqual(ntpTime(1500), { ntpSeconds: 2_208_988_801, ntpFraction: 0x80000000 })
  t.is(ntpMiddle(0xb44db705, 0x20000000), 0xb7052000)
})

test('round trip: the example of RFC 3550 figure 2', (t) => {
  const arrival = (0xb44db710 - 2_208_988_800) * 1000 + 500
  t.is(roundTripMs({ ...block, lastSenderReport: 0xb7052000, delaySinceLast: 0x00054000 }, arrival), 6125)
})

test('round trip by hand: report out at 1000.000 s, kept 250 ms, back at 1000.290 s', (t) => {
  const out = ntpTime(1_000_000)
  const lastSenderReport = ntpMiddle(out.ntpSeconds, out.ntpFraction)
  const delaySinceLast = 0.25 * 65_536
  const trip = roundTripMs({ ...block, lastSenderReport, delaySinceLast }, 1_000_290)
  t.true(Math.abs(trip! - 40) < 0.02, `${trip}`)
  t.is(roundTripMs({ ...block, lastSenderReport: 0, delaySinceLast }, 1_000_290), null)
  t.is(roundTripMs({ ...block, lastSenderReport, delaySinceLast }, 1_000_200), null)
})
