import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import Srf from 'drachtio-srf'
import fc from 'fast-check'
import { type ConfigError, silentLog, systemClock } from '#kernel'
import type { Application } from '../drachtio/application.ts'
import { createSipServer, type SipServer } from '../sip-engine.ts'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headersOf, requestText, shape, startLine } from '../testing/sip-text.ts'
import { connectSrf, type SrfDialog, type TestSrf } from '../testing/srf.ts'
import { createAuthority } from '../transport/testing/certificates.ts'
import type { EngineOptions } from './config.ts'
import { askHttp, type HttpAnswer, type HttpQuestion, parseApplicationAddress, parseInstruction } from './http-routing.ts'

const instruction = (action: string, data: object): string => JSON.stringify({ action, data })

interface Dialled {
  readonly host: string
  readonly port: number
  readonly joined: (application: Application | null) => boolean
  given: boolean
}

/** An engine whose questions and connections are answered by the test. */
function scene(outbound: EngineOptions['outbound'] = [{ method: '*', url: 'http://router.example/?a=1' }]) {
  const asked: { question: HttpQuestion; answer: (answer: HttpAnswer) => void; given: boolean }[] = []
  const dialled: Dialled[] = []
  const bench = createBench({
    options: { outbound },
    outbound: {
      ask: (question, _clock, answer) => {
        const entry = { question, answer, given: false }
        asked.push(entry)
        return () => {
          entry.given = true
        }
      },
      dial: (address, _verify, joined) => {
        const entry = { host: address.host, port: address.port, joined, given: false }
        dialled.push(entry)
        return () => {
          entry.given = true
        }
      }
    }
  })
  const peer = bench.network.peer('udp', '10.0.0.9', 5090)
  const say = (text: string) => {
    peer.send(text, bench.at)
    bench.clock.advance(5)
  }
  return {
    ...bench,
    peer,
    asked,
    dialled,
    say,
    answer: (answer: HttpAnswer | string) => {
      asked
        .at(-1)!
        .answer(typeof answer === 'string' && answer !== 'unreachable' ? { status: 200, body: answer } : (answer as HttpAnswer))
      bench.clock.advance(5)
    },
    shapes: () => peer.received.map(({ text }) => shape(text)),
    last: () => peer.received.at(-1)!.text
  }
}

const invite = requestText({
  method: 'INVITE',
  branch: 'i1',
  uri: 'sip:bob@10.0.0.1;method=evil;x=1',
  body: 'v=0\r\n',
  extra: ['Content-Type: application/sdp']
})

test('a service is asked with the addresses of the request; parameters of its URI take no name that is taken', (t) => {
  const s = scene()
  s.say(invite)
  t.deepEqual(s.shapes(), ['100 INVITE'])
  const { question } = s.asked[0]!
  const url = new URL(question.url)
  t.is(url.origin, 'http://router.example')
  t.deepEqual(
    [...url.searchParams],
    [
      ['a', '1'],
      ['method', 'INVITE'],
      ['domain', '10.0.0.1'],
      ['protocol', 'udp'],
      ['source_address', '10.0.0.9'],
      ['fromUser', 'alice'],
      ['toUser', 'bob'],
      ['uriUser', 'bob'],
      ['contentType', 'application/sdp'],
      ['uri', 'sip:bob@10.0.0.1;method=evil;x=1'],
      ['x', '1']
    ]
  )
  t.is(question.method, 'GET')
  t.is(question.body.length, 0)
  t.regex(question.userAgent, /^Drachtio\/v\d/)
})

test('a POST has the request as its body', (t) => {
  const s = scene([{ method: 'invite', url: 'http://router.example/', httpMethod: 'POST' }])
  s.say(invite)
  t.true(s.asked[0]!.question.body.toString().startsWith('INVITE sip:bob@10.0.0.1;method=evil;x=1 SIP/2.0\r\n'))
})

test('reject, with a reason of its own or the usual one; redirect with each contact', (t) => {
  const s = scene()
  s.say(invite)
  s.answer(instruction('reject', { status: 404, reason: 'Nobody' }))
  t.is(startLine(s.last()), 'SIP/2.0 404 Nobody')
  s.say(requestText({ method: 'OPTIONS', branch: 'o', callId: 'o' }))
  s.answer(instruction('reject', { status: 403 }))
  t.is(startLine(s.last()), 'SIP/2.0 403 Forbidden')
  s.say(requestText({ method: 'INVITE', branch: 'r', callId: 'r' }))
  s.answer(instruction('redirect', { contact: ['sip:a@192.0.2.1', '192.0.2.2:5080'] }))
  t.regex(startLine(s.last()), /^SIP\/2\.0 302 Moved/)
  t.deepEqual(headersOf(s.last(), 'Contact'), ['<sip:a@192.0.2.1>', '<sip:192.0.2.2:5080>'])
  t.is(s.engine.counts().dialogs, 0)
})

test('proxy', (t) => {
  const s = scene()
  const far = s.network.peer('udp', '10.0.0.2', 5060)
  s.say(invite)
  s.answer(instruction('proxy', { destination: 'sip:10.0.0.2', recordRoute: true }))
  t.is(far.received.length, 1)
  t.deepEqual(headersOf(far.received[0]!.text, 'Record-Route').length, 1)
  t.is(s.engine.counts().proxied, 1)
})

test('a tag: an application that has it and takes the method, in turn; none: 480', (t) => {
  const s = scene()
  const gold = () => createFakeApplication(s.engine, ['invite'], undefined, ['gold', 'x'])
  const apps = [createFakeApplication(s.engine, ['invite'], undefined, ['silver']), gold(), gold()]
  createFakeApplication(s.engine, ['options'], undefined, ['gold'])
  const ask = (callId: string, tag: string) => {
    s.say(requestText({ method: 'INVITE', branch: callId, callId }))
    s.answer(instruction('route', { tag }))
  }
  for (const callId of ['a', 'b', 'c', 'd']) ask(callId, 'gold')
  t.deepEqual(
    apps.map((app) => app.delivered().length),
    [0, 2, 2]
  )
  apps[1]!.disconnect()
  ask('e', 'gold')
  ask('f', 'gold')
  t.is(apps[2]!.delivered().length, 4)
  ask('g', 'bronze')
  t.is(startLine(s.last()), 'SIP/2.0 480 Temporarily Unavailable')
})

test('connect: the application that joins is shown the request and owns its dialog; none: 480', (t) => {
  const s = scene()
  s.say(invite)
  s.answer(instruction('route', { uri: '10.0.0.5:3001' }))
  t.like(s.dialled[0], { host: '10.0.0.5', port: 3001 })
  const app = createFakeApplication(s.engine, [])
  t.true(s.dialled[0]!.joined(app.application))
  t.is(app.delivered().length, 1)
  t.is(app.delivered()[0]!.fields.length, 13)
  app.send(`sip|${app.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
  s.clock.advance(5)
  t.is(shape(s.last()), '200 INVITE')
  s.say(requestText({ method: 'INVITE', branch: 'n', callId: 'n' }))
  s.answer(instruction('route', { uri: '10.0.0.5:3001' }))
  s.dialled[1]!.joined(null)
  s.clock.advance(5)
  t.is(startLine(s.last()), 'SIP/2.0 480 Temporarily Unavailable')
})

test('a caller that cancels meanwhile gets 487; the question, or the connection, is given up', (t) => {
  const s = scene()
  s.say(invite)
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(s.shapes(), ['100 INVITE', '200 CANCEL', '487 INVITE'])
  t.true(s.asked[0]!.given)
  s.answer(instruction('reject', { status: 404 }))
  t.is(s.peer.received.length, 3)
  s.say(requestText({ method: 'INVITE', branch: 'j', callId: 'j' }))
  s.answer(instruction('route', { uri: '10.0.0.5:3001' }))
  s.say(requestText({ method: 'CANCEL', branch: 'j', callId: 'j' }))
  t.true(s.dialled[0]!.given)
  const late = createFakeApplication(s.engine, [])
  t.false(s.dialled[0]!.joined(late.application))
  t.is(late.delivered().length, 0)
  t.is(s.engine.counts().dialogs, 0)
})

test('methods without a route go to applications that connected; tcp:// needs no question', (t) => {
  const s = scene([{ method: 'INVITE', url: 'tcp://10.0.0.5:3001' }])
  const app = createFakeApplication(s.engine, ['invite', 'options'])
  s.say(requestText({ method: 'OPTIONS', branch: 'o', callId: 'o' }))
  t.is(app.delivered().length, 1)
  s.say(invite)
  t.is(app.delivered().length, 1)
  t.like(s.dialled[0], { host: '10.0.0.5', port: 3001 })
})

test('every malformed answer gives 500, a service that cannot be reached 480', (t) => {
  for (const answer of [
    '',
    'null',
    '[]',
    '{"action":"reject"}',
    instruction('reject', { status: 200 }),
    instruction('reject', { status: '404' }),
    instruction('reject', { status: 404, reason: 'a\r\nb' }),
    instruction('redirect', { contacts: ['sip:a@b'] }),
    instruction('redirect', { contact: ['sip:a@b>\r\nX: y'] }),
    instruction('redirect', { contact: [] }),
    instruction('proxy', { destination: 'sip:a b' }),
    instruction('proxy', { destination: 'sip:a', finalTimeout: 5 }),
    instruction('proxy', { destination: 'sip:a', recordRoute: 'yes' }),
    instruction('route', { uri: '10.0.0.5' }),
    instruction('route', { uri: 'http://10.0.0.5:1' }),
    instruction('route', {}),
    instruction('dance', {}),
    { status: 404, body: instruction('reject', { status: 404 }) }
  ]) {
    const s = scene()
    s.say(invite)
    s.answer(answer)
    t.is(startLine(s.last()), 'SIP/2.0 500 Server Internal Error', JSON.stringify(answer))
  }
  const s = scene()
  s.say(invite)
  s.answer('unreachable')
  t.is(startLine(s.last()), 'SIP/2.0 480 Temporarily Unavailable')
})

test('any text, and any JSON, is an instruction or none, without a throw', (t) => {
  const action = fc.constantFrom('reject', 'redirect', 'proxy', 'route', 'x')
  const data = fc.dictionary(fc.constantFrom('status', 'contact', 'destination', 'uri', 'tag', 'finalTimeout'), fc.jsonValue())
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.record({ action, data }).map((value) => JSON.stringify(value))
      ),
      (text) => {
        const read = parseInstruction(text)
        return read === undefined || typeof read.action === 'string'
      }
    ),
    { numRuns: 500 }
  )
  t.pass()
})

test('addresses of applications', (t) => {
  t.deepEqual(parseApplicationAddress('h:1'), { host: 'h', port: 1, tls: false })
  t.deepEqual(parseApplicationAddress('[::1]:1;transport=tls'), { host: '::1', port: 1, tls: true })
  t.deepEqual(parseApplicationAddress('tls://h:1'), { host: 'h', port: 1, tls: true })
  for (const bad of ['h', 'h:0', 'h:99999', 'http://h:1', 'h:1;transport=udp', ''])
    t.is(parseApplicationAddress(bad), undefined, bad)
})

// Over real sockets

async function serve(t: ExecutionContext, server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const question = (port: number, method: 'GET' | 'POST' = 'GET'): HttpQuestion => ({
  method,
  url: `http://127.0.0.1:${port}/`,
  body: Buffer.from(method === 'POST' ? 'INVITE' : ''),
  userAgent: 'Drachtio/v1',
  verify: true
})

const ask = (what: HttpQuestion): Promise<HttpAnswer> => new Promise((resolve) => askHttp(what, systemClock, resolve))

test('HTTP: header fields, body and answer; a refused connection, an answer too large, none in time', async (t) => {
  const seen: { request: IncomingMessage; body: string }[] = []
  const port = await serve(
    t,
    createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      seen.push({ request, body })
      if (request.headers['x-large'] !== undefined || seen.length === 3) response.end('x'.repeat(100_000))
      else if (seen.length < 4) response.end('ä')
    })
  )
  t.deepEqual(await ask(question(port)), { status: 200, body: 'ä' })
  t.like(seen[0]!.request.headers, { accept: 'application/json', 'user-agent': 'Drachtio/v1' })
  t.deepEqual(await ask(question(port, 'POST')), { status: 200, body: 'ä' })
  t.like(seen[1], { body: 'INVITE' })
  t.is(seen[1]!.request.headers['content-type'], 'text/plain')
  t.deepEqual(await ask(question(port)), { status: 200, body: '' })
  const before = performance.now()
  t.is(await ask(question(port)), 'unreachable')
  t.true(performance.now() - before > 2900)
  const closed = createTcpServer()
  const closedPort = await serve(t, closed)
  await new Promise((resolve) => closed.close(resolve))
  t.is(await ask(question(closedPort)), 'unreachable')
})

async function engineWith(t: ExecutionContext, url: string, verify = true): Promise<SipServer> {
  const engine = await createSipServer({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    options: { outbound: [{ method: 'INVITE', url, verify }] },
    timers: { loginMs: 300 },
    log: silentLog
  })
  t.teardown(() => engine.close())
  return engine
}

async function listening(
  t: ExecutionContext,
  secret = 'cymru',
  tls?: object
): Promise<{ port: number; dialog: Promise<SrfDialog>; closed: () => number }> {
  const srf = new Srf() as unknown as TestSrf & { listen: (options: object) => Server; endSession: (what: object) => void }
  let closes = 0
  const dialog = new Promise<SrfDialog>((resolve) => {
    srf.invite(async (request, response) => {
      const made = await srf.createUAS(request, response, { localSdp: 'v=0\r\n' })
      made.on('destroy', () => srf.endSession(request))
      resolve(made)
    })
  })
  srf.on('error', () => undefined)
  const server = srf.listen({ port: 0, host: '127.0.0.1', secret, tls })
  server.on('connection', (socket) => socket.on('close', () => closes++))
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, dialog, closed: () => closes }
}

async function caller(t: ExecutionContext): Promise<TestSrf> {
  const engine = await createSipServer({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog
  })
  const { srf } = await connectSrf(engine.adminPort)
  t.teardown(async () => {
    srf.disconnect()
    await engine.close()
  })
  return srf
}

async function until(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
  return condition()
}

for (const way of ['tcp', 'http'] as const) {
  test(`srf.listen by ${way}: one connection carries the call and is closed by the application`, async (t) => {
    const app = await listening(t)
    const port = await serve(
      t,
      createServer((_request, response) => response.end(instruction('route', { uri: `127.0.0.1:${app.port}` })))
    )
    const engine = await engineWith(t, way === 'tcp' ? `tcp://127.0.0.1:${app.port}` : `http://127.0.0.1:${port}`)
    const from = await caller(t)
    const dialog = await from.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: 'v=0\r\n' })
    t.is((await app.dialog).sip.callId, dialog.sip.callId)
    t.is(engine.stats().applications, 1)
    await dialog.destroy()
    t.true(await until(() => app.closed() === 1))
    t.is(engine.stats().applications, 0)
    t.is(engine.stats().dialogs, 0)
  })
}

const own = createAuthority().issue('application', 'IP:127.0.0.1')

test('https and tls: a certificate that nobody vouches for is refused, unless the route says otherwise', async (t) => {
  const port = await serve(
    t,
    createHttpsServer(own, (_request, response) => response.end('secure'))
  )
  const url = `https://127.0.0.1:${port}/`
  t.is(await ask({ ...question(port), url }), 'unreachable')
  t.deepEqual(await ask({ ...question(port), url, verify: false }), { status: 200, body: 'secure' })

  const app = await listening(t, 'cymru', own)
  const from = await caller(t)
  const call = async (verify: boolean): Promise<SrfDialog> => {
    const engine = await engineWith(t, `tls://127.0.0.1:${app.port}`, verify)
    return from.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: 'v=0\r\n' })
  }
  t.is((await t.throwsAsync<Error & { status: number }>(call(true))).status, 480)
  const dialog = await call(false)
  t.is((await app.dialog).sip.callId, dialog.sip.callId)
  await dialog.destroy()
})

test('an application with another secret, one that says nothing, and none: 480', async (t) => {
  const silent = await serve(
    t,
    createTcpServer((socket) => socket.on('error', () => undefined))
  )
  const wrong = await listening(t, 'wrong')
  const from = await caller(t)
  for (const port of [silent, wrong.port, 1]) {
    const engine = await engineWith(t, `tcp://127.0.0.1:${port}`)
    const call = from.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: 'v=0\r\n' })
    const error = await t.throwsAsync<Error & { status: number }>(call)
    t.is(error.status, 480)
    t.is(engine.stats().applications, 0)
  }
})

test('routes that cannot work: every problem at once', async (t) => {
  const error = await t.throwsAsync<ConfigError>(
    createSipServer({
      listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
      options: {
        outbound: [
          { method: 'INVITE', url: 'ftp://x' },
          { method: 'invite', url: 'tcp://127.0.0.1' },
          { method: 'a b', url: 'http://127.0.0.1/' }
        ]
      },
      log: silentLog
    })
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(':', 1)[0]),
    [
      'options.outbound[0].url',
      'options.outbound[1].url',
      'options.outbound[1].method',
      'options.outbound[2].method',
      'options.outbound'
    ]
  )
})
