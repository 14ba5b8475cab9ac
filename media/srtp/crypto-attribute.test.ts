import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { decodeCryptoAttribute, encodeCryptoAttribute, noMki } from './crypto-attribute.ts'
import { cryptoSuites } from './suites.ts'

const key = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const usual = `1 AES_CM_128_HMAC_SHA1_80 inline:${key}`

test('RFC 4568 §4: a key with a lifetime', (t) => {
  const read = decodeCryptoAttribute(`${usual}|2^20`)!
  t.is(read.tag, 1)
  t.is(read.suite.name, 'AES_CM_128_HMAC_SHA1_80')
  t.is(Buffer.from(read.key).toString('base64'), key)
})

test('what is not spoken here is passed over', (t) => {
  const others = [
    `1 F8_128_HMAC_SHA1_80 inline:${key}`,
    `${usual}|2^20|1:4;inline:${key}|2^20|2:4`,
    `${usual} UNENCRYPTED_SRTP`,
    `${usual} UNENCRYPTED_SRTCP`,
    `${usual} UNAUTHENTICATED_SRTP`,
    `${usual} KDR=1`,
    `${usual} FEC_ORDER=FEC_SRTP`,
    `${usual} X=1`
  ]
  for (const text of others) t.is(decodeCryptoAttribute(text), null, text)
  for (const session of ['WSH=128', '-X=1', 'WSH=64 -Y']) t.truthy(decodeCryptoAttribute(`${usual} ${session}`), session)
})

test('RFC 4568 §6.1: a key identifier is a number in so many octets, with a lifetime or without', (t) => {
  const mkiOf = (text: string) => Buffer.from(decodeCryptoAttribute(text)!.mki).toString('hex')
  t.is(mkiOf(usual), '')
  t.is(mkiOf(`${usual}|2^31|1:1`), '01')
  t.is(mkiOf(`${usual}|2^20|1066:4`), '0000042a')
  t.is(mkiOf(`${usual}|1:4`), '00000001')
  t.is(mkiOf(`${usual}|2^31|7:128`), `${'00'.repeat(127)}07`)
})

test('what is malformed says what was expected and not the key', (t) => {
  const bad = [
    '',
    '1',
    `0 AES_CM_128_HMAC_SHA1_80 inline:${key}`,
    `1234567890 AES_CM_128_HMAC_SHA1_80 inline:${key}`,
    `1  AES_CM_128_HMAC_SHA1_80 inline:${key}`,
    `1 AES_CM_128_HMAC_SHA1_80 ${key}`,
    `1 AES_CM_128_HMAC_SHA1_80 inline:${key}=`,
    `1 AES_CM_128_HMAC_SHA1_80 inline:${key.slice(0, -4)}`,
    `1 AES_CM_128_HMAC_SHA1_32 inline:${key}AAAA`,
    `1 AEAD_AES_128_GCM inline:${key}`,
    `${usual}|2^1000`,
    `${usual}|2^20|x`,
    `${usual}|2^20|256:1`,
    `${usual}|2^20|1:0`,
    `${usual}|2^20|1:129`,
    `1 AES_CM_128_HMAC_SHA1_80 inline:${key.slice(0, -1)}!`
  ]
  for (const text of bad) {
    const error = t.throws(() => decodeCryptoAttribute(text), { instanceOf: DecodeError, code: 'sdp.crypto.malformed' }, text)
    t.false(String(error?.message).includes(key.slice(0, 12)))
  }
})

test('decode(encode(attribute)) is the attribute', (t) => {
  const attribute = fc.constantFrom(...cryptoSuites).chain((suite) =>
    fc.record({
      tag: fc.integer({ min: 1, max: 999_999_999 }),
      suite: fc.constant(suite),
      key: fc.uint8Array({ minLength: suite.keyLength + suite.saltLength, maxLength: suite.keyLength + suite.saltLength })
    })
  )
  fc.assert(
    fc.property(attribute, (given) => {
      const read = decodeCryptoAttribute(encodeCryptoAttribute(given))!
      t.deepEqual({ ...read, key: Uint8Array.from(read.key) }, { ...given, mki: noMki })
    })
  )
})
