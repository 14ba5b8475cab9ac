/** Phones that register at the edge, and are called over the connection that they keep. */
import { readFileSync, rmSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { authorityOf, credential, rig } from './testing/harness.ts'
import { callOut, register, ring } from './testing/registration.ts'

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
  const accounted = readFileSync(`${running.config.runtimeDir}/accounting.jsonl`, 'utf8')
  t.notRegex(accounted, /refused/, 'that a phone registers is no refusal')
})

test('RFC 3261 §22.3: a phone that carries credentials of other realms as well registers, and is called', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  const others = ['Proxy-Authorization', 'Authorization'].map(
    (name) =>
      `${name}: Digest username="bob", realm="proxy.example", nonce="n", uri="sip:edge.test", response="${'0'.repeat(32)}"`
  )
  t.is((await register(phone, { headers: others })).startLine, 'SIP/2.0 200 OK')
  const answered = callOut(running)
  await ring(phone)
  t.is((await answered).startLine, 'SIP/2.0 486 Busy Here')
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
  for (let n = 0; n < 9; n++) await register(phone, { contact: `<sip:expert-safety@192.0.2.60:${5000 + n};transport=tls>` })
  t.regex((await register(phone, { contact: '<sip:expert-safety@192.0.2.61:5000;transport=tls>' })).startLine, /^SIP\/2\.0 [45]/)
})

test('who is taken out of the registry is called no more', async (t) => {
  const running = await registering(t)
  const phone = await running.phone()
  await register(phone)
  await running.edge.reloadCredentials([credential('expert-safety')])
  t.is((await register(phone)).startLine, 'SIP/2.0 405 Method Not Allowed')
})
