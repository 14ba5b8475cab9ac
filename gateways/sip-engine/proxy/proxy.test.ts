import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { NameService } from '../next-hop/name-service.ts'
import { noRecords } from '../next-hop/resolution.ts'
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

/** The caller's ACK for a failure. */
function acknowledge(s: ReturnType<typeof stage>, status: number, branch = 'p0') {
  const failure = texts(s.caller, `${status} INVITE`)[0]!
  const cseq = Number(headerOf(failure, 'CSeq')!.split(' ')[0])
  s.caller.send(requestText({ method: 'ACK', branch, to: headerOf(failure, 'To')!, cseq }), engineAt)
  s.clock.advance(2)
}

/** A callee that answers every request at once. */
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

test('an INVITE that is sent on gets 100 at once, with tryingMs too', (t) => {
  const s = stage(t, { timers: { tryingMs: 200 } })
  s.callee(2)
  s.ask()
  t.deepEqual(shapes(s.caller), [])
  s.proxy(['sip:10.0.0.2'])
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE'])
  s.over()
})

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
  t.regex(headersOf(onward, 'Via')[0]!, /^SIP\/2\.0\/UDP 10\.0\.0\.1:5060;rport;branch=z9hG4bK[0-9a-f]+\.[0-9a-f]{16}$/)
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
  const [tried, ack] = second.received.map(({ text }) => text)
  t.is(headerOf(ack!, 'Via'), headerOf(tried!, 'Via'))
  t.regex(headerOf(ack!, 'To')!, /;tag=t10\.0\.0\.3$/)
  t.not(headerOf(tried!, 'Via'), headerOf(first.received[0]!.text, 'Via'), 'each branch has a Via of its own')
  acknowledge(s, 486)
  s.over()
})

test('an only 503 goes back as 500', (t) => {
  const s = stage(t)
  s.callee(2, answers(503))
  s.ask()
  const told = s.proxy(['sip:10.0.0.2'])
  s.clock.advance(10)
  t.deepEqual(shapes(s.caller).slice(0, 2), ['100 INVITE', '500 INVITE'])
  t.deepEqual(told(), ['continue 503', 'done'])
})

test('without fullResponse only the end is told', (t) => {
  const s = stage(t)
  s.callee(2, answers(486))
  s.ask()
  const told = s.proxy(['sip:10.0.0.2'], { full: false })
  s.clock.advance(10)
  t.deepEqual(told(), ['done'])
})

test('commands that cannot be followed are refused, and the request can still be answered', (t) => {
  const s = stage(t)
  s.ask()
  const transaction = s.app.delivered()[0]!.fields[8]!
  t.deepEqual(s.proxy(['sip:10.0.0.2'], {}, 'nosuch')(), ['NOK Unknown transaction id: nosuch'])
  const other = createFakeApplication(s.engine, [])
  const stolen = other.send(`proxy|${transaction}||fullResponse||serial|||sip:10.0.0.2`, 'INVITE sip:x SIP/2.0\n\n')
  t.is(stolen!.fields[4], `Unknown transaction id: ${transaction}`)
  t.deepEqual(s.proxy(['sip:10.0.0.2'], { provisional: '2 h' })(), ['NOK invalid timeout: 2 h'])
  t.deepEqual(s.proxy(['sip:10.0.0.2'], { final: '0s' })(), ['NOK invalid timeout: 0s'])
  t.deepEqual(s.proxy(Array.from({ length: 65 }, (_, n) => `sip:10.0.0.${n}`))(), ['NOK more than 64 destinations'])
  t.is(s.app.send(`proxy|${transaction}||fullResponse||serial|||sip:10.0.0.2`, 'nonsense')!.fields[3], 'NOK')
  t.is(s.app.send(`sip|${transaction}|`, 'SIP/2.0 486 Busy Here\n\n')!.fields[3], 'OK')
  s.clock.advance(2)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '486 INVITE'])
  t.deepEqual(s.proxy(['sip:10.0.0.2'], {}, transaction)(), [`NOK Unknown transaction id: ${transaction}`])
})

test('a request that may not be sent on: 483, 420, 440', (t) => {
  const s = stage(t)
  const callee = s.callee(2)
  const hops = (value: number) =>
    requestText({ method: 'INVITE', branch: `h${value}`, callId: `h${value}` }).replace(
      'Max-Forwards: 70',
      `Max-Forwards: ${value}`
    )
  s.caller.send(hops(0), engineAt)
  s.clock.advance(2)
  t.deepEqual(s.proxy(['sip:10.0.0.2'])(), ['NOK Rejected with 483 Too Many Hops due to Max-Forwards value of 0'])
  s.ask({ callId: 'c2', extra: ['Proxy-Require: foo'] })
  t.deepEqual(s.proxy(['sip:10.0.0.2'])(), ['NOK Rejected with 420 Bad Extension due to Proxy-Require'])
  s.ask({ callId: 'c3', extra: ['Max-Breadth: 0'] })
  t.deepEqual(s.proxy(['sip:10.0.0.2'])(), ['NOK Rejected with 440 Max-Breadth Exceeded due to Max-Breadth value of 0'])
  s.clock.advance(2)
  const finals = shapes(s.caller).filter((each) => !each.startsWith('100'))
  t.deepEqual(finals, ['483 INVITE', '420 INVITE', '440 INVITE'])
  t.is(headerOf(texts(s.caller, '420 INVITE')[0]!, 'Unsupported'), 'foo')
  t.is(callee.received.length, 0)
  s.over()
})

test('a Request-URI of ours gives way to the destination', (t) => {
  const s = stage(t)
  const callee = s.callee(2)
  s.ask({ uri: 'sip:service@10.0.0.1:5060' })
  s.proxy(['sip:carol@10.0.0.2'])
  s.clock.advance(2)
  t.is(startLine(callee.received[0]!.text), 'INVITE sip:carol@10.0.0.2 SIP/2.0')
})

test('a request that comes back unchanged is a loop: 482', (t) => {
  const s = stage(t)
  s.callee(7, (text, self) => {
    if (text.startsWith('OPTIONS')) self.send(text.replace('\r\n', '\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKm\r\n'), engineAt)
    else if (text.startsWith('SIP/2.0 482')) self.send(text.replace(/Via: [^\r]*\r\n/, ''), engineAt)
  })
  s.ask({ method: 'OPTIONS' })
  const first = s.proxy(['sip:10.0.0.7'])
  s.clock.advance(3)
  t.is(s.app.delivered().length, 2)
  const second = s.proxy(['sip:10.0.0.7'])
  t.deepEqual(second(), ['NOK Rejected with 482 Loop Detected due to loop'])
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['482 OPTIONS'])
  t.deepEqual(first().at(-1), 'done')
  s.over()
})

test('provisional timeout: a silent target is passed over, and told to stop when it rings late', (t) => {
  const s = stage(t)
  const silent = s.callee(2)
  const second = s.callee(3, answers(180))
  s.ask()
  const told = s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'], { provisional: '2s' })
  s.clock.advance(1990)
  t.is(second.received.length, 0)
  s.clock.advance(20)
  t.deepEqual(shapes(second), ['INVITE'])
  silent.send(responseText(silent.received[0]!.text, 180), engineAt)
  s.clock.advance(5)
  t.is(shapes(silent).at(-1), 'CANCEL')
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE'], 'nobody hears it ring')
  silent.send(responseText(texts(silent, 'CANCEL')[0]!, 200), engineAt)
  silent.send(responseText(silent.received[0]!.text, 487), engineAt)
  second.send(responseText(second.received[0]!.text, 200), engineAt)
  s.clock.advance(5)
  t.is(shapes(silent).at(-1), 'ACK')
  t.deepEqual(told(), ['continue 487', 'continue 200', 'done'])
  s.over()
})

test('final timeout: CANCEL, then 408', (t) => {
  const s = stage(t)
  const callee = s.callee(2, (text, self) => {
    if (text.startsWith('INVITE')) self.send(responseText(text, 180), engineAt)
    if (text.startsWith('CANCEL')) {
      self.send(responseText(text, 200), engineAt)
      self.send(responseText(callee.received[0]!.text, 487), engineAt)
    }
  })
  s.ask()
  const told = s.proxy(['sip:10.0.0.2'], { final: '1500ms' })
  s.clock.advance(1490)
  t.deepEqual(shapes(callee), ['INVITE'])
  s.clock.advance(20)
  t.deepEqual(shapes(callee), ['INVITE', 'CANCEL', 'ACK'])
  t.is(shapes(s.caller)[2], '408 INVITE')
  t.deepEqual(told(), ['continue 487', 'done'])
})

test('timer C: more than three minutes from the latest 1xx', (t) => {
  const s = stage(t)
  const callee = s.callee(2, answers(180))
  s.ask()
  s.proxy(['sip:10.0.0.2'])
  s.clock.advance(180_000)
  callee.send(responseText(callee.received[0]!.text, 183), engineAt)
  s.clock.advance(184_000)
  t.deepEqual(shapes(callee), ['INVITE'])
  s.clock.advance(2000)
  t.is(shapes(callee)[1], 'CANCEL')
  s.clock.advance(64 * 500)
  t.is(shapes(s.caller)[3], '408 INVITE', 'its answer is not waited for longer than 64·T1')
  s.over()
})

test('nobody answers: 408 after 64·T1; other methods get nothing (RFC 4320), or 504 while the caller still waits', (t) => {
  const s = stage(t)
  s.callee(2)
  s.ask()
  const invite = s.proxy(['sip:10.0.0.2'])
  s.clock.advance(32_100)
  t.is(shapes(s.caller)[1], '408 INVITE')
  t.deepEqual(invite(), ['done'])
  acknowledge(s, 408)
  const before = s.caller.received.length
  s.ask({ method: 'OPTIONS', callId: 'o1' })
  const late = s.proxy(['sip:10.0.0.2'])
  s.clock.advance(33_000)
  t.is(s.caller.received.length, before)
  t.deepEqual(late(), ['done'])
  s.ask({ method: 'OPTIONS', callId: 'o2' })
  s.proxy(['sip:10.0.0.2'], { final: '1s' })
  s.clock.advance(1010)
  t.is(shapes(s.caller).at(-1), '504 OPTIONS')
  s.over()
})

test('simultaneous: two answers; both 2xx go back, the third target is cancelled', (t) => {
  const s = stage(t)
  const [first, second, third] = [s.callee(2, answers(180, 200)), s.callee(3, answers(200)), s.callee(4, answers(180))]
  s.ask()
  const told = s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3', 'sip:10.0.0.4'], { simultaneous: true, record: true })
  s.clock.advance(5)
  const tags = texts(s.caller, '200 INVITE').map((text) => headerOf(text, 'To')!.split('tag=')[1])
  t.deepEqual(tags.sort(), ['t10.0.0.2', 't10.0.0.3'])
  t.deepEqual(shapes(third), ['INVITE', 'CANCEL'])
  t.deepEqual(told(), ['continue 200', 'done'], 'the others are of no interest to the application')
  t.is(headerOf(first.received[0]!.text, 'Max-Breadth'), '20')
  second.send(responseText(second.received[0]!.text, 200, { tag: 't10.0.0.3' }), engineAt)
  s.clock.advance(5)
  t.is(texts(s.caller, '200 INVITE').length, 3, 'a repeated 2xx goes back too')
  third.send(responseText(third.received[0]!.text, 487), engineAt)
  third.send(responseText(texts(third, 'CANCEL')[0]!, 200), engineAt)
  s.over()
  t.is(told().length, 2)
  t.is(texts(third, 'ACK').length, 1)
  const after = s.caller.received.length
  second.send(responseText(second.received[0]!.text, 200, { tag: 't10.0.0.3' }), engineAt)
  s.clock.advance(5)
  t.is(s.caller.received.length, after, 'RFC 6026 §7.3: a response without a transaction is dropped')
  t.is(s.counters.stray, 1)
})

test('6xx: the others are cancelled and it goes back', (t) => {
  const s = stage(t)
  const ringing = s.callee(2, (text, self) => {
    if (text.startsWith('INVITE')) self.send(responseText(text, 180), engineAt)
    if (text.startsWith('CANCEL')) {
      self.send(responseText(text, 200), engineAt)
      self.send(responseText(ringing.received[0]!.text, 487), engineAt)
    }
  })
  s.callee(3, (text, self) => {
    if (text.startsWith('INVITE')) s.clock.after(100, () => self.send(responseText(text, 603), engineAt))
  })
  s.ask()
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'], { simultaneous: true })
  s.clock.advance(200)
  t.deepEqual(shapes(ringing), ['INVITE', 'CANCEL', 'ACK'])
  t.deepEqual(shapes(s.caller).slice(0, 3), ['100 INVITE', '180 INVITE', '603 INVITE'])
})

test('CANCEL of the caller: 200, CANCEL with its Reason, 487 end to end; the application is not asked', (t) => {
  const s = stage(t)
  const callee = s.callee(2, (text, self) => {
    if (text.startsWith('INVITE')) self.send(responseText(text, 180), engineAt)
    if (text.startsWith('CANCEL')) {
      self.send(responseText(text, 200), engineAt)
      self.send(responseText(callee.received[0]!.text, 487), engineAt)
    }
  })
  s.ask({ branch: 'x' })
  const told = s.proxy(['sip:10.0.0.2'])
  s.clock.advance(10)
  s.caller.send(
    requestText({ method: 'CANCEL', uri: 'sip:bob@example.org', branch: 'x', extra: ['Reason: SIP;cause=200'] }),
    engineAt
  )
  s.clock.advance(10)
  t.deepEqual(shapes(callee), ['INVITE', 'CANCEL', 'ACK'])
  const cancel = texts(callee, 'CANCEL')[0]!
  t.deepEqual(headersOf(cancel, 'Via'), [headersOf(callee.received[0]!.text, 'Via')[0]])
  t.is(headerOf(cancel, 'Reason'), 'SIP;cause=200')
  t.is(headerOf(cancel, 'CSeq'), '1 CANCEL')
  t.deepEqual(shapes(s.caller).slice(0, 4), ['100 INVITE', '180 INVITE', '200 CANCEL', '487 INVITE'])
  t.is(s.app.delivered().length, 1)
  t.deepEqual(told(), ['continue 487', 'done'])
  acknowledge(s, 487, 'x')
  s.over()
})

test('CANCEL before any response waits for one; a 2xx that crosses it goes back', (t) => {
  const s = stage(t)
  const callee = s.callee(2)
  s.ask({ branch: 'x' })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'])
  s.clock.advance(10)
  s.caller.send(requestText({ method: 'CANCEL', uri: 'sip:bob@example.org', branch: 'x' }), engineAt)
  s.clock.advance(10)
  t.deepEqual(shapes(callee), ['INVITE'])
  callee.send(responseText(callee.received[0]!.text, 180), engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(callee), ['INVITE', 'CANCEL'])
  callee.send(responseText(callee.received[0]!.text, 200), engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '200 CANCEL', '180 INVITE', '200 INVITE'])
})

test('CANCEL of a call to nobody: 487 when the transaction is given up', (t) => {
  const s = stage(t)
  s.ask({ branch: 'x' })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'])
  s.clock.advance(10)
  s.caller.send(requestText({ method: 'CANCEL', uri: 'sip:bob@example.org', branch: 'x' }), engineAt)
  s.clock.advance(32_000)
  t.deepEqual(shapes(s.caller).slice(0, 3), ['100 INVITE', '200 CANCEL', '487 INVITE'])
  s.over()
})

test('challenges of all branches go back in one 407; the answer goes to who asked, by the way it was asked', (t) => {
  const s = stage(t)
  const challenge = (status: number, line: string) => (text: string, self: PeerSocket) => {
    const answered = text.includes('Authorization:')
    if (text.startsWith('INVITE'))
      self.send(responseText(text, answered ? 486 : status, { tag: self.address, extra: [line] }), engineAt)
  }
  const first = s.callee(2, challenge(407, 'Proxy-Authenticate: Digest realm="a", nonce="na"'))
  const second = s.callee(3, challenge(401, 'WWW-Authenticate: Digest realm="b", nonce="nb"'))
  s.ask()
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'], { simultaneous: true })
  s.clock.advance(10)
  const challenged = s.caller.received[1]!.text
  t.is(shape(challenged), '407 INVITE')
  t.is(headerOf(challenged, 'Proxy-Authenticate'), 'Digest realm="a", nonce="na"')
  t.is(headerOf(challenged, 'WWW-Authenticate'), 'Digest realm="b", nonce="nb"')
  acknowledge(s, 407)

  const tries = first.received.length
  s.ask({ cseq: 2, extra: ['Authorization: Digest username="x", realm="b", nonce="nb", response="r"'] })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'])
  s.clock.advance(2)
  t.is(texts(second, 'INVITE').length, 2)
  t.is(first.received.length, tries, 'who did not ask comes second')
  s.clock.advance(5000)
  s.ask({ cseq: 3, callId: 'later', extra: ['Authorization: Digest username="x", realm="b", nonce="nb", response="r"'] })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'])
  s.clock.advance(2)
  t.is(texts(second, 'INVITE').length, 2, 'after 2 s the question is forgotten')
  s.over()
})

test('the answer to a challenge goes to the same one of the hosts behind a name', (t) => {
  const s = stage(t)
  const named = s.callee(2, (text, self) => {
    if (text.startsWith('INVITE'))
      self.send(responseText(text, 407, { extra: ['Proxy-Authenticate: Digest nonce="n1"'] }), engineAt)
  })
  s.ask()
  s.proxy(['sip:peer.example'])
  s.clock.advance(5)
  s.ask({ cseq: 2, extra: ['Proxy-Authorization: Digest username="x", nonce="n1"'] })
  s.proxy(['sip:peer.example'])
  s.clock.advance(5)
  t.is(texts(named, 'INVITE').length, 2)
})

test('redirections are followed in the order of q, each place once', (t) => {
  const s = stage(t)
  s.callee(2, (text, self) => {
    if (!text.startsWith('INVITE')) return
    const contacts = 'Contact: <sip:low@10.0.0.4>;q=0.1, <sip:high@10.0.0.3>;q=0.9, <sip:10.0.0.2>'
    self.send(responseText(text, 302, { extra: [contacts] }), engineAt)
  })
  const high = s.callee(3, answers(404))
  const low = s.callee(4, answers(200))
  s.ask()
  const told = s.proxy(['sip:10.0.0.2'], { redirects: true })
  s.clock.advance(20)
  t.is(startLine(high.received[0]!.text), 'INVITE sip:high@10.0.0.3 SIP/2.0')
  t.is(startLine(low.received[0]!.text), 'INVITE sip:low@10.0.0.4 SIP/2.0')
  t.deepEqual(told(), ['continue 302', 'continue 404', 'continue 200', 'done'])
  t.is(shapes(s.caller).at(-1), '200 INVITE')
  s.over()
})

test('the Contact of a failure is no redirection', (t) => {
  const s = stage(t)
  const callee = s.callee(2, answers(486))
  s.ask()
  s.proxy(['sip:bob@10.0.0.2'], { redirects: true })
  s.clock.advance(5)
  t.deepEqual(shapes(callee), ['INVITE', 'ACK'])
})

test('a redirection that is not to be followed goes back', (t) => {
  const s = stage(t)
  s.callee(2, answers(302))
  s.ask()
  s.proxy(['sip:10.0.0.2'])
  s.clock.advance(5)
  t.is(shapes(s.caller).at(-1), '302 INVITE')
  t.is(headerOf(s.caller.received.at(-1)!.text, 'Contact'), '<sip:10.0.0.2:5060>')
})

test('nothing can be sent: the application hears of it, the caller gets 500', (t) => {
  for (const destinations of [['tel:+49'], ['sip:'], ['sip:10.0.0.2;transport=sctp', 'nonsense'], ['sip:nosuch.example'], []]) {
    const s = stage(t)
    s.ask()
    const told = s.proxy(destinations)
    s.clock.advance(5)
    t.deepEqual(told(), ['NOK error proxying request to '], destinations.join())
    t.deepEqual(shapes(s.caller).slice(0, 2), ['100 INVITE', '500 INVITE'])
  }
  const s = stage(t, { transport: 'tcp' })
  const caller = s.network.peer('tcp', '10.0.0.9', 5091)
  caller.send(requestText({ method: 'INVITE', branch: 't', transport: 'TCP' }), engineAt)
  s.clock.advance(2)
  const told = s.proxy(['sip:10.0.0.2;transport=tcp'])
  s.clock.advance(5)
  t.deepEqual(told(), ['NOK error proxying request to '], 'a refused connection')
  t.deepEqual(
    caller.received.map(({ text }) => shape(text)),
    ['100 INVITE', '500 INVITE']
  )
})

test('the application goes away: its request goes on', (t) => {
  const s = stage(t)
  const callee = s.callee(2, answers(180))
  s.ask()
  s.proxy(['sip:10.0.0.2'])
  s.clock.advance(5)
  s.app.disconnect()
  const before = s.app.payloads.length
  callee.send(responseText(callee.received[0]!.text, 200), engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE', '200 INVITE'])
  t.is(s.app.payloads.length, before)
  s.over()
})

test('REGISTER: Path and Require in place of Record-Route', (t) => {
  const s = stage(t)
  const registrar = s.callee(2, answers(200))
  s.ask({ method: 'REGISTER', uri: 'sip:example.org', extra: ['Contact: <sip:a@10.0.0.9>', 'Supported: path'] })
  s.proxy(['sip:10.0.0.2'], { record: true })
  s.clock.advance(5)
  const sent = registrar.received[0]!.text
  t.is(headerOf(sent, 'Path'), '<sip:10.0.0.1:5060;lr>')
  t.is(headerOf(sent, 'Require'), 'path')
  t.is(headerOf(sent, 'Record-Route'), undefined)
  t.is(shapes(s.caller)[0], '200 REGISTER')
})

test('a REGISTER that came on a connection: calls to its contact go back over it', (t) => {
  const s = stage(t, { transport: 'tcp' })
  const registrar = s.network.peer('tcp', '10.0.0.2', 5060, (text) => {
    if (text.startsWith('REGISTER')) registrar.send(responseText(text, 200, { extra: ['Expires: 60'] }), engineAt)
  })
  const phone = s.network.peer('tcp', '10.0.0.8', 40_000)
  const contact = 'Contact: <sip:phone@abc.invalid;transport=tcp>'
  phone.send(requestText({ method: 'REGISTER', branch: 'r', transport: 'TCP', address: '10.0.0.8', extra: [contact] }), engineAt)
  s.clock.advance(2)
  s.proxy(['sip:10.0.0.2;transport=tcp'])
  s.clock.advance(5)
  t.is(shape(phone.received[0]!.text), '200 REGISTER')
  registrar.send(
    requestText({ method: 'OPTIONS', branch: 'o', transport: 'TCP', address: '10.0.0.2', port: 5060, callId: 'o' }),
    engineAt
  )
  s.clock.advance(2)
  s.proxy(['sip:phone@abc.invalid;transport=tcp'])
  s.clock.advance(2)
  t.is(shape(phone.received[1]!.text), 'OPTIONS')
})

test('in the dialog: re-INVITE and its CANCEL, any method, the refusals of a proxy', (t) => {
  const s = stage(t)
  const callee = s.callee(2, (text, self) => {
    if (text.startsWith('INVITE')) self.send(responseText(text, 180), engineAt)
    else if (text.startsWith('CANCEL')) {
      self.send(responseText(text, 200), engineAt)
      self.send(responseText(texts(callee, 'INVITE')[0]!, 487), engineAt)
    } else if (!text.startsWith('SIP/') && !text.startsWith('ACK')) self.send(responseText(text, 200), engineAt)
  })
  const dialog = { uri: 'sip:bob@10.0.0.2', to: '<sip:bob@example.org>;tag=rt', extra: ['Route: <sip:10.0.0.1;lr>'] }
  s.ask({ ...dialog, branch: 'y', cseq: 2 })
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE'])
  t.is(headerOf(callee.received[0]!.text, 'Record-Route'), undefined)
  s.caller.send(requestText({ method: 'CANCEL', branch: 'y', ...dialog, cseq: 2 }), engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE', '200 CANCEL', '487 INVITE'])
  acknowledge(s, 487, 'y')
  s.ask({ ...dialog, method: 'STRANGE', cseq: 3 })
  s.clock.advance(5)
  t.is(shapes(s.caller).at(-1), '200 STRANGE')
  s.ask({ ...dialog, method: 'INFO', cseq: 4, extra: [...dialog.extra, 'Proxy-Require: foo'] })
  s.clock.advance(5)
  t.is(shapes(s.caller).at(-1), '420 INFO')
  const [upstream, downstream] = [s.callee(3), s.callee(4)]
  s.ask({ ...dialog, method: 'INFO', cseq: 5, extra: ['Route: <sip:10.0.0.1;lr>, <sip:10.0.0.3;lr>'] })
  t.is(headerOf(upstream.received[0]!.text, 'Route'), '<sip:10.0.0.3;lr>')
  s.ask({ ...dialog, method: 'INFO', cseq: 6, extra: ['Route: <sip:10.0.0.1;lr>, <sip:10.0.0.4>'] })
  s.clock.advance(2)
  t.is(startLine(downstream.received[0]!.text), 'INFO sip:10.0.0.4 SIP/2.0')
  t.is(headerOf(downstream.received[0]!.text, 'Route'), '<sip:bob@10.0.0.2>')
  t.is(s.app.delivered().length, 0)
  s.over()
})

test('what is routed through us to ourselves is ours', (t) => {
  const s = stage(t)
  s.ask({
    method: 'BYE',
    uri: 'sip:bob@10.0.0.1:5060',
    to: '<sip:bob@example.org>;tag=gone',
    extra: ['Route: <sip:10.0.0.1;lr>']
  })
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['481 BYE'])
})

test('the same ACK has the same branch when it comes again', (t) => {
  const s = stage(t)
  const callee = s.callee(2)
  const ack = requestText({
    method: 'ACK',
    uri: 'sip:10.0.0.2',
    branch: 'ack',
    to: '<sip:bob@example.org>;tag=rt',
    extra: ['Route: <sip:10.0.0.1;lr>']
  })
  s.caller.send(ack, engineAt)
  s.caller.send(ack, engineAt)
  s.caller.send(ack.replace('z9hG4bKack', 'z9hG4bKother'), engineAt)
  s.caller.send(ack.replace('Max-Forwards: 70', 'Max-Forwards: 0'), engineAt)
  s.clock.advance(5)
  const [one, two, three] = callee.received.map(({ text }) => headersOf(text, 'Via')[0])
  t.is(one, two)
  t.not(one, three)
  t.is(callee.received.length, 3)
  t.is(s.engine.counts().serverTransactions, 0)
})

const reliable = (rseq: number) => (text: string, self: PeerSocket) => {
  const extra = ['Require: 100rel', `RSeq: ${rseq}`, `Contact: <sip:${self.address}>`]
  if (text.startsWith('INVITE')) self.send(responseText(text, 183, { tag: self.address, extra }), engineAt)
  if (text.startsWith('PRACK')) self.send(responseText(text, 200), engineAt)
}

test('reliable provisional responses of two forks are numbered through, and each fork gets its PRACK', (t) => {
  const s = stage(t)
  const first = s.callee(2, reliable(500))
  const second = s.callee(3, reliable(70))
  s.ask({ extra: ['Supported: 100rel'] })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'], { simultaneous: true, record: true })
  s.clock.advance(5)
  const early = texts(s.caller, '183 INVITE')
  t.deepEqual(
    early.map((text) => headerOf(text, 'RSeq')),
    ['500', '501']
  )
  for (const [index, text] of early.entries()) {
    const address = headerOf(text, 'To')!.split('tag=')[1]
    const extra = [`Route: ${headerOf(text, 'Record-Route')}`, `RAck: ${headerOf(text, 'RSeq')} 1 INVITE`]
    s.ask({ method: 'PRACK', uri: `sip:${address}`, to: headerOf(text, 'To')!, cseq: 2 + index, extra })
  }
  s.clock.advance(5)
  t.is(headerOf(texts(first, 'PRACK')[0]!, 'RAck'), '500 1 INVITE')
  t.is(headerOf(texts(second, 'PRACK')[0]!, 'RAck'), '70 1 INVITE')
  t.is(texts(s.caller, '200 PRACK').length, 2)
})

test('out of the path, forks keep their RSeq: the PRACK does not come this way', (t) => {
  const s = stage(t)
  s.callee(2, reliable(500))
  s.callee(3, reliable(70))
  s.ask({ extra: ['Supported: 100rel'] })
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3'], { simultaneous: true })
  s.clock.advance(5)
  t.deepEqual(
    texts(s.caller, '183 INVITE').map((text) => headerOf(text, 'RSeq')),
    ['500', '70']
  )
})

test('repeats: the INVITE is answered from here, the lost ACK of a failure made up for', (t) => {
  const s = stage(t)
  const callee = s.callee(2, answers(180))
  const invite = s.ask()
  s.proxy(['sip:10.0.0.2'])
  s.clock.advance(5)
  s.caller.send(invite, engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '180 INVITE', '180 INVITE'])
  t.deepEqual(shapes(callee), ['INVITE'])
  const busy = responseText(callee.received[0]!.text, 486)
  callee.send(busy, engineAt)
  callee.send(busy, engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(callee), ['INVITE', 'ACK', 'ACK'])
})

test('closing leaves nothing behind', (t) => {
  const s = stage(t)
  s.callee(2, answers(180))
  s.ask()
  s.proxy(['sip:10.0.0.2', 'sip:10.0.0.3', 'sip:nosuch.example'], { simultaneous: true, final: '9s', provisional: '8s' })
  s.clock.advance(5)
  s.engine.close()
  s.clock.advance(5)
  t.is(s.clock.pending(), 0)
})

test('CANCEL while a name is looked up: nothing is sent there', (t) => {
  const answers: (() => void)[] = []
  const names: NameService = {
    ask: (_, answered) => {
      answers.push(() => answered({ records: { ...noRecords, addresses: ['10.0.0.2'] }, ttlS: null }))
    },
    close: () => undefined
  }
  const s = stage(t, { names })
  const callee = s.callee(2)
  s.ask({ branch: 'x' })
  const told = s.proxy(['sip:slow.example:5060'])
  s.caller.send(requestText({ method: 'CANCEL', branch: 'x' }), engineAt)
  s.clock.advance(5)
  t.deepEqual(shapes(s.caller), ['100 INVITE', '200 CANCEL'])
  t.true(answers.length > 0)
  for (let next = answers.shift(); next !== undefined; next = answers.shift()) next()
  s.clock.advance(5)
  t.is(callee.received.length, 0)
  t.is(shapes(s.caller)[2], '487 INVITE')
  t.deepEqual(told(), ['done'])
  s.over()
})

test('a dialog of ours that was routed through us too: what has further to go goes on, the rest is shown', (t) => {
  const s = stage(t)
  const next = s.callee(3)
  s.ask()
  s.app.send(`sip|${s.app.delivered()[0]!.fields[8]}|`, 'SIP/2.0 200 OK\n\n')
  s.clock.advance(5)
  const answer = texts(s.caller, '200 INVITE')[0]!
  const dialog = { uri: 'sip:10.0.0.1:5060', to: headerOf(answer, 'To')!, branch: 'z' }
  s.ask({ ...dialog, method: 'ACK', branch: 'ack', extra: ['Route: <sip:10.0.0.1;lr>'] })
  s.ask({ ...dialog, method: 'INFO', cseq: 2, extra: ['Route: <sip:10.0.0.1;lr>'] })
  t.deepEqual(
    s.app.delivered().map(({ sip }) => shape(sip)),
    ['INVITE', 'ACK', 'INFO']
  )
  s.ask({ ...dialog, method: 'INFO', branch: 'z2', cseq: 3, extra: ['Route: <sip:10.0.0.1;lr>, <sip:10.0.0.3;lr>'] })
  t.is(s.app.delivered().length, 3)
  t.deepEqual(shapes(next), ['INFO'])
})

/** Cuts a text, doubles a piece of it or puts one in its place. */
function damaged(text: string, at: number, length: number, piece: string): string {
  const from = Math.floor(at * text.length)
  return text.slice(0, from) + piece + text.slice(from + length)
}

test('damaged commands, requests and responses are taken or refused, but never a defect; everything ends', (t) => {
  const damage = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat({ max: 30 }),
    fc.constantFrom(
      '',
      '\r\n',
      ' ',
      ';',
      ',',
      '"',
      '<',
      '>',
      '@',
      '|',
      '\0',
      '\xff',
      '9'.repeat(20),
      'sip:',
      'tag=',
      'z9hG4bK',
      'SIP/2.0'
    )
  )
  fc.assert(
    fc.property(fc.array(damage, { minLength: 3, maxLength: 3 }), fc.boolean(), ([first, second, third], harmless) => {
      const s = stage(t)
      const callee = s.callee(2, (text, self) => {
        if (text.startsWith('INVITE')) {
          const extra = [
            'Require: 100rel',
            'RSeq: 4',
            'Contact: <sip:x@10.0.0.3>;q=0.5, <sip:y@10.0.0.4>',
            'WWW-Authenticate: Digest nonce="n"'
          ]
          for (const status of [183, 302]) self.send(damaged(responseText(text, status, { extra }), ...first!), engineAt)
        }
      })
      s.ask()
      const command = `proxy|${s.app.delivered()[0]!.fields[8]}|remainInDialog|fullResponse|followRedirects|simultaneous|2s|30s|sip:10.0.0.2|sip:10.0.0.5`
      const sip = 'INVITE sip:10.0.0.2 SIP/2.0\nX-Extra: 1\nFrom: <sip:x@y>\n\n'
      const meta = harmless ? command : damaged(command, ...second!)
      if (meta.startsWith('proxy|') && !/[\r\n]/.test(meta) && meta.split('|').length > 3)
        s.app.send(meta, damaged(sip, ...third!))
      s.clock.advance(20)
      const route = ['Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>', 'RAck: 4 1 INVITE', 'Max-Breadth: 3']
      for (const method of ['PRACK', 'ACK', 'INVITE', 'BYE']) {
        const text = requestText({
          method,
          uri: 'sip:bob@10.0.0.2',
          to: '<sip:b@x>;tag=rt',
          branch: method,
          cseq: 2,
          extra: route
        })
        s.caller.send(damaged(text, ...second!), engineAt)
        s.clock.advance(5)
      }
      for (const { text } of [...callee.received]) {
        if (!text.startsWith('SIP/') && !text.startsWith('ACK'))
          callee.send(damaged(responseText(text, 200), ...third!), engineAt)
      }
      s.app.disconnect()
      s.clock.advance(500_000)
      t.is(s.counters.defects, 0)
      t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
      t.is(s.clock.pending(), 0)
    }),
    { numRuns: 150 }
  )
})

test('any behaviour of three callees and a lossy network: one failure or some answers, every failure acknowledged, nothing left', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        simultaneous: fc.boolean(),
        loss: fc.constantFrom(0, 0.2),
        cancelAtMs: fc.option(fc.integer({ min: 1, max: 5000 })),
        final: fc.constantFrom('', '3s'),
        callees: fc.array(
          fc.record({
            ringsAtMs: fc.option(fc.integer({ min: 0, max: 4000 })),
            answersAtMs: fc.integer({ min: 0, max: 6000 }),
            status: fc.constantFrom(200, 302, 404, 407, 486, 503, 603, null)
          }),
          { minLength: 1, maxLength: 3 }
        )
      }),
      (run) => {
        let random = run.seed >>> 0
        const chance = () => {
          random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
          return random / 2 ** 32
        }
        const s = stage(t, { network: { lose: () => chance() < run.loss, jitterMs: () => Math.floor(chance() * 3) } })
        const peers = run.callees.map((plan, index) => {
          let final: number | null = null
          let acknowledged = false
          const peer = s.callee(index + 2, (text, self) => {
            const invite = texts(self, 'INVITE')[0]!
            const answer = (status: number) => {
              if (final !== null) return
              final = status
              const untilMs = s.clock.monotonicMs() + 32_000
              const again = (waitMs: number) => {
                if (acknowledged || s.clock.monotonicMs() > untilMs) return
                self.send(responseText(invite, status, { tag: self.address }), engineAt)
                s.clock.after(waitMs, () => again(Math.min(waitMs * 2, 4000)))
              }
              again(500)
            }
            if (text.startsWith('ACK')) acknowledged = true
            if (text.startsWith('CANCEL')) {
              self.send(responseText(text, 200), engineAt)
              answer(487)
            }
            if (!text.startsWith('INVITE') || texts(self, 'INVITE').length > 1) return
            self.send(responseText(text, 100), engineAt)
            if (plan.ringsAtMs !== null) {
              s.clock.after(plan.ringsAtMs, () => final ?? self.send(responseText(text, 180, { tag: self.address }), engineAt))
            }
            if (plan.status !== null) s.clock.after(plan.answersAtMs, () => answer(plan.status!))
          })
          return { peer, outcome: () => ({ final, acknowledged }) }
        })
        const invite = requestText({ method: 'INVITE', uri: 'sip:bob@example.org', branch: 'p' })
        const repeat = (waitMs: number) => {
          if (s.caller.received.length > 0 || waitMs > 16_000) return
          s.caller.send(invite, engineAt)
          s.clock.after(waitMs, () => repeat(waitMs * 2))
        }
        repeat(500)
        while (s.app.delivered().length === 0 && s.clock.monotonicMs() < 20_000) s.clock.advance(10)
        if (s.app.delivered().length === 0) return
        const told = s.proxy(
          peers.map(({ peer }) => `sip:${peer.address}`),
          { simultaneous: run.simultaneous, final: run.final }
        )
        if (run.cancelAtMs !== null) {
          s.clock.after(run.cancelAtMs, () => s.caller.send(requestText({ method: 'CANCEL', branch: 'p' }), engineAt))
        }
        let heard = 0
        for (let step = 0; step < 10_000 && s.clock.pending() > 0; step++) {
          s.clock.advance(100)
          const failed = s.caller.received.map(({ text }) => shape(text)).filter((each) => /^[3-6]\d\d INVITE/.test(each))
          if (failed.length > heard) acknowledge(s, Number(failed[0]!.slice(0, 3)), 'p')
          heard = failed.length
        }
        const finals = new Set(
          s.caller.received
            .map(({ text }) => text)
            .filter((text) => /^SIP\/2\.0 [2-6]/.test(text) && shape(text).endsWith('INVITE'))
            .map((text) => `${shape(text)} ${headerOf(text, 'To')}`)
        )
        const failures = [...finals].filter((each) => !each.startsWith('2'))
        const won = peers.filter(({ outcome }) => outcome().final === 200)
        if (run.loss === 0) {
          t.true(finals.size > 0)
          t.is(failures.length, won.length > 0 ? failures.length : 1)
          for (const { outcome } of peers) {
            const { final, acknowledged } = outcome()
            if (final !== null && final !== 200) t.true(acknowledged)
          }
        }
        t.true(failures.length <= 1)
        t.is(told().at(-1), 'done')
        t.deepEqual(s.engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
        t.is(s.clock.pending(), 0)
        t.is(s.counters.defects, 0)
        s.engine.close()
      }
    ),
    { numRuns: 60 }
  )
})
