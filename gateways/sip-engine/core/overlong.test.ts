import test from 'ava'
import { calledScene, callingScene, callOut, type Scene } from '../testing/scenes.ts'
import { headerOf, requestText, responseText, startLine } from '../testing/sip-text.ts'

const contact = 'Contact: <sip:bob@10.0.0.2>'
const longHeader = `X-Long: ${'x'.repeat(20_000)}`
const manyHeaders = Array.from({ length: 300 }, (_, index) => `X-${index}: y`)

/** Status and source address of each response that the application was shown. */
const shownStatuses = ({ app }: Scene) =>
  app.delivered().flatMap(({ sip, fields }) => (sip.startsWith('SIP/') ? [`${startLine(sip)} from ${fields[5] ?? ''}`] : []))

for (const [what, extra] of [
  ['a header field that is too long', [longHeader]],
  ['too many header fields', manyHeaders]
] as const) {
  test(`an answer with ${what} is acknowledged and hung up on, and the application told 513`, (t) => {
    const s = callingScene()
    const { request } = callOut(s)
    s.say(responseText(request, 180))
    s.say(responseText(request, 200, { extra: [contact, 'Record-Route: <sip:10.0.0.2;lr>', ...extra] }))
    t.deepEqual(s.shapes().slice(1), ['ACK', 'BYE'])
    t.is(headerOf(s.last(), 'Reason'), 'SIP ;cause=513 ;text="Message Too Large"')
    t.is(headerOf(s.last(), 'Route'), '<sip:10.0.0.2;lr>')
    t.is(shownStatuses(s).at(-1), 'SIP/2.0 513 Message Too Large from ')
    s.say(responseText(s.last(), 200))
    // the 200 comes again because the ACK was lost
    s.say(responseText(request, 200, { extra: [contact, ...extra] }))
    t.deepEqual(s.shapes().slice(1), ['ACK', 'BYE', 'ACK'])
    s.clock.advance(64_000)
    t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
  })

  test(`a refusal with ${what} is a refusal`, (t) => {
    const s = callingScene()
    const { request } = callOut(s)
    s.say(responseText(request, 486, { reason: 'Busy Here', extra: [...extra] }))
    t.deepEqual(s.shapes().slice(1), ['ACK'])
    t.is(shownStatuses(s).at(-1), 'SIP/2.0 486 Busy Here from 10.0.0.2')
  })

  test(`a request with ${what} is told so`, (t) => {
    const s = calledScene()
    s.say(requestText({ method: 'INVITE', branch: 'i1', extra: [...extra] }))
    t.is(startLine(s.last()), 'SIP/2.0 513 Message Too Large')
    t.is(s.app.delivered().length, 0)
    s.say(requestText({ method: 'ACK', branch: 'i1', to: headerOf(s.last(), 'To')!, extra: [...extra] }))
    t.is(s.peer.received.length, 1)
  })
}

test('an answer to a re-INVITE that is larger than allowed ends the call: nobody knows what was agreed on', (t) => {
  const s = callingScene()
  const { request, transaction, dialog } = callOut(s)
  s.say(responseText(request, 200, { extra: [contact] }))
  s.ask(`sip||${dialog}`, `ACK sip:placeholder SIP/2.0\nCSeq: ${headerOf(request, 'CSeq')!.replace('INVITE', 'ACK')}\n\n`)
  t.truthy(transaction)
  s.ask(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\nContent-Type: application/sdp\n\nv=0\r\n')
  s.say(responseText(s.last(), 200, { extra: [contact, longHeader] }))
  t.deepEqual(s.shapes().slice(2), ['INVITE', 'ACK', 'BYE'])
  t.is(shownStatuses(s).at(-1), 'SIP/2.0 513 Message Too Large from ')
})

test('a body of the largest datagram comes whole', (t) => {
  const s = callingScene()
  const { request } = callOut(s)
  const body = 'x'.repeat(64_000)
  s.say(responseText(request, 200, { extra: [contact], body }))
  t.true(s.app.delivered().at(-1)!.sip.endsWith(body))
})

test('what is too large and cannot be answered either is dropped', (t) => {
  const s = callingScene()
  const { request } = callOut(s)
  const nothing = s.app.delivered().length
  s.say(`SIP/2.0 200 OK\r\n${longHeader}\r\n\r\n`)
  s.say(responseText(request, 200, { tag: 'x'.repeat(20_000), extra: [contact] }))
  t.is(s.app.delivered().length, nothing)
  t.is(s.counters.oversized, 2)
})
