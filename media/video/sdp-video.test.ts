import test from 'ava'
import fc from 'fast-check'
import { parse } from 'sdp-transform'
import { readDescription, writeAnswer } from '../sdp.ts'
import { answerVideo, isEncrypted, readVideo, withVersion } from './sdp-video.ts'

const offerOf = (...video: string[]) =>
  ['v=0', 'o=room 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 4000 RTP/AVP 0', ...video, ''].join(
    '\r\n'
  )
const h264 = ['a=rtpmap:97 H264/90000', 'a=fmtp:97 packetization-mode=1;profile-level-id=42801f;max-mbps=1']
const source = { ssrc: 77, cname: 'x@conference' }
const origin = { sessionId: '5', version: 1, address: '127.0.0.1' }

function answerTo(offer: string): string {
  const sound = readDescription(offer)
  const picture = readVideo(offer)
  if (!sound.ok || picture === null) throw new Error('refused')
  return answerVideo(writeAnswer(sound, origin, 5000), picture, 6000, source)
}

test('H.264 of a room system: the second m-line is answered in its place', (t) => {
  const offer = offerOf('m=video 4002 RTP/AVP 96 97', 'a=rtpmap:96 H263-1998/90000', ...h264, 'a=sendonly')
  t.like(readVideo(offer), {
    at: 1,
    payloadType: 97,
    profileLevelId: '42001f',
    remote: { address: '127.0.0.1', port: 4002 },
    remoteControl: { address: '127.0.0.1', port: 4003 },
    direction: 'recvonly',
    pictureLoss: false
  })
  const answer = answerTo(offer)
  t.true(answer.includes('m=audio 5000 RTP/AVP 0\r\n'))
  t.true(answer.includes('m=video 6000 RTP/AVP 97\r\n'))
  t.true(answer.includes('a=recvonly\r\n'))
  t.true(answer.includes('a=ssrc:77 cname:x@conference\r\n'))
  t.true(answer.endsWith('\r\n'))
})

test('PLI, control on one port, an address of its own', (t) => {
  const more = ['a=rtcp-mux', 'a=rtcp-fb:* nack pli', 'c=IN IP4 127.0.0.2']
  const read = readVideo(offerOf('m=video 4002 RTP/AVPF 97', ...more, ...h264))
  t.like(read, { pictureLoss: true, controlMuxed: true, remoteControl: { address: '127.0.0.2', port: 4002 } })
})

test('what is shown beside people: a stream that says slides, one way, with what it takes', (t) => {
  const people = ['m=video 4002 RTP/AVP 97', ...h264]
  const slides = (...more: string[]) => [
    'm=video 4006 RTP/AVP 98',
    'b=AS:512',
    'a=content:slides',
    'a=rtpmap:98 H264/90000',
    `a=fmtp:98 packetization-mode=1;profile-level-id=42e016${more.join('')}`
  ]
  const offer = offerOf(...people, ...slides())
  t.like(readVideo(offer), { at: 1, kind: 'people' })
  t.like(readVideo(offer, 'content'), {
    at: 2,
    kind: 'content',
    direction: 'sendonly',
    takes: { macroblocks: 1620, bitsPerSecond: 512_000 }
  })
  t.is(readVideo(offerOf(...people), 'content'), null)
  t.is(readVideo(offerOf(...slides())), null)
  t.deepEqual(readVideo(offerOf(...slides(';max-fs=3600')), 'content')!.takes, { macroblocks: 3600, bitsPerSecond: 512_000 })
  const takes = (level: string) => readVideo(offer.replace('42e016', level).replace('b=AS:512\r\n', ''), 'content')!.takes
  t.deepEqual(takes('42f00b'), { macroblocks: 99, bitsPerSecond: 128_000 }, 'level 1b')
  t.deepEqual(takes('42e00b'), { macroblocks: 396, bitsPerSecond: 192_000 })
  t.is(readVideo(offerOf(...slides(), 'a=recvonly'), 'content')!.direction, 'sendonly')
  t.is(readVideo(offerOf(...slides(), 'a=sendonly'), 'content')!.direction, 'inactive', 'it shows nothing itself')
  const sound = readDescription(offer)
  if (!sound.ok) return t.fail(sound.reason)
  const answer = answerVideo(writeAnswer(sound, origin, 5000), readVideo(offer, 'content')!, 6000, source)
  t.regex(answer, /m=video 0 RTP\/AVP 97\r\n(?:.*\r\n)*m=video 6000 RTP\/AVP 98\r\n(?:.*\r\n)*a=sendonly\r\na=content:slides\r\n/)
})

test('what cannot be shared stays refused', (t) => {
  const refused: string[][] = [
    [],
    ['m=video 0 RTP/AVP 97', ...h264],
    ['m=video 4002 RTP/SAVP 97', ...h264],
    ['m=video 65535 RTP/AVP 97', ...h264],
    ['m=video 4002 RTP/AVP 97', 'a=rtpmap:97 H264/90000', 'a=fmtp:97 packetization-mode=0;profile-level-id=42e01f'],
    ['m=video 4002 RTP/AVP 97', 'a=rtpmap:97 H264/90000'],
    ['m=video 4002 RTP/AVP 97', 'a=rtpmap:97 H264/90000', 'a=fmtp:97 packetization-mode=1;profile-level-id=64001f'],
    ['m=video 4002 RTP/AVP 97', 'a=rtpmap:97 VP8/90000'],
    ['m=video 4002 RTP/AVP 97', 'c=IN IP4 224.0.0.1', ...h264],
    ['m=video 4002 RTP/AVP 97', 'c=IN IP6 ::1', ...h264]
  ]
  for (const lines of refused) t.is(readVideo(offerOf(...lines)), null, lines.join(' '))
})

test('encrypted sound is seen; a version is put in its place', (t) => {
  t.true(isEncrypted('m=audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n'))
  t.false(isEncrypted('m=audio 1 RTP/AVP 0\r\n'))
  t.regex(withVersion('v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\n', 9), /^o=- 5 9 IN IP4 127\.0\.0\.1\r$/m)
})

test('whatever a line says, it is read or left, and the answer has as many streams as the offer', (t) => {
  const lines = ['m=video 4002 RTP/AVP 97', ...h264, 'a=rtcp:4003', 'a=rtcp-fb:97 nack pli', 'a=sendrecv']
  const word = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('-1', '70000', '__proto__', '0x20', '97 97', '('))
  fc.assert(
    fc.property(fc.nat(lines.length - 1), word, fc.nat(30), (at, text, from) => {
      const changed = lines.map((line, n) => (n === at ? (line.slice(0, from) + text).replace(/[\r\n]/g, '') : line))
      const offer = offerOf(...changed)
      const sound = readDescription(offer)
      if (!sound.ok) return
      const picture = readVideo(offer)
      if (picture === null) return
      const answer = answerVideo(writeAnswer(sound, origin, 5000), picture, 6000, source)
      t.is(parse(answer).media.length, parse(offer).media.length)
      t.true(picture.remote.port > 0 && picture.remoteControl.port <= 65_535)
    }),
    { numRuns: 500 }
  )
})
