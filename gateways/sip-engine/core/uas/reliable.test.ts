import test from 'ava'
import { calledDialog, type Scene, calledScene as scene } from '../../testing/scenes.ts'
import { headerOf, requestText, shape, startLine } from '../../testing/sip-text.ts'

const invite = requestText({ method: 'INVITE', branch: 'i1', extra: ['Supported: 100rel'] })
const rseqOf = (text: string): number => Number(headerOf(text, 'RSeq'))

const prack = (s: Scene, rseq: number, cseq = 2, branch = `p${cseq}`): string =>
  requestText({ method: 'PRACK', branch, cseq, to: headerOf(s.last(), 'To')!, extra: [`RAck: ${rseq} 1 INVITE`] })

const described = (status: number, extra = ''): string =>
  `SIP/2.0 ${status} Said\n${extra}Content-Type: application/sdp\n\nv=0\r\n`

test('the 2xx waits for the PRACK of a description, and goes out behind it', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.app.send(`sip|${transaction}|`, described(183, 'Require: 100rel\n'))
  s.clock.advance(5)
  const rseq = rseqOf(s.last())
  const reply = s.app.send(`sip|${transaction}|`, described(200))!
  t.is(reply.fields[3], 'OK')
  t.is(reply.fields[11], calledDialog)
  s.clock.advance(400)
  t.false(s.shapes().includes('200 INVITE'))
  t.deepEqual(s.app.send(`sip|${transaction}|`, described(200))!.fields.slice(3), [
    'NOK',
    'Response not sent due to unknown transaction'
  ])
  const shown = s.app.delivered().length
  s.say(prack(s, rseq))
  t.deepEqual(s.shapes().slice(-2), ['200 PRACK', '200 INVITE'])
  t.is(s.app.delivered().length, shown, 'drachtio-srf would refuse a PRACK in the dialog it has by now')
})

test('… that never comes: 504 to the caller, and the application is told that its dialog is gone', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.app.send(`sip|${transaction}|`, described(183, 'Require: 100rel\n'))
  s.app.send(`sip|${transaction}|`, described(200))
  s.clock.advance(33_000)
  t.is(startLine(s.last()), 'SIP/2.0 504 PRACK Timeout')
  const told = s.app.delivered().at(-1)!
  t.deepEqual([told.fields[2], told.fields[8], told.fields[9]], ['application', 'unsolicited', calledDialog])
  t.regex(told.sip, /\r\nReason: SIP ;cause=504 ;text="PRACK timeout"\r\n/)
  t.false(s.shapes().includes('BYE'))
  t.is(s.engine.counts().dialogs, 0)
})

test('CANCEL while the 2xx waits: 487, and the application is told that its dialog is gone', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.app.send(`sip|${transaction}|`, described(183, 'Require: 100rel\n'))
  s.app.send(`sip|${transaction}|`, described(200))
  s.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(s.shapes().slice(-2), ['200 CANCEL', '487 INVITE'])
  t.is(s.app.delivered().at(-1)!.fields[8], 'unsolicited')
  t.is(s.engine.counts().dialogs, 0)
})

test('a 2xx does not wait for a reliable response without description; the PRACK behind it is still welcome', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.answer(180, 'Require: 100rel\n')
  const rseq = rseqOf(s.last())
  s.answer(200, '', transaction)
  t.is(s.shapes().at(-1), '200 INVITE')
  s.say(prack(s, rseq))
  t.is(s.shapes().at(-1), '200 PRACK')
  s.say(prack(s, rseq, 3))
  t.is(s.shapes().at(-1), '481 PRACK')
})

test('a caller that requires 100rel gets every provisional response reliably', (t) => {
  const s = scene()
  s.say(requestText({ method: 'INVITE', branch: 'i1', extra: ['Require: 100rel'] }))
  s.answer(180)
  t.is(headerOf(s.last(), 'Require'), '100rel')
  t.true(rseqOf(s.last()) > 0)
})

test('PRACK that never comes: repeats double, then 504, and the application is told of the end by a CANCEL', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.answer(180, 'Require: 100rel\n')
  s.clock.advance(31_000)
  t.deepEqual(
    s.peer.received.filter(({ text }) => shape(text) === '180 INVITE').map(({ atMs }) => Math.floor(atMs / 100) / 10),
    [0, 0.5, 1.5, 3.5, 7.5, 15.5]
  )
  s.clock.advance(2000)
  t.is(startLine(s.last()), 'SIP/2.0 504 PRACK Timeout')
  const told = s.app.delivered().at(-1)!
  t.is(shape(told.sip), 'CANCEL')
  t.deepEqual([told.fields[2], told.fields[8]], ['network', transaction])
})

test('an early dialog has a Contact in its provisional response (RFC 3261 §12.1.1)', (t) => {
  const s = scene()
  s.say(invite)
  s.answer(180)
  t.is(headerOf(s.last(), 'Contact'), '<sip:10.0.0.1:5060>')
})

test('a BYE of the application waits as long as its 2xx does, and for the ACK', (t) => {
  const s = scene()
  s.say(invite)
  const transaction = s.shown()
  s.app.send(`sip|${transaction}|`, described(183, 'Require: 100rel\n'))
  s.clock.advance(5)
  const rseq = rseqOf(s.last())
  s.app.send(`sip|${transaction}|`, described(200))
  s.app.send(`sip||${calledDialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  s.clock.advance(100)
  t.false(s.shapes().includes('BYE'))
  s.say(prack(s, rseq))
  t.is(s.shapes().at(-1), '200 INVITE')
  s.say(requestText({ method: 'ACK', branch: 'a1', to: headerOf(s.last(), 'To')! }))
  t.is(s.shapes().at(-1), 'BYE')
})
