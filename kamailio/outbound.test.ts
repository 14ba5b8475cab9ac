/** Several flows of one phone (RFC 5626): over which it is called, and what becomes of one that fails. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { startBaresip } from '../scripts/baresip/baresip.ts'
import type { Edge } from './kamailio.ts'
import { authorityOf, authorize, credential, freePort, type Message, Phone, type Rig, reply, rig } from './testing/harness.ts'
import { callOut, register, ring } from './testing/registration.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

/** @param calleeTimeoutMs where a phone keeps silent; others have as long as they need */
const registering = (t: ExecutionContext, calleeTimeoutMs = 30_000) =>
  rig(t, certificates, () => ({
    credentials: [{ ...credential('expert-safety'), registers: 'expert-safety@edge.test' }],
    calleeTimeoutMs
  }))

let registrations = 0

/** REGISTER for one flow of a phone. */
const flow = (phone: Phone<Duplex>, instance: number, regId: number, headers: readonly string[] = []) =>
  register(phone, {
    callId: `flow-${++registrations}`,
    contact: `<sip:expert-safety@192.0.2.5${instance}:5099;transport=tls;ob>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000${instance}>";reg-id=${regId}`,
    headers: ['Supported: path, outbound', ...headers]
  })

const isInvite = ({ startLine }: Message) => startLine.startsWith('INVITE')
const invites = (phone: Phone<Duplex>) => phone.inbox.messages.filter(isInvite).length

/** The first of these phones that is called, or null when none is. */
async function calledOf(phones: readonly Phone[], limitMs = 5000): Promise<Phone | null> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await pause(10)) {
    const found = phones.find((phone) => invites(phone) > 0)
    if (found !== undefined) return found
  }
  return null
}

const bindings = (answer: Message) =>
  answer
    .all('Contact')
    .join(',')
    .match(/reg-id=\d+/g) ?? []

/** The expert's phones have so many flows in all. */
async function bound(edge: Edge, flows: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(10)) {
    const found = await edge.rpc('ul.lookup', ['location', 'expert-safety@edge.test']).catch(() => null)
    if ((JSON.stringify(found).match(/"Reg-Id"/gi) ?? []).length === flows) return
  }
  throw new Error(`no ${flows} flows registered`)
}

/** The connection of a phone ends, and the edge has seen it. */
async function lose({ edge }: Rig, { socket }: Phone): Promise<void> {
  const port = `${socket.localPort}`
  socket.destroy()
  await once(socket, 'close')
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await pause(10))
    if (!JSON.stringify(await edge.rpc('core.tcp_list')).includes(port)) return
  throw new Error('the edge still has the connection')
}

test('a phone with two flows is called over one of them, and over the other when that is gone', async (t) => {
  const running = await registering(t)
  const phones = [await running.phone(), await running.phone()] as const
  const answer = await flow(phones[0], 1, 1)
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  t.is(answer.get('Require'), 'outbound')
  t.is(answer.get('Flow-Timer'), '120')
  t.deepEqual(bindings(await flow(phones[1], 1, 2)).sort(), ['reg-id=1', 'reg-id=2'])

  const answered = callOut(running)
  const first = (await calledOf(phones))!
  await ring(first)
  t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
  const other = phones.find((phone) => phone !== first)!
  t.is(invites(other), 0, 'one flow at a time')

  await lose(running, first)
  const again = callOut(running)
  await ring(other)
  t.is((await again).startLine, 'SIP/2.0 486 Busy Here')
  t.is(bindings(await flow(other, 1, phones.indexOf(other) + 1)).length, 1, 'the binding of the lost flow is gone')
})

test('a flow that does not answer, or says that it has failed (430), is given up for the next; a busy phone is not', async (t) => {
  for (const how of ['silent', '430'] as const) {
    const running = await registering(t, how === 'silent' ? 2000 : undefined)
    const phones = [await running.phone(), await running.phone()] as const
    await flow(phones[0], 1, 1)
    await flow(phones[1], 1, 2)
    const answered = callOut(running)
    const first = (await calledOf(phones))!
    const invite = await first.inbox.next(isInvite)
    if (how === '430') first.send(reply(invite, 430, 'Flow Failed'))
    const other = phones.find((phone) => phone !== first)!
    await ring(other)
    t.is((await answered).startLine, 'SIP/2.0 486 Busy Here', how)
    t.is(bindings(await flow(other, 1, phones.indexOf(other) + 1)).length, 1, `${how}: its binding is gone`)
  }
})

test('each phone of an expert rings over one flow of its own', async (t) => {
  const running = await registering(t)
  const flows: Phone[][] = []
  for (const instance of [1, 2]) {
    const own = [await running.phone(), await running.phone()]
    for (const [at, phone] of own.entries()) t.is((await flow(phone, instance, at + 1)).startLine, 'SIP/2.0 200 OK')
    flows.push(own)
  }
  const answered = callOut(running)
  for (const own of flows) await ring((await calledOf(own))!)
  t.regex((await answered).startLine, /^SIP\/2\.0 486/)
  t.deepEqual(flows.flat().map(invites), [0, 0, 0, 0])
})

/** An edge that takes plain TCP, too, and phones on that. */
async function withPlain(t: ExecutionContext, calleeTimeoutMs?: number) {
  const tcp = { address: '127.0.0.1', port: await freePort() }
  const running = await rig(t, certificates, ({ listen }) => ({
    listen: { ...listen, tcp },
    credentials: [{ ...credential('expert-safety'), registers: 'expert-safety@edge.test' }],
    ...(calleeTimeoutMs === undefined ? {} : { calleeTimeoutMs })
  }))
  const plainPhone = async () => {
    const socket = connect(tcp.port, tcp.address)
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return new Phone(socket, `TCP 127.0.0.1:${socket.localPort}`)
  }
  return { running, plainPhone }
}

test('a phone of mixed flows is called over those of TLS alone where TLS is demanded, in whatever order they came', async (t) => {
  for (const plainFirst of [true, false]) {
    const { running, plainPhone } = await withPlain(t, 2000)
    const plain = await plainPhone()
    const secure = [await running.phone(), await running.phone()] as const
    const order = plainFirst ? [plain, ...secure] : [...secure, plain]
    for (const [n, each] of order.entries()) t.is((await flow(each, 1, n + 1)).startLine, 'SIP/2.0 200 OK')
    const answered = callOut(running, 'sip:expert-safety@edge.test;transport=tls')
    const first = (await calledOf(secure))!
    const invite = await first.inbox.next(isInvite)
    first.send(reply(invite, 430, 'Flow Failed'))
    await ring(secure.find((each) => each !== first)!)
    t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
    t.is(invites(plain), 0)
    for (const each of secure) await lose(running, each)
    const gone = await callOut(running, 'sip:expert-safety@edge.test;transport=tls')
    t.is(gone.startLine, 'SIP/2.0 480 Temporarily Unavailable', 'nothing goes out in clear instead')
    t.is(invites(plain), 0)
  }
})

test('where an expert is called over TLS only, what registered without it does not ring', async (t) => {
  const { running, plainPhone } = await withPlain(t)
  const secure = await running.phone()
  const plain = await plainPhone()
  await register(secure)
  t.is((await register(plain, { contact: '<sip:expert-safety@192.0.2.66:5099;transport=tcp>' })).startLine, 'SIP/2.0 200 OK')
  const demanded = callOut(running, 'sip:expert-safety@edge.test;transport=tls')
  await ring(secure)
  t.is((await demanded).startLine, 'SIP/2.0 486 Busy Here')
  t.false(plain.inbox.messages.some(isInvite))
  const preferred = callOut(running)
  await Promise.all([ring(secure), ring(plain)])
  t.is((await preferred).startLine, 'SIP/2.0 486 Busy Here')
  await lose(running, secure)
  t.is((await callOut(running, 'sip:expert-safety@edge.test;transport=tls')).startLine, 'SIP/2.0 480 Temporarily Unavailable')
})

test('a flow that is opened anew takes the place of the one it was', async (t) => {
  const running = await registering(t)
  const [old, next] = [await running.phone(), await running.phone()]
  await flow(old, 1, 1)
  t.deepEqual(bindings(await flow(next, 1, 1)), ['reg-id=1'])
  const answered = callOut(running)
  await ring(next)
  await answered
  t.is(invites(old), 0)
})

test('through a proxy that knows nothing of flows there are none: 439', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  const via = 'Via: SIP/2.0/TLS 192.0.2.99:5061;branch=z9hG4bKbehind'
  t.is((await flow(phone, 1, 1, [via])).startLine, 'SIP/2.0 439 First Hop Lacks Outbound Support')
})

test('a phone asks whether its flow is there by two ends of line, and hears one', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  let heard = ''
  phone.socket.on('data', (data: Buffer) => {
    heard += data.toString()
  })
  phone.send('\r\n\r\n')
  for (const deadline = Date.now() + 5000; heard === '' && Date.now() < deadline; ) await pause(10)
  t.is(heard, '\r\n')
})

test('a call goes on over another flow: who calls moves it by a re-INVITE, and is reached there', async (t) => {
  const running = await registering(t)
  const { app, config } = running
  const [first, second] = [await running.phone(), await running.phone()]
  const contact = `Contact: <sip:127.0.0.1:${app.port}>`
  app.answer = (request) => (isInvite(request) ? reply(request, 200, 'OK', [contact]) : null)
  const callId = `talk-${++registrations}`
  const challenge = await first.ask({ callId })
  const answer = await first.ask({ callId, cseq: 2, headers: [authorize(challenge)] })
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  await app.inbox.next(isInvite)
  await lose(running, first)

  const inDialog = {
    callId,
    toTag: 'app',
    requestUri: `sip:127.0.0.1:${app.port}`,
    headers: answer.all('Record-Route').map((route) => `Route: ${route}`)
  }
  t.is((await second.ask({ ...inDialog, cseq: 3 })).startLine, 'SIP/2.0 200 OK')
  const moved = await app.inbox.next(isInvite)
  const target = /<(.+)>/.exec(moved.get('Contact')!)![1]!
  app.send(
    [
      `BYE ${target} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bKbye`,
      'Max-Forwards: 70',
      ...moved.all('Record-Route').map((route) => `Route: ${route}`),
      `From: ${moved.get('To')}`,
      `To: ${moved.get('From')}`,
      `Call-ID: ${callId}`,
      'CSeq: 1 BYE',
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n'),
    config.inside.port
  )
  const bye = await second.inbox.next(({ startLine }) => startLine.startsWith('BYE'))
  second.send(reply(bye, 200, 'OK'))
  const done = await app.inbox.next(({ startLine, get }) => startLine.startsWith('SIP/2.0') && get('CSeq') === '1 BYE')
  t.is(done.startLine, 'SIP/2.0 200 OK')
})

const phonePresent = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined

;(phonePresent ? test : test.skip)(
  'baresip registers over two flows, by TLS and TCP, and is called once, over one of them',
  async (t) => {
    const tcp = { address: '127.0.0.1', port: await freePort() }
    const running = await rig(t, certificates, ({ listen }) => ({
      listen: { ...listen, tcp },
      credentials: [{ ...credential('expert-safety'), ha1Sha256: null, registers: 'expert-safety@edge.test' }]
    }))
    const { tls } = running.config.listen
    const phone = await startBaresip({
      address: 'expert-safety@edge.test',
      transport: 'tls',
      flows: [
        { host: tls.address, port: tls.port, transport: 'tls' },
        { host: tcp.address, port: tcp.port, transport: 'tcp' }
      ],
      digest: { user: 'expert-safety', password: 'secret' },
      registerIntervalS: 600
    })
    t.teardown(phone.stop)
    await bound(running.edge, 2)
    const answered = callOut(running)
    await phone.next('CALL_INCOMING')
    await phone.hangup()
    t.regex((await answered).startLine, /^SIP\/2\.0 (?:486|603)/)
  }
)

test('a contact that no packet can be sent to is 502 with words to act on', async (t) => {
  // broadcast needs a socket that asked for it: the system refuses to send
  const answer = await callOut(await registering(t), 'sip:expert-safety@255.255.255.255:5060;transport=udp')
  t.is(answer.startLine, 'SIP/2.0 502 Next Hop Cannot Be Reached')
})
