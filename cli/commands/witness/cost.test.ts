import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { silentLog, type WitnessEvent } from '#kernel'
import { draftEntry, openLedger } from '#ledger'
import { ifctl, withFolder } from '../../testing/run.ts'

async function fill(data: string, events: readonly Partial<WitnessEvent>[]): Promise<void> {
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin: 'test.example/witness', log: silentLog })
  const items = events.map((event, at) => ({
    draft: draftEntry({ event: 'E', component: 'IF.a', traceId: 'top', payload: {}, ...event }, Date.UTC(2026, 0, 1) + at),
    key: `k${at}`
  }))
  await ledger.append(items, 1)
  await ledger.close()
}

test('cost and report sum up exactly, with child traces, as JSON and for people', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [
      { cost: '0.1' },
      { traceId: 'child', parentTraceId: 'top', cost: '0.2', component: 'IF.b' },
      { traceId: 'other', tokensIn: 1_000_000, model: 'claude-haiku-4.5' }
    ])
    const ask = async (...words: string[]) => JSON.parse((await ifctl([...words, '--data', data, '--json'])).stdout)
    const [cost, part, byTrace, people, wrong, absent] = await Promise.all([
      ask('witness', 'cost', '--trace', 'top', '--group-by', 'component'),
      ask('optimise', 'report', '--component', 'IF.b'),
      ask('optimise', 'report', '--group-by', 'trace'),
      ifctl(['witness', 'cost', '--data', data]),
      ifctl(['witness', 'cost', '--data', data, '--group-by', 'moon']),
      ifctl(['optimise', 'report', '--data', data, '--trace-id', 'nowhere'])
    ])
    t.deepEqual(cost, {
      group_by: 'component',
      groups: [
        { component: 'IF.b', entries: 1, tokens_in: '0', tokens_out: '0', cost: '0.2', unpriced: 0 },
        { component: 'IF.a', entries: 1, tokens_in: '0', tokens_out: '0', cost: '0.1', unpriced: 0 }
      ],
      total: { entries: 2, tokens_in: '0', tokens_out: '0', cost: '0.3', unpriced: 0 }
    })
    t.is(part.total.cost, '0.2')
    t.deepEqual(
      byTrace.groups.map(({ trace, cost: spent }: { trace: string; cost: string }) => [trace, spent]),
      [
        ['top', '0.3'],
        ['other', '0.25']
      ]
    )
    t.regex(people.stdout, /^total +3 +1000000 +0 +0\.550000$/m)
    t.is(people.stderr, '')
    t.is(wrong.code, 2)
    t.is(absent.code, 1)
    t.regex(absent.stderr, /cli\.not-found/)
  })
})

test('rates are those of the suite, or of the file in the data folder', async (t) => {
  await withFolder(async (data) => {
    const rates = async () => ifctl(['optimise', 'rates', '--data', data, '--json'])
    const usual = (await rates()).stdout.trim().split('\n')
    t.is(usual.length, 4)
    t.deepEqual(JSON.parse(usual[0]!), { model: 'claude-haiku-4.5', in: '0.25', out: '1.25', from: null })
    await writeFile(join(data, 'rates.yaml'), 'rates: [{ model: gpt-5, in: 40.10, out: 120, from: 2026-07-01 }]')
    t.regex((await rates()).stdout, /"model":"gpt-5","in":"40\.1","out":"120","from":"2026-07-01T00:00:00\.000Z"/)
    await writeFile(join(data, 'rates.yaml'), 'rates: [{ model: gpt-5, in: much }]')
    const spoiled = await rates()
    t.is(spoiled.code, 1)
    t.is(JSON.parse(spoiled.stderr).error.problems.length, 2)
  })
})
