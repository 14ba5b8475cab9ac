import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { silentLog, systemClock } from '#kernel'
import { appendItem, connectLedger, createWitness, type Ledger, ledgerFiles, verifyLedger } from '#ledger'
import { formatVerifierKey, generateSigningKey, readSigner } from '../log/note.ts'
import { eventNumber, openTestLedger, scratch } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'
import { readProducers } from './producers.ts'

const proxy = readSigner('proxy.example/sip', generateSigningKey())
const other = readSigner('other.example/sip', generateSigningKey())
const producers = `# who may say what\n${formatVerifierKey(proxy)} IF.proxy IF.test\n\n${formatVerifierKey(other)}\n`

const check = (ledger: Ledger & { readonly dir: string }, text = producers) =>
  verifyLedger(ledgerFiles(ledger.dir).database, { vkey: ledger.vkey, depth: 'form', beside: { producers: text } })

async function signing(t: ExecutionContext, append: Ledger['append']) {
  const witness = await createWitness({
    ledger: { append },
    spoolDir: scratch(t),
    clock: systemClock,
    log: silentLog,
    signer: proxy
  })
  t.teardown(() => witness.close())
  return witness
}

test('entries that their producer signed hold, whatever is in them, by whatever way they came', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await signing(t, ledger.append)
  await witness.record(eventNumber(1, { cost: '0.10', model: 'mödel "x"', tokensIn: 3, tokensOut: 0, parentTraceId: 'p' }))
  await witness.record(eventNumber(2, { erasable: { said: 'x' } }))
  const service = await openTestService(t, ledger)
  const remote = connectLedger({ urls: [service.url], token: service.tokens.producer })
  t.teardown(remote.close)
  const far = await signing(t, remote.append)
  t.is((await far.record(eventNumber(3, { payload: { '\u20ac': 1e21, a: [0.1, null, { b: 'é\n' }] } }))).state, 'committed')
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc.string({ unit: 'binary' }).filter((name) => name !== 'signature' && name !== '__proto__'),
        fc.jsonValue({ maxDepth: 3 })
      ),
      async (payload) => {
        const { state } = await witness.record(eventNumber(4, { payload: payload as never })).catch(() => ({ state: 'refused' }))
        t.not(state, 'spooled')
      }
    ),
    { numRuns: 60 }
  )
  const { verdict, notes } = await check(ledger)
  t.is(verdict, 'valid')
  t.true(notes.some((note) => /^\d+ entries are signed by their producers$/.test(note)))
})

test('an entry that the keeper made in the name of a producer is altered', async (t) => {
  for (const forge of [
    () => appendItem(eventNumber(1), 0, 'unsigned'),
    () => appendItem(eventNumber(1), 0, 'by another', other),
    () => {
      const { draft } = appendItem(eventNumber(1), 0, 'x', proxy)
      return { draft: [draft[0], draft[1].replace('"n":1', '"n":2'), draft[2]] as const, key: 'changed' }
    },
    () => {
      const { draft } = appendItem(eventNumber(1), 0, 'x', proxy)
      return { draft: [draft[0], draft[1], draft[2].replace('1970', '1971')] as const, key: 'at another time' }
    }
  ]) {
    const ledger = await openTestLedger(t)
    await ledger.append([appendItem(eventNumber(0), 0, 'good', proxy)], 1)
    t.is((await check(ledger)).verdict, 'valid')
    const forged = forge()
    await ledger.append([forged], 1)
    t.like(await check(ledger), { verdict: 'altered', index: 1 }, forged.key)
    t.is((await verifyLedger(ledgerFiles(ledger.dir).database, { vkey: ledger.vkey })).verdict, 'valid', 'the keeper signed it')
  }
})

test('a component without keys need not be signed; a key that was not given is said', async (t) => {
  const ledger = await openTestLedger(t)
  const event = { ...eventNumber(0), component: 'IF.free' }
  await ledger.append([appendItem(event, 0, 'a'), appendItem(event, 0, 'b', other)], 1)
  const { verdict, notes } = await check(ledger, `${formatVerifierKey(proxy)} IF.proxy`)
  t.is(verdict, 'valid')
  t.true(notes.includes('0 entries are signed by their producers; 1 by keys that were not given'))
  t.throws(() => appendItem({ ...event, payload: { signature: 1 } }, 0, 'c', other), { code: 'ledger.entry.invalid' })
})

test('a file of producers that cannot be read names the line', async (t) => {
  t.throws(() => readProducers('\nnothing'), { code: 'ledger.producers.malformed', message: /line 2/ })
  t.throws(() => readProducers('\n'.repeat(10_001)), { code: 'ledger.producers.malformed' })
  await t.throwsAsync(verifyLedger(join(scratch(t), 'x'), { vkey: formatVerifierKey(proxy), beside: { producers: 'x' } }), {
    code: 'ledger.producers.malformed'
  })
})
