import test from 'ava'
import fc from 'fast-check'
import { frameMs } from '../mixer/lane.ts'
import { rtpHeaderLength } from '../rtp/rtp.ts'
import { voice } from '../testing/signals.ts'
import { type CodecDefinition, largestPayload } from './codec.ts'
import { codecNamed, codecs } from './codecs.ts'
import { opusPacketUnits } from './opus-packet.ts'
import { createPacker, packetMsFor } from './packing.ts'

const served = codecs.filter(
  (codec) => codec.servedBy() !== null && packetMsFor(codec, { wantedMs: null, mostMs: null }) !== null
)
const times = (name: string, wantedMs: number | null, mostMs: number | null, clockRateHz?: number) =>
  packetMsFor(codecNamed(name, clockRateHz)!, { wantedMs, mostMs })

test('a peer is sent packets as long as it wants, at most as long as it takes, and as the codec can', (t) => {
  const table = [
    ['PCMU', null, null, 20],
    ['PCMU', 10, null, 10],
    ['PCMA', 30, null, 30],
    ['G722', 40, 150, 40],
    ['PCMU', 60, 40, 40],
    ['PCMU', null, 10, 10],
    ['PCMU', 2, null, 10],
    ['PCMU', 25, null, 25],
    ['PCMU', 900, null, 120],
    ['PCMU', null, 5, null],
    ['G729', 30, null, 30],
    ['G729', 25, null, 20],
    ['opus', 60, null, 60],
    ['opus', 30, null, 20],
    ['opus', 10, null, 20],
    ['opus', null, 10, null]
  ] as const
  for (const [name, wanted, most, expected] of table) t.is(times(name, wanted, most), expected, `${name} ${wanted} ${most}`)
  t.is(times('L16', 60, null, 16_000), 43, 'what fits an Ethernet frame')
  t.is(times('L16', null, null, 48_000), null, '20 ms of it do not')
})

/** What a stream is as packets: timestamps and payloads. */
function pack(codec: CodecDefinition, packetMs: number, frames: readonly Buffer[]) {
  const packets: { timestamp: number; payload: Buffer }[] = []
  const frameClock = (codec.clockRateHz * frameMs) / 1000
  const packer = createPacker(codec, packetMs, (octets, timestamp) => {
    packets.push({ timestamp, payload: Buffer.from(packer.packet.subarray(rtpHeaderLength, rtpHeaderLength + octets)) })
  })!
  for (const [n, frame] of frames.entries()) {
    if (frame.length === 0) packer.flush()
    else packer.add(frame, 0, frame.length, n * frameClock)
  }
  packer.flush()
  return packets
}

for (const codec of served) {
  const name = `${codec.name}/${codec.sampleRateHz}`

  /** A second of a voice in frames. */
  const encoded = () => {
    const encoder = codec.createEncoder({ parameters: { annexb: 'no' } })
    const said = voice(codec.sampleRateHz, 1)
    const samples = (codec.sampleRateHz * frameMs) / 1000
    const frames = Array.from({ length: 50 }, (_, n) => {
      const out = new Uint8Array(largestPayload)
      return Buffer.from(out.subarray(0, encoder.encode(said.subarray(n * samples, (n + 1) * samples), out, 0)))
    })
    encoder.close()
    return frames
  }

  const decoded = (packets: readonly Buffer[]) => {
    const decoder = codec.createDecoder()
    const out = new Int16Array((codec.sampleRateHz * 120) / 1000)
    const heard = packets.flatMap((packet) => [...out.subarray(0, decoder.decode(packet, 0, packet.length, out))])
    decoder.close()
    return heard
  }

  for (const wantedMs of [10, 30, 40, 60]) {
    const packetMs = packetMsFor(codec, { wantedMs, mostMs: null })!
    if (packetMs === frameMs) continue
    test(`${name}: packets of ${packetMs} ms sound to the sample as frames do, and follow one another`, (t) => {
      const frames = encoded()
      const packets = pack(codec, packetMs, frames)
      t.deepEqual(decoded(packets.map(({ payload }) => payload)), decoded(frames))
      const clock = (packetMs * codec.clockRateHz) / 1000
      t.deepEqual(
        packets.map(({ timestamp }) => timestamp),
        packets.map((_, n) => n * clock)
      )
      t.is(packets.length, Math.ceil(1000 / packetMs))
    })
  }
}

test('a stream that is interrupted leaves as a shorter packet, and the next one begins with its own time', (t) => {
  const frame = Buffer.alloc(160, 1)
  const packets = pack(codecNamed('PCMU')!, 60, [frame, frame, Buffer.alloc(0), frame, frame, frame])
  t.deepEqual(
    packets.map(({ timestamp, payload }) => [timestamp, payload.length]),
    [
      [0, 320],
      [480, 480]
    ]
  )
})

test('RFC 3551 §4.5.6: nothing stands behind a description of silence in G.729', (t) => {
  const g729 = codecNamed('G729')!
  const speech = Buffer.alloc(20, 1)
  const fading = Buffer.alloc(12, 2)
  const sent = (packetMs: number) => pack(g729, packetMs, [speech, fading, Buffer.alloc(0), speech, speech])
  const shape = (packetMs: number) => sent(packetMs).map(({ timestamp, payload }) => [timestamp / 8, payload.length])
  t.deepEqual(shape(40), [
    [0, 32],
    [60, 40]
  ])
  t.deepEqual(shape(10), [
    [0, 10],
    [10, 10],
    [20, 10],
    [30, 2],
    [60, 10],
    [70, 10],
    [80, 10],
    [90, 10]
  ])
})

test('Opus: frames of another mode begin another packet, and one of several frames stays as it is', (t) => {
  const opus = codecNamed('opus')!
  const wide = Buffer.from([9 << 3, 1, 2, 3])
  const full = Buffer.from([15 << 3, 4, 5])
  const two = Buffer.from([(9 << 3) | 1, 6, 7])
  const payloads = (frames: Buffer[]) => pack(opus, 60, frames).map(({ timestamp, payload }) => [timestamp / 48, [...payload]])
  t.deepEqual(payloads([wide, wide, full, two, wide]), [
    [0, [(9 << 3) | 3, 0x82, 3, 1, 2, 3, 1, 2, 3]],
    [40, [15 << 3, 4, 5]],
    [60, [(9 << 3) | 1, 6, 7]],
    [80, [9 << 3, 1, 2, 3]]
  ])
})

test('RFC 6716 §3.2.1: frames of any length come out as they went in', (t) => {
  const opus = codecNamed('opus')!
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 2, max: 1276 }), { minLength: 2, maxLength: 6 }), (lengths) => {
      const frames = lengths.map((length, n) => Buffer.concat([Buffer.from([9 << 3]), Buffer.alloc(length - 1, n)]))
      const packets = pack(opus, 120, frames)
      const seen = packets.flatMap(({ payload }) => {
        if ((payload[0]! & 3) === 0) return [payload.length - 1]
        const count = payload[1]! & 0x3f
        t.is(opusPacketUnits(payload, 0, payload.length), 8 * count)
        let at = 2
        const found: number[] = []
        for (let n = 0; n < count - 1; n++) {
          const first = payload[at++]!
          found.push(first < 252 ? first : first + 4 * payload[at++]!)
        }
        return [...found, payload.length - at - found.reduce((sum, length) => sum + length, 0)]
      })
      t.deepEqual(
        seen,
        lengths.map((length) => length - 1)
      )
      t.true(packets.every(({ payload }) => payload.length <= largestPayload))
    })
  )
})
