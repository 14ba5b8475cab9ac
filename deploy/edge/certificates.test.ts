/** Certificates that are replaced, or run out, while the suite runs. */
import { once } from 'node:events'
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import test from 'ava'
import { createAuthority, issueCertificate } from '#kamailio'
import { statusOf } from '../../gateways/sip/testing/phone.ts'
import { runSuite, temporaryFolder, until } from '../testing/harness.ts'
import { firstToExpire } from './certificates.ts'

const dayMs = 86_400_000
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'

/** Serial of the certificate that a TLS server shows to a new connection. */
async function shown(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

test.serial(
  'certificates replaced while the suite runs are shown to who connects next; calls go on, and what does not fit is refused',
  async (t) => {
    const folder = await temporaryFolder(t)
    const authority = await createAuthority(join(folder, 'authority'))
    const issue = (name: string) =>
      issueCertificate(authority, { name, commonName: 'edge', usage: 'server', subjectAltNames: ['IP:127.0.0.1'], into: folder })
    const used = await issue('used')
    const next = await issue('next')
    const other = await issue('other')
    const tls = { certificate: join(folder, 'web.pem'), key: join(folder, 'web.key') }
    await copyFile(used.certificate, tls.certificate)
    await copyFile(used.key, tls.key)
    const { suite, phone, events, entriesOf } = await runSuite(t, {
      data: join(folder, 'data'),
      certificates: { ...used, ca: authority.certificate, crl: null },
      ledger: { service: { enabled: true, tls } },
      webrtc: { enabled: true, port: 0, tls }
    })
    const ports = [
      suite.addresses.tls!.port,
      Number(new URL(suite.addresses.ledger!).port),
      Number(new URL(suite.addresses.council!).port)
    ]
    const serials = () => Promise.all(ports.map(shown))
    const before = await serials()
    t.is(new Set(before).size, 1)
    const ca = await readFile(authority.certificate, 'utf8')
    const call = await (await phone('expert-safety', { ca })).invite({ sdp })
    t.is(call.status, 200)

    await copyFile(next.certificate, tls.certificate)
    await copyFile(next.key, tls.key)
    await rename(next.certificate, used.certificate)
    await rename(next.key, used.key)
    await until(async () => (await serials()).every((serial) => serial !== before[0]))
    await until(() => entriesOf('certificate_replaced').length === 1)
    const after = await serials()
    t.is(new Set(after).size, 1)
    t.is(entriesOf('certificate_replaced')[0]!.payload.serial, after[0])
    t.is(statusOf(await call.request('UPDATE', { body: sdp })), 200, 'the call goes on over the connection it has')
    t.is(statusOf(await call.bye()), 200)

    await rename(other.certificate, used.certificate)
    await until(() => events.some((event) => event.type === 'warning' && event.code === 'suite.certificate.refused'))
    t.is(await shown(ports[0]!), after[0]!)
    const again = await (await phone('expert-safety', { ca })).invite({ sdp })
    t.is(again.status, 200, 'with the one before')
    await again.bye()
  }
)

test.serial('of the authorities of phones’ certificates the one that runs out first is told of', async (t) => {
  const folder = await temporaryFolder(t)
  const authority = await createAuthority(join(folder, 'authority'))
  const issue = (name: string, days: number) =>
    issueCertificate(authority, {
      name,
      commonName: name,
      usage: 'server',
      into: folder,
      notBefore: new Date(Date.now() - 300 * dayMs),
      notAfter: new Date(Date.now() + days * dayMs)
    })
  const texts = await Promise.all(
    [authority, await issue('soon', 6.5), await issue('later', 20)].map(({ certificate }) => readFile(certificate, 'utf8'))
  )
  t.is(firstToExpire(texts.join('')).notAfter, firstToExpire(texts[1] ?? '').notAfter)
  t.throws(() => firstToExpire('nothing'))
  const ca = join(folder, 'authorities.pem')
  await writeFile(ca, texts.join(''))
  const server = await issue('server', 60)
  const { events, entriesOf } = await runSuite(t, { data: join(folder, 'data'), certificates: { ...server, ca, crl: null } })
  t.true(events.some((event) => event.type === 'warning' && event.code === 'suite.certificate.authority'))
  t.like(entriesOf('certificate_expiring')[0]!.payload, { certificate: 'authority', daysLeft: 6, threshold: 7 })
})
