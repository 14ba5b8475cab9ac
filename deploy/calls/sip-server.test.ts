/** The suite on a SIP server that runs elsewhere, as with the C++ drachtio-server. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { errorCode, silentLog } from '#kernel'
import { createSipServer } from '#sip-engine'
import { statusOf } from '../../gateways/sip/testing/phone.ts'
import { freeUdpPort } from '../edge/free-ports.ts'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../testing/harness.ts'

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'

test.serial('a suite whose SIP server runs elsewhere takes calls through the edge, and leaves the server running', async (t) => {
  const folder = await temporaryFolder(t)
  const secretFile = join(folder, 'secret')
  await writeFile(secretFile, 'of applications\n', { mode: 0o600 })
  const udp = await freeUdpPort('127.0.0.1')
  const server = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: udp },
      { transport: 'tcp', address: '127.0.0.1', port: udp }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'of applications' },
    log: silentLog
  })
  t.teardown(() => server.close())
  const sip = { udp, tcp: udp, server: { host: '127.0.0.1', port: server.adminPort, secretFile } }
  const { suite, phone, entriesOf } = await runSuite(t, { sip })
  t.is(suite.addresses.admin.port, server.adminPort)
  const call = await (await phone('expert-safety')).invite({ sdp })
  t.is(call.status, 200)
  t.is(statusOf(await call.bye()), 200)
  await until(() => entriesOf('TERMINATED').length === 1)
  await suite.stop()
  const again = await runSuite(t, { sip, edge: 'external' })
  const second = await (await again.phone('expert-safety')).invite({ sdp, headers: () => edgeHeaders('expert-safety') })
  t.is(second.status, 200, 'another suite connects to the same server')
  await second.bye()
})

test.serial('a SIP server without ports or without a secret: the suite does not start', async (t) => {
  const folder = await temporaryFolder(t)
  const secretFile = join(folder, 'secret')
  await writeFile(secretFile, '\n')
  const server = { host: '127.0.0.1', port: 9, secretFile }
  const start = (sip: object) => t.throwsAsync(runSuite(t, { edge: 'external', sip }))
  const [noPorts, noSecret] = [await start({ server }), await start({ udp: 5080, tcp: 5080, server })]
  t.is(errorCode(noPorts), 'suite.start.sip-engine')
  t.is(errorCode(noPorts?.cause), 'suite.sip-server.ports')
  t.is(errorCode(noSecret?.cause), 'suite.sip-server.secret')
})
