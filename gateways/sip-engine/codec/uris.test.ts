import test from 'ava'
import { dialled, parseTelUri, sameTelUri, type TelUri } from './tel-uri.ts'
import { escapedUser, formatSipUri, parseSipUri, type SipUri, unescaped, uriHeaders, userInfo } from './uri.ts'
import { sameSipUri } from './uri-comparison.ts'

const sip = (text: string): SipUri => parseSipUri(text)!
const tel = (text: string): TelUri => parseTelUri(text)!

test('user, password and header fields of a URI, escapes undone', (t) => {
  t.deepEqual(userInfo(sip('sip:al%69ce:se%3acret@h').user!), { user: 'alice', password: 'se:cret' })
  t.deepEqual(userInfo('a'), { user: 'a', password: null })
  t.deepEqual(uriHeaders(sip('sip:h?Subject=a%20b&Route=%3Csip:x%3E').headers!), [
    { name: 'Subject', value: 'a b' },
    { name: 'Route', value: '<sip:x>' }
  ])
  t.is(uriHeaders('Subject'), undefined)
  t.is(uriHeaders('=x'), undefined)
  t.is(unescaped('100%'), '100%')
  t.is(unescaped('%zz%4'), '%zz%4')
  t.is(escapedUser('a@b c:\xe9'), 'a%40b%20c%3A%E9')
  t.is(formatSipUri(sip('sips:u:p@[2001:DB8::1]:5061;lr;x=y?a=b')), 'sips:u:p@[2001:db8::1]:5061;lr;x=y?a=b')
})

test('IPv6 references are addresses, in one brackets pair', (t) => {
  for (const good of ['[::]', '[::1]', '[2001:db8::192.0.2.1]', '[2001:db8:::192.0.2.1]', '[fe80::1]:5060'])
    t.truthy(parseSipUri(`sip:${good}`), good)
  for (const bad of [
    '[]',
    '[:::]',
    '[2001:db8:::1]',
    '[fe80::1%25eth0]',
    '[1::2::3]',
    '[::1',
    '[::1]x',
    '::1',
    '[12345::]',
    '[192.0.2.1]'
  ]) {
    t.is(parseSipUri(`sip:${bad}`), undefined, bad)
  }
})

/** The examples of RFC 3261 §19.1.4. */
test('equivalent SIP URIs', (t) => {
  const pairs = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com'
    ],
    ['sip:alice@atlanta.com?subject=project%20x&priority=urgent', 'sip:alice@atlanta.com?priority=urgent&subject=project%20x']
  ]
  for (const [a, b] of pairs) t.true(sameSipUri(sip(a!), sip(b!)) && sameSipUri(sip(b!), sip(a!)), a)
})

test('SIP URIs that are not equivalent', (t) => {
  const pairs = [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@h', 'sips:a@h'],
    ['sip:h', 'sip:a@h'],
    ['sip:a%3Ab@h', 'sip:a:b@h'],
    ['sip:h;maddr=192.0.2.1', 'sip:h'],
    ['sip:h?a=1', 'sip:h?a=2']
  ]
  for (const [a, b] of pairs) t.false(sameSipUri(sip(a!), sip(b!)) || sameSipUri(sip(b!), sip(a!)), a)
})

test('tel URIs: global, local with context, extension', (t) => {
  t.deepEqual(tel('tel:+1-201-555-0123'), { number: '+1-201-555-0123', global: true, params: new Map() })
  t.deepEqual([...tel('TEL:7042;phone-context=example.com').params], [['phone-context', 'example.com']])
  t.is(tel('tel:863-1234;phone-context=+1-914-555').global, false)
  t.is(tel('tel:*#06#;phone-context=h').number, '*#06#')
  t.is(tel('tel:+1(201)555.0123;ext=42-1;isub=1').params.get('ext'), '42-1')
  t.is(dialled('+1(201)-555.01'), '+120155501')
  const bad = [
    'tel:',
    'tel:+',
    'tel:+-',
    'tel:7042',
    'tel:+1x',
    'tel:abz;phone-context=a.b',
    'tel:7042;phone-context',
    'tel:7042;phone-context=-x',
    'tel:+1;ext=',
    'tel:+1;ext=x',
    'sip:+1@h',
    `tel:+${'1'.repeat(300)}`
  ]
  for (const text of bad) t.is(parseTelUri(text), undefined, text)
})

test('equivalent tel URIs (RFC 3966 §5)', (t) => {
  const same = (a: string, b: string): boolean => sameTelUri(tel(a), tel(b)) && sameTelUri(tel(b), tel(a))
  t.true(same('tel:+1-201-555-0123', 'tel:+12015550123'))
  t.true(same('tel:+1;Ext=1-2;a=B', 'tel:+1;a=b;ext=12'))
  t.true(same('tel:7042;phone-context=+1-9', 'tel:7042;phone-context=+19'))
  t.false(same('tel:+1', 'tel:+1;ext=1'))
  t.false(same('tel:7042;phone-context=a.b', 'tel:7042;phone-context=a.c'))
  t.false(same('tel:+7042', 'tel:7042;phone-context=a.b'))
  t.false(same('tel:+1;a=1', 'tel:+1;b=1'))
})
