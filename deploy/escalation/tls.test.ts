/** An expert who is called over TLS, with sound encrypted by SDES as policy demands, from `ifctl escalate` on. */
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import Srf from 'drachtio-srf'
import type { EscalationEvent } from '#escalate'
import { type Authority, createAuthority, issueCertificate } from '#kamailio'
import { silentLog } from '#kernel'
import { createSipServer } from '#sip-engine'
import { ifctl } from '../../cli/testing/run.ts'
import { runSuite, temporaryFolder, tone, until } from '../testing/harness.ts'

test.serial(
  'ifctl escalate: over TLS, SRTP required, the expert’s offer answered in the ACK; rejected without TLS',
  async (t) => {
    const data = join(await temporaryFolder(t), 'data')
    await mkdir(data, { mode: 0o700 })
    const authority = await createAuthority(join(data, 'certificates'))
    const stranger = await createAuthority(await temporaryFolder(t))
    const listener = async (issuer: Authority) => {
      const { certificate, key } = await issueCertificate(issuer, {
        name: 'expert',
        commonName: 'expert',
        usage: 'server',
        subjectAltNames: ['IP:127.0.0.1']
      })
      const [keyText, cert, ca] = await Promise.all([key, certificate, issuer.certificate].map((file) => readFile(file, 'utf8')))
      return { transport: 'tls', address: '127.0.0.1', port: 0, tls: { key: keyText!, cert: cert!, ca: ca! } } as const
    }
    const phone = await createSipServer({ listen: [await listener(authority), await listener(stranger)], log: silentLog })
    t.teardown(() => phone.close())
    const expert = (id: string, transport: string, at = 0) =>
      [
        `  - id: ${id}`,
        `    uri: sip:${id}@external.advisor`,
        '    organisation: Advisory',
        '    specialisations: [safety]',
        `    digestUser: ${id}`,
        `    contact: sip:${id}@127.0.0.1:${phone.addresses[at]!.port}${transport}`
      ].join('\n')
    await writeFile(
      join(data, 'registry.yaml'),
      [
        'experts:',
        expert('expert-safety', ';transport=tls'),
        expert('expert-plain', ''),
        expert('expert-posing', ';transport=tls', 1)
      ].join('\n')
    )
    const { suite, rtp, entriesOf } = await runSuite(t, {
      data,
      media: { srtp: 'required' },
      escalation: { tls: 'required', offer: 'late', attempts: 1 }
    })
    const sound = await rtp({ says: tone(440), srtp: true })
    const srf = new Srf()
    phone.connect(srf)
    await once(srf, 'connect')
    const evidence = join(data, 'log.txt')
    await writeFile(evidence, 'what happened')
    const asked: string[] = []
    srf.invite(async (request, response) => {
      asked.push(`${request.get('X-IF-Hazard')} ${request.body ?? ''}`)
      const dialog = await srf.createUAS(request, response, { localSdp: sound.sdp() })
      dialog.on('ack', (ack) => sound.talkTo(ack.body))
    })

    const env = { IF_DATA: data }
    const plain = await ifctl(['escalate', 'safety', '--expert', 'expert-plain', '--json'], { env })
    t.is(plain.code, 30, plain.stderr)
    t.regex(plain.stdout, /escalate\.contact\.insecure/)
    const posing = await ifctl(['escalate', 'safety', '--expert', 'expert-posing', '--json'], { env })
    t.is(posing.code, 32, `a phone with a certificate of another authority: ${posing.stdout}`)
    t.deepEqual(asked, [], 'it sees no INVITE')
    const { code, stdout, stderr } = await ifctl(
      ['escalate', 'safety', '--expert', 'expert-safety', '--evidence', evidence, '--json', '--key', 'k1'],
      { env }
    )
    t.is(code, 0, stderr + stdout)
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EscalationEvent)
    t.deepEqual(
      events.map(({ type }) => type).filter((type) => type !== 'trying'),
      ['requested', 'calling', 'connected', 'result']
    )
    t.deepEqual(asked, ['safety '])
    const id = events[0]!.escalation
    await new Promise((resolve) => setTimeout(resolve, 500))
    const cancelled = await ifctl(['escalate', 'cancel', id], { env })
    t.is(cancelled.code, 0)
    t.regex(cancelled.stdout, /^ended: safety, into council, trace /, 'as it stands afterwards')
    t.is(cancelled.stderr, '')
    await until(() => entriesOf('TERMINATED').length === 1)
    t.like(entriesOf('TERMINATED')[0], {
      payload: { hungUpBy: 'application', reason: 'escalation-ended', leg: { encrypted: true } }
    })
    const { leg } = entriesOf('TERMINATED')[0]!.payload as { leg: { received: { packets: number }; sent: { packets: number } } }
    t.true(leg.received.packets > 5, 'sound comes')
    t.like(entriesOf('escalation_requested').at(-1), { payload: { evidence: [{ name: 'log.txt', bytes: 13 }] } })
    const list = await ifctl(['escalate', 'list'], { env })
    t.regex(list.stdout, /connected +IDLE +expert-safety/)
    const again = await ifctl(['escalate', 'safety', '--expert', 'expert-safety', '--evidence', evidence, '--key', 'k1'], { env })
    t.regex(again.stderr, /escalated before/)
    t.is(asked.length, 1)
    const shown = await ifctl(['escalate', 'show', id], { env })
    t.regex(shown.stdout, /^ended: safety, into council, trace /)
    t.is((await ifctl(['escalate', 'cancel', '0'.repeat(32)], { env })).code, 1)
    srf.disconnect()
    t.is(suite.status().sip.active, 0)
  }
)
