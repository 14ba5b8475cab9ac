import test from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText, responseText, shape, startLine } from '../testing/sip-text.ts'

function scene(inviteExtra: readonly string[], answerExtra: string) {
  const bench = createBench()
  const peer = bench.network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(bench.engine, ['invite'])
  peer.send(requestText({ method: 'INVITE', branch: 'i1', extra: inviteExtra }), bench.at)
  bench.clock.advance(5)
  const transaction = app.delivered()[0]?.fields[8]
  if (transaction !== undefined) app.send(`sip|${transaction}|`, `SIP/2.0 200 OK\n${answerExtra}\nv=0\r\n`)
  bench.clock.advance(5)
  const answer = peer.received.at(-1)!.text
  const to = headerOf(answer, 'To')!
  peer.send(requestText({ method: 'ACK', branch: 'a1', to }), bench.at)
  bench.clock.advance(5)
  const shapes = () => peer.received.map(({ text }) => shape(text))
  return { ...bench, peer, app, answer, to, shapes }
}

test('an offer that names the refresher is echoed; a peer that does not refresh loses the call before the interval is over', (t) => {
  const s = scene(['Session-Expires: 100;refresher=uac', 'Supported: timer'], '')
  t.is(headerOf(s.answer, 'Session-Expires'), '100;refresher=uac')
  t.is(headerOf(s.answer, 'Require'), 'timer')
  s.clock.advance(67_900)
  t.false(s.shapes().includes('BYE'))
  s.clock.advance(200)
  const bye = s.peer.received.find(({ text }) => text.startsWith('BYE'))!.text
  t.is(headerOf(bye, 'Reason'), 'SIP ;cause=200 ;text="Session timer expired"')
  t.is(s.app.delivered().at(-1)!.fields[8], 'unsolicited')
  t.is(s.counters.sessionsExpired, 1)
})

test('a refresh of the peer keeps the call, also when it leaves the refresher out', (t) => {
  const s = scene(['Session-Expires: 100;refresher=uac', 'Supported: timer'], '')
  s.clock.advance(60_000)
  s.peer.send(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to: s.to, extra: ['Session-Expires: 100'] }), s.at)
  s.clock.advance(5)
  s.app.send(`sip|${s.app.delivered().at(-1)!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
  s.clock.advance(65_000)
  t.is(headerOf(s.peer.received.at(-1)!.text, 'Session-Expires'), '100;refresher=uac')
  t.is(s.engine.counts().dialogs, 1)
  s.clock.advance(25_000)
  t.is(s.engine.counts().dialogs, 0)
})

test('an offer without refresher is not answered and arms nothing', (t) => {
  const s = scene(['Session-Expires: 100', 'Supported: timer'], '')
  t.is(headerOf(s.answer, 'Session-Expires'), undefined)
  s.clock.advance(200_000)
  t.is(s.engine.counts().dialogs, 1)
})

test('the application’s Session-Expires is used; the engine refreshes with the last SDP, acknowledges, and shows nothing of it', (t) => {
  const s = scene(['Supported: timer'], 'Session-Expires: 200;refresher=uas\n')
  t.is(headerOf(s.answer, 'Session-Expires'), '200;refresher=uas')
  const shown = s.app.delivered().length
  for (let round = 0; round < 2; round++) {
    s.clock.advance(105_100)
    const refresh = s.peer.received.map(({ text }) => text).findLast((text) => shape(text) === 'INVITE')!
    t.is(headerOf(refresh, 'Session-Expires'), '200;refresher=uac')
    t.is(headerOf(refresh, 'Min-SE'), '90')
    t.true(refresh.endsWith('\r\n\r\nv=0\r\n'))
    s.peer.send(
      responseText(refresh, 200, { extra: ['Contact: <sip:alice@10.0.0.9:5090>', 'Session-Expires: 200;refresher=uac'] }),
      s.at
    )
    s.clock.advance(5)
    t.is(s.shapes().at(-1), 'ACK')
  }
  t.is(s.app.delivered().length, shown)
  t.is(s.counters.sessionsExpired, 0)
})

test('a refresh answered 491 is tried again; one that fails ends the call', (t) => {
  const s = scene(['Supported: timer'], 'Session-Expires: 200;refresher=uas\n')
  s.clock.advance(105_100)
  s.peer.send(responseText(s.peer.received.at(-1)!.text, 491), s.at)
  s.clock.advance(5000)
  const invites = s.peer.received.filter(({ text }) => text.startsWith('INVITE'))
  t.true(invites.length >= 2)
  s.peer.send(responseText(invites.at(-1)!.text, 481), s.at)
  s.clock.advance(5)
  t.is(s.shapes().at(-1), 'BYE')
  t.is(s.app.delivered().at(-1)!.fields[8], 'unsolicited')
})

test('an interval below 90 s inside a dialog is refused with 422 and Min-SE; that of a new call is the application’s to judge', (t) => {
  const s = scene(['Session-Expires: 60;refresher=uac'], '')
  t.is(startLine(s.answer), 'SIP/2.0 200 OK')
  const short = ['Session-Expires: 60', 'Supported: timer']
  s.peer.send(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to: s.to, extra: short }), s.at)
  s.clock.advance(5)
  const refused = s.peer.received.at(-1)!.text
  t.is(startLine(refused), 'SIP/2.0 422 Session Interval Too Small')
  t.is(headerOf(refused, 'Min-SE'), '90')
  const shown = s.app.delivered().length
  s.peer.send(requestText({ method: 'UPDATE', branch: 'u2', cseq: 3, to: s.to, extra: ['Session-Expires: 60'] }), s.at)
  s.clock.advance(5)
  t.is(s.app.delivered().length, shown + 1, 'a peer without session timers knows no 422')
})

test('client side: a 200 with Session-Expires and no refresher makes this side refresh', (t) => {
  const bench = createBench()
  const peer = bench.network.peer('udp', '10.0.0.2', 5060)
  const app = createFakeApplication(bench.engine, [])
  app.send('sip||', 'INVITE sip:bob@10.0.0.2 SIP/2.0\nSession-Expires: 120\n\nv=0\r\n')
  bench.clock.advance(5)
  peer.send(
    responseText(peer.received[0]!.text, 200, { extra: ['Contact: <sip:bob@10.0.0.2>', 'Session-Expires: 120'] }),
    bench.at
  )
  bench.clock.advance(5)
  app.send(`sip||${app.delivered()[0]!.fields[9]}`, 'ACK sip:x SIP/2.0\n\n')
  bench.clock.advance(66_000)
  t.is(shape(peer.received.find(({ text }) => text.includes('refresher=uac'))!.text), 'INVITE')
  bench.engine.close()
  t.is(bench.clock.pending(), 0)
})

const refreshes = (s: ReturnType<typeof scene>) =>
  s.peer.received.filter(({ text }) => text.includes('refresher=uac')).map(({ text }) => text)

test('a peer that allows UPDATE is refreshed with UPDATE; where it then refuses the method, with re-INVITE', (t) => {
  const s = scene(['Supported: timer'], 'Session-Expires: 200;refresher=uas\n')
  s.peer.send(
    requestText({
      method: 'UPDATE',
      branch: 'u1',
      cseq: 2,
      to: s.to,
      extra: ['Allow: INVITE, UPDATE', 'Session-Expires: 200;refresher=uas']
    }),
    s.at
  )
  s.clock.advance(5)
  s.app.send(`sip|${s.app.delivered().at(-1)!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
  s.clock.advance(105_100)
  const update = refreshes(s).at(-1)!
  t.is(shape(update), 'UPDATE')
  t.true(update.endsWith('\r\n\r\n'))
  s.peer.send(responseText(update, 501), s.at)
  s.clock.advance(5)
  t.is(shape(refreshes(s).at(-1)!), 'INVITE')
  t.is(s.counters.sessionsExpired, 0)
})

test('a refresh refused with 422 is tried with the interval it names; with 500 and Retry-After, after that time', (t) => {
  const s = scene(['Supported: timer'], 'Session-Expires: 200;refresher=uas\n')
  s.clock.advance(105_100)
  s.peer.send(responseText(refreshes(s).at(-1)!, 422, { extra: ['Min-SE: 300'] }), s.at)
  s.clock.advance(5)
  t.is(headerOf(refreshes(s).at(-1)!, 'Session-Expires'), '300;refresher=uac')
  const tries = refreshes(s).length
  s.peer.send(responseText(refreshes(s).at(-1)!, 500, { extra: ['Retry-After: 7'] }), s.at)
  s.clock.advance(6900)
  t.is(refreshes(s).length, tries)
  s.clock.advance(200)
  t.is(refreshes(s).length, tries + 1)
  t.is(s.counters.sessionsExpired, 0)
})

test('a re-INVITE or UPDATE of the application keeps the session timer it does not know of', (t) => {
  const s = scene(['Session-Expires: 100;refresher=uac', 'Supported: timer'], '')
  s.app.send('sip||call-1;from-tag=ft', 'UPDATE sip:placeholder SIP/2.0\nSupported: replaces\n\n')
  s.clock.advance(5)
  const update = s.peer.received.at(-1)!.text
  t.is(headerOf(update, 'Session-Expires'), '100;refresher=uas')
  t.is(headerOf(update, 'Supported'), 'replaces, timer')
  // A 2xx without it: the peer will not refresh any more, and is not waited for.
  s.peer.send(responseText(update, 200), s.at)
  s.clock.advance(200_000)
  t.is(s.engine.counts().dialogs, 1)
  t.is(s.counters.sessionsExpired, 0)
})

test('a peer that knows no session timers does not have to refresh', (t) => {
  const s = scene([], 'Session-Expires: 200;refresher=uac\n')
  t.is(headerOf(s.answer, 'Session-Expires'), '200;refresher=uas')
  t.is(headerOf(s.answer, 'Require'), undefined)
  s.clock.advance(105_100)
  t.is(refreshes(s).length >= 1, true)
})
