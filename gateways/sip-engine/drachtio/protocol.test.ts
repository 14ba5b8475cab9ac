import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { parseClientMessage } from './client-message.ts'
import { encodeFrame, frameHead } from './framing.ts'
import { contentType, readDraft, wireAddress, wireContact, wireOthers } from './header-rules.ts'
import {
  networkMessage,
  newRequest,
  nokReply,
  noReply,
  okReply,
  requestSent,
  responseSent,
  unsolicited,
  wireTime
} from './server-message.ts'

test('a frame counts octets, not characters', (t) => {
  const meta = Buffer.from('id|sip|ü', 'utf8').toString('latin1')
  t.deepEqual(encodeFrame(meta), Buffer.from('9#id|sip|ü', 'utf8'))
  const body = Buffer.from('SIP/2.0 200 OK\r\n\r\né', 'utf8')
  const frame = encodeFrame('m', body)
  const head = frameHead(frame)!
  t.is(head.end, frame.length)
  t.deepEqual(frame.subarray(head.start), Buffer.concat([Buffer.from('m\r\n'), body]))
})

test('frames are found again however the stream is cut', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 6 }), (payloads) => {
      const stream = Buffer.concat(payloads.map((payload) => encodeFrame('x', payload)))
      let at = 0
      for (const payload of payloads) {
        const head = frameHead(stream, at)!
        t.deepEqual(stream.subarray(head.start + 3, head.end), Buffer.from(payload))
        for (let cut = at; cut < head.start; cut++) t.is(frameHead(stream.subarray(0, cut), at), undefined)
        at = head.end
      }
      t.is(at, stream.length)
    }),
    { numRuns: 100 }
  )
})

test('length fields that are no numbers, begin with zero or are too large', (t) => {
  for (const bad of ['abc#x', '#x', '05#hello', '-1#x', '1048577#', '99999999999999999999#', '1 #x']) {
    t.throws(() => frameHead(Buffer.from(bad)), { instanceOf: DecodeError, code: 'drachtio.frame.length' }, bad)
  }
  t.is(frameHead(Buffer.from('1048576')), undefined)
  t.deepEqual(frameHead(Buffer.from('1048576#')), { start: 8, end: 8 + 1_048_576 })
})

const parsed = (text: string) => parseClientMessage(Buffer.from(text, 'utf8'))

test('the kinds of application messages are told apart', (t) => {
  t.deepEqual(parsed('1|authenticate|s3cret|a,b'), { kind: 'authenticate', id: '1', secret: 's3cret', tags: ['a', 'b'] })
  t.deepEqual(parsed('1|authenticate|é|'), { kind: 'authenticate', id: '1', secret: 'é', tags: [] })
  t.deepEqual(parsed('1|ping'), { kind: 'ping', id: '1' })
  t.deepEqual(parsed('1|route|INVITE'), { kind: 'route', id: '1', verb: 'invite' })
  t.deepEqual(parsed('1|remove_route|invite'), { kind: 'removeRoute', id: '1', verb: 'invite' })
  const sip = (text: string) => Buffer.from(text)
  t.deepEqual(parsed('1|sip|tx|\r\nSIP/2.0 200 OK\r\n\r\n'), {
    kind: 'response',
    id: '1',
    transactionId: 'tx',
    sip: sip('SIP/2.0 200 OK\r\n\r\n')
  })
  t.deepEqual(parsed('1|sip||c;from-tag=t\r\nBYE x'), {
    kind: 'dialogRequest',
    id: '1',
    dialogId: 'c;from-tag=t',
    sip: sip('BYE x')
  })
  t.deepEqual(parsed('1|sip|tx|\r\nCANCEL x'), { kind: 'cancel', id: '1', transactionId: 'tx', sip: sip('CANCEL x') })
  t.deepEqual(parsed('1|sip|||sip:p\r\nINVITE x'), { kind: 'newRequest', id: '1', nextHop: 'sip:p', sip: sip('INVITE x') })
  t.deepEqual(parsed('1|sip||\r\nSIP/2.0 200 OK'), { kind: 'refused', id: '1', text: 'transaction id missing' })
  t.like(parsed('1|proxy|tx|remainInDialog|fullResponse||serial|||sip:x|sip:y'), {
    kind: 'proxy',
    transactionId: 'tx',
    remainInDialog: true,
    fullResponse: true,
    followRedirects: false,
    simultaneous: false,
    provisionalTimeout: '',
    finalTimeout: '',
    destinations: ['sip:x', 'sip:y']
  })
  t.like(parsed('1|proxy|tx|||followRedirects|simultaneous|2s|1500ms|sip:x\r\nINVITE sip:x SIP/2.0\r\n'), {
    remainInDialog: false,
    fullResponse: false,
    followRedirects: true,
    simultaneous: true,
    provisionalTimeout: '2s',
    finalTimeout: '1500ms',
    destinations: ['sip:x'],
    sip: Buffer.from('INVITE sip:x SIP/2.0\r\n')
  })
  t.is(parsed('1|proxy|tx').kind, 'refused')
  t.deepEqual(parsed('hello'), { kind: 'refused', id: 'hello', text: 'Invalid message format' })
  t.deepEqual(parsed('1|bogus|x'), { kind: 'refused', id: '1', text: 'Unknown message type' })
})

test('any octets are read without a throw', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => typeof parseClientMessage(Buffer.from(octets)).kind === 'string')
  )
  t.pass()
})

test('meta lines have their fields where drachtio-srf looks for them', (t) => {
  const wire = { octets: 345, transport: 'udp', address: '192.0.2.1', port: 5060, time: '05:39:51.046330' }
  t.is(okReply('i', 'r'), 'i|response|r|OK')
  t.is(okReply('i', 'r', 'pong'), 'i|response|r|OK|pong')
  t.is(noReply('i', 'r', 'incorrect secret'), 'i|response|r|NO|incorrect secret')
  t.is(nokReply('i', 'r', 'text'), 'i|response|r|NOK|text')
  t.is(requestSent('i', 'r', wire, 'tx'), 'i|response|r|OK|application|345|udp|192.0.2.1|5060|05:39:51.046330|tx|Msg sent:|')
  t.is(
    responseSent('i', 'r', wire, 'tx', 'd'),
    'i|response|r|OK|application|345|udp|192.0.2.1|5060|05:39:51.046330|tx|d||Msg sent:|'
  )
  t.is(
    newRequest('i', wire, 'tx', { address: '192.0.2.9', port: 5070 }),
    'i|sip|network|345|udp|192.0.2.1|5060|05:39:51.046330|tx||192.0.2.9|5070|'
  )
  t.is(networkMessage('i', wire, 'tx', 'd'), 'i|sip|network|345|udp|192.0.2.1|5060|05:39:51.046330|tx|d|')
  t.is(unsolicited('i', wire, 'd'), 'i|sip|application|345|udp|192.0.2.1|5060|05:39:51.046330|unsolicited|d|')
})

test('wire time is the time of day in UTC with microseconds', (t) => {
  t.is(wireTime(Date.UTC(2026, 6, 20, 5, 9, 1, 46) + 0.33), '05:09:01.046330')
  t.is(wireTime(Date.UTC(2026, 6, 20, 23, 59, 59, 999) + 0.9995), '23:59:59.999999')
})

test('a draft: its own Content-Length is ignored, a missing empty line forgiven, bad lines left out', (t) => {
  const draft = readDraft(
    Buffer.from(
      'SIP/2.0 200 OK\r\nContent-Length: 2\r\nno colon\r\nx y: 1\r\nX-B: 2\r\nContact: <sip:a>\r\nContact: <sip:b>\r\n\r\nv=0 é',
      'utf8'
    )
  )
  t.is(draft.body.toString('utf8'), 'v=0 é')
  t.deepEqual(draft.others, [['X-B', '2']])
  t.is(draft.placed.get('contact'), '<sip:a>, <sip:b>')
  t.is(contentType(draft), 'application/sdp')
  t.deepEqual(readDraft(Buffer.from('BYE sip:x SIP/2.0\r\nReason: y')).others, [['Reason', 'y']])
  t.throws(() => readDraft(Buffer.from('BYE sip:x SIP/2.0\r\nX-A: a\nVia: injected\r\n\r\n')), {
    code: 'sip.header.bare-line-end'
  })
})

test('addresses of the application for the wire', (t) => {
  t.is(wireAddress('sip:x@localhost', '192.0.2.1:5060'), '<sip:x@192.0.2.1:5060>')
  t.is(wireAddress('sip:localhost', '192.0.2.1:5060'), '<sip:192.0.2.1:5060>')
  t.is(wireAddress('"N" <sip:x@localhost;a=b>;tag=1', 'h:1'), '"N" <sip:x@h:1;a=b>;tag=1')
  t.is(wireAddress('sip:x@localhost.example', 'h:1'), '<sip:x@localhost.example>')
  t.is(wireAddress('nonsense', 'h:1'), undefined)
  t.is(wireContact('sip:a@localhost;expires=1,<sip:b@localhost>', 'h:1'), '<sip:a@h:1>;expires=1, <sip:b@h:1>')
  t.is(wireContact('*', 'h:1'), '*')
  t.is(wireContact('<<', 'h:1'), undefined)
})

const others = (headers: string, preserved: readonly string[] = []) =>
  readDraft(Buffer.from(`SIP/2.0 200 OK\r\n${headers}\r\n\r\n`), undefined, new Set(preserved)).others

test('what an application may not set is left out, in any spelling', (t) => {
  t.deepEqual(others('Via: a\r\nv: b\r\nROUTE: c\r\nrecord-route: d\r\nRSeq: 1\r\nl: 5\r\nContent-Length: 5\r\nReason: r'), [
    ['Reason', 'r']
  ])
})

test('names: canonical where the standards know them, parts capitalised elsewhere, X- and preserved ones as given', (t) => {
  t.deepEqual(
    others('www-authenticate: 1\r\ns: 2\r\nfoo-bar: 3\r\nx-foo: 4\r\nX-fOO: 5\r\nmy-own: 6\r\nUSER-agent: 7', [
      'my-own',
      'user-agent'
    ]),
    [
      ['WWW-Authenticate', '1'],
      ['Subject', '2'],
      ['Foo-Bar', '3'],
      ['x-foo', '4'],
      ['X-fOO', '5'],
      ['my-own', '6'],
      ['User-Agent', '7']
    ]
  )
})

test('P-Asserted-Identity: localhost is replaced, bare or not; other values stay as they are', (t) => {
  const wire = (value: string) =>
    wireOthers(readDraft(Buffer.from(`SIP/2.0 200 OK\r\nP-Asserted-Identity: ${value}\r\n\r\n`)), 'h:1')[0]![1]
  t.is(wire('sip:a@localhost'), '<sip:a@h:1>')
  t.is(wire('"A" <sip:a@localhost>, tel:+1'), '"A" <sip:a@h:1>, <tel:+1>')
  t.is(wire('sip:a@example.org'), 'sip:a@example.org')
})

test('no text of an application puts a line of its own into a message', (t) => {
  const text = fc.stringMatching(/^[ -~\r\n\t:;,<>"@]{0,80}$/)
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (lines) => {
      let draft: ReturnType<typeof readDraft>
      try {
        draft = readDraft(Buffer.from(`SIP/2.0 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
      } catch (error) {
        return error instanceof DecodeError
      }
      return [...draft.placed, ...wireOthers(draft, 'h:1')].every(
        ([name, value]) => /^[^\s:]+$/.test(name) && !/[\r\n](?![ \t])/.test(value)
      )
    }),
    { numRuns: 500 }
  )
  t.pass()
})
