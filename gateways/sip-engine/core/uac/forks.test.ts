import test from 'ava'
import { callOut, type Scene, callingScene as scene } from '../../testing/scenes.ts'
import { headerOf, responseText, shape, startLine } from '../../testing/sip-text.ts'

const contact = (name: string): string => `Contact: <sip:${name}@10.0.0.2>`
const reliable = (rseq: number): string[] => ['Require: 100rel', `RSeq: ${rseq}`]

/** A request of the peer in one of its early dialogs. */
function ofPeer(request: string, method: string, tag: string, cseq: number, branch: string): string {
  return [
    `${method} sip:x@10.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK${branch}`,
    `From: ${headerOf(request, 'To')};tag=${tag}`,
    `To: ${headerOf(request, 'From')}`,
    `Call-ID: ${headerOf(request, 'Call-ID')}`,
    `CSeq: ${cseq} ${method}`,
    'Content-Length: 0',
    '',
    ''
  ].join('\r\n')
}

const prack = (s: Scene, dialog: string, rseq: number, cseq: number): readonly string[] =>
  s.ask(`sip||${dialog}`, `PRACK sip:x SIP/2.0\nRAck: ${rseq} ${cseq} INVITE\n\n`)

test('each fork is an early dialog of its own: PRACK goes to the one that sent the RSeq, with its own CSeq', (t) => {
  const s = scene()
  const { request, dialog, cseq } = callOut(s)
  s.say(responseText(request, 183, { tag: 'a', extra: [contact('a'), ...reliable(7)] }))
  s.say(responseText(request, 183, { tag: 'b', extra: [contact('b'), ...reliable(100)] }))
  t.is(s.app.delivered().length, 2)
  prack(s, dialog, 7, cseq)
  t.is(startLine(s.last()), 'PRACK sip:a@10.0.0.2 SIP/2.0')
  t.regex(headerOf(s.last(), 'To')!, /;tag=a$/)
  t.is(headerOf(s.last(), 'CSeq'), `${cseq + 1} PRACK`)
  prack(s, dialog, 100, cseq)
  t.is(startLine(s.last()), 'PRACK sip:b@10.0.0.2 SIP/2.0')
  t.is(headerOf(s.last(), 'CSeq'), `${cseq + 1} PRACK`)
  // The next of each must follow its own number.
  s.say(responseText(request, 180, { tag: 'a', extra: reliable(8) }))
  s.say(responseText(request, 180, { tag: 'b', extra: reliable(8) }))
  t.is(s.app.delivered().length, 3)
})

test('a request of the application goes to the fork whose tag it names, else to the one last heard of', (t) => {
  const s = scene()
  const { request, dialog } = callOut(s)
  for (const tag of ['a', 'b']) s.say(responseText(request, 180, { tag, extra: [contact(tag)] }))
  s.ask(`sip||${dialog}`, 'INFO sip:placeholder SIP/2.0\n\n')
  t.is(startLine(s.last()), 'INFO sip:b@10.0.0.2 SIP/2.0')
  s.ask(`sip||${dialog}`, 'INFO sip:placeholder SIP/2.0\nTo: <sip:bob@10.0.0.2>;tag=a\n\n')
  t.is(startLine(s.last()), 'INFO sip:a@10.0.0.2 SIP/2.0')
})

test('a request of any fork is shown, and its CSeq is counted for that fork only', (t) => {
  const s = scene()
  const { request, dialog } = callOut(s)
  for (const tag of ['a', 'b']) s.say(responseText(request, 183, { tag, extra: [contact(tag)] }))
  s.say(ofPeer(request, 'UPDATE', 'a', 50, 'u1'))
  s.answer(200)
  s.say(ofPeer(request, 'UPDATE', 'b', 3, 'u2'))
  t.deepEqual(
    s.app
      .delivered()
      .slice(2)
      .map(({ sip, fields }) => [shape(sip), fields[9]]),
    [
      ['UPDATE', dialog],
      ['UPDATE', dialog]
    ]
  )
  s.say(ofPeer(request, 'UPDATE', 'a', 49, 'u3'))
  t.is(startLine(s.last()), 'SIP/2.0 500 CSeq Out Of Order')
})

test('a second fork that answers gets ACK and one BYE, however often its 200 comes; the first keeps the call', (t) => {
  const s = scene()
  const { request, dialog, cseq } = callOut(s)
  s.say(responseText(request, 183, { tag: 'b', extra: [contact('b'), ...reliable(1)] }))
  prack(s, dialog, 1, cseq)
  s.say(responseText(s.last(), 200))
  s.say(responseText(request, 200, { tag: 'a', extra: [contact('a')] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  const shown = s.app.delivered().length
  const second = responseText(request, 200, { tag: 'b', extra: [contact('b')] })
  s.say(second)
  t.deepEqual(s.shapes().slice(-2), ['ACK', 'BYE'])
  t.is(startLine(s.last()), 'BYE sip:b@10.0.0.2 SIP/2.0')
  t.is(headerOf(s.last(), 'CSeq'), `${cseq + 2} BYE`)
  s.say(responseText(s.last(), 200))
  s.say(second)
  t.deepEqual(s.shapes().slice(-3), ['ACK', 'BYE', 'ACK'])
  t.is(s.app.delivered().length, shown)
  t.is(s.engine.counts().dialogs, 1)
})

test('a 200 of the first INVITE that comes again behind a re-INVITE is acknowledged again, not shown again', (t) => {
  const s = scene()
  const { request, dialog } = callOut(s)
  const ok = responseText(request, 200, { extra: [contact('bob')] })
  s.say(ok)
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  const ack = s.last()
  s.ask(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\nv=0\r\n')
  s.say(responseText(s.last(), 200, { extra: [contact('bob')] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  const shown = s.app.delivered().length
  s.say(ok)
  t.is(s.last(), ack)
  t.is(s.app.delivered().length, shown)
})

test('BYE of the only fork, whose 200 never came: answered 200 by the engine, and the INVITE is cancelled', (t) => {
  const s = scene()
  const { request, transaction } = callOut(s)
  s.say(responseText(request, 180, { tag: 'a', extra: [contact('a')] }))
  s.say(ofPeer(request, 'BYE', 'a', 1, 'b1'))
  t.true(s.shapes().includes('200 BYE'))
  t.is(s.shapes().at(-1), 'CANCEL')
  s.clock.advance(40_000)
  const last = s.app.delivered().at(-1)!
  t.is(startLine(last.sip), 'SIP/2.0 487 Request Terminated')
  t.is(last.fields[8], transaction)
  t.is(s.engine.counts().dialogs, 0)
})

test('BYE of one fork of two ends that fork only', (t) => {
  const s = scene()
  const { request, dialog } = callOut(s)
  for (const tag of ['a', 'b']) s.say(responseText(request, 180, { tag, extra: [contact(tag)] }))
  s.say(ofPeer(request, 'BYE', 'b', 1, 'b1'))
  t.false(s.shapes().includes('CANCEL'))
  s.say(responseText(request, 200, { tag: 'a', extra: [contact('a')] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  t.is(startLine(s.last()), 'ACK sip:a@10.0.0.2 SIP/2.0')
})

test('more forks than anybody has are dropped and counted', (t) => {
  const s = scene()
  const { request } = callOut(s)
  for (let fork = 0; fork < 100; fork++) s.say(responseText(request, 180, { tag: `f${fork}`, extra: [contact('x')] }))
  t.true(s.counters.stray > 50)
  t.true(s.app.delivered().length < 50)
})

test('a PRACK refused as out of order is sent anew when the response comes again', (t) => {
  const s = scene()
  const { request, dialog, cseq } = callOut(s)
  const progress = responseText(request, 183, { tag: 'a', extra: [contact('a'), ...reliable(7)] })
  s.say(progress)
  prack(s, dialog, 7, cseq)
  s.say(responseText(s.last(), 500))
  const shown = s.app.delivered().length
  s.say(progress)
  t.is(s.app.delivered().length, shown + 1)
  prack(s, dialog, 7, cseq)
  s.say(responseText(s.last(), 200))
  s.say(progress)
  t.is(s.app.delivered().length, shown + 2)
})

test('a proxy that leaves the path is not taken for the callee: later requests go to its Contact', (t) => {
  const s = scene()
  const { request, dialog } = callOut(s)
  const callee = s.network.peer('udp', '10.0.0.7', 5060)
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.7>'] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  t.is(callee.received.length, 1)
})

test('a callee behind NAT is reached where its response came from', (t) => {
  const s = scene()
  s.network.peer('udp', '198.51.100.2', 5060, (text) => {
    if (text.startsWith('INVITE')) nat.send(responseText(text, 200, { extra: ['Contact: <sip:bob@192.168.1.5:5060>'] }), s.at)
  })
  const nat = s.network.peer('udp', '198.51.100.2', 5060, (text) => {
    if (text.startsWith('INVITE')) nat.send(responseText(text, 200, { extra: ['Contact: <sip:bob@192.168.1.5:5060>'] }), s.at)
  })
  s.app.send('sip||', 'INVITE sip:bob@198.51.100.2 SIP/2.0\n\nv=0\r\n')
  s.clock.advance(10)
  s.ask(`sip||${s.app.delivered().at(-1)!.fields[9]}`, 'ACK sip:x SIP/2.0\n\n')
  t.is(startLine(nat.received.at(-1)!.text), 'ACK sip:bob@192.168.1.5:5060 SIP/2.0')
})
