import test from 'ava'
import { parseMessage, type SipMessage } from '../codec/message.ts'
import { responseInsanity } from '../codec/sanity.ts'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headersOf, startLine } from '../testing/sip-text.ts'
import { tortureMessage, tortureMessages } from '../testing/torture.ts'
import { createStreamFramer } from '../transport/stream-framer.ts'

/**
 * What the engine does with the messages of RFC 4475 and RFC 5118 that reach it by UDP, beyond what the codec says of them:
 *
 * - a number: the final status the engine gives by itself;
 * - `delivered`: the application sees it, and decides;
 * - `dropped`: nobody hears of it.
 */
const outcomes: Record<string, number | 'delivered' | 'dropped'> = {
  // A tag in To names a dialog that is not there.
  wsinv: 481,
  intmeth: 405,
  esc01: 'delivered',
  escnull: 'delivered',
  // Escapes in a method mean nothing: this is no REGISTER.
  esc02: 405,
  lwsdisp: 'delivered',
  longreq: 'delivered',
  dblreq: 'delivered',
  semiuri: 'delivered',
  transports: 'delivered',
  mpart01: 'delivered',
  unreason: 'dropped',
  noreason: 'dropped',
  badinv01: 400,
  clerr: 400,
  ncl: 400,
  scalar02: 400,
  scalarlg: 'dropped',
  quotbal: 400,
  ltgtruri: 400,
  lwsruri: 400,
  lwsstart: 400,
  trws: 400,
  escruri: 400,
  baddate: 'delivered',
  regbadct: 400,
  badaspec: 'delivered',
  baddn: 400,
  badvers: 505,
  mismatch01: 400,
  mismatch02: 400,
  bigcode: 'dropped',
  badbranch: 'delivered',
  insuf: 400,
  unkscm: 416,
  novelsc: 416,
  unksm2: 'delivered',
  bext01: 'delivered',
  invut: 'delivered',
  regaut01: 'delivered',
  multi01: 400,
  mcl01: 400,
  bcast: 'dropped',
  // Max-Forwards: 0 stops a proxy, not the end of the way.
  zeromf: 'delivered',
  cparam01: 'delivered',
  cparam02: 'delivered',
  regescrt: 'delivered',
  sdp01: 'delivered',
  inv2543: 'delivered',
  'ipv6-good': 'delivered',
  'ipv6-bad': 400,
  'port-ambiguous': 'delivered',
  'port-unambiguous': 'delivered',
  'via-received-param-with-delim': 481,
  'via-received-param-no-delim': 'delivered',
  'ipv6-in-sdp': 'delivered',
  'mult-ip-in-header': 481,
  'mult-ip-in-sdp': 'delivered',
  'ipv4-mapped-ipv6': 'delivered',
  'ipv6-bug-abnf-3-colons': 'delivered',
  'ipv6-correct-abnf-2-colons': 'delivered'
}

const verbs = ['invite', 'register', 'options', 'message']

function createTorture() {
  const { network, at, engine, clock, counters } = createBench()
  const peer = network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(engine, verbs)
  return {
    peer,
    app,
    clock,
    counters,
    engine,
    send: (bytes: Buffer) => {
      engine.transportEvents.message(bytes, { listener: at, remote: { address: '10.0.0.9', port: 5090 }, connection: 0 })
      clock.advance(5)
    },
    /** Statuses the peer has been sent, `100 Trying` left out. */
    finals: () => peer.received.map(({ text }) => Number(startLine(text).split(' ')[1])).filter((status) => status !== 100)
  }
}

for (const { rfc, section, name, bytes } of tortureMessages) {
  test(`RFC ${rfc} §${section} ${name}`, (t) => {
    const s = createTorture()
    s.send(bytes)
    const expected = outcomes[name]!
    t.deepEqual(s.finals(), typeof expected === 'number' ? [expected] : [])
    t.is(s.app.delivered().length, expected === 'delivered' ? 1 : 0)
    t.is(s.counters.defects, 0)
    s.app.disconnect()
    s.clock.advance(400_000)
    t.true(Object.values(s.engine.counts()).every((count) => count === 0))
  })
}

test('what is delivered is the message as received, but for the marks in its top Via', (t) => {
  for (const { name, bytes } of tortureMessages.filter((each) => outcomes[each.name] === 'delivered')) {
    const s = createTorture()
    s.send(bytes)
    const shown = s.app.delivered()[0]!.sip.split('\r\n')
    const sent = bytes.toString('latin1').split('\r\n')
    const changed = shown.filter((line, index) => line !== sent[index])
    t.is(shown.length, sent.length, name)
    t.is(changed.length, 1, name)
    t.regex(changed[0]!, /^v(ia)?\s*:.*;rport=5090.*;received=10\.0\.0\.9$/i, name)
  }
})

/** Where the application decides: what it says goes back to the peer of that message, whatever was odd about it. */
const answers: [name: string, status: number, reason: string, extra: string][] = [
  ['bext01', 420, 'Bad Extension', 'Unsupported: nothingSupportsThis, nothingSupportsThisEither'],
  ['invut', 415, 'Unsupported Media Type', 'Accept: application/sdp'],
  ['regaut01', 401, 'Unauthorized', 'WWW-Authenticate: Digest realm="example.com", nonce="84a4", algorithm=SHA-256'],
  ['sdp01', 406, 'Not Acceptable', 'Warning: 399 example.com "text/nobodyKnowsThis"'],
  ['unksm2', 404, 'Not Found', 'Server: x'],
  ['badbranch', 200, 'OK', 'Accept: application/sdp'],
  ['transports', 200, 'OK', 'Accept: application/sdp'],
  ['inv2543', 486, 'Busy Here', 'Server: x'],
  ['longreq', 486, 'Busy Here', 'Server: x'],
  ['ipv4-mapped-ipv6', 486, 'Busy Here', 'Server: x'],
  ['port-ambiguous', 200, 'OK', 'Contact: <sip:caller@[2001:db8::1]>;expires=60']
]

for (const [name, status, reason, extra] of answers) {
  test(`the application answers ${name} with ${status}`, (t) => {
    const s = createTorture()
    const { bytes } = tortureMessage(name)
    s.send(bytes)
    s.app.send(`sip|${s.app.delivered()[0]!.fields[8]}|`, `SIP/2.0 ${status} ${reason}\n${extra}\n\n`)
    s.clock.advance(5)
    t.deepEqual(s.finals(), [status])
    const text = s.peer.received.at(-1)!.text
    const message: SipMessage = parseMessage(Buffer.from(text, 'latin1'))
    t.is(message.kind === 'response' ? responseInsanity(message) : 'request', undefined)
    const vias = bytes.toString('latin1').match(/^v(ia)?\s*:/gim)!.length
    t.is(headersOf(text, 'Via').length, vias)
    t.true(text.includes(extra))
  })
}

test('a repeated badbranch finds its transaction by the rules of RFC 2543', (t) => {
  const s = createTorture()
  const { bytes } = tortureMessage('badbranch')
  s.send(bytes)
  s.send(bytes)
  t.is(s.app.delivered().length, 1)
})

test('a request with a Via that cannot be read is answered where it came from, with that Via', (t) => {
  const s = createTorture()
  s.send(tortureMessage('badvers').bytes)
  t.deepEqual(headersOf(s.peer.received[0]!.text, 'Via'), ['SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw'])
})

test('dblreq on a stream is two requests, each with its body', (t) => {
  const framer = createStreamFramer({ headerSection: 65_536, body: 65_536 })
  const items = framer.push(Buffer.from(tortureMessage('dblreq').bytes))
  const messages = items.flatMap((item) => (item.type === 'message' ? [parseMessage(item.bytes)] : []))
  t.deepEqual(
    messages.map((message) => [message.kind === 'request' && message.method, message.body.length]),
    [
      ['REGISTER', 0],
      ['INVITE', 150]
    ]
  )
})
