import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import test from 'ava'
import Srf from 'drachtio-srf'
import { InfraFabricError, silentLog } from '#kernel'
import { createSipServer } from '../sip-engine.ts'
import type { TestSrf } from '../testing/srf.ts'

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

const joined = async () => {
  const server = await createSipServer({ listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }], log: silentLog })
  const srf = new Srf() as unknown as TestSrf & { connect: (options: object) => unknown }
  return { server, srf }
}

test('an application of the same process takes a call, with no port of its own', async (t) => {
  const { server, srf } = await joined()
  t.teardown(() => server.close())
  const ended = new Promise<string>((resolve) => {
    srf.invite(async (request, response) => {
      const dialog = await srf.createUAS(request, response, { localSdp: sdp })
      dialog.once('destroy', () => resolve(dialog.sip.callId))
    })
  })
  server.connect(srf)
  const [error, hostport] = await once(srf as never, 'connect')
  t.is(error, null)
  const { port } = server.addresses[0]!
  t.is(hostport, `udp/127.0.0.1:${port}`)
  t.is(server.adminPort, 0)
  t.is(server.stats().applications, 1)

  const phone = createSocket('udp4')
  t.teardown(() => phone.close())
  phone.bind(0, '127.0.0.1')
  await once(phone, 'listening')
  const request = (method: string, cseq: number, tag: string) =>
    [
      `${method} sip:bob@127.0.0.1:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${phone.address().port};branch=z9hG4bK${cseq}${method}`,
      'From: <sip:alice@127.0.0.1>;tag=a1',
      `To: <sip:bob@127.0.0.1>${tag}`,
      'Call-ID: in-process-1',
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:alice@127.0.0.1:${phone.address().port}>`,
      'Max-Forwards: 70',
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n')
  const send = (text: string) => phone.send(text, port, '127.0.0.1')
  const answered = new Promise<string>((resolve) => {
    phone.on('message', (bytes) => bytes.toString().startsWith('SIP/2.0 200') && resolve(bytes.toString()))
  })
  send(request('INVITE', 1, ''))
  const tag = /^To:.*?(;tag=[^;\r]+)/im.exec(await answered)![1]!
  send(request('ACK', 1, tag))
  send(request('BYE', 2, tag))
  t.is(await ended, 'in-process-1')
  t.is(server.stats().dialogs, 0)
})

test('either side may end the link; nothing of it stays', async (t) => {
  const connect = net.connect
  const { server, srf } = await joined()
  t.teardown(() => server.close())
  server.connect(srf)
  t.is(net.connect, connect)
  await once(srf as never, 'connect')
  srf.disconnect()
  await once(srf as never, 'close')
  t.is(server.stats().applications, 0)

  const second = new Srf() as unknown as typeof srf
  server.connect(second)
  await once(second as never, 'connect')
  const closed = once(second as never, 'close')
  await server.close()
  await closed
  t.is(server.stats().applications, 0)
})

test('what does not connect is refused', async (t) => {
  const connect = net.connect
  const { server } = await joined()
  t.teardown(() => server.close())
  const error = t.throws(() => server.connect({ connect: () => undefined }), { instanceOf: InfraFabricError })
  t.is(error.code, 'sip-engine.in-process')
  t.is(net.connect, connect)
})
