import test from 'ava'
import { DecodeError } from '#kernel'
import { parseMessage, type SipRequest } from './message.ts'
import { commonHeaders, requestInsanity, responseInsanity } from './sanity.ts'

/** Oddities one by one: what must be taken, and what must be refused and how. The messages of RFC 4475 and 5118 are in `torture.test.ts`. */

const base: Record<string, string> = {
  Via: 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKbase',
  From: '<sip:caller@example.net>;tag=f',
  To: '<sip:callee@example.net>',
  'Call-ID': 'base@192.0.2.2',
  CSeq: '8 INVITE',
  'Max-Forwards': '70',
  Contact: '<sip:caller@host5.example.net>',
  'Content-Length': '0'
}

function build(line: string, change: Record<string, string | undefined> = {}, extra: readonly string[] = [], body = ''): Buffer {
  const headers = Object.entries({ ...base, ...change }).filter(([, value]) => value !== undefined)
  return Buffer.from([line, ...headers.map(([name, value]) => `${name}: ${value}`), ...extra, '', body].join('\r\n'), 'latin1')
}

const verdict = (raw: Buffer): number => {
  const message = parseMessage(raw)
  if (message.kind === 'response') return responseInsanity(message) === undefined ? 0 : -1
  return requestInsanity(message)?.status ?? 0
}

const invite = 'INVITE sip:vivekg@chair-dnrc.example.com SIP/2.0'

const good: [string, Buffer][] = [
  [
    'a method of every character a token may have',
    build("!interesting-Method0123456789_*+`.%indeed'~ sip:h SIP/2.0", { CSeq: "1 !interesting-Method0123456789_*+`.%indeed'~" })
  ],
  [
    'escaped characters in a user part, also an escaped NUL',
    build('INVITE sip:sips%3Auser%40example.com%00@example.net SIP/2.0')
  ],
  ['display names with escapes and octets beyond ASCII', build(invite, { From: '"\\\\ \xc3\xa9 \\"" <sip:a@b>;tag=1' })],
  ['semicolons in a user part', build('INVITE sip:user;par=u%40example.net@example.com SIP/2.0')],
  ['a long URI and long header values within the limits', build(invite, { From: `"${'x'.repeat(3000)}" <sip:a@b>;tag=1` })],
  ['a tel URI', build('INVITE tel:+1-555-0100;phone-context=x SIP/2.0')],
  ['no Max-Forwards', build(invite, { 'Max-Forwards': undefined })],
  ['a From without tag (RFC 2543)', build(invite, { From: 'sip:a@b' })],
  ['an unknown scheme in a header that is not ours to judge', build(invite, { To: 'isbn:2983792873' })],
  ['a body with octets of any kind', build(invite, { 'Content-Length': '4' }, [], '\x00\r\n\xff')],
  ['octets behind the body', build(invite, { 'Content-Length': '2' }, [], 'abINVITE sip:next SIP/2.0')],
  [
    'IPv6 everywhere (RFC 5118)',
    build('INVITE sip:[2001:db8::10] SIP/2.0', {
      Via: 'SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKx',
      Contact: '<sip:a@[2001:db8::9]:5070>'
    })
  ],
  ['an IPv4-mapped IPv6 address', build('INVITE sip:user@[::ffff:192.0.2.10]:19823 SIP/2.0')],
  ['a status of 6xx with an odd reason', build('SIP/2.0 669 \xd0\x9f \x80', { CSeq: '8 INVITE' })]
]

for (const [name, raw] of good) test(`taken: ${name}`, (t) => t.is(verdict(raw), 0))

const bad: [string, Buffer, number][] = [
  ['a method that differs from CSeq', build(invite, { CSeq: '8 OPTIONS' }), 400],
  ['an unknown method that differs from CSeq', build('NEWMETHOD sip:h SIP/2.0'), 400],
  ['a CSeq number beyond 2^31', build(invite, { CSeq: '36893488147419103232 INVITE' }), 400],
  ['a negative Content-Length', build(invite, { 'Content-Length': '-999' }), 400],
  ['a Content-Length beyond the datagram', build(invite, { 'Content-Length': '9999' }), 400],
  ['two different Content-Lengths', build(invite, {}, ['l: 3']), 400],
  ['an unterminated quoted string in To', build(invite, { To: '"Mr. J. User <sip:j.user@example.com>' }), 400],
  ['angle brackets around the Request-URI', build('INVITE <sip:user@example.com> SIP/2.0'), 400],
  ['blanks inside the Request-URI', build('INVITE sip:user@example.com; lr SIP/2.0'), 400],
  ['several blanks between the parts of the request line', build('INVITE  sip:user@example.com  SIP/2.0'), 400],
  ['a blank behind the request line', build('INVITE sip:user@example.com SIP/2.0 '), 400],
  ['escaped headers in the Request-URI that break its host', build('INVITE sip:user@exa mple.com SIP/2.0'), 400],
  ['a version of the future', build('INVITE sip:h SIP/7.0'), 505],
  ['an unknown scheme in the Request-URI', build('INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0'), 416],
  ['a Max-Forwards above 255', build(invite, { 'Max-Forwards': '3000' }), 400],
  ['repeated single headers', build(invite, {}, ['Call-ID: another', 'To: <sip:x@y>']), 400],
  ['a missing From', build(invite, { From: undefined }), 400],
  ['a missing Call-ID', build(invite, { 'Call-ID': undefined }), 400],
  ['a Call-ID with a blank', build(invite, { 'Call-ID': 'a b' }), 400],
  ['a Contact without closing bracket', build(invite, { Contact: '<sip:user@example.com' }), 400],
  ['a malformed Route', build(invite, {}, ['Route: <sip:x']), 400],
  [
    'Contact * in a REGISTER that does not unregister',
    build('REGISTER sip:h SIP/2.0', { CSeq: '1 REGISTER', Contact: '*' }, ['Expires: 60']),
    400
  ],
  ['a header line without colon', build(invite, {}, ['no colon here']), 400],
  ['a header name with a blank', build(invite, {}, ['bad name: x']), 400],
  ['a line feed alone in a value', build(invite, { Subject: 'a\nVia: evil' }), 400],
  ['a Via of another protocol version', build(invite, { Via: 'SIP/1.0/UDP h' }), 400],
  ['a response with an overlarge CSeq', build('SIP/2.0 200 OK', { CSeq: '4294967301 INVITE' }), -1],
  ['a response of another version', build('SIP/3.0 200 OK'), -1],
  ['a response without To', build('SIP/2.0 200 OK', { To: undefined }), -1]
]

for (const [name, raw, status] of bad) test(`refused: ${name}`, (t) => t.is(verdict(raw), status))

test('a fault of a value names its header and the octet where the value begins', (t) => {
  const raw = build(invite, { 'Max-Forwards': '3000' })
  const insanity = requestInsanity(parseMessage(raw) as SipRequest)!
  t.deepEqual([insanity.error.path, insanity.error.bitOffset], ['Max-Forwards', raw.indexOf('3000') * 8])
  const missing = requestInsanity(parseMessage(build(invite, { To: undefined })) as SipRequest)!
  t.deepEqual([missing.error.path, missing.error.code], ['To', 'sip.to.missing'])
})

test('what every message must have is read once', (t) => {
  const message = parseMessage(build(invite))
  const read = commonHeaders(message)
  t.deepEqual([read.cseq, read.callId, read.via.host], [{ number: 8, method: 'INVITE' }, 'base@192.0.2.2', '192.0.2.2'])
  t.is(commonHeaders(message), read)
  t.throws(() => commonHeaders(parseMessage(build(invite, { CSeq: 'x' }))), {
    instanceOf: DecodeError,
    code: 'sip.cseq.malformed'
  })
})
