/** What a hostile client can try, with a token and without. */
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { draftEntry } from '#ledger'
import { eventNumber, items, openTestLedger } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'

const entry = { key: 'k', event: 'e', component: 'IF.a', traceId: 't', payload: {} }
const posted = (body: string): RequestInit => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body })

test('a body of any shape is answered with a problem, and nothing of it is appended', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const withPayload = (payload: string) =>
    `{"entries":[${JSON.stringify(entry).replace('"payload":{}', `"payload":${payload}`)}]}`
  const bodies: readonly (readonly [string, number])[] = [
    ['', 400],
    ['null', 400],
    ['[]', 400],
    ['{"entries":[]}', 400],
    [deep(100_000), 400],
    [withPayload(`{"a":${deep(65)}}`), 400],
    [withPayload(`{"a":${deep(200_000)}}`), 400],
    [withPayload(`{"a":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`), 400],
    [withPayload('{"a":1e999}'), 400],
    [withPayload('{"a":"\\ud800"}'), 400],
    [withPayload('{"__proto__":{"isAdmin":true}}'), 400],
    [withPayload('{"constructor":{"prototype":{}}}'), 400],
    [withPayload(`{"a":"${'x'.repeat(70_000)}"}`), 400],
    [JSON.stringify({ entries: [{ ...entry, time: '+275760-09-13T00:00:00.001Z' }] }), 400],
    [JSON.stringify({ entries: [{ ...entry, erases: 0 }] }), 400],
    [JSON.stringify({ entries: [entry], more: 1 }), 400],
    [JSON.stringify({ entries: Array.from({ length: 1001 }, (_, at) => ({ ...entry, key: `k${at}` })) }), 400],
    [JSON.stringify({ entries: [{ ...entry, payload: { commitment: { alg: 'sha256', hash: '0'.repeat(64) } } }] }), 400],
    ['x'.repeat(9 << 20), 413]
  ]
  for (const [body, status] of bodies) {
    const answer = await ask('/v1/entries', 'producer', posted(body))
    t.is(answer.status, status, body.slice(0, 140))
    t.is(answer.headers.get('content-type'), 'application/problem+json')
    t.notRegex(await answer.text(), /\.ts\b|node_modules|Error:|stack/, body.slice(0, 80))
  }
  t.is(await ledger.reader.size(), 0)
})

test('queries are held to their form: each parameter once, none that is not known, none that is too long', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 3), 1)
  const { ask } = await openTestService(t, ledger)
  for (const path of [
    '/v1/entries?limit=0',
    '/v1/entries?limit=501',
    '/v1/entries?limit=1&limit=2',
    '/v1/entries?other=1',
    `/v1/entries?trace=${'x'.repeat(257)}`,
    '/v1/entries?since=yesterday',
    '/v1/entries?cursor=AAAA',
    `/v1/entries?cursor=${'A'.repeat(65)}`,
    '/v1/entries/-1',
    '/v1/entries/1e3',
    '/v1/entries/99999999999999999999',
    '/v1/entries/%zz',
    '/v1/entries/follow?after=-1',
    '/v1/proof/inclusion?index=0&size=-1',
    '/v1/proof/inclusion?index[]=0',
    '/v1/proof/consistency?from=9007199254740993'
  ])
    t.is((await ask(path)).status, 400, path)
  t.is((await ask(`/v1/entries?trace=${'x'.repeat(20_000)}`)).status, 431)
  t.is((await ask('/v1/entries/follow', 'auditor', { headers: { 'last-event-id': '1 OR 1=1' } })).status, 400)
  for (const path of ['/tile/0/000/', '/tile/0/../../etc', '/tile/-1/000', '/tile/entries/x000/000', '/tile/0/000.p/256'])
    t.is((await ask(path)).status, 404, path)
})

test('what is no request is answered with a problem, too', async (t) => {
  const { port } = await openTestService(t, await openTestLedger(t))
  const answerTo = async (octets: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined)
    socket.end(octets)
    let answer = ''
    for await (const part of socket) answer += String(part)
    return answer
  }
  for (const [octets, status, kind] of [
    ['HELO\r\n\r\n', 400, 'invalid-request'],
    ['GET /v1/entries HTTP/1.1\r\n\r\n', 400, 'invalid-request'],
    ['GET / HTTP/1.1\r\nhost: a\r\na b: c\r\n\r\n', 400, 'invalid-request'],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers-too-large']
  ] as const) {
    const answer = await answerTo(octets)
    t.true(answer.startsWith(`HTTP/1.1 ${status} `), answer)
    t.regex(answer, /^content-type: application\/problem\+json\r$/m)
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
    t.like(JSON.parse(body), { type: `urn:infrafabric:problem:${kind}`, status })
  }
})

test('an auditor cannot write, a producer cannot read, a stranger can do neither', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 3), 1)
  const { ask, tokens } = await openTestService(t, ledger)
  const write = posted(JSON.stringify({ entries: [entry] }))
  t.is((await ask('/v1/entries', 'auditor', write)).status, 403)
  t.is((await ask('/v1/entries', null, write)).status, 401)
  for (const path of ['/v1/entries', '/v1/entries/0', '/v1/entries/follow', '/tile/entries/000.p/3', '/v1/proof/tlog?index=0'])
    t.is((await ask(path, 'producer')).status, 403, path)
  for (const authorization of [
    'Bearer ',
    'Bearer x',
    `Basic ${tokens.admin}`,
    tokens.admin,
    `Bearer ${tokens.auditor}x`,
    'Bearer \u00e9'
  ])
    t.is((await ask('/v1/entries', null, { headers: { authorization } })).status, 401, authorization)
  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    t.is((await ask('/v1/entries/0', 'admin', { method })).status, 404, method)
  t.is(await ledger.reader.size(), 3)
})

test('a client that asks for much and takes nothing is let go', async (t) => {
  const ledger = await openTestLedger(t)
  const large = (n: number) => ({ draft: draftEntry(eventNumber(n, { payload: { x: 'x'.repeat(60_000) } }), n), key: `k:${n}` })
  for (let n = 0; n < 256; n += 32)
    await ledger.append(
      Array.from({ length: 32 }, (_, at) => large(n + at)),
      1
    )
  const { port, tokens } = await openTestService(t, ledger, { idleMs: 300 })
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  socket.pause()
  socket.write(`GET /tile/entries/000 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${tokens.auditor}\r\n\r\n`)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  let octets = 0
  socket.on('data', (part) => {
    octets += part.length
  })
  socket.resume()
  await once(socket, 'close')
  t.true(octets < 15_000_000, `${octets} octets came: the rest was given up`)
})

test('one address cannot take all connections, one token not all streams', async (t) => {
  const ledger = await openTestLedger(t)
  const { port } = await openTestService(t, ledger, { mostConnectionsOfOne: 3 })
  const sockets = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = connect(port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.on('error', () => undefined)
      let closed = false
      socket.on('close', () => {
        closed = true
      })
      await once(socket, 'connect')
      socket.resume()
      return { socket, isClosed: () => closed }
    })
  )
  const closed = () => sockets.filter(({ isClosed }) => isClosed()).length
  for (let waited = 0; waited < 10_000 && closed() < 2; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(closed(), 2)
  for (const { socket } of sockets) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))

  const other = await openTestService(t, ledger, { mostFollowersOfOne: 2 })
  const stop = new AbortController()
  const streams = [
    other.ask('/v1/entries/follow', 'auditor', { signal: stop.signal }),
    other.ask('/v1/entries/follow', 'auditor', { signal: stop.signal })
  ]
  t.deepEqual(
    (await Promise.all(streams)).map(({ status }) => status),
    [200, 200]
  )
  t.is((await other.ask('/v1/entries/follow', 'auditor')).status, 503)
  const admins = await other.ask('/v1/entries/follow', 'admin', { signal: stop.signal })
  t.is(admins.status, 200)
  stop.abort()
})
