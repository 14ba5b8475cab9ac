import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, statSync } from 'node:fs'
import test from 'ava'
import { clientFiles, inviteClient, listClients, revokeClients, writeCrl } from '#kamailio'
import { answering, authorityOf, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))
const { authority } = certificates
const [ok, no] = ['SIP/2.0 200 OK', 'SIP/2.0 403 Forbidden']
const identity = 'sip:expert-safety@external.advisor'

test.serial('an invite is a short-lived client certificate with the identity of the expert; its key is not kept', async (t) => {
  const now = Date.now()
  const { client, certificate, key } = await inviteClient(authority, { id: 'expert-safety', identity, days: 7 }, now)
  const x509 = new X509Certificate(certificate)
  t.is(x509.subjectAltName, `URI:${identity}`)
  t.is(x509.subject, 'CN=expert-safety')
  t.deepEqual(x509.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  t.false(x509.ca)
  t.is(Math.round((x509.validToDate.getTime() - now) / 86_400_000), 7)
  t.true(x509.verify(new X509Certificate(readFileSync(authority.certificate)).publicKey))
  t.regex(key, /^-----BEGIN PRIVATE KEY-----/)
  t.deepEqual((await listClients(authority)).at(-1), client)
  t.is(statSync(clientFiles(authority).list).mode & 0o777, 0o600)
  t.false(readFileSync(clientFiles(authority).list, 'utf8').includes('PRIVATE'))
  await t.throwsAsync(inviteClient(authority, { id: 'x', identity: 'a,DNS:evil', days: 1 }, now), {
    code: 'edge.certificate.request'
  })
})

test.serial('revoked: refused on a new connection and on the one that is open, with its own code; others go on', async (t) => {
  await writeCrl(authority, Date.now())
  const { crl } = clientFiles(authority)
  const { app, phone, edge } = await rig(t, certificates, ({ tls }) => ({ tls: { ...tls, crl }, profile: 'production' }))
  app.answer = answering(app)
  const by = async ({ certificate, key }: { certificate: string; key: string }) => phone({ cert: certificate, key })
  const first = await inviteClient(authority, { id: 'expert-safety', identity, days: 7 }, Date.now())
  const second = await inviteClient(
    authority,
    { id: 'expert-ethics', identity: 'sip:expert-ethics@external.advisor', days: 7 },
    Date.now()
  )

  const open = await by(first)
  t.is((await open.call()).startLine, ok)
  const invite = await app.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  t.is(invite.get('X-IF-Edge-Certificate'), identity)
  const other = await by(second)
  t.is((await other.call()).startLine, ok)

  const revoked = await revokeClients(authority, { id: 'expert-safety' }, 'telephone lost', Date.now())
  t.deepEqual(
    revoked.map(({ reason }) => reason),
    revoked.map(() => 'telephone lost')
  )
  t.true(revoked.some(({ serial }) => serial === first.client.serial))
  t.deepEqual(await revokeClients(authority, { id: 'expert-safety' }, 'again', Date.now()), [])
  await edge.reloadRevocations(
    (await listClients(authority)).filter(({ revokedAt }) => revokedAt !== null).map(({ fingerprint }) => fingerprint)
  )

  t.is((await open.ask()).startLine, no, 'the connection was open before')
  t.like(await app.report(), { layer: 'tls', code: 'edge.tls.certificate-revoked' })
  t.is((await (await by(first)).ask()).startLine, no)
  t.is((await other.call()).startLine, ok)
  t.is((await (await by(second)).call()).startLine, ok)
})

test.serial('invites and revocations at once: none undoes another', async (t) => {
  const now = Date.now()
  const ids = Array.from({ length: 4 }, (_, n) => `expert-${n}`)
  const before = (await listClients(authority)).length
  await Promise.all(ids.map((id) => inviteClient(authority, { id, identity, days: 1 }, now)))
  await Promise.all([
    ...ids.slice(0, 2).map((id) => revokeClients(authority, { id }, 'x', now)),
    ...ids.slice(2).map((id) => inviteClient(authority, { id, identity, days: 1 }, now))
  ])
  const clients = (await listClients(authority)).slice(before)
  t.is(clients.length, 6)
  t.deepEqual(
    clients
      .filter(({ revokedAt }) => revokedAt !== null)
      .map(({ id }) => id)
      .sort(),
    ['expert-0', 'expert-1']
  )
})
