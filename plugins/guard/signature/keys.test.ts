import { generateKeyPairSync } from 'node:crypto'
import test from 'ava'
import { InfraFabricError } from '#kernel'
import { decodeBase64url, generateKeyPair, keyId, readPublicKey, readSigningKey, smallOrderKeys } from './keys.ts'

test('a generated pair belongs together under one key id', (t) => {
  const pair = generateKeyPair()
  const signing = readSigningKey(pair.privateKey)
  t.is(signing.id, pair.keyId)
  t.is(signing.publicKey, pair.publicKey)
  t.is(readPublicKey(pair.publicKey).id, pair.keyId)
  t.regex(pair.keyId, /^[0-9a-f]{16}$/)
})

test('the key id is the head of SHA-256 over the raw key (RFC 8032 §7.1 TEST 1 key)', (t) => {
  const raw = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
  t.is(keyId(raw), '21fe31dfa154a261')
})

test('texts that are not a public key are refused', (t) => {
  const good = generateKeyPair().publicKey
  for (const bad of [
    '',
    'AAAA',
    `${good}=`,
    `${good}A`,
    good.slice(1),
    good.replace(/.$/, '!'),
    Buffer.alloc(33).toString('base64url')
  ]) {
    t.like(
      t.throws(() => readPublicKey(bad), { instanceOf: InfraFabricError }),
      { code: 'guard.key.malformed' },
      bad
    )
  }
})

test('keys of small order are refused', (t) => {
  t.is(smallOrderKeys.size, 8)
  for (const hex of smallOrderKeys) {
    const error = t.throws(() => readPublicKey(Buffer.from(hex, 'hex').toString('base64url')), { instanceOf: InfraFabricError })
    t.is(error.code, 'guard.key.weak', hex)
  }
})

test('a private key must be Ed25519 in PEM', (t) => {
  const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const bad of ['', 'x', rsa])
    t.like(
      t.throws(() => readSigningKey(bad)),
      { code: 'guard.key.malformed' }
    )
})

test('base64url has one spelling for each sequence of bytes', (t) => {
  t.deepEqual(decodeBase64url('AA'), Buffer.from([0]))
  for (const bad of ['AB', 'AA==', 'A', 'A+', 'A A']) t.is(decodeBase64url(bad), null, bad)
})
