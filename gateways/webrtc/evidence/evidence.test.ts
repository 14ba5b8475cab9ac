import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { InfraFabricError, type ManualClock, manualClock, silentLog, type WitnessEvent } from '#kernel'
import { createEvidence, type Evidence } from './evidence.ts'
import { createPageLinks } from './page-links.ts'
import type { PagePipe, SeatedPage } from './ports.ts'
import { defaultStoreLimits, openEvidenceStore } from './store.ts'
import { channelPair, memorySource, type TestEnd, testEnd } from './testing/memory.ts'

const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex')

async function setUp(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'evidence-'))
  const clock = manualClock()
  const entries: WitnessEvent[] = []
  const ledger = { down: false }
  const store = await openEvidenceStore(folder, { ...defaultStoreLimits, mostBytes: 10_000_000 }, silentLog, clock.now)
  const evidence = createEvidence({
    store,
    openData: () => Promise.reject(new Error('not asked')),
    witness: {
      record: async (event) => {
        if (ledger.down) throw new InfraFabricError('witness.unrecorded', 'no')
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    clock,
    log: silentLog
  })
  t.teardown(async () => {
    await evidence.close()
    await rm(folder, { recursive: true, force: true })
  })
  const share = async (octets: Uint8Array, more: Partial<Parameters<Evidence['share']>[0]> = {}) =>
    evidence.share(
      {
        trace: 'case-42',
        name: 'log.txt',
        mediaType: 'text/plain',
        bytes: octets.length,
        sha256: null,
        by: 'agent',
        via: 'http',
        ...more
      },
      (async function* () {
        for (let at = 0; at < octets.length; at += 10_000) yield octets.subarray(at, at + 10_000)
      })()
    )
  const open = (traceId = 'call-1', parentTraceId: string | undefined = 'case-42') => {
    const context = {
      traceId,
      ...(parentTraceId === undefined ? {} : { parentTraceId }),
      log: silentLog,
      signal: new AbortController().signal,
      now: clock.now
    }
    const opened = evidence.bridge.open(context, { conference: 'council', expertId: 'expert-safety' })
    if (!opened.ok) throw new Error(opened.skipped)
    return opened.session
  }
  return {
    evidence,
    store,
    clock,
    entries,
    ledger,
    share,
    open,
    of: (event: string) => entries.filter((entry) => entry.event === event)
  }
}

/** A Guardian's page: its end of each channel that it is given. */
function openPage(evidence: Evidence, clock: ManualClock, of: Partial<SeatedPage> = {}) {
  const ends = new Map<string, TestEnd>()
  const page: SeatedPage = {
    key: 'seat-1',
    party: 'guardian-1',
    participant: 'guardian-1-0',
    role: 'guardian',
    conference: 'council',
    ...of
  }
  const lost = evidence.seat(page, {
    open: async (call): Promise<PagePipe> => {
      const end = testEnd(clock, { call })
      ends.set(call, end)
      const { a, b } = channelPair()
      queueMicrotask(() => end.link.attach(b))
      return {
        stream: 0,
        send: (message) => a.send(typeof message === 'string' ? message : new Uint8Array(message)),
        drained: a.room,
        onMessage: (listener) => a.onMessage((message) => listener(Buffer.from(message), typeof message === 'string')),
        close: a.close
      }
    }
  })
  return { ends, lost, end: () => ends.get('call-1')! }
}

async function until(what: () => boolean, why: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !what(); await new Promise((resolve) => setTimeout(resolve, 5)))
    if (Date.now() > deadline) throw new Error(why)
}

test('what is shared before the call, in it, and by a page reaches every page, and each receipt the ledger', async (t) => {
  const { evidence, clock, share, open, of } = await setUp(t)
  const [first, second, third] = [randomBytes(100_000), randomBytes(70_000), randomBytes(65_536)]
  const before = await share(first)
  t.deepEqual(before.ok && before.calls, [])
  const session = open()
  t.is(session.state(), 'ACTIVE', 'nobody is there to be served')
  const one = openPage(evidence, clock)
  const two = openPage(evidence, clock, { key: 'seat-2', party: 'guardian-2', participant: 'guardian-1-0' })
  await until(() => one.end()?.shelf.files.size === 1 && two.end()?.shelf.files.size === 1, 'the first file')
  const during = await share(second, { name: 'second.txt' })
  t.deepEqual(during.ok && during.calls, ['call-1'])
  one.end().link.offer(memorySource(third, { name: 'third.bin' }))
  await until(() => one.end().shelf.files.size === 2 && two.end().shelf.files.size === 3, 'all of them')
  t.false(one.end().shelf.files.has(memorySource(third).id), 'who shares it does not get it back')
  await until(() => of('evidence_received').length === 5, 'five receipts')
  t.deepEqual(
    of('evidence_offered').map(({ payload }) => payload.via),
    ['http', 'http', 'page']
  )
  for (const { payload, erasable } of [...of('evidence_offered'), ...of('evidence_received')]) {
    t.false(JSON.stringify(payload).includes(sha256(first)))
    t.regex(String(erasable?.sha256), /^[0-9a-f]{64}$/)
  }
  t.is(session.state(), 'ACTIVE')
  t.is(evidence.list('call-1')[0]!.deliveries.length, 2)
  const all = first.length + second.length + third.length
  const totals = { sentBytes: 2 * all - third.length, receivedBytes: third.length, resumes: 0, retries: 0 }
  const counted = { ...totals, shared: { http: 2, page: 1, escalation: 0 }, receipts: { page: 5, link: 0 } }
  t.like(evidence.totals(), counted)
  t.deepEqual(evidence.kept(), { items: 3, octets: all })
  t.is(evidence.list(null).length, 3)
  await session.close('call ended')
  t.is(session.state(), 'CLOSED')
  await until(() => one.end().link.state === 'CLOSED', 'the page is told')
  t.is(of('evidence_session_closed').length, 1)
  t.like(evidence.totals(), counted, 'what was counted stays when the call is over')
  t.is(clock.pending(), 0)
})

test('one call, several holds: it ends with the last; states are told with the one before', async (t) => {
  const { evidence, clock, open, of } = await setUp(t)
  const [one, two] = [open(), open()]
  const changes: string[] = []
  two.onChange(({ previous, state }) => changes.push(`${previous} ${state}`))
  await one.close('a')
  t.is(two.state(), 'ACTIVE')
  const page = openPage(evidence, clock)
  await until(() => page.end()?.link.state === 'ACTIVE' && two.state() === 'ACTIVE', 'served')
  page.lost()
  for (const ms of [10_000, 1000, 10_000, 2000, 10_000, 4000, 10_000]) clock.advance(ms)
  t.is(two.state(), 'DEGRADED', 'a page that does not come back')
  evidence.left('seat-1')
  t.is(two.state(), 'ACTIVE', 'and nothing is owed to it once its seat is free')
  await two.close('b')
  t.deepEqual(changes.slice(-3), ['ACTIVE DEGRADED', 'DEGRADED ACTIVE', 'ACTIVE CLOSED'])
  t.true(of('evidence_session_state').every(({ payload }) => typeof payload.previous === 'string'))
  t.is(clock.pending(), 0)
})

test('no record, no evidence', async (t) => {
  const { evidence, ledger, share, open, clock, of } = await setUp(t)
  open()
  const page = openPage(evidence, clock)
  await until(() => page.end()?.link.state === 'ACTIVE', 'served')
  ledger.down = true
  const outcome = await share(randomBytes(10))
  t.is(outcome.ok ? '' : outcome.code, 'evidence.unrecorded')
  t.deepEqual(evidence.list(null), [])
  page.end().link.offer(memorySource(randomBytes(20)))
  await until(() => page.end().progress.at(-1)?.state === 'refused', 'refused')
  t.is(page.end().progress.at(-1)!.code, 'evidence.unrecorded')
  ledger.down = false
  const good = await share(randomBytes(30))
  t.true(good.ok)
  await until(() => of('evidence_received').length === 1, 'and then it goes')
})

test('a hostile body: longer or shorter than declared, broken off', async (t) => {
  const { evidence, store, share, of } = await setUp(t)
  const codeOf = (outcome: Awaited<ReturnType<typeof share>>) => (outcome.ok ? 'taken' : outcome.code)
  t.is(codeOf(await share(randomBytes(20_000), { bytes: 10_000 })), 'evidence.size')
  t.is(codeOf(await share(randomBytes(20_000), { bytes: 30_000 })), 'evidence.size')
  const broken = evidence.share(
    { trace: 'case-42', name: 'x', mediaType: 'text/plain', bytes: 10, sha256: null, by: 'agent', via: 'http' },
    (async function* () {
      yield randomBytes(5)
      throw new Error('aborted')
    })()
  )
  t.is(codeOf(await broken), 'evidence.disk')
  t.is(store.octets(), 0)
  t.is(of('evidence_refused').length, 3)
  t.true(of('evidence_refused').every(({ payload }) => typeof payload.reason === 'string'))
  t.like(evidence.totals().refused['from http'], { 'evidence.size': 2, 'evidence.disk': 1 })
})

test('observers do not share; a page whose files are all refused is cut off', async (t) => {
  const { evidence, clock, open, of } = await setUp(t)
  open()
  const observer = openPage(evidence, clock, { role: 'observer' })
  await until(() => observer.end()?.link.state === 'ACTIVE', 'served')
  for (let n = 0; n <= 100; n++) observer.end().link.offer(memorySource(randomBytes(8)))
  await until(() => observer.end().link.state === 'CLOSED', 'cut off')
  t.is(of('evidence_refused').length, 100)
  t.is(of('evidence_refused')[0]!.payload.code, 'evidence.not-now')
  t.is(evidence.totals().refused['from participant']['evidence.not-now'], 100)
})

test('a receipt that is signed by another key ends the session; nothing of it is recorded', async (t) => {
  const { evidence, clock, open, share, of } = await setUp(t)
  open()
  const page = openPage(evidence, clock, { participant: 'guardian-1-9' })
  await until(() => page.end()?.link.state === 'ACTIVE', 'served')
  await share(randomBytes(10))
  await until(() => page.end().link.state === 'CLOSED', 'cut off')
  t.is(of('evidence_received').length, 0)
})

test('a link: the list, a file whole and in parts, and nothing without it, after its time, or after the call', async (t) => {
  const { evidence, store, clock, open, share, of } = await setUp(t)
  const links = createPageLinks(evidence, store, 60_000, clock, silentLog)
  const server = createServer(links.serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const session = open()
  const octets = randomBytes(100_000)
  const shared = await share(octets, { name: `<b>"it's".txt`.replace(/[<>"]/g, '') })
  if (!shared.ok) return t.fail(shared.reason)
  const { path } = links.make('call-1', 'expert-safety-0')
  const get = (of: string, headers: Record<string, string> = {}, method = 'GET') => fetch(`${base}${of}`, { headers, method })
  const list = await get(path)
  t.is(list.status, 200)
  t.regex(list.headers.get('content-security-policy')!, /default-src 'none'/)
  const page = await list.text()
  t.true(page.includes(sha256(octets)))
  t.notRegex(page, /<script/)
  const file = `${path}${shared.item.id}`
  t.is((await get(file, {}, 'HEAD')).headers.get('content-length'), '100000')
  const middle = await get(file, { range: 'bytes=10-19' })
  t.is(middle.status, 206)
  t.is(middle.headers.get('content-range'), 'bytes 10-19/100000')
  t.deepEqual(Buffer.from(await middle.arrayBuffer()), octets.subarray(10, 20))
  t.deepEqual(Buffer.from(await (await get(file, { range: 'bytes=-5' })).arrayBuffer()), octets.subarray(-5))
  t.is((await get(file, { range: 'bytes=100000-' })).status, 416)
  t.is((await get(file, { range: 'bytes=0-0', 'if-range': '"other"' })).status, 200)
  await until(() => of('evidence_received').length === 1, 'fetched whole')
  t.like(of('evidence_received')[0]!.payload, { how: 'link', participant: 'expert-safety-0' })
  const begun = createPageLinks(evidence, store, 60_000, clock, silentLog).make('call-1', 'x').path
  for (const bad of [
    begun,
    `${path}${'0'.repeat(32)}`,
    ...[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
      .map((end) => path.replace(/.\/$/, `${end}/`))
      .filter((other) => other !== path),
    '/evidence/',
    '/evidence/a.b/',
    `/evidence/${'a'.repeat(2000)}/`
  ])
    t.is((await get(bad)).status, 404, bad)
  t.is((await get(path, {}, 'POST')).status, 405)
  clock.advance(60_000)
  t.is((await get(path)).status, 404, 'after its time')
  const later = links.make('call-1', 'expert-safety-0').path
  t.is((await get(later)).status, 200)
  await session.close('over')
  t.is((await get(later)).status, 404, 'after the call')
})
