/** Two application servers behind one edge: both call out; who dials in reaches the first, where the conference is, and the other once that has died. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { createAuthority, issueCertificate, startEdge } from '#kamailio'
import { silentLog, systemClock } from '#kernel'
import { failureText, startSipp } from '#sipp'
import { openPhone } from '../../gateways/sip/testing/phone.ts'
import { hash } from '../../kamailio/testing/harness.ts'
import { freeTcpPort, freeUdpPort } from '../edge/free-ports.ts'
import { type RunningSuite, runSuite, temporaryFolder, until } from '../testing/harness.ts'

const address = '127.0.0.1'
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'

test.serial('both call out; those who dial in meet in the first, and when that is gone in the other', async (t) => {
  const folder = await temporaryFolder(t)
  const expertPort = await freeUdpPort(address)
  const registry = [
    'experts:',
    '  - id: expert-safety',
    '    uri: sip:expert-safety@external.advisor',
    '    organisation: Advisory',
    '    specialisations: [safety]',
    '    digestUser: expert-safety',
    `    contact: sip:expert-safety@${address}:${expertPort}`,
    ''
  ].join('\n')
  const inside = { address, port: await freeUdpPort(address) }
  const ports = [await freeUdpPort(address), await freeUdpPort(address)]
  const suites: RunningSuite[] = []
  for (const [n, udp] of ports.entries()) {
    const data = join(folder, `data-${n}`)
    await mkdir(data, { mode: 0o700 })
    await writeFile(join(data, 'registry.yaml'), registry)
    suites.push(
      await runSuite(t, {
        data,
        edge: 'external',
        application: `sip-${n + 1}`,
        sip: { udp },
        escalation: { proxy: `sip:${inside.address}:${inside.port};transport=udp` }
      })
    )
  }
  const authority = await createAuthority(join(folder, 'certificates'))
  const server = await issueCertificate(authority, {
    name: 'server',
    commonName: 'edge',
    usage: 'server',
    subjectAltNames: ['IP:127.0.0.1']
  })
  const tls = { address, port: await freeTcpPort(address) }
  const edge = await startEdge(
    {
      profile: 'development',
      listen: { tls },
      inside,
      applications: ports.map((port) => ({ address, port })),
      tls: { certificate: server.certificate, key: server.key, ca: authority.certificate },
      allowlist: [{ network: '127.0.0.0/8', name: 'this machine' }],
      realm: 'infrafabric',
      credentials: [
        {
          user: 'expert-safety',
          ha1Md5: hash('md5', 'expert-safety:infrafabric:secret'),
          ha1Sha256: hash('sha256', 'expert-safety:infrafabric:secret')
        }
      ],
      probeSeconds: 1,
      answerTimeoutMs: 500,
      runtimeDir: join(folder, 'edge')
    },
    { log: silentLog, clock: systemClock }
  )
  t.teardown(() => edge.stop())

  for (const { suite } of suites) {
    const expert = await startSipp({ scenario: 'uas-expert', localPort: expertPort, calls: 1, timeoutMs: 20_000 })
    await expert.ready
    const { escalation } = await suite.escalator.escalate(
      { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } },
      { by: 'test' }
    )
    t.like(await suite.escalator.result(escalation.id), { result: { status: 'connected' } }, suite.config.application)
    suite.escalator.cancel(escalation.id, 'test')
    const result = await expert.result
    t.is(result.outcome, 'passed', failureText(result) ?? '')
  }

  const phone = await openPhone({
    port: tls.port,
    ca: await readFile(authority.certificate, 'utf8'),
    uri: 'sip:expert-safety@external.advisor',
    password: 'secret'
  })
  t.teardown(phone.close)
  const counts = () => suites.map(({ suite }) => suite.status().sip.calls)
  const [first, standby] = counts()
  const together = await Promise.all([phone.invite({ sdp }), phone.invite({ sdp })])
  t.deepEqual(
    together.map(({ status }) => status),
    [200, 200]
  )
  t.deepEqual(counts(), [first! + 2, standby], 'those who dial one conference meet in one application server')
  for (const call of together) await call.bye()
  await suites[0]!.suite.stop()
  const before = suites[1]!.suite.status().sip.calls
  for (let n = 0; n < 3; n++) {
    const call = await phone.invite({ sdp })
    t.is(call.status, 200, `call ${n}`)
    await call.bye()
  }
  await until(() => suites[1]!.suite.status().sip.active === 0)
  t.is(suites[1]!.suite.status().sip.calls - before, 3)
})
