import { createHash, randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { DecodeError, InfraFabricError } from '#kernel'
import { generateKeyPair, readPublicKey, readSigningKey } from './keys.ts'
import { canonicalText, formatSignature, parseSignature, type SignedFields, signatureCovers, signRequest } from './signature.ts'

const fields: SignedFields = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  hazard: 'safety',
  fromUri: 'sip:expert-safety@external.advisor',
  toUri: 'sip:council-safety@council.example',
  callId: 'a84b4c76e66710@192.0.2.4',
  cseq: 314159,
  method: 'INVITE',
  body: Buffer.from('v=0\r\n')
}
const issuedAt = 1_767_225_600

/** The test vector of README.md: the private key of RFC 8032 §7.1 TEST 1. */
const vectorKey = readSigningKey(
  '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n'
)
const vectorNonce = 'AAECAwQFBgcICQoLDA0ODw'

test('canonical text, octet by octet', (t) => {
  t.is(
    canonicalText(fields, issuedAt, vectorNonce).toString('latin1'),
    'X-IF-Signature 1\n' +
      'trace 0af7651916cd43dd8448eb211c80319c\n' +
      'hazard safety\n' +
      'from sip:expert-safety@external.advisor\n' +
      'to sip:council-safety@council.example\n' +
      'call-id a84b4c76e66710@192.0.2.4\n' +
      'cseq 314159 INVITE\n' +
      `body-sha256 ${createHash('sha256').update('v=0\r\n').digest('hex')}\n` +
      'iat 1767225600\n' +
      'nonce AAECAwQFBgcICQoLDA0ODw\n'
  )
  const bare = canonicalText({ ...fields, traceId: null, hazard: null }, issuedAt, vectorNonce).toString()
  t.true(bare.startsWith('X-IF-Signature 1\ntrace \nhazard \nfrom '))
})

test('the test vector of the README', (t) => {
  t.is(vectorKey.id, '21fe31dfa154a261')
  t.is(
    createHash('sha256')
      .update(canonicalText(fields, issuedAt, vectorNonce))
      .digest('hex'),
    '31438775574ee66810f72e0a326d1dbe058a838fbca03c0d553d03ef92654f31'
  )
  t.is(
    signRequest(vectorKey, fields, issuedAt * 1000, vectorNonce),
    'v=1;kid=21fe31dfa154a261;iat=1767225600;nonce=AAECAwQFBgcICQoLDA0ODw;sig=p810YtEdf_mkIi_jM-PS5W9MnIB4-5QyIY1aJOFre3FlsWW5-y_6pnCi3wPyLc1QElSFjHIQMkb2f7_fY0fzDA'
  )
})

test('what is signed verifies; every header can be read back', (t) => {
  const pair = generateKeyPair()
  const text = signRequest(readSigningKey(pair.privateKey), fields, issuedAt * 1000 + 999)
  const header = parseSignature(text)
  t.is(header.issuedAt, issuedAt)
  t.is(header.keyId, pair.keyId)
  t.is(formatSignature(header), text)
  t.true(signatureCovers(readPublicKey(pair.publicKey), header, fields))
  t.false(signatureCovers(readPublicKey(generateKeyPair().publicKey), header, fields))
})

test('a change of any single byte of any bound field makes it fail', (t) => {
  const pair = generateKeyPair()
  const key = readPublicKey(pair.publicKey)
  const header = parseSignature(signRequest(readSigningKey(pair.privateKey), fields, issuedAt * 1000))
  const changedText = (text: string, at: number, to: string) =>
    text.slice(0, at % text.length) + to + text.slice((at % text.length) + 1)
  const textFields = ['traceId', 'hazard', 'fromUri', 'toUri', 'callId', 'method'] as const
  fc.assert(
    fc.property(
      fc.constantFrom(...textFields, 'body', 'cseq', 'iat', 'nonce', 'sig'),
      fc.nat(200),
      fc.integer({ min: 0x20, max: 0x7e }),
      (name, at, code) => {
        const to = String.fromCharCode(code)
        let changed: Partial<SignedFields> = {}
        let changedHeader = header
        if (name === 'body') {
          const body = Buffer.from(fields.body)
          body[at % body.length]! ^= code & 0x7f || 1
          changed = { body }
        } else if (name === 'cseq') changed = { cseq: fields.cseq ^ (1 << (at % 24)) }
        else if (name === 'iat') changedHeader = { ...header, issuedAt: header.issuedAt ^ (1 << (at % 24)) }
        else if (name === 'nonce') {
          const nonce = changedText(header.nonce, at, to)
          fc.pre(nonce !== header.nonce)
          changedHeader = { ...header, nonce }
        } else if (name === 'sig') {
          const signature = Buffer.from(header.signature)
          signature[at % 64]! ^= 1 << (at % 8)
          changedHeader = { ...header, signature }
        } else {
          const value = changedText(fields[name]!, at, to)
          fc.pre(value !== fields[name])
          changed = { [name]: value }
        }
        return !signatureCovers(key, changedHeader, { ...fields, ...changed })
      }
    ),
    { numRuns: 2_000, seed: 2 }
  )
  for (const changed of [{ traceId: null }, { hazard: null }, { body: Buffer.alloc(0) }]) {
    t.false(signatureCovers(key, header, { ...fields, ...changed }))
  }
})

test('fields cannot be shifted into one another: a value with a control character is neither signed nor verified', (t) => {
  for (const hazard of ['safety\nfrom sip:x@y', 'a\rb', 'a\0', '\ud800']) {
    t.like(
      t.throws(() => canonicalText({ ...fields, hazard }, issuedAt, vectorNonce), { instanceOf: InfraFabricError }),
      {
        code: 'guard.signature.unsignable'
      }
    )
  }
})

const sig = Buffer.alloc(64, 1).toString('base64url')
const good = { v: '1', kid: '0123456789abcdef', iat: '1767225600', nonce: vectorNonce, sig }
const write = (parts: Record<string, string>) =>
  Object.entries(parts)
    .map(([name, value]) => `${name}=${value}`)
    .join(';')

test('fields come in any order, with blanks after a semicolon', (t) => {
  t.is(parseSignature(write(good)).issuedAt, 1_767_225_600)
  t.deepEqual(parseSignature(write(Object.fromEntries(Object.entries(good).reverse()))), parseSignature(write(good)))
  t.deepEqual(parseSignature(write(good).replaceAll(';', '; ')), parseSignature(write(good)))
})

const malformed: Record<string, string> = {
  empty: '',
  'field missing': write({ v: '1', kid: good.kid, iat: good.iat, nonce: good.nonce }),
  'field twice': `${write(good)};v=1`,
  'nonce twice': `${write(good)};nonce=${good.nonce}`,
  'unknown field': `${write(good)};alg=none`,
  'trailing semicolon': `${write(good)};`,
  'no equals sign': `${write(good)};x`,
  'name in capitals': write(good).replace('kid', 'KID'),
  'blank before equals': write(good).replace('kid=', 'kid ='),
  'blank at the end': `${write(good)} `,
  'kid too short': write({ ...good, kid: 'abcd' }),
  'kid in capitals': write({ ...good, kid: good.kid.toUpperCase() }),
  'negative iat': write({ ...good, iat: '-1' }),
  'iat with leading zero': write({ ...good, iat: '01767225600' }),
  'iat in exponent form': write({ ...good, iat: '1e9' }),
  'iat too long': write({ ...good, iat: '1'.repeat(13) }),
  'nonce under 128 bit': write({ ...good, nonce: randomBytes(15).toString('base64url') }),
  'nonce over 64 bytes': write({ ...good, nonce: randomBytes(65).toString('base64url') }),
  'nonce not canonical': write({ ...good, nonce: `${good.nonce.slice(0, -1)}x` }),
  'nonce in base64': write({ ...good, nonce: 'AAECAwQFBgcICQoLDA0O/w' }),
  'sig too short': write({ ...good, sig: sig.slice(1) }),
  'sig not canonical': write({ ...good, sig: `${sig.slice(0, -1)}R` }),
  'sig padded': write({ ...good, sig: `${sig}==` }),
  'line break': write(good).replace(';', ';\r\n'),
  'over 512 characters': `${write(good)};${' '.repeat(512)}`
}
for (const [name, text] of Object.entries(malformed)) {
  test(`refused as malformed: ${name}`, (t) => {
    const error = t.throws(() => parseSignature(text), { instanceOf: DecodeError })
    t.is(error.code, 'guard.signature.malformed')
    t.true(error.path.startsWith('X-IF-Signature.'))
  })
}

test('another version is named as such', (t) => {
  t.like(
    t.throws(() => parseSignature(write({ ...good, v: '2' }))),
    { code: 'guard.signature.unsupported-version' }
  )
})

test('no text does anything but parse or throw DecodeError', (t) => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom('v', 'kid', 'iat', 'nonce', 'sig', '=', ';', '1', good.kid, good.nonce, sig, ' ')
  )
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('')),
      (text) => {
        try {
          parseSignature(text)
        } catch (error) {
          t.true(error instanceof DecodeError)
        }
      }
    ),
    { numRuns: 500, seed: 3 }
  )
})
