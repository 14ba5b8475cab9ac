import { createHmac, generateKeyPairSync } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { isPublicAddress } from './addresses.ts'
import { derElements } from './der.ts'
import { refusedUrl } from './fetch.ts'
import { formatIdentity, parseIdentity } from './identity-header.ts'
import { canonicalNumber, stirName } from './number.ts'
import { isP256, parsePassport, passportCovers, signPassport } from './passport.ts'
import { decodeTnAuthList, encodeTnAuthList, speaksFor } from './tn-auth-list.ts'

const code = (run: () => unknown): string => {
  try {
    run()
    return 'read'
  } catch (error) {
    if (error instanceof DecodeError) return error.code
    throw error
  }
}
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const claims = {
  orig: { tn: '12155551212' },
  dest: { tn: ['12155551213'], uri: [] },
  issuedAt: 1_767_225_600,
  attestation: 'A',
  originId: '123e4567-e89b-12d3-a456-426614174000'
} as const
const url = 'https://cert.example.org/passport.pem'

test('the example of RFC 8225 Appendix A: header and payload byte for byte, its signature verifies', (t) => {
  const parts = [
    'eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9',
    'eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19'
  ]
  const ours = signPassport(
    privateKey,
    {
      orig: { tn: '12155551212' },
      dest: { tn: [], uri: ['sip:alice@example.com'] },
      issuedAt: 1_471_375_418,
      attestation: null,
      originId: null
    },
    'https://cert.example.org/passport.cer'
  )
  t.deepEqual(ours.split('.').slice(0, 2), parts)
  t.true(passportCovers(parsePassport(ours), publicKey))
})

test('a shaken PASSporT: members in order (RFC 8588 §4), back as it was made', (t) => {
  const token = signPassport(privateKey, claims, url)
  t.is(
    Buffer.from(token.split('.')[0]!, 'base64url').toString(),
    `{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"${url}"}`
  )
  t.is(
    Buffer.from(token.split('.')[1]!, 'base64url').toString(),
    '{"attest":"A","dest":{"tn":["12155551213"]},"iat":1767225600,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426614174000"}'
  )
  const passport = parsePassport(token)
  t.like(passport, { ...claims, type: 'shaken', certificateUrl: url })
  t.true(passportCovers(passport, publicKey))
  t.false(passportCovers(passport, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey))
})

const header = { alg: 'ES256', ppt: 'shaken', typ: 'passport', x5u: url }
const payload = { attest: 'A', dest: { tn: ['12155551213'] }, iat: 1, orig: { tn: '12155551212' }, origid: claims.originId }
const sig = 'A'.repeat(86)
const token = (h: unknown = header, p: unknown = payload, s = sig): string => `${b64(h)}.${b64(p)}.${s}`

const badPassports: readonly (readonly [what: string, token: string, code: string])[] = [
  ['algorithm none', token({ ...header, alg: 'none' }, payload, ''), 'algorithm'],
  ['algorithm none with a signature', token({ ...header, alg: 'none' }), 'algorithm'],
  ['algorithm in another case', token({ ...header, alg: 'es256' }), 'algorithm'],
  ['HS256', token({ ...header, alg: 'HS256' }), 'algorithm'],
  ['another curve by its name', token({ ...header, alg: 'ES384' }), 'algorithm'],
  ['EdDSA', token({ ...header, alg: 'EdDSA' }), 'algorithm'],
  ['no algorithm', token({ ...header, alg: undefined }), 'algorithm'],
  ['a list of algorithms', token({ ...header, alg: ['ES256'] }), 'algorithm'],
  ['a JWT of another kind', token({ ...header, typ: 'JWT' }), 'malformed'],
  ['a critical extension', token({ ...header, crit: ['exp'] }), 'malformed'],
  ['another PASSporT', token({ ...header, ppt: 'div' }), 'unsupported-type'],
  ['no URL', token({ ...header, x5u: undefined }), 'malformed'],
  ['a URL that is an object', token({ ...header, x5u: { toString: 1 } }), 'malformed'],
  ['a list in place of an object', token([]), 'malformed'],
  ['null', token(header, null), 'malformed'],
  ['no JSON', token(header, '{'), 'malformed'],
  ['nested without end', token(header, '['.repeat(1_500)), 'malformed'],
  ['not UTF-8', `${b64(header)}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${sig}`, 'malformed'],
  ['padded base64', `${b64(header)}=.${b64(payload)}.${sig}`, 'malformed'],
  ['base64 with bits left over', `${b64(header)}.${b64(payload)}.${'A'.repeat(85)}B`, 'malformed'],
  ['a signature of DER', token(header, payload, b64('x'.repeat(70))), 'malformed'],
  ['no signature', token(header, payload, ''), 'malformed'],
  ['four parts', `${token()}.x`, 'malformed'],
  ['attestation D', token(header, { ...payload, attest: 'D' }), 'malformed'],
  ['attestation in lower case', token(header, { ...payload, attest: 'a' }), 'malformed'],
  ['origid no UUID', token(header, { ...payload, origid: '1' }), 'malformed'],
  ['iat a text', token(header, { ...payload, iat: '1' }), 'malformed'],
  ['iat a fraction', token(header, { ...payload, iat: 1.5 }), 'malformed'],
  ['iat beyond counting', token(header, { ...payload, iat: 1e300 }), 'malformed'],
  ['dest a text', token(header, { ...payload, dest: { tn: '12155551213' } }), 'malformed'],
  ['dest empty', token(header, { ...payload, dest: {} }), 'malformed'],
  ['dest with a thousand', token(header, { ...payload, dest: { tn: Array(1_000).fill('1') } }), 'malformed'],
  ['orig with a plus', token(header, { ...payload, orig: { tn: '+12155551212' } }), 'malformed'],
  ['orig two things', token(header, { ...payload, orig: { tn: '1', uri: 'sip:a@b' } }), 'malformed'],
  ['orig a URI in shaken', token(header, { ...payload, orig: { uri: 'sip:a@b' } }), 'malformed'],
  ['digits that are not ASCII', token(header, { ...payload, orig: { tn: '١٢٣' } }), 'malformed']
]
for (const [what, text, expected] of badPassports)
  test(`a PASSporT is refused: ${what}`, (t) => {
    t.is(
      code(() => parsePassport(text)),
      `guard.identity.${expected}`
    )
  })

test('a public key is no secret: HS256 over its text verifies nothing', (t) => {
  const [h, p] = [b64({ ...header, alg: 'HS256' }), b64(payload)]
  const mac = createHmac('sha256', publicKey.export({ type: 'spki', format: 'pem' }))
    .update(`${h}.${p}`)
    .digest('base64url')
  t.is(
    code(() => parsePassport(`${h}.${p}.${mac}`)),
    'guard.identity.algorithm'
  )
})

test('keys of other curves and kinds are none of ES256', (t) => {
  for (const namedCurve of ['P-384', 'P-521', 'secp256k1']) {
    const { publicKey: other, privateKey: secret } = generateKeyPairSync('ec', { namedCurve })
    t.false(isP256(other), namedCurve)
    t.false(passportCovers(parsePassport(signPassport(privateKey, claims, url)), other))
    t.throws(() => signPassport(secret, claims, url), { instanceOf: TypeError })
  }
  t.false(isP256(generateKeyPairSync('ed25519').publicKey))
  t.false(isP256(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey))
})

test('any change of a PASSporT breaks it', (t) => {
  const good = signPassport(privateKey, claims, url)
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.constantFrom(...'ABab01_-.'), (at, character) => {
      const changed = good.slice(0, at) + character + good.slice(at + 1)
      if (changed === good) return
      let covers = false
      if (code(() => (covers = passportCovers(parsePassport(changed), publicKey))) === 'read') t.false(covers)
    }),
    { numRuns: 300 }
  )
  const zero = `${good.split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`
  t.false(passportCovers(parsePassport(zero), publicKey), 'r = s = 0')
})

const good = `${token()};info=<${url}>;alg=ES256;ppt=shaken`
test('Identity headers are read in each of their forms', (t) => {
  const read = { token: token(), info: url, algorithm: 'ES256', type: 'shaken' }
  t.deepEqual(parseIdentity(good), read)
  t.deepEqual(parseIdentity(`${token()} ; info=<${url}> ; ALG = "ES256" ;ppt="shaken"`), read)
  t.deepEqual(parseIdentity(`${token()};info=<${url}>`), { ...read, algorithm: null, type: null })
  t.deepEqual(parseIdentity(formatIdentity(read)), read)
})

for (const [what, text, expected] of [
  ['the compact form', `..${sig};info=<${url}>`, 'compact'],
  ['no info', token(), 'malformed'],
  ['info without brackets', `${token()};info=${url}`, 'malformed'],
  ['info twice', `${good};info=<${url}>`, 'malformed'],
  ['a parameter in brackets', `${token()};info=<${url}>;alg=<ES256>`, 'malformed'],
  ['nothing', '', 'malformed'],
  ['a line break', `${token()};info=<https://a\r\nX: y>`, 'malformed'],
  ['something behind it', `${good} more`, 'malformed'],
  ['a token with blanks', `a .b.c;info=<${url}>`, 'malformed'],
  ['too much', `${'A'.repeat(5_000)}.B.C;info=<${url}>`, 'malformed']
] as const)
  test(`an Identity header is refused: ${what}`, (t) => {
    t.is(
      code(() => parseIdentity(text)),
      `guard.identity.${expected}`
    )
  })

test('rubbish is a DecodeError, and soon', (t) => {
  const begun = performance.now()
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.stringMatching(/^[A-Za-z.;=<>" ]{0,200}$/)), (text) => {
      code(() => parsePassport(parseIdentity(text).token))
    })
  )
  for (const text of [
    ';'.repeat(4_000),
    `a.b.c${';a=b'.repeat(900)}`,
    `a.b.c;a="${'"'.repeat(3_000)}`,
    `a.b.c${' ;'.repeat(1_900)}`
  ])
    t.is(
      code(() => parseIdentity(text)),
      'guard.identity.malformed'
    )
  t.true(performance.now() - begun < 5_000)
})

test('numbers in canonical form (RFC 8224 §8.3), and where a URI holds one', (t) => {
  t.is(canonicalNumber('+1-215-555.(12)12'), '12155551212')
  t.is(canonicalNumber('*67#'), '*67#')
  for (const text of ['', '+', 'alice', '1'.repeat(16), '١٢٣', '１２３', '1 2', '12\u200b3', '+1\r\n2'])
    t.is(canonicalNumber(text), null, text)
  t.deepEqual(stirName('tel:+1-215-555-1212;phone-context=x'), { number: '12155551212', uri: null })
  t.deepEqual(stirName('sip:+12155551212@gw.example;user=phone'), { number: '12155551212', uri: '%2B12155551212@gw.example' })
  t.deepEqual(stirName('sip:alice@Example.COM'), { number: null, uri: 'alice@example.com' })
  t.deepEqual(stirName('mailto:x'), { number: null, uri: null })
})

test('TNAuthList: vector, round trip, and for whom it speaks', (t) => {
  const list = { providers: ['1234'], ranges: [{ start: '12155551000', count: 1_000 }], numbers: ['442071838750'] }
  const der = encodeTnAuthList(list)
  t.is(der.toString('hex'), '302da006160431323334a1133011160b3132313535353531303030020203e8a20e160c343432303731383338373530')
  t.deepEqual(decodeTnAuthList(der), list)
  t.true(speaksFor(list, '999'), 'a provider speaks for its numbers, whichever they are')
  const numbers = { ...list, providers: [] }
  for (const [number, expected] of [
    ['12155551000', true],
    ['12155551999', true],
    ['12155552000', false],
    ['12155550999', false],
    ['442071838750', true],
    ['2155551000', false],
    ['*67', false]
  ] as const)
    t.is(speaksFor(numbers, number), expected, number)
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[0-9]{1,15}$/), { minLength: 1, maxLength: 5 }),
      fc.array(fc.record({ start: fc.stringMatching(/^[0-9]{1,15}$/), count: fc.integer({ min: 2, max: 2 ** 40 }) }), {
        maxLength: 3
      }),
      (numbers, ranges) => {
        const any = { providers: [], ranges, numbers }
        t.deepEqual(decodeTnAuthList(encodeTnAuthList(any)), any)
      }
    )
  )
})

test('octets that are no DER are refused, never read beyond their end', (t) => {
  for (const hex of ['30', '3080', '300500', '1f8101', '308100', '30820005', '3081', 'a0030000', '3084ffffffff'])
    t.is(
      code(() => decodeTnAuthList(Buffer.from(hex, 'hex'))),
      'guard.identity.certificate',
      hex
    )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
      code(() => derElements(Buffer.from(octets)))
      code(() => decodeTnAuthList(Buffer.from(octets)))
    })
  )
})

test('only addresses of the public Internet are asked', (t) => {
  for (const address of ['8.8.8.8', '2606:4700::1111', '2001:4860:4860::8888']) t.true(isPublicAddress(address), address)
  for (const address of [
    ...['0.0.0.0', '10.1.1.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...[
      '198.18.0.1',
      '203.0.113.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::7f00:1'
    ],
    ...['fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '2001:db8::1', '2002:7f00:1::', '2001::1', 'localhost', '127.1', '']
  ])
    t.false(isPublicAddress(address), address)
})

test('URLs that are not asked', (t) => {
  const hosts = ['cert.example.org']
  t.is(refusedUrl(url, { hosts }), null)
  t.is(refusedUrl('https://cert.example.org:8443/x', { hosts }), null)
  for (const bad of [
    ...['http://cert.example.org/x', 'https://cert.example.org:8080/x', 'https://u:p@cert.example.org/', 'https://127.0.0.1/x'],
    ...[
      'https://[::1]/x',
      'https://0x7f.1/',
      'https://2130706433/',
      'https://evil.example/x',
      'https://cert.example.org.evil.example/'
    ],
    ...['file:///etc/passwd', 'gopher://cert.example.org/', 'cert.example.org', '']
  ])
    t.truthy(refusedUrl(bad, { hosts }), bad)
  t.is(refusedUrl('https://anything.example/x', { hosts: null }), null)
  t.truthy(refusedUrl('https://127.0.0.1/x', { hosts: null }))
})
