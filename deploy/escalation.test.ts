/** Calls out by the whole suite: IF.guard, our own signature, Kamailio, and SIPp as the expert. */
import { createPublicKey, verify } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { IfMessageInput } from '#escalate'
import { canonicalText, parseSignature } from '#guard'
import { failureText, type SippOptions, type SippProcess, startSipp } from '#sipp'
import type { SuiteSettings } from '#suite'
import { runSuite, temporaryFolder } from './testing/harness.ts'

type Who = 'safety' | 'safety-2' | 'contrarian'

/** SIPp as an expert's phone, on a port of its own. */
async function expertPhone(t: ExecutionContext, scenario: string, options: Partial<SippOptions> = {}): Promise<SippProcess> {
  const phone = await startSipp({ scenario, calls: 1, pauseMs: 300, receiveTimeoutMs: 15_000, timeoutMs: 30_000, ...options })
  t.teardown(() => phone.stop())
  await phone.ready
  return phone
}

/** A suite whose experts of safety are at these ports. */
async function suiteWith(t: ExecutionContext, experts: Partial<Record<Who, number>>, settings: SuiteSettings = {}) {
  const data = join(await temporaryFolder(t), 'data')
  await mkdir(data, { mode: 0o700 })
  const entries = Object.entries(experts).map(([name, port]) =>
    [
      `  - id: expert-${name}`,
      `    uri: sip:expert-${name}@external.advisor`,
      '    organisation: Advisory',
      '    specialisations: [safety]',
      `    digestUser: expert-${name}`,
      `    contact: sip:expert-${name}@127.0.0.1:${port}`,
      `    contrarian: ${name === 'contrarian'}`
    ].join('\n')
  )
  await writeFile(join(data, 'registry.yaml'), `experts:\n${entries.join('\n')}\n`)
  return runSuite(t, { data, ...settings })
}

const message = (payload: Partial<IfMessageInput['payload']> = {}): IfMessageInput => ({
  performative: 'escalate',
  sender: 'if://agent/monitor',
  payload: { hazard: 'safety', ...payload }
})

async function passed(t: ExecutionContext, phone: SippProcess) {
  const result = await phone.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
}

test('an IFMessage brings an expert into the council: guarded, signed, rung, bridged, recorded, ended', async (t) => {
  const logDirectory = await temporaryFolder(t)
  const phone = await expertPhone(t, 'uas-expert', { logDirectory })
  const { suite, entries, verify: verifyAll } = await suiteWith(t, { safety: phone.port })
  const { escalation } = await suite.escalator.escalate(message({ trace_id: 'case-42' }), { by: 'test' })
  t.is(escalation.state, 'hunting')
  const connected = await suite.escalator.result(escalation.id)
  t.like(connected, { state: 'connected', result: { status: 'connected' } })
  t.like(connected.legs[0]!.branches[0], { expert: 'expert-safety', state: 'connected', sip_status: 200 })
  t.is(suite.inside.media.roster('council').length, 1)
  suite.escalator.cancel(escalation.id, 'test')
  t.like(await suite.escalator.ended(escalation.id), { state: 'ended', result: { status: 'connected' } })
  await passed(t, phone)
  t.is(suite.inside.media.roster('council').length, 0)

  const invite = (await readFile(join(logDirectory, 'messages.log'), 'utf8')).split(/(?=INVITE sip:)/)[1]!
  const get = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)\\r?$`, 'mi').exec(invite)![1]!
  const uri = (name: string) => /<([^>]+)>/.exec(get(name))![1]!
  const header = parseSignature(get('X-IF-Signature'))
  const body = /\r?\n\r?\n(v=0[\s\S]*?)(?=\r?\n\r?\n?-{10}|$)/.exec(invite)![1]!
  t.like(Object.fromEntries(['X-IF-Trace-ID', 'X-IF-Hazard'].map((name) => [name, get(name)])), {
    'X-IF-Trace-ID': 'case-42',
    'X-IF-Hazard': 'safety'
  })
  const own = createPublicKey(await readFile(suite.data.escalationKey, 'utf8'))
  const covered = ['\r\n', ''].some((end) =>
    verify(
      null,
      canonicalText(
        {
          traceId: 'case-42',
          hazard: 'safety',
          fromUri: uri('From'),
          toUri: uri('To'),
          callId: get('Call-ID'),
          cseq: 1,
          method: 'INVITE',
          body: Buffer.from(body.replace(/\r?\n/g, '\r\n') + end)
        },
        header.issuedAt,
        header.nonce
      ),
      own,
      header.signature
    )
  )
  t.true(covered, 'the signature covers the INVITE as the expert got it')

  const told = entries().filter(({ trace_id, parent_trace_id }) => trace_id === 'case-42' || parent_trace_id === 'case-42')
  const names = told.map(({ event }) => event)
  for (const name of [
    'escalation_requested',
    'policy_decision',
    'INVITE',
    'sip_invite_sent',
    'sip_100_trying',
    'sip_180_ringing',
    'sip_200_ok',
    'sip_ack_sent',
    'sip_dialog_established',
    'CONNECTED',
    'BRIDGE_ESTABLISHED',
    'escalation_result',
    'sip_bye_sent',
    'TERMINATED',
    'escalation_ended'
  ])
    t.true(names.includes(name), `${name} in ${names}`)
  t.true(names.indexOf('INVITE') < names.indexOf('sip_invite_sent'))
  t.is((await verifyAll()).verdict, 'valid')
})
