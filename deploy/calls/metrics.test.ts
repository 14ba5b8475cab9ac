import { readFile } from 'node:fs/promises'
import test from 'ava'
import type { CallSnapshot } from '#sip'
import type { ControlFile } from '#suite'
import { edgeHeaders, runSuite, until } from '../testing/harness.ts'
import { type SipFigures, sipMetrics } from './metrics.ts'

const of = (traceId: string) => ({ at: 0, traceId, callId: `${traceId}@phone` })
const refused = { code: 'x', layer: null, security: false } as const

function figures(calls: readonly Pick<CallSnapshot, 'state'>[] = []) {
  const made = sipMetrics(
    ['safety', 'privacy'],
    () => calls as readonly CallSnapshot[],
    () => [{ id: 'expert-privacy', specialisations: ['privacy'] }]
  )
  const received = (id: string, hazard: string | null = 'safety') =>
    made.take({ ...of(id), type: 'received', fromUri: 'sip:secret@x', toUri: 'sip:secret@y', conference: 'council', hazard })
  const calling = (id: string) => {
    const parties = { fromUri: 'sip:secret@x', toUri: 'sip:secret@y', conference: 'council' }
    made.take({ ...of(id), type: 'calling', ...parties, hazard: 'privacy', expertId: 'expert-security' })
  }
  const decided = (id: string, verdict: 'approve' | 'reject', code: string, expertId: string | null) =>
    made.take({ ...of(id), type: 'decided', verdict, code, expertId, findings: [] })
  const established = (id: string) => {
    made.take({ ...of(id), type: 'answered', setupMs: 40 })
    made.take({ ...of(id), type: 'established', conference: 'council', participant: 'secret', codec: 'PCMU' })
  }
  const ended = (id: string, by: string, durationMs: number) =>
    made.take({ ...of(id), type: 'ended', by, reason: 'secret', durationMs, stats: null })
  return { ...made, received, calling, decided, established, ended }
}

const linesOf = async ({ registry }: Pick<SipFigures, 'registry'>) => (await registry.metrics()).split('\n')

test('each call is counted once, by expert, hazard and what became of it', async (t) => {
  const made = figures([{ state: 'established' }, { state: 'ended' }])
  const { take, received, calling, decided, established, ended } = made
  received('a')
  decided('a', 'approve', 'guard.approved', 'expert-safety')
  established('a')
  ended('a', 'caller', 90_000)
  received('b', 'secret')
  decided('b', 'reject', 'guard.specialisation.mismatch', 'expert-ethics')
  take({ ...of('b'), type: 'rejected', ...refused, status: 403, layer: 'policy' })
  received('c', null)
  decided('c', 'reject', 'guard.signature.invalid', null)
  take({ ...of('c'), type: 'rejected', ...refused, status: 403, layer: 'policy', security: true })
  received('d')
  take({ ...of('d'), type: 'rejected', ...refused, status: 503, layer: 'witness' })
  received('e')
  ended('e', 'caller', 0)
  for (const [id, status] of [
    ['f', 486],
    ['g', 603]
  ] as const) {
    calling(id)
    take({ ...of(id), type: 'rejected', ...refused, status })
  }
  calling('h')
  take({ ...of('h'), type: 'rejected', ...refused, status: 487, code: 'call-out.stopped' })
  received('i')
  take({ ...of('i'), type: 'rejected', ...refused, status: 404 })
  const report = { source: '192.0.2.1', transport: 'udp', callId: null, from: null, to: null, user: 'secret', traceId: null }
  take({ type: 'edge-refused', at: 0, ...report, layer: 'pike', code: 'edge.pike', status: 0, method: 'INVITE', count: 7 })
  take({
    type: 'edge-refused',
    at: 0,
    ...report,
    layer: 'digest',
    code: 'edge.digest',
    status: 403,
    method: 'REGISTER',
    count: 2
  })

  const lines = await linesOf(made)
  t.deepEqual(lines.filter((line) => line.startsWith('sip_calls_total') && !line.endsWith(' 0')).toSorted(), [
    'sip_calls_total{expert="expert-ethics",hazard="other",result="rejected"} 1',
    'sip_calls_total{expert="expert-safety",hazard="safety",result="connected"} 1',
    'sip_calls_total{expert="expert-security",hazard="privacy",result="cancelled"} 1',
    'sip_calls_total{expert="expert-security",hazard="privacy",result="failed"} 1',
    'sip_calls_total{expert="expert-security",hazard="privacy",result="rejected"} 1',
    'sip_calls_total{expert="unknown",hazard="none",result="security_rejected"} 8',
    'sip_calls_total{expert="unknown",hazard="safety",result="cancelled"} 1',
    'sip_calls_total{expert="unknown",hazard="safety",result="failed"} 1',
    'sip_calls_total{expert="unknown",hazard="safety",result="rejected"} 1'
  ])
  for (const line of [
    'sip_calls_total{expert="unknown",hazard="none",result="failed"} 0',
    'sip_calls_total{expert="expert-privacy",hazard="privacy",result="failed"} 0',
    'sip_errors_total{status_code="503"} 0',
    'sip_active_calls 1',
    'sip_call_duration_seconds_bucket{le="60"} 0',
    'sip_call_duration_seconds_bucket{le="300"} 1',
    'sip_call_setup_seconds_bucket{le="0.05",direction="inbound"} 1',
    'sip_errors_total{status_code="403"} 2',
    'sip_policy_decisions_total{verdict="reject",code="guard.specialisation.mismatch"} 1',
    'sip_responses_total{status_code="403",type="client_error"} 2'
  ])
    t.true(lines.includes(line), line)
  t.is(lines.filter((line) => /^sip_call_duration_seconds_bucket\{le="[0-9.]+"\}/.test(line)).length, 11)
  t.false(lines.join().includes('secret'))
})

test('a response is counted by its class, and a method nobody knows is none of its own', async (t) => {
  const made = figures()
  made.response({ method: 'INVITE', status: 180, afterMs: 5, direction: 'sent' })
  made.response({ method: 'INVITE', status: 200, afterMs: 800, direction: 'received' })
  made.response({ method: 'secret', status: 405, afterMs: 1, direction: 'sent' })
  made.response({ method: 'BYE', status: 603, afterMs: 1, direction: 'received' })
  const lines = await linesOf(made)
  for (const line of [
    'sip_responses_total{status_code="180",type="provisional"} 1',
    'sip_responses_total{status_code="200",type="success"} 1',
    'sip_responses_total{status_code="603",type="global_failure"} 1',
    'sip_errors_total{status_code="405"} 1',
    'sip_method_duration_seconds_count{method="INVITE"} 1',
    'sip_method_duration_seconds_bucket{le="0.5",method="INVITE"} 0',
    'sip_method_duration_seconds_bucket{le="1",method="INVITE"} 1',
    'sip_method_duration_seconds_count{method="other"} 1'
  ])
    t.true(lines.includes(line), line)
  t.false(lines.join().includes('secret'))
})

test('a call through the suite is in its figures', async (t) => {
  const { suite, events, phone, rtp } = await runSuite(t, { edge: 'external' })
  const sound = await rtp()
  const expert = await phone('expert-safety')
  const call = await expert.invite({ sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(call.status, 200)
  await until(() => events.some(({ type }) => type === 'established'))
  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8')) as ControlFile
  const ask = async () => (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  const during = await ask()
  t.regex(during, /^sip_active_calls 1$/m)
  t.regex(during, /^sip_policy_eval_duration_seconds_count 1$/m)
  t.regex(during, /^sip_policy_decisions_total\{verdict="approve",code="guard.approved"\} 1$/m)
  await call.bye()
  await until(() => events.some(({ type }) => type === 'ended'))
  const after = await ask()
  t.regex(after, /^sip_active_calls 0$/m)
  t.regex(after, /^sip_calls_total\{expert="expert-safety",hazard="safety",result="connected"\} 1$/m)
  t.regex(after, /^sip_call_duration_seconds_count 1$/m)
  t.regex(after, /^sip_responses_total\{status_code="200",type="success"\} 2$/m)
  t.regex(after, /^sip_method_duration_seconds_count\{method="BYE"\} 1$/m)
})
