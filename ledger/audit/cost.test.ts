import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { silentLog, type WitnessEvent } from '#kernel'
import { ledgerFiles, openLedger, openLedgerReader } from '../ledger.ts'
import { draftEntry, type LedgerEntry } from '../log/entry.ts'
import { h323MonthlyCost, h323SessionCost, reportCost } from './cost.ts'
import { decimalOf, formatDecimal, parseDecimal } from './decimal.ts'
import { defaultRates, parseRates, rateAt } from './rates.ts'
import { createCostTally, entryCost, type Grouping } from './tally.ts'

const entry = (members: Partial<LedgerEntry>): LedgerEntry => ({
  v: 1,
  index: 0,
  time: '2026-06-30T12:00:00.000Z',
  event: 'E',
  component: 'C',
  trace_id: 't',
  payload: {},
  prev: '0'.repeat(64),
  ...members
})
const costOf = (members: Partial<LedgerEntry>, rates = defaultRates) => {
  const cost = entryCost(entry(members), rates)
  return cost == null ? cost : formatDecimal(cost)
}

test('an H.323 session of 2 Mbit/s and 45 minutes costs 0.09095', (t) => {
  t.is(formatDecimal(h323SessionCost(decimalOf(2), decimalOf(45))), '0.09095')
  t.is(formatDecimal(h323SessionCost(parseDecimal('0'), parseDecimal('0'))), '0.0005')
})

test('a month of H.323 is made of calls of 30 minutes', (t) => {
  const oneCall = h323SessionCost(decimalOf(2), decimalOf(30))
  t.is(formatDecimal(oneCall), '0.0608')
  t.is(formatDecimal(h323MonthlyCost(decimalOf(2), 60, 30)), '3.648')
  t.is(formatDecimal(h323MonthlyCost(decimalOf(2), 31, 1)), '0.06331')
  t.is(formatDecimal(h323MonthlyCost(decimalOf(2), 0)), '0')
})

test('the cost told counts, else that of the tokens', (t) => {
  t.is(costOf({ cost: '0.09095', tokens_in: 1_000_000, model: 'gpt-5' }), '0.09095')
  const million = { tokens_in: 1_000_000, tokens_out: 1_000_000 }
  t.is(costOf({ ...million, model: 'claude-haiku-4.5' }), '1.5')
  t.is(costOf({ ...million, model: 'claude-sonnet-4.5' }), '18')
  t.is(costOf({ ...million, model: 'gpt-5' }), '200')
  t.is(costOf({ ...million, model: 'gemini-2.5-pro' }), '6')
  t.is(costOf({ tokens_in: 1, model: 'claude-haiku-4.5' }), '0.00000025')
  t.is(costOf({ tokens_in: 1, model: 'unknown' }), null)
  t.is(costOf({ tokens_in: 1 }), null)
  t.is(costOf({}), undefined)
})

test('a rate holds from its moment on', async (t) => {
  const rates = await parseRates(`rates:
  - { model: gpt-5, in: 0.10, out: 1 }
  - { model: gpt-5, in: 0.30, out: 2, from: 2026-07-01 }
  - { model: new, in: 1, out: 1, from: 2026-07-01T10:00Z }`)
  const tokens = { tokens_in: 1_000_000, model: 'gpt-5' }
  t.is(costOf({ ...tokens, time: '2026-06-30T23:59:59.999Z' }, rates), '0.1')
  t.is(costOf({ ...tokens, time: '2026-07-01T00:00:00.000Z' }, rates), '0.3')
  t.is(rateAt(rates, 'new', Date.UTC(2026, 6, 1, 9)), undefined)
  t.truthy(rateAt(rates, 'claude-haiku-4.5', 0))
})

test('a rates file tells every problem at once', async (t) => {
  const text = `rates:
  - { model: a, in: -1, out: 1e3 }
  - { model: b, in: 1, out: 1, from: soon }
  - { model: c, in: 1, out: 1, per: hour }
  - 7
  - { model: d, in: 1, out: 1 }
  - { model: d, in: 2, out: 1 }
more: 1`
  const error = (await t.throwsAsync(parseRates(text), { code: 'config.invalid' })) as Error & { problems: string[] }
  t.deepEqual(
    error.problems.map((problem) => problem.split(':')[0]),
    ['more', 'rates[0].in', 'rates[0].out', 'rates[1].from', 'rates[2].per', 'rates[3]', 'rates']
  )
  await t.throwsAsync(parseRates('rates: ['), { code: 'ledger.rates.malformed' })
  await t.throwsAsync(parseRates('[]'), { code: 'config.invalid' })
})

const tallied = (grouping: Grouping, entries: readonly LedgerEntry[]) => {
  const tally = createCostTally(defaultRates, grouping)
  for (const each of entries) tally.take(each)
  const { total, groups } = tally.report()
  return [formatDecimal(total.cost), ...groups.map(({ group, cost }) => `${group}=${formatDecimal(cost)}`)]
}

test('sums are made by component, model, day and trace; the trace above holds those under it', (t) => {
  const entries = [
    entry({ cost: '0.1', component: 'A', trace_id: 'root' }),
    entry({ cost: '0.2', component: 'B', trace_id: 'leaf', parent_trace_id: 'middle', model: 'm' }),
    entry({ component: 'B', trace_id: 'middle', parent_trace_id: 'root' }),
    entry({ cost: '1', component: 'A', trace_id: 'other', time: '2026-07-01T00:00:00.000Z' })
  ]
  t.deepEqual(tallied('component', entries), ['1.3', 'A=1.1', 'B=0.2'])
  t.deepEqual(tallied('model', entries), ['1.3', '=1.1', 'm=0.2'])
  t.deepEqual(tallied('day', entries), ['1.3', '2026-06-30=0.3', '2026-07-01=1'])
  t.deepEqual(tallied('trace', entries), ['1.3', 'other=1', 'root=0.3'])
})

test('traces that hang under each other in a ring end in one group', (t) => {
  const entries = [
    entry({ cost: '1', trace_id: 'b', parent_trace_id: 'a' }),
    entry({ cost: '2', trace_id: 'a', parent_trace_id: 'b' }),
    entry({ cost: '4', trace_id: 'c', parent_trace_id: 'b' })
  ]
  t.deepEqual(tallied('trace', entries), ['7', 'a=7'])
})

test('the whole log and one trace with its children are reported', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cost-'))
  try {
    const ledger = await openLedger({ dir, origin: 'test.example/witness', log: silentLog })
    const told: Partial<WitnessEvent>[] = [
      { cost: '0.1' },
      { traceId: 'child', parentTraceId: 'top', cost: '0.2', component: 'IF.b' },
      { payload: { cost: 'not of the entry' } },
      { traceId: 'else', tokensIn: 1000, tokensOut: 10, model: 'claude-haiku-4.5' },
      { traceId: 'else', tokensIn: 7, model: 'unknown' }
    ]
    const items = told.map((event, at) => ({
      draft: draftEntry({ event: 'E', component: 'IF.a', traceId: 'top', payload: {}, ...event }, at),
      key: `k${at}`
    }))
    await ledger.append(items, 1)
    await ledger.close()
    const reader = openLedgerReader(ledgerFiles(dir).database)
    try {
      const seen: string[] = []
      const whole = await reportCost(reader, { grouping: 'trace', rates: defaultRates }, (read, of) => seen.push(`${read}/${of}`))
      t.is(formatDecimal(whole.total.cost), '0.3002625')
      t.is(whole.total.entries, 4)
      t.is(whole.total.unpriced, 1)
      t.is(whole.total.tokensIn, 1007n)
      t.deepEqual(
        whole.groups.map(({ group }) => group),
        ['top', 'else']
      )
      t.is(seen.at(-1), '5/5')
      const one = await reportCost(reader, { grouping: 'component', rates: defaultRates, trace: 'top' })
      t.deepEqual(
        one.groups.map(({ group, cost }) => [group, formatDecimal(cost)]),
        [
          ['IF.b', '0.2'],
          ['IF.a', '0.1']
        ]
      )
      const part = await reportCost(reader, { grouping: 'component', rates: defaultRates, component: 'IF.b' })
      t.is(formatDecimal(part.total.cost), '0.2')
      const stopped = reportCost(reader, { grouping: 'day', rates: defaultRates }, undefined, AbortSignal.abort())
      await t.throwsAsync(stopped, { code: 'ledger.cost.aborted' })
    } finally {
      await reader.close()
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
