import test from 'ava'
import { calledDialog, calledScene, callingScene, callOut, establishCalled, type Scene } from '../testing/scenes.ts'
import { headerOf, requestText, responseText, shape, startLine } from '../testing/sip-text.ts'

const sdp = { extra: ['Content-Type: application/sdp'], body: 'v=0\r\n' }

const ask = (s: Scene, method: string, body = ''): readonly string[] =>
  s.ask(`sip||${calledDialog}`, `${method} sip:placeholder SIP/2.0\n\n${body}`)

test('a re-INVITE of the peer is refused with 491 while an offer of ours is out, with 500 and Retry-After while its own UPDATE is', (t) => {
  for (const method of ['INVITE', 'UPDATE']) {
    const s = calledScene()
    const to = establishCalled(s)
    ask(s, method, 'v=0\r\n')
    s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
    t.is(s.shapes().at(-1), '491 INVITE', method)
  }
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to, ...sdp }))
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 3, to, ...sdp }))
  t.is(s.shapes().at(-1), '500 INVITE')
  t.true(Number(headerOf(s.last(), 'Retry-After')) <= 10)
})

test('an UPDATE with an offer: 491 while ours is out, 500 while the offer of the INVITE has no answer; without one it passes', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  ask(s, 'INVITE', 'v=0\r\n')
  s.say(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to, ...sdp }))
  t.is(s.shapes().at(-1), '491 UPDATE')
  s.say(requestText({ method: 'UPDATE', branch: 'u2', cseq: 3, to }))
  t.is(shape(s.app.delivered().at(-1)!.sip), 'UPDATE')

  const early = calledScene()
  early.say(requestText({ method: 'INVITE', branch: 'i1', ...sdp }))
  const invite = early.shown()
  early.answer(180)
  const earlyTo = headerOf(early.last(), 'To')!
  early.say(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to: earlyTo, ...sdp }))
  t.is(early.shapes().at(-1), '500 UPDATE')
  t.not(headerOf(early.last(), 'Retry-After'), undefined)
  early.app.send(`sip|${invite}|`, 'SIP/2.0 183 Progress\nContent-Type: application/sdp\n\nv=0\r\n')
  early.say(requestText({ method: 'UPDATE', branch: 'u2', cseq: 3, to: earlyTo, ...sdp }))
  t.is(shape(early.app.delivered().at(-1)!.sip), 'UPDATE')
})

test('the offer of a 2xx is out until the ACK', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'INVITE', branch: 'i1' }))
  s.app.send(`sip|${s.shown()}|`, 'SIP/2.0 200 OK\nContent-Type: application/sdp\n\nv=0\r\n')
  s.clock.advance(5)
  const to = headerOf(s.last(), 'To')!
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
  t.is(s.shapes().at(-1), '491 INVITE')
  s.say(requestText({ method: 'ACK', branch: 'a1', to, ...sdp }))
  s.say(requestText({ method: 'ACK', branch: 'r1', cseq: 2, to }))
  s.say(requestText({ method: 'INVITE', branch: 'r2', cseq: 3, to, ...sdp }))
  t.is(shape(s.app.delivered().at(-1)!.sip), 'INVITE')
})

test('a re-INVITE that overtakes the ACK is shown, and both answers get their ACK', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'INVITE', branch: 'i1', ...sdp }))
  s.answer(200)
  const to = headerOf(s.last(), 'To')!
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
  s.answer(200)
  s.say(requestText({ method: 'ACK', branch: 'a2', cseq: 2, to }))
  s.say(requestText({ method: 'ACK', branch: 'a1', to }))
  t.deepEqual(
    s.app.delivered().map(({ sip }) => shape(sip)),
    ['INVITE', 'INVITE', 'ACK', 'ACK']
  )
  const sent = s.shapes().length
  s.clock.advance(60_000)
  t.is(s.shapes().length, sent)
  t.is(s.counters.ackTimeouts, 0)
})

test('a target is refreshed when the request is accepted, not when it is refused', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  const moved = (branch: string, cseq: number): string =>
    requestText({ method: 'INVITE', branch, cseq, to }).replace('<sip:alice@10.0.0.9:5090>', '<sip:moved@10.0.0.9:5090>')
  s.say(moved('r1', 2))
  s.answer(488)
  s.say(requestText({ method: 'ACK', branch: 'r1', cseq: 2, to }))
  ask(s, 'INFO')
  t.is(startLine(s.last()), 'INFO sip:alice@10.0.0.9:5090 SIP/2.0')
  s.say(moved('r2', 3))
  s.answer(200)
  s.say(requestText({ method: 'ACK', branch: 'a3', cseq: 3, to }))
  ask(s, 'INFO')
  t.is(startLine(s.last()), 'INFO sip:moved@10.0.0.9:5090 SIP/2.0')
})

test('CANCEL behind the 2xx of a re-INVITE does not end the call', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
  s.answer(200)
  s.say(requestText({ method: 'CANCEL', branch: 'r1', cseq: 2, to }))
  t.is(s.shapes().at(-1), '200 CANCEL')
  t.false(s.shapes().includes('BYE'))
  t.is(s.engine.counts().dialogs, 1)
})

test('CANCEL of a re-INVITE: 487, shown with the dialog id, and the call goes on', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
  s.say(requestText({ method: 'CANCEL', branch: 'r1', cseq: 2, to }))
  t.deepEqual(s.shapes().slice(-2), ['200 CANCEL', '487 INVITE'])
  t.deepEqual([shape(s.app.delivered().at(-1)!.sip), s.app.delivered().at(-1)!.fields[9]], ['CANCEL', calledDialog])
  t.is(s.engine.counts().dialogs, 1)
})

test('a BYE of the callee waits for the ACK, and replies when it is sent (RFC 3261 §15)', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'INVITE', branch: 'i1' }))
  s.answer(200)
  const to = headerOf(s.last(), 'To')!
  t.is(s.app.send(`sip||${calledDialog}`, 'BYE sip:placeholder SIP/2.0\n\n'), undefined)
  s.clock.advance(400)
  t.false(s.shapes().includes('BYE'))
  s.say(requestText({ method: 'ACK', branch: 'a1', to }))
  t.is(s.shapes().at(-1), 'BYE')
  t.is(s.app.payloads.at(-1)!.fields[3], 'OK')
  t.is(s.app.payloads.at(-2)!.fields[1], 'sip')
})

test('… or for the end of the wait, and is refused when the caller hangs up first', (t) => {
  const late = calledScene()
  late.say(requestText({ method: 'INVITE', branch: 'i1' }))
  late.answer(200)
  late.app.send(`sip||${calledDialog}`, 'BYE sip:placeholder SIP/2.0\nX-Mine: 1\n\n')
  late.clock.advance(32_100)
  t.is(headerOf(late.last(), 'X-Mine'), '1')
  t.deepEqual(
    late.app.delivered().map(({ sip }) => shape(sip)),
    ['INVITE']
  )

  const first = calledScene()
  first.say(requestText({ method: 'INVITE', branch: 'i1' }))
  first.answer(200)
  const to = headerOf(first.last(), 'To')!
  first.app.send(`sip||${calledDialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  first.say(requestText({ method: 'BYE', branch: 'b1', cseq: 2, to }))
  const refused = first.app.payloads.find(({ fields }) => fields[3] === 'NOK')!
  t.is(refused.fields[4], 'Server error: unable to find dialog for dialog id provided')
})

test('BYE answered while a re-INVITE of the peer is unanswered: it gets 487', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'INVITE', branch: 'r1', cseq: 2, to, ...sdp }))
  ask(s, 'BYE')
  s.say(responseText(s.last(), 200))
  t.is(s.shapes().at(-1), '487 INVITE')
})

test('BYE of the peer while our re-INVITE is pending: a final response must come in 64·T1', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  ask(s, 'INVITE', 'v=0\r\n')
  s.say(responseText(s.last(), 100))
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 2, to }))
  s.answer(200)
  s.clock.advance(70_000)
  t.is(startLine(s.app.delivered().at(-1)!.sip), 'SIP/2.0 408 Request Timeout')
  t.is(s.engine.counts().clientTransactions, 0)
})

test('a second UPDATE of the application is refused while one is out', (t) => {
  const s = calledScene()
  establishCalled(s)
  t.is(ask(s, 'UPDATE')[0], 'OK')
  t.deepEqual(ask(s, 'UPDATE'), ['NOK', 'Server error: another UPDATE is in progress in this dialog'])
})

test('a request with a tag of a dialog of ours that is over gets 481; with a foreign tag it is delivered as new', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 2, to }))
  s.answer(200)
  s.say(requestText({ method: 'INFO', branch: 'n1', cseq: 3, to }))
  t.is(s.shapes().at(-1), '481 INFO')
  s.say(requestText({ method: 'INFO', branch: 'n2', cseq: 4, to: '<sip:bob@10.0.0.1>;tag=0123456789abcdef' }))
  t.is(shape(s.app.delivered().at(-1)!.sip), 'INFO')
})

test('a non-INVITE request is answered by neither a provisional response nor 408 of an application (RFC 4320)', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'OPTIONS', branch: 'o1' }))
  t.deepEqual(s.answer(183).slice(3), ['NOK', '183 is no response to a OPTIONS request'])
  t.is(s.answer(408)[3], 'NOK')
  s.clock.advance(60_000)
  t.deepEqual(s.shapes(), [])
  t.is(s.engine.counts().serverTransactions, 0)
})

test('a refusal without a transaction has the same To tag whenever the request comes again', (t) => {
  const s = calledScene()
  const bad = requestText({ method: 'INVITE', branch: 'x1', extra: ['Max-Forwards: many'] }).replace('Max-Forwards: 70\r\n', '')
  s.say(bad)
  s.say(bad)
  s.say(bad.replace('call-1', 'call-2').replace('z9hG4bKx1', 'z9hG4bKx2'))
  const tags = s.peer.received.map(({ text }) => headerOf(text, 'To'))
  t.is(tags.length, 3)
  t.is(tags[0], tags[1])
  t.not(tags[0], tags[2])
})

test('a 2xx in a call that the application ended early is acknowledged and ended; the application is told 487', (t) => {
  const s = callingScene()
  const { request, dialog } = callOut(s)
  s.say(responseText(request, 180, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  s.ask(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  const bye = s.peer.received.findLast(({ text }) => text.startsWith('BYE'))!.text
  s.say(responseText(bye, 200))
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  t.deepEqual(s.shapes().slice(-2), ['ACK', 'BYE'])
  t.is(startLine(s.app.delivered().at(-1)!.sip), 'SIP/2.0 487 Request Terminated')
})

test('a re-INVITE that BYE could not cancel any more: its 200 is acknowledged, and there is no second BYE', (t) => {
  const s = calledScene()
  establishCalled(s)
  ask(s, 'INVITE', 'v=0\r\n')
  const reinvite = s.last()
  s.say(responseText(reinvite, 100))
  ask(s, 'BYE')
  t.deepEqual(s.shapes().slice(-2), ['CANCEL', 'BYE'])
  s.say(responseText(reinvite, 200, { extra: ['Contact: <sip:alice@10.0.0.9:5090>'] }))
  ask(s, 'ACK')
  t.is(s.shapes().filter((each) => each === 'BYE').length, 1)
  t.true(s.shapes().includes('ACK'))
})
