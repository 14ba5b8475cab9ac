import test from 'ava'
import fc from 'fast-check'
import { addressKey, parseAddressOfRecord } from './sip-uri.ts'

const same: readonly (readonly [string, string])[] = [
  ['sip:alice@example.org', 'sip:alice@EXAMPLE.org'],
  ['sip:alice@example.org', 'SIP:alice@example.org'],
  ['sip:alice@example.org', 'sip:alice@example.org:5060'],
  ['sip:alice@example.org', 'sip:alice@example.org;transport=tcp;user=phone'],
  ['sip:alice@example.org', 'sip:%61lice@example.org'],
  ['sip:alice@example.org', 'sips:alice@example.org:5061'],
  ['sip:alice@example.org', 'sip:alice@example.org.'],
  ['sip:a;b@example.org', 'sip:a%3Bb@example.org'],
  ['sip:alice@[2001:DB8::1]', 'sip:alice@[2001:db8::1]']
]
const different: readonly (readonly [string, string])[] = [
  ['sip:alice@example.org', 'sip:Alice@example.org'],
  ['sip:alice@example.org', 'sip:alice@example.org:5070'],
  ['sip:alice@example.org', 'sip:example.org'],
  ['sip:alice@example.org', 'sip:alice@example.com'],
  ['sip:a%40b@example.org', 'sip:a@example.org']
]

for (const [a, b] of same) test(`${a} names whom ${b} names`, (t) => t.is(addressKey(a), addressKey(b)))
for (const [a, b] of different) {
  test(`${a} and ${b} are two`, (t) => {
    t.truthy(addressKey(a))
    t.not(addressKey(a), addressKey(b))
  })
}

test('what is no SIP address has no key', (t) => {
  const bad = [
    '',
    'sip:',
    'sip:@example.org',
    'tel:+431234',
    'sip:a@b@c',
    'sip:alice:secret@example.org',
    'sip:alice@example.org?Subject=x',
    'sip:al ice@example.org',
    'sip:alice%00@example.org',
    'sip:alice%E0@example.org',
    'sip:alice%zz@example.org',
    'sip:alice@example.org:0',
    'sip:alice@example.org:65536',
    'sip:alice@example.org\r\nVia: x',
    'sip:älice@example.org',
    `sip:${'a'.repeat(600)}@example.org`
  ]
  for (const uri of bad) t.is(addressKey(uri), null, uri)
})

test('the parts of an address', (t) => {
  t.deepEqual(parseAddressOfRecord('sip:bob%20b@Example.ORG:5080;lr'), { user: 'bob b', host: 'example.org', port: 5080 })
  t.deepEqual(parseAddressOfRecord('sips:example.org:5061'), { user: null, host: 'example.org', port: null })
})

test('no text makes the reader throw, and a key is the key of the URI it spells', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((user) => `sip:${user}@example.org`),
        fc.webUrl()
      ),
      (uri) => {
        const key = addressKey(uri)
        if (key !== null) t.is(addressKey(`sip:${key}`), key)
      }
    ),
    { numRuns: 500, seed: 1 }
  )
})
