import test from 'ava'
import fc from 'fast-check'
import { type JsonObject, layers } from '#kernel'
import { type CallEntry, explain, groupByCall } from './explain.ts'

const callId = 'call-1'
const entry = (event: string, payload: JsonObject = {}, component = 'IF.witness.sip'): CallEntry => ({
  event,
  component,
  traceId: 't',
  payload: { callId, ...payload }
})
const states = (entries: readonly CallEntry[]) => explain(entries).layers.map(({ state }) => state)
const edgeLayers = ['pike', 'allowlist', 'tls', 'digest', 'rate']
const finding = { policy: 'registered', verdict: 'pass', code: 'guard.registered.expert', reason: 'known' }
const decision = (change: JsonObject = {}) =>
  entry(
    'policy_decision',
    {
      verdict: 'approve',
      layer: 'policy',
      code: 'guard.approved',
      reason: 'passed every policy',
      expertId: 'expert-safety',
      hazard: 'safety',
      security: false,
      findings: [finding],
      edgeLayers,
      ...change
    },
    'IF.guard'
  )
const arrived = [entry('sip_invite_received'), entry('INVITE')]
const fill = (passed: number, rest: string, decided = true) =>
  layers.map((_, at) => (at < passed ? 'passed' : at === passed && decided ? 'decided' : rest))

test('a call that was connected passed all seven layers', (t) => {
  const explained = explain([...arrived, decision(), entry('sip_200_ok'), entry('CONNECTED')])
  t.like(explained, {
    verdict: 'connected',
    decidedBy: null,
    code: 'guard.approved',
    expertId: 'expert-safety',
    hazard: 'safety',
    callId,
    traceId: 't'
  })
  t.deepEqual(explained.findings, [finding])
  t.true(explained.layers.every(({ state }) => state === 'passed'))
})

for (const [at, layer] of edgeLayers.entries()) {
  test(`a request refused at ${layer} got past ${at} layers and to no other`, (t) => {
    const report = entry('SECURITY_REJECTED', { layer, code: `edge.${layer}.refused`, status: 403, count: 3 }, 'IF.proxy')
    const explained = explain([report])
    t.like(explained, { verdict: 'security_rejected', decidedBy: layer, code: `edge.${layer}.refused` })
    t.is(explained.reason, 'refused at the edge with 403, 3 requests')
    t.deepEqual(states([report]), fill(at, 'not reached'))
  })
}

test('IF.guard decided, as a limit or as an attack', (t) => {
  const rejected = decision({ verdict: 'reject', code: 'guard.specialisation.mismatch', reason: 'is not called for it' })
  const entries = [
    ...arrived,
    rejected,
    entry('REJECTED', { layer: 'policy', code: 'guard.specialisation.mismatch', status: 403 })
  ]
  t.like(explain(entries), { verdict: 'rejected', decidedBy: 'policy', reason: 'is not called for it' })
  t.deepEqual(states(entries), fill(5, 'not reached'))
  const attack = decision({ verdict: 'reject', code: 'guard.signature.replayed', reason: 'used before', security: true })
  t.like(explain([...arrived, attack]), { verdict: 'security_rejected', decidedBy: 'policy', code: 'guard.signature.replayed' })
})

test('no record, no call', (t) => {
  const entries = [
    ...arrived,
    decision(),
    entry('REJECTED', { layer: 'witness', code: 'witness.unrecorded', reason: 'disk full' })
  ]
  t.like(explain(entries), { verdict: 'rejected', decidedBy: 'witness', code: 'witness.unrecorded' })
  t.deepEqual(states(entries), fill(6, 'not reached'))
})

test('a layer that the edge does not vouch for was skipped', (t) => {
  const entries = [decision({ edgeLayers: ['pike', 'tls', 'digest', 'rate'] }), entry('CONNECTED')]
  t.deepEqual(states(entries), ['passed', 'skipped', 'passed', 'passed', 'passed', 'passed', 'passed'])
})

test('a refusal on other grounds belongs to no layer', (t) => {
  const entries = [
    ...arrived,
    decision(),
    entry('REJECTED', { layer: null, code: 'sdp.no-common-codec', reason: 'no codec in common' })
  ]
  t.like(explain(entries), { verdict: 'rejected', decidedBy: null, code: 'sdp.no-common-codec', reason: 'no codec in common' })
  t.deepEqual(states(entries), fill(6, 'not reached', false))
  const early = [...arrived, entry('REJECTED', { layer: null, code: 'sip.address.unknown', reason: 'no such conference' })]
  t.deepEqual(states(early), fill(5, 'not reached', false))
})

test('wrong credentials and then the right ones: the last attempt is explained, the first is counted', (t) => {
  const entries = [
    entry('SECURITY_REJECTED', { layer: 'digest', code: 'edge.digest.bad-credentials', status: 403 }, 'IF.proxy'),
    ...arrived,
    decision(),
    entry('CONNECTED')
  ]
  t.like(explain(entries), { verdict: 'connected', decidedBy: null, earlierRefusals: 1 })
})

test('a call under way is open, an unknown one unknown', (t) => {
  t.like(explain([...arrived, decision()]), { verdict: 'open', decidedBy: null })
  t.like(explain([]), { verdict: 'unknown', traceId: null, callId: null })
  t.deepEqual(states([]), fill(0, 'not reached', false))
})

test('entries are told apart by call', (t) => {
  const other = { ...entry('INVITE'), payload: { callId: 'call-2' } }
  const calls = groupByCall([entry('INVITE'), other, decision(), { ...other, payload: {} }])
  t.deepEqual([...calls.keys()], ['call-1', 'call-2'])
  t.is(calls.get('call-1')!.length, 2)
})

test('whatever stands in a payload, seven layers come out', (t) => {
  const events = fc.constantFrom('policy_decision', 'REJECTED', 'SECURITY_REJECTED', 'CONNECTED', 'INVITE', 'x')
  const payload = fc.dictionary(
    fc.constantFrom('callId', 'layer', 'verdict', 'code', 'reason', 'findings', 'edgeLayers', 'status', 'count'),
    fc.oneof(fc.jsonValue(), fc.constantFrom<string>(...layers, 'reject', 'approve'))
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(events, payload), { maxLength: 6 }), (entries) => {
      const explained = explain(
        entries.map(([event, facts]) => ({ event, component: 'c', traceId: 't', payload: facts as JsonObject }))
      )
      return explained.layers.length === 7 && explained.layers.filter(({ state }) => state === 'decided').length <= 1
    }),
    { numRuns: 500, seed: 6 }
  )
  t.pass()
})
