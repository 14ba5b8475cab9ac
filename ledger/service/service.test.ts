import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { z } from 'zod'
import { InfraFabricError, type Log, silentLog } from '#kernel'
import { connectLedger } from '#ledger'
import { commitTo } from '../log/commitment.ts'
import { leafHash } from '../log/merkle.ts'
import { parseCheckpoint, parseVerifierKey } from '../log/note.ts'
import { noPolicy } from '../log/policy.ts'
import { checkConsistency, checkInclusion } from '../log/proof.ts'
import { entriesOf } from '../log/segment.ts'
import { checkTlogProof, parseTlogProof } from '../log/tlog-proof.ts'
import { eventNumber, items, openTestLedger } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'
import { Problem, type ProblemDocument } from './problem.ts'
import { route } from './route.ts'
import type { entriesAnswer } from './schemas.ts'
import { readTokens, revokeToken } from './tokens.ts'

type Page = z.infer<typeof entriesAnswer>

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' }
})
const wire = (n: number) => ({ key: `p:${n}`, ...eventNumber(n), time: '2026-01-01T00:00:00.000Z' })

async function publishedOf(ask: (path: string) => Promise<Response>, size: number): Promise<string> {
  for (;;) {
    const response = await ask('/checkpoint')
    const text = await response.text()
    if (response.status === 200 && parseCheckpoint(text).checkpoint.size >= size) return text
    await sleep(20)
  }
}

test('entries appended by a producer are answered with their places, once each, and can be read', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  const entries = [0, 1, 2].map(wire)
  const first = await ask('/v1/entries', 'producer', json({ entries }))
  t.is(first.status, 200)
  const { places } = (await first.json()) as { places: { index: number; hash: string }[] }
  t.deepEqual(
    places.map(({ index }) => index),
    [0, 1, 2]
  )
  const again = await ask('/v1/entries', 'producer', json({ entries: [...entries, wire(3)] }))
  t.deepEqual(((await again.json()) as { places: unknown[] }).places.slice(0, 3), places)
  t.is(ledger.size(), 4)
  const page = (await (await ask('/v1/entries')).json()) as Page
  t.deepEqual(
    page.entries.map(({ payload, hash, time }) => [payload.n, hash.length, time]),
    [0, 1, 2, 3].map((n) => [n, 64, '2026-01-01T00:00:00.000Z'])
  )
  t.is(page.next, null)
})

test('a key under which another entry stands is a conflict, and nothing is appended', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ask('/v1/entries', 'producer', json({ entries: [wire(0)] }))
  const answer = await ask('/v1/entries', 'producer', json({ entries: [wire(1), { ...wire(2), key: wire(0).key }] }))
  t.is(answer.status, 409)
  t.like(await answer.json(), { type: 'urn:infrafabric:problem:key-taken' })
  t.is(ledger.size(), 1)
})

test('keys of two producers with other names do not meet', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ask('/v1/entries', 'producer', json({ entries: [wire(0)] }))
  await ask('/v1/entries', 'admin', json({ entries: [wire(0)] }))
  t.is(ledger.size(), 2)
})

test('tiles and bundles are those of the tree, full and partial, and proofs hold against the checkpoint', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ledger.append(items(0, 700), 1)
  const note = await publishedOf((path) => ask(path, null), 700)
  const { size, root } = parseCheckpoint(note).checkpoint
  t.is(size, 700)

  const bundle = await ask('/tile/entries/001')
  t.is(bundle.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  t.is(bundle.headers.get('content-encoding'), 'gzip')
  const entries = entriesOf(new Uint8Array(await bundle.arrayBuffer()))
  t.is(entries.length, 256)
  const tile = await ask('/tile/0/001', null)
  t.is(tile.headers.get('content-type'), 'application/octet-stream')
  t.deepEqual(Buffer.from(await tile.arrayBuffer()), Buffer.concat(entries.map(leafHash)))

  const partial = entriesOf(new Uint8Array(await (await ask('/tile/entries/002.p/188')).arrayBuffer()))
  t.is(partial.length, 188)
  const leaves = Buffer.from(await (await ask('/tile/0/002.p/100', null)).arrayBuffer())
  t.deepEqual(leaves, Buffer.concat(partial.slice(0, 100).map(leafHash)))
  t.is((await (await ask('/tile/1/000.p/2', null)).arrayBuffer()).byteLength, 64)
  for (const path of [
    '/tile/0/002',
    '/tile/0/002.p/189',
    '/tile/0/2',
    '/tile/0/x000/001',
    '/tile/0/001.p/256',
    '/tile/64/000',
    '/tile/x'
  ]) {
    t.is((await ask(path, null)).status, 404, path)
  }

  const proof = (await (await ask('/v1/proof/inclusion?index=300')).json()) as Record<string, never> & {
    hashes: string[]
    leaf: string
  }
  const hashes = proof.hashes.map((hash) => Buffer.from(hash, 'base64'))
  t.true(checkInclusion(Buffer.from(proof.leaf, 'base64'), 300, size, root, hashes))
  t.is(proof.leaf, leafHash(entries[300 - 256]!).toString('base64'))
  const grown = (await (await ask('/v1/proof/consistency?from=257')).json()) as { fromRoot: string; hashes: string[] }
  t.true(
    checkConsistency(
      257,
      Buffer.from(grown.fromRoot, 'base64'),
      size,
      root,
      grown.hashes.map((hash) => Buffer.from(hash, 'base64'))
    )
  )
  const text = await (await ask('/v1/proof/tlog?index=699')).text()
  t.true(checkTlogProof(parseTlogProof(text), { logs: [parseVerifierKey(ledger.vkey)], policy: noPolicy }).good)
  t.is((await ask('/v1/proof/inclusion?index=700')).status, 404)
  t.is((await ask('/v1/proof/inclusion?index=0&size=701')).status, 404)
})

test('pages follow each other by cursors, which belong to their conditions', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ledger.append(items(0, 120), 1)
  const seen: unknown[] = []
  let cursor: string | null = ''
  for (let pages = 0; cursor !== null; pages++) {
    t.true(pages < 5)
    const page = (await (
      await ask(`/v1/entries?limit=50&event=test_event${cursor === '' ? '' : `&cursor=${cursor}`}`)
    ).json()) as Page
    seen.push(...page.entries.map(({ payload }) => payload.n))
    if (page.next !== null) t.is((await ask(`/v1/entries?event=other&cursor=${page.next}`)).status, 400)
    cursor = page.next
  }
  t.deepEqual(
    seen,
    Array.from({ length: 120 }, (_, n) => n)
  )
  t.is((await ask('/v1/entries?cursor=zzzz')).status, 400)
  const one = (await (await ask('/v1/entries?callId=call-7')).json()) as Page
  t.deepEqual(
    one.entries.map(({ index }) => index),
    [7]
  )
  t.is((await ask(`/v1/traces/${one.entries[0]!.trace_id}`)).status, 200)
  t.is((await ask('/v1/traces/none')).status, 404)
  t.is(((await (await ask('/v1/entries/5')).json()) as { index: number }).index, 5)
  t.is((await ask('/v1/entries/120')).status, 404)
})

test('each role does what it may and nothing else', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ledger.append(items(0, 1), 1)
  const statuses = async (path: string, init?: RequestInit) =>
    Promise.all(([null, 'producer', 'auditor', 'admin'] as const).map(async (role) => (await ask(path, role, init)).status))
  t.deepEqual(await statuses('/v1/entries'), [401, 403, 200, 200])
  t.deepEqual(await statuses('/tile/entries/000.p/1'), [401, 403, 200, 200])
  t.deepEqual(await statuses('/v1/entries', json({ entries: [wire(1)] })), [401, 200, 403, 200])
  t.deepEqual(await statuses('/metrics'), [401, 403, 403, 200])
  t.deepEqual(await statuses('/healthz'), [200, 200, 200, 200])
})

test('a revoked token is no longer good, and a file that others may read holds no token', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask, tokensPath } = await openTestService(t, ledger)
  t.is((await ask('/v1/entries')).status, 200)
  const { id } = readTokens(tokensPath).find(({ name }) => name === 'auditor')!
  t.true(revokeToken(tokensPath, id))
  t.false(revokeToken(tokensPath, id))
  await sleep(600)
  t.is((await ask('/v1/entries')).status, 401)
  t.is((await ask('/v1/entries', 'admin')).status, 200)
  chmodSync(tokensPath, 0o644)
  t.throws(() => readTokens(tokensPath), { code: 'ledger.tokens.permissions' })
  await sleep(600)
  t.is((await ask('/v1/entries', 'admin')).status, 401)
})

test('what cannot be taken is told, each part of it, and nothing is appended', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  const post = async (body: unknown) => {
    const response = await ask('/v1/entries', 'producer', json(body))
    t.is(response.headers.get('content-type'), 'application/problem+json')
    return (await response.json()) as ProblemDocument
  }
  const bad = await post({ entries: [wire(0), { ...wire(1), event: '1 2' }, { ...wire(2), cost: 'much' }] })
  t.is(bad.type, 'urn:infrafabric:problem:invalid-entry')
  t.deepEqual(
    bad.errors?.map(({ at }) => at),
    ['entries.1', 'entries.2']
  )
  t.is((await post({ entries: [] })).status, 400)
  t.is((await post({ entries: [{ ...wire(0), more: 1 }] })).errors?.[0]?.at, 'entries.0')
  t.is((await post({ entries: [{ ...wire(0), erasable: { salt: `${'A'.repeat(43)}=`, payload: '{}' } }] })).status, 400)
  t.is((await post({ entries: [{ ...wire(0), payload: { text: 'x'.repeat(9 << 20) } }] })).status, 413)
  const plain = await ask('/v1/entries', 'producer', { method: 'POST', body: 'entries' })
  t.is(plain.status, 415)
  const broken = await ask('/v1/entries', 'producer', {
    method: 'POST',
    body: '{',
    headers: { 'content-type': 'application/json' }
  })
  t.is(broken.status, 400)
  t.is(ledger.size(), 0)
  const query = (await (await ask('/v1/entries?limit=0&since=yesterday&sort=up')).json()) as ProblemDocument
  t.is(query.errors?.length, 3)
})

test('erasable payloads lie beside the log and are given with their entry', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  const { commitment, erasable } = commitTo({ caller: 'Ann' })
  const entry = { ...wire(0), payload: { commitment }, erasable }
  t.is((await ask('/v1/entries', 'producer', json({ entries: [entry] }))).status, 200)
  const told = (await (await ask('/v1/entries/0')).json()) as { erasable: unknown }
  t.deepEqual(told.erasable, { state: 'present', payload: { caller: 'Ann' } })
})

test('without a ledger to append to, the service only reads', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger, { append: null })
  const response = await ask('/v1/entries', 'producer', json({ entries: [wire(0)] }))
  t.is(response.status, 503)
  t.is(((await response.json()) as ProblemDocument).type, 'urn:infrafabric:problem:read-only')
})

test('who asks too often is told when to come again; guessing tokens costs more', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask, url } = await openTestService(t, ledger, { addressRate: { perSecond: 0.1, burst: 24 } })
  const guess = () => fetch(`${url}/v1/entries`, { headers: { authorization: 'Bearer ifw_guess' } })
  t.deepEqual([(await guess()).status, (await guess()).status, (await guess()).status], [401, 401, 429])
  const limited = await ask('/healthz', null).then(async (response) =>
    response.status === 200 ? ask('/healthz', null) : response
  )
  t.is(limited.status, 429)
  t.true(Number(limited.headers.get('retry-after')) > 0)
})

test('a failure of the ledger is told without its reasons', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger, {
    append: async () => {
      throw new InfraFabricError('ledger.store.full', 'the disk /secret/place is full')
    }
  })
  const response = await ask('/v1/entries', 'producer', json({ entries: [wire(0)] }))
  t.is(response.status, 503)
  t.notRegex(await response.text(), /secret|disk/)
})

test('beyond loopback there is no service without a certificate', async (t) => {
  const ledger = await openTestLedger(t)
  await t.throwsAsync(openTestService(t, ledger, { address: '0.0.0.0' }), { code: 'ledger.service.plaintext' })
})

// RFC 9110 §9.3.2
test('HEAD tells what GET would, without a body, to whom GET is open', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 3), 1)
  const { ask } = await openTestService(t, ledger)
  await publishedOf((path) => ask(path, null), 3)
  for (const path of [
    '/checkpoint',
    '/tile/0/000.p/3',
    '/tile/0/000',
    '/tile/entries/000.p/3',
    '/v1/entries/0',
    '/openapi.json'
  ]) {
    const [got, head] = [await ask(path), await ask(path, 'auditor', { method: 'HEAD' })]
    t.is(head.status, got.status, path)
    for (const name of ['content-type', 'cache-control', 'content-length'])
      t.is(head.headers.get(name), got.headers.get(name), path)
    t.is(await head.text(), '')
  }
  t.is((await ask('/tile/entries/000.p/3', null, { method: 'HEAD' })).status, 401)
  // no stream is begun: the path is taken for an entry whose number is none
  t.is((await ask('/v1/entries/follow', 'auditor', { method: 'HEAD' })).status, 400)
})

test('strict headers on every answer, and nothing for other origins', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  for (const path of ['/healthz', '/nothing', '/v1/entries?limit=x', '/tile/%E0%A4%A']) {
    const { headers } = await ask(path, 'auditor', { headers: { origin: 'https://else.example' } })
    t.is(headers.get('x-content-type-options'), 'nosniff', path)
    t.true(headers.get('content-security-policy')!.includes("default-src 'none'"), path)
    t.is(headers.get('access-control-allow-origin'), null, path)
  }
})

test('over TLS a far producer appends; without the authority it does not', async (t) => {
  const ledger = await openTestLedger(t)
  const [certificatePath, keyPath] = [join(ledger.dir, 'service.pem'), join(ledger.dir, 'service.key')]
  const made =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1'
  execFileSync('openssl', ['req', ...made.split(' '), '-out', certificatePath, '-keyout', keyPath], { stdio: 'ignore' })
  const { url, tokens } = await openTestService(t, ledger, { tls: { certificatePath, keyPath } })
  t.true(url.startsWith('https://'))
  const trusting = connectLedger({ urls: [url], token: tokens.producer, ca: readFileSync(certificatePath, 'utf8') })
  const strange = connectLedger({ urls: [url], token: tokens.producer })
  t.teardown(trusting.close)
  t.teardown(strange.close)
  t.is((await trusting.append(items(0, 1), 1))[0]!.index, 0)
  await t.throwsAsync(strange.append(items(1, 1), 1), { code: 'ledger.remote.unreachable' })
  await t.throwsAsync(openTestService(t, await openTestLedger(t), { tls: { certificatePath: '/none', keyPath } }), {
    code: 'ledger.service.tls'
  })
})

test('what is switched off is said to who asks, and no warning; what fails is one', async (t) => {
  const ledger = await openTestLedger(t)
  const warned: unknown[] = []
  const log: Log = Object.assign(Object.create(silentLog), {
    warn: (facts: unknown) => void warned.push(facts),
    child: () => log
  })
  const failing = (operation: string, error: () => Error) =>
    route({
      method: 'GET',
      path: `/v1/${operation}`,
      operation,
      summary: 'Fails',
      access: 'auditor',
      query: null,
      params: null,
      body: null,
      answers: {},
      statuses: [503],
      handle: () => Promise.reject(error())
    })
  const off = failing('off', () => new Problem('out-of-service', 'this is off'))
  const broken = failing('broken', () => new InfraFabricError('ledger.store.unreachable', 'no connection'))
  const { ask } = await openTestService(t, ledger, { log, routes: [off, broken] })
  t.is((await ask('/v1/off')).status, 503)
  t.deepEqual(warned, [])
  t.is((await ask('/v1/broken')).status, 503)
  t.like(warned, [{ code: 'ledger.store.unreachable', operation: 'broken' }])
})
