import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { parseAddress, parseAddressList } from './address.ts'
import { parseCSeq, parseRAck } from './cseq.ts'
import { parseAuthSchemes } from './digest.ts'
import { parseSubscriptionState } from './event.ts'
import { defaultMessageLimits } from './limits.ts'
import { parseMediaType } from './media-type.ts'
import { allHeaders, header, headerLines, parseMessage, type SipMessage, type SipRequest, withHeaderValue } from './message.ts'
import { splitMultipart } from './multipart.ts'
import { headerKey, writtenName } from './names.ts'
import { parseReasons } from './reason.ts'
import { requestInsanity } from './sanity.ts'
import { encodeRequest, encodeResponse } from './serialize.ts'
import { parseTelUri } from './tel-uri.ts'
import { nextComma, parseParameters, splitList } from './text.ts'
import { parseHostPort, parseSipUri } from './uri.ts'
import { firstVia, markReceived, parseVia } from './via.ts'

const bytes = (...lines: string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
const message = (...lines: string[]): SipMessage => parseMessage(bytes(...lines))

test('a request: start line, header values on demand, body by Content-Length', (t) => {
  const raw = Buffer.from('\r\n\r\nINVITE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP h\r\nSUBJECT :\t hi  \r\nl:3\r\n\r\nabcdef')
  const parsed = parseMessage(raw) as SipRequest
  t.is(parsed.kind, 'request')
  t.deepEqual([parsed.method, parsed.uri, parsed.version], ['INVITE', 'sip:b@h', 'SIP/2.0'])
  t.is(header(parsed, 'via'), 'SIP/2.0/UDP h')
  t.is(header(parsed, 'subject'), 'hi')
  t.is(header(parsed, 'missing'), undefined)
  t.is(parsed.body.toString(), 'abc')
  t.is(parsed.bytes, raw)
})

test('a response with and without reason phrase', (t) => {
  const full = message('SIP/2.0 183 Session  Progress', 'a: b')
  t.deepEqual(full.kind === 'response' && [full.status, full.reason], [183, 'Session  Progress'])
  const bare = message('SIP/2.0 200', 'a: b')
  t.deepEqual(bare.kind === 'response' && [bare.status, bare.reason], [200, ''])
})

test('folding is undone in values and kept in the bytes; lines with one key are all found', (t) => {
  const parsed = message('OPTIONS sip:h SIP/2.0', 'Via: a', ' ;b', '\t;c', 'X: 1', 'VIA: d', 'v: e, f')
  t.is(header(parsed, 'via'), 'a ;b ;c')
  t.deepEqual(headerLines(parsed, 'via'), ['a ;b ;c', 'd', 'e, f'])
  t.true(parsed.bytes.includes('Via: a\r\n ;b\r\n\t;c'))
  t.deepEqual(allHeaders(parsed)[3], { name: 'v', key: 'via', value: 'e, f' })
})

test('a value is replaced and every other octet stays', (t) => {
  const parsed = message('OPTIONS sip:h SIP/2.0', 'X: \xe9\xff', 'Via :  old ', 'Y: 2')
  t.deepEqual(
    withHeaderValue(parsed, 'via', 'new value'),
    bytes('OPTIONS sip:h SIP/2.0', 'X: \xe9\xff', 'Via :  new value ', 'Y: 2')
  )
})

test('what is not SIP is thrown out with code, path and offset', (t) => {
  const cases: [Buffer, string][] = [
    [Buffer.from(''), 'sip.message.unterminated'],
    [Buffer.from('OPTIONS sip:h SIP/2.0\r\nVia: x\r\n'), 'sip.message.unterminated'],
    [bytes('hello world'), 'sip.start-line.malformed'],
    [bytes('SIP/2.0 99 Low', 'a: b'), 'sip.start-line.malformed'],
    [bytes('SIP/2.0 700 High', 'a: b'), 'sip.start-line.malformed'],
    [bytes(`OPTIONS sip:${'x'.repeat(5000)} SIP/2.0`, 'a: b'), 'sip.limit.start-line'],
    [bytes('OPTIONS sip:h SIP/2.0', ...Array.from({ length: 300 }, () => 'a: b')), 'sip.limit.header-count'],
    [bytes('OPTIONS sip:h SIP/2.0', `a: ${'x'.repeat(70_000)}`), 'sip.limit.header-section']
  ]
  for (const [raw, code] of cases) t.throws(() => parseMessage(raw), { instanceOf: DecodeError, code }, code)
  const large = Buffer.concat([bytes('OPTIONS sip:h SIP/2.0', 'a: b'), Buffer.alloc(20)])
  t.throws(() => parseMessage(large, { ...defaultMessageLimits, body: 19 }), { code: 'sip.limit.body' })
})

test('lesser faults are told by defect', (t) => {
  const defects: [string[], string][] = [
    [['OPTIONS sip:h SIP/2.0', 'no colon'], 'sip.header.malformed'],
    [['OPTIONS sip:h SIP/2.0', 'na me: x'], 'sip.header.name'],
    [['OPTIONS sip:h SIP/2.0', ': x'], 'sip.header.name'],
    [['OPTIONS sip:h SIP/2.0', 'a: b\nVia: c'], 'sip.header.bare-line-end'],
    [['OPTIONS sip:h SIP/2.0', 'a: b\rVia: c'], 'sip.header.bare-line-end'],
    [['OPTIONS sip:h SIP/2.0', `a: ${'x'.repeat(20_000)}`], 'sip.limit.header-line'],
    [['OPTIONS sip:h SIP/2.0', 'Content-Length: x'], 'sip.content-length.malformed'],
    [['OPTIONS sip:h SIP/2.0', 'Content-Length: 9'], 'sip.body.short'],
    [['OPTIONS  sip:h SIP/2.0', 'a: b'], 'sip.start-line.spacing'],
    [['OPTIONS sip:h a SIP/2.0', 'a: b'], 'sip.start-line.spacing']
  ]
  for (const [lines, code] of defects) t.is(message(...lines).defect?.code, code, code)
  t.regex(message('OPTIONS sip:h SIP/2.0', 'a: b', 'no colon').defect!.message, /octet 29/)
  t.is(
    message('OPTIONS  sip:h SIP/2.0', 'no colon', 'a: b\nVia: c').defect?.code,
    'sip.header.bare-line-end',
    'ahead of all others'
  )
})

test('any octets are read or refused with a DecodeError, never otherwise', (t) => {
  const valid = bytes('INVITE sip:b@h SIP/2.0', 'Via: SIP/2.0/UDP h;branch=z9hG4bKx', 'To: <sip:b@h>', 'Content-Length: 4')
  const attempt = (raw: Buffer): void => {
    try {
      const parsed = parseMessage(raw)
      if (parsed.kind === 'request') requestInsanity(parsed)
      allHeaders(parsed)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => attempt(Buffer.from(octets))),
    { numRuns: 500 }
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 }), (edits) => {
      const raw = Buffer.from(valid)
      for (const [at, value] of edits) raw[at] = value
      attempt(raw)
    }),
    { numRuns: 500 }
  )
  t.pass()
})

const token = fc.stringMatching(/^[A-Za-z0-9\-.!%*_+`'~]{1,12}$/)
const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]{0,30}[\x21-\x7e\x80-\xff])?$/)

test('decode(encode(m)) is m', (t) => {
  fc.assert(
    fc.property(
      token,
      fc.array(fc.tuple(token, value), { maxLength: 8 }),
      fc.uint8Array({ maxLength: 60 }),
      (method, headers, body) => {
        const lines = headers.filter(([name]) => headerKey(name) !== 'content-length')
        const encoded = encodeRequest({ method, uri: 'sip:b@h', headers: lines, body: Buffer.from(body) })
        const parsed = parseMessage(encoded) as SipRequest
        t.is(parsed.method, method)
        t.is(parsed.defect, null)
        t.deepEqual(parsed.body, Buffer.from(body))
        const got = allHeaders(parsed).filter(({ key }) => key !== 'content-length')
        t.deepEqual(got.map(({ name, value: text }) => [name, text]).sort(), lines.map(([name, text]) => [name, text]).sort())
      }
    ),
    { numRuns: 200 }
  )
  t.true(
    encodeResponse({ status: 200, reason: 'OK', headers: [], body: Buffer.from('ab') })
      .toString()
      .endsWith('Content-Length: 2\r\n\r\nab')
  )
})

test('names: compact forms, any case, canonical spelling', (t) => {
  t.is(headerKey('CALL-id'), 'call-id')
  for (const [compact, key] of [
    ['i', 'call-id'],
    ['M', 'contact'],
    ['x', 'session-expires'],
    ['o', 'event']
  ])
    t.is(headerKey(compact!), key)
  t.is(headerKey('bad name'), undefined)
  t.is(headerKey(''), undefined)
  t.deepEqual(['cseq', 'f', 'www-authenticate', 'x-Foo', 'X-bar', 'foo-bar', 'P-Charge'].map(writtenName), [
    'CSeq',
    'From',
    'WWW-Authenticate',
    'x-Foo',
    'X-bar',
    'Foo-Bar',
    'P-Charge'
  ])
})

test('URIs of every form', (t) => {
  t.deepEqual(parseSipUri('sip:host'), { scheme: 'sip', user: null, host: 'host', port: null, params: new Map(), headers: null })
  const full = parseSipUri('SIPS:al%20ice;x=1?y:pw@Example.COM:5061;transport=tls;lr?subject=a&to=b')!
  t.deepEqual(
    [full.scheme, full.user, full.host, full.port, full.headers],
    ['sips', 'al%20ice;x=1?y:pw', 'example.com', 5061, 'subject=a&to=b']
  )
  t.deepEqual(
    [...full.params],
    [
      ['transport', 'tls'],
      ['lr', null]
    ]
  )
  const six = parseSipUri('sip:[2001:DB8::1]:5070')!
  t.deepEqual([six.host, six.port], ['2001:db8::1', 5070])
  for (const bad of [
    '',
    'sip:',
    'sip:@h',
    'sip:a@b@c',
    'sip:h:99999',
    'sip:h:',
    'sip:[::1',
    'sip:[zz]',
    'sip:a b',
    'tel:1',
    'sip:<h>',
    'sip:-h',
    'sip:h;=x',
    'mailto:x@y'
  ]) {
    t.is(parseSipUri(bad), undefined, bad)
  }
  t.is(parseHostPort('h:0x1'), undefined)
})

test('addresses: display names, quotes, brackets, parameters outside and inside', (t) => {
  t.deepEqual(parseAddress('"A \\" <b>, c" <sip:a@h;p=1>;tag=x;q'), {
    display: '"A \\" <b>, c"',
    uri: 'sip:a@h;p=1',
    params: new Map([
      ['tag', 'x'],
      ['q', null]
    ])
  })
  t.deepEqual(parseAddress('sip:a@h;tag=x'), { display: null, uri: 'sip:a@h', params: new Map([['tag', 'x']]) })
  t.is(parseAddress('Bob Smith <tel:+1>')!.display, 'Bob Smith')
  t.is(parseAddress('Piet\xc3\xa0 <tel:+1>')!.display, 'Piet\xc3\xa0', 'the last octet of UTF-8 is no blank')
  t.is(parseAddress('<sip:a> ; Tag = y')!.params.get('tag'), 'y')
  for (const bad of ['', '<sip:a', 'sip a', '"x <sip:a>', '<>', '<sip:a>x', '"a" sip:b']) t.is(parseAddress(bad), undefined, bad)
  t.deepEqual(
    parseAddressList(['<sip:a>, "x,y" <sip:b>', 'sip:c'])?.map(({ uri }) => uri),
    ['sip:a', 'sip:b', 'sip:c']
  )
  t.is(parseAddressList(['<sip:a>, bad']), undefined)
})

test('Via: blanks, IPv6, parameters; marked as RFC 3581 has it', (t) => {
  const via = parseVia('SIP / 2.0 / udp first.Example: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7')!
  t.deepEqual([via.transport, via.host, via.port, via.params.get('branch')], ['UDP', 'first.example', 4000, 'z9hG4bKa7'])
  t.is(parseVia('SIP/2.0/TCP [2001:db8::9:1];branch=z')!.host, '2001:db8::9:1')
  for (const bad of ['', 'SIP/2.0/UDP', 'SIP/1.0/UDP h', 'SIP/2.0/UDP h:x', 'SIP/2.0/UDP [::1', 'UDP h'])
    t.is(parseVia(bad), undefined, bad)
  const mark = (line: string) => markReceived(line, parseVia(firstVia(line))!, '192.0.2.1', 9)
  t.is(mark('SIP/2.0/UDP 192.0.2.1;branch=z'), 'SIP/2.0/UDP 192.0.2.1;branch=z;rport=9')
  t.is(mark('SIP/2.0/UDP h;rport;branch=z, SIP/2.0/UDP i'), 'SIP/2.0/UDP h;rport=9;branch=z;received=192.0.2.1, SIP/2.0/UDP i')
  t.is(mark('SIP/2.0/UDP h;rport=1;received=198.51.100.1'), 'SIP/2.0/UDP h;rport=9;received=192.0.2.1')
})

test('CSeq and RAck', (t) => {
  t.deepEqual(parseCSeq('2147483647\t INVITE'), { number: 2_147_483_647, method: 'INVITE' })
  for (const bad of ['', '1', 'INVITE 1', '2147483648 X', '-1 X', '1 IN VITE']) t.is(parseCSeq(bad), undefined, bad)
  t.deepEqual(parseRAck('640919323 1 INVITE INVITE'), { rseq: 640_919_323, cseq: { number: 1, method: 'INVITE' } })
  t.is(parseRAck('1 INVITE'), undefined)
})

test('lists and parameters outside quotes', (t) => {
  t.deepEqual(splitList('a, "b,\\",c" , <d,e>;f,,'), ['a', '"b,\\",c"', '<d,e>;f'])
  t.is(nextComma('<a,b>'), -1)
  t.deepEqual(
    [...parseParameters(' ; A = "x;y" ;b;c=1;')!],
    [
      ['a', '"x;y"'],
      ['b', null],
      ['c', '1']
    ]
  )
  for (const bad of ['x', ';=1', ';a="x', ';;a']) t.is(parseParameters(bad), undefined, bad)
})

test('hostile input is read in linear time', (t) => {
  const blanks = ' '.repeat(15_000)
  const values = [
    `sip:${'a'.repeat(15_000)}@${'b.'.repeat(100)}`,
    `"${'\\'.repeat(15_000)}`,
    `<${'<'.repeat(15_000)}`,
    ';a'.repeat(5000),
    blanks,
    `a${blanks}b`,
    `Digest a=${',a='.repeat(4000)}`,
    `a${blanks}:${blanks}b`
  ]
  const messages = [
    message('OPTIONS sip:h SIP/2.0', `From: a${blanks}b`, ' c', `X: ${`${' '.repeat(60)}\r\n `.repeat(500)}x`),
    message(`OPTIONS${' '.repeat(4000)}x SIP/2.0`, 'a: b'),
    message('OPTIONS sip:h SIP/2.0', ...Array.from({ length: 255 }, () => 'x'.repeat(250)))
  ]
  const parts = Buffer.from(`--b\r\n${`A: x${' '.repeat(8000)}y\r\n z\r\n\r\n\r\n--b\r\n`.repeat(60)}\r\n\r\n--b--`)
  const start = performance.now()
  for (let round = 0; round < 20; round++) {
    for (const text of values) {
      parseSipUri(text)
      parseTelUri(`tel:+${text}`)
      parseAddress(text)
      parseVia(`SIP/2.0/UDP ${text}`)
      parseVia(`SIP${text}`)
      splitList(text)
      parseParameters(text)
      parseAuthSchemes(text)
      parseReasons(text)
      parseSubscriptionState(text)
      parseMediaType(text)
    }
    for (const each of messages) {
      parseMessage(each.bytes)
      allHeaders(each)
    }
    splitMultipart(parts, 'b')
  }
  t.true(performance.now() - start < 2000)
})
