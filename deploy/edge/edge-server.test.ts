/** The edge alone and an application server that have the same settings, behind an address that is not theirs: `ifctl edge`, and a call through it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { createAuthority, issueCertificate } from '#kamailio'
import { silentLog } from '#kernel'
import { resolveSuiteConfig, type SuiteEvent, type SuiteSettings, startEdgeServer } from '#suite'
import { openPhone } from '../../gateways/sip/testing/phone.ts'
import { ensureCredentials } from '../data/credentials.ts'
import { runSuite, temporaryFolder, until } from '../testing/harness.ts'
import { freeTcpPort, freeUdpPort } from './free-ports.ts'

const address = '127.0.0.1'
const announced = '192.0.2.77'
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
const registry = [
  'experts:',
  '  - { id: expert-safety, uri: "sip:expert-safety@external.advisor", organisation: Advisory, specialisations: [safety], digestUser: expert-safety }',
  ''
].join('\n')

test('a call through it: telephones are told the announced address, a changed password counts', async (t) => {
  const folder = await temporaryFolder(t)
  const data = join(folder, 'application')
  const own = join(folder, 'edge')
  for (const each of [data, own]) await mkdir(each, { mode: 0o700 })
  await writeFile(join(folder, 'registry.yaml'), registry)
  const authority = await createAuthority(join(own, 'certificates'))
  await issueCertificate(authority, { name: 'server', commonName: 'edge', usage: 'server', subjectAltNames: [`IP:${address}`] })
  const credentialsFile = join(own, 'credentials.json')
  const passwordNow = async () =>
    (await ensureCredentials(credentialsFile, 'infrafabric', ['expert-safety'])).credentials.users['expert-safety']!.password!
  const first = await passwordNow()

  const inside = { address, port: await freeUdpPort(address) }
  const application = { address, port: await freeUdpPort(address) }
  const settings: SuiteSettings = {
    registry: join(folder, 'registry.yaml'),
    listen: { tls: await freeTcpPort(address), announced },
    edgeServer: { ...inside, applications: [application] },
    sip: { udp: application.port },
    limits: { requestsPer10s: 1000, callsPerMinute: 1000 },
    escalation: { proxy: `sip:${inside.address}:${inside.port};transport=udp` }
  }
  const { suite } = await runSuite(t, { ...settings, data, edge: 'external' })
  const events: SuiteEvent[] = []
  const config = resolveSuiteConfig('test', settings, { data: own })
  const edge = await startEdgeServer(config, { log: silentLog, onEvent: (event) => events.push(event) })
  t.teardown(() => edge.stop())
  t.deepEqual(edge.inside, inside)
  await t.throwsAsync(startEdgeServer(config, { log: silentLog, onEvent: () => undefined }), { code: 'suite.data.in-use' })

  const call = async (password: string) => {
    const phone = await openPhone({
      port: edge.addresses.tls.port,
      ca: await readFile(authority.certificate, 'utf8'),
      uri: 'sip:expert-safety@external.advisor',
      password
    })
    t.teardown(phone.close)
    const made = await phone.invite({ sdp })
    if (made.status === 200) await made.bye()
    return made
  }
  const { status, response } = await call(first)
  t.is(status, 200)
  t.regex(response.body, new RegExp(`^c=IN IP4 ${announced}\r$`, 'm'))
  const routes = response.headers.filter(([name]) => name === 'record-route').map(([, value]) => value)
  t.true(routes.join().includes(`${announced}:${edge.addresses.tls.port};transport=tls`), routes.join())
  await until(() => suite.status().sip.active === 0)

  await writeFile(credentialsFile, '{"users":{}}\n')
  const second = await passwordNow()
  t.not(second, first)
  await until(async () => (await call(second)).status === 200)
  t.is((await call(first)).status, 403)
  t.deepEqual(
    events.filter(({ type }) => type === 'warning'),
    []
  )
})

test('without edgeServer there is nothing to stand before', async (t) => {
  const config = resolveSuiteConfig('test', { data: await temporaryFolder(t) })
  await t.throwsAsync(startEdgeServer(config, { log: silentLog, onEvent: () => undefined }), { message: /edgeServer/ })
})
