import test from 'ava'
import fc from 'fast-check'
import { parse } from 'sdp-transform'
import {
  isWebRtc,
  ourCodecs,
  readWebRtcAnswer,
  readWebRtcOffer,
  type WebRtcOffer,
  writeWebRtcAnswer,
  writeWebRtcOffer
} from './sdp-webrtc.ts'

const fingerprint = Array.from({ length: 32 }, (_, n) => n.toString(16).padStart(2, '0').toUpperCase()).join(':')

const head = ['v=0', 'o=- 5858094559962001215 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1']
const transport = [
  'a=ice-ufrag:IM8F',
  'a=ice-pwd:DfnlvpFXgrThFRFVMVtWXJVG',
  `a=fingerprint:sha-256 ${fingerprint}`,
  'a=setup:actpass'
]
const audio = [
  'm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126',
  'c=IN IP4 0.0.0.0',
  ...transport,
  'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=sendrecv',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:63 red/48000/2',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:13 CN/8000',
  'a=rtpmap:110 telephone-event/48000',
  'a=rtpmap:126 telephone-event/8000',
  'a=ssrc:1005346374 cname:abB1B6MCJGRMkN3Q'
]
const video = [
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 108 109',
  'c=IN IP4 0.0.0.0',
  ...transport,
  'a=mid:1',
  'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'a=sendrecv',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:102 H264/90000',
  'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f',
  'a=rtpmap:108 H264/90000',
  'a=rtcp-fb:108 nack',
  'a=rtcp-fb:108 nack pli',
  'a=rtcp-fb:108 goog-remb',
  'a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:109 rtx/90000',
  'a=fmtp:109 apt=108',
  'a=ssrc-group:FID 2007967188 3503462238',
  'a=ssrc:2007967188 cname:abB1B6MCJGRMkN3Q',
  'a=ssrc:3503462238 cname:abB1B6MCJGRMkN3Q'
]
const describe = (...parts: (readonly string[])[]) => `${parts.flat().join('\r\n')}\r\n`
const edit = (lines: readonly string[], from: string | RegExp, to: string | null) =>
  lines.flatMap((line) => (line.match(from) === null ? [line] : to === null ? [] : [line.replace(from, to)]))

const local = {
  ice: { usernameFragment: 'abcdefgh', password: 'abcdefghijklmnopqrstuvwx', iceLite: true },
  candidates: [
    { foundation: 'udp', priority: 1, address: '127.0.0.1', ip: '127.0.0.1', protocol: 'udp', port: 4000, type: 'host' } as const
  ],
  dtls: { fingerprints: [{ algorithm: 'sha-256', value: fingerprint } as const] }
}
const sending = { audio: { codecs: [], encodings: [{ ssrc: 11 }] }, video: { codecs: [], encodings: [{ ssrc: 12 }] } }
const answer = (offer: WebRtcOffer) => writeWebRtcAnswer(offer, { sessionId: '1', version: 1 }, local, sending)

function offerOf(sdp: string): WebRtcOffer {
  const read = readWebRtcOffer(sdp)
  if (!read.ok) throw new Error(`${read.code}: ${read.reason}`)
  return read
}

test("a browser's offer as parameters of mediasoup", (t) => {
  const offer = offerOf(describe(head, audio, video))
  t.deepEqual(offer.dtls, { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] })
  t.deepEqual(offer.ice, { usernameFragment: 'IM8F', password: 'DfnlvpFXgrThFRFVMVtWXJVG' })
  t.like(offer.audio, { mid: '0', direction: 'sendrecv', parameters: 'minptime=10;useinbandfec=1' })
  t.like(offer.audio.terms, { codec: 'opus', payloadType: 111, eventPayloadType: 110, eventClockRateHz: 48_000 })
  t.deepEqual(offer.audio.sends?.encodings, [{ ssrc: 1_005_346_374 }])
  t.deepEqual(
    offer.audio.sends?.codecs.map(({ mimeType, payloadType }) => `${payloadType} ${mimeType}`),
    ['111 audio/opus', '110 audio/PCMA']
  )
  t.like(offer.video, { mid: '1', direction: 'sendrecv', payloadType: 108, profileLevelId: '42e01f' })
  t.deepEqual(offer.video?.sends?.encodings, [{ ssrc: 2_007_967_188, rtx: { ssrc: 3_503_462_238 } }])
  t.deepEqual(
    offer.codecs.map(({ mimeType, preferredPayloadType }) => `${preferredPayloadType} ${mimeType}`),
    ['111 audio/opus', '110 audio/PCMA', '108 video/H264']
  )
})

test('of header extensions those are taken whose numbers mean nothing else to mediasoup', (t) => {
  const { audio: sound } = offerOf(describe(head, audio))
  t.deepEqual(
    sound.sends?.headerExtensions?.map(({ id }) => id),
    [2, 3]
  )
})

test('the answer: one transport, the numbers of the offer, the side that waits', (t) => {
  const text = answer(offerOf(describe(head, audio, video)))
  const { media, groups } = parse(text)
  t.is(groups?.[0]?.mids, '0 1')
  t.is(media.length, 2)
  for (const [n, section] of media.entries()) {
    t.is(section.setup, 'passive')
    t.is(String(section.mid), String(n))
    t.is(section.direction, 'sendrecv')
    t.is(section.iceUfrag, 'abcdefgh')
    t.is(section.fingerprint?.hash, fingerprint)
    t.truthy(section.rtcpMux)
    t.is(section.ssrcs?.find(({ attribute }) => attribute === 'cname')?.id, 11 + n)
  }
  t.true(text.includes('m=audio 4000 UDP/TLS/RTP/SAVPF 111 110\r\n'))
  t.true(text.includes('m=video 4000 UDP/TLS/RTP/SAVPF 108 109\r\n'))
  t.true(text.includes('a=candidate:udp 1 udp 1 127.0.0.1 4000 typ host\r\n'))
})

const opposites = { sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' }
for (const [theirs, ours] of Object.entries(opposites)) {
  test(`a=${theirs} is answered by a=${ours}`, (t) => {
    const offer = offerOf(describe(head, edit(audio, /^a=sendrecv$/, `a=${theirs}`)))
    t.is(offer.audio.sends === null, theirs !== 'sendonly')
    t.is(parse(answer(offer)).media[0]?.direction, ours)
  })
}

test('streams that are not taken are refused with port 0: VP8 alone, another bundle, another profile', (t) => {
  const vp8 = video.filter((line) => !/:(102|103|108|109) /.test(line))
  const others = [
    [head, audio, vp8],
    [edit(head, 'BUNDLE 0 1', 'BUNDLE 0'), audio, video],
    [head, audio, edit(video, 'profile-level-id=42e01f', 'profile-level-id=4d001f')],
    [head, audio, edit(video, 'packetization-mode=1', 'packetization-mode=0')],
    [head, audio, ['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:1']]
  ]
  for (const parts of others) {
    const offer = offerOf(describe(...parts))
    t.is(offer.video, null)
    t.regex(answer(offer), /m=(video|application) 0 /)
    t.regex(answer(offer), /a=group:BUNDLE 0\r\n/)
  }
})

test('G.711 where Opus is missing; the transport may stand in the session', (t) => {
  const sound = audio.filter((line) => !transport.includes(line) && !/(:| )(111|63|9)( |$)/.test(line.replace(/^m=.*/, '')))
  const lines = edit(sound, ' 111 63 9', '')
  const offer = offerOf(describe(head, transport, lines))
  t.like(offer.audio.terms, { codec: 'PCMU', payloadType: 0, eventPayloadType: 126, eventClockRateHz: 8000 })
})

test('refusals have their codes', (t) => {
  const without = (lines: readonly string[], what: RegExp) => describe(head, edit(lines, what, null))
  const refusals: [string, string][] = [
    ['sdp.malformed', ''],
    ['sdp.malformed', 'v=0\r\nrubbish\r\n'],
    ['sdp.malformed', describe(head, audio, ['a'.repeat(70_000)])],
    ['sdp.malformed', without(audio, /^a=ice-pwd/)],
    ['sdp.malformed', without(audio, /^a=setup/)],
    ['sdp.malformed', describe(head, edit(audio, fingerprint, 'AA:BB'))],
    ['sdp.malformed', describe(head, audio, edit(video, 'a=mid:1', 'a=mid:0'))],
    [
      'sdp.malformed',
      describe(
        head,
        audio,
        Array.from({ length: 40 }, () => 'm=audio 9 RTP/AVP 0')
      )
    ],
    ['sdp.unsupported-profile', describe(head, edit(audio, 'sha-256', 'md5'))],
    ['sdp.unsupported-profile', describe(head, edit(audio, 'UDP/TLS/RTP/SAVPF', 'RTP/AVP'))],
    ['sdp.unsupported-profile', without(audio, /^a=rtcp-mux/)],
    ['sdp.unsupported-profile', without(audio, /^a=ssrc/)],
    ['sdp.no-audio', describe(head, video)],
    ['sdp.no-common-codec', describe(head, edit(audio, / 111 63 9 0 8 13 110 126/, ' 63'))]
  ]
  for (const [code, sdp] of refusals) t.like(readWebRtcOffer(sdp), { ok: false, code }, sdp.slice(0, 300))
})

const ours = (kind: 'audio' | 'video', ssrc: number) => ({
  codecs: ourCodecs
    .filter((codec) => codec.kind === kind && codec.mimeType !== 'audio/PCMA')
    .map(({ preferredPayloadType, kind: _, ...codec }) => ({ ...codec, payloadType: preferredPayloadType! })),
  encodings: [{ ssrc, rtx: { ssrc: ssrc + 1 } }]
})
const ourOffer = writeWebRtcOffer({ sessionId: '1', version: 1 }, local, { audio: ours('audio', 11), video: ours('video', 21) })

test('an offer of ours can be read, answered, and the answer read', (t) => {
  const read = offerOf(ourOffer)
  t.like(read.audio, { mid: '0', direction: 'sendrecv' })
  t.like(read.audio.terms, { codec: 'opus', payloadType: 111, eventPayloadType: 100, eventClockRateHz: 48_000 })
  t.like(read.video, { mid: '1', payloadType: 108 })
  t.deepEqual(read.video?.sends?.encodings?.[0]?.ssrc, 21)
  const text = answer(read)
  t.like(readWebRtcAnswer(text), { ok: true, dtls: { role: 'server' } })
  t.like(readWebRtcAnswer(text.replaceAll('a=setup:passive', 'a=setup:active')), { ok: true, dtls: { role: 'client' } })
  const soundAlone = text.replace(/m=video \d+/, 'm=video 0')
  t.like(readWebRtcAnswer(soundAlone), { ok: true, video: null })
})

test('an answer that is none to our offer', (t) => {
  const text = answer(offerOf(ourOffer))
  const wrong: [string, string][] = [
    ['sdp.malformed', ourOffer],
    ['sdp.no-common-codec', answer(offerOf(describe(head, audio)))],
    ['sdp.no-common-codec', text.replaceAll('a=mid:0', 'a=mid:7').replaceAll('BUNDLE 0', 'BUNDLE 7')],
    ['sdp.no-common-codec', text.replaceAll(/\b108\b/g, '99')]
  ]
  for (const [code, sdp] of wrong) t.like(readWebRtcAnswer(sdp), { ok: false, code })
})

test('a browser is told from a telephone', (t) => {
  t.true(isWebRtc(describe(head, audio)))
  t.false(isWebRtc('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n'))
})

test('whatever is done to an offer, it is read or refused, and what is read can be answered', (t) => {
  const lines = [...head, ...audio, ...video]
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('drop' as const), at: fc.nat(lines.length - 1) }),
    fc.record({ kind: fc.constant('double' as const), at: fc.nat(lines.length - 1) }),
    fc.record({ kind: fc.constant('swap' as const), at: fc.nat(lines.length - 1), with: fc.nat(lines.length - 1) }),
    fc.record({
      kind: fc.constant('write' as const),
      at: fc.nat(lines.length - 1),
      text: fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom('__proto__', '-1', '99999999999', '0x10', 'NaN', '%00'))
    })
  )
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
      const changed = [...lines]
      for (const each of mutations) {
        const line = changed[each.at] ?? ''
        if (each.kind === 'drop') changed.splice(each.at, 1)
        else if (each.kind === 'double') changed.splice(each.at, 0, line)
        else if (each.kind === 'swap') [changed[each.at], changed[each.with]] = [changed[each.with] ?? '', line]
        else changed[each.at] = line.replace(/[^:= ]*$/, () => each.text)
      }
      const read = readWebRtcOffer(describe(changed))
      if (!read.ok) return
      const { media } = parse(answer(read))
      t.is(media.length, read.media.length)
      t.true(read.codecs.every(({ preferredPayloadType }) => preferredPayloadType! >= 0 && preferredPayloadType! <= 127))
    }),
    { numRuns: 400 }
  )
})
