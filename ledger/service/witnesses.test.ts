/** Witnesses that nobody can ask: they come, take the head that waits, and bring their cosignatures back. */
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { connectLog, type Ledger, ledgerFiles, openLedger, openSeat, parseVerifierKey, type Seat } from '#ledger'
import { parseCheckpoint } from '../log/note.ts'
import { judgeCheckpoint, parsePolicy } from '../log/policy.ts'
import { readPublished } from '../store/published.ts'
import { items, openTestLedger, origin, scratch } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'

async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

async function openSeats(t: ExecutionContext, names: readonly string[]) {
  const dir = scratch(t)
  const logs: string[] = []
  const seats = await Promise.all(
    names.map((name) =>
      openSeat({
        name: `${name}.example`,
        keyPath: join(dir, `${name}.pem`),
        statePath: join(dir, `${name}.db`),
        create: true,
        logs: () => logs.map((vkey) => parseVerifierKey(vkey)),
        log: silentLog
      })
    )
  )
  for (const seat of seats) t.teardown(seat.close)
  const policy = `${seats.map(({ vkey }, at) => `witness ${names[at]} ${vkey}\n`).join('')}group council 2 ${names.join(' ')}\nquorum council\n`
  return { seats, policy, watch: (vkey: string) => logs.push(vkey) }
}

async function openWitnessed(t: ExecutionContext, policy: string): Promise<Ledger & { readonly dir: string }> {
  const dir = scratch(t)
  mkdirSync(dir, { recursive: true })
  writeFileSync(ledgerFiles(dir).policy, policy)
  const ledger = await openLedger({ dir, origin, log: silentLog, publishIntervalMs: 20 })
  t.teardown(() => ledger.close())
  return { ...ledger, dir }
}

/** What a seat does that comes by. */
async function comeBy(seat: Seat, url: string): Promise<{ readonly status: number; readonly taken: boolean }> {
  const log = connectLog(url)
  const head = (await log.head())!
  const { status, body } = await seat.cosign(head.note, log.tiles(parseCheckpoint(head.note).checkpoint.size))
  return { status, taken: status === 200 && head.waiting && (await log.bring(head.note + body)) }
}

test('a head is published once a quorum of those who came has cosigned it, and stands still until then', async (t) => {
  const { seats, policy, watch } = await openSeats(t, ['a', 'b', 'c'])
  const ledger = await openWitnessed(t, policy)
  watch(ledger.vkey)
  const { url, ask } = await openTestService(t, ledger, { witnesses: ledger })
  t.is(await connectLog(url).head(), null)
  for (let round = 0; round < 3; round++) {
    await ledger.append(items(round * 300, 300), null)
    const size = 300 * (round + 1)
    t.true(await until(() => ledger.witnessing().waiting?.split('\n')[1] === String(size)))
    t.deepEqual(await comeBy(seats[0]!, url), { status: 200, taken: true })
    t.is((await connectLog(url).head())?.waiting, true, 'one of two')
    t.deepEqual(await comeBy(seats[1]!, url), { status: 200, taken: true })
    t.true(await until(() => ledger.witnessing().publishedSize === size))
    t.deepEqual(await comeBy(seats[2]!, url), { status: 200, taken: false }, 'it is published by now')
  }
  const heads = readPublished(ledgerFiles(ledger.dir).published).map((note) => parseCheckpoint(note!))
  t.is(heads.length, 3)
  for (const head of heads) t.true(judgeCheckpoint(parsePolicy(policy), head).quorum)
  t.is(ledger.witnessing().state, 'witnessed')
  t.is(await ledger.reader.size(), 900, 'the ledger had nothing to complain of')
  t.like(ledger.figures(), { published: 3, queued: 0 })
  t.deepEqual(ledger.figures().seats.a, { asked: 0, received: 3, late: 0 })

  const metrics = await (await ask('/metrics', 'admin')).text()
  t.regex(metrics, /^ledger_heads_published_total 3$/m)
  t.regex(metrics, /^ledger_cosignatures_total\{seat="b",outcome="received"\} 3$/m)
  t.regex(metrics, /^ledger_witnessed_age_seconds \d/m)
  t.regex(metrics, /^ledger_queued_appends 0$/m)
})

test('published heads are given page by page, and with the newest those under which the key changed', async (t) => {
  const ledger = await openTestLedger(t)
  const { published } = ledgerFiles(ledger.dir)
  const { ask } = await openTestService(t, ledger)
  for (let round = 0; round < 3; round++) {
    await ledger.append(items(round * 10, 10), null)
    await ledger.rotateKey()
  }
  await ledger.append(items(30, 10), null)
  t.true(await until(async () => ledger.witnessing().publishedSize === (await ledger.reader.size())))
  const all = readPublished(published)
  const page = async (query: string) =>
    (await (await ask(`/v1/checkpoints${query}`)).json()) as { checkpoints: string[]; previous: string | null }
  t.deepEqual(await page(''), { checkpoints: all, previous: null } as never)
  const seen: string[] = []
  let next = await page('?limit=1')
  const sizes = next.checkpoints.map((note) => Number(note.split('\n')[1]))
  t.deepEqual(sizes, [11, 22, 33, 43], 'heads of changes of key, and one of the newest')
  seen.push(next.checkpoints.at(-1)!)
  while (next.previous !== null) {
    next = await page(`?limit=1&before=${next.previous}`)
    seen.unshift(...next.checkpoints)
  }
  t.deepEqual(seen, all as string[])
  t.is((await ask('/v1/checkpoints?limit=201')).status, 400)
  t.is((await ask('/v1/checkpoints?before=-1')).status, 400)
  t.deepEqual(await page('?before=7'), { checkpoints: [], previous: null })
  t.is((await ask('/v1/checkpoints', 'producer')).status, 403)
})

test('a seat does not sign what does not follow, and what is no cosignature is refused', async (t) => {
  const { seats, policy, watch } = await openSeats(t, ['a', 'b'])
  const [first, other] = [await openWitnessed(t, policy), await openWitnessed(t, policy)]
  watch(first.vkey)
  watch(other.vkey)
  await first.append(items(0, 300), null)
  await other.append(items(1, 700), null)
  t.true(await until(() => first.witnessing().waiting !== null && other.witnessing().waiting !== null))
  const one = await openTestService(t, first, { witnesses: first })
  const two = await openTestService(t, other, { witnesses: other })
  t.is((await comeBy(seats[0]!, one.url)).status, 200)
  // the same name, another key, another history: its tiles do not lead there
  t.is((await comeBy(seats[0]!, two.url)).status, 422)
  const bring = async (note: string) => {
    const answer = await one.ask('/v1/witness/cosignatures', null, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ note })
    })
    return [answer.status, ((await answer.json()) as { type?: string }).type ?? 'taken']
  }
  const waiting = first.witnessing().waiting!
  const problem = (kind: string) => `urn:infrafabric:problem:${kind}`
  t.deepEqual(await bring('nothing'), [422, problem('not-a-cosignature')])
  t.deepEqual(await bring(waiting), [422, problem('not-a-cosignature')])
  const { body } = await seats[1]!.cosign(other.witnessing().waiting!, null)
  t.deepEqual(await bring(waiting + body), [422, problem('not-a-cosignature')], 'of another head')
  t.deepEqual(await bring(other.witnessing().waiting! + body), [409, problem('late')])
  t.deepEqual(await bring('x'.repeat(140_000)), [400, problem('invalid-request')])
  t.is(first.figures().seats.b!.late, 1)
  t.is(first.witnessing().publishedSize, 0)
})

test('a log that answers with nonsense, too much, or not at all is told', async (t) => {
  const { createServer } = await import('node:http')
  let answer: (path: string) => string | null = () => null
  const server = createServer((request, response) => {
    const text = answer(request.url!)
    if (text !== null) response.end(text)
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const url = `http://127.0.0.1:${port}`
  await t.throwsAsync(connectLog(url, 300).head(), { code: 'ledger.log.unreachable' })
  const log = connectLog(url, 20_000)
  answer = () => 'x'.repeat(200_000)
  await t.throwsAsync(log.head(), { code: 'ledger.log.answer', message: /more than/ })
  answer = () => 'x'.repeat(33)
  await t.throwsAsync(log.tiles(300)(0, 1), { code: 'ledger.log.answer' })
  for (const wrong of ['ftp://a', 'nothing', 'http://a/?b']) t.throws(() => connectLog(wrong), { code: 'ledger.log.url' })
})
