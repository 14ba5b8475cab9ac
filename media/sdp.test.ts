import test from 'ava'
import fc from 'fast-check'
import { readAnswer, readDescription, writeAnswer, writeOffer } from './sdp.ts'

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
      'a=rtpmap:97 SPEEX/16000',
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

test('blanks at the end of a line and empty lines at the end are no part of a description', (t) => {
  const plain = sdp('m=audio 4000 RTP/AVP 0 101', 'a=rtpmap:101 telephone-event/8000', 'a=recvonly')
  const read = readDescription(plain)
  t.true(read.ok)
  for (const written of [
    `${plain}\r\n`,
    `${plain}\n\n`,
    plain.trimEnd(),
    plain.replaceAll('\r\n', ' \r\n'),
    plain.replaceAll('\r', '')
  ])
    t.deepEqual(readDescription(written), read, JSON.stringify(written))
  t.is(code(plain.replace('a=recvonly', '\r\na=recvonly')), 'sdp.malformed', 'an empty line within')
  t.is(code(' '.repeat(16_000)), 'sdp.malformed')
})

test('refusals have their codes', (t) => {
  t.is(code(sdp('m=audio 4000 RTP/SAVP 0')), 'sdp.unsupported-profile')
  t.is(code(sdp('m=video 4000 RTP/AVP 99')), 'sdp.no-audio')
  t.is(code(sdp('m=audio 0 RTP/AVP 0')), 'sdp.no-audio')
  t.is(code(sdp('m=audio 4000 RTP/AVP 3')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 123/8000')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 99999 RTP/AVP 0')), 'sdp.malformed')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'a=rtcp:99999')), 'sdp.malformed')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP4 224.0.0.1')), 'sdp.no-address')
  for (const address of ['ff02::1', 'fe80::1', '::ffff:192.0.2.1', '::1%lo', 'council.example'])
    t.is(code(sdp('m=audio 4000 RTP/AVP 0', `c=IN IP6 ${address}`)), 'sdp.no-address', address)
  const six = readDescription(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP6 2001:DB8:0::1'), undefined, undefined, [4])
  t.like(six, { ok: false, code: 'sdp.no-address', reason: 'the audio stream has no IPv4 unicast address' })
  t.is(code(sdp(...Array<string>(400).fill('a=x'))), 'sdp.malformed')
  t.is(code(sdp(...Array<string>(17).fill('m=audio 4000 RTP/AVP 0'))), 'sdp.malformed')
  t.is(code(`v=0\r\n${'a'.repeat(20_000)}`), 'sdp.malformed')
  t.is(code(''), 'sdp.malformed')
})

test('extended reports: offered always, answered where they are asked for', (t) => {
  t.regex(writeOffer(origin, 5000), /^a=rtcp-xr:stat-summary=loss,dup,jitt voip-metrics\r$/m)
  const plain = readDescription(sdp('m=audio 4000 RTP/AVP 0'))
  const asking = readDescription(sdp('m=audio 4000 RTP/AVP 0', 'a=rtcp-xr:voip-metrics'))
  const wholeSession = readDescription(sdp('a=rtcp-xr:stat-summary=loss', 'm=audio 4000 RTP/AVP 0'))
  t.like(plain, { terms: { reports: { summary: null, voip: false } } })
  t.like(asking, { terms: { reports: { summary: null, voip: true } } })
  t.like(wholeSession, { terms: { reports: { summary: { loss: true, duplicates: false, jitter: false }, voip: false } } })
  if (!plain.ok || !asking.ok) return t.fail()
  t.notRegex(writeAnswer(plain, origin, 5000), /rtcp-xr/)
  t.regex(writeAnswer(asking, origin, 5000), /^a=rtcp-xr:/m)
})

test('what we offer can be read', (t) => {
  t.like(readDescription(writeOffer(origin, 5000)), {
    terms: { codec: 'opus', eventPayloadType: 100, remote: { address: '127.0.0.1', port: 5000 } }
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

test('of two audio streams the first that can be used is taken, the other refused', (t) => {
  const read = readDescription(
    sdp('m=audio 4000 RTP/SAVP 0', 'm=audio 4002 RTP/AVP 4', 'm=audio 4004 RTP/AVP 8', 'm=audio 4006 RTP/AVP 0')
  )
  t.like(read, { terms: { remote: { port: 4004 }, codec: 'PCMA' } })
  if (!read.ok) return
  t.deepEqual(
    writeAnswer(read, origin, 5000)
      .split('\r\n')
      .filter((line) => line.startsWith('m=')),
    ['m=audio 0 RTP/SAVP 0', 'm=audio 0 RTP/AVP 4', 'm=audio 5000 RTP/AVP 8', 'm=audio 0 RTP/AVP 0']
  )
})

test('a direction of the session holds for the stream, one of the stream goes before it', (t) => {
  const held = sdp('m=audio 4000 RTP/AVP 0').replace('t=0 0\r\n', 't=0 0\r\na=sendonly\r\n')
  t.like(readDescription(held), { terms: { direction: 'recvonly', held: true } })
  t.like(readDescription(`${held}a=sendrecv\r\n`), { terms: { direction: 'sendrecv', held: false } })
})

test('0.0.0.0 with a direction: nothing is sent, and held is held', (t) => {
  for (const [line, direction] of [
    ['sendrecv', 'recvonly'],
    ['sendonly', 'recvonly'],
    ['recvonly', 'inactive'],
    ['inactive', 'inactive']
  ]) {
    t.like(readDescription(sdp('m=audio 4000 RTP/AVP 0', 'c=IN IP4 0.0.0.0', `a=${line}`)), { terms: { direction, held: true } })
  }
})

test('where control packets go', (t) => {
  const control = (port: number, ...lines: string[]) => {
    const read = readDescription(sdp(`m=audio ${port} RTP/AVP 0`, ...lines))
    return read.ok ? read.terms.remoteControl : read.code
  }
  const at = (port: number) => ({ address: '127.0.0.1', port })
  t.deepEqual(control(4000), at(4001))
  t.deepEqual(control(4000, 'a=rtcp:4711'), at(4711))
  // RFC 3605 §2.1; what is no address of a host, or of the other family, leaves it where the sound goes
  t.deepEqual(control(4000, 'a=rtcp:4711 IN IP4 192.0.2.1'), { address: '192.0.2.1', port: 4711 })
  for (const nowhere of ['IP4 0.0.0.0', 'IP4 224.0.0.1', 'IP6 2001:db8::1', 'IP4 host.example'])
    t.deepEqual(control(4000, `a=rtcp:4711 IN ${nowhere}`), at(4711))
  t.deepEqual(control(4000, 'a=rtcp-mux'), at(4000))
  t.is(control(65_535), null)
  t.is(control(4000, 'a=rtcp:0'), 'sdp.malformed')
})

test('telephone-event counts only at the clock of the codec', (t) => {
  const events = (rate: number) => readDescription(sdp('m=audio 4000 RTP/AVP 0 101', `a=rtpmap:101 telephone-event/${rate}`))
  t.like(events(8000), { terms: { eventPayloadType: 101 } })
  t.like(events(48_000), { terms: { eventPayloadType: null } })
  t.like(readDescription(sdp('m=audio 4000 RTP/AVP 0', 'a=rtpmap:101 telephone-event/8000')), {
    terms: { eventPayloadType: null }
  })
})

test('a codec at another clock or with two channels is not ours', (t) => {
  t.is(code(sdp('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 PCMU/16000')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 PCMU/8000/2')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 4000 RTP/AVP 0', 'a=rtpmap:0 G726-32/8000')), 'sdp.no-common-codec')
  t.is(code(sdp('m=audio 4000 RTP/AVP 96', 'a=rtpmap:96 pcmu/8000/1')), 'ok')
})

test('several ports for one stream are not used', (t) => {
  t.is(code(sdp('m=audio 4000/2 RTP/AVP 0')), 'sdp.no-audio')
  const read = readDescription(sdp('m=audio 4000/2 RTP/AVP 0', 'm=audio 4004 RTP/AVP 0'))
  t.true(read.ok && writeAnswer(read, origin, 5000).includes('m=audio 0 RTP/AVP 0\r\nm=audio 5000 RTP/AVP 0\r\n'))
})

test('RFC 3264 §6.1: who answers ours is sent to with its payload types, and sends with ours', (t) => {
  const answer = sdp('m=audio 4000 RTP/AVP 8 97', 'a=rtpmap:97 telephone-event/8000')
  t.like(readAnswer(answer), {
    terms: { codec: 'PCMA', payloadType: 8, eventPayloadType: 97, received: { payloadType: 8, eventPayloadType: 101 } }
  })
  const offered = /rtpmap:(?<number>\d+) opus/.exec(writeOffer(origin, 5000))?.groups?.number
  t.like(readAnswer(sdp('m=audio 4000 RTP/AVP 122', 'a=rtpmap:122 opus/48000/2')), {
    terms: { payloadType: 122, received: { payloadType: Number(offered), eventPayloadType: null } }
  })
  t.like(readAnswer(sdp('m=audio 4000 RTP/AVP 8')), { terms: { eventPayloadType: null } })
  t.like(readAnswer(sdp('m=audio 0 RTP/AVP 8')), { ok: false, code: 'sdp.no-audio' })
})

test('malformed lines', (t) => {
  const plain = 'm=audio 4000 RTP/AVP 0'
  for (const bad of [
    'nonsense',
    'm=audio',
    'm=audio x RTP/AVP 0',
    'm=audio 4000 RTP/AVP',
    'a=x\0',
    `a=${'x'.repeat(2100)}`,
    'a=x\ry',
    ''
  ]) {
    t.is(code(sdp(plain, bad, 'a=x')), 'sdp.malformed', bad.slice(0, 30))
  }
  t.is(code(sdp(plain).replace('o=a', 'x=a')), 'sdp.malformed')
  t.is(code(sdp(plain).replace('c=IN IP4 127.0.0.1\r\n', '')), 'sdp.malformed')
  t.is(code(`\r\n${sdp(plain)}`), 'sdp.malformed')
  t.is(code(sdp(plain).replaceAll('\r\n', '\n')), 'ok')
  t.is(code(sdp(plain).trimEnd()), 'ok')
  t.is(code(sdp(`m=audio 4000 RTP/AVP ${Array(65).fill('0').join(' ')}`)), 'sdp.malformed')
})

test('any string is read or refused, and the answer to what is read can be read', (t) => {
  const line = fc.oneof(
    fc.constantFrom(
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      'c=IN IP4 0',
      't=0 0',
      'a=rtpmap:0 PCMU/8000',
      'a=rtcp-mux'
    ),
    fc.constantFrom(
      'm=audio 4000 RTP/AVP 0',
      'm=audio 9 RTP/AVP 0 8 101',
      'm=video 0 RTP/AVP 99',
      'm=application 7 UDP/BFCP *',
      'a=inactive'
    ),
    fc.constantFrom(
      'a=rtpmap:101 telephone-event/8000',
      'a=rtpmap:1 1/1',
      'a=rtpmap:',
      'a=rtcp:',
      'a=rtcp:x',
      'a=__proto__:1',
      'm=audio 1/3 a *'
    ),
    fc.string({ unit: 'binary', maxLength: 30 })
  )
  const description = fc
    .tuple(fc.constantFrom('c=IN IP4 127.0.0.1', 'a=sendonly'), fc.array(line, { maxLength: 8 }))
    .map(([second, lines]) => ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', second, 'm=audio 9 RTP/AVP 0', ...lines].join('\r\n'))
  let readable = 0
  fc.assert(
    fc.property(
      fc.oneof({ weight: 9, arbitrary: description }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) }),
      (any) => {
        const read = readDescription(any)
        if (!read.ok) return
        readable++
        const answer = writeAnswer(read, origin, 5000)
        t.like(readDescription(answer), { ok: true, terms: { codec: read.terms.codec, payloadType: read.terms.payloadType } })
        t.is(answer.split('\r\nm=').length, any.split('\r\nm=').length)
      }
    ),
    { numRuns: 2000, seed: 1 }
  )
  t.true(readable > 50, `${readable} were readable`)
})
