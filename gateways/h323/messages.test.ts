import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { EncodeError, fromJer, type Pdu, toJer } from './asn1/asn1.ts'
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

test('a message cut short says in which field', (t) => {
  const octets = h225.rasMessage.encode({
    type: 'registrationRequest',
    value: {
      requestSeqNum: 7,
      protocolIdentifier: h225.h225ProtocolIdentifier,
      discoveryComplete: false,
      callSignalAddress: [1, 2, 3].map((last) => ({
        type: 'ipAddress',
        value: { ip: Buffer.from([192, 0, 2, last]), port: 1720 }
      })),
      rasAddress: [],
      terminalType: { mc: false, undefinedNode: false },
      endpointVendor: { vendor: { t35CountryCode: 9, t35Extension: 0, manufacturerCode: 61 } }
    }
  })
  const third = octets.indexOf(Buffer.from([192, 0, 2, 3]))
  const error = t.throws(() => h225.rasMessage.decode(octets.subarray(0, third + 5)), {
    instanceOf: DecodeError,
    code: 'h323.per.short'
  })
  t.is(error!.path, 'RasMessage.registrationRequest.callSignalAddress[2].ipAddress.port')
  t.is(error!.bitOffset, (third + 4) * 8)
})

test('a message nested without end is refused, however it is nested', (t) => {
  const parameter = (depth: number): h245.GenericParameter => ({
    parameterIdentifier: { type: 'standard', value: 1 },
    parameterValue: depth === 0 ? { type: 'logical' } : { type: 'genericParameter', value: [parameter(depth - 1)] }
  })
  const message = (depth: number): h245.MultimediaSystemControlMessage => ({
    type: 'indication',
    value: {
      type: 'genericIndication',
      value: { messageIdentifier: { type: 'standard', value: '0.0' }, messageContent: [parameter(depth)] }
    }
  })
  const { decode, encode } = h245.multimediaSystemControlMessage
  t.notThrows(() => decode(encode(message(10))))
  t.throws(() => decode(encode(message(30))), { code: 'h323.per.depth' })
  t.throws(() => encode(message(100)), { instanceOf: EncodeError })
})
