import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { ledgerFiles } from '#ledger'
import { eventNumber, openTestLedger, scratch, verify } from '../testing/fixtures.ts'
import { appendItem } from './append-item.ts'
import { eraseEntry } from './erase.ts'

const secret = 'the caller said his name was Aloysius'

test('erasing tells of itself, under the trace of the entry', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append([appendItem(eventNumber(0, { traceId: 'trace-1', erasable: { said: secret } }), 0, 'a')], 1)
  const { place, remains } = await eraseEntry({ ...ledger, dirs: [ledger.dir] }, 0, 'asked for')
  t.is(place.index, 1)
  t.deepEqual(remains, [])
  const [erased, told] = await ledger.reader.query({ trace: 'trace-1' })
  t.deepEqual(erased?.erasable, { state: 'erased' })
  t.like(told?.entry, { event: 'payload_erased', payload: { entry: 0, reason: 'asked for' } })
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('a file that still holds the payload is named: a journal that is read, a spool under way', async (t) => {
  const ledger = await openTestLedger(t)
  const spool = scratch(t)
  const item = appendItem(eventNumber(0, { erasable: { said: secret } }), 0, 'a')
  await ledger.append([item], 1)
  const underWay = join(spool, 'a.spool')
  writeFileSync(underWay, `0123456789abcdef ${JSON.stringify(item)}\n`)
  const reading = new DatabaseSync(ledgerFiles(ledger.dir).database, { readOnly: true })
  t.teardown(() => {
    if (reading.isOpen) reading.close()
  })
  reading.exec('BEGIN; SELECT count(*) FROM segment')
  const config = { ...ledger, dirs: [ledger.dir, spool] }
  const first = await eraseEntry(config, 0, 'asked for')
  t.deepEqual([...first.remains].sort(), [`${ledgerFiles(ledger.dir).database}-wal`, underWay].sort())
  reading.close()
  writeFileSync(underWay, '')
  t.deepEqual((await eraseEntry(config, 0, 'asked for')).remains, [])
  t.false(readFileSync(`${ledgerFiles(ledger.dir).database}-wal`).includes('Aloysius'))
})

test('a spool that was put aside loses the line, and no other', async (t) => {
  const ledger = await openTestLedger(t)
  const spool = scratch(t)
  const list = [0, 1, 2].map((at) => appendItem(eventNumber(at, { erasable: { said: `${secret} ${at}` } }), at, `k${at}`))
  await ledger.append(list, 1)
  const aside = join(spool, 'a.spool.spoiled')
  const lines = list.map((item) => `0123456789abcdef ${JSON.stringify(item)}`)
  writeFileSync(aside, `spoiled\n${lines.join('\n')}\n`)
  t.deepEqual((await eraseEntry({ ...ledger, dirs: [ledger.dir, spool] }, 1, 'asked for')).remains, [])
  t.is(readFileSync(aside, 'utf8'), `spoiled\n${lines[0]}\n${'#'.repeat(lines[1]!.length)}\n${lines[2]}\n`)
})

test('what cannot be erased is told', async (t) => {
  const ledger = await openTestLedger(t)
  const config = { ...ledger, dirs: [] }
  await ledger.append([appendItem(eventNumber(0), 0, 'a')], 1)
  await t.throwsAsync(eraseEntry(config, 0, 'x'), { code: 'ledger.erase.not-erasable' })
  await t.throwsAsync(eraseEntry(config, 7, 'x'), { code: 'ledger.erase.absent' })
})
