import test, { type ExecutionContext } from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication, type FakeApplication, type ServerPayload } from '../testing/fake-application.ts'
import type { PeerSocket } from '../testing/memory-network.ts'
import { headerOf, headersOf, type RequestText, requestText, responseText, shape, startLine } from '../testing/sip-text.ts'

const engineAt = { address: '10.0.0.1', port: 5060 }

interface CommandOptions {
  readonly record?: boolean
  readonly full?: boolean
  readonly redirects?: boolean
  readonly simultaneous?: boolean
  readonly provisional?: string
  readonly final?: string
  readonly headers?: string
}

/** A caller at 10.0.0.9, callees where a test puts them, and an application that sends on what it gets. */
function stage(t: ExecutionContext, options: Parameters<typeof createBench>[0] = {}) {
  const bench = createBench(options)
  const { clock, network, engine } = bench
  const caller = network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(engine, ['invite', 'register', 'options', 'message'])
  t.teardown(() => engine.close())
  let branch = 0
  const proxy = (destinations: readonly string[], command: CommandOptions = {}, transaction?: string) => {
    const id = transaction ?? app.delivered().at(-1)!.fields[8]!
    const before = app.payloads.length
    app.send(
      [
        'proxy',
        id,
        command.record ? 'remainInDialog' : '',
        command.full === false ? '' : 'fullResponse',
        command.redirects ? 'followRedirects' : '',
        command.simultaneous ? 'simultaneous' : 'serial',
        command.provisional ?? '',
        command.final ?? '',
        ...destinations
      ].join('|'),
      `INVITE ${destinations[0]} SIP/2.0\n${command.headers ?? ''}Content-Length: 0\n\n`
    )
    return () => replies(app, before)
  }
  return {
    ...bench,
    caller,
    app,
    proxy,
    callee: (last: number, arrived?: (text: string, self: PeerSocket) => void): PeerSocket => {
      const peer: PeerSocket = network.peer('udp', `10.0.0.${last}`, 5060, (text) => arrived?.(text, peer))
      return peer
    },
    /** Nothing is left once every timer has run. */
    over: () => {
      clock.advance(300_000)
      t.deepEqual(engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
      t.is(clock.pending(), 0)
      t.is(bench.counters.defects, 0)
    },
    /** Sends a request and lets it arrive at the application. */
    ask: (request: Partial<RequestText> = {}) => {
      const text = requestText({ method: 'INVITE', uri: 'sip:bob@example.org', branch: `p${branch++}`, ...request })
      caller.send(text, engineAt)
      clock.advance(2)
      return text
    }
  }
}

/** Replies to a proxy command: `continue 486`, `done`, `NOK …`. */
function replies(app: FakeApplication, from: number): string[] {
  return app.payloads.slice(from).map(({ fields, sip }: ServerPayload) => {
    if (fields[3] === 'NOK') return `NOK ${fields[4]}`
    return fields[12] === 'continue' ? `continue ${sip.split(' ')[1]}` : fields.slice(4).join('|')
  })
}

const shapes = (peer: PeerSocket): string[] => peer.received.map(({ text }) => shape(text))
const texts = (peer: PeerSocket, wanted: string): string[] =>
  peer.received.map(({ text }) => text).filter((text) => shape(text) === wanted)

/** A callee that answers INVITE at once. */
const answers =
  (...statuses: readonly number[]) =>
  (text: string, self: PeerSocket) => {
    if (!text.startsWith('SIP/') && !text.startsWith('ACK')) {
      for (const status of statuses) {
        self.send(
          responseText(text, status, { tag: `t${self.address}`, extra: [`Contact: <sip:${self.address}:5060>`] }),
          engineAt
        )
      }
    }
  }

test('a call through the proxy: INVITE, 180, 200, ACK, BYE', (t) => {
  const s = stage(t)
  const callee = s.callee(2, answers(180, 200))
  const invite = s.ask({ extra: ['Route: <sip:10.0.0.1;lr>', 'X-Odd:  kept'], body: 'v=0\r\n' })
  const told = s.proxy(['sip:10.0.0.2'], { record: true, headers: 'X-Extra: 1\nfrom: <sip:forged@x>\n' })
  s.clock.advance(5)
  t.deepEqual(shapes(callee), ['INVITE'])
  const onward = callee.received[0]!.text
  t.is(startLine(onward), 'INVITE sip:bob@example.org SIP/2.0')
  t.deepEqual(headersOf(onward, 'Via').length, 2)
  t.regex(headersOf(onward, 'Via')[0]!, /^SIP\/2\.0\/UDP 10\.0\.0\.1:5060;rport;branch=z9hG4bK[0-9a-f]{16}\.[0-9a-f]{16}$/)
  t.is(headersOf(onward, 'Via')[1], `${headerOf(invite, 'Via')};rport=5090`)
  t.is(headerOf(onward, 'Record-Route'), '<sip:10.0.0.1:5060;lr>')
  t.is(headerOf(onward, 'Max-Forwards'), '69')
  t.is(headerOf(onward, 'Route'), undefined)
  t.is(headerOf(onward, 'From'), headerOf(invite, 'From'))
  t.is(headerOf(onward, 'X-Extra'), '1')
  t.is(headerOf(onward, 'X-Odd'), 'kept')
  t.true(onward.endsWith('\r\n\r\nv=0\r\n'))
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE', '200 INVITE'])
  t.deepEqual(told(), ['continue 200', 'done'])
  t.is(s.engine.counts().proxied, 0)
  t.is(s.engine.counts().dialogs, 0)

  const answer = texts(s.caller, '200 INVITE')[0]!
  t.deepEqual(headersOf(answer, 'Via'), [`${headerOf(invite, 'Via')};rport=5090`])
  const inDialog = {
    uri: 'sip:10.0.0.2:5060',
    to: headerOf(answer, 'To')!,
    extra: [`Route: ${headerOf(answer, 'Record-Route')}`]
  }
  s.ask({ method: 'ACK', ...inDialog })
  s.ask({ method: 'BYE', cseq: 2, ...inDialog })
  s.clock.advance(5)
  t.deepEqual(shapes(callee), ['INVITE', 'ACK', 'BYE'])
  t.is(headerOf(callee.received[1]!.text, 'Route'), undefined)
  t.is(startLine(callee.received[1]!.text), 'ACK sip:10.0.0.2:5060 SIP/2.0')
  t.is(shapes(s.caller).at(-1), '200 BYE')
  t.is(s.app.delivered().length, 1)
  s.over()
})

test('serial: the next target after a failure; the best failure goes back when all have failed', (t) => {
  const s = stage(t)
  const first = s.callee(2, answers(503))
  const second = s.callee(3, answers(180, 486))
  s.ask()
  const told = s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'])
  s.clock.advance(10)
  t.deepEqual(shapes(first), ['INVITE', 'ACK'])
  t.deepEqual(shapes(second), ['INVITE', 'ACK'])
  t.deepEqual(shapes(s.caller).slice(0, 3), ['100 INVITE', '180 INVITE', '486 INVITE'])
  t.deepEqual(told(), ['continue 503', 'continue 486', 'done'])
})
