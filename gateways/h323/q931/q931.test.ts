import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { h225 } from '../h323.ts'
import { captured } from '../testing/vectors.ts'
import {
  bearerCapability,
  cause,
  decodeQ931,
  elementOctets,
  encodeQ931,
  ie,
  type MessageType,
  messageTypes,
  octet,
  partyNumber,
  progressIndicator,
  type Q931Message,
  signals,
  TpktSplitter,
  text,
  tpkt,
  userCause,
  userInformationOf,
  withUserInformation
} from './q931.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const bytes = (text: string): Buffer => Buffer.from(text, 'hex')

const signalling = captured().filter(({ proto }) => proto === 'q931')

test('call signalling of real calls: header and elements as their origin says, encoded to the same octets', (t) => {
  for (const { cap, t: time, hex: packet, q931, ies, uuie_hex } of signalling) {
    const where = `${cap} ${time}`
    const [payload, ...more] = new TpktSplitter().push(bytes(packet))
    t.is(more.length, 0, where)
    const message = decodeQ931(payload!)
    const reference = message.callReference + (message.callReferenceFlag ? 0x8000 : 0)
    t.is(reference, Number.parseInt(q931!.cr, 16), where)
    t.is(messageTypes[message.messageType as MessageType] as number, q931!.msgType, where)
    const others = message.elements.filter(({ id }) => id !== ie.userUser)
    t.deepEqual(
      others.map(({ id, octets }) => ({ id, hex: hex(octets) })),
      ies!.map(({ id, hex }) => ({ id, hex })),
      where
    )
    t.is(hex(elementOctets(message, ie.userUser)!.subarray(1)), uuie_hex!, where)
    t.is(hex(tpkt(encodeQ931(message))), packet, where)
    t.is(hex(tpkt(encodeQ931(withUserInformation(message, userInformationOf(message)!)))), packet, where)
  }
  t.is(signalling.length, 342)
})

test('typed elements of real calls become the same octets', (t) => {
  const codecs = new Map<number, { decode(octets: Uint8Array): unknown; encode(value: never): Buffer }>([
    [ie.bearerCapability, bearerCapability],
    [ie.cause, cause],
    [ie.progressIndicator, progressIndicator],
    [ie.callingPartyNumber, partyNumber],
    [ie.calledPartyNumber, partyNumber]
  ])
  let seen = 0
  for (const { ies } of signalling) {
    for (const { id, hex: contents } of ies!) {
      const codec = codecs.get(id)
      if (codec === undefined) continue
      t.is(hex(codec.encode(codec.decode(bytes(contents)) as never)), contents)
      seen++
    }
  }
  t.true(seen > 100)
})

test('elements say what the standard says', (t) => {
  t.deepEqual(bearerCapability.decode(bytes('8818a0a5')), {
    codingStandard: 0,
    transferCapability: 8,
    transferMode: 0,
    transferRate: 24,
    rateMultiplier: 32,
    layer1Protocol: 5
  })
  t.deepEqual(cause.decode(bytes('8091')), userCause(17))
  t.like(cause.decode(bytes('0083ac01')), { recommendation: 3, value: 44, diagnostics: Buffer.from([1]) })
  t.is(hex(cause.encode(cause.decode(bytes('0083ac01')))), '0083ac01')
  t.deepEqual(progressIndicator.decode(bytes('8088')), { codingStandard: 0, location: 0, description: 8 })
  t.deepEqual(partyNumber.decode(bytes('81363030')), { typeOfNumber: 0, numberingPlan: 1, digits: '600' })
  const calling = { typeOfNumber: 1, numberingPlan: 1, presentation: 1, screening: 3, digits: '4930123' }
  t.deepEqual(partyNumber.decode(partyNumber.encode(calling)), calling)
  const redirecting = { ...calling, reason: 15 }
  t.deepEqual(partyNumber.decode(partyNumber.encode(redirecting)), redirecting)
  t.is(text.decode(bytes('73696d706c653100')), 'simple1')
  t.is(text.decode(bytes('4af67267')), 'Jörg')
  t.is(text.decode(text.encode('Jörg')), 'Jörg')
  t.is(octet.decode(octet.encode(signals.busy)), 4)
})

test('an element too short for its kind is told with its name', (t) => {
  for (const [codec, contents] of [
    [bearerCapability, '80'],
    [bearerCapability, '8818'],
    [cause, '80'],
    [cause, '0080'],
    [progressIndicator, ''],
    [partyNumber, ''],
    [partyNumber, '00'],
    [octet, '']
  ] as const) {
    t.throws(() => codec.decode(bytes(contents)), { instanceOf: DecodeError, code: 'h323.q931.element' })
  }
})

test('codesets: an element of another codeset is not taken for one of ours', (t) => {
  // Locking shift to codeset 6, a cause-like element of it, and the user-user identifier with a length of one octet.
  const message = decodeQ931(bytes('080200015a9608029f9f7e0101'))
  t.is(elementOctets(message, ie.cause), undefined)
  t.is(message.elements[1]!.codeset, 6)
  t.is(hex(encodeQ931(message)), '080200015a9608029f9f7e0101')
  // Non-locking: only the next element.
  const one = decodeQ931(bytes('080200015a9e08029f9f0802809f'))
  t.is(hex(elementOctets(one, ie.cause)!), '809f')
  const complete = decodeQ931(bytes('0802000105a1'))
  t.deepEqual(
    complete.elements.map(({ id }) => id),
    [ie.sendingComplete]
  )
  t.is(hex(encodeQ931(complete)), '0802000105a1')
})

test('bad messages: each fault has its code', (t) => {
  for (const [contents, code] of [
    ['08', 'h323.q931.short'],
    ['0902000105', 'h323.q931.discriminator'],
    ['08010105ff', 'h323.q931.call-reference'],
    ['0802000185', 'h323.q931.message-type'],
    ['080200010508', 'h323.q931.short'],
    ['08020001050803', 'h323.q931.short'],
    ['08020001057e00', 'h323.q931.short'],
    ['08020001057e000401', 'h323.q931.short'],
    [`0802000105${'a1'.repeat(129)}`, 'h323.q931.elements']
  ] as const) {
    t.throws(() => decodeQ931(bytes(contents)), { instanceOf: DecodeError, code }, contents)
  }
  const plain = { callReference: 1, callReferenceFlag: false, messageType: 'setup', elements: [] } as const
  t.throws(() => encodeQ931({ ...plain, callReference: 0x8000 }), { instanceOf: RangeError })
  t.throws(() => encodeQ931({ ...plain, messageType: 0x80 }), { instanceOf: RangeError })
  t.throws(() => encodeQ931({ ...plain, elements: [{ id: ie.display, octets: Buffer.alloc(256) }] }), { instanceOf: RangeError })
  t.throws(() => userInformationOf(decodeQ931(bytes('08020001057e000104'))), { code: 'h323.q931.element' })
  t.is(userInformationOf(decodeQ931(bytes('0802000105'))), undefined)
})

test('a message made here is read back', (t) => {
  const setup: Q931Message = withUserInformation(
    {
      callReference: 77,
      callReferenceFlag: false,
      messageType: 'setup',
      elements: [{ id: ie.calledPartyNumber, octets: partyNumber.encode({ typeOfNumber: 0, numberingPlan: 1, digits: '600' }) }]
    },
    { 'h323-uu-pdu': { 'h323-message-body': { type: 'empty' }, h245Tunneling: true } }
  )
  const read = decodeQ931(encodeQ931(setup))
  t.is(read.messageType, 'setup')
  t.is(userInformationOf(read)!['h323-uu-pdu'].h245Tunneling, true)
  const replaced = withUserInformation(read, { 'h323-uu-pdu': { 'h323-message-body': { type: 'empty' }, h245Tunneling: false } })
  t.is(replaced.elements.length, 2)
  t.is(h225.h323UserInformation.name, 'H323-UserInformation')
})

test('TPKT: however a stream is cut, the same packets come out', (t) => {
  const packet = fc.uint8Array({ maxLength: 600 })
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
      (packets, cuts) => {
        const stream = Buffer.concat(packets.map(tpkt))
        const splitter = new TpktSplitter()
        const got: Buffer[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length]!
          got.push(...splitter.push(stream.subarray(at, at + size)))
          at += size
        }
        t.deepEqual(got.map(hex), packets.map(hex))
        t.is(splitter.pending, 0)
      }
    ),
    { numRuns: 100 }
  )
})

test('TPKT: a wrong version or length ends the stream at once', (t) => {
  t.throws(() => new TpktSplitter().push(bytes('16030100')), { instanceOf: DecodeError, code: 'h323.tpkt.version' })
  t.throws(() => new TpktSplitter().push(bytes('16')), { code: 'h323.tpkt.version' })
  t.throws(() => new TpktSplitter().push(bytes('03000003')), { code: 'h323.tpkt.length' })
  t.throws(() => new TpktSplitter(100).push(bytes('03000069')), { code: 'h323.tpkt.length' })
  const slow = new TpktSplitter(100)
  t.throws(
    () => {
      for (const octet of bytes('03000069')) slow.push(Uint8Array.of(octet))
      slow.push(Uint8Array.of(0))
    },
    { code: 'h323.tpkt.length' }
  )
  t.throws(() => tpkt(Buffer.alloc(65_532)), { instanceOf: RangeError })
  t.deepEqual(new TpktSplitter().push(tpkt(Buffer.alloc(0))).map(hex), [''])
})

test('TPKT: an unfinished packet holds no more than has come of it', (t) => {
  const splitter = new TpktSplitter()
  splitter.push(bytes('0300ffff'))
  for (let i = 0; i < 1000; i++) splitter.push(Uint8Array.of(1))
  t.is(splitter.pending, 1004)
  t.is(splitter.push(Buffer.alloc(64_531)).length, 1)
  t.is(splitter.pending, 0)
})
