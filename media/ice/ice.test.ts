import { createHmac } from 'node:crypto'
import { crc32 } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import type { Endpoint } from '../latch.ts'
import { readDescription, writeAnswer } from '../sdp.ts'
import { connectivityCheck } from '../testing/stun-check.ts'
import { IceCredentials, readIce } from './ice-attributes.ts'
import { LitePath } from './lite-path.ts'
import { decodeBindingRequest, encodeSuccess, hasIntegrity, isStun } from './stun.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** RFC 5769 §2.1: a request with every attribute of a check. */
const sample = hex(`
  00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
  00 24 00 04 6e 00 01 ff  80 29 00 08 93 2f f9 b1 51 26 3b 36
  00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
  00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2  80 28 00 04 e5 7a 3b cf`)
const samplePassword = 'VOkJxbRl1RmTxUk/WvJxBt'

/** RFC 5769 §2.2: the XOR-MAPPED-ADDRESS of the answer to it. */
const sampleMapped = '00 20 00 08 00 01 a1 47 e1 12 a6 43'

/** RFC 5769 §2.3: the same where the check came from 2001:db8:1234:5678:11:2233:4455:6677. */
const sampleMapped6 = '00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9'

const terms = {
  localFragment: 'ours',
  localPassword: 'password-of-our-side-',
  remoteFragment: 'theirs',
  remotePassword: 'x'
}
const home: Endpoint = { address: '192.0.2.1', port: 32_853 }
const elsewhere: Endpoint = { address: '192.0.2.2', port: 4000 }
const status = (answer: Buffer | null) => {
  if (answer === null) return null
  if (answer.readUInt16BE(0) === 0x0101) return 200
  return answer[26]! * 100 + answer[27]!
}

test('the check of RFC 5769 is read, its integrity holds for its password alone, and the answer maps the address as there', (t) => {
  t.true(isStun(sample))
  const request = decodeBindingRequest(sample)!
  t.like(request, { username: 'evtj:h6vY', role: 'controlled', useCandidate: false, unknown: [] })
  t.true(hasIntegrity(request, samplePassword))
  t.false(hasIntegrity(request, `${samplePassword}x`))
  const answer = encodeSuccess(request, home, samplePassword)
  t.is(answer.readUInt16BE(0), 0x0101)
  t.is(answer.readUInt16BE(2), answer.length - 20)
  t.deepEqual(answer.subarray(8, 20), sample.subarray(8, 20))
  t.deepEqual(answer.subarray(20, 32), hex(sampleMapped))
  const covered = Buffer.from(answer.subarray(0, 32))
  covered.writeUInt16BE(12 + 24, 2)
  t.deepEqual(answer.subarray(36, 56), createHmac('sha1', samplePassword).update(covered).digest())
  t.is((crc32(answer.subarray(0, 56)) ^ 0x5354_554e) >>> 0, answer.readUInt32BE(60))
  const home6 = { address: '2001:db8:1234:5678:11:2233:4455:6677', port: home.port }
  t.deepEqual(encodeSuccess(request, home6, samplePassword).subarray(20, 44), hex(sampleMapped6))
})

test('RTP, DTLS and RTCP are not STUN', (t) => {
  for (const first of [0x80, 0xbf, 20, 63, 4]) {
    const packet = Buffer.from(sample)
    packet[0] = first
    t.false(isStun(packet))
  }
  t.false(isStun(sample.subarray(0, 19)))
})

test('what is cut, padded or changed anywhere is refused or has no integrity, and nothing is read behind its end', (t) => {
  for (let length = 20; length < sample.length; length++) {
    t.throws(() => decodeBindingRequest(sample.subarray(0, length)), { instanceOf: DecodeError, code: 'ice.stun.malformed' })
  }
  // FINGERPRINT, the last eight octets, is not covered by the integrity.
  for (let bit = 32; bit < (sample.length - 8) * 8; bit++) {
    const changed = Buffer.from(sample)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    try {
      const request = isStun(changed) ? decodeBindingRequest(changed) : null
      t.true(request === null || !hasIntegrity(request, samplePassword), `bit ${bit}`)
    } catch (error) {
      t.true(error instanceof DecodeError)
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      const packet = Buffer.concat([sample.subarray(0, 20), octets])
      packet.writeUInt16BE(octets.length, 2)
      try {
        const request = decodeBindingRequest(packet)
        return request === null || !hasIntegrity(request, samplePassword)
      } catch (error) {
        return error instanceof DecodeError
      }
    })
  )
})

test('a check opens the way for whoever knows the password, and a nomination settles it', (t) => {
  const path = new LitePath(terms)
  t.is(path.destination, null)
  t.false(path.accept(home))
  t.is(status(path.check(connectivityCheck({}), home)), 200)
  t.deepEqual(path.destination, home)
  t.true(path.accept({ ...home }))
  t.is(status(path.check(connectivityCheck({ nominate: true }), elsewhere)), 200)
  t.deepEqual(path.destination, elsewhere)
  t.is(status(path.check(connectivityCheck({}), home)), 200)
  t.deepEqual(path.destination, elsewhere)
  t.true(path.accept(home))
})

test('a stranger gets an error, and opens nothing', (t) => {
  const path = new LitePath(terms)
  const unsigned = hex('00 01 00 00 21 12 a4 42 00 01 02 03 04 05 06 07 08 09 0a 0b')
  t.is(status(path.check(unsigned, elsewhere)), 400)
  t.is(status(path.check(connectivityCheck({ username: 'other:theirs' }), elsewhere)), 401)
  t.is(status(path.check(connectivityCheck({ key: 'guessed', nominate: true }), elsewhere)), 401)
  t.is(status(path.check(connectivityCheck({ extra: hex('00 77 00 04 00 00 00 00'), nominate: true }), elsewhere)), 420)
  t.is(status(path.check(connectivityCheck({ role: 0x8029, nominate: true }), elsewhere)), 487)
  t.is(path.destination, null)
  t.false(path.accept(elsewhere))
  t.is(status(path.check(connectivityCheck({ fingerprint: false }), home)), 200)
  const indication = connectivityCheck({})
  indication.writeUInt16BE(0x0011, 0)
  t.is(path.check(indication, home), null)
})

test('sources that are believed are bounded, and what is nominated stays', (t) => {
  const path = new LitePath(terms)
  path.check(connectivityCheck({ nominate: true }), home)
  for (let port = 5000; port < 5100; port++) path.check(connectivityCheck({}), { address: '192.0.2.3', port })
  t.deepEqual(path.destination, home)
  t.true(path.accept(home))
  t.false(path.accept({ address: '192.0.2.3', port: 5000 }))
  t.true(path.accept({ address: '192.0.2.3', port: 5099 }))
})

test('after a restart the old keys open nothing, and the sound goes on where it went', (t) => {
  const path = new LitePath(terms)
  path.check(connectivityCheck({ nominate: true }), home)
  path.restart({ ...terms, localFragment: 'new1', localPassword: 'another-password-of-ours' })
  t.is(status(path.check(connectivityCheck({ nominate: true }), elsewhere)), 401)
  t.deepEqual(path.destination, home)
  const renewed = connectivityCheck({ username: 'new1:theirs', key: 'another-password-of-ours', nominate: true })
  t.is(status(path.check(renewed, elsewhere)), 200)
  t.deepEqual(path.destination, elsewhere)
})

const offer = (...more: string[]) =>
  `${[
    'v=0',
    'o=a 1 1 IN IP4 192.0.2.9',
    's=-',
    'c=IN IP4 192.0.2.9',
    't=0 0',
    'm=audio 4000 RTP/AVP 0',
    'a=ice-ufrag:theirs',
    'a=ice-pwd:0123456789012345678901',
    'a=candidate:1 1 UDP 2130706431 192.0.2.9 4000 typ host',
    ...more
  ].join('\r\n')}\r\n`
const origin = { sessionId: '7', version: 3, address: '192.0.2.1' }

test('an offer of ICE is answered as the lite side, with a candidate for each component', (t) => {
  const credentials = new IceCredentials(true)
  const read = readDescription(offer(), undefined, credentials)
  if (!read.ok) return t.fail(read.reason)
  const answer = writeAnswer(read, origin, 5000)
  t.regex(answer, /t=0 0\r\na=ice-lite\r\nm=audio/)
  t.regex(
    answer,
    /a=candidate:1 1 UDP 2130706431 192\.0\.2\.1 5000 typ host\r\na=candidate:1 2 UDP 2130706430 192\.0\.2\.1 5001 typ host/
  )
  t.is(/a=ice-ufrag:(?<value>.*)\r/.exec(answer)?.groups?.value, read.terms.ice!.localFragment)
  const muxed = readDescription(offer('a=rtcp-mux'), undefined, new IceCredentials(true))
  t.true(muxed.ok)
  if (muxed.ok) t.notRegex(writeAnswer(muxed, origin, 5000), /a=candidate:1 2/)
})

test('keys of ours stay with the peer’s, change when it restarts, and end with ICE', (t) => {
  const credentials = new IceCredentials(true)
  const fragment = (sdp: string) => {
    const read = readDescription(sdp, undefined, credentials)
    return read.ok ? (read.terms.ice?.localFragment ?? null) : t.fail(read.reason)
  }
  const first = fragment(offer())
  t.is(fragment(offer('a=sendonly')), first)
  const restarted = fragment(offer().replace('theirs', 'theirs2'))
  t.not(restarted, first)
  t.is(fragment(offer().replace(/a=ice-pwd.*\r\n/, '')), null)
  const off = readDescription(offer(), undefined, new IceCredentials(false))
  t.true(off.ok && off.terms.ice === null)
})

test('without ICE are: a peer that is lite too, keys too short, and addresses that were changed on the way', (t) => {
  const kind = (sdp: string) => {
    const lines = sdp.split('\r\n')
    const at = lines.findIndex((line) => line.startsWith('m='))
    return readIce(lines.slice(0, at), lines.slice(at), { address: '192.0.2.9', port: 4000 }).kind
  }
  t.is(kind(offer()), 'ice')
  t.is(kind(offer().replace('t=0 0', 't=0 0\r\na=ice-lite')), 'none')
  t.is(kind(offer().replace('theirs', 'th')), 'none')
  t.is(kind(offer().replace('192.0.2.9 4000 typ', '10.0.0.5 4000 typ')), 'mismatch')
  const changed = readDescription(offer().replace('192.0.2.9 4000 typ', '10.0.0.5 4000 typ'), undefined, new IceCredentials(true))
  if (!changed.ok) return t.fail(changed.reason)
  t.is(changed.terms.ice, null)
  t.regex(writeAnswer(changed, origin, 5000), /a=ice-mismatch/)
})

test('an address that is told later is not a call on hold', (t) => {
  const trickled = offer('a=ice-options:trickle')
    .replace('c=IN IP4 192.0.2.9', 'c=IN IP4 0.0.0.0')
    .replace('m=audio 4000', 'm=audio 9')
    .replace(/a=candidate.*\r\n/, '')
  t.like(readDescription(trickled, undefined, new IceCredentials(true)), {
    ok: true,
    terms: { held: false, direction: 'sendrecv' }
  })
})
