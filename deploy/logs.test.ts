/** What must not stand in a log, at any level, after a whole call. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import test from 'ava'
import { createLog } from '#kernel'
import { readCredentials, startSuite } from '#suite'
import { joinCouncil } from '#webrtc/agent'
import { openPhone } from '../gateways/sip/testing/phone.ts'
import { temporaryFolder } from './testing/harness.ts'

/** Master key and salt of 30 octets. */
const theirKey = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'

test('no log line holds a password, a hash of one, a digest answer, a secret of ours, a signature, a key of the sound or a session description', async (t) => {
  const lines: string[] = []
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    }
  })
  const suite = await startSuite(
    { data: await temporaryFolder(t), listen: { tls: 0 }, webrtc: { enabled: true, port: 0, maxBrowsers: 4 } },
    { log: createLog({ name: 'suite', level: 'trace', destination }) }
  )
  t.teardown(() => suite.stop())
  const user = (await readCredentials(suite.data.credentials)).users['expert-safety']!
  const phone = await openPhone({
    port: suite.addresses.tls!.port,
    ca: await readFile(suite.data.ca, 'utf8'),
    uri: 'sip:expert-safety@external.advisor',
    password: user.password!
  })
  t.teardown(phone.close)
  const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=telling-name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
  const call = await phone.invite({ sdp: `${sdp}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${theirKey}\r\n` })
  t.is(call.status, 200)
  const ourKey = /inline:([^\r|]+)/.exec(call.response.body)![1]!
  await call.request('INVITE', { body: sdp })
  await call.bye()
  await phone.invite({
    sdp,
    headers: () => ({ 'X-IF-Signature': 'v=1;kid=0123456789abcdef;iat=1;nonce=n;sig=telling-signature' })
  })
  await phone.invite({ sdp: `${sdp}m=broken`, to: 'nobody' })
  await spoil(suite.addresses.tls!.port, sdp)
  // a seat, with sound under keys that its messages bring
  const seat = { id: 'guardian-1', conference: 'council', kind: 'agent', mayVote: false, hazard: null } as const
  const link = suite.inside.webrtc!.council.invite(seat)!.url
  const agent = await joinCouncil({ link, sound: true })
  await agent.leave()
  await suite.stop()
  const secrets = [
    user.password!,
    user.ha1Md5!,
    user.ha1Sha256!,
    (await readFile(suite.data.adminSecret, 'utf8')).trim(),
    ...[theirKey, ourKey].flatMap((key) => [
      key,
      Buffer.from(key, 'base64').toString('hex'),
      [...Buffer.from(key, 'base64')].join(',')
    ]),
    new URL(link).hash.slice(1),
    'inline:',
    'ice-pwd',
    'telling-name',
    'telling-signature',
    'response=\\"'
  ]
  const text = lines.join('')
  t.true(lines.length > 3)
  for (const secret of secrets) t.false(text.includes(secret), secret.slice(0, 8))
})

/** Requests that Kamailio cannot read, and would quote: their lines ask after names and numbers, answers to challenges and descriptions. */
async function spoil(port: number, sdp: string): Promise<void> {
  const head = [
    'INVITE sip:council-safety@external.advisor SIP/2.0',
    'Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKtelling-name',
    'Call-ID: spoilt@127.0.0.1',
    'CSeq: 1 INVITE',
    'To: <sip:council-safety@external.advisor>'
  ]
  const tail = ['Proxy-Authorization: Digest response="telling-signature"', `Content-Length: ${sdp.length}`, '', sdp]
  const spoilt = [
    ['From: "telling-name'],
    ['From: <sip:telling-name@external.advisor;x="telling-name>;tag=1'],
    ['From: <sip:a@b>;tag=1', 'telling-name'],
    ['From: <sip:a@b>;tag=1', 'To: "telling-name <sip:x'],
    ['From: <sip:a@b>;tag=1', 'Max-Forwards: 70', 'Max-Forwards: 70'],
    ['From: <sip:a@b>;tag=1', 'Contact: <<telling-name']
  ]
  for (const lines of spoilt) {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.write([...head, ...lines, ...tail].join('\r\n'))
    await Promise.race([once(socket, 'data'), once(socket, 'close'), sleep(1000)])
    socket.destroy()
  }
}
