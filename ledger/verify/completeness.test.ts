import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { scratch } from '../testing/fixtures.ts'
import { readAccounting } from './accounting.ts'
import { type CallEntry, readCallEntry } from './call-entries.ts'
import { judgeCompleteness } from './completeness.ts'

const call = (callId: string, events: readonly string[], fromTag: string | null = null): CallEntry[] =>
  events.map((event, seq) => ({
    index: seq,
    traceId: `t-${callId}-${fromTag}`,
    callId,
    fromTag: event === 'sip_invite_received' ? fromTag : null,
    event,
    seq,
    entries: seq === events.length - 1 ? events.length : null
  }))
const whole = (callId: string, fromTag: string | null = null) =>
  call(callId, ['sip_invite_received', 'INVITE', 'CONNECTED', 'TERMINATED'], fromTag)
const accounting = (taken: readonly string[], refused: readonly string[] = []) => ({
  taken: new Set(taken),
  refused: new Set(refused),
  spoiled: 0
})

test('calls with every entry, and an accounting that says the same, are complete', (t) => {
  t.deepEqual(judgeCompleteness([...whole('a'), ...whole('b')], accounting(['a', 'b'])), {
    calls: 2,
    open: 0,
    gaps: [],
    doubled: [],
    missingCalls: [],
    missingRefusals: [],
    unknownToEdge: 0
  })
})

for (const missing of [0, 1, 2, 3]) {
  test(`entry ${missing} of a call left out`, (t) => {
    const entries = whole('a').toSpliced(missing, 1)
    const { gaps, open } = judgeCompleteness(entries, null)
    // the last entry alone says how many there are: without it the call looks as if it went on
    t.deepEqual(gaps, missing === 3 ? [] : [{ callId: 'a', traceId: 't-a-null', missing: [missing] }])
    t.is(open, missing === 3 ? 1 : 0)
  })
}

test('a call and a refusal that the edge knows and the ledger does not', (t) => {
  const { missingCalls, missingRefusals } = judgeCompleteness(whole('a'), accounting(['a', 'hidden'], ['refused']))
  t.deepEqual([missingCalls, missingRefusals], [['hidden'], ['refused']])
})

test('a call that the edge does not know is said, and is no gap', (t) => {
  t.like(judgeCompleteness(whole('a'), accounting([])), { unknownToEdge: 1, missingCalls: [], gaps: [] })
})

test('a Call-ID that a caller uses again, with another tag, hides no call that is missing', (t) => {
  const { missingCalls, missingRefusals, unknownToEdge } = judgeCompleteness(
    [...whole('a', '1'), ...whole('b'), ...whole('c', '4')],
    accounting(['a;from-tag=1', 'a;from-tag=2', 'b;from-tag=3', 'c'], ['a;from-tag=1', 'a;from-tag=5', ';from-tag=6'])
  )
  t.deepEqual(missingCalls, ['a;from-tag=2'], 'a log or an accounting that says no tag is held to the Call-ID')
  t.deepEqual(missingRefusals, ['a;from-tag=5'])
  t.is(unknownToEdge, 0)
  t.like(judgeCompleteness([...whole('a', '1'), ...whole('b')], accounting(['a;from-tag=2'])), { unknownToEdge: 2 })
})

test('a number far off is a gap, told in finite time', (t) => {
  const [first] = whole('a')
  const { gaps } = judgeCompleteness([first!, { ...first!, seq: Number.MAX_SAFE_INTEGER - 1 }], null)
  t.is(gaps[0]!.missing.length, 100)
})

test('the accounting: a call that no server took is none, spoiled lines are counted, a torn one is not', async (t) => {
  const path = join(scratch(t), 'accounting.jsonl')
  const line = (callId: string, outcome: string, fromTag?: string) =>
    `${JSON.stringify({ time: 1, callId, ...(fromTag === undefined ? {} : { fromTag }), outcome })}\n`
  writeFileSync(
    path,
    `${line('a', 'relayed')}${line('a', 'relayed', '1')}${line('a', 'relayed', '2')}${line('a', 'unanswered', '2')}${line('f', 'relayed', '')}${line('b', 'relayed')}${line('b', 'unanswered')}${line('c', 'refused')}no JSON\n${line('d', 'other')}${line('e', 'relayed').slice(0, 20)}`
  )
  const { taken, refused, spoiled } = await readAccounting(path)
  t.deepEqual([[...taken], [...refused], spoiled], [['a', 'a;from-tag=1', 'f'], ['c'], 2])
  await t.throwsAsync(readAccounting(`${path}.none`), { code: 'ledger.accounting.unreadable' })
})

test('two entries of one number in a call are said, and lack nothing', (t) => {
  const [first, ...rest] = whole('a')
  t.like(judgeCompleteness([first!, first!, ...rest, ...whole('b')], null), {
    gaps: [],
    doubled: [{ callId: 'a', traceId: 't-a-null', number: 0 }]
  })
})

test('entries of no call are passed over', (t) => {
  t.is(readCallEntry({ index: 0, text: '{"event":"e","payload":{"a":{"callId":"x"}},"trace_id":"t"}' }), null)
  t.is(readCallEntry({ index: 0, text: '{"event":"e","payload":{},"trace_id":"t"}' }), null)
})
