import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { silentLog, type WitnessEvent } from '#kernel'
import { appendItem, openLedger } from '../ledger.ts'
import { alertsOf, budgetChanged, isLimit, judgeBudget, knownAlerts, readBudgets, watchBudgets } from './budget.ts'
import { formatDecimal, parseDecimal } from './decimal.ts'
import { defaultRates } from './rates.ts'
import { periods, spanAt } from './span.ts'

test('spans follow one another without gap, and weeks are those of ISO 8601', (t) => {
  for (const [day, week] of [
    ['2026-11-21', '2026-W47'],
    ['2027-01-01', '2026-W53'],
    ['2024-12-30', '2025-W01'],
    ['2021-01-03', '2020-W53'],
    ['2026-01-01', '2026-W01']
  ] as const) {
    t.is(spanAt('week', Date.parse(day)).name, week)
    t.is(spanAt('day', Date.parse(day) + 1).name, day)
    t.is(spanAt('month', Date.parse(day)).name, day.slice(0, 7))
  }
  fc.assert(
    fc.property(fc.constantFrom(...periods), fc.integer({ min: 0, max: Date.UTC(2200, 0) }), (period, at) => {
      const span = spanAt(period, at)
      const next = spanAt(period, span.until)
      return (
        span.from <= at &&
        at < span.until &&
        next.from === span.until &&
        next.name > span.name &&
        spanAt(period, span.from).name === span.name &&
        spanAt(period, span.until - 1).name === span.name
      )
    })
  )
})

const budget = { period: 'day', limit: parseDecimal('0.3') } as const
const span = spanAt('day', Date.UTC(2026, 0, 1))
const judged = (spent: string, nowMs = span.until) => judgeBudget(budget, span, parseDecimal(spent), 0, nowMs)

test('levels are reached at exactly 50, 80 and 100 of a hundred', (t) => {
  for (const [spent, reached] of [
    ['0', []],
    ['0.149999999999999999', []],
    ['0.15', ['notice']],
    ['0.239999999999999999', ['notice']],
    ['0.24', ['notice', 'warning']],
    ['0.299999999999999999', ['notice', 'warning']],
    ['0.3', ['notice', 'warning', 'error']],
    ['900', ['notice', 'warning', 'error']]
  ] as const)
    t.deepEqual(judged(spent).reached, reached, spent)
})

test('what is left and what it will come to', (t) => {
  const state = judged('0.2', span.from + 6 * 3_600_000)
  t.is(formatDecimal(state.remaining), '0.1')
  t.is(formatDecimal(state.percent), '66.66')
  t.is(formatDecimal(state.forecast), '0.8')
  t.is(formatDecimal(judged('0.5').remaining), '-0.2')
  t.is(formatDecimal(judged('0.5', span.until + 1).forecast), '0.5')
})

test('amounts that a budget can have', (t) => {
  for (const good of ['500', '12.50', '0.000000000000000001']) t.true(isLimit(good), good)
  for (const bad of ['', '0', '0.00', '-1', '1e3', '1,5', '.5', '5.', 'NaN', '1'.repeat(19)]) t.false(isLimit(bad), bad)
})

test('an alert has one key for its level, span and limit', (t) => {
  const keys = (spent: string) => alertsOf(judged(spent), 'trace').map(({ key }) => key)
  t.deepEqual(keys('0.25'), ['budget-alert 2026-01-01 0.3 notice', 'budget-alert 2026-01-01 0.3 warning'])
  t.deepEqual(keys('0.25'), keys('0.26'))
})

test('a watch reads on where it was, and sees budgets change, and the next span begin', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'budget-'))
  const ledger = await openLedger({ dir, origin: 'test.example/log', log: silentLog })
  let count = 0
  const tell = (event: Partial<WitnessEvent>, at: string) =>
    ledger.append(
      [appendItem({ event: 'E', component: 'IF.a', traceId: 't', payload: {}, ...event }, Date.parse(at), `k${count++}`)],
      1
    )
  try {
    const watch = watchBudgets(ledger.reader, defaultRates)
    const spent = async (at: string) =>
      (await watch.states(Date.parse(at))).map((state) => [state.span.name, formatDecimal(state.spent), state.unpriced])
    t.deepEqual(await spent('2026-03-10'), [])
    await tell({ cost: '5' }, '2026-02-28T23:59:59.999Z')
    await tell({ cost: '0.1' }, '2026-03-01T00:00:00Z')
    await tell(budgetChanged('month', parseDecimal('500'), null, 't'), '2026-03-02')
    await tell({ event: 'budget_changed', component: 'IF.optimise', payload: { period: 'month', limit: 'all' } }, '2026-03-02')
    t.deepEqual(await spent('2026-03-10'), [['2026-03', '0.1', 0]])
    await tell({ cost: '0.2' }, '2026-03-10')
    await tell({ tokensIn: 5, model: 'unheard-of' }, '2026-03-10')
    await tell({ cost: '7' }, '2026-04-01T00:00:00Z')
    t.deepEqual(await spent('2026-03-10'), [['2026-03', '0.3', 1]])
    t.deepEqual(await spent('2026-03-10'), [['2026-03', '0.3', 1]])
    await tell(budgetChanged('day', parseDecimal('1'), null, 't'), '2026-03-10')
    t.deepEqual(await spent('2026-04-01T12:00:00Z'), [
      ['2026-04', '7', 0],
      ['2026-04-01', '7', 0]
    ])
    await tell(budgetChanged('month', null, parseDecimal('500'), 't'), '2026-04-01')
    t.deepEqual(
      (await readBudgets(ledger.reader)).map(({ period }) => period),
      ['day']
    )
    const [state] = await watch.states(Date.parse('2026-04-01T12:00:00Z'))
    t.is((await knownAlerts(ledger.reader, state!)).size, 0)
    for (const { event } of alertsOf(state!, 't')) await tell(event, '2026-04-01')
    t.deepEqual([...(await knownAlerts(ledger.reader, state!)).keys()], ['notice', 'warning', 'error'])
  } finally {
    await ledger.close()
    rmSync(dir, { recursive: true })
  }
})
