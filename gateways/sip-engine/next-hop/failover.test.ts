import test from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { createNames } from '../testing/names.ts'
import { headerOf, responseText, shape, startLine } from '../testing/sip-text.ts'
import type { TransportName } from '../transport/port.ts'

/** `farm.example` has three servers, 10.0.0.11 to 10.0.0.13, to be tried in this order. */
function scene(transport: TransportName, answers: readonly (number | 'silence' | 'refuses')[]) {
  const prefix = transport === 'udp' ? '_sip._udp' : '_sip._tcp'
  const names = createNames({
    [`SRV ${prefix}.farm.example`]: {
      srv: [11, 12, 13].map((each, priority) => ({ priority, weight: 0, port: 5070, name: `s${each}.farm.example` }))
    },
    ...Object.fromEntries([11, 12, 13].map((each) => [`ADDRESS s${each}.farm.example`, { addresses: [`10.0.0.${each}`] }]))
  })
  const bench = createBench({ transport, names })
  const app = createFakeApplication(bench.engine, [])
  const came: string[] = []
  for (const [index, answer] of answers.entries()) {
    if (answer === 'refuses') continue
    const address = `10.0.0.${11 + index}`
    const server = bench.network.peer(transport, address, 5070, (text, from) => {
      if (came.at(-1) !== `${shape(text)} ${address}`) came.push(`${shape(text)} ${address}`)
      if (answer !== 'silence' && !text.startsWith('ACK')) server.send(responseText(text, answer), from)
    })
  }
  const request = (method: string) => {
    const reply = app.send('sip||', `${method} sip:bob@farm.example;transport=${transport} SIP/2.0\n\n`)!
    bench.clock.advance(5)
    return reply
  }
  return { ...bench, app, came, request, shown: () => app.delivered().map(({ sip }) => startLine(sip)) }
}

test('an address that refuses: the next one is asked, under the id the application knows', (t) => {
  const s = scene('tcp', ['refuses', 'refuses', 200])
  const reply = s.request('OPTIONS')
  s.clock.advance(20)
  t.deepEqual(s.came, ['OPTIONS 10.0.0.13'])
  const [shown] = s.app.delivered()
  t.is(startLine(shown!.sip), 'SIP/2.0 200 Reason')
  t.is(shown!.fields[8], reply.fields[10])
  t.is(headerOf(shown!.sip, 'Call-ID'), headerOf(reply.sip, 'Call-ID'))
  t.not(headerOf(shown!.sip, 'Via'), headerOf(reply.sip, 'Via'))
})

test('all refuse: one 503 for the application', (t) => {
  const s = scene('tcp', ['refuses', 'refuses', 'refuses'])
  s.request('INVITE')
  s.clock.advance(20)
  t.deepEqual(s.shown(), ['SIP/2.0 503 Service Unavailable'])
  t.is(s.engine.counts().clientTransactions, 0)
  t.is(s.engine.counts().dialogs, 0)
})

for (const method of ['OPTIONS', 'INVITE']) {
  test(`${method}: an address that keeps silent is given up after 64·T1, one that is overloaded at once`, (t) => {
    const s = scene('udp', ['silence', 503, 486])
    s.request(method)
    s.clock.advance(31_000)
    t.deepEqual(s.came, [`${method} 10.0.0.11`])
    s.clock.advance(2000)
    t.deepEqual(
      s.came.filter((each) => !each.startsWith('ACK')),
      [`${method} 10.0.0.11`, `${method} 10.0.0.12`, `${method} 10.0.0.13`]
    )
    t.deepEqual(s.shown(), ['SIP/2.0 486 Reason'])
    s.clock.advance(40_000)
    t.is(s.engine.counts().clientTransactions, 0)
  })
}

test('an address that failed is tried last for a time, and then again in its place', (t) => {
  const s = scene('udp', [503, 200, 200])
  s.request('OPTIONS')
  s.clock.advance(20)
  s.request('OPTIONS')
  t.deepEqual(s.came, ['OPTIONS 10.0.0.11', 'OPTIONS 10.0.0.12'])
  s.clock.advance(33_000)
  s.request('OPTIONS')
  s.clock.advance(20)
  t.deepEqual(s.came.slice(2), ['OPTIONS 10.0.0.11', 'OPTIONS 10.0.0.12'])
  t.deepEqual(s.shown(), Array(3).fill('SIP/2.0 200 Reason'))
})

test('the last address is overloaded: its 503 is the answer', (t) => {
  const s = scene('udp', [503, 503, 503])
  s.request('INVITE')
  s.clock.advance(40)
  t.deepEqual(s.shown(), ['SIP/2.0 503 Reason'])
  t.deepEqual(
    s.came.filter((each) => each.startsWith('ACK')),
    ['ACK 10.0.0.11', 'ACK 10.0.0.12', 'ACK 10.0.0.13']
  )
})

test('a call that was cancelled goes nowhere else', (t) => {
  const s = scene('udp', ['silence', 200, 200])
  const reply = s.request('INVITE')
  s.app.send(`sip|${reply.fields[10]}|`, 'CANCEL sip:bob@farm.example SIP/2.0\n\n')
  s.clock.advance(100_000)
  t.deepEqual(s.came, ['INVITE 10.0.0.11'])
  t.is(s.shown().length, 1)
})
