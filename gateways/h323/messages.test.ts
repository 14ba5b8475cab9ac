import test from 'ava'
import fc from 'fast-check'
import { fromJer, type Pdu, toJer } from './asn1/asn1.ts'
import { h225, h245 } from './h323.ts'
import { generate, randomFrom } from './testing/generate.ts'
import { capturedSamples, generatedSamples, unalignedSamples } from './testing/vectors.ts'

test('messages of real calls: decoded as their origin says, encoded to the same octets', (t) => {
  const samples = capturedSamples()
  for (const { where, pdu, octets, value } of samples) {
    const decoded = pdu.decode(octets)
    if (value !== undefined) t.deepEqual(toJer(pdu.type, decoded), value, where)
    t.is(pdu.encode(decoded).toString('hex'), octets.toString('hex'), where)
  }
  t.is(samples.length, 960)
})

test('generated values: the two independent codecs and this one agree in both directions', (t) => {
  const samples = generatedSamples()
  for (const { where, pdu, octets, value } of samples) {
    t.deepEqual(toJer(pdu.type, pdu.decode(octets)), value!, where)
    t.is(pdu.encode(fromJer(pdu.type, value!)).toString('hex'), octets.toString('hex'), where)
  }
  t.is(samples.length, 2400)
})

test('UNALIGNED PER: the same generated values as an independent codec has them', (t) => {
  const samples = unalignedSamples()
  for (const { where, pdu, octets, unaligned } of samples) {
    const decoded = pdu.decode(unaligned, { unaligned: true })
    t.is(pdu.encode(decoded).toString('hex'), octets.toString('hex'), where)
    t.is(pdu.encode(decoded, { unaligned: true }).toString('hex'), unaligned.toString('hex'), where)
  }
  t.is(samples.length, 2400)
})

for (const pdu of [
  h225.rasMessage,
  h225.h323UserInformation,
  h245.multimediaSystemControlMessage,
  h245.openLogicalChannel
] as readonly Pdu<unknown>[]) {
  test(`property: any ${pdu.name}, with things of later versions in it, comes back`, (t) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 2 }), (seed, richness) => {
        const value = generate(pdu.type, randomFrom(seed), { richness, unknown: true })
        const octets = pdu.encode(value)
        const decoded = pdu.decode(octets)
        t.deepEqual(toJer(pdu.type, decoded), toJer(pdu.type, value))
        t.is(pdu.encode(decoded).toString('hex'), octets.toString('hex'))
      }),
      { numRuns: 300 }
    )
  })
}
