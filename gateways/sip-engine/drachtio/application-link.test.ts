import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import Srf from 'drachtio-srf'
import { silentLog } from '#kernel'
import { createSipServer, type SipServer, type SipServerConfig } from '../sip-engine.ts'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText, responseText, shape } from '../testing/sip-text.ts'
import { connectSrf, type SrfDialog, type SrfMessage, type TestSrf } from '../testing/srf.ts'
import { createAuthority } from '../transport/testing/certificates.ts'
import { encodeFrame, frameHead } from './framing.ts'

async function start(t: ExecutionContext, change: Partial<SipServerConfig> = {}): Promise<SipServer> {
  const engine = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog,
    ...change
  })
  t.teardown(() => engine.close())
  return engine
}

async function until(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
  return condition()
}

interface Client {
  readonly socket: Socket
  readonly payloads: { readonly fields: readonly string[]; readonly sip: string }[]
  readonly closed: () => boolean
  /** Sends a payload; gives what is behind the message id in the reply to it. */
  readonly ask: (meta: string, sip?: string) => Promise<string>
}

let nextMessage = 1

async function client(t: ExecutionContext, port: number): Promise<Client> {
  const socket = connect(port, '127.0.0.1')
  const payloads: { fields: string[]; sip: string }[] = []
  let pending = Buffer.alloc(0)
  let closed = false
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (let head = frameHead(pending, 0, 2_000_000); head !== undefined && head.end <= pending.length; ) {
      const text = pending.toString('latin1', head.start, head.end)
      const line = text.indexOf('\r\n')
      payloads.push({ fields: (line < 0 ? text : text.slice(0, line)).split('|'), sip: line < 0 ? '' : text.slice(line + 2) })
      pending = pending.subarray(head.end)
      head = frameHead(pending, 0, 2_000_000)
    }
  })
  socket.on('close', () => {
    closed = true
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  const reply = (id: string) => payloads.find(({ fields }) => fields[1] === 'response' && fields[2] === id)
  return {
    socket,
    payloads,
    closed: () => closed,
    ask: async (meta, sip) => {
      const id = `m${nextMessage++}`
      socket.write(encodeFrame(`${id}|${meta}`, sip === undefined ? undefined : Buffer.from(sip.replace(/\r?\n/g, '\r\n'))))
      await until(() => reply(id) !== undefined || closed)
      return reply(id)?.fields.slice(3).join('|') ?? 'closed'
    }
  }
}

async function loggedIn(t: ExecutionContext, engine: SipServer, ...verbs: string[]): Promise<Client> {
  const app = await client(t, engine.adminPort)
  await app.ask('authenticate|cymru|')
  for (const verb of verbs) await app.ask(`route|${verb}`)
  return app
}

async function udpPeer(t: ExecutionContext): Promise<{ socket: UdpSocket; port: number; received: string[] }> {
  const socket = createSocket('udp4')
  const received: string[] = []
  socket.on('message', (message) => received.push(message.toString('latin1')))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return { socket, port: socket.address().port, received }
}

test('refusals of the protocol close the connection, each with its text', async (t) => {
  const engine = await start(t)
  for (const [meta, sip, text] of [
    ['bogus|x', undefined, 'NO|Unknown message type'],
    ['sip||', 'SIP/2.0 200 OK\n\n', 'NO|transaction id missing'],
    ['proxy|tx', undefined, 'NO|Invalid proxy request: not enough information provided']
  ] as const) {
    const app = await loggedIn(t, engine)
    t.is(await app.ask(meta, sip), text)
    t.true(await until(app.closed))
  }
  const single = await loggedIn(t, engine)
  single.socket.write('5#hello')
  t.true(await until(single.closed))
  t.is(single.payloads.at(-1)!.fields.slice(1).join('|'), 'response|hello|NO|Invalid message format')
  const wrong = await client(t, engine.adminPort)
  t.is(await wrong.ask('authenticate|wrong|'), 'NO|incorrect secret')
  t.true(await until(wrong.closed))
  t.is(engine.stats().applications, 0)
})

test('failures of SIP, each with its text, over the real link', async (t) => {
  const engine = await start(t)
  const app = await loggedIn(t, engine, 'invite', 'options')
  const peer = await udpPeer(t)
  const [udp] = engine.addresses
  const nowhere = `sip:x@127.0.0.1:${peer.port}`
  let calls = 0
  /** Brings the application a request; gives its transaction id. */
  const bring = async (
    method: string,
    change: Partial<Parameters<typeof requestText>[0]> = {},
    forwards = 70
  ): Promise<string> => {
    const callId = `c${calls++}`
    const request = requestText({ method, branch: callId, callId, address: '127.0.0.1', port: peer.port, ...change })
    peer.socket.send(request.replace('Max-Forwards: 70', `Max-Forwards: ${forwards}`), udp!.port, '127.0.0.1')
    const shown = () => app.payloads.find(({ fields, sip }) => fields[1] === 'sip' && sip.includes(`Call-ID: ${callId}\r\n`))
    await until(() => shown() !== undefined)
    return shown()!.fields[8]!
  }
  const respond = (transaction: string, status: number, extra = '') =>
    app.ask(`sip|${transaction}|`, `SIP/2.0 ${status} Said\n${extra}\n`)

  const unknownResponse = 'NOK|Response not sent due to unknown transaction'
  t.is(await respond('00000000-0000-0000-0000-000000000000', 200), unknownResponse)
  const answered = await bring('OPTIONS')
  t.regex(await respond(answered, 200), /^OK\|/)
  t.is(await respond(answered, 200), unknownResponse)

  const call = await bring('INVITE')
  t.is(await respond(call, 200, 'CSeq: 1 CANCEL\n'), 'NOK|200 OK to incoming CANCEL is automatically generated by the stack')
  t.is(await respond(call, 180, 'Require: 100rel\n'), 'NOK|Remote endpoint does not support 100rel')
  t.is(await respond(call, 200, 'Contact: <<\n'), 'NOK|Unknown server error sending response')
  const established = await respond(call, 200)
  t.regex(established, /^OK\|/)
  const dialog = established.split('|')[8]!

  t.is(
    await app.ask('sip||nosuch;from-tag=x', 'BYE sip:placeholder SIP/2.0\n\n'),
    'NOK|Server error: unable to find dialog for dialog id provided'
  )
  t.is(
    await app.ask('sip||nosuch;from-tag=x', 'ACK sip:placeholder SIP/2.0\n\n'),
    'NOK|Server error: ACK for non-success final response is automatically generated by server'
  )
  t.is(await app.ask(`sip||${dialog}`, 'INFO sip:placeholder SIP/2.0\n\ntext'), 'NOK|Server error: missing content-type')
  t.is(await app.ask('sip||', `MESSAGE ${nowhere} SIP/2.0\n\ntext`), 'NOK|missing content-type')
  t.is(await app.ask('sip|nosuch|', `CANCEL ${nowhere} SIP/2.0\n\n`), 'NOK|unable to cancel unknown transaction id: nosuch')
  t.is(await app.ask('sip||', `OPTIONS sip:127.0.0.1:${udp!.port} SIP/2.0\n\n`), 'NOK|can not send request to myself')
  t.is(await app.ask('sip||', 'OPTIONS sip:a|b SIP/2.0\n\n'), 'NOK|invalid request-uri: OPTIONS sip:a?b SIP/2.0')
  t.is(await app.ask('sip||', `DANCE ${nowhere} SIP/2.0\n\n`), `NOK|invalid request-uri: DANCE ${nowhere} SIP/2.0`)
  t.is(await app.ask('sip||', `OPTIONS ${nowhere};transport=tls SIP/2.0\n\n`), 'NOK|requested protocol/transport not available')
  const again = `INVITE ${nowhere} SIP/2.0\nCall-ID: same\nFrom: <sip:a@localhost>;tag=ft\n\n`
  t.regex(await app.ask('sip||', again), /^OK\|/)
  t.is(await app.ask('sip||', again), 'NOK|dialog already exists, rejecting this request')

  const proxy = (transaction: string, destination: string) =>
    app.ask(`proxy|${transaction}|||||||${destination}`, 'OPTIONS x SIP/2.0\n\n')
  t.is(await proxy('nosuch', nowhere), 'NOK|Unknown transaction id: nosuch')
  t.is(await proxy(await bring('OPTIONS'), 'sip:127.0.0.1;transport=tls'), 'NOK|error proxying request to ')
  t.is(await proxy(await bring('OPTIONS', {}, 0), nowhere), 'NOK|Rejected with 483 Too Many Hops due to Max-Forwards value of 0')
  t.is(engine.stats().defects, 0)
})

test('a response to a WebSocket that is gone', (t) => {
  const s = createBench({ transport: 'ws' })
  const peer = s.network.peer('ws', '10.0.0.9', 5090)
  const app = createFakeApplication(s.engine, ['invite'])
  peer.send(requestText({ method: 'INVITE', branch: 'i', transport: 'WS' }), s.at)
  s.clock.advance(5)
  peer.close()
  const reply = app.send(`sip|${app.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')!
  t.is(reply.fields.slice(3).join('|'), 'NOK|transport for response has been shutdown or closed')
  t.is(s.engine.counts().dialogs, 0)
})

test('a stream is read the same however it is split, and many frames in one segment', async (t) => {
  const engine = await start(t)
  const whole = Buffer.concat([
    encodeFrame('a1|authenticate|cymru|x'),
    encodeFrame('a2|route|invite'),
    encodeFrame('a3|sip||nosuch', Buffer.from('BYE sip:placeholder SIP/2.0\r\n\r\né#|5#')),
    encodeFrame('a4|ping')
  ])
  const expected = ['OK', 'OK', 'NOK', 'OK']
  for (let cut = 0; cut <= whole.length; cut++) {
    const app = await client(t, engine.adminPort)
    app.socket.setNoDelay(true)
    app.socket.write(whole.subarray(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    app.socket.write(whole.subarray(cut))
    await until(() => app.payloads.length === 4)
    t.deepEqual(
      app.payloads.map(({ fields }) => fields[3]),
      expected,
      `cut at ${cut}`
    )
    app.socket.destroy()
  }
  const app = await loggedIn(t, engine)
  app.socket.write(Buffer.concat(Array.from({ length: 1000 }, (_, at) => encodeFrame(`p${at}|ping`))))
  t.true(await until(() => app.payloads.length === 1001))
  t.deepEqual(
    app.payloads.slice(1).map(({ fields }) => fields[2]),
    Array.from({ length: 1000 }, (_, at) => `p${at}`)
  )
})

test('a body of 1 MiB passes both ways', async (t) => {
  const engine = await start(t, { limits: { frame: 1_100_000, message: { body: 1_048_576 } } })
  const receiver = await loggedIn(t, engine, 'message')
  const other = await start(t, { limits: { frame: 1_100_000, message: { body: 1_048_576 } } })
  const sender = await loggedIn(t, other)
  const body = 'x'.repeat(1_048_576)
  const tcp = engine.addresses.find(({ transport }) => transport === 'tcp')!
  const sent = await sender.ask(
    'sip||',
    `MESSAGE sip:bob@127.0.0.1:${tcp.port};transport=tcp SIP/2.0\nContent-Type: text/plain\n\n${body}`
  )
  t.regex(sent, /^OK\|/)
  t.true(await until(() => receiver.payloads.some(({ sip }) => sip.startsWith('MESSAGE '))))
  const shown = receiver.payloads.find(({ sip }) => sip.startsWith('MESSAGE '))!
  t.true(shown.sip.endsWith(`\r\n\r\n${body}`))
  t.true(sender.payloads.some(({ sip }) => sip.startsWith('MESSAGE ') && sip.endsWith(body)))
})

test('frames that are too long, before and after the login', async (t) => {
  const engine = await start(t)
  const before = await client(t, engine.adminPort)
  before.socket.write('4097#')
  t.true(await until(before.closed))
  const after = await loggedIn(t, engine)
  after.socket.write('1048577#')
  t.true(await until(after.closed))
  t.is(engine.stats().framesRefused, 2)
})

test('an application that does not read is disconnected, and what waited for it is freed', async (t) => {
  const engine = await start(t, { limits: { sendQueue: 100_000 } })
  const app = await loggedIn(t, engine, 'message')
  const peer = await udpPeer(t)
  app.socket.pause()
  const body = 'x'.repeat(30_000)
  const send = (at: number) => {
    const change = { branch: `b${at}`, callId: `b${at}`, address: '127.0.0.1', port: peer.port, body }
    peer.socket.send(requestText({ method: 'MESSAGE', ...change }), engine.addresses[0]!.port, '127.0.0.1')
  }
  for (let at = 0; at < 2000 && engine.stats().applications === 1; at++) {
    send(at)
    if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  t.is(engine.stats().applications, 0)
  // Those it held are refused at once, and so are later ones.
  t.true(await until(() => peer.received.some((text) => text.startsWith('SIP/2.0 503 '))))
})

test('more connections than allowed are closed; a place that gets free is taken again', async (t) => {
  const engine = await start(t, { limits: { applications: 2 }, timers: { loginMs: 60_000 } })
  const first = await loggedIn(t, engine)
  await client(t, engine.adminPort)
  const third = await client(t, engine.adminPort)
  t.true(await until(third.closed))
  first.socket.destroy()
  t.true(await until(() => engine.stats().applications === 0))
  const fourth = await client(t, engine.adminPort)
  t.regex(await fourth.ask('authenticate|cymru|'), /^OK\|/)
})

test('a refused application that does not hang up is cut off', async (t) => {
  const engine = await start(t)
  const app = connect({ port: engine.adminPort, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => app.destroy())
  app.on('error', () => undefined)
  app.resume()
  let reset = false
  app.on('close', () => {
    reset = true
  })
  await new Promise((resolve) => app.once('connect', resolve))
  app.write(encodeFrame('1|authenticate|cymru|'))
  app.write(encodeFrame('2|bogus'))
  await new Promise((resolve) => app.once('end', resolve))
  t.true(await until(() => engine.stats().applications === 0))
  const poke = setInterval(() => app.write('x'), 20)
  t.teardown(() => clearInterval(poke))
  t.true(await until(() => reset))
})

test('tags: at most 20, at most 32 characters each', async (t) => {
  const { parseClientMessage } = await import('./client-message.ts')
  const tags = Array.from({ length: 25 }, (_, at) => `t${at}`)
  const read = parseClientMessage(Buffer.from(`1|authenticate|s|${['x'.repeat(33), 'y'.repeat(32), ...tags].join(',')}`))
  t.true(read.kind === 'authenticate')
  if (read.kind !== 'authenticate') return
  t.deepEqual(read.tags, ['y'.repeat(32), ...tags.slice(0, 19)])
})

const authority = createAuthority()
const own = authority.issue('admin', 'IP:127.0.0.1')

test('TLS beside plain: drachtio-srf logs in over it and takes a call; a handshake that stops is cut off', async (t) => {
  const engine = await start(t, {
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru', tls: { port: 0, ...own } },
    timers: { loginMs: 300 }
  })
  const srf = new Srf() as unknown as TestSrf & { connect: (options: object) => void }
  srf.invite((_request, response) => response.send(486))
  srf.on('error', () => undefined)
  const joined = new Promise((resolve) => srf.on('connect', resolve))
  srf.connect({
    host: '127.0.0.1',
    port: engine.adminTlsPort,
    secret: 'cymru',
    tls: { ca: authority.cert },
    reconnect: { maxAttempts: 1 }
  })
  t.is(await joined, null)
  t.teardown(() => srf.disconnect())
  const { srf: caller } = await connectSrf(engine.adminPort)
  t.teardown(() => caller.disconnect())
  t.is(engine.stats().applications, 2)
  const elsewhere = await start(t)
  const { srf: from } = await connectSrf(elsewhere.adminPort)
  t.teardown(() => from.disconnect())
  const call = from.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: 'v=0\r\n' })
  t.is((await t.throwsAsync<Error & { status: number }>(call)).status, 486)

  const stopped = await client(t, engine.adminTlsPort)
  t.true(await until(stopped.closed))
  const plain = await client(t, engine.adminTlsPort)
  plain.socket.write(encodeFrame('1|authenticate|cymru|'))
  t.true(await until(plain.closed))
  const silent = connectTls({ port: engine.adminTlsPort, host: '127.0.0.1', ca: authority.cert })
  t.teardown(() => silent.destroy())
  silent.on('error', () => undefined)
  silent.resume()
  await new Promise((resolve) => silent.once('close', resolve))
  t.is(engine.stats().applications, 2)
})

test('an application that logs in again with its tags has its dialogs back; the call ends as it should', async (t) => {
  const engine = await start(t, { timers: { orphanMs: 5000 } })
  const callee = new Srf() as unknown as TestSrf & { connect: (options: object) => void }
  let answered: SrfDialog | undefined
  let socket: Socket | undefined
  let logins = 0
  callee.invite(async (request, response) => {
    socket = (request as unknown as { socket: Socket }).socket
    answered = await callee.createUAS(request, response, { localSdp: 'v=0\r\n' })
  })
  callee.on('error', () => undefined)
  callee.on('connect', () => logins++)
  callee.connect({ host: '127.0.0.1', port: engine.adminPort, secret: 'cymru', tags: ['gold', 'a'] })
  t.teardown(() => callee.disconnect())
  t.true(await until(() => logins === 1))
  const elsewhere = await start(t)
  const { srf: caller } = await connectSrf(elsewhere.adminPort)
  t.teardown(() => caller.disconnect())
  const dialog = await caller.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: 'v=0\r\n' })
  t.true(await until(() => answered !== undefined))
  socket!.destroy()
  t.true(await until(() => logins === 2))
  const ended = new Promise<SrfMessage>((resolve) => answered!.on('destroy', resolve))
  const bye = await dialog.destroy()
  t.is((await ended).method, 'BYE')
  t.is(bye.status ?? 200, 200)
  t.is(engine.stats().dialogs, 0)
})

test('who takes over: the same tags in any order, within the time; no tags, other tags and late ones get nothing', (t) => {
  const run = (tags: readonly string[], heirTags: readonly string[], waitMs = 1000) => {
    const s = createBench()
    const peer = s.network.peer('udp', '10.0.0.9', 5090)
    const app = createFakeApplication(s.engine, ['invite'], undefined, tags)
    peer.send(requestText({ method: 'INVITE', branch: 'i', body: 'v=0\r\n' }), s.at)
    s.clock.advance(5)
    app.send(`sip|${app.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
    s.clock.advance(5)
    const to = headerOf(peer.received.at(-1)!.text, 'To')!
    peer.send(requestText({ method: 'ACK', branch: 'a', to }), s.at)
    s.clock.advance(5)
    app.disconnect()
    s.clock.advance(waitMs)
    const heir = createFakeApplication(s.engine, [], undefined, heirTags)
    peer.send(requestText({ method: 'INFO', branch: 'o', cseq: 2, to }), s.at)
    s.clock.advance(5)
    const taken = heir.delivered().length === 1
    if (taken) heir.send(`sip|${heir.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
    s.clock.advance(60_000)
    const byes = peer.received.filter(({ text }) => shape(text) === 'BYE')
    if (byes.length > 0) peer.send(responseText(byes[0]!.text, 200), s.at)
    s.clock.advance(60_000)
    const info = peer.received.find(({ text }) => shape(text).endsWith(' INFO'))
    return { info: info === undefined ? '' : shape(info.text), ended: byes.length > 0, dialogs: s.engine.counts().dialogs }
  }
  t.deepEqual(run(['a', 'b'], ['b', 'a', 'a']), { info: '200 INFO', ended: false, dialogs: 1 })
  t.deepEqual(run(['a', 'b'], ['a']), { info: '481 INFO', ended: true, dialogs: 0 })
  t.deepEqual(run([], []), { info: '481 INFO', ended: true, dialogs: 0 })
  t.is(run(['a'], ['a'], 33_000).dialogs, 0)
})

test('who takes up a dialog that an application left by an INVITE with its tags has it from then on', (t) => {
  const s = createBench()
  const peer = s.network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(s.engine, ['invite'])
  peer.send(requestText({ method: 'INVITE', branch: 'i', body: 'v=0\r\n' }), s.at)
  s.clock.advance(5)
  app.send(`sip|${app.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
  s.clock.advance(5)
  const { text } = peer.received.at(-1)!
  const [from, to, callId] = [headerOf(text, 'From')!, headerOf(text, 'To')!, headerOf(text, 'Call-ID')!]
  peer.send(requestText({ method: 'ACK', branch: 'a', to }), s.at)
  s.clock.advance(5)
  app.disconnect()
  s.clock.advance(1000)
  const heir = createFakeApplication(s.engine, ['invite'])
  const invite = (cseq: number) =>
    heir.send(
      'sip||',
      `INVITE sip:alice@10.0.0.9:5090 SIP/2.0\nCall-ID: ${callId}\nFrom: ${to}\nTo: ${from}\nCSeq: ${cseq} INVITE\n\n`
    )!
  t.is(invite(100).fields[3], 'OK')
  s.clock.advance(5)
  const sent = peer.received.at(-1)!.text
  t.is(shape(sent), 'INVITE')
  peer.send(responseText(sent, 200, { extra: ['Contact: <sip:alice@10.0.0.9:5090>'] }), s.at)
  s.clock.advance(60_000)
  t.is(peer.received.filter((each) => shape(each.text) === 'BYE').length, 0, 'the dialog is no orphan any more')
  const known = heir.delivered().length
  peer.send(requestText({ method: 'INFO', branch: 'o', cseq: 2, to }), s.at)
  s.clock.advance(5)
  t.is(heir.delivered().length, known + 1, 'what the peer asks comes to the heir')
  t.is(s.engine.counts().dialogs, 1)
})

test('TLS that cannot work is told, and leaves no port open', async (t) => {
  const admin = { address: '127.0.0.1', port: 0, secret: 'cymru' }
  await t.throwsAsync(start(t, { admin: { ...admin, tls: { port: 0, key: own.key, cert: 'nonsense' } } }), {
    code: 'sip-engine.tls'
  })
  const engine = await start(t)
  const taken = { ...admin, port: 0, tls: { port: engine.adminPort, ...own } }
  await t.throwsAsync(start(t, { admin: taken }), { code: 'sip-engine.listen' })
  await t.throwsAsync(start(t, { limits: { sendQueue: 0, frame: 1.5 } }), { message: /limits\.frame[\s\S]*limits\.sendQueue/ })
})
