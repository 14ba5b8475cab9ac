import test from 'ava'
import type { SuiteEvent } from '#suite'
import { describeEvent } from './suite-events.ts'

const at = Date.UTC(2026, 0, 1, 12, 0, 0, 5)
const call = { at, traceId: '0af7651916cd43dd8448eb211c80319c', callId: 'c' }
const shown = (event: SuiteEvent) => describeEvent(event)

test('a call reads as a story', (t) => {
  t.deepEqual(
    shown({ ...call, type: 'received', fromUri: 'sip:a@b', toUri: 'sip:council@c', conference: 'council', hazard: 'safety' }),
    { tone: 'plain', text: '12:00:00.005  [0af76519] sip:a@b dials sip:council@c about safety' }
  )
  t.like(shown({ ...call, type: 'decided', verdict: 'reject', code: 'guard.signature.replayed', expertId: null, findings: [] }), {
    tone: 'bad'
  })
  t.regex(shown({ ...call, type: 'answered', setupMs: 12.4 })!.text, /answered after 12 ms$/)
  t.regex(
    shown({ ...call, type: 'rejected', status: 403, code: 'guard.registered.unknown', layer: 'policy', security: false })!.text,
    /rejected with 403 at layer policy: guard\.registered\.unknown$/
  )
  t.regex(
    shown({ ...call, type: 'ended', by: 'caller', reason: 'bye', durationMs: 1_500, stats: null })!.text,
    /ended by caller after 1\.5 s: bye$/
  )
  t.is(shown({ ...call, type: 'ringing' }), null)
})

test('what the edge refused is one line, however many requests it was', (t) => {
  const report = {
    type: 'edge-refused',
    at,
    layer: 'pike',
    code: 'edge.pike.flood',
    status: 503,
    method: 'INVITE',
    source: '127.0.0.1',
    transport: 'tls',
    callId: 'c',
    from: 'sip:a@b',
    to: 'sip:c@d',
    user: null,
    traceId: null,
    count: 40
  } as const
  t.regex(shown(report)!.text, /edge refused 40 requests of 127\.0\.0\.1 at layer pike: edge\.pike\.flood$/)
  t.regex(shown({ ...report, count: 1 })!.text, /edge refused INVITE of /)
})

test('caller text cannot move the cursor', (t) => {
  const { text } = shown({ ...call, type: 'received', fromUri: 'sip:\u001b[2J@b', toUri: 'x', conference: null, hazard: null })!
  t.false(text.includes('\u001b'))
})

test('parts, registry and warnings', (t) => {
  t.regex(shown({ type: 'part', at, part: 'edge', state: 'restarted', detail: 'exit 1' })!.text, /edge restarted \(exit 1\)$/)
  t.is(shown({ type: 'part', at, part: 'edge', state: 'lost', detail: null })!.tone, 'bad')
  t.regex(
    shown({ type: 'registry', at, ok: false, problems: ['line 2: x', 'line 3: y'] })!.text,
    /refused.*line 2: x; line 3: y$/
  )
  t.regex(shown({ type: 'registry', at, ok: true, parties: 5, newUsers: [] })!.text, /5 parties$/)
  t.regex(shown({ type: 'warning', at, code: 'a.b', message: 'soon' })!.text, /soon \(a\.b\)$/)
  t.is(shown({ type: 'signalling', at, state: 'lost' })!.tone, 'bad')
})
