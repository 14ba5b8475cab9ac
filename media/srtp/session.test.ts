import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import test from 'ava'
import { encodeRtp } from '../rtp/rtp.ts'
import { InboundSrtp, notAuthentic, OutboundSrtp, replayed } from './session.ts'
import { type CryptoSuite, cryptoSuiteNamed, cryptoSuites } from './suites.ts'

const keyOf = ({ keyLength, saltLength }: CryptoSuite) => randomBytes(keyLength + saltLength)

function rtp(sequence: number, payload: Uint8Array, ssrc = 0xcafe_babe): { packet: Buffer; octets: number } {
  const packet = Buffer.alloc(12 + payload.length + 32)
  encodeRtp(packet, false, 0, sequence, 160 * sequence, ssrc)
  packet.set(payload, 12)
  return { packet, octets: 12 + payload.length }
}

/** AES in counter mode from a 112-bit salt shifted left by 16. @see RFC 3711 §4.1.1, §4.3.3 */
function keystream(key: Uint8Array, iv: Uint8Array, octets: number): Buffer {
  return createCipheriv(`aes-${key.length * 8}-ctr`, key, iv).update(Buffer.alloc(octets))
}

/** Session key with a label, for a key derivation rate of 0. @see RFC 3711 §4.3.1 */
function derive(master: Uint8Array, salt: Uint8Array, label: number, octets: number): Buffer {
  const iv = Buffer.alloc(16)
  iv.set(salt)
  iv[7]! ^= label
  return keystream(master, iv, octets)
}

/** RTP of sequence numbers that have not wrapped, encrypted by Node alone. @see RFC 3711 §4, RFC 7714 §8 */
function encryptedByNode(suite: CryptoSuite, key: Uint8Array, plain: Buffer): Buffer {
  const master = key.subarray(0, suite.keyLength)
  const salt = Buffer.alloc(14)
  salt.set(key.subarray(suite.keyLength))
  const sessionKey = derive(master, salt, 0, suite.keyLength)
  const sessionSalt = derive(master, salt, 2, suite.saltLength)
  const header = plain.subarray(0, 12)
  const iv = Buffer.alloc(suite.saltLength === 12 ? 12 : 16)
  iv.set(sessionSalt)
  const at = suite.saltLength === 12 ? 2 : 4
  for (let i = 0; i < 4; i++) iv[at + i]! ^= header[8 + i]!
  for (let i = 0; i < 2; i++) iv[(suite.saltLength === 12 ? 10 : 12) + i]! ^= header[2 + i]!
  if (suite.saltLength === 12) {
    const cipher = createCipheriv(`aes-${suite.keyLength === 16 ? 128 : 256}-gcm`, sessionKey, iv)
    cipher.setAAD(header)
    return Buffer.concat([header, cipher.update(plain.subarray(12)), cipher.final(), cipher.getAuthTag()])
  }
  const stream = keystream(sessionKey, iv, plain.length - 12)
  const body = plain.subarray(12).map((octet, i) => octet ^ stream[i]!)
  const authenticated = Buffer.concat([header, body])
  const tag = createHmac('sha1', derive(master, salt, 1, 20))
    .update(authenticated)
    .update(Buffer.alloc(4))
    .digest()
  return Buffer.concat([authenticated, tag.subarray(0, suite.tagLength)])
}

test('the key derivation of this test gives what RFC 3711 B.3 gives', (t) => {
  const master = Buffer.from('E1F97A0D3E018BE0D64FA32C06DE4139', 'hex')
  const salt = Buffer.from('0EC675AD498AFEEBB6960B3AABE6', 'hex')
  t.is(derive(master, salt, 0, 16).toString('hex'), 'c61e7a93744f39ee10734afe3ff7a087')
  t.is(derive(master, salt, 2, 14).toString('hex'), '30cbbc08863d8c85d49db34a9ae1')
  t.is(derive(master, salt, 1, 20).toString('hex'), 'cebe321f6ff7716b6fd4ab49af256a156d38baa4')
})

for (const suite of cryptoSuites) {
  test(`${suite.name}: octet for octet what Node's own ciphers give`, (t) => {
    const key = keyOf(suite)
    const outbound = new OutboundSrtp(suite, key)
    for (const size of [0, 1, 160, 1200]) {
      const { packet, octets } = rtp(100 + size, randomBytes(size))
      const plain = Buffer.from(packet.subarray(0, octets))
      const length = outbound.protect(packet, octets)
      t.is(length, octets + suite.tagLength)
      t.is(packet.subarray(0, length).toString('hex'), encryptedByNode(suite, key, plain).toString('hex'))
    }
    outbound.close()
  })

  test(`${suite.name}: what one side sends, the other reads; once`, (t) => {
    const key = keyOf(suite)
    const outbound = new OutboundSrtp(suite, key)
    const inbound = new InboundSrtp(suite, key)
    const payload = randomBytes(160)
    const { packet, octets } = rtp(65_535, payload)
    const sent = packet.subarray(0, outbound.protect(packet, octets))
    const [whole, again, altered] = [Buffer.from(sent), Buffer.from(sent), Buffer.from(sent)]
    altered[20]! ^= 1
    t.is(inbound.unprotect(altered), notAuthentic)
    t.is(inbound.unprotect(whole), octets)
    t.deepEqual(whole.subarray(12, octets), payload)
    t.is(inbound.unprotect(again), replayed)
    // the sequence number wraps: the roll-over counter goes on
    const next = rtp(0, payload)
    const wrapped = next.packet.subarray(0, outbound.protect(next.packet, next.octets))
    t.is(inbound.unprotect(Buffer.from(wrapped)), next.octets)

    const report = Buffer.alloc(64)
    report.set([0x80, 201, 0, 1, 1, 2, 3, 4])
    const length = outbound.protectControl(report, 8)
    t.is(length, 8 + suite.controlGrowth)
    t.is(inbound.unprotectControl(Buffer.from(report.subarray(0, length))), 8)
    t.is(inbound.unprotectControl(Buffer.from(report.subarray(0, length))), replayed)
    outbound.close()
    inbound.close()
  })

  test(`${suite.name}: RFC 3711 §3.1, §3.4, RFC 7714 §8.2: a key identifier stands behind what is encrypted, before the tag where there is one`, (t) => {
    const key = keyOf(suite)
    const mki = Buffer.from([0, 0, 4, 42])
    const outbound = new OutboundSrtp(suite, key)
    const inbound = new InboundSrtp(suite, key, mki)
    const counterMode = suite.name.includes('HMAC')
    const withMki = (packet: Buffer, tag: number, identifier = mki) => {
      const at = packet.length - (counterMode ? tag : 0)
      return Buffer.concat([packet.subarray(0, at), identifier, packet.subarray(at)])
    }
    const { packet, octets } = rtp(7, Buffer.alloc(160, 0x5a))
    const sent = packet.subarray(0, outbound.protect(packet, octets))
    t.is(inbound.unprotect(Buffer.from(sent)), notAuthentic, 'without the identifier')
    t.is(inbound.unprotect(withMki(sent, suite.tagLength, Buffer.from([0, 0, 4, 43]))), notAuthentic, 'another identifier')
    const whole = withMki(sent, suite.tagLength)
    t.is(inbound.unprotect(whole), octets)
    t.deepEqual(whole.subarray(12, octets), Buffer.alloc(160, 0x5a))
    const report = Buffer.alloc(64)
    report.set([0x80, 201, 0, 1, 1, 2, 3, 4])
    const control = Buffer.from(report.subarray(0, outbound.protectControl(report, 8)))
    t.is(inbound.unprotectControl(withMki(control, 10)), 8)
    t.is(inbound.unprotect(Buffer.alloc(13)), notAuthentic)
    outbound.close()
    inbound.close()
  })
}

const suite = cryptoSuiteNamed('AES_CM_128_HMAC_SHA1_80')!

test('hostile octets are refused and change nothing', (t) => {
  const key = keyOf(suite)
  const inbound = new InboundSrtp(suite, key)
  const outbound = new OutboundSrtp(suite, key)
  for (let i = 0; i < 20_000; i++) {
    const octets = randomBytes(i % 90)
    if (octets.length > 1 && i % 2 === 0) octets[0] = 0x80 | (octets[0]! & 0x3f)
    t.is(inbound.unprotect(Buffer.from(octets)) < 0, true)
    t.is(inbound.unprotectControl(Buffer.from(octets)) < 0, true)
  }
  const { packet, octets } = rtp(1, randomBytes(20))
  t.is(inbound.unprotect(packet.subarray(0, outbound.protect(packet, octets))), octets)
  outbound.close()
  inbound.close()
})

test('a peer has as many streams as it may need, and no more', (t) => {
  const key = keyOf(suite)
  const inbound = new InboundSrtp(suite, key)
  const outbound = new OutboundSrtp(suite, key)
  const results = Array.from({ length: 70 }, (_, i) => {
    const { packet, octets } = rtp(i, randomBytes(20), 1000 + i)
    return inbound.unprotect(packet.subarray(0, outbound.protect(packet, octets)))
  })
  t.deepEqual(new Set(results.slice(0, 64)), new Set([32]))
  t.deepEqual(new Set(results.slice(64)), new Set([notAuthentic]))
  const { packet, octets } = rtp(1, randomBytes(20), 1000)
  t.is(inbound.unprotect(packet.subarray(0, outbound.protect(packet, octets))), octets)
  outbound.close()
  inbound.close()
})

test('wrong lengths are errors of the caller', (t) => {
  t.throws(() => new OutboundSrtp(suite, new Uint8Array(29)), { instanceOf: RangeError, message: /30 octets/ })
  const outbound = new OutboundSrtp(suite, keyOf(suite))
  t.throws(() => outbound.protect(Buffer.alloc(40), 31), { instanceOf: RangeError })
  t.throws(() => outbound.protect(Buffer.alloc(40), 11), { instanceOf: RangeError })
  outbound.close()
  outbound.close()
})
