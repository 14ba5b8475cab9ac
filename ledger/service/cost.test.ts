import test from 'ava'
import { appendItem } from '../ledger.ts'
import { openTestLedger } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'

test('/v1/cost sums up what meets the conditions, exactly, by what is asked for', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  const told = [
    { cost: '0.1' },
    { cost: '0.2', component: 'IF.b', traceId: 'child', parentTraceId: 'top' },
    { traceId: 'other', tokensIn: 1_000_000, model: 'claude-haiku-4.5' },
    { traceId: 'other', tokensIn: 7, model: 'unheard-of' },
    { cost: '5', event: 'late' }
  ]
  const at = (number: number) => Date.UTC(2026, 0, 1 + number)
  await ledger.append(
    told.map((more, number) =>
      appendItem({ event: 'E', component: 'IF.a', traceId: 'top', payload: {}, ...more }, at(number), `k${number}`)
    ),
    1
  )
  const cost = async (query: string) => (await (await ask(`/v1/cost${query}`)).json()) as Record<string, unknown>
  const none = { tokens_in: '0', tokens_out: '0', unpriced: 0 }
  t.deepEqual(await cost('?trace=top&event=E'), {
    group_by: 'component',
    groups: [
      { group: 'IF.b', entries: 1, ...none, cost: '0.2' },
      { group: 'IF.a', entries: 1, ...none, cost: '0.1' }
    ],
    others: 0,
    total: { entries: 2, ...none, cost: '0.3' }
  })
  const totalOf = async (query: string) => ((await cost(query)).total as { cost: string; unpriced: number }).cost
  t.is(await totalOf(''), '5.55')
  t.is(await totalOf('?component=IF.b'), '0.2')
  t.is(await totalOf('?since=2026-01-02T00:00:00Z&until=2026-01-05T00:00:00Z'), '0.45')
  t.is(await totalOf('?since=2026-01-05T00:00:00Z'), '5')
  t.is(await totalOf('?since=2027-01-01T00:00:00Z'), '0')
  t.deepEqual(
    ((await cost('?groupBy=trace')).groups as { group: string; cost: string; unpriced: number }[]).map(
      ({ group, cost, unpriced }) => [group, cost, unpriced]
    ),
    [
      ['top', '5.3', 0],
      ['other', '0.25', 1]
    ]
  )
  t.is((await ask('/v1/cost?groupBy=moon')).status, 400)
  t.is((await ask('/v1/cost', 'producer')).status, 403)
})
