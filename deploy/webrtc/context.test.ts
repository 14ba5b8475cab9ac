import test from 'ava'
import type { EscalationView, Escalator } from '#escalate'
import { manualClock } from '#kernel'
import { createEventLog } from '../../plugins/escalate/events.ts'
import type { SuiteEvent } from '../events.ts'
import { followCalls } from './context.ts'

const hash = 'a'.repeat(64)
const traceId = 'b'.repeat(32)

function setUp() {
  const clock = manualClock(1_000_000)
  const calls = followCalls({ rules: () => ({ hash }) as never }, clock)
  const changed: string[] = []
  calls.onChange((conference) => changed.push(conference))
  const tell = (event: object) => calls.take({ at: clock.now(), traceId, callId: 'c', ...event } as SuiteEvent)
  return { clock, calls, changed, tell }
}

test('a call in the context: from its INVITE to five minutes after its end', (t) => {
  const { clock, calls, changed, tell } = setUp()
  tell({ type: 'received', fromUri: 'sip:x@y', toUri: 'sip:council-bias@z', conference: 'council', hazard: 'bias' })
  t.deepEqual(calls.of('council').calls, [
    { traceId, direction: 'inbound', expert: null, hazard: 'bias', state: 'asking', decision: null, since: 1_000_000 }
  ])
  t.deepEqual(calls.of('elsewhere').calls, [])
  const findings = [{ policy: 'rate', verdict: 'pass', code: 'guard.rate.within' }]
  tell({ type: 'decided', verdict: 'approve', code: 'guard.approved', expertId: 'expert-ethics', findings })
  tell({ type: 'ringing' })
  t.is(calls.of('council').calls[0]!.state, 'ringing')
  tell({ type: 'established', conference: 'council', participant: 'p', codec: null })
  t.like(calls.of('council').calls[0]!, { expert: 'expert-ethics', state: 'connected', decision: { code: 'guard.approved' } })
  tell({ type: 'ended', by: 'caller', reason: 'hung-up', durationMs: 1, stats: null })
  tell({ type: 'established', conference: 'council', participant: 'p', codec: null })
  t.is(calls.of('council').calls[0]!.state, 'ended', 'what is over stays so')
  t.deepEqual(changed, Array(5).fill('council'))
  clock.advance(300_000)
  t.deepEqual(calls.of('council').calls, [])
  t.deepEqual(calls.of('council').policy.hash, hash)
})

test('a call that is refused, and one that is unknown', (t) => {
  const { calls, changed, tell } = setUp()
  tell({ type: 'ringing' })
  t.deepEqual(changed, [])
  tell({ type: 'received', fromUri: 'sip:x@y', toUri: 'sip:council@z', conference: 'council', hazard: null })
  tell({ type: 'rejected', status: 403, code: 'guard.registered.unknown', layer: 'policy', security: false })
  tell({ type: 'ended', by: 'application', reason: 'refused', durationMs: 0, stats: null })
  t.is(calls.of('council').calls[0]!.state, 'refused')
})

test('escalations of the conference, with who is asked', (t) => {
  const { clock, calls, changed } = setUp()
  const branch = { branch: 1, expert: 'expert-safety', state: 'ringing' }
  const view = {
    id: traceId,
    trace_id: traceId,
    state: 'hunting',
    hazard: 'safety',
    sender: 'monitor',
    conference: 'council',
    result: null,
    legs: [{ kind: 'expert', branches: [branch] }],
    bridges: [],
    evidence_files: [{ name: 'a.png', sha256: hash, media_type: 'image/png' }]
  } as unknown as EscalationView
  const events = createEventLog(clock, 10, (error) => t.fail(String(error)))
  calls.follow({ events, get: () => view, list: () => [view] } as unknown as Escalator)
  events.tell({ type: 'requested', escalation: traceId, trace_id: traceId, hazard: 'safety', sender: 'monitor' })
  t.deepEqual(changed, ['council'])
  t.like(calls.of('council').escalations[0]!, {
    hazard: 'safety',
    sender: 'monitor',
    state: 'hunting',
    result: null,
    experts: [{ expert: 'expert-safety', kind: 'expert', state: 'ringing' }],
    evidence: [{ name: 'a.png', sha256: hash }]
  })
  t.deepEqual(calls.of('elsewhere').escalations, [])
})
