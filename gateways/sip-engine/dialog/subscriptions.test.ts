import test from 'ava'
import { calledDialog, calledScene, callingScene, callOut, establishCalled, type Scene } from '../testing/scenes.ts'
import { headerOf, requestText, responseText, shape, startLine } from '../testing/sip-text.ts'

const notify = (s: Scene, state: string, event = 'presence'): readonly string[] =>
  s.ask(`sip||${calledDialog}`, `NOTIFY sip:placeholder SIP/2.0\nEvent: ${event}\nSubscription-State: ${state}\n\n`)

/** A SUBSCRIBE of the peer, accepted. */
function subscribed(extra: readonly string[] = ['Event: presence', 'Expires: 60'], answer = 'Expires: 60\n'): Scene {
  const s = calledScene()
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's1', extra }))
  s.answer(202, answer)
  return s
}

const dialogs = (s: Scene): number => s.engine.counts().dialogs

test('a NOTIFY before the 2xx of the SUBSCRIBE belongs to the same dialog', (t) => {
  const s = calledScene()
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's1', extra: ['Event: presence', 'Expires: 60'] }))
  const transaction = s.shown()
  t.is(notify(s, 'active')[0], 'OK')
  const tag = headerOf(s.last(), 'From')
  s.say(responseText(s.last(), 200))
  s.answer(202, 'Expires: 60\n', transaction)
  t.is(headerOf(s.last(), 'To'), tag)
  s.clock.advance(40_000)
  t.is(dialogs(s), 1, 'the NOTIFY that came first counts')
})

test('without any NOTIFY the subscription is over after 64·T1 (timer N)', (t) => {
  const s = subscribed()
  s.clock.advance(31_000)
  t.is(dialogs(s), 1)
  s.clock.advance(2000)
  t.is(dialogs(s), 0)
  t.is(notify(s, 'active')[0], 'NOK')
})

test('it lasts as long as was granted, and 64·T1 for the NOTIFY that ends it; a refresh prolongs it', (t) => {
  const s = subscribed()
  notify(s, 'active;expires=60')
  const to = headerOf(s.last(), 'From')!
  s.say(responseText(s.last(), 200))
  s.clock.advance(50_000)
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's2', cseq: 2, to, extra: ['Event: presence', 'Expires: 60'] }))
  t.is(s.app.delivered().at(-1)!.fields[9], calledDialog)
  s.answer(200, 'Expires: 60\n')
  t.is(headerOf(s.last(), 'Contact'), '<sip:10.0.0.1:5060>')
  s.clock.advance(90_000)
  t.is(dialogs(s), 1)
  s.clock.advance(4000)
  t.is(dialogs(s), 0)
})

test('unsubscribing leaves the dialog until the last NOTIFY is answered', (t) => {
  const s = subscribed()
  notify(s, 'active')
  const to = headerOf(s.last(), 'From')!
  s.say(responseText(s.last(), 200))
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's2', cseq: 2, to, extra: ['Event: presence', 'Expires: 0'] }))
  s.answer(200, 'Expires: 0\n')
  t.is(dialogs(s), 1)
  notify(s, 'terminated;reason=timeout')
  t.is(dialogs(s), 1)
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 0)
})

test('a NOTIFY that is answered 481 or not at all ends the subscription; one that is challenged does not', (t) => {
  const refused = subscribed()
  notify(refused, 'active')
  refused.say(responseText(refused.last(), 401))
  t.is(dialogs(refused), 1)
  notify(refused, 'active')
  refused.say(responseText(refused.last(), 481))
  t.is(dialogs(refused), 0)

  const silent = subscribed(['Event: presence', 'Expires: 600'], 'Expires: 600\n')
  notify(silent, 'active;expires=600')
  silent.say(responseText(silent.last(), 200))
  notify(silent, 'active;expires=500')
  silent.clock.advance(33_000)
  t.is(dialogs(silent), 0)
})

test('two subscriptions share a dialog: each ends by itself, the dialog with the last', (t) => {
  const s = subscribed(['Event: presence', 'Expires: 600'], 'Expires: 600\n')
  notify(s, 'active;expires=600')
  const to = headerOf(s.last(), 'From')!
  s.say(responseText(s.last(), 200))
  s.say(requestText({ method: 'SUBSCRIBE', branch: 's2', cseq: 2, to, extra: ['Event: dialog;id=7', 'Expires: 600'] }))
  s.answer(200, 'Expires: 600\n')
  notify(s, 'active;expires=600', 'dialog;id=7')
  s.say(responseText(s.last(), 200))
  notify(s, 'terminated', 'presence')
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 1)
  notify(s, 'terminated', 'dialog;id=7')
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 0)
})

test('a REFER in a call: its subscription outlives BYE, until the last NOTIFY', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'REFER', branch: 'f1', cseq: 2, to, extra: ['Refer-To: <sip:carol@h>'] }))
  s.answer(202)
  t.is(headerOf(s.last(), 'Contact'), '<sip:10.0.0.1:5060>')
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 3, to }))
  s.answer(200)
  t.is(dialogs(s), 1)
  t.deepEqual(s.ask(`sip||${calledDialog}`, 'INFO sip:placeholder SIP/2.0\n\n')[0], 'NOK')
  s.say(requestText({ method: 'INFO', branch: 'n1', cseq: 4, to }))
  t.is(s.shapes().at(-1), '481 INFO')
  t.is(notify(s, 'terminated;reason=noresource', 'refer;id=2')[0], 'OK')
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 0)
})

test('… and the end of the subscription does not end the call', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  s.say(requestText({ method: 'REFER', branch: 'f1', cseq: 2, to, extra: ['Refer-To: <sip:carol@h>'] }))
  s.answer(202)
  // The id may be left out where there was one REFER.
  notify(s, 'terminated', 'refer')
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 1)
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 3, to }))
  t.is(dialogs(s), 0)
})

test('Refer-Sub: false in the 2xx makes no subscription (RFC 4488)', (t) => {
  const s = calledScene()
  const to = establishCalled(s)
  const extra = ['Refer-To: <sip:carol@h>', 'Refer-Sub: false']
  s.say(requestText({ method: 'REFER', branch: 'f1', cseq: 2, to, extra }))
  s.answer(202, 'Refer-Sub: false\n')
  s.say(requestText({ method: 'BYE', branch: 'b1', cseq: 3, to }))
  t.is(dialogs(s), 0)
})

test('a REFER outside a dialog makes one for applications that take REFER; others get 405', (t) => {
  const none = calledScene()
  none.say(requestText({ method: 'REFER', branch: 'f1', extra: ['Refer-To: <sip:carol@h>'] }))
  t.is(none.shapes().at(-1), '405 REFER')

  const s = calledScene({}, ['refer'])
  s.say(requestText({ method: 'REFER', branch: 'f1', extra: ['Refer-To: <sip:carol@h>', 'Contact: <sip:alice@10.0.0.9:5090>'] }))
  t.is(s.app.delivered()[0]!.fields[9], '')
  t.is(s.answer(202)[11], calledDialog)
  t.is(notify(s, 'active;expires=60', 'refer')[0], 'OK')
  s.say(responseText(s.last(), 200))
  notify(s, 'terminated', 'refer')
  s.say(responseText(s.last(), 200))
  t.is(dialogs(s), 0)
})

/** A NOTIFY of the callee in what the application began. */
function notifyOf(request: string, tag: string, cseq: number, state: string, event: string): string {
  return [
    'NOTIFY sip:x@10.0.0.1 SIP/2.0',
    `Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKn${tag}${cseq}`,
    `From: <sip:bob@10.0.0.2>;tag=${tag}`,
    `To: ${headerOf(request, 'From')}`,
    `Call-ID: ${headerOf(request, 'Call-ID')}`,
    `CSeq: ${cseq} NOTIFY`,
    'Contact: <sip:bob@10.0.0.2>',
    `Event: ${event}`,
    `Subscription-State: ${state}`,
    'Content-Length: 0',
    '',
    ''
  ].join('\r\n')
}

test('an application that refers outside a dialog gets the NOTIFYs in the dialog that makes', (t) => {
  const s = callingScene()
  const fields = s.ask('sip||', 'REFER sip:bob@10.0.0.2 SIP/2.0\nRefer-To: <sip:carol@h>\n\n')
  const request = s.last()
  t.is(fields[0], 'OK')
  s.say(responseText(request, 202, { tag: 'r', extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  const dialog = s.app.delivered()[0]!.fields[9]!
  t.not(dialog, '')
  s.say(notifyOf(request, 'r', 1, 'active;expires=60', 'refer'))
  t.deepEqual([shape(s.app.delivered().at(-1)!.sip), s.app.delivered().at(-1)!.fields[9]], ['NOTIFY', dialog])
  s.answer(200)
  s.say(notifyOf(request, 'r', 2, 'terminated;reason=noresource', 'refer'))
  s.answer(200)
  t.is(s.last() && startLine(s.last()), 'SIP/2.0 200 Said')
  t.is(dialogs(s), 0)
})

test('a NOTIFY of another fork of the SUBSCRIBE than the one that made the dialog: 481', (t) => {
  const s = callingScene()
  s.ask('sip||', 'SUBSCRIBE sip:bob@10.0.0.2 SIP/2.0\nEvent: presence\nExpires: 60\n\n')
  const request = s.last()
  s.say(responseText(request, 200, { tag: 'r', extra: ['Contact: <sip:bob@10.0.0.2>', 'Expires: 60'] }))
  s.say(notifyOf(request, 'other', 1, 'active', 'presence'))
  t.is(s.shapes().at(-1), '481 NOTIFY')
  s.say(notifyOf(request, 'r', 1, 'active', 'presence'))
  t.is(shape(s.app.delivered().at(-1)!.sip), 'NOTIFY')
})

test('a refresh that is answered 481 ends the subscription of the application', (t) => {
  const s = callingScene()
  s.ask('sip||', 'SUBSCRIBE sip:bob@10.0.0.2 SIP/2.0\nEvent: presence\nExpires: 60\n\n')
  const request = s.last()
  s.say(responseText(request, 200, { tag: 'r', extra: ['Contact: <sip:bob@10.0.0.2>', 'Expires: 60'] }))
  const dialog = s.app.delivered()[0]!.fields[9]!
  s.say(notifyOf(request, 'r', 1, 'active', 'presence'))
  s.answer(200)
  s.ask(`sip||${dialog}`, 'SUBSCRIBE sip:placeholder SIP/2.0\nEvent: presence\nExpires: 60\n\n')
  s.say(responseText(s.last(), 481))
  t.is(dialogs(s), 0)
})

test('an unsolicited NOTIFY in a call is shown and changes nothing', (t) => {
  const s = callingScene()
  const { request, dialog } = callOut(s)
  s.say(responseText(request, 200, { tag: 'r', extra: ['Contact: <sip:bob@10.0.0.2>'] }))
  s.ask(`sip||${dialog}`, 'ACK sip:x SIP/2.0\n\n')
  s.say(notifyOf(request, 'r', 1, 'terminated', 'message-summary'))
  t.is(s.app.delivered().at(-1)!.fields[9], dialog)
  t.is(dialogs(s), 1)
})
