import test from 'ava'
import fc from 'fast-check'
import { readDataOffer, writeDataAnswer } from './sdp-data.ts'

const fingerprint = Array.from({ length: 32 }, (_, at) => at.toString(16).padStart(2, '0').toUpperCase()).join(':')
const lines = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  `a=fingerprint:sha-256 ${fingerprint}`,
  'a=setup:actpass',
  'a=mid:0',
  'a=sctp-port:5000',
  'a=max-message-size:262144'
]
const offer = (change: (line: string) => string | null = (line) => line): string =>
  `${lines
    .map(change)
    .filter((line) => line !== null)
    .join('\r\n')}\r\n`
const without = (start: string) => offer((line) => (line.startsWith(start) ? null : line))
const put = (start: string, line: string) => offer((each) => (each.startsWith(start) ? line : each))

test('the offer of a browser is read, and the answer is passive', (t) => {
  const read = readDataOffer(offer())
  if (!read.ok) return t.fail(read.reason)
  t.like(read, { mid: '0', usernameFragment: 'abcd', maxMessageSize: 262_144, dtls: { role: 'client' } })
  const answer = writeDataAnswer(
    read,
    { sessionId: '7', version: 1 },
    {
      ice: { usernameFragment: 'efgh', password: 'p'.repeat(24), iceLite: true },
      candidates: [
        {
          foundation: '1',
          priority: 2,
          address: '127.0.0.1',
          ip: '127.0.0.1',
          protocol: 'udp',
          port: 4000,
          type: 'host',
          tcpType: undefined as never
        }
      ],
      dtls: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] }
    },
    { port: 5000, maxMessageSize: 262_144 }
  )
  t.true(answer.includes('\r\na=setup:passive\r\n'))
  t.true(answer.includes('m=application 4000 UDP/DTLS/SCTP webrtc-datachannel\r\n'))
  t.true(answer.includes('a=candidate:1 1 udp 2 127.0.0.1 4000 typ host\r\n'))
  t.true(answer.includes('a=sctp-port:5000\r\na=max-message-size:262144\r\n'))
})

test('sizes of messages: 65,536 where none is told, any for 0', (t) => {
  const sizeOf = (sdp: string) => {
    const read = readDataOffer(sdp)
    return read.ok ? read.maxMessageSize : read.code
  }
  t.is(sizeOf(without('a=max-message-size')), 65_536)
  t.is(sizeOf(put('a=max-message-size', 'a=max-message-size:0')), Number.MAX_SAFE_INTEGER)
  t.is(sizeOf(put('a=max-message-size', 'a=max-message-size:-1')), 'sdp.malformed')
})

test('offers that are not taken', (t) => {
  const codeOf = (sdp: string) => {
    const read = readDataOffer(sdp)
    return read.ok ? 'taken' : read.code
  }
  for (const start of ['a=ice-ufrag', 'a=ice-pwd', 'a=setup', 'a=mid']) t.is(codeOf(without(start)), 'sdp.malformed', start)
  for (const sdp of [
    without('m='),
    without('a=fingerprint'),
    put('a=fingerprint', 'a=fingerprint:md5 00'),
    `${offer()}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n`
  ])
    t.is(codeOf(sdp), 'sdp.unsupported-profile')
  t.is(codeOf(put('a=fingerprint', 'a=fingerprint:sha-256 00:11')), 'sdp.malformed')
  t.is(codeOf('x'.repeat(16_385)), 'sdp.malformed')
})

test('whatever comes is read or refused', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...lines), fc.string({ unit: 'binary' }))), (some) => {
      t.is(typeof readDataOffer(some.join('\r\n')).ok, 'boolean')
    })
  )
})
