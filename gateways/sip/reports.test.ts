import test from 'ava'
import fc from 'fast-check'
import { ConfigError } from '#kernel'
import { createAggregate } from './aggregate.ts'
import { resolveConfig } from './config.ts'
import { readDtmfInfo } from './dtmf-relay.ts'
import { readEdgeReport } from './edge-report.ts'
import { reasonOfStatus, refusal, refusalByGuard, refusalByMedia } from './refusal.ts'

const report = {
  layer: 'digest',
  code: 'edge.digest.bad-credentials',
  status: 403,
  method: 'INVITE',
  source: '203.0.113.9',
  transport: 'tls',
  callId: 'a@b',
  from: 'sip:x@y',
  to: 'sip:council@z',
  user: null,
  traceId: null,
  count: 3
}

test('a report of the edge is read, and what is not in its schema is dropped', (t) => {
  t.deepEqual(readEdgeReport(JSON.stringify({ ...report, extra: 1 })), { ok: true, report: report as never })
})

test('a report that cannot be used names each problem and no value', (t) => {
  t.deepEqual(readEdgeReport('{'), { ok: false, problems: ['not JSON'] })
  t.deepEqual(readEdgeReport('x'.repeat(9000)), { ok: false, problems: ['longer than 8192 octets'] })
  const result = readEdgeReport(JSON.stringify({ ...report, layer: 'magic', count: 0, from: 'x'.repeat(600) }))
  t.false(result.ok)
  t.deepEqual(!result.ok && result.problems.map((problem) => problem.split(':')[0]), ['layer', 'from', 'count'])
})

test('no body makes the reader throw', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (body) => typeof readEdgeReport(body).ok === 'boolean'))
  t.pass()
})

test('keys by INFO are read in the forms that phones send', (t) => {
  t.deepEqual(readDtmfInfo('application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n'), { digit: '5', durationMs: 160 })
  t.deepEqual(readDtmfInfo('application/dtmf-relay', 'Signal= #\nDuration = 90'), { digit: '#', durationMs: 90 })
  t.deepEqual(readDtmfInfo('application/dtmf', ' d\r\n'), { digit: 'D', durationMs: 0 })
  for (const bad of ['', 'Signal=55', 'Signal=', 'hello', 'x'.repeat(300)])
    t.is(readDtmfInfo('application/dtmf-relay', bad), null)
})

test('repetitions are counted and told once per interval', (t) => {
  const aggregate = createAggregate(10_000, 2)
  t.is(aggregate.note('a', 0), 1)
  t.is(aggregate.note('a', 1), null)
  t.is(aggregate.note('a', 9_999, 5), null)
  t.is(aggregate.note('a', 10_000), 7)
  t.is(aggregate.note('b', 10_001), 1)
  t.is(aggregate.note('c', 10_002), 1)
  t.is(aggregate.note('a', 10_003), 1, 'the oldest key was forgotten')
})

test('a refusal shows the caller a status and keeps the reason for the record', (t) => {
  const decision = {
    verdict: 'reject',
    layer: 'policy',
    code: 'guard.signature.replayed',
    reason: 'nonce used before',
    security: true,
    expertId: 'expert-safety',
    hazard: 'safety',
    findings: []
  } as const
  t.like(refusalByGuard(decision), { status: 403, security: true, layer: 'policy', headers: {} })
  t.like(refusalByGuard({ ...decision, code: 'guard.rate.exceeded' }), { status: 480, headers: { 'Retry-After': '60' } })
  t.like(refusalByMedia({ ok: false, code: 'conference.full', reason: '50 are in it' }), { status: 486, layer: null })
  t.like(refusalByMedia({ ok: false, code: 'sdp.no-common-codec', reason: '' }), { status: 488 })
  t.like(refusalByMedia({ ok: false, code: 'sdp.malformed', reason: '' }), { status: 400 })
  t.like(refusal('witness.unrecorded', 'x'), { status: 503, layer: 'witness', security: false })
  t.like(refusal('edge.facts.smuggled', 'x'), { status: 403, layer: 'allowlist', security: true })
})

test('Reason of a refusal follows from its status alone', (t) => {
  t.is(reasonOfStatus(403), 'Q.850;cause=21;text="Call rejected"')
  t.is(reasonOfStatus(486), 'Q.850;cause=17;text="User busy"')
  t.is(reasonOfStatus(699), 'Q.850;cause=31;text="Normal, unspecified"')
})

test('a configuration is completed, or every problem is named at once', (t) => {
  const drachtio = { host: '127.0.0.1', port: 9022, secret: 's' }
  t.like(resolveConfig({ drachtio }), { maxCalls: 1000, failClosed: ['policy_decision', 'INVITE'], conferences: ['council'] })
  const error = t.throws(
    () => resolveConfig({ drachtio: { ...drachtio, port: 0 }, maxCalls: 0, hazards: ['Bad Name'], trustedEdges: ['edge'] }),
    { instanceOf: ConfigError }
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(':')[0]),
    ['drachtio.port', 'trustedEdges.0', 'hazards.0', 'maxCalls']
  )
  t.throws(() => resolveConfig({ drachtio, sessionExpiresSeconds: 100, minSessionExpiresSeconds: 200 }), {
    instanceOf: ConfigError
  })
})
