import test from 'ava'
import type { AppendItem } from '#ledger'
import { items, openTestLedger } from '../testing/fixtures.ts'
import { appendItem } from './append-item.ts'
import { appendRetold } from './retell.ts'

test('drafted anew and appended again it stands once, and only what was taken is told under another key', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 2), null)
  const drafted = (timeMs: number): AppendItem[] =>
    ['new', 'k0', 'k1', 'newer'].map((key, n) =>
      appendItem({ event: 'E', component: 'IF.test', traceId: `trace-${n}`, payload: { n } }, timeMs, key)
    )
  const taken: string[] = []
  for (const timeMs of [1000, 2000])
    await appendRetold(
      (some) => ledger.append(some, null),
      drafted(timeMs),
      (why) => taken.push(why),
      () => timeMs
    )
  const log = (await ledger.reader.query({ afterIndex: 1 })).map(({ entry: { event, trace_id, time } }) => [
    event,
    trace_id,
    time
  ])
  const at = '1970-01-01T00:00:01.000Z'
  t.deepEqual(log, [
    ['E', 'trace-0', at],
    ['E', 'trace-1', at],
    ['witness_key_taken', 'trace-1', at],
    ['E', 'trace-2', at],
    ['witness_key_taken', 'trace-2', at],
    ['E', 'trace-3', at]
  ])
  t.is(taken.length, 4)
})

test('what fails otherwise fails', async (t) => {
  const failure = new Error('shut')
  const failed = appendRetold(
    () => Promise.reject(failure),
    items(0, 1),
    () => t.fail(),
    Date.now
  )
  t.is(await t.throwsAsync(failed), failure)
})
