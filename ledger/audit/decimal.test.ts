import test from 'ava'
import fc from 'fast-check'
import { add, compare, type Decimal, decimalOf, formatDecimal, formatRounded, multiply, parseDecimal, zero } from './decimal.ts'

const decimals: fc.Arbitrary<Decimal> = fc
  .tuple(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), fc.integer({ min: 0, max: 18 }))
  .map(([units, scale]) => decimalOf(units, scale))

test('what is written is read again as the same number', (t) => {
  fc.assert(
    fc.property(decimals, (a) => {
      t.deepEqual(parseDecimal(formatDecimal(a)), a)
    })
  )
  for (const text of ['0', '0.09095', '12', '-3.5', '500', '0.000000000000000001']) t.is(formatDecimal(parseDecimal(text)), text)
  t.is(formatDecimal(parseDecimal('1.500')), '1.5')
  t.is(formatDecimal(parseDecimal('-0.0')), '0')
})

test('sums and products are exact', (t) => {
  t.is(formatDecimal(add(parseDecimal('0.1'), parseDecimal('0.2'))), '0.3')
  t.is(formatDecimal(multiply(parseDecimal('0.25'), parseDecimal('0.000001'))), '0.00000025')
  const sum = Array.from({ length: 1000 }).reduce<Decimal>((total) => add(total, parseDecimal('0.001')), zero)
  t.is(formatDecimal(sum), '1')
  fc.assert(
    fc.property(decimals, decimals, decimals, (a, b, c) => {
      t.deepEqual(add(a, b), add(b, a))
      t.deepEqual(add(add(a, b), c), add(a, add(b, c)))
      t.deepEqual(multiply(a, add(b, c)), add(multiply(a, b), multiply(a, c)))
    })
  )
})

test('the order is that of the numbers', (t) => {
  t.is(compare(parseDecimal('0.5'), parseDecimal('0.49999')), 1)
  t.is(compare(parseDecimal('-1'), parseDecimal('1')), -1)
  t.is(compare(parseDecimal('1.0'), parseDecimal('1')), 0)
  fc.assert(
    fc.property(decimals, decimals, (a, b) => {
      t.is(Math.abs(compare(a, b) + compare(b, a)), 0)
    })
  )
})

test('display rounds a half to the even neighbour', (t) => {
  const shown = (text: string, places: number) => formatRounded(parseDecimal(text), places)
  t.is(shown('0.125', 2), '0.12')
  t.is(shown('0.135', 2), '0.14')
  t.is(shown('0.1251', 2), '0.13')
  t.is(shown('-0.125', 2), '-0.12')
  t.is(shown('-0.004', 2), '0.00')
  t.is(shown('2.5', 0), '2')
  t.is(shown('3.5', 0), '4')
  t.is(shown('7', 2), '7.00')
  t.is(shown('0.995', 2), '1.00')
})

test('what is no decimal is refused', (t) => {
  for (const text of ['', ' 1', '1e3', '.5', '5.', '+1', '1,5', '0x1', 'NaN', '1'.repeat(41), '１'])
    t.throws(() => parseDecimal(text), { code: 'ledger.decimal.malformed' }, JSON.stringify(text))
  t.throws(() => decimalOf(0.5), { instanceOf: RangeError })
})
