import test from 'ava'
import fc from 'fast-check'
import { readDescription, writeAnswer, writeOffer } from './sdp.ts'

const sdp = (...media: string[]) =>
  `${['v=0', 'o=a 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...media].join('\r\n')}\r\n`
const origin = { sessionId: '7', version: 3, address: '127.0.0.1' }
const code = (text: string) => {
  const read = readDescription(text)
  return read.ok ? 'ok' : read.code
}

test('a single static format without a map', (t) => {
  const read = readDescription(sdp('m=audio 4000 RTP/AVP 8'))
  t.like(read, { ok: true, terms: { codec: 'PCMA', payloadType: 8, eventPayloadType: null, direction: 'sendrecv', held: false } })
})

test('the order of the offer decides, dynamic numbers and events are kept, video is refused with port 0', (t) => {
  const read = readDescription(
    sdp(
      'm=video 4002 RTP/AVP 99',
      'm=audio 4000 RTP/AVP 97 98 0 100',
      'a=rtpmap:97 opus/48000/2',
      'a=rtpmap:98 PCMA/8000',
      'a=rtpmap:100 telephone-event/8000',
      'a=rtcp-mux'
    )
  )
  t.true(read.ok)
  if (!read.ok) return
  t.like(read.terms, { codec: 'PCMA', payloadType: 98, eventPayloadType: 100, controlMuxed: true })
  const answer = writeAnswer(read, origin, 5000)
  t.regex(answer, /^o=- 7 3 /m)
  t.regex(answer, /m=video 0 RTP\/AVP 99\r\nm=audio 5000 RTP\/AVP 98 100\r\n/)
  t.regex(answer, /a=rtcp-mux/)
})

for (const [line, direction, held] of [
  ['sendrecv', 'sendrecv', false],
  ['sendonly', 'recvonly', true],
  ['recvonly', 'sendonly', false],
  ['inactive', 'inactive', true]
] as const) {
  test(`a=${line} is mirrored as ${direction}`, (t) => {
    t.like(readDescription(sdp('m=audio 4000 RTP/AVP 0', `a=${line}`)), { terms: { direction, held } })
  })
}

test('the old hold: connection address 0.0.0.0', (t) => {
  t.like(readDescription(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP4 0.0.0.0')), { terms: { direction: 'recvonly', held: true } })
})

test('refusals have their codes', (t) => {
  t.is(code(sdp('m=audio 4000 RTP/SAVP 0')), 'sdp.unsupported-profile')
  t.is(code(sdp('m=video 4000 RTP/AVP 99')), 'sdp.no-audio')
  t.is(code(sdp('m=audio 0 RTP/AVP 0')), 'sdp.no-audio')
  t.is(code(sdp('m=audio 4000 RTP/AVP 3')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 123/8000')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 99999 RTP/AVP 0')), 'sdp.malformed')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'a=rtcp:99999')), 'sdp.malformed')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP4 224.0.0.1')), 'sdp.no-audio')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP6 ::1')), 'sdp.no-audio')
  t.is(code(sdp(...Array<string>(400).fill('a=x'))), 'sdp.malformed')
  t.is(code(sdp(...Array<string>(17).fill('m=audio 4000 RTP/AVP 0'))), 'sdp.malformed')
  t.is(code(`v=0\r\n${'a'.repeat(20_000)}`), 'sdp.malformed')
  t.is(code(''), 'sdp.malformed')
})

test('what we offer can be read', (t) => {
  t.like(readDescription(writeOffer(origin, 5000)), {
    terms: { codec: 'PCMU', eventPayloadType: 101, remote: { address: '127.0.0.1', port: 5000 } }
  })
})

test('no description makes it throw', (t) => {
  const whole = sdp('m=audio 4000 RTP/AVP 0 8 101', 'a=rtpmap:0 PCMU/8000', 'a=rtcp:4001', 'a=sendrecv')
  fc.assert(
    fc.property(fc.nat(whole.length), fc.nat(20), fc.string({ maxLength: 20 }), (at, cut, put) => {
      const read = readDescription(whole.slice(0, at) + put + whole.slice(at + cut))
      if (read.ok) writeAnswer(read, origin, 5000)
    }),
    { numRuns: 500, seed: 1 }
  )
  t.pass()
})
