/** Experts invited with a client certificate, who call with it until it is revoked: the commands, the edge, IF.guard and a phone that nobody here wrote. */
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { clientFiles, createAuthority, inviteClient, issueCertificate, writeCrl } from '#kamailio'
import { ifctl } from '../../cli/testing/run.ts'
import { startBaresip } from '../../scripts/baresip/baresip.ts'
import { readCredentials } from '../data/credentials.ts'
import { runSuite, temporaryFolder, until } from '../testing/harness.ts'
import { currentClients, expiring } from './certificates.ts'

const days = 86_400_000
const uri = 'sip:expert-safety@external.advisor'
const registry = await readFile(new URL('../../plugins/guard/experts.example.yaml', import.meta.url), 'utf8')

/** A suite whose registry demands a certificate of expert-safety. */
async function demanding(t: ExecutionContext) {
  const data = await temporaryFolder(t)
  await writeFile(join(data, 'registry.yaml'), registry.replace('certificateIdentity: null', `certificateIdentity: ${uri}`))
  const run = await runSuite(t, { data, md5OnlyUsers: ['expert-safety'] })
  const command = async (...args: string[]) => {
    const done = await ifctl([...args, '--data', data, '--json'])
    if (done.code !== 0) throw new Error(done.stderr)
    return JSON.parse(done.stdout)
  }
  return { ...run, data, command }
}

test.serial('invited, connected with the certificate, revoked, refused at layer tls: on the open connection, too', async (t) => {
  const { suite, data, command, phone, rtp, entriesOf } = await demanding(t)
  const sound = await rtp()
  const without = await (await phone('expert-safety')).invite({ sdp: sound.sdp() })
  t.is(without.status, 403)
  await until(() => entriesOf('policy_decision').length === 1)
  t.is(entriesOf('policy_decision')[0]!.payload.code, 'guard.registered.certificate-missing')

  const out = join(data, 'invite')
  const server = `127.0.0.1:${suite.addresses.tls!.port}`
  const invited = await command('expert', 'invite', 'expert-safety', '--out', out, '--server', server)
  t.true(invited.demanded)
  const profile = JSON.parse(await readFile(join(out, 'profile.json'), 'utf8'))
  t.is(profile.authentication.password, (await readCredentials(suite.data.credentials)).users['expert-safety']!.password)

  const expert = await phone('expert-safety', { certificate: profile.certificate, key: profile.key })
  const call = await expert.invite({ sdp: sound.sdp() })
  t.is(call.status, 200)
  await until(() => entriesOf('policy_decision').length === 2)
  const decided = entriesOf('policy_decision')[1]!.payload as { receipt: { facts: { edge: object } } }
  t.like(decided.receipt.facts.edge, { certificateIdentity: uri })
  t.like(entriesOf('certificate_issued')[0]!.payload, { expertId: 'expert-safety', serial: invited.serial })

  await command('expert', 'revoke', 'expert-safety', '--reason', 'phone lost')
  t.like(entriesOf('certificate_revoked')[0]!.payload, { serial: invited.serial, reason: 'phone lost' })
  const refused = async (): Promise<number> => (await expert.invite({ sdp: sound.sdp() })).status
  await until(async () => (await refused()) === 403, 10_000, 'the revocation does not reach the edge')
  await until(() => entriesOf('SECURITY_REJECTED').some(({ payload }) => payload.code === 'edge.tls.certificate-revoked'))
  t.is((await call.bye()).start, 'SIP/2.0 200 OK', 'who was revoked may still hang up')
  const again = await phone('expert-safety', { certificate: profile.certificate, key: profile.key })
  t.is((await again.invite({ sdp: sound.sdp() })).status, 403, 'a new connection')
})

const isThere = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined
const withBaresip = isThere ? test.serial : test.serial.skip

withBaresip('baresip calls with the certificate of its profile', async (t) => {
  const { suite, data, command, entriesOf } = await demanding(t)
  const out = join(data, 'invite')
  const server = { host: '127.0.0.1', port: suite.addresses.tls!.port }
  await command('expert', 'invite', 'expert-safety', '--out', out, '--server', `${server.host}:${server.port}`)
  const profile = JSON.parse(await readFile(join(out, 'profile.json'), 'utf8'))
  const [account, config] = await Promise.all(['accounts', 'config'].map((name) => readFile(join(out, 'baresip', name), 'utf8')))
  t.regex(
    account!,
    new RegExp(`^<${uri};transport=tls>;auth_user="expert-safety";auth_pass="[^"]+";outbound="sip:127.0.0.1:${server.port};`)
  )
  t.regex(config!, /^sip_certificate client\.pem$/m)
  const expert = await startBaresip({
    address: 'expert-safety@external.advisor',
    transport: 'tls',
    outbound: server,
    digest: { user: profile.authentication.user, password: profile.authentication.password },
    tls: { certificate: await readFile(join(out, 'client.pem'), 'utf8'), key: await readFile(join(out, 'client.key'), 'utf8') }
  })
  t.teardown(expert.stop)
  await expert.dial('sip:council-safety@external.advisor')
  await expert.next('CALL_ESTABLISHED', 10_000)
  await expert.hangup()
  await until(() => entriesOf('TERMINATED').length === 1)
  const decided = entriesOf('policy_decision')[0]!.payload as { receipt: { facts: { edge: object } } }
  t.like(decided.receipt.facts.edge, { certificateIdentity: uri, transport: 'tls' })
})

test('thresholds of 30, 7 and 1 days are told of, and no certificate that was issued for hardly longer', (t) => {
  const now = Date.UTC(2026, 0, 1)
  const of = (lifeDays: number, leftDays: number) =>
    expiring([{ name: 'x', serial: '1', notBefore: now - (lifeDays - leftDays) * days, notAfter: now + leftDays * days }], now)[0]
      ?.threshold
  t.deepEqual(
    [31, 29, 8, 6.9, 1.1, 0.9, 0, -5].map((left) => of(365, left)),
    [undefined, 30, 30, 7, 7, 1, 0, 0]
  )
  t.deepEqual(
    [29, 8, 6, 0.5].map((left) => of(30, left)),
    [undefined, undefined, 7, 1]
  )
  const client = { id: 'e', identity: uri, fingerprint: '', revokedAt: null, reason: null, notBefore: '2026-01-01T00:00:00Z' }
  const old = { ...client, serial: '1', notAfter: '2026-01-02T00:00:00Z' }
  const young = { ...client, serial: '2', notAfter: '2026-03-01T00:00:00Z' }
  t.deepEqual(
    currentClients([old, young]).map(({ serial }) => serial),
    ['2']
  )
  t.deepEqual(currentClients([young, { ...young, revokedAt: '2026-01-02T00:00:00Z' }]), [])
})

test.serial('production: experts are invited beside the authority of the operator; what runs out is told of once', async (t) => {
  const data = await temporaryFolder(t)
  const own = await temporaryFolder(t)
  const authority = await createAuthority(own, 'The operator')
  await writeCrl(authority, Date.now())
  const server = await issueCertificate(authority, {
    name: 'server',
    commonName: 'edge',
    usage: 'server',
    subjectAltNames: ['IP:127.0.0.1'],
    notBefore: new Date(Date.now() - 300 * days),
    notAfter: new Date(Date.now() + 6.5 * days)
  })
  const ofOperator = await inviteClient(
    authority,
    { id: 'expert-ethics', identity: 'sip:expert-ethics@external.advisor', days: 60 },
    Date.now()
  )
  const { crl } = clientFiles(authority)
  const settings = { data, requireClientCertificate: true, certificates: { ...server, ca: authority.certificate, crl } }
  const first = await runSuite(t, settings)
  const sound = await first.rtp()
  const calls = async (run: typeof first, id: string, shown: { certificate: string; key: string }): Promise<number> => {
    const ca = await readFile(authority.certificate, 'utf8')
    const expert = await run.phone(id, { ca, certificate: shown.certificate, key: shown.key })
    const call = await expert.invite({ sdp: sound.sdp(), to: `council-${id.split('-')[1]}` })
    if (call.status === 200) await call.bye()
    return call.status
  }
  t.is(await calls(first, 'expert-ethics', ofOperator), 200)

  const out = join(data, 'invite')
  const done = await ifctl(['expert', 'invite', 'expert-safety', '--data', data, '--out', out, '--ca', authority.certificate])
  t.is(done.code, 0, done.stderr)
  const invited = {
    certificate: await readFile(join(out, 'client.pem'), 'utf8'),
    key: await readFile(join(out, 'client.key'), 'utf8')
  }
  await until(async () => (await calls(first, 'expert-safety', invited)) === 200, 15_000, 'the invited expert is not trusted')
  t.is(await calls(first, 'expert-ethics', ofOperator), 200)

  await until(() => first.entriesOf('certificate_expiring').length > 0)
  t.like(first.entriesOf('certificate_expiring')[0]!.payload, { certificate: 'server', daysLeft: 6, threshold: 7 })
  t.true(first.events.some((event) => event.type === 'warning' && event.code === 'suite.certificate'))
  const { url, token } = JSON.parse(await readFile(first.suite.data.control, 'utf8'))
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  t.regex(metrics, /^certificate_days_left\{certificate="server"\} 6$/m)
  t.regex(metrics, /^certificate_days_left\{certificate="expert-safety"\} 29$/m)
  await first.suite.stop()
  const second = await runSuite(t, settings)
  t.true(second.events.some((event) => event.type === 'warning' && event.code === 'suite.certificate'))
  t.is(second.entriesOf('certificate_expiring').length, 1, 'the ledger is told once')
})
