import test from 'ava'
import fc from 'fast-check'
import { tagOf } from './address.ts'
import { header, headerLines, parseMessage } from './message.ts'
import { commonHeaders, requestInsanity } from './sanity.ts'
import { ackTag, scanRequest } from './scan.ts'

const usual = [
  ['Via', 'SIP/2.0/UDP 192.0.2.9:5090;branch=z9hG4bKa;rport'],
  ['From', '"A" <sip:a@192.0.2.9>;tag=1'],
  ['To', '"Bob" <sip:b@192.0.2.1>'],
  ['Call-ID', 'c1@192.0.2.9'],
  ['CSeq', '1 INVITE'],
  ['Max-Forwards', '70'],
  ['Contact', '<sip:a@192.0.2.9:5090>']
] as const

const written = (
  lines: readonly (readonly [string, string])[],
  startLine = 'INVITE sip:b@192.0.2.1 SIP/2.0',
  body = ''
): Buffer => Buffer.from(`${startLine}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`, 'latin1')

const instead = (name: string, value: string) => usual.map((line) => (line[0] === name ? ([name, value] as const) : line))

test('a request in usual form is recognised, and its values are those the parser reads', (t) => {
  for (const lines of [
    usual,
    [...usual].reverse(),
    [['Via', 'SIP/2.0/UDP proxy.example.com;branch=z9hG4bKp'] as const, ...usual],
    usual.map(([name, value]) => [{ Via: 'v', From: 'f', To: 't', 'Call-ID': 'i' }[name as string] ?? name, value] as const),
    usual.map(([name, value]) => [name.toUpperCase(), ` \t${value} `] as const)
  ]) {
    const bytes = written(lines, undefined, 'v=0\r\n')
    const scanned = scanRequest(bytes)!
    const read = parseMessage(bytes)
    t.is(scanned.method, 'INVITE')
    t.deepEqual(scanned.vias, headerLines(read, 'via'))
    t.deepEqual(
      [scanned.from, scanned.to, scanned.callId, scanned.cseq],
      ['from', 'to', 'call-id', 'cseq'].map((key) => header(read, key)!)
    )
    t.deepEqual(scanned.via, commonHeaders(read).via)
  }
})

test('what is unusual is left to the parser', (t) => {
  for (const [bytes, why] of [
    [written(instead('To', '<sip:b@192.0.2.1>;tag=x')), 'in a dialog'],
    [written(instead('From', '<sip:a@192.0.2.9>\r\n ;tag=1')), 'folded'],
    [written(instead('From', '<sip:a@192.0.2.9>\n;tag=1')), 'a bare line end'],
    [written(instead('Via', 'nonsense')), 'no Via'],
    [written(instead('CSeq', '1 OPTIONS')), 'CSeq of another method'],
    [written(usual.slice(1)), 'Via missing'],
    [written(usual.filter(([name]) => name !== 'Call-ID')), 'Call-ID missing'],
    [written([...usual, ['From', '<sip:x@192.0.2.9>']]), 'From twice'],
    [written([['From', ''], ...usual]), 'From twice, once empty'],
    [written(usual, 'INVITE sip:b@192.0.2.1 SIP/3.0'), 'another version'],
    [written(usual).subarray(0, -2), 'no end of the head'],
    [written([...usual, ['X', 'x'.repeat(5000)]]), 'too long'],
    [Buffer.from('SIP/2.0 200 OK\r\n\r\n'), 'a response'],
    [Buffer.alloc(0), 'nothing']
  ] as const)
    t.is(scanRequest(bytes), undefined, why)
})

test('scanner and parser agree on whatever the scanner recognises', (t) => {
  const value = fc.oneof(
    fc.constantFrom(
      ...usual.map(([, text]) => text),
      '',
      '1 OPTIONS',
      'SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKb, SIP/2.0/UDP a'
    ),
    fc.string({ unit: fc.constantFrom(...' \t\r\n:;,<>"=@a1'), maxLength: 12 })
  )
  const name = fc.oneof(
    fc.constantFrom(
      ...usual.map(([text]) => text),
      'v',
      'F',
      't',
      'i',
      'VIA',
      'call-id',
      'Cseq ',
      'X-Y',
      'Content-Length',
      'To\t'
    ),
    fc.string({ maxLength: 4 })
  )
  const lines = fc
    .tuple(fc.shuffledSubarray([...usual], { minLength: 6 }), fc.array(fc.tuple(name, value), { maxLength: 2 }), fc.nat(7))
    .map(([some, more, at]) => [...some.slice(0, at), ...more, ...some.slice(at)])
  const startLine = fc.oneof(
    { weight: 5, arbitrary: fc.constant('INVITE sip:b@192.0.2.1 SIP/2.0') },
    fc.constantFrom(
      'OPTIONS sip:b SIP/2.0',
      'INVITE  SIP/2.0',
      ' SIP/2.0',
      'SIP/2.0',
      'INVITE a b SIP/2.0',
      'SIP/2.0 200 a SIP/2.0'
    )
  )
  let recognised = 0
  fc.assert(
    fc.property(lines, startLine, (headers, first) => {
      const bytes = written(headers, first)
      const scanned = scanRequest(bytes)
      if (scanned === undefined) return
      const read = parseMessage(bytes)
      if (read.kind !== 'request') return t.fail('a response was taken for a request')
      recognised++
      t.is(scanned.method, read.method)
      t.deepEqual(scanned.vias, headerLines(read, 'via'))
      for (const [key, text] of [
        ['from', scanned.from],
        ['to', scanned.to],
        ['call-id', scanned.callId],
        ['cseq', scanned.cseq]
      ] as const)
        t.deepEqual(headerLines(read, key), [text])
      if (requestInsanity(read) !== undefined) return
      const { via, to } = commonHeaders(read)
      t.deepEqual(scanned.via, via)
      t.is(tagOf(to), '')
    }),
    { numRuns: 3000 }
  )
  t.true(recognised > 50, `${recognised}`)
})

test('tag of an ACK', (t) => {
  const ack = (to: string) => ackTag(written(instead('To', to), 'ACK sip:b@192.0.2.1 SIP/2.0'))
  t.is(ack('<sip:b@192.0.2.1>;tag=s12'), 's12')
  t.is(ack('<sip:b@192.0.2.1>;x=y;tag=s12;z'), 's12')
  t.is(ack('<sip:b@192.0.2.1>'), undefined)
  t.is(ackTag(written(instead('To', '<sip:b@192.0.2.1>;tag=s12'))), undefined)
  t.is(ackTag(Buffer.from('ACK ')), undefined)
})
