import test from 'ava'
import fc from 'fast-check'
import { parse } from 'sdp-transform'
import { answeredFormats, type CodecTerms, chooseCodec, offeredEventsAt, offeredFormats, readParameters } from './negotiation.ts'

/** Chooses from an m-line's formats and attributes. */
function choose(formats: string, ...attributes: string[]): CodecTerms | null {
  const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', `m=audio 4000 RTP/AVP ${formats}`, ...attributes].join('\r\n')
  return chooseCodec(parse(`${sdp}\r\n`).media[0]!, formats)
}

test('static payload types need no map', (t) => {
  for (const [number, codec] of [
    ['0', 'PCMU'],
    ['8', 'PCMA'],
    ['9', 'G722'],
    ['18', 'G729']
  ] as const) {
    t.like(choose(number), { codec, payloadType: Number(number), clockRateHz: 8000, comfortNoisePayloadType: null })
  }
  t.is(choose('3'), null)
  t.is(choose('13'), null)
})

test('Opus as Firefox offers it', (t) => {
  const terms = choose(
    '109 9 0 8 101',
    'a=rtpmap:109 opus/48000/2',
    'a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1',
    'a=rtpmap:9 G722/8000/1',
    'a=rtpmap:101 telephone-event/8000/1',
    'a=fmtp:101 0-15'
  )
  t.deepEqual(terms, {
    codec: 'opus',
    payloadType: 109,
    clockRateHz: 48_000,
    parameters: { maxplaybackrate: '48000', useinbandfec: '1' },
    comfortNoisePayloadType: null,
    eventPayloadType: 101,
    eventClockRateHz: 8000,
    packetMs: 20,
    received: null
  })
  t.deepEqual(answeredFormats(terms!), {
    payloadTypes: [109, 101],
    attributes: [
      'a=rtpmap:109 opus/48000/2',
      'a=fmtp:109 minptime=10;useinbandfec=1',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      'a=ptime:20'
    ]
  })
})

test('RFC 8866 §6.4: a stream is sent in the packet time that its reader wants; a codec that is too long for it is passed over', (t) => {
  const opus = 'a=rtpmap:96 opus/48000/2'
  t.is(choose('0', 'a=ptime:30')!.packetMs, 30)
  t.is(choose('0', 'a=maxptime:40', 'a=ptime:60')!.packetMs, 40)
  for (const senseless of ['a=ptime:0', 'a=ptime:', 'a=ptime:x', 'a=maxptime:0'])
    t.is(choose('0', senseless)!.packetMs, 20, senseless)
  t.like(choose('96 0', opus, 'a=maxptime:10'), { codec: 'PCMU', packetMs: 10 })
  t.is(choose('96', opus, 'a=maxptime:10'), null)
  t.true(answeredFormats(choose('0', 'a=ptime:30')!).attributes.includes('a=ptime:20'), 'what we like to receive')
})

test('events at the clock of the codec go before those at 8 kHz', (t) => {
  const events = ['a=rtpmap:100 telephone-event/48000', 'a=rtpmap:101 telephone-event/8000']
  t.like(choose('96 101 100', 'a=rtpmap:96 opus/48000/2', ...events), { eventPayloadType: 100, eventClockRateHz: 48_000 })
  t.like(choose('0 101 100', ...events), { eventPayloadType: 101, eventClockRateHz: 8000 })
  t.like(choose('0 100', ...events), { eventPayloadType: null })
})

test('a codec with another clock or other channels is another codec', (t) => {
  t.is(choose('96', 'a=rtpmap:96 opus/48000'), null)
  t.is(choose('96', 'a=rtpmap:96 opus/16000/2'), null)
  t.is(choose('96', 'a=rtpmap:96 G722/16000'), null)
  t.like(choose('96 97', 'a=rtpmap:96 L16/44100', 'a=rtpmap:97 L16/16000'), {
    codec: 'L16',
    clockRateHz: 16_000,
    payloadType: 97
  })
  t.is(choose('96', 'a=rtpmap:96 L16/48000'), null, '20 ms of it do not fit a packet')
})

test('comfort noise is agreed on where the codec has none of its own', (t) => {
  t.like(choose('0 13'), { comfortNoisePayloadType: 13 })
  t.like(choose('9 13'), { comfortNoisePayloadType: 13 })
  t.like(choose('0 97', 'a=rtpmap:97 CN/8000'), { comfortNoisePayloadType: 97 })
  t.like(choose('96 13', 'a=rtpmap:96 L16/16000'), { comfortNoisePayloadType: null })
  t.like(choose('18 13'), { comfortNoisePayloadType: null })
  t.deepEqual(answeredFormats(choose('0 13')!), {
    payloadTypes: [0, 13],
    attributes: ['a=rtpmap:0 PCMU/8000', 'a=rtpmap:13 CN/8000', 'a=ptime:20']
  })
})

test('G.729 without silence frames is answered without (RFC 7261 §3)', (t) => {
  const without = choose('18', 'a=fmtp:18 annexb=no')!
  t.deepEqual(without.parameters, { annexb: 'no' })
  t.true(answeredFormats(without).attributes.includes('a=fmtp:18 annexb=no'))
  t.true(answeredFormats(choose('18')!).attributes.includes('a=fmtp:18 annexb=yes'))
})

test('of parameters, those are kept that an encoder goes by, in one order and case', (t) => {
  t.deepEqual(readParameters(' UseInbandFec=1; maxaveragebitrate = 20000 ;stereo=1;bad;=;__proto__=1;usedtx=0'), {
    maxaveragebitrate: '20000',
    usedtx: '0',
    useinbandfec: '1'
  })
  t.deepEqual(Object.keys(readParameters('useinbandfec=1;cbr=1')), Object.keys(readParameters('cbr=1;useinbandfec=1')))
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (config) => typeof readParameters(config) === 'object'))
})

test('our offer has every codec that is served, and can be chosen from', (t) => {
  const { payloadTypes, attributes } = offeredFormats()
  t.deepEqual(payloadTypes, [96, 9, 0, 8, 18, 101, 100])
  t.like(choose(payloadTypes.join(' '), ...attributes), {
    codec: 'opus',
    parameters: { useinbandfec: '1' },
    eventPayloadType: offeredEventsAt(48_000)
  })
  t.is(offeredEventsAt(8000), 101)
  t.is(offeredEventsAt(16_000), 101)
})
