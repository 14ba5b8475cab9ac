import test from 'ava'
import { type Bench, createBench } from '../../testing/bench.ts'
import { createFakeApplication, type FakeApplication } from '../../testing/fake-application.ts'
import type { PeerSocket } from '../../testing/memory-network.ts'
import { headerOf, headersOf, responseText, shape, startLine } from '../../testing/sip-text.ts'

interface Scene extends Bench {
  readonly peer: PeerSocket
  readonly app: FakeApplication
  readonly shapes: () => string[]
  readonly last: () => string
  readonly say: (text: string, advanceMs?: number) => void
  /** Sends a request of the application and lets it arrive; gives the reply's fields from `OK` on. */
  readonly ask: (meta: string, sip: string) => readonly string[]
}

function scene(options: Parameters<typeof createBench>[0] = {}): Scene {
  const bench = createBench(options)
  const peer = bench.network.peer(bench.at.transport, '10.0.0.2', 5060)
  const app = createFakeApplication(bench.engine, ['invite'])
  return {
    ...bench,
    peer,
    app,
    shapes: () => peer.received.map(({ text }) => shape(text)),
    last: () => peer.received.at(-1)!.text,
    say: (text, advanceMs = 5) => {
      peer.send(text, bench.at)
      bench.clock.advance(advanceMs)
    },
    ask: (meta, sip) => {
      const reply = app.send(meta, sip)!
      bench.clock.advance(5)
      return reply.fields.slice(3)
    }
  }
}

const invite = 'INVITE sip:bob@10.0.0.2 SIP/2.0\nfrom: sip:me@localhost\ncontact: sip:me@localhost\nX-Any: 1\n\nv=0\r\n'

/** Sends the INVITE and gives transaction and dialog id. */
function call(s: Scene): { transaction: string; dialog: string; request: string } {
  const fields = s.ask('sip||', invite)
  const request = s.last()
  return {
    transaction: fields[7]!,
    dialog: `${headerOf(request, 'Call-ID')};from-tag=${/tag=(.*)$/.exec(headerOf(request, 'From')!)![1]}`,
    request
  }
}

test('a new INVITE is completed by the engine and echoed in the reply', (t) => {
  const s = scene()
  const reply = s.app.send('sip||', invite)!
  s.clock.advance(5)
  const text = s.last()
  t.is(reply.sip, text)
  t.deepEqual(reply.fields.slice(3, 5), ['OK', 'application'])
  t.deepEqual(reply.fields.slice(5, 9), [`${text.length}`, 'udp', '10.0.0.1', '5060'])
  t.is(reply.fields[11], 'Msg sent:')
  t.regex(headerOf(text, 'Via')!, /^SIP\/2\.0\/UDP 10\.0\.0\.1:5060;rport;branch=z9hG4bK[0-9a-f]{16}$/)
  t.regex(headerOf(text, 'From')!, /^<sip:me@10\.0\.0\.1:5060>;tag=[0-9a-f]{20}$/)
  t.is(headerOf(text, 'To'), '<sip:bob@10.0.0.2>')
  t.is(headerOf(text, 'Max-Forwards'), '70')
  t.regex(headerOf(text, 'CSeq')!, /^\d+ INVITE$/)
  t.is(headerOf(text, 'Contact'), '<sip:me@10.0.0.1:5060>')
  t.is(headerOf(text, 'Content-Type'), 'application/sdp')
  t.is(headerOf(text, 'Content-Length'), '5')
  t.is(headerOf(text, 'X-Any'), '1')
})

test('100 is not shown, 180 and 200 are; the ACK goes to the Contact over the reversed Record-Route', (t) => {
  const s = scene()
  const { transaction, dialog, request } = call(s)
  s.say(responseText(request, 100))
  s.say(responseText(request, 180))
  const extra = ['Record-Route: <sip:10.0.0.2;lr;x=1>', 'Record-Route: <sip:10.0.0.3;lr>', 'Contact: <sip:bob@10.9.9.9:7070>']
  s.peer.send(responseText(request, 200, { extra }), s.at)
  const proxy = s.network.peer('udp', '10.0.0.3', 5060)
  s.clock.advance(5)
  t.deepEqual(
    s.app.delivered().map(({ fields, sip }) => [startLine(sip), ...fields.slice(4, 7), ...fields.slice(8)]),
    [
      ['SIP/2.0 180 Reason', 'udp', '10.0.0.2', '5060', transaction, dialog, ''],
      ['SIP/2.0 200 Reason', 'udp', '10.0.0.2', '5060', transaction, dialog, '']
    ]
  )
  const reply = s.ask(`sip||${dialog}`, 'ACK sip:bob@10.0.0.2 SIP/2.0\n\n')
  t.is(reply[0], 'OK')
  const ack = proxy.received[0]!.text
  t.is(startLine(ack), 'ACK sip:bob@10.9.9.9:7070 SIP/2.0')
  t.deepEqual(headersOf(ack, 'Route'), ['<sip:10.0.0.3;lr>', '<sip:10.0.0.2;lr;x=1>'])
  t.is(headerOf(ack, 'CSeq'), headerOf(request, 'CSeq')!.replace('INVITE', 'ACK'))
  t.is(headerOf(ack, 'To'), '<sip:bob@10.0.0.2>;tag=rt')
})

function established(s: Scene): { dialog: string; request: string } {
  const { dialog, request } = call(s)
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  return { dialog, request }
}

test('a repeated 200 is absorbed before the ACK and answered with the same ACK after it', (t) => {
  const s = scene()
  const { dialog, request } = call(s)
  const ok = responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] })
  s.say(ok)
  s.say(ok)
  t.deepEqual(s.shapes(), ['INVITE'])
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  s.say(ok)
  t.deepEqual(s.shapes(), ['INVITE', 'ACK', 'ACK'])
  t.is(s.peer.received[1]!.text, s.peer.received[2]!.text)
  t.is(s.app.delivered().length, 1)
})

test('a 200 of a second fork is acknowledged and ended', (t) => {
  const s = scene()
  const { request } = established(s)
  s.say(responseText(request, 200, { tag: 'fork2', extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  t.deepEqual(s.shapes(), ['INVITE', 'ACK', 'ACK', 'BYE'])
  t.is(headerOf(s.last(), 'To'), '<sip:bob@10.0.0.2>;tag=fork2')
  t.is(s.engine.counts().dialogs, 1)
})

test('a failure is acknowledged by the engine; the ACK of the application is refused; a repeat gets the ACK again', (t) => {
  const s = scene()
  const { dialog, request } = call(s)
  const busy = responseText(request, 486)
  s.say(busy)
  t.deepEqual(s.shapes(), ['INVITE', 'ACK'])
  t.is(headerOf(s.last(), 'Via'), headerOf(request, 'Via'))
  t.deepEqual(s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n'), [
    'NOK',
    'Server error: ACK for non-success final response is automatically generated by server'
  ])
  s.say(busy)
  t.deepEqual(s.shapes(), ['INVITE', 'ACK', 'ACK'])
  t.is(s.app.delivered().length, 1)
  s.clock.advance(33_000)
  t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
  t.is(s.clock.pending(), 0)
})

test('a silent peer: repeats by timers A and E, then a made-up 408', (t) => {
  const s = scene()
  s.peer.close()
  const peer = s.network.peer('udp', '10.0.0.2', 5060)
  const start = s.clock.monotonicMs()
  s.app.send('sip||', invite)
  s.app.send('sip||', 'OPTIONS sip:bob@10.0.0.2 SIP/2.0\n\n')
  s.clock.advance(32_100)
  const times = (method: string) =>
    peer.received.filter(({ text }) => shape(text) === method).map(({ atMs }) => Math.round(atMs - start - 1))
  t.deepEqual(times('INVITE'), [0, 500, 1500, 3500, 7500, 15_500, 31_500])
  t.deepEqual(times('OPTIONS'), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  const [first, second] = s.app.delivered()
  t.deepEqual(first!.fields.slice(2, 7), ['network', '0', 'udp', '', '0'])
  t.is(startLine(first!.sip), 'SIP/2.0 408 Request Timeout')
  t.regex(headerOf(first!.sip, 'To')!, /;tag=/)
  t.true(first!.fields[9]!.includes(';from-tag='))
  t.is(second!.fields[9], '')
})

test('a refused connection and an unknown name: made-up 503, behind the reply', (t) => {
  const s = scene({ transport: 'tcp' })
  const [ok, ...rest] = s.ask('sip||', 'OPTIONS sip:10.0.0.77;transport=tcp SIP/2.0\n\n')
  t.is(ok, 'OK')
  t.deepEqual(rest.slice(2, 5), ['tcp', '10.0.0.77', '5060'])
  t.is(startLine(s.app.delivered()[0]!.sip), 'SIP/2.0 503 Service Unavailable')
  s.ask('sip||', 'OPTIONS sip:nobody.example SIP/2.0\n\n')
  t.is(startLine(s.app.delivered()[1]!.sip), 'SIP/2.0 503 DNS Error')
  t.is(s.app.payloads.at(-2)!.fields[1], 'response')
})

test('names are looked up; the 4th meta field is the next hop', (t) => {
  const s = scene()
  s.ask('sip||', 'OPTIONS sip:x@peer.example SIP/2.0\n\n')
  s.ask('sip|||sip:10.0.0.2', 'OPTIONS sip:x@nowhere.invalid SIP/2.0\n\n')
  s.ask('sip|||10.0.0.2:5060', 'OPTIONS tel:+123 SIP/2.0\n\n')
  t.deepEqual(
    s.peer.received.map(({ text }) => startLine(text)),
    ['OPTIONS sip:x@peer.example SIP/2.0', 'OPTIONS sip:x@nowhere.invalid SIP/2.0', 'OPTIONS tel:+123 SIP/2.0']
  )
})

test('requests that cannot be sent are refused with the texts applications know', (t) => {
  const s = scene()
  const refusals: readonly (readonly [string, string, string])[] = [
    ['sip||', 'OPTIONS sip:10.0.0.1:5060 SIP/2.0\n\n', 'can not send request to myself'],
    ['sip||', 'OPTIONS sip:10.0.0.2;transport=sctp SIP/2.0\n\n', 'requested protocol/transport not available'],
    ['sip||', 'OPTIONS sip:10.0.0.2;transport=tcp SIP/2.0\n\n', 'requested protocol/transport not available'],
    ['sip||', 'OPTIONS foo SIP/2.0\n\n', 'invalid request-uri: OPTIONS foo SIP/2.0'],
    ['sip||', 'FROB sip:10.0.0.2 SIP/2.0\n\n', 'invalid request-uri: FROB sip:10.0.0.2 SIP/2.0'],
    ['sip||', 'MESSAGE sip:10.0.0.2 SIP/2.0\n\nhello', 'missing content-type'],
    ['sip||nosuch;from-tag=x', 'BYE sip:placeholder SIP/2.0\n\n', 'Server error: unable to find dialog for dialog id provided'],
    ['sip|1-2|', 'CANCEL sip:x@10.0.0.2 SIP/2.0\n\n', 'unable to cancel unknown transaction id: 1-2']
  ]
  for (const [meta, sip, text] of refusals) t.deepEqual(s.ask(meta, sip), ['NOK', text])
  t.is(s.peer.received.length, 0)
})

test('Call-ID, CSeq and From tag of the application are kept: the digest retry', (t) => {
  const s = scene()
  const { request } = call(s)
  s.say(responseText(request, 401, { extra: ['WWW-Authenticate: Digest realm="r", nonce="n"'] }))
  const [number] = headerOf(request, 'CSeq')!.split(' ')
  const retry = `INVITE sip:bob@10.0.0.2 SIP/2.0\nCall-ID: ${headerOf(request, 'Call-ID')}\nFrom: ${headerOf(request, 'From')}\nCSeq: ${Number(number) + 1} INVITE\nAuthorization: Digest x="y"\n\n`
  t.is(s.ask('sip||', retry)[0], 'OK')
  t.is(headerOf(s.last(), 'Call-ID'), headerOf(request, 'Call-ID'))
  t.is(headerOf(s.last(), 'From'), headerOf(request, 'From'))
  t.is(headerOf(s.last(), 'CSeq'), `${Number(number) + 1} INVITE`)
})

test('in-dialog requests: placeholder replaced, CSeq counts up, no Contact on INFO, Contact on REFER', (t) => {
  const s = scene()
  const { dialog, request } = established(s)
  const number = Number(headerOf(request, 'CSeq')!.split(' ')[0])
  s.ask(`sip||${dialog}`, 'INFO sip:placeholder SIP/2.0\nContent-Type: text/plain\n\nhi')
  t.is(startLine(s.last()), 'INFO sip:bob@10.0.0.2 SIP/2.0')
  t.is(headerOf(s.last(), 'CSeq'), `${number + 1} INFO`)
  t.is(headerOf(s.last(), 'Contact'), undefined)
  s.ask(`sip||${dialog}`, 'REFER sip:placeholder SIP/2.0\nRefer-To: sip:x@y\n\n')
  t.is(headerOf(s.last(), 'CSeq'), `${number + 2} REFER`)
  t.is(headerOf(s.last(), 'Contact'), '<sip:me@10.0.0.1:5060>')
  t.deepEqual(s.ask(`sip||${dialog}`, 'INFO sip:placeholder SIP/2.0\n\nhi'), ['NOK', 'Server error: missing content-type'])
})

test('BYE: its response ends the dialog, but 401 and 407 do not', (t) => {
  const s = scene()
  const { dialog } = established(s)
  s.ask(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  s.say(responseText(s.last(), 407))
  t.is(s.engine.counts().dialogs, 1)
  s.ask(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\nProxy-Authorization: Digest x="y"\n\n')
  s.say(responseText(s.last(), 200))
  t.is(s.engine.counts().dialogs, 0)
  t.is(s.app.delivered().at(-1)!.fields[9], dialog)
})

test('BYE of the peer is shown in the dialog', (t) => {
  const s = scene()
  const { dialog, request } = established(s)
  const bye = `BYE sip:me@10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKbye\nFrom: <sip:bob@10.0.0.2>;tag=rt\nTo: ${headerOf(request, 'From')}\nCall-ID: ${headerOf(request, 'Call-ID')}\nCSeq: 7 BYE\n\n`
  s.say(bye)
  t.deepEqual(s.app.delivered().at(-1)!.fields.slice(9), [dialog, ''])
  t.is(s.engine.counts().dialogs, 0)
})

test('CANCEL waits for a provisional response, is the INVITE in all but method, and the 487 is shown', (t) => {
  const s = scene()
  const { transaction, request } = call(s)
  const reply = s.ask(`sip|${transaction}|`, 'CANCEL sip:bob@10.0.0.2 SIP/2.0\nReason: SIP;cause=200\nContact: <sip:no>\n\n')
  t.is(reply[0], 'OK')
  t.not(reply[7], transaction)
  t.deepEqual(s.shapes(), ['INVITE'])
  s.say(responseText(request, 180))
  t.deepEqual(s.shapes(), ['INVITE', 'CANCEL'])
  const cancel = s.last()
  t.is(startLine(cancel), 'CANCEL sip:bob@10.0.0.2 SIP/2.0')
  t.is(headerOf(cancel, 'Via'), headerOf(request, 'Via'))
  t.is(headerOf(cancel, 'CSeq'), headerOf(request, 'CSeq')!.replace('INVITE', 'CANCEL'))
  t.is(headerOf(cancel, 'Reason'), 'SIP;cause=200')
  t.is(headerOf(cancel, 'Contact'), undefined)
  s.say(responseText(cancel, 200))
  s.say(responseText(request, 487))
  t.deepEqual(
    s.app.delivered().map(({ sip }) => shape(sip)),
    ['180 INVITE', '487 INVITE']
  )
  t.deepEqual(s.shapes(), ['INVITE', 'CANCEL', 'ACK'])
})

test('a 200 that wins against CANCEL: shown, and BYE right behind the ACK of the application', (t) => {
  const s = scene()
  const { transaction, dialog, request } = call(s)
  s.say(responseText(request, 180))
  s.ask(`sip|${transaction}|`, 'CANCEL sip:bob@10.0.0.2 SIP/2.0\n\n')
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  t.deepEqual(s.shapes(), ['INVITE', 'CANCEL', 'ACK', 'BYE'])
  t.is(headerOf(s.last(), 'Reason'), 'SIP;cause=200;text="ACK-BYE due to cancel race condition"')
  t.is(s.app.delivered().at(-1)!.fields[8], 'unsolicited')
})

test('a cancelled INVITE that never ends is given up after 64*T1 with a made-up 487', (t) => {
  const s = scene()
  const { transaction, request } = call(s)
  s.say(responseText(request, 180))
  s.ask(`sip|${transaction}|`, 'CANCEL sip:bob@10.0.0.2 SIP/2.0\n\n')
  s.clock.advance(32_100)
  t.is(startLine(s.app.delivered().at(-1)!.sip), 'SIP/2.0 487 Request Terminated')
  t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
})

test('PRACK of the application goes to the early target; a repeated reliable 180 is not shown again', (t) => {
  const s = scene()
  const { dialog, request } = call(s)
  const ringing = responseText(request, 180, { extra: ['Require: 100rel', 'RSeq: 5', 'Contact: <sip:early@10.0.0.2>'] })
  s.say(ringing)
  s.say(ringing)
  t.is(s.app.delivered().length, 1)
  const number = Number(headerOf(request, 'CSeq')!.split(' ')[0])
  s.ask(`sip||${dialog}`, `PRACK sip:bob@10.0.0.2 SIP/2.0\nRAck: 5 ${number} INVITE\n\n`)
  t.is(startLine(s.last()), 'PRACK sip:early@10.0.0.2 SIP/2.0')
  t.is(headerOf(s.last(), 'RAck'), `5 ${number} INVITE`)
  t.is(headerOf(s.last(), 'CSeq'), `${number + 1} PRACK`)
  s.say(responseText(s.last(), 200))
  t.is(s.app.delivered().at(-1)!.fields[9], dialog)
})

test('a re-INVITE: its 2xx refreshes the target, its ACK is the application’s; a second one at once is refused', (t) => {
  const s = scene()
  const { dialog } = established(s)
  s.ask(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\nv=0\r\n')
  t.is(s.ask(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\n')[0], 'NOK')
  const request = s.last()
  const moved = s.network.peer('udp', '10.0.0.4', 5060)
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.4>'] }))
  t.is(s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')[0], 'OK')
  const ack = [...moved.received, ...s.peer.received].map(({ text }) => text).findLast((text) => shape(text) === 'ACK')!
  t.is(headerOf(ack, 'CSeq'), headerOf(request, 'CSeq')!.replace('INVITE', 'ACK'))
  t.is(startLine(ack), 'ACK sip:bob@10.0.0.4 SIP/2.0')
})

test('BYE while the re-INVITE is pending cancels it first', (t) => {
  const s = scene()
  const { dialog } = established(s)
  s.ask(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\nv=0\r\n')
  s.say(responseText(s.last(), 100))
  s.ask(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  t.deepEqual(s.shapes(), ['INVITE', 'ACK', 'INVITE', 'CANCEL', 'BYE'])
})

test('an application that goes away: its ringing INVITE is cancelled, an answer meanwhile acknowledged and ended', (t) => {
  const s = scene()
  const { request } = call(s)
  s.say(responseText(request, 180))
  s.app.disconnect()
  s.clock.advance(5)
  t.deepEqual(s.shapes(), ['INVITE', 'CANCEL'])
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  t.deepEqual(s.shapes(), ['INVITE', 'CANCEL', 'ACK', 'BYE'])
  t.is(s.engine.counts().dialogs, 0)
})

test('stray and malformed responses are dropped and counted', (t) => {
  const s = scene()
  const { request } = call(s)
  s.say(responseText(request, 200).replace('z9hG4bK', 'z9hG4bKx'))
  s.say(responseText(request, 200).replace('10.0.0.1:5060', '10.0.0.66:5060'))
  s.say(responseText(request, 200).replace(/CSeq: \d+/, 'CSeq: -1'))
  t.deepEqual([s.counters.stray, s.counters.malformed], [2, 1])
  t.is(s.app.delivered().length, 0)
})

test('SUBSCRIBE makes a dialog; a NOTIFY that overtakes its 200 is shown in it', (t) => {
  const s = scene()
  const fields = s.ask('sip||', 'SUBSCRIBE sip:bob@10.0.0.2 SIP/2.0\nEvent: presence\nExpires: 60\n\n')
  const request = s.last()
  const notify = (cseq: number, state: string) =>
    `NOTIFY sip:x@10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKn${cseq}\nFrom: <sip:bob@10.0.0.2>;tag=rt\nTo: ${headerOf(request, 'From')}\nCall-ID: ${headerOf(request, 'Call-ID')}\nCSeq: ${cseq} NOTIFY\nContact: <sip:bob@10.0.0.2>\nEvent: presence\nSubscription-State: ${state}\n\n`
  s.say(notify(1, 'active'))
  const dialog = s.app.delivered()[0]!.fields[9]!
  t.true(dialog.includes(';from-tag='))
  s.say(responseText(request, 200, { extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  t.deepEqual(s.app.delivered()[1]!.fields.slice(8, 10), [fields[7], dialog])
  s.say(notify(2, 'terminated;reason=timeout'))
  t.is(s.engine.counts().dialogs, 0)
})
