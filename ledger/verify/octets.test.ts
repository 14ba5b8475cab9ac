import test from 'ava'
import fc from 'fast-check'
import { canonicalize } from '../log/canonical.ts'
import { draftEntry, finishDraft } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { treeHash } from '../testing/tree-hash.ts'
import { readCanonicalObject } from './canonical.ts'
import { CompactRange } from './compact-range.ts'
import { checkEntry } from './entry-form.ts'
import { isHexOf, newPlace, octetsOf, readPlace, timeOrder } from './entry-octets.ts'

const hash = leafHash(Buffer.from('the entry before'))
const hostile = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '","prev":"',
    `},"prev":"${'0'.repeat(64)}","time":"2026-01-01T00:00:00.000Z","trace_id":"x","v":1}`,
    '\\',
    '"',
    '","index":9,"'
  )
)
const traceIds = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 40
})
const told = fc.record({
  event: fc.constantFrom('INVITE', 'key_rotated', 'a'),
  component: fc.constantFrom('IF.proxy', 'c'),
  traceId: fc.oneof(traceIds, fc.constantFrom('","v":1}', 'x","prev":"')),
  parentTraceId: fc.option(traceIds, { nil: undefined }),
  payload: fc.dictionary(
    fc.oneof(hostile, fc.constantFrom('prev', 'index', 'v')),
    fc.oneof(hostile, fc.integer(), fc.jsonValue() as fc.Arbitrary<never>),
    {
      maxKeys: 4
    }
  ),
  tokensIn: fc.option(fc.nat(), { nil: undefined }),
  tokensOut: fc.option(fc.nat(), { nil: undefined }),
  cost: fc.option(fc.constant('0.09095'), { nil: undefined }),
  model: fc.option(fc.string({ minLength: 1, maxLength: 20 }), { nil: undefined })
})

test('the place of an entry is read rightly, whatever its payload and its trace id hold', (t) => {
  let sure = 0
  fc.assert(
    fc.property(told, fc.nat(), fc.nat({ max: 4_000_000_000_000 }), (event, index, timeMs) => {
      const given = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined))
      const text = Buffer.from(`..${finishDraft(draftEntry(given as never, timeMs), index, hash.toString('hex'))}..`)
      const [place, again] = [newPlace(), newPlace()]
      t.is(checkEntry(text, 2, text.length - 2, again), null)
      t.is(again.index, index)
      t.true(isHexOf(octetsOf(text), again.prevAt, hash))
      if (readPlace(octetsOf(text), 2, text.length - 2, place)) {
        sure++
        t.deepEqual(place, again)
      } else t.regex(event.traceId, /["\\]/)
    }),
    { numRuns: 400 }
  )
  t.true(sure > 100)
})

test('an octet changed anywhere in an entry: still read without a fault of ours, and never as canonical unless it is', (t) => {
  const entry = Buffer.from(
    finishDraft(
      draftEntry(
        { event: 'INVITE', component: 'IF.proxy', traceId: 'a"b', payload: { é: ['\n', 1.5, null, true], 'a\u0001': '€😀' } },
        0
      ),
      7,
      hash.toString('hex')
    )
  )
  const place = newPlace()
  for (let at = 0; at < entry.length; at++) {
    for (const value of [0, 0x20, 0x22, 0x2c, 0x30, 0x5c, 0x7b, 0x7d, 0x80, 0xc3, 0xed, 0xff, entry[at]! ^ 1]) {
      const changed = Buffer.from(entry)
      changed[at] = value
      readPlace(octetsOf(changed), 0, changed.length, place)
      if (checkEntry(changed, 0, changed.length, place) !== null) continue
      const text = changed.toString('utf8')
      t.is(canonicalize(JSON.parse(text)), text)
    }
  }
  for (let end = 0; end < entry.length; end++) {
    t.false(readPlace(octetsOf(entry), 0, end, place))
    t.not(checkEntry(entry, 0, end, place), null)
  }
})

test('an octet changed anywhere in an entry: its place is read as that of its whole form, or not at all', (t) => {
  const told = { event: 'INVITE', component: 'IF.proxy', traceId: 'ab', tokensIn: 12, tokensOut: 3, payload: { a: '","prev":"' } }
  const entry = Buffer.from(finishDraft(draftEntry(told, 1_767_225_600_123), 71, hash.toString('hex')))
  const [place, whole] = [newPlace(), newPlace()]
  let sure = 0
  for (let at = 0; at < entry.length; at++) {
    for (const value of [0, 0x22, 0x2f, 0x30, 0x39, 0x3a, 0x5c, 0x61, 0x66, 0x67, 0x7b, 0x7d, 0x80, 0xff, entry[at]! ^ 1]) {
      const changed = Buffer.from(entry)
      changed[at] = value
      if (!readPlace(octetsOf(changed), 0, changed.length, place) || checkEntry(changed, 0, changed.length, whole) !== null)
        continue
      sure++
      t.deepEqual(place, whole)
      const prevAt = entry.indexOf(hash.toString('hex'))
      const isSame = value === entry[at] || at < prevAt || at >= prevAt + 64
      t.is(isHexOf(octetsOf(changed), place.prevAt, hash), isSame, `${at} ${value}`)
    }
    t.false(readPlace(octetsOf(entry.subarray(at + 1)), 0, entry.length - at - 1, place))
    t.false(readPlace(octetsOf(entry), at + 1, entry.length, place))
  }
  t.true(sure > 500)
})

test('a time whose octets are not all in their places is none', (t) => {
  const time = Buffer.from('2026-11-22T11:47:13.205Z')
  t.true(timeOrder(time, 0) > 0)
  for (let at = 0; at < time.length; at++) {
    const isDigit = time[at]! >= 0x30 && time[at]! <= 0x39
    for (const value of [0, 0x2f, 0x3a, 0x80, 0xff]) {
      if (value === time[at]) continue
      const changed = Buffer.from(time)
      changed[at] = value
      t.is(timeOrder(changed, 0), -1, `${at} ${value}`)
    }
    if (isDigit)
      for (const digit of '0123456789') {
        const changed = Buffer.from(time)
        changed[at] = digit.charCodeAt(0)
        t.is(Math.sign(timeOrder(changed, 0) - timeOrder(time, 0)), Math.sign(changed[at]! - time[at]!), `${at} ${digit}`)
      }
  }
})

test('what canonical JSON is, the verifier takes; what is not, it does not', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const text = Buffer.from(canonicalize(value as never))
      t.is(readCanonicalObject(text, 0, text.length).size, Object.keys(value).length)
    }),
    { numRuns: 200 }
  )
  for (const text of [
    '{"b":1,"a":1}',
    '{"a":1,"a":1}',
    '{"a":1.0}',
    '{"a":-0}',
    '{"a":1e5}',
    '{ }',
    '{"a":"\\u0041"}',
    '{"a":"\\/"}',
    '{"a":01}',
    '{}{}',
    '[]',
    '{"a":"\\u000A"}',
    ''
  ]) {
    t.throws(() => readCanonicalObject(Buffer.from(text), 0, text.length), undefined, text)
  }
})

test('what is no hex digit is part of no hash', (t) => {
  const digits = Buffer.from('ff0a')
  t.true(isHexOf(octetsOf(digits), 0, Buffer.of(0xff, 0x0a)))
  for (const [at, octet] of [...digits.keys()].flatMap((at) =>
    [...Buffer.from('gG/:@`F \xff', 'latin1')].map((octet) => [at, octet] as const)
  )) {
    const changed = Buffer.from(digits)
    changed[at] = octet
    t.false(isHexOf(octetsOf(changed), 0, Buffer.of(0xff, 0x0a)), `${at} ${octet}`)
  }
})

test('runs of leaves join to the tree of all of them, wherever they are cut', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1200 }), fc.array(fc.nat({ max: 1200 }), { maxLength: 6 }), (size, cuts) => {
      const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.of(i & 255, i >> 8)))
      const bounds = [0, ...cuts.filter((cut) => cut <= size).sort((a, b) => a - b), size]
      const whole = new CompactRange()
      for (let i = 1; i < bounds.length; i++) {
        const part = new CompactRange(bounds[i - 1])
        for (const leaf of leaves.slice(bounds[i - 1], bounds[i])) {
          // the state may be asked for at any time
          if (part.end % 97 === 0) part.state()
          part.append(leaf)
        }
        whole.join(CompactRange.of(part.state()))
      }
      t.deepEqual(Buffer.from(whole.root()), treeHash(leaves))
    }),
    { numRuns: 60 }
  )
  t.throws(() => new CompactRange(1).root(), { instanceOf: RangeError })
  t.throws(() => new CompactRange().join(new CompactRange(3)), { instanceOf: RangeError })
  t.throws(() => CompactRange.of({ begin: 0, end: 3, hashes: Buffer.alloc(32) }), { instanceOf: RangeError })
})
