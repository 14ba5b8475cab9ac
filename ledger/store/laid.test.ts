import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { newTraceId } from '#kernel'
import { draftEntry, finishDraft, noPrevious } from '../log/entry.ts'
import { leafHash } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import { scratch } from '../testing/fixtures.ts'
import { contractSigner } from './contract.ts'
import { numberedKey, numberedKeys } from './keys.ts'
import { type LaidItem, layOut } from './laid.ts'
import { readPlaces } from './places.ts'
import { openSequencer } from './sequencer.ts'
import { openSqliteStore } from './sqlite-store.ts'

const words = ['plain', 'Grüße', '会議', '🦊', '']
const itemNumber = (number: number) => ({
  draft: draftEntry(
    {
      event: 'INVITE',
      component: number % 3 === 0 ? 'IF.proxy' : 'IF.bridge',
      traceId: newTraceId(),
      payload: { number, word: words[number % words.length]! }
    },
    1_767_225_600_000 + number
  ),
  key: `p:${number}`
})

test('entries stand as their drafts say, however they came', async (t) => {
  const store = openSqliteStore(join(scratch(t), 'ledger.db'))
  t.teardown(() => store.close())
  const sequencer = await openSequencer(store, contractSigner)
  const all = Array.from({ length: 120 }, (_, number) => itemNumber(number))
  const told: LaidItem[][] = []
  // groups over one digit more, of several texts
  for (const [from, to, cut] of [
    [0, 7, 3],
    [7, 14, 2],
    [14, 60, 20],
    [60, 95, 5],
    [95, 105, 9],
    [105, 120, 1]
  ] as const) {
    told.push([...layOut(all.slice(from, from + cut)), ...layOut(all.slice(from + cut, to))])
  }
  const places = (await Promise.all(told.map((group) => sequencer.appendLaid(group)))).flatMap((flat) =>
    readPlaces(flat, 0, flat.indexes.length)
  )
  let prev = noPrevious
  let index = 0
  for await (const { data } of store.segments(0, all.length)) {
    for (const entry of entriesOf(data)) {
      t.is(Buffer.from(entry).toString(), finishDraft(all[index]!.draft, index, prev))
      prev = leafHash(entry).toString('hex')
      t.deepEqual(places[index], { index, hash: prev })
      index++
    }
  }
  t.is(index, all.length)
})

test('a row of keys is read as each of them by itself', (t) => {
  const producer = fc.constantFrom('p', 'p-1', 'p:', 'ü', '')
  const number = fc.constantFrom('0', '1', '01', '12', '999999999999999', '1000000000000000', '', 'x', '1:2', '-1')
  fc.assert(
    fc.property(fc.array(fc.tuple(producer, number)), (parts) => {
      const keys = parts.map(([name, text]) => `${name}:${text}`)
      t.deepEqual(numberedKeys(keys), keys.map(numberedKey))
    })
  )
})
