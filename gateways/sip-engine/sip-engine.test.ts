import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { ConfigError, silentLog } from '#kernel'
import { encodeFrame } from './drachtio/framing.ts'
import { createSipServer, type SipServer, type SipServerConfig } from './sip-engine.ts'
import { connectSrf, type SrfDialog, type SrfMessage, type SrfRequest, type SrfResponse, type TestSrf } from './testing/srf.ts'

type Transport = 'udp' | 'tcp'

const sdp = (version = 1, direction = 'sendrecv'): string =>
  `v=0\r\no=- 1 ${version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=${direction}\r\n`

interface Side {
  readonly engine: SipServer
  readonly srf: TestSrf
  readonly uri: (user: string) => string
}

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

/** An engine with one application. Methods must be set up before it connects. */
async function side(
  t: ExecutionContext,
  setup?: (srf: TestSrf) => void,
  transport: Transport = 'udp',
  change: Partial<SipServerConfig> = {}
): Promise<Side> {
  const engine = await start(t, change)
  const { srf } = await connectSrf(engine.adminPort, setup)
  t.teardown(() => srf.disconnect())
  const { port } = engine.addresses.find((each) => each.transport === transport)!
  return { engine, srf, uri: (user) => `sip:${user}@127.0.0.1:${port}${transport === 'udp' ? '' : `;transport=${transport}`}` }
}

const once = <T>(what: Pick<TestSrf, 'once'>, event: string): Promise<T> => new Promise((resolve) => what.once(event, resolve))

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

for (const transport of ['udp', 'tcp'] as const) {
  test(`${transport}: createUAC against createUAS, re-INVITE, INFO, BYE from either side`, async (t) => {
    let answered: SrfDialog | undefined
    const modified: string[] = []
    const acks: string[] = []
    const callee = await side(
      t,
      (srf) =>
        srf.invite(async (request, response) => {
          t.is(request.protocol, transport)
          answered = await srf.createUAS(request, response, { localSdp: sdp(1) })
          answered.on('ack', (ack: SrfMessage) => acks.push(ack.method))
          answered.on('modify', (again: SrfRequest, answer: SrfResponse) => {
            modified.push(again.body)
            answer.send(200, { body: sdp(2) })
          })
          answered.on('info', (info: SrfRequest, answer: SrfResponse) =>
            answer.send(200, { body: `got ${info.body}`, headers: { 'Content-Type': 'text/plain' } })
          )
        }),
      transport
    )
    const caller = await side(t)
    const dialog = await caller.srf.createUAC(callee.uri('bob'), { localSdp: sdp(1), headers: { From: 'sip:alice@localhost' } })
    t.is(dialog.remote.sdp, sdp(1))
    await until(() => acks.length === 1)
    t.is(answered!.sip.callId, dialog.sip.callId)
    t.is(answered!.sip.remoteTag, dialog.sip.localTag)
    t.is(await dialog.modify(sdp(2, 'inactive')), sdp(2))
    t.deepEqual(modified, [sdp(2, 'inactive')])
    const info = await dialog.request({ method: 'INFO', body: 'é#|', headers: { 'Content-Type': 'text/plain' } })
    t.is(info.body, 'got é#|')
    const ended = once<SrfMessage>(answered!, 'destroy')
    await dialog.destroy()
    t.is((await ended).method, 'BYE')
    await until(() => callee.engine.stats().dialogs + caller.engine.stats().dialogs === 0)
    t.is(callee.engine.stats().dialogs + caller.engine.stats().dialogs, 0)

    const second = await caller.srf.createUAC(callee.uri('bob'), { localSdp: sdp(1) })
    const gone = once<SrfMessage>(second, 'destroy')
    await until(() => answered!.sip.callId === second.sip.callId)
    await answered!.destroy()
    t.is((await gone).method, 'BYE')
  })
}

test('the application sees source, receivedOn and hostport', async (t) => {
  let seen: SrfRequest | undefined
  const callee = await side(t, (srf) =>
    srf.options((request, response) => {
      seen = request
      response.send(200, { headers: { 'X-Said': 'hi' } })
    })
  )
  const caller = await side(t)
  const response = await new Promise<SrfMessage>((resolve, reject) =>
    caller.srf.request(callee.uri('x'), { method: 'OPTIONS' }, (error, request) =>
      error ? reject(error) : request.on('response', resolve)
    )
  )
  t.is(response.status, 200)
  t.is(response.get('X-Said'), 'hi')
  t.is(seen!.source, 'network')
  t.is(seen!.source_port, caller.engine.addresses[0]!.port)
  t.is(seen!.receivedOn, `127.0.0.1:${callee.engine.addresses[0]!.port}`)
  t.true(seen!.server.hostport.startsWith('udp/127.0.0.1:'))
})

test('CANCEL of a ringing call reaches the other application; both legs end', async (t) => {
  let cancelled = ''
  const callee = await side(t, (srf) =>
    srf.invite((request, response) => {
      request.on('cancel', (cancel: SrfMessage) => {
        cancelled = cancel.get('Call-ID')
      })
      response.send(180)
    })
  )
  const caller = await side(t)
  let sent: SrfRequest | undefined
  const call = caller.srf.createUAC(
    callee.uri('bob'),
    { localSdp: sdp() },
    {
      cbRequest: (_, request) => {
        sent = request
      },
      cbProvisional: () => sent!.cancel()
    }
  )
  const error = await t.throwsAsync<Error & { status: number }>(call)
  t.is(error.status, 487)
  t.is(cancelled, sent!.get('Call-ID'))
  await until(() => callee.engine.stats().dialogs + caller.engine.stats().dialogs === 0)
  t.is(callee.engine.stats().dialogs + caller.engine.stats().dialogs, 0)
})

test('a B2BUA joins two engines: answer, re-INVITE through, failure through, BYE through', async (t) => {
  let farDialog: SrfDialog | undefined
  const far = await side(t, (srf) =>
    srf.invite(async (request, response) => {
      if (request.get('X-Fail')) return response.send(486)
      farDialog = await srf.createUAS(request, response, { localSdp: sdp(7) })
      farDialog.on('modify', (_: SrfRequest, answer: SrfResponse) => answer.send(200, { body: sdp(8) }))
    })
  )
  const middle = await side(t, (srf) =>
    srf.invite(async (request, response) => {
      try {
        const { uas, uac } = await srf.createB2BUA(request, response, far.uri('far'), {
          localSdpB: request.body,
          proxyRequestHeaders: ['X-Fail']
        })
        uas.on('destroy', () => void uac.destroy())
        uac.on('destroy', () => void uas.destroy())
        uas.on('modify', async (again: SrfRequest, answer: SrfResponse) =>
          answer.send(200, { body: await uac.modify(again.body) })
        )
      } catch (error) {
        t.is((error as { status: number }).status, 486)
      }
    })
  )
  const near = await side(t)
  const dialog = await near.srf.createUAC(middle.uri('x'), { localSdp: sdp(1) })
  t.is(dialog.remote.sdp, sdp(7))
  t.is(await dialog.modify(sdp(2)), sdp(8))
  const ended = once(dialog, 'destroy')
  await farDialog!.destroy()
  await ended
  const error = await t.throwsAsync<Error & { status: number }>(
    near.srf.createUAC(middle.uri('x'), { localSdp: sdp(1), headers: { 'X-Fail': 'yes' } })
  )
  t.is(error.status, 486)
  await until(() => [near, middle, far].every(({ engine }) => engine.stats().dialogs === 0))
  t.deepEqual(
    [near, middle, far].map(({ engine }) => engine.stats().dialogs),
    [0, 0, 0]
  )
})

test('a caller that cancels at a B2BUA: the CANCEL goes through to the far end', async (t) => {
  let farCancelled = false
  const far = await side(t, (srf) =>
    srf.invite((request, response) => {
      request.on('cancel', () => {
        farCancelled = true
      })
      response.send(180)
    })
  )
  const middle = await side(t, (srf) =>
    srf.invite((request, response) => {
      srf.createB2BUA(request, response, far.uri('far'), { localSdpB: request.body }).catch(() => undefined)
    })
  )
  const near = await side(t)
  let sent: SrfRequest | undefined
  const call = near.srf.createUAC(
    middle.uri('x'),
    { localSdp: sdp() },
    {
      cbRequest: (_, request) => {
        sent = request
      },
      cbProvisional: () => sent!.cancel()
    }
  )
  const error = await t.throwsAsync<Error & { status: number }>(call)
  t.is(error.status, 487)
  await until(() => farCancelled && [near, middle, far].every(({ engine }) => engine.stats().dialogs === 0))
  t.true(farCancelled)
  t.deepEqual(
    [near, middle, far].map(({ engine }) => engine.stats().dialogs),
    [0, 0, 0]
  )
})

test('digest: drachtio-srf answers the challenge with the same Call-ID and From tag', async (t) => {
  const seen: { callId: string; from: string; cseq: number }[] = []
  const md5 = (text: string) => createHash('md5').update(text).digest('hex')
  const callee = await side(t, (srf) =>
    srf.invite(async (request, response) => {
      seen.push({ callId: request.get('Call-ID'), from: request.get('From'), cseq: Number.parseInt(request.get('CSeq'), 10) })
      if (!request.has('Authorization'))
        return response.send(401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n", algorithm=MD5' } })
      const uri = /uri="([^"]+)"/.exec(request.get('Authorization'))![1]
      t.true(request.get('Authorization').includes(md5(`${md5('u:r:p')}:n:${md5(`INVITE:${uri}`)}`)))
      await srf.createUAS(request, response, { localSdp: sdp() })
    })
  )
  const caller = await side(t)
  const dialog = await caller.srf.createUAC(callee.uri('bob'), { localSdp: sdp(), auth: { username: 'u', password: 'p' } })
  t.is(seen.length, 2)
  t.deepEqual([seen[1]!.callId, seen[1]!.from, seen[1]!.cseq], [seen[0]!.callId, seen[0]!.from, seen[0]!.cseq + 1])
  await dialog.destroy()
})

test('reliable provisional responses and their PRACK through drachtio-srf on both sides', async (t) => {
  const methods: string[] = []
  const callee = await side(t, (srf) => {
    srf.invite((request, response) => {
      response.send(183, { headers: { Require: '100rel' }, body: sdp(3) }, undefined, async (prack) => {
        methods.push(prack.method)
        await srf.createUAS(request, response, { localSdp: sdp(3) })
      })
    })
    srf.use('prack', (_, response) => response.send(200))
  })
  const caller = await side(t)
  const dialog = await caller.srf.createUAC(callee.uri('bob'), { localSdp: sdp(), headers: { Require: '100rel' } })
  t.deepEqual(methods, ['PRACK'])
  await dialog.destroy()
})

test('no ACK: with short timers the callee is told of the BYE the engine made', async (t) => {
  const timers = { t1Ms: 10, t2Ms: 40, t4Ms: 50 }
  let reason = ''
  const callee = await side(
    t,
    (srf) =>
      srf.invite(async (request, response) => {
        const dialog = await srf.createUAS(request, response, { localSdp: sdp() })
        dialog.on('destroy', (_: SrfMessage, why: string) => {
          reason = why
        })
      }),
    'udp',
    { timers }
  )
  const caller = await side(t, undefined, 'udp', { timers })
  caller.srf.request(callee.uri('bob'), { method: 'INVITE', body: sdp() }, () => undefined)
  await until(() => reason !== '')
  t.is(reason, 'ACK timeout')
  t.is(callee.engine.stats().ackTimeouts, 1)
})

test('an application that dies: its caller gets 503 at once', async (t) => {
  const engine = await start(t)
  await connectSrf(engine.adminPort, (srf) => srf.invite(() => srf.disconnect()))
  await until(() => engine.stats().applications === 1)
  const caller = await side(t)
  const call = caller.srf.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: sdp() })
  const error = await t.throwsAsync<Error & { status: number }>(call)
  t.is(error.status, 503)
  t.is(engine.stats().applications, 0)
})

test('SUBSCRIBE and NOTIFY as a dialog', async (t) => {
  const callee = await side(t, (srf) =>
    srf.subscribe(async (request, response) => {
      const dialog = await srf.createUAS(request, response, { localSdp: '' })
      await dialog.request({
        method: 'NOTIFY',
        body: 'state',
        headers: { Event: 'presence', 'Subscription-State': 'active', 'Content-Type': 'text/plain' }
      })
    })
  )
  const caller = await side(t)
  const dialog = await caller.srf.createUAC(callee.uri('bob'), {
    method: 'SUBSCRIBE',
    headers: { Event: 'presence', Expires: '60' }
  })
  const notify = await new Promise<SrfMessage>((resolve) =>
    dialog.on('notify', (request: SrfRequest, response: SrfResponse) => {
      response.send(200)
      resolve(request)
    })
  )
  t.is(notify.body, 'state')
})

/** A raw connection to the admin port. */
async function raw(
  t: ExecutionContext,
  port: number
): Promise<{ socket: Socket; text: () => string; closed: () => boolean; say: (payload: string) => void }> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let closed = false
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('close', () => {
    closed = true
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, text: () => text, closed: () => closed, say: (payload) => socket.write(encodeFrame(payload)) }
}

test('login: wrong secret, anything before it, and a connection that says nothing are closed', async (t) => {
  const engine = await start(t, { timers: { loginMs: 1000 } })
  await t.throwsAsync(connectSrf(engine.adminPort, undefined, 'wrong'), { message: /authenticate/ })
  const before = await raw(t, engine.adminPort)
  before.say('1|route|invite')
  await until(before.closed)
  t.true(before.text().endsWith('|response|1|NO|not authenticated'))
  const silent = await raw(t, engine.adminPort)
  await until(silent.closed)
  t.true(silent.closed())
  t.is(engine.stats().loginsRefused, 3)
  t.is(engine.stats().applications, 0)
})

test('the link: ping, frames cut anywhere, a frame of 1 MiB, refusals that close', async (t) => {
  const engine = await start(t)
  const peer = await raw(t, engine.adminPort)
  const login = encodeFrame('1|authenticate|cymru|')
  for (const octet of login) peer.socket.write(Buffer.from([octet]))
  await until(() => peer.text() !== '')
  t.regex(peer.text(), /^\d+#[0-9a-f-]{36}\|response\|1\|OK\|udp\/127\.0\.0\.1:\d+,tcp\/127\.0\.0\.1:\d+\|v\d+\.\d+\.\d+\|udp\//)
  peer.say('2|ping')
  const large = 'x'.repeat(1_048_000)
  peer.say(`3|sip||\r\nMESSAGE sip:a@127.0.0.1:9;transport=tcp SIP/2.0\r\nContent-Type: text/plain\r\n\r\n${large}`)
  peer.say('4|ping')
  await until(() => peer.text().includes('|response|4|OK|pong') && peer.text().includes('503 Service Unavailable'))
  t.true(peer.text().includes('|response|2|OK|pong'))
  t.true(peer.text().includes('Content-Length: 1048000\r\n'))
  peer.say('5|bogus')
  await until(peer.closed)
  t.true(peer.text().endsWith('|response|5|NO|Unknown message type'))
  const broken = await raw(t, engine.adminPort)
  broken.socket.write('abc#')
  await until(broken.closed)
  t.true(broken.closed())
})

test('a configuration that cannot work: every problem at once', async (t) => {
  const error = await t.throwsAsync<ConfigError>(
    createSipServer({
      listen: [
        { transport: 'udp', address: '0.0.0.0', port: 70_000 },
        { transport: 'tls', address: '127.0.0.1', port: 0 }
      ],
      admin: { address: '127.0.0.1', port: 0, secret: '' },
      timers: { t1Ms: -1, tryingMs: 201 },
      log: silentLog
    }),
    { instanceOf: ConfigError }
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(':', 1)[0]),
    ['listen[0].port', 'listen[0].advertise', 'listen[1].tls', 'admin.secret', 'timers.t1Ms', 'timers.tryingMs']
  )
})
