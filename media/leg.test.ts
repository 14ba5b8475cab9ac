import test from 'ava'
import type { Endpoint } from './latch.ts'
import { Leg } from './leg.ts'
import { decodeRtcp, encodeReport, ntpMiddle, type RtcpPacket } from './rtp/rtcp.ts'
import { encodeExtendedReport } from './rtp/rtcp-xr.ts'
import { decodeRtp, emptyRtpHeader, encodeRtp } from './rtp/rtp.ts'
import { encodeTelephoneEvent } from './rtp/telephone-event.ts'
import type { AudioTerms } from './sdp.ts'
import { connectivityCheck } from './testing/stun-check.ts'

const phone = { address: '198.51.100.7', port: 4000 }
const terms: AudioTerms = {
  codec: 'PCMU',
  payloadType: 0,
  clockRateHz: 8000,
  parameters: {},
  comfortNoisePayloadType: null,
  eventPayloadType: 101,
  eventClockRateHz: 8000,
  packetMs: 20,
  received: null,
  remote: phone,
  remoteControl: { ...phone, port: 4001 },
  controlMuxed: false,
  direction: 'sendrecv',
  held: false,
  srtp: null,
  reports: { summary: null, voip: false },
  ice: null
}
const settings = { jitterTargetMs: 20, latchWindowMs: 5000, mediaTimeoutMs: 3000, cname: 'us', highestRateHz: 48_000 }
/** Memory that others have used. */
const frames = { frame: (samples: number) => new Int16Array(samples).fill(99), freeFrame: () => undefined }
const loud = 0x80

function scene(more: Partial<AudioTerms> = {}) {
  const sent: { packet: Buffer; to: Endpoint; payload: number }[] = []
  const control: { packets: RtcpPacket[]; to: Endpoint; muxed: boolean }[] = []
  const told: string[] = []
  const leg = new Leg(settings, {
    ...frames,
    sendRtp: (packet, length, to, payload = 0) => sent.push({ packet: Buffer.from(packet.subarray(0, length)), to, payload }) > 0,
    sendRtcp: (packet, to, muxed) => control.push({ packets: decodeRtcp(packet), to, muxed }),
    digit: (digit, durationMs) => told.push(`digit ${digit} ${durationMs}`),
    silent: (silentMs) => told.push(`silent ${silentMs}`),
    strangers: (packets) => told.push(`strangers ${packets}`)
  })
  leg.agree({ ...terms, ...more }, 0)
  /** What the mixer does with silence. */
  const payload = Buffer.alloc(172, 0xff)
  const push = () => (leg.listening ? leg.send(payload, 160, false) : leg.pass())
  const say = (
    sequence: number,
    nowMs: number,
    options: { ssrc?: number; from?: Endpoint; type?: number; octets?: number } = {}
  ) => {
    const { ssrc = 5, from = phone, type = 0, octets = 160 } = options
    const packet = Buffer.alloc(12 + octets, loud)
    encodeRtp(packet, false, type, sequence & 0xffff, (sequence * 160) >>> 0, ssrc)
    leg.receive(packet, from, nowMs)
  }
  const header = (packet: Buffer) => {
    const out = emptyRtpHeader()
    decodeRtp(packet, out)
    return out
  }
  return { leg, push, sent, control, told, say, header }
}

test('sends a frame a tick: numbers and RTP timestamps count up, the marker stands on the first', (t) => {
  const { push, sent, header } = scene()
  for (let n = 0; n < 20; n++) push()
  const headers = sent.map(({ packet }) => header(packet))
  t.deepEqual(headers.map(({ marker }) => marker).slice(0, 3), [true, false, false])
  for (const [n, { sequenceNumber, timestamp }] of headers.entries()) {
    t.is(sequenceNumber, (headers[0]!.sequenceNumber + n) & 0xffff)
    t.is(timestamp, (headers[0]!.timestamp + 160 * n) >>> 0)
  }
  t.true(sent.every(({ packet, to }) => packet.length === 172 && packet[12] === 0xff && to === sent[0]!.to))
})

test('what counted as sent and did not leave is counted as dropped, and no report says that it was sent', (t) => {
  const { leg, push, sent, control } = scene()
  for (let n = 0; n < 3; n++) push()
  leg.unsent(sent[1]!.payload)
  t.deepEqual(leg.traffic().sent, { packets: 2, bytes: 320, errors: 0, dropped: 1 })
  leg.report(60, 1e12, false)
  const [report] = control[0]!.packets
  t.true(report?.type === 'senderReport' && report.sender.packets === 2 && report.sender.octets === 320)
})

test('RTP time passes while nothing is sent, and the next packet has the marker', (t) => {
  const { leg, push, sent, header } = scene()
  push()
  leg.agree({ ...terms, direction: 'recvonly', held: true }, 20)
  for (let n = 0; n < 10; n++) push()
  leg.agree(terms, 240)
  push()
  leg.skip(2)
  push()
  const headers = sent.map(({ packet }) => header(packet))
  t.deepEqual(
    headers.map(({ marker, timestamp }) => [marker, (timestamp - headers[0]!.timestamp) >>> 0]),
    [
      [true, 0],
      [true, 11 * 160],
      [true, 14 * 160]
    ]
  )
})

test('RFC 8866 §6.4: packets as long as the peer wants, each with the time of its first sample', (t) => {
  for (const packetMs of [10, 30, 40, 60]) {
    const { leg, push, sent, header } = scene({ packetMs })
    for (let n = 0; n < 12; n++) push()
    const headers = sent.map(({ packet }) => header(packet))
    t.is(sent.length, 240 / packetMs, `${packetMs} ms`)
    for (const [n, { marker, sequenceNumber, timestamp }] of headers.entries()) {
      t.is(sent[n]!.packet.length, 12 + 8 * packetMs)
      t.is(sent[n]!.payload, 8 * packetMs)
      t.is(marker, n === 0)
      t.is(sequenceNumber, (headers[0]!.sequenceNumber + n) & 0xffff)
      t.is(timestamp, (headers[0]!.timestamp + n * 8 * packetMs) >>> 0)
    }
    t.like(leg.traffic().sent, { packets: sent.length, bytes: 12 * 160 })
    t.false(leg.calm)
  }
})

test('keys, pauses, left-out frames and new terms do not keep sound back, and time goes on', (t) => {
  const { leg, push, sent, header } = scene({ packetMs: 60 })
  push()
  leg.press('5', 40)
  for (let n = 0; n < 5; n++) push()
  push()
  leg.skip(3)
  push()
  push()
  leg.agree({ ...terms, packetMs: 60, direction: 'recvonly', held: true }, 20)
  push()
  leg.agree({ ...terms, packetMs: 20 }, 40)
  push()
  const headers = sent.map(({ packet }) => header(packet))
  t.deepEqual(
    headers.map(({ payloadType, marker, timestamp }, n) => [
      payloadType,
      marker,
      ((timestamp - headers[0]!.timestamp) >>> 0) / 160,
      sent[n]!.payload
    ]),
    [
      [0, true, 0, 160],
      [101, true, 1, 4],
      [101, false, 1, 4],
      [101, false, 1, 4],
      [101, false, 1, 4],
      [0, true, 5, 320],
      [0, true, 10, 320],
      [0, true, 13, 160]
    ]
  )
})

test('comfort noise leaves by itself, behind the sound before it', (t) => {
  const { leg, push, sent, header } = scene({ packetMs: 40, comfortNoisePayloadType: 13 })
  push()
  leg.send(Buffer.alloc(172, 60), 1, true)
  push()
  push()
  const headers = sent.map(({ packet }) => header(packet))
  t.deepEqual(
    headers.map(({ payloadType, timestamp }, n) => [payloadType, (timestamp - headers[0]!.timestamp) >>> 0, sent[n]!.payload]),
    [
      [0, 0, 160],
      [13, 160, 1],
      [0, 320, 320]
    ]
  )
})

test('before anything has come there is silence at the rate agreed last, and what comes then is heard', (t) => {
  const { leg, say } = scene()
  t.false(leg.pull(0))
  leg.agree({ ...terms, codec: 'L16', payloadType: 96, clockRateHz: 16_000 }, 20)
  t.false(leg.pull(20))
  t.deepEqual([leg.rateHz, leg.frame.length, leg.frame.some((sample) => sample !== 0)], [16_000, 320, false])
  leg.agree(terms, 40)
  for (let n = 0; n < 8; n++) {
    say(n, 60 + 20 * n)
    leg.pull(61 + 20 * n)
  }
  t.true(leg.frame.length === 160 && leg.frame.every((sample) => sample === leg.frame[0] && sample !== 0))
})

test('only a participant that sends and receives is heard', (t) => {
  for (const direction of ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const) {
    const { leg, say } = scene({ direction, held: direction === 'recvonly' || direction === 'inactive' })
    for (let n = 0; n < 3; n++) say(n, n)
    t.is(leg.pull(30), direction === 'sendrecv', direction)
  }
})

test('before terms are agreed, nothing is taken and nothing is sent', (t) => {
  const nothing = () => t.fail()
  const leg = new Leg(settings, {
    ...frames,
    sendRtp: () => t.fail(),
    sendRtcp: nothing,
    digit: nothing,
    silent: nothing,
    strangers: nothing
  })
  leg.receive(Buffer.alloc(172, 0x80), phone, 0)
  leg.receiveControl(Buffer.alloc(8), phone, 0, 0)
  t.false(leg.pull(10))
  t.false(leg.listening)
  leg.pass()
  leg.report(0, 0, true)
  leg.watch(60_000)
  t.like(leg.stats(), { codec: null, received: { packets: 0 }, sent: { packets: 0 }, roundTripMs: null, encrypted: false })
})

test('packets that are no RTP, of another payload type, or from others are counted, each as what it is', (t) => {
  const { leg, say, told } = scene()
  say(0, 0)
  leg.receive(Buffer.alloc(5), phone, 1)
  say(1, 2, { type: 18 })
  say(1, 3, { from: { address: '192.0.2.1', port: 1 } })
  say(2, 4, { type: 18, from: { address: '192.0.2.1', port: 1 } })
  leg.receiveControl(Buffer.alloc(8), { address: '192.0.2.1', port: 1 }, 5, 5)
  leg.receiveControl(Buffer.from('00000000', 'hex'), phone, 5, 5)
  t.like(leg.stats().received, { packets: 1, bytes: 160, errors: 3 })
  t.is(leg.strangers, 3)
  leg.watch(1000)
  leg.watch(2000)
  t.deepEqual(told, ['strangers 3'])
})

test('a phone behind NAT is no stranger: what it sent before it was believed is taken back; what others sent stays told', (t) => {
  const behindNat = { address: '203.0.113.9', port: 61_000 }
  const { leg, say, told } = scene()
  leg.receiveControl(Buffer.alloc(8), { ...behindNat, port: 61_001 }, 1, 1)
  for (let n = 0; n < 5; n++) say(n, 20 * n, { from: behindNat })
  t.deepEqual([leg.strangers, leg.stats().received.packets], [0, 3])
  say(9, 100, { from: { address: '192.0.2.1', port: 1 } })
  leg.watch(1000)
  t.deepEqual(told, ['strangers 1'])

  const other = scene()
  other.say(1, 0, { from: { address: '192.0.2.1', port: 1 } })
  for (let n = 0; n < 3; n++) other.say(n, 20 * n, { from: behindNat })
  t.is(other.leg.strangers, 1)
})

test('a stray packet with another SSRC does not end the stream; two in order begin a new one', (t) => {
  const { leg, say } = scene()
  for (let n = 0; n < 5; n++) say(n, n * 20)
  say(900, 101, { ssrc: 66 })
  say(700, 102, { ssrc: 67 })
  t.like(leg.stats(), { received: { packets: 5, errors: 2 } })
  t.true(leg.pull(103))
  say(2000, 120, { ssrc: 8 })
  say(2001, 140, { ssrc: 8 })
  say(2003, 180, { ssrc: 8 })
  t.like(leg.stats(), { received: { packets: 7, errors: 3 }, lost: 1 })
})

test('losses of an earlier stream are remembered', (t) => {
  const { leg, say } = scene()
  for (const n of [0, 1, 4]) say(n, n * 20)
  for (const n of [50, 51, 53]) say(n, n * 20, { ssrc: 9 })
  t.is(leg.stats().lost, 3)
})

test('a peer that has chosen our SSRC: we say goodbye and take another', (t) => {
  const { leg, push, sent, say, control, header } = scene()
  push()
  const ours = header(sent[0]!.packet).ssrc
  say(0, 0, { ssrc: ours })
  t.deepEqual(control[0]!.packets.at(-1), { type: 'goodbye', ssrcs: [ours] })
  push()
  const next = header(sent[1]!.packet).ssrc
  t.not(next, ours)
  leg.report(100, 100, false)
  t.like(control[1]!.packets[0], {
    type: 'senderReport',
    ssrc: next,
    sender: { packets: 1, octets: 160 },
    blocks: [{ ssrc: ours }]
  })
  t.like(leg.stats(), { sent: { packets: 2 }, received: { packets: 1 } })
})

test('reports by hand: loss, jitter and delay of a peer, the round trip to it', (t) => {
  const { leg, push, say, control, header, sent } = scene()
  push()
  for (const n of [10, 11, 13, 14]) say(n, n * 20)
  const peerSender = { ntpSeconds: 0x11112222, ntpFraction: 0x33334444, timestamp: 1, packets: 4, octets: 640 }
  const from = { ...phone, port: 4001 }
  leg.receiveControl(encodeReport({ ssrc: 5, cname: 'p', sender: peerSender, block: null, goodbye: false }), from, 1000, 50_000)
  leg.report(1500, 50_500, false)
  const { ssrc } = header(sent[0]!.packet)
  t.deepEqual(control[0]!.to, { ...phone, port: 4001 })
  t.deepEqual(control[0]!.packets[0], {
    type: 'senderReport',
    ssrc,
    sender: {
      ntpSeconds: 2_208_988_850,
      ntpFraction: 0x80000000,
      timestamp: (header(sent[0]!.packet).timestamp + 160) >>> 0,
      packets: 1,
      octets: 160
    },
    blocks: [
      {
        ssrc: 5,
        fractionLost: Math.floor(256 / 5),
        cumulativeLost: 1,
        extendedHighest: 14,
        jitter: 0,
        lastSenderReport: 0x22223333,
        delaySinceLast: 32_768
      }
    ]
  })
  const lastSenderReport = ntpMiddle(2_208_988_850, 0x80000000)
  const block = {
    ssrc,
    fractionLost: 0,
    cumulativeLost: 0,
    extendedHighest: 1,
    jitter: 0,
    lastSenderReport,
    delaySinceLast: 6554
  }
  leg.receiveControl(encodeReport({ ssrc: 5, cname: 'p', sender: null, block, goodbye: false }), from, 1700, 50_700)
  t.true(Math.abs(leg.stats().roundTripMs! - 100) < 0.1)
})

test('a sender report of another stream is not answered', (t) => {
  const { leg, say, control } = scene()
  say(0, 0)
  const sender = { ntpSeconds: 1, ntpFraction: 1, timestamp: 1, packets: 4, octets: 640 }
  leg.receiveControl(encodeReport({ ssrc: 6, cname: 'p', sender, block: null, goodbye: false }), phone, 10, 10)
  leg.report(100, 100, false)
  t.like(control[0]!.packets[0], { type: 'receiverReport', blocks: [{ lastSenderReport: 0, delaySinceLast: 0 }] })
})

test('control goes to the RTP port when muxed, above the port of a latched source, and nowhere without a port', (t) => {
  const muxed = scene({ controlMuxed: true, remoteControl: phone })
  muxed.leg.report(0, 0, false)
  t.like(muxed.control[0], { to: phone, muxed: true })
  const nat = { address: '203.0.113.9', port: 65_535 }
  for (const [port, expected] of [
    [61_000, 61_001],
    [65_535, null]
  ] as const) {
    const moved = scene()
    for (let n = 0; n < 3; n++) moved.say(n, n, { from: { ...nat, port } })
    moved.leg.report(10, 10, false)
    t.is(moved.control[0]?.to.port ?? null, expected)
  }
  const none = scene({ remoteControl: null })
  none.leg.report(0, 0, true)
  t.is(none.control.length, 0)
})

test('a key among the sound', (t) => {
  const { leg, say, told } = scene()
  say(0, 0)
  for (let n = 1; n <= 3; n++) {
    const packet = Buffer.alloc(16)
    encodeRtp(packet, n === 1, 101, n, 160, 5)
    encodeTelephoneEvent({ event: 8, end: n === 3, volume: 10, duration: 160 * n }, packet, 12)
    leg.receive(packet, phone, n * 20)
  }
  say(4, 80)
  leg.receive(Buffer.concat([Buffer.from('8065000500000000000000058a', 'hex').subarray(0, 12), Buffer.of(1)]), phone, 100)
  t.deepEqual(told, ['digit 8 60'])
  t.like(leg.stats(), { lost: 0, received: { errors: 1 } })
})

test('silence is told once, begins anew with sound, and is none while held', (t) => {
  const { leg, say, told } = scene()
  leg.watch(2999)
  leg.watch(3000)
  leg.watch(4000)
  say(0, 5000)
  leg.watch(8000)
  leg.agree({ ...terms, direction: 'recvonly', held: true }, 8100)
  leg.watch(20_000)
  leg.agree(terms, 20_100)
  leg.watch(23_000)
  t.deepEqual(told, ['silent 3000', 'silent 3000'])
})

test('packets of any length: octets, odd, several frames, too long', (t) => {
  const { leg, say } = scene()
  let now = 0
  for (const octets of [0, 1, 3, 159, 161, 480, 1499, 1500, 1501, 4000]) {
    for (let n = 0; n < 120; n++, now += 20) {
      say(n, now, { octets, ssrc: octets + 1 })
      leg.pull(now)
    }
  }
  t.true(leg.stats().received.packets > 1000)
  t.is(leg.frame.length, 160)
})

test('quality: what was lost, late and restored, with scores; nothing before a packet came', (t) => {
  const { leg, say } = scene()
  t.is(leg.stats().quality, null)
  for (let n = 0; n < 500; n++) {
    if (n % 20 !== 10) say(n, 20 * n)
    leg.pull(20 * n + 5)
  }
  const { quality, lost } = leg.stats()
  t.is(lost, 25)
  t.like(quality, {
    expected: 500,
    lost: 25,
    discarded: 0,
    restored: 0,
    duplicates: 0,
    gapDensity: 0.05,
    burstDensity: 0,
    peer: null
  })
  t.true(quality!.rFactor < 80 && quality!.mosListening > 3.5)
})

test('packets that come after their time are discarded, not lost', (t) => {
  const { leg, say } = scene()
  for (let n = 0; n < 100; n++) {
    if (n !== 50) say(n, 20 * n)
    if (n === 60) say(50, 20 * n + 1)
    leg.pull(20 * n + 5)
  }
  t.like(leg.stats().quality, { expected: 100, lost: 0, discarded: 1 })
})

test('extended reports go to who asks for them', (t) => {
  const { leg, say, control } = scene({
    reports: { summary: { loss: true, duplicates: false, jitter: true }, voip: true }
  })
  leg.report(0, 50_000, false)
  t.is(control[0]!.packets.length, 2, 'nothing came yet')
  const talk = (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      if (n % 25 !== 3) say(n, 20 * n)
      leg.pull(20 * n + 5)
    }
  }
  talk(0, 100)
  leg.report(2000, 52_000, false)
  talk(100, 200)
  leg.report(4000, 54_000, true)
  const [first, second] = control
    .slice(1)
    .map(({ packets }) => packets.find((packet) => packet.type === 'extendedReport')!.report)
  t.like(first, {
    summaries: [{ ssrc: 5, beginSequence: 0, endSequence: 100, lost: 4, duplicates: null, jitter: { least: 0 } }],
    voip: [{ ssrc: 5, lossRate: 10 / 256, jitterBuffer: { adaptive: true } }]
  })
  t.like(second, { summaries: [{ beginSequence: 100, endSequence: 200, lost: 4 }], voip: [{ lossRate: 10 / 256 }] })
  t.deepEqual(
    control[2]!.packets.map(({ type }) => type),
    ['receiverReport', 'sourceDescription', 'extendedReport', 'goodbye']
  )
  const unasked = scene()
  for (let n = 0; n < 10; n++) unasked.say(n, 20 * n)
  unasked.leg.report(1000, 51_000, false)
  t.false(unasked.control[0]!.packets.some(({ type }) => type === 'extendedReport'))
})

test('what the peer reports of our stream is kept; what it says of others is not', (t) => {
  const { leg, push, sent, say, header } = scene()
  push()
  for (let n = 0; n < 10; n++) say(n, 20 * n)
  const { ssrc } = header(sent[0]!.packet)
  const about = (of: number) => {
    const metrics = {
      ssrc: of,
      lossRate: 0,
      discardRate: 0,
      burstDensity: 0,
      gapDensity: 0,
      burstDurationMs: 0,
      gapDurationMs: 0,
      roundTripMs: 0,
      endSystemDelayMs: 0,
      rFactor: 81,
      mosListening: 4.1,
      mosConversational: 3.9,
      jitterBuffer: { adaptive: true, nominalMs: 20, maximumMs: 40, absoluteMaximumMs: 80 }
    }
    const block = {
      ssrc: of,
      fractionLost: 3,
      cumulativeLost: 12,
      extendedHighest: 100,
      jitter: 80,
      lastSenderReport: 0,
      delaySinceLast: 0
    }
    const extended = encodeExtendedReport({ ssrc: 5, summaries: [], voip: [metrics] }, 16)
    return encodeReport({ ssrc: 5, cname: 'p', sender: null, block, extended, goodbye: false })
  }
  leg.receiveControl(about(ssrc ^ 1), phone, 100, 50_000)
  t.is(leg.stats().quality!.peer, null)
  leg.receiveControl(about(ssrc), phone, 100, 50_000)
  t.deepEqual(leg.stats().quality!.peer, { lost: 12, jitterMs: 10, rFactor: 81, mosListening: 4.1, mosConversational: 3.9 })
})

test('loss that the peer reports is prepared for, and for some reports more', (t) => {
  const { leg, push, sent, header } = scene()
  push()
  const { ssrc } = header(sent[0]!.packet)
  let lost = 0
  const report = (more: number) => {
    for (let n = 0; n < 100; n++) push()
    lost += more
    const told = {
      fractionLost: 0,
      cumulativeLost: lost,
      extendedHighest: 100,
      jitter: 0,
      lastSenderReport: 0,
      delaySinceLast: 0
    }
    const block = { ssrc, ...told }
    leg.receiveControl(encodeReport({ ssrc: 5, cname: 'p', sender: null, block, goodbye: false }), phone, 100, 50_000)
    return Math.round(leg.lossPercent * 100) / 100
  }
  t.deepEqual([0, 0, 4, 0, 0, 0, 0, 0, 2].map(report), [0, 0, 4, 2, 1, 0.5, 0.25, 0, 2])
})

test('reports that come too often to tell, and those of mediasoup where a browser is behind it, say nothing of loss', (t) => {
  const { leg, push, sent, header } = scene()
  for (let n = 0; n < 40; n++) push()
  const { ssrc } = header(sent[0]!.packet)
  const peer = { jitterMs: null, rFactor: null, mosListening: null, mosConversational: null }
  leg.tellBeyond({ roundTripMs: 20, peer: { ...peer, lost: 10 } })
  t.is(leg.lossPercent, 0)
  for (let n = 0; n < 60; n++) push()
  leg.tellBeyond({ roundTripMs: 20, peer: { ...peer, lost: 10 } })
  t.is(leg.lossPercent, 10)
  for (let n = 0; n < 100; n++) push()
  const told = { fractionLost: 0, cumulativeLost: 90, extendedHighest: 100, jitter: 0, lastSenderReport: 0, delaySinceLast: 0 }
  const block = { ssrc, ...told }
  leg.receiveControl(encodeReport({ ssrc: 5, cname: 'p', sender: null, block, goodbye: false }), phone, 100, 50_000)
  t.is(leg.lossPercent, 10)
})

test('where somebody else ends the way for us, its rest counts: round trip, reports of the peer, conversation', (t) => {
  const { leg, say, push } = scene()
  for (let n = 0; n < 100; n++) {
    say(n, 20 * n)
    push()
    leg.pull(20 * n + 20)
  }
  const near = leg.stats()
  const peer = { lost: 4, jitterMs: null, rFactor: null, mosListening: null, mosConversational: null }
  leg.tellBeyond({ roundTripMs: 600.004, peer })
  const far = leg.stats()
  t.is(near.roundTripMs, null)
  t.is(far.roundTripMs, 600)
  t.deepEqual(far.quality!.peer, peer)
  t.is(far.quality!.mosListening, near.quality!.mosListening)
  t.true(far.quality!.mosConversational < near.quality!.mosConversational - 0.3)
  leg.tellBeyond({ roundTripMs: null, peer: null })
  t.deepEqual(leg.stats().quality, near.quality)
})

test('with ICE nobody is believed by an address alone: the way is where a check with the password came from', (t) => {
  const ice = { localFragment: 'ours', localPassword: 'password-of-our-side-', remoteFragment: 'theirs', remotePassword: 'x' }
  const { leg, sent, control, say, push, told } = scene({ ice })
  const behindNat = { address: '203.0.113.9', port: 61_000 }
  say(1, 20)
  push()
  t.deepEqual([sent.length, leg.stats().received.packets, leg.stats().ice], [0, 0, 'checking'])
  leg.receiveCheck(connectivityCheck({ key: 'guessed', nominate: true }), phone, 'rtp')
  say(2, 40)
  t.is(leg.stats().received.packets, 0)
  sent.length = 0
  leg.receiveCheck(connectivityCheck({ nominate: true }), behindNat, 'rtp')
  t.deepEqual([sent.length, sent[0]!.to], [1, behindNat])
  say(3, 60, { from: behindNat })
  say(4, 80, { from: phone })
  t.deepEqual([leg.stats().received.packets, leg.stats().ice], [1, 'selected'])
  push()
  t.deepEqual(sent[1]!.to, behindNat)
  leg.watch(1000)
  t.deepEqual(told, ['strangers 3'])
  leg.report(5000, 0, false)
  t.is(control.length, 0, 'no check has come on the port for control packets')
})

test('RFC 3550 §8.2: a peer that sends our stream back makes us take another SSRC once, and is not heard', (t) => {
  const { leg, push, say, sent, control, header } = scene()
  for (let n = 0; n < 10; n++) {
    push()
    const { ssrc } = header(sent.at(-1)!.packet)
    say(n, n * 20, { ssrc })
  }
  const ssrcs = new Set(sent.map(({ packet }) => header(packet).ssrc))
  t.is(ssrcs.size, 2)
  t.is(control.length, 1)
  t.like(leg.stats(), { received: { packets: 1, errors: 9 } })
  // reports that come back are ours as well
  leg.receiveControl(encodeReport({ ssrc: leg.ssrc, cname: 'p', sender: null, block: null, goodbye: false }), phone, 300, 300)
  push()
  t.is(header(sent.at(-1)!.packet).ssrc, [...ssrcs].at(-1)!)
})

test('RFC 3550 §8.2: our SSRC in a report alone is a collision, too', (t) => {
  const { leg, push, sent, control, header } = scene()
  push()
  const before = leg.ssrc
  leg.receiveControl(encodeReport({ ssrc: before, cname: 'p', sender: null, block: null, goodbye: false }), phone, 20, 20)
  push()
  t.not(leg.ssrc, before)
  t.is(header(sent[1]!.packet).ssrc, leg.ssrc)
  t.deepEqual(control[0]!.packets.at(-1), { type: 'goodbye', ssrcs: [before] })
})

test('RFC 3550 §6.4: who has not sent for two reports is no sender, and of who is silent nothing is reported', (t) => {
  const { leg, push, say, control } = scene()
  const reported = () => {
    leg.report(0, 0, false)
    const [first] = control.at(-1)!.packets
    return first?.type === 'senderReport' || first?.type === 'receiverReport' ? [first.type, first.blocks.length] : null
  }
  t.deepEqual(reported(), ['receiverReport', 0])
  push()
  say(1, 0)
  t.deepEqual(reported(), ['senderReport', 1])
  t.deepEqual(reported(), ['senderReport', 0])
  t.deepEqual(reported(), ['receiverReport', 0])
  say(2, 20)
  t.deepEqual(reported(), ['receiverReport', 1])
  push()
  t.deepEqual(reported(), ['senderReport', 0])
})

test('RFC 3550 §6.3.7: who has sent nothing leaves without goodbye', (t) => {
  const silent = scene({ direction: 'recvonly' })
  silent.leg.report(0, 0, true)
  t.is(silent.control.length, 0)
  const reporting = scene({ direction: 'recvonly' })
  reporting.leg.report(0, 0, false)
  reporting.leg.report(10, 10, true)
  t.is(reporting.control[1]!.packets.at(-1)!.type, 'goodbye')
})

test('RFC 3711 §3.3.1: a stream begins in the lower half of its sequence numbers', (t) => {
  for (let n = 0; n < 40; n++) {
    const { push, sent, header } = scene()
    push()
    t.true(header(sent[0]!.packet).sequenceNumber < 0x8000)
  }
})

test('RFC 3264 §6.1: sent with the payload types of the answer, heard with those of our offer', (t) => {
  const { leg, push, say, sent, told, header } = scene({
    codec: 'PCMU',
    payloadType: 118,
    eventPayloadType: 97,
    received: { payloadType: 0, eventPayloadType: 101 }
  })
  push()
  leg.press('5', 60)
  push()
  t.deepEqual(
    sent.map(({ packet }) => header(packet).payloadType),
    [118, 97]
  )
  say(1, 20, { type: 0 })
  say(2, 40, { type: 118 })
  const key = Buffer.alloc(16)
  encodeRtp(key, true, 101, 3, 480, 5)
  encodeTelephoneEvent({ event: 7, end: true, volume: 10, duration: 800 }, key, 12)
  leg.receive(key, phone, 60)
  t.deepEqual(told, ['digit 7 100'])
  t.is(leg.stats().received.packets, 3)
  t.false(leg.calm)
})

test('reports are taken from the address that a=rtcp names', (t) => {
  const elsewhere = { address: '198.51.100.8', port: 4711 }
  const { leg, push, say, control } = scene({ remoteControl: elsewhere })
  push()
  say(1, 20)
  const sender = { ntpSeconds: 7, ntpFraction: 0, timestamp: 1, packets: 4, octets: 640 }
  leg.receiveControl(encodeReport({ ssrc: 5, cname: 'p', sender, block: null, goodbye: false }), elsewhere, 30, 30)
  leg.report(40, 40, false)
  t.deepEqual(control[0]!.to, elsewhere)
  t.like(control[0]!.packets[0], { blocks: [{ lastSenderReport: ntpMiddle(7, 0) }] })
})
