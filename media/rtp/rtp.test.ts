import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { decodeRtp, emptyRtpHeader, encodeRtp, sequenceDistance, timestampDistance } from './rtp.ts'

const decode = (hex: string) => {
  const out = emptyRtpHeader()
  decodeRtp(Buffer.from(hex.replaceAll(' ', ''), 'hex'), out)
  return out
}
const code = (packet: Buffer) => {
  try {
    decodeRtp(packet, emptyRtpHeader())
    return null
  } catch (error) {
    return error instanceof DecodeError ? error.code : String(error)
  }
}

test('a plain header, field by field', (t) => {
  t.deepEqual(decode('80 88 1234 89abcdef deadbeef 0102'), {
    marker: true,
    payloadType: 8,
    sequenceNumber: 0x1234,
    timestamp: 0x89abcdef,
    ssrc: 0xdeadbeef,
    payloadStart: 12,
    payloadEnd: 14
  })
})

test('contributing sources, header extension and padding are stepped over', (t) => {
  t.like(decode('82 00 0001 00000002 00000003 aaaaaaaa bbbbbbbb 55'), { payloadStart: 20, payloadEnd: 21 })
  t.like(decode('90 00 0001 00000002 00000003 bede0001 11223344 55'), { payloadStart: 20, payloadEnd: 21 })
  t.like(decode('a0 00 0001 00000002 00000003 55 000003'), { payloadStart: 12, payloadEnd: 13 })
  t.like(decode('b1 00 0001 00000002 00000003 aaaaaaaa bede0000 55 66 0002'), { payloadStart: 20, payloadEnd: 22 })
  t.like(decode('a0 00 0001 00000002 00000003 0002'), { payloadStart: 12, payloadEnd: 12 })
})

test('what is no RTP is refused with its place', (t) => {
  const whole = Buffer.from('800000010000000200000003', 'hex')
  for (let length = 0; length < 12; length++) t.is(code(whole.subarray(0, length)), 'rtp.header.short')
  const variant = (first: number, ...more: number[]) => code(Buffer.from([first, ...whole.subarray(1), ...more]))
  t.is(variant(0x40), 'rtp.header.version')
  t.is(variant(0xc0), 'rtp.header.version')
  t.is(variant(0x81), 'rtp.header.short')
  t.is(variant(0x90), 'rtp.header.extension')
  t.is(variant(0x90, 0, 0, 0xff, 0xff), 'rtp.header.short')
  t.is(variant(0xa0, 1, 0), 'rtp.header.padding')
  t.is(variant(0xa0, 1, 3), 'rtp.header.padding')
  const error = t.throws(() => decodeRtp(Buffer.from([0x40, ...whole.subarray(1)]), emptyRtpHeader()), {
    instanceOf: DecodeError
  })
  t.is(error.bitOffset, 0)
})

test('what is written is read', (t) => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(127),
      fc.nat(0xffff),
      fc.nat(0xffffffff),
      fc.nat(0xffffffff),
      fc.uint8Array({ maxLength: 200 }),
      (marker, payloadType, sequenceNumber, timestamp, ssrc, payload) => {
        const packet = Buffer.alloc(12 + payload.length)
        encodeRtp(packet, marker, payloadType, sequenceNumber, timestamp, ssrc)
        packet.set(payload, 12)
        const out = emptyRtpHeader()
        decodeRtp(packet, out)
        t.deepEqual(out, { marker, payloadType, sequenceNumber, timestamp, ssrc, payloadStart: 12, payloadEnd: packet.length })
      }
    ),
    { numRuns: 200, seed: 1 }
  )
})

test('any octets are either read, with the payload inside the packet, or refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.integer({ min: 0x80, max: 0xbf }), (octets, first) => {
      const packet = Buffer.from(octets)
      if (packet.length > 0) packet[0] = first
      const out = emptyRtpHeader()
      try {
        decodeRtp(packet, out)
      } catch (error) {
        return error instanceof DecodeError
      }
      return out.payloadStart >= 12 && out.payloadStart <= out.payloadEnd && out.payloadEnd <= packet.length
    }),
    { numRuns: 500, seed: 1 }
  )
  t.pass()
})

test('distances across the wrap', (t) => {
  t.is(sequenceDistance(2, 0xfffe), 4)
  t.is(sequenceDistance(0xfffe, 2), -4)
  t.is(sequenceDistance(0x8000, 0), -0x8000)
  t.is(timestampDistance(100, 0xffffffff), 101)
  t.is(timestampDistance(0xffffffff, 100), -101)
})
