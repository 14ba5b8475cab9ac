import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { connectLedger, ledgerFiles, readEntries } from '#ledger'
import { addToken } from '../service/tokens.ts'
import { eventNumber, items, openTestLedger, openTestWitness, scratch } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'

const program = fileURLToPath(new URL('../testing/service-process.ts', import.meta.url))

async function startProcess(t: ExecutionContext, dir: string, port: number): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [program, dir, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, port: Number(String(line)) }
}

test('a witness far away: service killed and started again in the middle, every entry is there once and in order', async (t) => {
  t.timeout(60_000)
  const dir = scratch(t)
  const spoolDir = scratch(t)
  const { token } = addToken(join(dir, 'tokens.json'), 'far', 'producer', 0)
  let { child, port } = await startProcess(t, dir, 0)
  const remote = connectLedger({ urls: [`http://127.0.0.1:${port}`], token })
  t.teardown(remote.close)
  const witness = await openTestWitness(t, remote, spoolDir)
  const states = new Set<string>()
  const receipts: Promise<unknown>[] = []
  let spooledOnce = false
  for (let n = 0; n < 600; n++) {
    receipts.push(
      witness.record(eventNumber(n)).then(({ state }) => {
        states.add(state)
      })
    )
    if (n % 20 === 0) await sleep(5)
    if (n === 200) {
      // on a busy machine nothing may have been answered by now
      await receipts[0]
      child.kill('SIGKILL')
    }
    if (n === 400) {
      while (witness.state() !== 'spooling') await sleep(5)
      spooledOnce = true
      ;({ child, port } = await startProcess(t, dir, port))
    }
  }
  await Promise.all(receipts)
  await witness.flush(20_000)
  t.true(spooledOnce)
  t.deepEqual([...states].sort(), ['committed', 'spooled'])
  t.deepEqual(
    readEntries(ledgerFiles(dir).database).map(({ payload }) => payload.n),
    Array.from({ length: 600 }, (_, n) => n)
  )
})

test('what it sends is what was drafted, erasable payloads too', async (t) => {
  const ledger = await openTestLedger(t)
  const { url, tokens } = await openTestService(t, ledger)
  const remote = connectLedger({ urls: [url], token: tokens.producer })
  t.teardown(remote.close)
  const witness = await openTestWitness(t, remote, scratch(t))
  await witness.record(
    eventNumber(7, {
      parentTraceId: 'above',
      tokensIn: 1,
      tokensOut: 2,
      cost: '0.10',
      model: 'm "1"',
      erasable: { caller: 'Ann' }
    })
  )
  const [stored] = await ledger.reader.query({})
  t.like(stored!.entry, { parent_trace_id: 'above', tokens_in: 1, tokens_out: 2, cost: '0.10', model: 'm "1"' })
  t.deepEqual(stored!.erasable, { state: 'present', payload: { caller: 'Ann' } })
})

test('more than one request holds goes in several, in order', async (t) => {
  const ledger = await openTestLedger(t)
  const { url, tokens } = await openTestService(t, ledger)
  const remote = connectLedger({ urls: [url], token: tokens.producer })
  t.teardown(remote.close)
  const places = await Promise.all([remote.append(items(0, 2500), 1), remote.append(items(2500, 10), 1)])
  t.deepEqual(
    places.flat().map(({ index }) => index),
    Array.from({ length: 2510 }, (_, n) => n)
  )
})

test('a key under which another entry stands is told by its name, and refuses no other append', async (t) => {
  const ledger = await openTestLedger(t)
  const { url, tokens } = await openTestService(t, ledger)
  const remote = connectLedger({ urls: [url], token: tokens.producer })
  t.teardown(remote.close)
  await remote.append(items(0, 1), null)
  const [, other] = items(0, 2)
  const [taken, next] = await Promise.allSettled([
    remote.append([{ ...other!, key: 'k0' }], null),
    remote.append(items(2, 1), null)
  ])
  t.like(taken, { status: 'rejected', reason: { code: 'ledger.append.key-taken' } })
  t.like(next, { status: 'fulfilled', value: { 0: { index: 1 } } })
})

test('a service that is away or does not lead is passed over; what failed is not overtaken', async (t) => {
  const notLeading = createServer((_, response) => {
    response.writeHead(503).end('{"type":"urn:infrafabric:problem:not-leader"}')
  })
  await once(notLeading.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => void notLeading.close())
  const { port } = notLeading.address() as { port: number }
  const ledger = await openTestLedger(t)
  const { url, tokens } = await openTestService(t, ledger)
  const follower = `http://127.0.0.1:${port}`
  const remote = connectLedger({ urls: ['http://127.0.0.1:1', follower, url], token: tokens.producer })
  t.teardown(remote.close)
  t.deepEqual(
    (await remote.append(items(0, 1), 1)).map(({ index }) => index),
    [0]
  )
  const nowhere = connectLedger({ urls: [follower], token: tokens.producer })
  t.teardown(nowhere.close)
  await t.throwsAsync(nowhere.append(items(1, 1), 1), { code: 'ledger.remote.refused' })
  await t.throwsAsync(nowhere.append(items(2, 1), 1), { code: 'ledger.store.after-failure' })
})

test('no token goes over a network in the clear', (t) => {
  for (const url of ['http://ledger.example', 'ftp://127.0.0.1', 'ledger']) {
    t.throws(() => connectLedger({ urls: [url], token: 'x' }), { code: 'ledger.remote.url' })
  }
})
