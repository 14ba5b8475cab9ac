import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { generate, randomFrom } from '../testing/generate.ts'
import {
  anyInteger,
  type BitString,
  bitString,
  bmpString,
  boolean,
  choice,
  EncodeError,
  enumerated,
  fromJer,
  generalString,
  ia5String,
  integer,
  type Json,
  lazy,
  nothing,
  numericString,
  objectIdentifier,
  octetString,
  openType,
  optional,
  type Pdu,
  pdu,
  printableString,
  received,
  sequence,
  sequenceOf,
  setOf,
  type Type,
  toJer,
  visibleString,
  withDefault
} from './asn1.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Encodes, compares with what the standard or an independent codec gives, decodes again. */
function same<T>(t: {
  is: (one: unknown, other: unknown, note?: string) => unknown
  deepEqual: (one: Json, other: Json) => unknown
}) {
  return (type: Type<T>, value: T, aligned: string, unaligned?: string) => {
    const message = pdu('Value', type)
    t.is(hex(message.encode(value)), aligned.replaceAll(' ', ''))
    t.deepEqual(toJer(type, message.decode(bytes(aligned))), toJer(type, value))
    if (unaligned === undefined) return
    t.is(hex(message.encode(value, { unaligned: true })), unaligned.replaceAll(' ', ''))
    t.deepEqual(toJer(type, message.decode(bytes(unaligned), { unaligned: true })), toJer(type, value))
  }
}

test('X.691 A.1: a personnel record without subtype constraints', (t) => {
  const Name = sequence({ givenName: visibleString(), initial: visibleString(), familyName: visibleString() })
  const Child = sequence({ name: Name, dateOfBirth: visibleString() })
  // A SET is encoded in the order of its tags, here name, number, title, dateOfHire, nameOfSpouse, children.
  const Record = sequence({
    name: Name,
    number: anyInteger,
    title: visibleString(),
    dateOfHire: visibleString(),
    nameOfSpouse: Name,
    children: optional(sequenceOf(Child))
  })
  const value = {
    name: { givenName: 'John', initial: 'P', familyName: 'Smith' },
    number: 51,
    title: 'Director',
    dateOfHire: '19710917',
    nameOfSpouse: { givenName: 'Mary', initial: 'T', familyName: 'Smith' },
    children: [
      { name: { givenName: 'Ralph', initial: 'T', familyName: 'Smith' }, dateOfBirth: '19571111' },
      { name: { givenName: 'Susan', initial: 'B', familyName: 'Jones' }, dateOfBirth: '19590717' }
    ]
  }
  const aligned =
    '80044a6f686e01500 5536d69746801 33084469 72656374 6f72083139373130393137 044d617279 0154 05536d697468' +
    '02 0552616c706801540 5536d697468083139353731313131 05537573616e014205 4a6f6e6573083139353930373137'
  const message = pdu('PersonnelRecord', Record)
  t.is(message.encode(value).length, 94)
  t.is(hex(message.encode(value)), aligned.replaceAll(' ', ''))
  t.is(message.encode(value, { unaligned: true }).length, 84)
  t.deepEqual(message.decode(message.encode(value, { unaligned: true }), { unaligned: true }), value)
})

test('§12–14: boolean, integers in each form, enumerations', (t) => {
  const check = same<unknown>(t)
  check(boolean, true, '80')
  check(integer(3, 3), 3, '00')
  check(integer(0, 254), 254, 'fe', 'fe')
  check(sequence({ a: boolean, b: integer(0, 255) }), { a: true, b: 1 }, '80 01', '8080')
  check(sequence({ a: boolean, b: integer(0, 256) }), { a: true, b: 256 }, '80 0100', 'c000')
  check(integer(0, 65_535), 258, '0102')
  check(integer(0, 65_536), 65_536, '80 010000')
  check(integer(0, 4_294_967_295), 0, '00 00')
  check(integer(0, 4_294_967_295), 4_294_967_295, 'c0 ffffffff', 'ffffffff')
  check(integer(1, Number.POSITIVE_INFINITY), 256, '01 ff')
  check(integer(1, Number.POSITIVE_INFINITY), 257, '02 0100')
  check(integer(1, 32_768, { extensible: true }), 1, '00 0000')
  check(integer(1, 32_768, { extensible: true }), 40_000, '80 03 009c40', '81804e2000')
  check(anyInteger, 127, '01 7f')
  check(anyInteger, 128, '02 0080')
  check(anyInteger, -128, '01 80')
  check(anyInteger, -129, '02 ff7f')
  check(anyInteger, 2n ** 64n, '09 010000000000000000')
  check(anyInteger, -(2n ** 2047n), `8100 80${'00'.repeat(255)}`)
  check(enumerated(['a', 'b', 'c']), 'c', '80')
  check(enumerated(['a', 'b'], []), 'b', '40')
  check(enumerated(['a', 'b'], ['c']), 'c', '80')
  check(enumerated(['a', 'b'], ['c']), 70, 'c0 01 46')
})

test('§16–17: bit and octet strings, fixed, bounded and free', (t) => {
  const check = same<unknown>(t)
  const bits = (length: number, text: string): BitString => ({ length, bytes: Uint8Array.from(bytes(text)) })
  const flagged = <T>(type: Type<T>) => sequence({ a: boolean, b: type })
  check(flagged(bitString(16)), { a: true, b: bits(16, 'ffff') }, 'ffff80')
  check(flagged(bitString(17)), { a: true, b: bits(17, 'ffff80') }, '80ffff80', 'ffffc0')
  check(flagged(bitString([0, 7])), { a: true, b: bits(3, 'a0') }, 'b0a0', 'ba')
  check(flagged(bitString()), { a: true, b: bits(12, 'abc0') }, '800cabc0', '8655e0')
  check(flagged(octetString(2)), { a: true, b: Buffer.from('ffff', 'hex') }, 'ffff80')
  check(flagged(octetString(3)), { a: true, b: Buffer.from('ffffff', 'hex') }, '80ffffff')
  check(flagged(octetString([1, 4])), { a: true, b: Buffer.from('ff', 'hex') }, '80ff', '9fe0')
  check(flagged(octetString([0, 4])), { a: false, b: Buffer.alloc(0) }, '00')
  check(flagged(octetString()), { a: false, b: Buffer.alloc(0) }, '0000')
})

test('strings that may be empty begin on an octet boundary when they are, as PTLib has it', (t) => {
  const check = same<unknown>(t)
  const between = <T>(type: Type<T>) => sequence({ a: boolean, s: type, b: boolean })
  check(between(numericString({ size: [0, 4] })), { a: true, s: '', b: true }, '8080', '88')
  check(between(numericString({ size: [0, 40] })), { a: true, s: '', b: true }, '8080', '81')
  check(between(octetString([0, 40])), { a: true, s: Buffer.alloc(0), b: true }, '8080', '81')
  check(between(bitString([0, 40])), { a: true, s: { length: 0, bytes: Buffer.alloc(0) }, b: true }, '8080', '81')
})

test('§30–31: character strings by alphabet', (t) => {
  const check = same<unknown>(t)
  check(ia5String(), 'AZ', '02415a', '028368')
  check(ia5String({ size: 1, alphabet: '0123456789#*ABCD!' }), '5', '35', '40')
  check(ia5String({ size: [1, 128], alphabet: '0123456789#*,' }), '600', '04 9330', '052660')
  check(numericString({ size: [1, 16] }), '12', '10 23', '1230')
  check(printableString(), 'a', '0161')
  check(visibleString({ size: [12, 19] }), '199706211945', '00 313939373036323131393435', '0c5cb96ec1b3262c5cb46a')
  check(bmpString({ size: [1, 128] }), 'é中', '02 00e94e2d')
  check(bmpString({ size: 1 }), '\ud7ff', 'd7ff')
  check(generalString, 'ÿ1', '02ff31')
})

test('§19: extension additions: absent, present, of a later version, and with a bitmap of any length', (t) => {
  const v1 = sequence({ a: boolean }, { b: integer(0, 255) })
  const v3 = sequence({ a: boolean }, { b: integer(0, 255), c: nothing, d: ia5String() })
  const old = pdu('Old', v1)
  const recent = pdu('Recent', v3)
  t.is(hex(recent.encode({ a: true })), '40')
  const message = recent.encode({ a: true, b: 7, d: 'x' })
  t.is(hex(message), 'c15001070201 78'.replaceAll(' ', ''))
  const relayed = old.decode(message)
  t.is(relayed.b, 7)
  t.deepEqual(relayed[received], { bitmapLength: 3, unknown: [{ index: 2, octets: bytes('0178') }] })
  t.is(hex(old.encode({ ...relayed, b: 8 })), 'c15001080201 78'.replaceAll(' ', ''))
  for (const [bitmap, length] of [
    ['c0 4001 07', 1],
    ['c0 c001 07', 2],
    ['c1 c0 01 07', 4]
  ] as const) {
    const decoded = recent.decode(bytes(bitmap))
    t.is(decoded[received]?.bitmapLength, length, bitmap)
    t.is(hex(recent.encode(decoded)), bitmap.replaceAll(' ', ''))
    t.is(recent.decode(recent.encode({ ...decoded, d: 'new' })).d, 'new')
  }
  const none = recent.decode(bytes('c100'))
  t.is(hex(recent.encode(none)), 'c100', 'an extension bitmap without a bit set')
  t.deepEqual(recent.decode(recent.encode({ a: false, c: null })), { a: false, c: null })
  const wide = sequence({}, Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`x${i}`, boolean])))
  t.deepEqual(pdu('Wide', wide).decode(pdu('Wide', wide).encode({ x69: true } as object)), { x69: true } as object)
})

test('§23: alternatives of a later version pass through', (t) => {
  const v1 = pdu('Old', choice({ a: nothing, b: boolean }, {}))
  const v2 = pdu('Recent', choice({ a: nothing, b: boolean }, { c: integer(0, 255), d: nothing }))
  t.is(hex(v2.encode({ type: 'c', value: 5 })), '80 01 05'.replaceAll(' ', ''))
  t.is(hex(v2.encode({ type: 'd' })), '810100')
  const relayed = v1.decode(bytes('800105'))
  t.deepEqual(relayed, { type: 'unknownExtension', index: 0, value: bytes('05') })
  t.is(hex(v1.encode(relayed)), '800105')
})

test('defaults are not sent and come back', (t) => {
  const message = pdu('Value', sequence({ a: withDefault(boolean, false), b: withDefault(enumerated(['x', 'y']), 'x') }))
  t.is(hex(message.encode({})), '00')
  t.is(hex(message.encode({ a: false, b: 'x' })), '00')
  t.deepEqual(message.decode(bytes('00')), { a: false, b: 'x' })
  t.deepEqual(message.decode(message.encode({ a: true, b: 'y' })), { a: true, b: 'y' })
})

test('§24: object identifiers, from no octets to arcs of 128 bits', (t) => {
  const message = pdu('Value', objectIdentifier)
  for (const [text, octets] of [
    ['', '00'],
    ['0.0', '0100'],
    ['1.39', '014f'],
    ['2.999.3', '03883703'],
    ['0.0.8.2250.0.8', '060008914a0008'],
    ['1.2.840.113549.2.5', '082a864886f70d0205'],
    [`1.2.${2n ** 133n - 1n}`, `142a${'ff'.repeat(18)}7f`],
    ['2.25.329800735698586629295641978511506172918', '14 69 83f09da7ebcfdee0c7a1a7b2c0948cc8f9d776'.replaceAll(' ', '')]
  ] as const) {
    t.is(hex(message.encode(text)), octets, text)
    t.is(message.decode(bytes(octets)), text)
  }
  for (const text of [
    '3.1',
    '1.40',
    '1',
    '1.',
    '.1',
    '1.2.',
    '1.02',
    '1.a',
    `1.2.${'9'.repeat(41)}`,
    `1.2.${'1'.repeat(42)}`,
    `1.2${'.1'.repeat(200)}`,
    'x'
  ]) {
    t.throws(() => message.encode(text), { instanceOf: EncodeError, code: 'h323.per.encode' }, text)
  }
  for (const octets of ['0180', '0281ff', '028001', '022a80', `16${'ff'.repeat(21)}01`]) {
    t.throws(() => message.decode(bytes(octets)), { instanceOf: DecodeError, code: 'h323.per.oid' }, octets)
  }
})

test('§11.9: lengths beyond 16K go in fragments, both ways', (t) => {
  const octets = pdu('Octets', octetString())
  const list = pdu('List', sequenceOf(integer(0, 255)))
  const open = pdu('Open', sequence({}, { a: octetString() }))
  const bits = pdu('Bits', bitString())
  const text = pdu('Text', ia5String())
  const limits = { octets: 300_000, depth: 8, elements: 200_000 }
  for (const count of [0, 1, 127, 128, 16_383, 16_384, 16_385, 65_535, 65_536, 70_000, 131_072, 150_000]) {
    const content = Buffer.alloc(count, 0x61)
    for (const unaligned of [false, true]) {
      const options = { limits, unaligned }
      t.is(Buffer.compare(octets.decode(octets.encode(content, options), options), content), 0)
      t.is(list.decode(list.encode([...content], options), options).length, count)
      t.is(open.decode(open.encode({ a: content }, options), options).a!.length, count)
      t.is(bits.decode(bits.encode({ length: count * 8, bytes: content }, options), options).length, count * 8)
      t.is(text.decode(text.encode(content.toString('latin1'), options), options).length, count)
    }
  }
  // X.691 §11.9.3.8.3: 144K are two fragments of 64K, one of 16K, and an end of length 0.
  const encoded = octets.encode(Buffer.alloc(147_456))
  t.deepEqual([encoded[0], encoded[65_537], encoded[131_074], encoded.at(-1)], [0xc4, 0xc4, 0xc1, 0])
})

test('an error says where: the path of the field and the bit it was found at', (t) => {
  const message = pdu('Root', sequence({ list: sequenceOf(choice({ a: sequence({ port: integer(0, 65_535) }) })) }))
  const error = t.throws(() => message.decode(bytes('02 0001 00')), { instanceOf: DecodeError })
  t.is(error!.path, 'Root.list[1].a.port')
  t.is(error!.code, 'h323.per.short')
  t.is(error!.bitOffset, 24)
  const wrong = t.throws(() => message.encode({ list: [{ type: 'a', value: { port: 70_000 } }] }), { instanceOf: EncodeError })
  t.is(wrong!.path, 'Root.list[0].a.port')
  t.is(wrong!.message, 'Root.list[0].a.port: expected an integer in the range 0–65535, got number 70000')
})

test('each kind of bad octets has its code', (t) => {
  const cases: [Type<unknown>, string, string][] = [
    [octetString(), '05 00', 'short'],
    [integer(0, 2), 'c0', 'constraint'],
    [enumerated(['a', 'b', 'c']), 'c0', 'constraint'],
    [choice({ a: nothing, b: nothing, c: nothing }), 'c0', 'constraint'],
    [integer(0, 70_000), '80 ffffff', 'constraint'],
    [anyInteger, '00', 'length'],
    [anyInteger, `8101${'01'.repeat(257)}`, 'length'],
    [integer(0, Number.POSITIVE_INFINITY), '09 ffffffffffffffffff', 'constraint'],
    [integer(0, 9, { extensible: true }), '80 09 01ffffffffffffffff', 'constraint'],
    [objectIdentifier, 'c1 00', 'length'],
    [octetString(), 'c0 00', 'length'],
    [octetString(), 'c5 00', 'length'],
    [ia5String(), '01 80', 'constraint'],
    [printableString(), '01 40', 'constraint'],
    [numericString(), '01 f0', 'constraint'],
    [ia5String({ size: [1, 128], alphabet: '0123456789#*,' }), '00 f0', 'constraint'],
    [bitString([2049, 65_536]), '01 80', 'constraint'],
    [sequenceOf(boolean, [1, Number.POSITIVE_INFINITY]), '00', 'constraint'],
    [sequence({}, {}), 'ffffff', 'length'],
    [sequence({}, {}), 'c0 8101 00', 'length'],
    [boolean, '80 00', 'trailing'],
    [choice({ a: nothing }, {}), 'c0 03 010000', 'length']
  ]
  for (const [type, octets, code] of cases) {
    t.throws(() => pdu('Value', type).decode(bytes(octets)), { instanceOf: DecodeError, code: `h323.per.${code}` }, octets)
  }
})

test('values that do not fit their type are refused, whatever they are', (t) => {
  const cases: [Type<unknown>, readonly unknown[]][] = [
    [boolean, [1, null, 'true']],
    [nothing, [0, undefined, {}]],
    [integer(1, 5), [0, 6, 1.5, '3', Number.NaN, 3n]],
    [integer(1, Number.POSITIVE_INFINITY), [0, Number.POSITIVE_INFINITY]],
    [anyInteger, [1.5, '1', null, 2n ** 2047n]],
    [enumerated(['a']), ['b', 0, null]],
    [enumerated(['a'], []), ['b', -1, 1.5]],
    [octetString(2), [Buffer.alloc(1), 'ab', null]],
    [octetString([1, 3]), [Buffer.alloc(0), Buffer.alloc(4)]],
    [bitString(8), [{ length: 8, bytes: Buffer.alloc(2) }, { length: 7, bytes: Buffer.alloc(1) }, null]],
    [ia5String({ size: [1, 2] }), ['', 'abc', 'é', 3]],
    [numericString(), ['a']],
    [generalString, ['中', null]],
    [objectIdentifier, [null, 5]],
    [openType(), [null, 'x']],
    [sequence({ a: boolean }), [null, 'x', {}]],
    [sequenceOf(boolean, [1, 2]), [[], [true, true, true], {}]],
    [choice({ a: nothing }), [null, { type: 'b' }, { type: 'unknownExtension', index: 0, value: Buffer.alloc(1) }]],
    [
      choice({ a: nothing }, {}),
      [
        { type: 'unknownExtension', index: -1, value: Buffer.alloc(1) },
        { type: 'unknownExtension', index: 0 }
      ]
    ]
  ]
  for (const [type, values] of cases) {
    for (const value of values)
      t.throws(() => pdu('Value', type).encode(value), { instanceOf: EncodeError, code: 'h323.per.encode' })
  }
})

interface Nested {
  readonly inner?: Nested
}
const Nested: Type<Nested> = sequence({ inner: optional(lazy(() => Nested)) })

test('limits: octets, depth and elements', (t) => {
  const limits = { octets: 100, depth: 5, elements: 10 }
  t.throws(() => pdu('Value', octetString()).decode(Buffer.alloc(101), { limits }), { code: 'h323.per.size' })
  t.throws(() => pdu('Nested', Nested).decode(Buffer.alloc(100, 0xff), { limits }), { code: 'h323.per.depth' })
  // A list of 65,536 elements that take no bit, in two octets.
  const bomb = pdu('Bomb', sequenceOf(nothing))
  t.throws(() => bomb.decode(bytes('c4c4c400')), { instanceOf: DecodeError, code: 'h323.per.elements' })
  t.throws(() => bomb.decode(bytes('0b'), { limits }), { code: 'h323.per.elements' })
  t.is(bomb.decode(bytes('0a'), { limits }).length, 10)
  const circle: { inner?: unknown } = {}
  circle.inner = circle
  t.throws(() => pdu('Nested', Nested).encode(circle as Nested), { instanceOf: EncodeError })
  t.is(hex(pdu('Nested', Nested).encode({ inner: {} })), '80', 'the codec goes on after an error')
})

test('a message with something behind it can be taken from the front', (t) => {
  const message = pdu('Value', octetString())
  t.deepEqual(message.decodePrefix(bytes('0141ff')), { value: bytes('41'), octets: 2 })
})

test('property: any value of any shape comes back from both variants', (t) => {
  const Leaf = choice({ a: nothing, b: integer(0, 300), c: ia5String({ size: [0, 9] }) }, { d: bitString(), e: anyInteger })
  interface Tree {
    readonly leaf: unknown
    readonly trees?: readonly Tree[]
  }
  const Tree: Type<Tree> = sequence(
    {
      leaf: Leaf,
      trees: optional(
        setOf(
          lazy(() => Tree),
          [0, 5]
        )
      ),
      flag: optional(boolean),
      size: optional(integer(1, Number.POSITIVE_INFINITY))
    },
    { kind: enumerated(['x', 'y'], ['z']), name: bmpString({ size: [1, 40] }), free: octetString(), oid: objectIdentifier }
  )
  const message = pdu('Tree', Tree)
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 4 }), fc.boolean(), (seed, richness, unaligned) => {
      const value = generate(Tree, randomFrom(seed), { richness, unknown: true }) as Tree
      const octets = message.encode(value, { unaligned })
      const decoded = message.decode(octets, { unaligned })
      t.deepEqual(toJer(Tree, decoded), toJer(Tree, value))
      t.is(hex(message.encode(decoded, { unaligned })), hex(octets))
      t.is(
        hex(message.encode(fromJer(Tree, toJer(Tree, withoutUnknown(value))) as Tree)),
        hex(message.encode(withoutUnknown(value) as Tree))
      )
    }),
    { numRuns: 500 }
  )
})

/** Copies a value without the additions that JER does not show. */
function withoutUnknown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUnknown)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutUnknown(field)]))
}

test('every octet of a valid message cut or flipped gives a value or a DecodeError, never anything else', (t) => {
  const messages: Pdu<unknown>[] = [
    pdu('A', sequence({ a: optional(boolean), b: octetString(), c: anyInteger }, { d: boolean, e: bmpString() }))
  ]
  for (const message of messages) {
    const octets = message.encode({ a: true, b: Buffer.from('abc'), c: 70_000, d: true, e: 'xyz' })
    let errors = 0
    for (let bit = 0; bit < octets.length * 8; bit++) {
      for (const altered of [
        octets.subarray(0, bit >>> 3),
        Buffer.from(octets.with(bit >>> 3, octets[bit >>> 3]! ^ (0x80 >> (bit & 7))))
      ]) {
        try {
          message.decode(altered)
        } catch (error) {
          t.true(error instanceof DecodeError)
          errors++
        }
      }
    }
    t.true(errors > octets.length * 8)
  }
})
