/** What the engine does without its application, beside what `uas.test.ts` and `screening.test.ts` show. */
import test from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { requestText, shape } from '../testing/sip-text.ts'

const methods = ['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'INFO', 'NOTIFY', 'SUBSCRIBE', 'PUBLISH']

function scene(options: Parameters<typeof createBench>[0] = {}) {
  const bench = createBench(options)
  const peer = bench.network.peer(bench.at.transport, '10.0.0.9', 5090)
  const app = createFakeApplication(
    bench.engine,
    methods.map((method) => method.toLowerCase())
  )
  return {
    ...bench,
    app,
    shapes: () => peer.received.map(({ text }) => shape(text)),
    say: (text: string, advanceMs = 5) => {
      peer.send(text, bench.at)
      bench.clock.advance(advanceMs)
    },
    answer: (status: number, extra = '') => {
      app.send(`sip|${app.delivered().at(-1)!.fields[8]}|`, `SIP/2.0 ${status} Said\n${extra}\n`)
      bench.clock.advance(5)
    }
  }
}

test('every method that may begin something is shown, once each, with no dialog id', (t) => {
  const s = scene()
  for (const method of methods) s.say(requestText({ method, branch: method, callId: method, extra: ['Event: presence'] }))
  t.deepEqual(
    s.app.delivered().map(({ fields, sip }) => [sip.split(' ', 1)[0], fields[9], fields.length]),
    methods.map((method) => [method, '', 13])
  )
})

test('a repeated request that is no INVITE is absorbed while it waits, then answered as before', (t) => {
  const s = scene()
  const message = requestText({ method: 'MESSAGE', branch: 'm' })
  s.say(message)
  s.say(message)
  t.deepEqual(s.shapes(), [])
  s.answer(200)
  s.say(message)
  t.deepEqual(s.shapes(), ['200 MESSAGE', '200 MESSAGE'])
  t.is(s.app.delivered().length, 1)
  t.is(s.counters.retransmissionsReceived, 2)
})

test('with an unknown To tag: MESSAGE, NOTIFY, OPTIONS and INFO are new requests, SUBSCRIBE and REFER are not', (t) => {
  const s = scene()
  for (const method of ['MESSAGE', 'NOTIFY', 'OPTIONS', 'INFO', 'SUBSCRIBE', 'REFER']) {
    s.say(requestText({ method, branch: method, callId: method, to: '<sip:bob@10.0.0.1>;tag=other', extra: ['Event: presence'] }))
  }
  t.deepEqual(
    s.app.delivered().map(({ sip }) => sip.split(' ', 1)[0]),
    ['MESSAGE', 'NOTIFY', 'OPTIONS', 'INFO']
  )
  t.deepEqual(s.shapes(), ['481 SUBSCRIBE', '481 REFER'])
})

test('the path of an accepted SUBSCRIBE is remembered as that of a REGISTER is, until it expires', (t) => {
  for (const transport of ['tcp', 'udp'] as const) {
    const s = scene({ transport })
    const subscribe = requestText({
      method: 'SUBSCRIBE',
      branch: 's',
      transport: transport.toUpperCase(),
      extra: ['Event: presence', 'Expires: 60']
    })
    s.say(subscribe.replace('<sip:alice@10.0.0.9:5090>', '<sip:me@browser.invalid>'))
    s.answer(202, 'Expires: 60\n')
    const options = () => {
      s.app.send('sip||', 'OPTIONS sip:me@browser.invalid SIP/2.0\n\n')
      s.clock.advance(40_000)
      return s.shapes().filter((each) => each === 'OPTIONS').length
    }
    const before = options()
    t.true(before > 0)
    s.clock.advance(60_000)
    t.is(options(), before)
  }
})

test('an ACK that belongs to nothing is dropped, and garbage is not answered', (t) => {
  const s = scene()
  s.say(requestText({ method: 'ACK', branch: 'a' }))
  s.say('hello\r\n\r\n')
  t.deepEqual(s.shapes(), [])
  t.is(s.app.delivered().length, 0)
  t.is(s.counters.stray, 1)
})
