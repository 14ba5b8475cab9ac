/** Phones that register at the edge, and are called over the connection that they keep. */
import { rmSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { authorityOf, credential, hash, type Phone, type Rig, realm, reply, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

const registering = (t: ExecutionContext) =>
  rig(t, certificates, () => ({
    credentials: [
      { ...credential('expert-safety'), registers: 'expert-safety@edge.test' },
      { ...credential('expert-ethics'), registers: 'expert-ethics@edge.test' },
      credential('guardian-1')
    ]
  }))

interface Registration {
  readonly as?: string
  readonly user?: string
  readonly password?: string
  readonly expires?: number
  readonly callId?: string
  readonly contact?: string
}

let count = 0

/** REGISTER, challenged by 401, and again with credentials. */
async function register(phone: Phone, options: Registration = {}) {
  const { as = 'expert-safety', user = as, password = 'secret', expires = 600, callId = `register-${++count}` } = options
  const text = (cseq: number, more: readonly string[]) =>
    phone.request({
      method: 'REGISTER',
      user: as,
      to: as,
      callId,
      cseq,
      requestUri: 'sip:edge.test',
      headers: [`Contact: ${options.contact ?? `<sip:${as}@192.0.2.55:5099;transport=tls>`}`, `Expires: ${expires}`, ...more]
    })
  phone.send(text(1, []))
  const challenge = await phone.final(callId)
  if (!challenge.startLine.startsWith('SIP/2.0 401')) return challenge
  const nonce = /nonce="([^"]+)"/.exec(challenge.all('WWW-Authenticate').find((line) => line.includes('SHA-256'))!)![1]!
  const ha1 = hash('sha256', `${user}:${realm}:${password}`)
  const response = hash('sha256', `${ha1}:${nonce}:00000001:cn:auth:${hash('sha256', 'REGISTER:sip:edge.test')}`)
  phone.send(
    text(2, [
      `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:edge.test", response="${response}", algorithm=SHA-256, cnonce="cn", qop=auth, nc=00000001`
    ])
  )
  return phone.final(callId)
}

/** A call out of the application to an address of record. @returns its final answer */
async function callOut({ app, config }: Rig, uri = 'sip:expert-safety@edge.test') {
  const callId = `out-${++count}`
  app.send(
    [
      `INVITE ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bK${callId}`,
      'Max-Forwards: 70',
      'From: <sip:council@council.test>;tag=council',
      `To: <sip:expert-safety@edge.test>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:127.0.0.1:${app.port}>`,
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n'),
    config.inside.port
  )
  return app.inbox.next(({ startLine, get }) => /^SIP\/2\.0 [2-6]/.test(startLine) && get('Call-ID') === callId)
}

const ring = async (phone: Phone) => {
  const invite = await phone.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  phone.send(reply(invite, 486, 'Busy Here'))
  return invite
}

test('a phone registers and is called over the connection that it opened, wherever its Contact points; the record has who came and went', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  const answer = await register(phone)
  t.is(answer.startLine, 'SIP/2.0 200 OK')
  t.regex(answer.get('Contact')!, /<sip:expert-safety@192\.0\.2\.55:5099;transport=tls>;expires=600/)
  t.like(await running.app.report(), { code: 'edge.register.bound', status: 200, user: 'expert-safety', transport: 'tls' })
  const answered = callOut(running)
  const invite = await ring(phone)
  t.regex(invite.startLine, /^INVITE sip:expert-safety@192\.0\.2\.55:5099;transport=tls SIP/)
  t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
  t.is((await register(phone, { expires: 0 })).startLine, 'SIP/2.0 200 OK')
  t.like(await running.app.report(), { code: 'edge.register.gone' })
  t.is((await callOut(running)).startLine, 'SIP/2.0 480 Temporarily Unavailable')
})

test('all phones of an expert ring; one that lost its connection is not waited for', async (t) => {
  const running = await registering(t)
  const [one, two] = [await running.phone(), await running.phone()]
  await register(one, { contact: '<sip:expert-safety@192.0.2.55:5099;transport=tls>' })
  await register(two, { contact: '<sip:expert-safety@192.0.2.56:5099;transport=tls>' })
  const answered = callOut(running)
  await Promise.all([ring(one), ring(two)])
  t.regex((await answered).startLine, /^SIP\/2\.0 4/)
  one.socket.destroy()
  two.socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.regex((await callOut(running)).startLine, /^SIP\/2\.0 480/)
})

test('nobody registers for another, without a password, or where the registry has no registration', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  t.is((await register(phone, { user: 'expert-ethics' })).startLine, 'SIP/2.0 403 Forbidden')
  t.like(await running.app.report(), { code: 'edge.register.not-yours', user: 'expert-ethics' })
  t.is((await register(phone, { password: 'wrong' })).startLine, 'SIP/2.0 403 Forbidden')
  t.is((await register(phone, { as: 'guardian-1' })).startLine, 'SIP/2.0 405 Method Not Allowed')
  t.is((await register(phone, { as: 'nobody' })).startLine, 'SIP/2.0 405 Method Not Allowed')
  t.is((await callOut(running)).startLine, 'SIP/2.0 480 Temporarily Unavailable')
})

test('intervals are bounded, and so are phones', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  const short = await register(phone, { expires: 10 })
  t.regex(short.get('Contact')!, /expires=60;/)
  t.regex((await register(phone, { expires: 100_000 })).get('Contact')!, /expires=3600;/)
  for (let n = 0; n < 4; n++) await register(phone, { contact: `<sip:expert-safety@192.0.2.60:${5000 + n};transport=tls>` })
  t.regex((await register(phone, { contact: '<sip:expert-safety@192.0.2.61:5000;transport=tls>' })).startLine, /^SIP\/2\.0 [45]/)
})

test('who is taken out of the registry is called no more', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  await register(phone)
  await running.edge.reloadCredentials([credential('expert-safety')])
  t.is((await register(phone)).startLine, 'SIP/2.0 405 Method Not Allowed')
})
