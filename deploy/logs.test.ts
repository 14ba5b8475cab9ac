/** What must not stand in a log, at any level, after a whole call. */
import { readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import test from 'ava'
import { createLog } from '#kernel'
import { readCredentials, startSuite } from '#suite'
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
    { data: await temporaryFolder(t), listen: { tls: 0 } },
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
    'telling-name',
    'telling-signature',
    'response=\\"'
  ]
  const text = lines.join('')
  t.true(lines.length > 3)
  for (const secret of secrets) t.false(text.includes(secret), secret.slice(0, 8))
})
