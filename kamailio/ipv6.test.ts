/** Phones of IPv6 at the edge: every transport, every layer, calls in and out. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { ConfigError } from '#kernel'
import { checkEdgeConfig, type EdgeConfig } from './config.ts'
import { writeEdge } from './kamailio.ts'
import { renderEdge } from './render.ts'
import { authorityOf, credential, edgeConfig, freePort, Phone, parse, type Rig, reply, rig } from './testing/harness.ts'
import { callOut, register, ring } from './testing/registration.ts'

const loopback6 = '::1'
const has6 = networkInterfaces().lo?.some(({ address }) => address === loopback6) === true
const test6 = has6 ? test : test.skip

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

const onBoth = async (base: EdgeConfig, more: Partial<EdgeConfig> = {}): Promise<Partial<EdgeConfig>> => ({
  listen: {
    ...base.listen,
    udp: { address: '127.0.0.1', port: await freePort() },
    tcp: { address: '127.0.0.1', port: await freePort() },
    address6: loopback6
  },
  allowlist: [...base.allowlist, { network: '::1', name: 'loopback' }],
  credentials: [{ ...credential('expert-safety'), registers: 'expert-safety@edge.test' }],
  ...more
})

async function both(t: ExecutionContext, more: Partial<EdgeConfig> = {}): Promise<Rig> {
  const listen = await onBoth(await edgeConfig(t, certificates, [1]), more)
  const running = await rig(t, certificates, (base) => ({ ...listen, listen: { ...listen.listen!, tls: base.listen.tls } }))
  running.app.answer = (request) =>
    /^(?:INVITE|BYE)/.test(request.startLine) ? reply(request, 200, 'OK', [`Contact: <sip:127.0.0.1:${running.app.port}>`]) : null
  return running
}

/** Whose requests are counted. */
async function networks({ edge }: Rig): Promise<string[]> {
  const dump = JSON.stringify(await edge.rpc('htable.dump', ['requests']))
  return [...dump.matchAll(/"name":"([^"]*)"/g)].map(([, name]) => name!)
}

const overTls6 = (t: ExecutionContext, { config }: Rig) =>
  Phone.open(t, config.listen.tls.port, { host: loopback6, rejectUnauthorized: false })

async function overTcp6(t: ExecutionContext, { config }: Rig) {
  const socket = connectTcp(config.listen.tcp!.port, loopback6)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return new Phone(socket, `TCP [::1]:${socket.localPort}`)
}

test6(
  'experts with IPv6, over TLS and TCP: authenticated, and taken to the application with the facts of the edge',
  async (t) => {
    const running = await both(t)
    for (const [open, transport] of [
      [overTls6, 'tls'],
      [overTcp6, 'tcp']
    ] as const) {
      const phone = await open(t, running)
      const answer = await phone.call()
      t.is(answer.startLine, 'SIP/2.0 200 OK')
      const invite = await running.app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
      t.regex(invite.get('X-IF-Edge-Source')!, /^\[[0:]+1\]$/)
      t.is(invite.get('X-IF-Edge-Transport'), transport)
      t.is(invite.get('X-IF-Edge-Layers'), 'pike,allowlist,tls,digest,rate')
      t.regex(invite.get('Contact')!, /alias=\[?[0:]+1\]?~\d+~/)
      const routes = invite.all('Record-Route').join()
      t.regex(routes, /<sip:\[[0:]+1\]:\d+/)
      t.regex(routes, /<sip:127\.0\.0\.1[:;]/)

      // in the dialog, both ways: the phone's over its Route set, the application's to the address behind the alias
      const headers = answer.all('Record-Route').map((route) => `Route: ${route}`)
      const callId = answer.get('Call-ID')!
      const target = `sip:127.0.0.1:${running.app.port}`
      t.is((await phone.ask({ callId, cseq: 3, toTag: 'app', requestUri: target, headers })).startLine, 'SIP/2.0 200 OK')
      await running.app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
      const contact = /<(.+)>/.exec(invite.get('Contact')!)![1]!
      running.app.send(
        [
          `BYE ${contact} SIP/2.0`,
          `Via: SIP/2.0/UDP 127.0.0.1:${running.app.port};branch=z9hG4bK${transport}`,
          'Max-Forwards: 70',
          ...invite.all('Record-Route').map((route) => `Route: ${route}`),
          `From: ${invite.get('To')};tag=app`,
          `To: ${invite.get('From')}`,
          `Call-ID: ${callId}`,
          'CSeq: 1 BYE',
          'Content-Length: 0\r\n\r\n'
        ].join('\r\n'),
        running.config.inside.port
      )
      const bye = await phone.inbox.next(({ startLine }) => startLine.startsWith('BYE'))
      phone.send(reply(bye, 200, 'OK'))
      const done = await running.app.inbox.next(
        ({ startLine, get }) => startLine.startsWith('SIP/2.0') && get('CSeq') === '1 BYE'
      )
      t.is(done.startLine, 'SIP/2.0 200 OK', transport)
    }
  }
)

test6('a phone that registers with IPv6 is called there, beside one with IPv4', async (t) => {
  const running = await both(t)
  const six = await overTls6(t, running)
  const four = await running.phone()
  t.is((await register(six, { contact: '<sip:expert-safety@[2001:db8::55]:5099;transport=tls>' })).startLine, 'SIP/2.0 200 OK')
  t.is((await register(four)).startLine, 'SIP/2.0 200 OK')
  const answered = callOut(running)
  const [invite] = await Promise.all([ring(six), ring(four)])
  t.regex(invite.startLine, /^INVITE sip:expert-safety@\[2001:db8::55\]:5099/)
  t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
})

test6('a call out to a contact with IPv6 leaves by UDP from the address of IPv6', async (t) => {
  const running = await both(t)
  const socket = createSocket('udp6').bind(0, loopback6)
  await once(socket, 'listening')
  t.teardown(() => void socket.close())
  const called = once(socket, 'message') as Promise<[Buffer, { address: string; port: number }]>
  const answered = callOut(running, `sip:expert-safety@[::1]:${socket.address().port}`)
  const [packet, from] = await called
  t.like(from, { address: loopback6, port: running.config.listen.udp!.port })
  const invite = parse(packet.toString())
  t.regex(invite.get('Via')!, /^SIP\/2\.0\/UDP \[[0:]+1\]:\d+/)
  socket.send(reply(invite, 486, 'Busy Here'), from.port, from.address)
  t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
})

test6('who is not on the list is refused; a flood is cut off for the whole of its /64, and one report says so', async (t) => {
  const refused = await both(t, {
    allowlist: [
      { network: '127.0.0.0/8', name: 'loopback' },
      { network: '2001:db8::/32', name: 'elsewhere' }
    ]
  })
  const stranger = await overTls6(t, refused)
  t.is((await stranger.ask()).startLine, 'SIP/2.0 403 Forbidden')
  t.like(await refused.app.report(), { code: 'edge.allowlist.not-listed', status: 403, transport: 'tls' })

  const running = await both(t, { limits: { pikeRequests: 10, pikeSeconds: 2 } })
  const phone = await overTls6(t, running)
  for (let n = 0; n < 30; n++) phone.send(phone.request({ method: 'OPTIONS' }))
  const report = await running.app.report()
  t.like(report, { layer: 'pike', code: 'edge.pike.flood' })
  t.deepEqual(await networks(running), ['0:0:0:0::'])
  t.is((await (await running.phone()).ask({ method: 'OPTIONS' })).startLine, 'SIP/2.0 200 OK', 'IPv4 goes on')
})

test6('a WebSocket is opened with IPv6', async (t) => {
  const port = await freePort()
  const base = await edgeConfig(t, certificates, [1])
  const listen = (await onBoth(base)).listen!
  const running = await rig(t, certificates, (config) => ({
    allowlist: [...config.allowlist, { network: '::1/128', name: 'loopback' }],
    listen: { ...listen, tls: config.listen.tls, wss: { address: '127.0.0.1', port, origins: ['https://council.test'] } }
  }))
  t.truthy(running)
  for (const host of [loopback6, '127.0.0.1']) {
    const socket = connect({ host, port, rejectUnauthorized: false })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    socket.write(
      [
        'GET /sip HTTP/1.1',
        'Host: edge.test',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Origin: https://council.test',
        'Sec-WebSocket-Protocol: sip',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
      ].join('\r\n')
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.regex(answer.toString(), /^HTTP\/1\.1 101 /, host)
  }
})

test6('Kamailio takes the configuration with IPv6 in both profiles', async (t) => {
  for (const profile of ['development', 'production'] as const) {
    const base = await edgeConfig(t, certificates, [5080])
    const { listen, allowlist } = await onBoth(base)
    const { tls, udp, tcp } = listen!
    const wss = { address: '127.0.0.1', port: 7443, origins: ['https://council.test'] }
    const config: EdgeConfig = {
      ...base,
      profile,
      allowlist: [...allowlist!, { network: '2001:db8:7::/48', name: 'Safety' }],
      listen: { tls, wss, address6: loopback6, ...(profile === 'development' ? { udp: udp!, tcp: tcp! } : {}) }
    }
    await t.notThrowsAsync(writeEdge(config), profile)
    const local = renderEdge(config).get('kamailio-local.cfg')!
    t.is(local.match(/listen=\w+:\[::1\]/g)!.length, profile === 'development' ? 4 : 2)
  }
})

test('addresses and networks of IPv6 are checked', (t) => {
  const base: EdgeConfig = {
    profile: 'production',
    listen: { tls: { address: '127.0.0.1', port: 5061 } },
    inside: { address: '127.0.0.1', port: 5070 },
    applications: [{ address: '127.0.0.1', port: 5080 }],
    tls: { certificate: '/c', key: '/k', ca: '/a' },
    allowlist: [{ network: '2001:db8::/32', name: 'a' }],
    realm: 'r',
    credentials: [],
    runtimeDir: join(tmpdir(), 'edge')
  }
  t.notThrows(() => checkEdgeConfig(base))
  for (const network of ['2001:db8::/129', 'fe80::1%eth0', '[::1]', '::1/', 'g::'])
    t.throws(() => checkEdgeConfig({ ...base, allowlist: [{ network, name: 'a' }] }), { instanceOf: ConfigError }, network)
  for (const address6 of ['127.0.0.1', '[::1]', 'fe80::1%eth0', '::'])
    t.throws(() => checkEdgeConfig({ ...base, listen: { ...base.listen, address6 } }), { message: /listen\.address6/ })
})
