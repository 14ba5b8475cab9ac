import test from 'ava'
import { figure, jsonLines, metricTable, quantile, summarise, summaryHead, summaryRow, table } from './report.ts'

test('a quantile is a value that was measured', (t) => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n)
  t.is(quantile(values, 0.5), 50)
  t.is(quantile(values, 0.99), 99)
  t.is(quantile(values, 1), 100)
  t.is(quantile(values, 0), 1)
  t.is(quantile([7], 0.99), 7)
  t.is(quantile([1, 2, 3], 0.5), 2)
  t.is(values[0], 100, 'the values stay in their order')
})

test('nothing measured is not zero', (t) => {
  const none = summarise([])
  t.is(none.count, 0)
  t.true(Number.isNaN(none.p50) && Number.isNaN(none.max))
  t.deepEqual(summaryRow('none', none), ['none', '0', '–', '–', '–', '–'])
  t.is(jsonLines([{ metric: 'a', value: Number.NaN, unit: 'ms', note: '' }]), '{"metric":"a","value":null,"unit":"ms","note":""}')
})

test('a summary has its figures in the order of its head', (t) => {
  const row = summaryRow('INVITE', summarise([1, 2, 3, 40.125]))
  t.is(row.length, summaryHead.length)
  t.deepEqual(row, ['INVITE', '4', '2.00', '40.13', '40.13', '40.13'])
  t.is(figure(0), '0.00')
})

test('numbers stand to the right, text to the left', (t) => {
  t.is(
    table([
      ['', 'p50'],
      ['short', '1.00'],
      ['a longer name', '123.00']
    ]),
    ['               p50', 'short            1.00', 'a longer name  123.00'].join('\n')
  )
})

test('metrics are one JSON object a line', (t) => {
  const metrics = [
    { metric: 'call.setup_p50_ms', value: 9.87654, unit: 'ms', note: 'with "quotes"' },
    { metric: 'call.setup_p99_ms', value: 31, unit: 'ms', note: 'two' }
  ]
  t.deepEqual(
    jsonLines(metrics)
      .split('\n')
      .map((line) => JSON.parse(line)),
    [{ ...metrics[0], value: 9.877 }, metrics[1]]
  )
  t.is(metricTable(metrics).split('\n').length, 3)
  t.regex(metricTable(metrics), /call\.setup_p50_ms +9\.88 +ms +with "quotes"/)
})
