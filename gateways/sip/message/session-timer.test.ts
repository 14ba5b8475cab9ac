import test from 'ava'
import { answerSessionTimer, refresherOver } from './session-timer.ts'

const config = { sessionExpiresSeconds: 1800, minSessionExpiresSeconds: 90 }
const answer = (headers: Record<string, string>) => answerSessionTimer((name) => headers[name], config, 'uas')

test('a caller without session timers gets none', (t) => {
  t.deepEqual(answer({}), { ok: true, headers: {} })
  t.deepEqual(answer({ 'Session-Expires': '600' }), { ok: true, headers: {} })
  t.deepEqual(answer({ 'Session-Expires': '30' }), { ok: true, headers: {} }, 'a proxy put it there, and the caller knows no 422')
})

test('we refresh unless the caller wants to (RFC 4028 table 2)', (t) => {
  t.deepEqual(answer({ Supported: 'replaces, timer' }), { ok: true, headers: { 'Session-Expires': '1800;refresher=uas' } })
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': '600' }), {
    ok: true,
    headers: { 'Session-Expires': '600;refresher=uas' }
  })
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': '600;refresher=uac' }), {
    ok: true,
    headers: { 'Session-Expires': '600;refresher=uac', Require: 'timer' }
  })
})

test('over a connection the phone refreshes unless it wants us to: nobody else can open another connection', (t) => {
  const answerOver = (transport: Parameters<typeof refresherOver>[0], value: string) =>
    answerSessionTimer((name) => ({ Supported: 'timer', 'Session-Expires': value })[name], config, refresherOver(transport))
  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
    t.deepEqual(answerOver(transport, '600'), { ok: true, headers: { 'Session-Expires': '600;refresher=uac', Require: 'timer' } })
    t.deepEqual(answerOver(transport, '600;refresher=uas'), { ok: true, headers: { 'Session-Expires': '600;refresher=uas' } })
  }
  t.deepEqual(answerOver('udp', '600'), { ok: true, headers: { 'Session-Expires': '600;refresher=uas' } })
})

test('the interval stays between the smallest either side accepts and what we ask for', (t) => {
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': '7200' }), {
    ok: true,
    headers: { 'Session-Expires': '1800;refresher=uas' }
  })
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': '7200', 'Min-SE': '3600' }), {
    ok: true,
    headers: { 'Session-Expires': '3600;refresher=uas' }
  })
})

test('an interval below our minimum is refused with 422', (t) => {
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': '89' }), { ok: false, minSeconds: 90 })
  t.deepEqual(answer({ Require: 'timer', x: '30' }), { ok: false, minSeconds: 90 })
})

test('an interval that is no number counts as not given', (t) => {
  t.deepEqual(answer({ Supported: 'timer', 'Session-Expires': 'soon' }), {
    ok: true,
    headers: { 'Session-Expires': '1800;refresher=uas' }
  })
})
