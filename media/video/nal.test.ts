import test from 'ava'
import fc from 'fast-check'
import { byteStreamOf, isKeyUnit, payloadsOf, splitAnnexB } from './nal.ts'

/** No zeros in it: nothing that looks like a start code, as emulation prevention has it. */
const unitOf = (header: number) =>
  fc.uint8Array({ min: 1, max: 255, minLength: 3, maxLength: 4000 }).map((body) => Buffer.from([header, ...body]))

test('a byte stream is its units, whatever start codes and zeros lie between', (t) => {
  const stream = Buffer.from('ff00000001674201000000000168ce00000106', 'hex')
  t.deepEqual(
    splitAnnexB(stream).map((unit) => unit.toString('hex')),
    ['674201', '68ce', '06'],
    'zeros at the end of a unit are of the start code behind it'
  )
  t.deepEqual(splitAnnexB(Buffer.from('0102030405', 'hex')), [])
  t.deepEqual(splitAnnexB(Buffer.alloc(0)), [])
})

test('H.264: payloads fit, and give the units again', (t) => {
  fc.assert(
    fc.property(fc.array(unitOf(0x65), { minLength: 1, maxLength: 4 }), fc.integer({ min: 16, max: 1500 }), (units, most) => {
      const payloads = units.flatMap((unit) => payloadsOf('h264', unit, most))
      t.true(payloads.every((payload) => payload.length <= most))
      const stream = Buffer.concat(payloads.map((payload) => byteStreamOf(payload)!))
      t.deepEqual(splitAnnexB(stream), units)
    }),
    { numRuns: 200 }
  )
})

test('H.265: fragments carry type, layer and temporal id of their unit', (t) => {
  // IDR_W_RADL (19), layer 0, TID 1
  const unit = Buffer.concat([Buffer.from([19 << 1, 1]), Buffer.alloc(50, 0xaa)])
  const payloads = payloadsOf('h265', unit, 23)
  t.deepEqual(
    payloads.map((payload) => payload.subarray(0, 3).toString('hex')),
    ['620193', '620113', '620153']
  )
  t.is(Buffer.concat(payloads.map((payload) => payload.subarray(3))).length, 50)
  t.deepEqual(payloadsOf('h265', unit, 100), [unit])
})

test('units with which a decoder can begin', (t) => {
  t.true(isKeyUnit('h264', Buffer.from([0x65])))
  t.true(isKeyUnit('h264', Buffer.from([0x67])))
  t.false(isKeyUnit('h264', Buffer.from([0x41])))
  t.true(isKeyUnit('h265', Buffer.from([19 << 1, 1])))
  t.true(isKeyUnit('h265', Buffer.from([33 << 1, 1])))
  t.false(isKeyUnit('h265', Buffer.from([1 << 1, 1])))
})

test('aggregates are taken apart; what is none of mode 1 is nothing', (t) => {
  t.is(byteStreamOf(Buffer.from('7800026742000168', 'hex'))?.toString('hex'), '0000000167420000000168')
  for (const bad of ['', '7c', '7c85', '780004674200', '7800', '7900', '7d00', '00']) {
    t.is(byteStreamOf(Buffer.from(bad, 'hex')), null, bad)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => t.notThrows(() => byteStreamOf(Buffer.from(octets)))))
})
