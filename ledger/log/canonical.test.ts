import test from 'ava'
import fc from 'fast-check'
import type { Json } from '#kernel'
import { canonicalize } from './canonical.ts'

// RFC 8785 §3.2.2 and §3.2.3.
test('RFC 8785: the example of primitive values', (t) => {
  const input = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
  )
  t.is(
    canonicalize(input),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
  )
})

test('RFC 8785: keys are ordered by UTF-16 code units', (t) => {
  const input = {
    '€': 'Euro Sign',
    '\r': 'Carriage Return',
    \ufb33: 'Hebrew',
    '1': 'One',
    '😀': 'Emoji',
    '\u0080': 'Control',
    ö: 'o'
  }
  t.is(
    canonicalize(input),
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"o","€":"Euro Sign","😀":"Emoji","\ufb33":"Hebrew"}'
  )
})

test('minus zero is zero', (t) => t.is(canonicalize([-0]), '[0]'))

for (const [what, value] of [
  ['NaN', Number.NaN],
  ['infinity', { a: [Number.POSITIVE_INFINITY] }],
  ['an unpaired surrogate', { a: '\ud800' }],
  ['an unpaired surrogate in a key', { '\udc00': 1 }],
  ['undefined', { a: undefined }],
  ['a bigint', { a: 1n }],
  ['a date', { a: new Date(0) }]
] as const) {
  test(`${what} is refused`, (t) => {
    t.throws(() => canonicalize(value as unknown as Json), { code: 'ledger.entry.invalid' })
  })
}

test('depth is limited', (t) => {
  let deep: Json = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  t.throws(() => canonicalize(deep), { code: 'ledger.entry.invalid', message: /nested deeper/ })
})

test('canonical text says the same as its source, whatever the order of keys', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false } as object), (value) => {
      const once = canonicalize(value as Json)
      t.is(canonicalize(JSON.parse(once)), once)
      t.deepEqual(JSON.parse(once), JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 200 }
  )
})
