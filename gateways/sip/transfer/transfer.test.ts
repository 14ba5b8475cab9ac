import test from 'ava'
import { readReferTo } from './transfer.ts'

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
