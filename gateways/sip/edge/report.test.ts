import test from 'ava'
import fc from 'fast-check'
import { readEdgeReport } from './report.ts'

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
