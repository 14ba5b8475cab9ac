/** By no way that a producer has can it tell what only the ledger tells of itself. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog, systemClock } from '#kernel'
import { createBatchRecorder, draftEntry, type Ledger } from '#ledger'
import { draftOwnEntry } from '../log/entry.ts'
import { eventNumber, openTestLedger, openTestWitness, scratch, verify } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'
import { appendItem } from './append-item.ts'
import { connectLedger } from './remote.ts'

const event = { event: 'key_rotated', component: 'IF.witness.ledger', traceId: 'a', payload: { vkey: 'x' } }
const forged = { draft: draftOwnEntry({ event: 'key_rotated', payload: { vkey: 'x' } }, 0), key: 'forged' }
const code = 'ledger.entry.reserved'

const components = async (t: ExecutionContext, ledger: Ledger & { readonly dir: string }) => {
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
  return (await ledger.reader.query({})).map(({ entry }) => `${entry.component} ${entry.event}`)
}

test('an event of the ledger is no event of a producer', async (t) => {
  for (const component of ['IF.witness.ledger', 'if.witness.LEDGER', 'IF.witness.ledger.keys', 'IF.witness.ledger_'])
    t.throws(() => draftEntry({ ...event, component }, 0), { code }, component)
  t.notThrows(() => draftEntry({ ...event, component: 'IF.witness.ledgers' }, 0))
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  await t.throwsAsync(witness.record(event), { code })
  t.is(witness.state(), 'direct')
  t.is((await witness.record(eventNumber(1))).state, 'committed')
  t.deepEqual(await components(t, ledger), ['IF.test test_event'])
})

test('a draft made by hand is refused by the writer, and holds nobody else up', async (t) => {
  const ledger = await openTestLedger(t)
  const good = appendItem(eventNumber(1), 0, 'good')
  const [first, second, third] = await Promise.allSettled([
    ledger.append([good], 1),
    ledger.append([appendItem(eventNumber(2), 0, 'with it'), forged], null),
    ledger.append([{ ...appendItem(eventNumber(3), 0, 'third'), erases: 0 } as typeof good], null)
  ])
  t.is(first.status, 'fulfilled')
  t.like(second, { status: 'rejected', reason: { code } })
  t.like(third, { status: 'rejected', reason: { code } })
  await ledger.append([appendItem(eventNumber(4), 0, 'fourth')], 1)
  t.deepEqual(await components(t, ledger), ['IF.test test_event', 'IF.test test_event'])
})

test('over HTTP, by hand and by the client', async (t) => {
  const ledger = await openTestLedger(t)
  const service = await openTestService(t, ledger)
  const entry = (at: number) => ({ key: `k${at}`, event: 'e', component: 'IF.test', traceId: 'a', payload: {} })
  const body = JSON.stringify({ entries: [entry(0), { ...entry(1), ...event }] })
  const answer = await service.ask('/v1/entries', 'producer', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' }
  })
  t.is(answer.status, 400)
  t.like(await answer.json(), { type: 'urn:infrafabric:problem:invalid-entry', errors: [{ at: 'entries.1', code }] })
  const remote = connectLedger({ urls: [service.url], token: service.tokens.producer })
  t.teardown(remote.close)
  await t.throwsAsync(remote.append([forged], 0), { code: 'ledger.remote.refused' })
  t.is(await ledger.reader.size(), 0)
})

test('a batch under that name is missed, and said to be', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  const frames = { save: () => undefined }
  const recorder = createBatchRecorder({
    witness,
    frames,
    clock: systemClock,
    log: silentLog,
    event,
    kind: 'rtp',
    framesPerEntry: 2
  })
  recorder.add(Buffer.of(1))
  recorder.add(Buffer.of(2))
  await recorder.close()
  t.is(recorder.missed(), 2)
  t.is(await ledger.reader.size(), 0)
})

test('what somebody wrote into a spool is told as spoiled unless a producer could have told it', async (t) => {
  const ledger = await openTestLedger(t)
  const dir = scratch(t)
  const good = appendItem(eventNumber(1), 0, 'good')
  const { commitment: _, ...without } = appendItem(eventNumber(2, { erasable: { said: 'x' } }), 0, 'without') as never as Record<
    string,
    object
  >
  const [begin, between, end] = good.draft
  const lines = [
    forged,
    { ...good, key: 'erases', erases: 0 },
    { ...good, key: 'two components', draft: [begin, `,"component":"IF.witness.ledger"${between}`, end] },
    { ...good, key: 'not the one way to write it', draft: [begin, between.replace('{', '{ '), end] },
    { ...good, key: 'a\nb' },
    { draft: 'x', key: 'k' },
    { ...without, erasable: { salt: '', payload: '{}' } },
    null,
    good
  ].map((item) => JSON.stringify(item))
  const text = lines.map((json) => `${createHash('sha256').update(json).digest('hex').slice(0, 16)} ${json}\n`).join('')
  writeFileSync(join(dir, '1700000000000-999999-1-00000000.spool'), text)
  const witness = await openTestWitness(t, ledger, dir)
  await witness.flush(5000)
  const told = await components(t, ledger)
  t.deepEqual(told.filter((name) => name === 'IF.witness.spool witness_spool_spoiled').length, lines.length - 1)
  t.deepEqual(
    told.filter((name) => !name.startsWith('IF.witness.spool')),
    ['IF.test test_event']
  )
})
