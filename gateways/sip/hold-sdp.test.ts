import test from 'ava'
import { createVersioning, withDirection } from './hold-sdp.ts'
import { readReferTo } from './transfer.ts'

const sdp = (direction: string, version = 7) =>
  `v=0\r\no=- 123 ${version} IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n${direction === '' ? '' : `a=${direction}\r\n`}`

test('a description gets another direction, whether it named one or not', (t) => {
  t.is(withDirection(sdp('sendrecv'), 'inactive'), sdp('inactive'))
  t.is(withDirection(sdp('sendonly'), 'sendrecv'), sdp('sendrecv'))
  t.is(withDirection(sdp(''), 'inactive'), sdp('inactive'))
  t.is(withDirection('v=0\na=sendrecv\n', 'inactive'), 'v=0\na=inactive\n')
})

test('versions grow by one with each description that differs, and stay with one that is repeated', (t) => {
  const describe = createVersioning()
  t.is(describe(sdp('sendrecv')), sdp('sendrecv', 7))
  t.is(describe(sdp('sendrecv', 9)), sdp('sendrecv', 7))
  t.is(describe(sdp('inactive', 7)), sdp('inactive', 8))
  t.is(describe(sdp('sendrecv', 7)), sdp('sendrecv', 9))
  t.is(describe('no description'), 'no description')
})

test('a Refer-To is one SIP URI, with a Replaces or without', (t) => {
  t.deepEqual(readReferTo('"B" <sip:b@example.org>'), { uri: 'sip:b@example.org', replaces: null })
  t.deepEqual(readReferTo('<sip:b@example.org;method=INVITE>'), { uri: 'sip:b@example.org', replaces: null })
  t.deepEqual(readReferTo('<sips:b@example.org?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>'), {
    uri: 'sips:b@example.org',
    replaces: 'a@b;to-tag=1;from-tag=2'
  })
  for (const bad of [
    undefined,
    '',
    'nonsense',
    '<tel:+4930>',
    '<sip:b@x;method=SUBSCRIBE>',
    '<sip:b@x?Replaces=%0d%0aVia>',
    '<sip:b@x?Replaces=a%3Bto-tag%3D1>',
    '<sip:b@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Via=y>',
    '<sip:b@x?a?b>',
    '<sip:b@x?Replaces=%zz>'
  ])
    t.is(readReferTo(bad), null, String(bad))
})
