import test from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { requestText, shape, startLine } from '../testing/sip-text.ts'

const filter = { userAgents: ['SIPVicious', 'friendly'], toUsers: ['9999'], fromUsers: ['hacker'] }

function ask(text: string, options: Parameters<typeof createBench>[0]) {
  const bench = createBench(options)
  const peer = bench.network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(bench.engine, ['invite', 'options', 'register'])
  peer.send(text, bench.at)
  bench.clock.advance(5)
  return {
    answers: peer.received.map(({ text }) => shape(text)),
    last: peer.received.at(-1)?.text,
    shown: app.delivered().length
  }
}

for (const [name, change] of [
  ['User-Agent, in any case', { extra: ['User-Agent: sipvicious 0.3'] }],
  ['the user of To', { to: '"x" <sip:+49999900@10.0.0.1>' }]
] as const) {
  test(`spam by ${name}: 603 Decline, shown to no application`, (t) => {
    const { answers, last, shown } = ask(requestText({ method: 'INVITE', branch: 'i', ...change }), { options: { spam: filter } })
    t.deepEqual(answers, ['100 INVITE', '603 INVITE'])
    t.is(startLine(last!), 'SIP/2.0 603 Decline')
    t.is(shown, 0)
  })
}

test('spam by the user of From; other callers and other fields are no spam', (t) => {
  const register = (from: string) =>
    requestText({ method: 'REGISTER', branch: 'r' }).replace('<sip:alice@10.0.0.9>', `<sip:${from}@hacker.example>`)
  t.deepEqual(ask(register('The-Hacker'), { options: { spam: filter } }).answers, ['603 REGISTER'])
  t.is(ask(register('alice'), { options: { spam: filter } }).shown, 1)
  t.is(ask(register('The-Hacker'), {}).shown, 1)
})

test('OPTIONS of known peers are answered 200 by the engine, others and other methods are shown', (t) => {
  const options = { options: { answerOptionsOf: ['kamailio'] } }
  const extra = ['User-Agent: Kamailio (5.6)']
  const known = ask(requestText({ method: 'OPTIONS', branch: 'o', extra }), options)
  t.deepEqual(known.answers, ['200 OPTIONS'])
  t.is(known.shown, 0)
  t.is(ask(requestText({ method: 'OPTIONS', branch: 'o' }), options).shown, 1)
  t.is(ask(requestText({ method: 'INVITE', branch: 'o', extra }), options).shown, 1)
})

test('REGISTER: contacts that cannot be read, or * that is not alone or keeps something, get 400', (t) => {
  const register = (...extra: string[]) => ask(requestText({ method: 'REGISTER', branch: 'r', extra }), {})
  t.deepEqual(register('Contact: <sip:a@10.0.0.9').answers, ['400 REGISTER'])
  t.deepEqual(register('Contact: *', 'Expires: 60').answers, ['400 REGISTER'])
  t.deepEqual(register('Contact: *').answers, ['400 REGISTER'])
  t.deepEqual(register('Contact: *', 'Contact: <sip:a@b>', 'Expires: 0').answers, ['400 REGISTER'])
  t.is(register('Contact: *', 'Expires: 0').shown, 1)
  t.is(register('Contact: <sip:a@10.0.0.9>;expires=60, <sip:b@10.0.0.9>').shown, 1)
  t.is(register().shown, 1)
})

test('an empty text is no pattern', (t) => {
  const spam = { userAgents: [''], toUsers: [''], fromUsers: [''] }
  const { shown } = ask(requestText({ method: 'OPTIONS', branch: 'o' }), { options: { spam, answerOptionsOf: [''] } })
  t.is(shown, 1)
})
