import test from 'ava'
import fc from 'fast-check'
import { formatDecimal } from '../../audit/decimal.ts'
import { defaultRates } from '../../audit/rates.ts'
import type { LedgerEntry } from '../../log/entry.ts'
import { momentOf } from './entries-view.ts'
import { ladderOf } from './ladder.ts'
import { parsePlace, placeText, viewNames } from './place.ts'
import { Records } from './records.ts'
import { tilePath } from './source.ts'

const make = (...entries: readonly Partial<LedgerEntry>[]): Records => {
  const records = new Records()
  for (const [index, members] of entries.entries()) {
    const entry: LedgerEntry = {
      v: 1,
      index,
      time: new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString(),
      event: 'INVITE',
      component: 'IF.proxy',
      trace_id: 't',
      payload: {},
      prev: '0'.repeat(64),
      ...members
    }
    records.append(JSON.stringify(entry), entry)
  }
  return records
}

test('conditions add up; words are found in any case and order, and as JSON writes them', (t) => {
  const records = make(
    { payload: { reason: 'Busy "here"', callId: 'A@x' } },
    { payload: { reason: 'here' }, event: 'REJECTED' },
    { payload: { reason: 'naïve (a+b)' }, component: 'IF.guard' },
    { payload: { callId: 'b@x' }, trace_id: 'u' }
  )
  const find = (filter: Parameters<Records['search']>[0]) => [...records.search(filter)]
  t.deepEqual(find({}), [0, 1, 2, 3])
  t.deepEqual(find({ text: 'HERE busy' }), [0])
  t.deepEqual(find({ text: '"here"' }), [0], 'the quotes around the text of the second are not part of it')
  t.deepEqual(find({ text: '\\' }), [], 'what JSON puts before a quote is not part of it either')
  t.deepEqual(find({ text: '(a+b)' }), [2])
  t.deepEqual(find({ text: 'NAÏVE' }), [2])
  t.deepEqual(find({ call: 'a@X' }), [0])
  t.deepEqual(find({ component: 'guard' }), [2])
  t.deepEqual(find({ event: 'rejected', component: 'proxy' }), [1])
  t.deepEqual(find({ since: Date.UTC(2026, 0, 1, 0, 1), until: Date.UTC(2026, 0, 1, 0, 3) }), [1, 2])
  t.deepEqual(find({ trace: 'nobody' }), [])
})

test('any text can be looked for, and what is there is found', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (reason) => {
      const records = make({ payload: { reason } })
      const words = reason.split(/\s+/).filter((word) => word !== '')
      for (const word of words) t.deepEqual([...records.search({ text: word })], [0], JSON.stringify(word))
    })
  )
})

test('a trace has what hangs under it, however deep, also in a ring', (t) => {
  const records = make(
    { trace_id: 'a' },
    { trace_id: 'b', parent_trace_id: 'a' },
    { trace_id: 'c', parent_trace_id: 'b' },
    { trace_id: 'x', parent_trace_id: 'y' },
    { trace_id: 'y', parent_trace_id: 'x' },
    { trace_id: 'other' }
  )
  t.deepEqual(records.positionsOfTrace('a'), [0, 1, 2])
  t.deepEqual(records.positionsOfTrace('b'), [1, 2])
  t.deepEqual(records.positionsOfTrace('x'), [3, 4])
  t.deepEqual(records.positionsOfTrace('none'), [])
  t.deepEqual([...records.search({ trace: 'a' })], [0, 1, 2])
  t.deepEqual([...records.search({ trace: 'oth' })], [5], 'how an id begins will do')
  t.is(records.parentOf('c'), 'b')
  t.is(records.parentOf('a'), null)
})

test('costs are exact, and a trace carries those under it', (t) => {
  const records = make(
    { trace_id: 'a', cost: '0.1' },
    { trace_id: 'b', parent_trace_id: 'a', cost: '0.2' },
    { trace_id: 'c', model: 'gpt-5', tokens_in: 1, tokens_out: 1, component: 'IF.chassis' },
    { trace_id: 'c', model: 'unknown', tokens_in: 1 },
    { trace_id: 'c', payload: { '"cost":': '99' } }
  )
  const sums = (by: 'component' | 'trace', trace: string | null = null) => {
    const { total, groups } = records.costs(defaultRates, by, trace)
    return [formatDecimal(total.cost), total.unpriced, groups.map(({ group, cost }) => [group, formatDecimal(cost)])]
  }
  t.deepEqual(sums('trace'), [
    '0.3002',
    1,
    [
      ['a', '0.3'],
      ['c', '0.0002']
    ]
  ])
  t.deepEqual(sums('component', 'a'), ['0.3', 0, [['IF.proxy', '0.3']]])
})

test('every event has a step, and names that objects are born with are no events', (t) => {
  const records = make(
    { event: 'sip_invite_received', component: 'IF.witness.sip' },
    { event: 'constructor', component: 'toString' },
    { event: '__proto__', component: 'IF.x', payload: { reason: { deep: [1] } } },
    { event: 'h323_setup_sent', component: 'IF.witness.h323' },
    { event: 'webrtc_error', component: 'IF.witness.webrtc', payload: { reason: 'gone' } },
    { event: 'SECURITY_REJECTED', payload: { layer: 'pike', status: 0, count: 7 } },
    { event: 'SECURITY_REJECTED', payload: { layer: 'policy', status: 403 } }
  )
  const { lanes, steps } = ladderOf(Array.from({ length: records.count }, (_, at) => records.entry(at)))
  t.deepEqual(
    steps.map(({ from, to, label, tone }) => [from, to, label, tone]),
    [
      ['expert', 'application', 'INVITE', 'plain'],
      ['other', null, 'constructor', 'plain'],
      ['other', null, '__proto__'.replaceAll('_', ' '), 'plain'],
      ['application', 'h323', 'setup', 'plain'],
      ['webrtc', null, 'error', 'bad'],
      ['edge', 'expert', 'refused for security', 'bad'],
      ['application', 'expert', 'refused for security 403', 'bad']
    ]
  )
  t.deepEqual(lanes, ['expert', 'edge', 'application', 'conference', 'h323', 'webrtc', 'other'])
  t.deepEqual(ladderOf([]), { lanes: [], steps: [], traces: [] })
})

test('a place is read back as it was written; what is none leads to the start', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...viewNames),
      fc.option(fc.nat()),
      fc.string({ minLength: 1, maxLength: 40 }),
      (view, entry, text) => {
        const place = { view, entry, params: { text } }
        t.deepEqual(parsePlace(placeText(place)), place)
      }
    )
  )
  t.deepEqual(parsePlace('#/nowhere?entry=-1'), { view: 'entries', entry: null, params: {} })
  t.is(parsePlace('').view, 'entries')
})

test('moments are UTC', (t) => {
  t.is(momentOf('2026-01-31'), Date.UTC(2026, 0, 31))
  t.is(momentOf('2026-01-31 12:30'), Date.UTC(2026, 0, 31, 12, 30))
  t.is(momentOf('2026-01-31T12:30:01.5Z'), Date.UTC(2026, 0, 31, 12, 30, 1, 500))
  for (const text of ['31.1.2026', '2026-13-01', '12:30', '']) t.is(momentOf(text), undefined, text)
})

test('tiles have the paths of C2SP tlog-tiles', (t) => {
  t.is(tilePath(0, 256), '000')
  t.is(tilePath(1_234_067, 256), 'x001/x234/067')
  t.is(tilePath(5, 8), '005.p/8')
})
