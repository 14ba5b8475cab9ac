import { createSocket } from 'node:dgram'
import test from 'ava'
import Srf from 'drachtio-srf'
import { silentLog } from '#kernel'
import { startSipEngine } from './sip-engine.ts'

test('a drachtio-srf application answers an INVITE and gets ACK and BYE', async (t) => {
  const engine = await startSipEngine({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog
  })
  const srf = new Srf()
  srf.connect({ host: '127.0.0.1', port: engine.adminPort, secret: 'cymru' })
  await new Promise((resolve) => srf.on('connect', resolve))
  const byed = new Promise<string>((resolve) => {
    srf.invite(async (req: any, res: any) => {
      const dialog = await srf.createUAS(req, res, { localSdp: 'v=0\r\n' })
      dialog.on('destroy', (_: unknown, reason: string) => resolve(reason))
    })
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const port = socket.address().port
  const engineAt = `127.0.0.1:${engine.addresses[0]!.port}`
  const got: string[] = []
  const send = (text: string) => socket.send(text.replaceAll('\n', '\r\n'), engine.addresses[0]!.port, '127.0.0.1')
  let toHeader = ''
  socket.on('message', (bytes) => {
    const text = bytes.toString()
    got.push(text)
    if (text.startsWith('SIP/2.0 200') && text.includes('INVITE')) {
      toHeader = /^To: (.*)$/m.exec(text)![1]!.trim()
      const head = `From: <sip:a@127.0.0.1>;tag=ft1\nTo: ${toHeader}\nCall-ID: c1\nMax-Forwards: 70\nContent-Length: 0\n`
      send(`ACK sip:${engineAt} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKb2\nCSeq: 1 ACK\n${head}\n`)
      send(`BYE sip:${engineAt} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKb3\nCSeq: 2 BYE\n${head}\n`)
    }
  })
  send(
    `INVITE sip:bob@${engineAt} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKb1\nFrom: <sip:a@127.0.0.1>;tag=ft1\nTo: <sip:bob@${engineAt}>\nCall-ID: c1\nCSeq: 1 INVITE\nContact: <sip:a@127.0.0.1:${port}>\nMax-Forwards: 70\nContent-Length: 0\n\n`
  )
  t.is(await byed, 'normal release')
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.log(got.join('\n-----\n'))
  t.deepEqual(
    got.map((text) => text.split('\r\n', 1)[0]),
    ['SIP/2.0 100 Trying', 'SIP/2.0 200 OK', 'SIP/2.0 200 OK']
  )
  socket.close()
  srf.disconnect()
  await engine.close()
})
