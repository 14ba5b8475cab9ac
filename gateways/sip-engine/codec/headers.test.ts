import test from 'ava'
import { parseContacts } from './contact.ts'
import { parseRAck, parseRSeq } from './cseq.ts'
import { digestChallenge, digestCredentials, formatAuthScheme, parseAuthSchemes } from './digest.ts'
import { parseEvent, parseSubscriptionState, sameEvent } from './event.ts'
import { parseMediaType } from './media-type.ts'
import { parseReasons } from './reason.ts'
import { parameterSpan, quoted, unfolded, unquoted } from './text.ts'

test('Contact lists: star, preference, expiry, limits', (t) => {
  t.is(parseContacts(['*']), '*')
  t.is(parseContacts(['*', '<sip:a>']), undefined)
  t.is(parseContacts(['<sip:a>, *']), undefined)
  t.deepEqual(parseContacts([]), [])
  const contacts = parseContacts([
    '"A, B" <sip:a@h;x=1>;q=0.7;expires=60, sip:b@h;expires=99999999999999',
    '<sip:c>;q=1.000;expires=soon'
  ])
  t.deepEqual(contacts !== '*' && contacts?.map(({ uri, q, expiresS }) => [uri, q, expiresS]), [
    ['sip:a@h;x=1', 700, 60],
    ['sip:b@h', null, 4_294_967_295],
    ['sip:c', 1000, 3600]
  ])
  for (const bad of ['<sip:a>;q=1.1', '<sip:a>;q=0.1234', '<sip:a>;q', 'sip:a?b=c', 'A, B <sip:a>'])
    t.is(parseContacts([bad]), undefined, bad)
  t.is(parseContacts([Array(257).fill('<sip:a>').join(',')]), undefined)
})

test('a Digest challenge, and several in one field', (t) => {
  const [first, second, third] = parseAuthSchemes(
    'Digest realm="a, \\"b\\"", nonce="n" , qop="auth,auth-int",algorithm=SHA-256 , stale=TRUE, Digest realm="x",nonce="m", Bearer abc=='
  )!
  t.deepEqual(digestChallenge(first!), {
    realm: 'a, "b"',
    nonce: 'n',
    opaque: null,
    stale: true,
    algorithm: 'SHA-256',
    qop: ['auth', 'auth-int'],
    userhash: false
  })
  t.like(digestChallenge(second!), { realm: 'x', algorithm: 'MD5', qop: [] })
  t.deepEqual([third!.scheme, third!.token, digestChallenge(third!)], ['Bearer', 'abc==', undefined])
  t.deepEqual(
    parseAuthSchemes('Negotiate, Basic realm=x')!.map(({ scheme, params }) => [scheme, params.size]),
    [
      ['Negotiate', 0],
      ['Basic', 1]
    ]
  )
  t.is(
    formatAuthScheme(first!, 'challenge'),
    'Digest realm="a, \\"b\\"", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=TRUE'
  )
})

test('Digest credentials', (t) => {
  const response = '5ccc069c403ebaf9f0171e9517f40e41'
  const value = `Digest username="bob", realm="r", nonce="n", uri="sip:h", qop=auth, nc=0000000a, cnonce="c", response="${response}", opaque="o"`
  const scheme = parseAuthSchemes(value)![0]!
  t.deepEqual(digestCredentials(scheme), {
    username: 'bob',
    realm: 'r',
    nonce: 'n',
    uri: 'sip:h',
    response,
    algorithm: 'MD5',
    qop: 'auth',
    cnonce: 'c',
    nonceCount: 10,
    opaque: 'o'
  })
  t.is(formatAuthScheme(scheme, 'credentials'), value)
  for (const [from, to] of [
    ['username="bob", ', ''],
    ['cnonce="c", ', ''],
    ['nc=0000000a', 'nc=1'],
    [response, 'nothex'],
    ['Digest', 'Other']
  ]) {
    t.is(digestCredentials(parseAuthSchemes(value.replace(from!, to!))![0]!), undefined, from)
  }
})

test('authentication fields that are malformed', (t) => {
  const bad = [
    '',
    ',',
    'realm="x"',
    'Digest realm="x',
    'Digest realm="x"y',
    'Digest realm=, nonce=x',
    'Digest realm=a b',
    'Digest realm="x", realm="y"',
    'Bearer abc, realm="x"',
    'Di<gest realm="x"',
    `Digest ${Array.from({ length: 65 }, (_, index) => `p${index}=1`).join(',')}`,
    Array(33).fill('Basic').join(',')
  ]
  for (const text of bad) t.is(parseAuthSchemes(text), undefined, text.slice(0, 40))
})

test('media types', (t) => {
  t.deepEqual(parseMediaType('Application / SDP ; charset="utf-8"'), {
    type: 'application',
    subtype: 'sdp',
    params: new Map([['charset', '"utf-8"']])
  })
  for (const bad of ['', 'application', '/sdp', 'application/', 'a b/c', 'a/b c', 'a/b;=x'])
    t.is(parseMediaType(bad), undefined, bad)
})

test('Event and Subscription-State', (t) => {
  const event = parseEvent('presence.winfo ; id=1')!
  t.deepEqual([event.type, event.params.get('id')], ['presence.winfo', '1'])
  t.true(sameEvent(event, parseEvent('presence.winfo;x;id=1')!))
  t.false(sameEvent(event, parseEvent('presence.winfo')!))
  t.false(sameEvent(event, parseEvent('presence;id=1')!))
  for (const bad of ['', 'a b', 'presence..winfo', '.a', 'a;=']) t.is(parseEvent(bad), undefined, bad)
  t.like(parseSubscriptionState('Active;expires=60'), { state: 'active', expiresS: 60, reason: null, retryAfterS: null })
  t.like(parseSubscriptionState('terminated;reason=Probation;retry-after=5'), { reason: 'probation', retryAfterS: 5 })
  for (const bad of ['', 'active;expires=x', 'active;expires', 'a b', 'terminated;retry-after=-1'])
    t.is(parseSubscriptionState(bad), undefined, bad)
})

test('Reason', (t) => {
  t.deepEqual(
    parseReasons('SIP ;cause=200 ;text="Call completed, elsewhere", Q.850;cause=16;text=x, preemption')!.map(
      ({ protocol, cause, text }) => [protocol, cause, text]
    ),
    [
      ['SIP', 200, 'Call completed, elsewhere'],
      ['Q.850', 16, 'x'],
      ['preemption', null, null]
    ]
  )
  for (const bad of ['', 'SIP;cause=x', 'SIP;cause', 'a b;cause=1', Array(33).fill('SIP').join(',')])
    t.is(parseReasons(bad), undefined, bad)
})

test('RSeq and RAck', (t) => {
  t.deepEqual(['1', '4294967295', '0', '4294967296', '-1', '', 'x', '1 '].map(parseRSeq), [
    1,
    4_294_967_295,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined
  ])
  t.is(parseRAck('4294967296 1 INVITE'), undefined)
  t.is(parseRAck('1 2147483648 INVITE'), undefined)
})

test('quoting, folding, and where a parameter stands', (t) => {
  t.is(unquoted('"a\\"b\\\\"'), 'a"b\\')
  t.is(unquoted('plain'), 'plain')
  t.is(quoted('a"b\\'), '"a\\"b\\\\"')
  t.throws(() => quoted('a\nb'), { instanceOf: RangeError })
  t.is(unfolded('a \t\r\n \tb\r\n c\r\nd'), 'a b c\r\nd')
  const text = 'x;a=";b=1";B = 2 ;c'
  const span = parameterSpan(text, 'b', 1)!
  t.is(text.slice(span.start, span.end), ';B = 2')
  t.is(parameterSpan(text, 'd', 1), undefined)
  t.is(parameterSpan('x;a="', 'a', 1), undefined)
})
