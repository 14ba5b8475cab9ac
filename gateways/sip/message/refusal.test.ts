import test from 'ava'
import { reasonOfStatus, refusal, refusalByGuard, refusalByMedia } from './refusal.ts'

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
