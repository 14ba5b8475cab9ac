import test from 'ava'
import type { Callee, CallOutRefusal } from '#kernel'
import { type IfMessageInput, ifMessageSchema } from './message.ts'
import { type CallPolicy, type ExpertDirectory, isSecure, planEscalation } from './plan.ts'
import { resultOf, statusOf } from './result.ts'
import { defaultRetryPolicy, retryDelayMs } from './retry.ts'

const callee = (id: string, specialisations: string[], more: Partial<Callee> = {}): Callee => ({
  id,
  uri: `sip:${id}@external.advisor`,
  contact: `sip:${id}@192.0.2.7:5061;transport=tls`,
  specialisations,
  contrarian: false,
  ...more
})
const all = [
  callee('first', ['safety']),
  callee('second', ['safety', 'bias'], { contact: 'sip:second@192.0.2.8' }),
  callee('doubter', ['safety'], { contrarian: true })
]
const directory: ExpertDirectory = {
  byId: (id) => all.find((each) => each.id === id),
  bySpecialisation: (hazard) => all.filter(({ specialisations }) => specialisations.includes(hazard))
}
const policy: CallPolicy = { tls: 'preferred', contrarian: 'on-request' }
const plan = (payload: Partial<IfMessageInput['payload']>, more: Partial<CallPolicy> = {}) =>
  planEscalation(
    ifMessageSchema.parse({ performative: 'escalate', sender: 'a', payload: { hazard: 'safety', ...payload } }),
    directory,
    { ...policy, ...more }
  )
const ids = (planned: ReturnType<typeof plan>) =>
  planned.ok ? [planned.experts.map(({ id }) => id), planned.contrarians?.map(({ id }) => id) ?? null] : planned.code

test('who is called', (t) => {
  t.deepEqual(ids(plan({})), [['first', 'second'], null])
  t.deepEqual(ids(plan({ expert: 'second' })), [['second'], null])
  t.deepEqual(ids(plan({ specialisation: 'bias' })), [['second'], null])
  t.deepEqual(ids(plan({ contrarian: true })), [['first', 'second'], ['doubter']])
  t.deepEqual(ids(plan({ contrarian: true, expert: 'doubter' })), [['doubter'], []])
  t.deepEqual(ids(plan({}, { contrarian: 'always' })), [['first', 'second'], ['doubter']])
  t.deepEqual(ids(plan({ contrarian: true }, { contrarian: 'never' })), [['first', 'second'], null])
  t.deepEqual(ids(plan({}, { tls: 'required' })), [['first'], null])
  t.is(ids(plan({ expert: 'second' }, { tls: 'required' })), 'escalate.contact.insecure')
  t.is(ids(plan({ expert: 'nobody' })), 'escalate.expert.unknown')
  t.is(ids(plan({ specialisation: 'privacy' })), 'escalate.specialisation.empty')
})

test('which contacts are reached over TLS', (t) => {
  for (const contact of ['sips:a@b', 'sip:a@b;transport=tls', 'sip:a@b:5061;ob;transport=TLS', 'sip:a@b;transport=wss'])
    t.true(isSecure(contact), contact)
  for (const contact of ['sip:a@b', 'sip:a@b;transport=tcp', 'sip:tls@b;x=transport=tls2', 'sip:a@b;transport=tlsx'])
    t.false(isSecure(contact), contact)
})

test('an IFMessage that is none is refused with what is wrong', (t) => {
  const problems = (message: unknown) => ifMessageSchema.safeParse(message).error?.issues.map(({ path }) => path.join('.')) ?? []
  const good = { performative: 'escalate', sender: 'a', payload: { hazard: 'safety' } }
  t.deepEqual(problems(good), [])
  t.deepEqual(problems({ ...good, performative: 'inform' }), ['performative'])
  for (const [payload, path] of [
    [{ hazard: 'Safety!' }, 'payload.hazard'],
    [{ hazard: 'safety', trace_id: 'a b' }, 'payload.trace_id'],
    [{ hazard: 'safety', expert: '../x' }, 'payload.expert'],
    [{ hazard: 'safety', ring_timeout_s: 0 }, 'payload.ring_timeout_s'],
    [
      { hazard: 'safety', evidence_files: [{ name: '../etc/passwd', sha256: 'a'.repeat(64), bytes: 1 }] },
      'payload.evidence_files.0.name'
    ],
    [
      { hazard: 'safety', evidence_files: [{ name: 'a', sha256: 'a'.repeat(64), bytes: 1, uri: 'file:///etc/passwd' }] },
      'payload.evidence_files.0.uri'
    ],
    [{ hazard: 'safety', surprise: 1 }, 'payload']
  ] as const)
    t.deepEqual(problems({ ...good, payload }), [path])
  t.deepEqual(problems({ ...good, sender: 'a\r\nb' }), ['sender'])
})

const refusal = (more: Partial<CallOutRefusal>): CallOutRefusal => ({
  ok: false,
  by: 'callee',
  security: false,
  status: null,
  code: 'x',
  reason: 'x',
  retryAfterMs: null,
  ...more
})
const retry = (more: Partial<CallOutRefusal>, attempt = 1) => retryDelayMs(refusal(more), attempt, defaultRetryPolicy, 0)

test('when the same expert is called again', (t) => {
  for (const status of [408, 500, 502, 503, 504]) t.is(retry({ status }), 1000, String(status))
  t.is(retry({ status: 503 }, 2), 2000)
  t.is(retry({ status: 503 }, 3), null)
  t.is(retry({ by: 'network', status: 503 }), 1000)
  for (const status of [404, 413, 480, 486, 500, 503, 600, 603]) t.is(retry({ status, retryAfterMs: 7000 }), 7000, String(status))
  t.is(retry({ status: 503, retryAfterMs: 31_000 }), null)
  t.is(retry({ status: 403, retryAfterMs: 7000 }), null)
  for (const status of [302, 400, 401, 403, 404, 480, 486, 487, 488, 600, 603, 604, 606])
    t.is(retry({ status }), null, String(status))
  for (const by of ['guard', 'witness', 'limit', 'conference', 'caller'] as const) t.is(retry({ by }), null, by)
  t.is(retry({ status: 491 }), 2100)
  t.is(retryDelayMs(refusal({ status: 491 }), 1, defaultRetryPolicy, 0.999_999), 4000)
  t.is(retry({ status: 503, security: true }), null)
})

test('what becomes of refusals', (t) => {
  t.is(statusOf(refusal({ by: 'guard' })), 'rejected')
  t.is(statusOf(refusal({ by: 'guard', security: true })), 'security_rejected')
  for (const status of [403, 603, 607, 608]) t.is(statusOf(refusal({ status })), 'rejected', String(status))
  for (const status of [404, 408, 480, 486, 488, 500, 503, 600]) t.is(statusOf(refusal({ status })), 'failed', String(status))
  t.is(statusOf(refusal({ by: 'witness' })), 'failed')
  t.like(resultOf([refusal({ status: 603, code: 'sip.603' }), refusal({ status: 486, code: 'sip.486' })]), {
    status: 'rejected',
    code: 'sip.603'
  })
  t.like(resultOf([refusal({ code: 'first' }), refusal({ code: 'last' })]), { status: 'failed', code: 'last' })
  t.like(resultOf([]), { status: 'failed', code: 'escalate.nobody-called' })
})
