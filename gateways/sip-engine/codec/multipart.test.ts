import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { parseMediaType } from './media-type.ts'
import {
  type BodyPart,
  boundaryOf,
  contentType,
  defaultMultipartLimits,
  joinMultipart,
  leafParts,
  multipartType,
  splitMultipart
} from './multipart.ts'

const body = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')
const split = (octets: Buffer, limits = defaultMultipartLimits): string[] =>
  splitMultipart(octets, 'b', limits).map((part) => part.body.toString('latin1'))

test('parts between boundaries; preamble and epilogue left out', (t) => {
  const octets = body(
    'preamble',
    '--b',
    'Content-Type: text/plain',
    'X: a',
    ' b',
    '',
    'one',
    '',
    '--b \t',
    '',
    'two',
    '--bx',
    '--b--',
    'epilogue',
    '--b'
  )
  const parts = splitMultipart(octets, 'b')
  t.deepEqual(parts[0]!.headers, [
    ['content-type', 'text/plain'],
    ['x', 'a b']
  ])
  t.deepEqual(split(octets), ['one\r\n', 'two\r\n--bx'])
  t.is(contentType(parts[0]!)!.subtype, 'plain')
  t.is(contentType(parts[1]!), undefined)
  t.is(parts[1]!.body.buffer, octets.buffer)
})

test('parts without body, without header fields, and none at all', (t) => {
  t.deepEqual(split(body('--b', 'A: b', '--b--')), [''])
  t.deepEqual(split(body('--b', 'A: b', '', '', '--b--')), [''])
  t.deepEqual(split(body('--b', '', '', '--b--')), [''])
  t.deepEqual(split(body('--b', '--b--')), [''])
  t.deepEqual(split(body('--b--')), [])
})

test('malformed bodies are refused with code and offset', (t) => {
  const limits = { parts: 2, depth: 2, headerSection: 40 }
  const cases: [Buffer, string, number][] = [
    [body('no boundary'), 'sip.multipart.boundary', 0],
    [body('--b', '', 'x'), 'sip.multipart.unterminated', 8],
    [body('--b', '', 'x', '--b', 'no colon', '', 'x', '--b--'), 'sip.multipart.header', 15],
    [body('--b', ': x', '', 'x', '--b--'), 'sip.multipart.header', 5],
    [body('--b', '', '1', '--b', '', '2', '--b', '', '3', '--b--'), 'sip.multipart.limit', 25],
    [body('--b', `A: ${'x'.repeat(60)}`, '', '1', '--b--'), 'sip.multipart.limit', 5]
  ]
  for (const [octets, code, octet] of cases) {
    const error = t.throws(() => split(octets, limits), { instanceOf: DecodeError, code })!
    t.is(error.bitOffset, octet * 8, code)
  }
})

test('boundaries of RFC 2046, quoted or not', (t) => {
  const of = (text: string): string | undefined => boundaryOf(parseMediaType(text)!)
  t.is(of('multipart/mixed;boundary=abc'), 'abc')
  t.is(of('multipart/related; boundary="a b:c"'), 'a b:c')
  for (const bad of [
    'multipart/mixed',
    'text/plain;boundary=a',
    'multipart/mixed;boundary',
    'multipart/mixed;boundary="a "',
    `multipart/mixed;boundary=${'x'.repeat(71)}`
  ]) {
    t.is(of(bad), undefined, bad)
  }
  t.is(of(multipartType('mixed', 'a b')), 'a b')
})

test('parts of parts, to a limit', (t) => {
  const nested = (depth: number): Buffer => {
    const inner: BodyPart =
      depth === 0
        ? { headers: [], body: Buffer.from('leaf') }
        : { headers: [['Content-Type', multipartType('mixed', `b${depth - 1}`)]], body: nested(depth - 1) }
    return joinMultipart([inner, { headers: [], body: Buffer.from(String(depth)) }], `b${depth}`)
  }
  const type = (depth: number) => parseMediaType(multipartType('mixed', `b${depth}`))!
  t.deepEqual(
    leafParts(type(2), nested(2)).map((part) => part.body.toString()),
    ['leaf', '0', '1', '2']
  )
  t.throws(() => leafParts(type(4), nested(4)), { code: 'sip.multipart.limit' })
  t.throws(() => leafParts(parseMediaType('multipart/mixed')!, Buffer.alloc(0)), { code: 'sip.multipart.type' })
})

test('split(join(parts)) is parts, octet by octet', (t) => {
  const part = fc.record({
    headers: fc.array(fc.tuple(fc.stringMatching(/^[a-z-]{1,12}$/), fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/)), {
      maxLength: 4
    }),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets)),
      fc.constantFrom('', '\r\n', '\r\n\r\n', '--', '\r\n--', '\r\n--boundar').map((text) => Buffer.from(text))
    )
  })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const again = splitMultipart(joinMultipart(parts, 'boundary'), 'boundary')
      t.deepEqual(
        again.map((each) => ({ headers: each.headers, body: Buffer.from(each.body) })),
        parts
      )
    }),
    { numRuns: 300 }
  )
  t.throws(() => joinMultipart([{ headers: [], body: Buffer.from('x--b') }], 'b'), { instanceOf: RangeError })
  t.throws(() => joinMultipart([], 'b '), { instanceOf: RangeError })
})
