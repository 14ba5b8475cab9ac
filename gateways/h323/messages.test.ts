import test from 'ava'
import { fromJer, toJer } from './asn1/asn1.ts'
import { capturedSamples, generatedSamples } from './testing/vectors.ts'

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
