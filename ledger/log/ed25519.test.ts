import { generateKeyPairSync } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { compiled } from './compiled.ts'
import { generateSigningKey, publicKeyOf, readPrivateKey } from './ed25519.ts'

const quick = compiled()
const ways = quick === null ? [null] : [null, quick]

const pemOf = (seed: string): string => {
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
}

// RFC 8032 §7.1, tests 1 and 2
const vectors = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    octets: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    octets: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
  }
]

for (const way of ways) {
  const name = way === null ? 'node:crypto' : 'compiled code'

  test(`${name}: the vectors of RFC 8032`, (t) => {
    for (const { seed, publicKey, octets, signature } of vectors) {
      const key = readPrivateKey(pemOf(seed), way)
      t.is(key.publicKey.octets.toString('hex'), publicKey)
      t.is(key.sign(Buffer.from(octets, 'hex')).toString('hex'), signature)
      t.true(key.publicKey.verifies(Buffer.from(octets, 'hex'), Buffer.from(signature, 'hex')))
    }
  })

  test(`${name}: of what is changed in one bit nothing is good, nor a signature of another length`, (t) => {
    const key = readPrivateKey(generateSigningKey(), way)
    const octets = Buffer.from('what is signed')
    const signature = key.sign(octets)
    for (const changed of [octets, signature, key.publicKey.octets])
      for (let bit = 0; bit < 8 * changed.length; bit++) {
        changed[bit >> 3]! ^= 1 << (bit & 7)
        t.false(publicKeyOf(key.publicKey.octets, way).verifies(octets, signature))
        changed[bit >> 3]! ^= 1 << (bit & 7)
      }
    t.true(key.publicKey.verifies(octets, signature))
    t.false(key.publicKey.verifies(octets, signature.subarray(1)))
    t.false(key.publicKey.verifies(octets, Buffer.concat([signature, Buffer.of(0)])))
    t.false(key.publicKey.verifies(octets, Buffer.alloc(0)))
    t.throws(() => publicKeyOf(key.publicKey.octets.subarray(1), way), { instanceOf: RangeError })
  })

  test(`${name}: a key in another form than the usual is read, and what is none is refused`, (t) => {
    const pem = generateSigningKey()
    const octets = Buffer.from('x')
    t.deepEqual(readPrivateKey(pem.replaceAll('\n', '\r\n'), way).sign(octets), readPrivateKey(pem, way).sign(octets))
    t.throws(() => readPrivateKey('no key', way), { code: 'ledger.key.malformed' })
    t.throws(() => readPrivateKey(pem.replace('MC4C', 'MC4D'), way), { code: 'ledger.key.malformed' })
    const other = generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    t.throws(() => readPrivateKey(other, way), { code: 'ledger.key.malformed', message: /got x25519/ })
  })
}

const both = quick === null ? test.skip : test

both('both ways sign alike, and each finds good what the other signed', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 300 }), (seed, octets) => {
      const pem = pemOf(Buffer.from(seed).toString('hex'))
      const [mine, theirs] = [readPrivateKey(pem, null), readPrivateKey(pem, quick)]
      t.deepEqual(theirs.publicKey.octets, mine.publicKey.octets)
      t.deepEqual(theirs.sign(octets), mine.sign(octets))
      t.true(theirs.publicKey.verifies(octets, mine.sign(octets)))
      t.true(mine.publicKey.verifies(octets, theirs.sign(octets)))
    }),
    { numRuns: 50 }
  )
})
