import test from 'ava'
import type { createBench } from '../../testing/bench.ts'
import { createFakeApplication } from '../../testing/fake-application.ts'
import { calledScene, calledDialog as dialog, type Scene } from '../../testing/scenes.ts'
import { headerOf, headersOf, requestText, shape, startLine } from '../../testing/sip-text.ts'

const toOf = (s: Scene): string => headerOf(s.peer.received.at(-1)!.text, 'To')!
const invite = (extra: Partial<Parameters<typeof requestText>[0]> = {}): string =>
  requestText({ method: 'INVITE', branch: 'i1', ...extra })

test('an INVITE gets 100 at once and is shown with its source, marked Via and the exact meta fields', (t) => {
  const s = calledScene()
  s.say(invite({ extra: ['x-lower: 1', 'Subject : folded\r\n  value'], body: 'v=0\r\n' }))
  t.deepEqual(s.shapes(), ['100 INVITE'])
  t.is(headerOf(s.peer.received[0]!.text, 'To'), '<sip:bob@10.0.0.1>')
  const [payload] = s.app.delivered()
  const { fields, sip } = payload!
  t.is(fields.length, 13)
  t.deepEqual(fields.slice(1, 3), ['sip', 'network'])
  t.deepEqual(fields.slice(4, 7), ['udp', '10.0.0.9', '5090'])
  t.regex(fields[7]!, /^\d\d:\d\d:\d\d\.\d{6}$/)
  t.regex(fields[8]!, /^[0-9a-f-]{36}$/)
  t.deepEqual(fields.slice(9), ['', '10.0.0.1', '5060', ''])
  t.is(headerOf(sip, 'Via'), 'SIP/2.0/UDP 10.0.0.9:5090;branch=z9hG4bKi1;rport=5090')
  t.true(sip.includes('x-lower: 1\r\nSubject : folded\r\n  value\r\n'))
  t.true(sip.endsWith('v=0\r\n'))
})

test('received is added where sent-by is not the source, and the other Vias stay', (t) => {
  const s = calledScene()
  s.say(
    invite().replace(
      'UDP 10.0.0.9:5090;branch=z9hG4bKi1',
      'UDP host.example;rport;branch=z9hG4bKi1, SIP/2.0/TCP up.example;branch=z9hG4bKu'
    )
  )
  const { sip } = s.app.delivered()[0]!
  t.is(
    headerOf(sip, 'Via'),
    'SIP/2.0/UDP host.example;rport=5090;branch=z9hG4bKi1;received=10.0.0.9, SIP/2.0/TCP up.example;branch=z9hG4bKu'
  )
  s.answer(486)
  t.is(headersOf(s.peer.received[1]!.text, 'Via').join(), headerOf(sip, 'Via')!)
})

test('180, 200, ACK: one To tag, default Contact, Record-Route copied, ACK shown with the INVITE transaction', (t) => {
  const s = calledScene()
  s.say(invite({ extra: ['Record-Route: <sip:10.0.0.7;lr>', 'Record-Route: <sip:10.0.0.8;lr>'] }))
  const transaction = s.shown()
  const ringing = s.answer(180)
  t.deepEqual(ringing.slice(3, 5), ['OK', 'application'])
  t.deepEqual(ringing.slice(6, 9), ['udp', '10.0.0.9', '5090'])
  t.deepEqual(ringing.slice(10), [transaction, dialog, '', 'Msg sent:', ''])
  t.is(headerOf(s.peer.received[1]!.text, 'Contact'), '<sip:10.0.0.1:5060>')
  s.answer(200)
  const [, first, second] = s.peer.received
  t.is(headerOf(first!.text, 'To'), headerOf(second!.text, 'To'))
  t.regex(headerOf(second!.text, 'To')!, /;tag=[0-9a-f]{20}$/)
  t.is(headerOf(second!.text, 'Contact'), '<sip:10.0.0.1:5060>')
  t.deepEqual(headersOf(second!.text, 'Record-Route'), ['<sip:10.0.0.7;lr>', '<sip:10.0.0.8;lr>'])
  s.say(requestText({ method: 'ACK', branch: 'a1', to: toOf(s) }))
  const ack = s.app.delivered()[1]!
  t.true(ack.sip.startsWith('ACK '))
  t.deepEqual(ack.fields.slice(8), [transaction, dialog, ''])
  s.clock.advance(40_000)
  t.deepEqual(s.shapes(), ['100 INVITE', '180 INVITE', '200 INVITE'])
  t.is(s.engine.counts().serverTransactions, 0)
})

test('the application chooses the To tag in its first response', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(183, 'To: <sip:bob@10.0.0.1>;tag=mine\n')
  s.answer(200, 'To: <sip:bob@10.0.0.1>;tag=other\n')
  t.deepEqual(
    s.peer.received.slice(1).map(({ text }) => headerOf(text, 'To')),
    ['<sip:bob@10.0.0.1>;tag=mine', '<sip:bob@10.0.0.1>;tag=mine']
  )
})

test('header rules: immutable dropped, localhost replaced, names in canonical case, unknown last', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(
    200,
    'via: hack\nroute: <sip:x>\nRecord-Route: <sip:y>\nrseq: 9\ncontact: sip:foo@localhost\nfoo-bar: 1\nx-keep: 2\np-asserted-identity: <sip:me@localhost>\nno colon line\nserver: me\n'
  )
  const { text } = s.peer.received[1]!
  t.is(headersOf(text, 'Via').length, 1)
  for (const name of ['Route', 'Record-Route', 'RSeq']) t.is(headerOf(text, name), undefined)
  t.is(headerOf(text, 'Contact'), '<sip:foo@10.0.0.1:5060>')
  t.is(headerOf(text, 'P-Asserted-Identity'), '<sip:me@10.0.0.1:5060>')
  t.true(text.includes('\r\nServer: me\r\nContent-Length: 0\r\nFoo-Bar: 1\r\nx-keep: 2\r\n'))
})

test('a repeated INVITE is answered with what was sent last', (t) => {
  const s = calledScene()
  s.say(invite())
  s.say(invite())
  s.answer(180)
  s.say(invite())
  t.deepEqual(s.shapes(), ['100 INVITE', '100 INVITE', '180 INVITE', '180 INVITE'])
  t.is(s.app.delivered().length, 1)
})

test('with tryingMs an INVITE gets 100 when its application has said nothing until then; repeats before it are absorbed', (t) => {
  const s = calledScene({ timers: { tryingMs: 200 } })
  s.say(invite())
  s.say(invite(), 190)
  t.deepEqual(s.shapes(), [])
  s.say(invite())
  s.say(invite())
  t.deepEqual(s.shapes(), ['100 INVITE', '100 INVITE'])
  t.is(s.app.delivered().length, 1)
  s.clock.advance(64_000 - 206)
  t.deepEqual(s.shapes(), ['100 INVITE', '100 INVITE'])
  s.clock.advance(5)
  t.deepEqual(s.shapes(), ['100 INVITE', '100 INVITE', '480 INVITE'])
})

test('with tryingMs an INVITE that is answered in time gets no 100, the first and one in a dialog', (t) => {
  const s = calledScene({ timers: { tryingMs: 200 } })
  s.say(invite())
  s.answer(180)
  s.clock.advance(1000)
  t.deepEqual(s.shapes(), ['180 INVITE'])
  s.say(invite())
  t.deepEqual(s.shapes(), ['180 INVITE', '180 INVITE'])
  s.answer(200)
  s.say(requestText({ method: 'ACK', branch: 'a1', to: toOf(s) }))
  s.say(invite({ branch: 'i2', cseq: 2, to: toOf(s) }))
  s.answer(488)
  s.clock.advance(100)
  t.deepEqual(s.shapes(), ['180 INVITE', '180 INVITE', '200 INVITE', '488 INVITE'])
})

test('with tryingMs a CANCEL finds an INVITE that has no answer yet', (t) => {
  const s = calledScene({ timers: { tryingMs: 200 } })
  s.say(invite())
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  s.clock.advance(300)
  t.deepEqual(s.shapes().slice(0, 2), ['200 CANCEL', '487 INVITE'])
  t.false(s.shapes().includes('100 INVITE'))
})

test('a 2xx is repeated at T1 up to T2, and 64*T1 without ACK ends the call with BYE', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(200)
  const sentAt = s.peer.received[1]!.atMs
  s.clock.advance(31_000)
  const repeats = s.peer.received.slice(2).map(({ atMs }) => Math.round(atMs - sentAt))
  t.deepEqual(repeats, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500])
  s.clock.advance(1500)
  const bye = s.peer.received.find(({ text }) => text.startsWith('BYE'))!.text
  t.is(startLine(bye), 'BYE sip:alice@10.0.0.9:5090 SIP/2.0')
  t.is(headerOf(bye, 'Reason'), 'SIP;cause=200;text="ACK timeout"')
  t.is(headerOf(bye, 'To'), '"A" <sip:alice@10.0.0.9>;tag=ft')
  const told = s.app.delivered().at(-1)!
  t.deepEqual([told.fields[2], told.fields[8], told.fields[9]], ['application', 'unsolicited', dialog])
  t.true(told.sip.startsWith('BYE '))
  t.is(s.counters.ackTimeouts, 1)
  t.is(s.engine.counts().dialogs, 0)
  t.deepEqual(s.app.send(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n')!.fields.slice(3), [
    'NOK',
    'Server error: unable to find dialog for dialog id provided'
  ])
})

test('over TCP a 2xx is repeated too, since a later hop may lose it; a missing ACK ends the call', (t) => {
  const s = calledScene({ transport: 'tcp' })
  s.say(invite({ transport: 'TCP' }))
  s.answer(200)
  s.clock.advance(33_000)
  t.deepEqual(s.shapes(), ['100 INVITE', ...Array(11).fill('200 INVITE'), 'BYE'])
  t.is(headerOf(s.peer.received[1]!.text, 'Contact'), '<sip:10.0.0.1:5060;transport=tcp>')
})

test('over TLS the default Contact is a sips URI', (t) => {
  const s = calledScene({ transport: 'tls' })
  s.say(invite({ transport: 'TLS' }))
  s.answer(200)
  t.is(headerOf(s.peer.received[1]!.text, 'Contact'), '<sips:10.0.0.1:5060;transport=tls>')
})

test('a failure is repeated until its ACK, which the application does not see', (t) => {
  const s = calledScene()
  s.say(invite())
  const reply = s.answer(486)
  t.is(reply[11], dialog)
  s.clock.advance(4000)
  t.deepEqual(s.shapes(), ['100 INVITE', '486 INVITE', '486 INVITE', '486 INVITE', '486 INVITE'])
  s.say(requestText({ method: 'ACK', branch: 'i1', to: toOf(s) }), 40_000)
  t.is(s.peer.received.length, 5)
  t.is(s.app.delivered().length, 1)
  t.is(s.engine.counts().dialogs, 0)
  t.is(s.clock.pending(), 0)
})

test('CANCEL before any response: 200, 487, shown without dialog id; the late answer is refused', (t) => {
  const s = calledScene()
  s.say(invite())
  const transaction = s.shown()
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(s.shapes(), ['100 INVITE', '200 CANCEL', '487 INVITE'])
  const cancel = s.app.delivered()[1]!
  t.deepEqual(cancel.fields.slice(8), [transaction, '', ''])
  t.true(cancel.sip.startsWith('CANCEL '))
  t.deepEqual(s.answer(200, '', transaction).slice(3), ['NOK', 'Response not sent due to unknown transaction'])
  t.deepEqual(s.answer(200, 'CSeq: 1 CANCEL\n', transaction).slice(3), [
    'NOK',
    '200 OK to incoming CANCEL is automatically generated by the stack'
  ])
})

test('CANCEL after a provisional response is shown with the dialog id', (t) => {
  const s = calledScene()
  s.say(invite())
  const transaction = s.shown()
  s.answer(180)
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(s.app.delivered()[1]!.fields.slice(8), [transaction, dialog, ''])
  t.deepEqual(s.shapes().slice(2), ['200 CANCEL', '487 INVITE'])
})

test('CANCEL after the 200: 481, BYE, and the application is told', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(200)
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(s.shapes(), ['100 INVITE', '200 INVITE', '481 CANCEL', 'BYE'])
  t.is(headerOf(s.peer.received[3]!.text, 'Reason'), 'SIP ;cause=200 ;text="CANCEL after 200 OK"')
  t.is(s.app.delivered().at(-1)!.fields[8], 'unsolicited')
})

test('without an application: INVITE 100 and 503, others 503', (t) => {
  const s = calledScene({}, [])
  s.say(invite())
  s.say(requestText({ method: 'OPTIONS', branch: 'o1', callId: 'c2' }))
  t.deepEqual(s.shapes(), ['100 INVITE', '503 INVITE', '503 OPTIONS'])
  t.is(s.counters.unhandled, 2)
})

test('outside a dialog: 481 where a dialog is needed, 405 for what begins nothing, ACK dropped', (t) => {
  const s = calledScene()
  for (const [index, method] of ['BYE', 'UPDATE', 'PRACK', 'CANCEL', 'REFER', 'FOO', 'ACK'].entries()) {
    s.say(requestText({ method, branch: `x${index}`, callId: `c${index}` }))
  }
  t.deepEqual(s.shapes(), ['481 BYE', '481 UPDATE', '481 PRACK', '481 CANCEL', '405 REFER', '405 FOO'])
  t.true(headerOf(s.peer.received[4]!.text, 'Allow')!.includes('INVITE'))
  t.is(s.counters.stray, 1)
})

test('an unknown To tag: INVITE 481, INFO and OPTIONS delivered as new', (t) => {
  const s = calledScene()
  s.say(invite({ to: '<sip:bob@10.0.0.1>;tag=zz' }))
  s.say(requestText({ method: 'INFO', branch: 'f1', callId: 'c2', to: '<sip:bob@10.0.0.1>;tag=zz' }))
  t.deepEqual(s.shapes(), ['100 INVITE', '481 INVITE'])
  const info = s.app.delivered()[0]!
  t.true(info.sip.startsWith('INFO '))
  t.is(info.fields[9], '')
  const reply = s.answer(200)
  t.is(reply[11], '')
  t.is(headerOf(s.peer.received[2]!.text, 'To'), '<sip:bob@10.0.0.1>;tag=zz')
})

function established(options: Parameters<typeof createBench>[0] = {}): Scene & { to: string } {
  const s = calledScene(options)
  s.say(invite())
  s.answer(200)
  const to = toOf(s)
  s.say(requestText({ method: 'ACK', branch: 'a1', to }))
  return { ...s, to }
}

test('BYE is shown with the dialog id and ends the dialog at receipt', (t) => {
  const s = established()
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 2, to: s.to }))
  t.is(s.app.delivered().at(-1)!.fields[9], dialog)
  t.is(s.engine.counts().dialogs, 0)
  const reply = s.answer(200)
  t.deepEqual(reply.slice(11), [dialog, '', 'Msg sent:', ''])
  t.is(s.shapes().at(-1), '200 BYE')
})

test('a re-INVITE gets 100, is shown in the dialog, its 2xx has the tag and Contact, its ACK is shown', (t) => {
  const s = established()
  s.say(invite({ branch: 'i2', cseq: 2, to: s.to }))
  t.deepEqual(s.app.delivered().at(-1)!.fields.slice(9), [dialog, ''])
  const transaction = s.shown()
  s.answer(200)
  t.is(headerOf(s.peer.received.at(-1)!.text, 'To'), s.to)
  t.is(headerOf(s.peer.received.at(-1)!.text, 'Contact'), '<sip:10.0.0.1:5060>')
  s.say(requestText({ method: 'ACK', branch: 'a2', cseq: 2, to: s.to }))
  t.is(s.app.delivered().at(-1)!.fields[8], transaction)
  s.clock.advance(40_000)
  t.is(s.counters.ackTimeouts, 0)
})

test('a second INVITE while one is unanswered gets 500, one while ours is pending 491, an old CSeq 500', (t) => {
  const s = established()
  s.say(invite({ branch: 'i2', cseq: 2, to: s.to }))
  s.say(invite({ branch: 'i3', cseq: 3, to: s.to }))
  t.deepEqual(s.shapes().slice(-2), ['100 INVITE', '500 INVITE'])
  t.regex(headerOf(s.peer.received.at(-1)!.text, 'Retry-After')!, /^\d+$/)
  s.answer(488, '', s.app.delivered().at(-1)!.fields[8]!)
  t.is(s.app.send(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\n')!.fields[3], 'OK')
  s.clock.advance(5)
  s.say(invite({ branch: 'i4', cseq: 4, to: s.to }))
  t.is(s.shapes().at(-1), '491 INVITE')
  s.say(requestText({ method: 'INFO', branch: 'old', cseq: 1, to: s.to }))
  t.is(s.shapes().at(-1), '500 INFO')
})

test('an INVITE without To tag that would make the dialog again: merged copy 482, another 491', (t) => {
  const s = calledScene()
  s.say(invite())
  s.say(invite({ branch: 'other-way' }))
  t.is(s.shapes().at(-1), '482 INVITE')
  s.answer(200)
  s.say(invite({ branch: 'again', cseq: 2 }))
  t.is(s.peer.received.filter(({ text }) => shape(text) === '491 INVITE').length, 1)
})

test('an application that goes away: its pending INVITE 503 at once, requests in its dialogs 481, then BYE after the grace time', (t) => {
  const s = established()
  s.say(invite({ branch: 'p1', callId: 'pending' }))
  s.app.disconnect()
  s.clock.advance(5)
  t.is(s.shapes().at(-1), '503 INVITE')
  s.say(requestText({ method: 'INFO', branch: 'f1', cseq: 2, to: s.to }))
  s.say(invite({ branch: 'i2', cseq: 3, to: s.to }))
  t.deepEqual(s.shapes().slice(-3), ['481 INFO', '100 INVITE', '481 INVITE'])
  s.clock.advance(33_000)
  t.true(s.shapes().includes('BYE'))
  t.is(s.engine.counts().dialogs, 0)
})

test('BYE for a dialog whose application is gone: 481 and the dialog is dropped', (t) => {
  const s = established()
  s.app.disconnect()
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 2, to: s.to }))
  t.is(s.shapes().at(-1), '481 BYE')
  t.is(s.engine.counts().dialogs, 0)
})

test('an application that never answers: INVITE 480 after 64 s; a non-INVITE gets 100 after 3.5 s and nothing else (RFC 4320)', (t) => {
  const s = calledScene()
  s.say(invite())
  s.say(requestText({ method: 'OPTIONS', branch: 'o1', callId: 'c2' }))
  s.clock.advance(3400)
  t.deepEqual(s.shapes(), ['100 INVITE'])
  s.clock.advance(60_500)
  t.deepEqual(s.shapes(), ['100 INVITE', '100 OPTIONS'])
  s.clock.advance(200)
  t.is(s.shapes().at(-1), '480 INVITE')
  t.is(s.counters.unanswered, 2)
  s.clock.advance(60_000)
  t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
  t.is(s.clock.pending(), 0)
})

test('a call that rings too long after its latest provisional response gets 480', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(180)
  s.clock.advance(200_000)
  s.answer(180)
  s.clock.advance(299_000)
  t.is(s.shapes().at(-1), '180 INVITE')
  s.clock.advance(1100)
  t.true(s.shapes().includes('480 INVITE'))
  t.is(s.engine.counts().dialogs, 0)
})

test('round robin over applications; remove_route takes only the verb; route twice is route once', (t) => {
  const s = calledScene({}, ['options', 'options', 'message'])
  const second = createFakeApplication(s.engine, ['options'])
  for (let index = 0; index < 4; index++) s.say(requestText({ method: 'OPTIONS', branch: `o${index}`, callId: `c${index}` }))
  t.deepEqual([s.app.delivered().length, second.delivered().length], [2, 2])
  s.app.send('remove_route|options')
  s.say(requestText({ method: 'OPTIONS', branch: 'o9', callId: 'c9' }))
  s.say(requestText({ method: 'MESSAGE', branch: 'm9', callId: 'm9' }))
  t.deepEqual([s.app.delivered().length, second.delivered().length], [3, 3])
})

test('another application cannot answer', (t) => {
  const s = calledScene()
  s.say(invite())
  const other = createFakeApplication(s.engine, [])
  t.is(other.send(`sip|${s.shown()}|`, 'SIP/2.0 200 OK\n\n')!.fields[4], 'Response not sent due to unknown transaction')
})

test('malformed requests: 400 with the header named, garbage dropped, and an INVITE refused so is not remembered', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'OPTIONS', branch: 'o1' }).replace('CSeq: 1', 'CSeq: x'))
  s.say(requestText({ method: 'OPTIONS', branch: 'o2' }).replace('Max-Forwards: 70', 'Max-Forwards: many'))
  s.say(requestText({ method: 'OPTIONS', branch: 'o3' }).replace('Content-Length: 0', 'Content-Length: 99'))
  s.say(invite().replace('Contact: <sip:alice', 'Contact: <<sip:alice'))
  s.say(requestText({ method: 'OPTIONS', branch: 'o4' }).replace('SIP/2.0\r\n', 'SIP/7.0\r\n'))
  s.say('complete garbage\r\n\r\n')
  t.deepEqual(
    s.peer.received.map(({ text }) => startLine(text)),
    [
      'SIP/2.0 400 Bad CSeq',
      'SIP/2.0 400 Bad Max-Forwards',
      'SIP/2.0 400 Bad Content-Length',
      'SIP/2.0 400 Bad Contact',
      'SIP/2.0 505 Version Not Supported'
    ]
  )
  t.is(s.counters.malformed, 6)
  t.is(s.engine.counts().serverTransactions, 0)
  t.is(s.app.delivered().length, 0)
})

test('more transactions than allowed are refused with 503', (t) => {
  const s = calledScene({ serverTransactions: 2 })
  for (let index = 0; index < 3; index++) s.say(requestText({ method: 'OPTIONS', branch: `o${index}`, callId: `c${index}` }))
  t.deepEqual(s.shapes(), ['503 OPTIONS'])
})

test('a reliable 180: RSeq, repeated until PRACK, PRACK shown and answered by the application', (t) => {
  const s = calledScene()
  s.say(invite({ extra: ['Supported: timer, 100rel'] }))
  s.answer(180, 'require: 100rel\nrseq: 77\n')
  const ringing = s.peer.received[1]!.text
  const rseq = Number(headerOf(ringing, 'RSeq'))
  t.true(rseq > 0 && rseq !== 77)
  t.is(headerOf(ringing, 'Contact'), '<sip:10.0.0.1:5060>')
  s.clock.advance(3600)
  t.deepEqual(s.shapes().slice(1), ['180 INVITE', '180 INVITE', '180 INVITE', '180 INVITE'])
  const to = toOf(s)
  s.say(requestText({ method: 'PRACK', branch: 'p0', cseq: 2, to, extra: [`RAck: ${rseq + 5} 1 INVITE`] }))
  t.is(s.shapes().at(-1), '481 PRACK')
  s.say(requestText({ method: 'PRACK', branch: 'p1', cseq: 3, to, extra: [`RAck: ${rseq} 1 INVITE`] }))
  t.deepEqual(s.app.delivered().at(-1)!.fields.slice(9), [dialog, ''])
  s.answer(200)
  t.is(s.shapes().at(-1), '200 PRACK')
  s.clock.advance(20_000)
  t.is(s.shapes().at(-1), '200 PRACK')
})

test('a reliable response to a peer that cannot: refused; unacknowledged: the INVITE fails with 504', (t) => {
  const s = calledScene()
  s.say(invite())
  t.deepEqual(s.answer(183, 'Require: 100rel\n').slice(3), ['NOK', 'Remote endpoint does not support 100rel'])
  s.say(invite({ branch: 'i2', callId: 'c2', extra: ['Require: 100rel'] }))
  s.answer(183, 'Require: 100rel\n')
  s.clock.advance(33_000)
  t.true(s.shapes().includes('504 INVITE'))
})

test('UPDATE before the final answer is shown; a second one meanwhile gets 500', (t) => {
  const s = calledScene()
  s.say(invite())
  s.answer(180)
  const to = toOf(s)
  s.say(requestText({ method: 'UPDATE', branch: 'u1', cseq: 2, to }))
  s.say(requestText({ method: 'UPDATE', branch: 'u2', cseq: 3, to }))
  t.is(s.shapes().at(-1), '500 UPDATE')
  s.answer(200)
  t.is(s.shapes().at(-1), '200 UPDATE')
})

test('SUBSCRIBE makes a dialog; a final NOTIFY of the application ends it', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's1', extra: ['Event: presence'] }))
  const reply = s.answer(202)
  t.is(reply[11], dialog)
  t.is(headerOf(s.peer.received[0]!.text, 'Contact'), '<sip:10.0.0.1:5060>')
  for (const state of ['active', 'terminated']) {
    const sent = s.app.send(
      `sip||${dialog}`,
      `NOTIFY sip:placeholder SIP/2.0\nEvent: presence\nSubscription-State: ${state}\n\n`
    )!
    t.is(sent.fields[3], 'OK')
    s.clock.advance(5)
    const notify = s.peer.received.at(-1)!.text
    t.is(startLine(notify), 'NOTIFY sip:alice@10.0.0.9:5090 SIP/2.0')
    s.say(
      `SIP/2.0 200 OK\r\nVia: ${headerOf(notify, 'Via')}\r\nFrom: ${headerOf(notify, 'From')}\r\nTo: ${headerOf(notify, 'To')}\r\nCall-ID: call-1\r\nCSeq: ${headerOf(notify, 'CSeq')}\r\n\r\n`
    )
  }
  t.is(s.engine.counts().dialogs, 0)
})

test('bad responses of an application are refused without harm', (t) => {
  const s = calledScene()
  s.say(invite())
  const transaction = s.shown()
  for (const sip of [
    'SIP/2.0 oops\n\n',
    'SIP/2.0 200 OK\nContact: <<>\n\n',
    `SIP/2.0 200 OK\nX-A: b\u0000\nX: a\n bare\rx\n\n`
  ]) {
    t.is(s.app.send(`sip|${transaction}|`, sip)!.fields[3], 'NOK', sip)
  }
  t.deepEqual(s.app.send(`sip|${transaction}|`, 'SIP/2.0 200 OK\n\nhello')!.fields.slice(3), ['NOK', 'missing content-type'])
  t.is(s.answer(200, '', transaction)[3], 'OK')
})

test('requests to a contact that registered over a connection go over that connection, until it unregisters', (t) => {
  const s = calledScene({ transport: 'tcp' }, ['register'])
  const register = (branch: string, expires: number) =>
    requestText({
      method: 'REGISTER',
      branch,
      transport: 'TCP',
      cseq: expires,
      callId: branch,
      extra: ['Contact: <sip:me@browser.invalid;transport=tcp>', `Expires: ${expires}`]
    })
  const options = () => s.app.send('sip||', 'OPTIONS sip:me@browser.invalid;transport=tcp SIP/2.0\n\n')
  s.say(register('r1', 60))
  s.answer(200)
  t.is(options()!.fields[8], '5090')
  s.clock.advance(5)
  t.is(s.shapes().at(-1), 'OPTIONS')
  s.clock.advance(61_000)
  options()
  t.is(startLine(s.app.delivered().at(-1)!.sip), 'SIP/2.0 503 DNS Error')
  s.say(register('r2', 60))
  s.answer(200)
  s.say(register('r3', 0))
  s.answer(200)
  options()
  t.is(startLine(s.app.delivered().at(-1)!.sip), 'SIP/2.0 503 DNS Error')
})
