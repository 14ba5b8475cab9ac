import test from 'ava'
import fc from 'fast-check'
import { decodeRtp, emptyRtpHeader, encodeRtp, sequenceDistance } from '../rtp/rtp.ts'
import { beginsKeyFrame } from './h264.ts'
import { pictureFor, ViewerSwitch } from './switch.ts'

const begins = (hex: string) => {
  const octets = Buffer.from(hex, 'hex')
  return beginsKeyFrame(octets, 0, octets.length)
}

test('where a key frame begins', (t) => {
  t.true(begins('6742c01f'), 'sequence parameters')
  t.true(begins('65888400'), 'IDR')
  t.false(begins('68ce3c80'), 'picture parameters alone')
  t.false(begins('419a0000'), 'a slice that needs others')
  t.true(begins('78000467' + '42c01f' + '000268ce'), 'aggregated')
  t.false(begins('78000268ce' + '0002419a'), 'aggregated, none in it')
  t.true(begins('7c85ffff'), 'first fragment of an IDR')
  t.false(begins('7c05ffff'), 'a later fragment')
  t.false(begins('7c81ffff'), 'first fragment of another')
  t.false(begins('7c'), 'cut off')
  t.false(begins('78ffff67'), 'aggregation that lies about its length')
  t.false(begins('78000067'), 'aggregation of nothing')
  t.false(begins(''))
})

const keyFrame = [0x67, 0x42]
const slice = [0x41, 0x9a]

function viewer() {
  const asked: number[] = []
  const view = new ViewerSwitch({ ssrc: 77, payloadType: 120, sequence: 65_530, timestamp: 4_294_960_000 }, beginsKeyFrame, {
    askKeyFrame: (source) => asked.push(source)
  })
  const header = emptyRtpHeader()
  const out = Buffer.alloc(1500)
  const give = (source: number, sequence: number, timestamp: number, payload: readonly number[], nowMs: number) => {
    const packet = Buffer.alloc(12 + payload.length)
    encodeRtp(packet, true, 96, sequence & 0xffff, timestamp >>> 0, 1000 + source)
    packet.set(payload, 12)
    decodeRtp(packet, header)
    const length = view.forward(source, packet, header, nowMs, out)
    if (length === 0) return null
    const sent = emptyRtpHeader()
    decodeRtp(out.subarray(0, length), sent)
    return { ...sent, payload: [...out.subarray(sent.payloadStart, length)] }
  }
  return { view, give, asked }
}

test('the first picture begins with a key frame; what comes before it is not shown', (t) => {
  const { view, give, asked } = viewer()
  view.want(1, 0)
  t.deepEqual(asked, [1])
  t.is(give(1, 9, 3000, slice, 10), null)
  t.like(give(1, 10, 6000, keyFrame, 43), { sequenceNumber: 65_531, timestamp: 4_294_960_000, ssrc: 77, payloadType: 120 })
  t.like(give(1, 11, 9000, slice, 76), { sequenceNumber: 65_532, timestamp: 4_294_963_000, marker: true, payload: slice })
  t.is(give(1, 9, 3000, slice, 80), null, 'one of before, late')
  t.is(give(2, 500, 1, keyFrame, 90), null, 'another source')
  t.is(view.shown, 1)
})

test('a switch keeps the old picture until the new key frame; numbers and time go on', (t) => {
  const { view, give, asked } = viewer()
  view.want(1, 0)
  give(1, 10, 0, keyFrame, 0)
  view.want(2, 100)
  t.deepEqual(asked, [1, 2])
  t.is(give(2, 40_000, 77, slice, 110), null)
  t.like(give(1, 11, 9000, slice, 120), { sequenceNumber: 65_532 })
  const switched = give(2, 40_001, 3077, keyFrame, 140)!
  t.is(switched.sequenceNumber, 65_533)
  t.is(switched.timestamp, (4_294_960_000 + 9000 + 20 * 90) >>> 0)
  t.is(give(1, 12, 12_000, slice, 150), null, 'the old source')
  t.like(give(2, 40_003, 6077, slice, 170), { sequenceNumber: 65_535 })
  t.like(give(2, 40_002, 3077, slice, 171), { sequenceNumber: 65_534 })
  t.is(view.sourceSequence(65_534), 40_002)
  t.is(view.sourceSequence(65_531), null, 'of the source before')
  t.is(view.sourceSequence(5), null, 'not sent yet')
})

test('a key frame that does not come is asked for again, not more often than twice a second', (t) => {
  const { view, give, asked } = viewer()
  view.want(1, 0)
  for (let nowMs = 20; nowMs <= 1600; nowMs += 20) view.tick(nowMs)
  t.is(asked.length, 4)
  give(1, 1, 1, keyFrame, 1700)
  view.tick(5000)
  t.is(asked.length, 4)
  view.refresh(5000)
  view.refresh(5001)
  t.is(asked.length, 5)
})

test('who is gone is not shown; who speaks sees who spoke before', (t) => {
  const { view, give } = viewer()
  view.want(1, 0)
  give(1, 1, 1, keyFrame, 1)
  view.gone(1)
  t.is(view.shown, null)
  t.is(give(1, 2, 2, slice, 2), null)
  t.is(pictureFor(1, [1, 2, 3]), 2)
  t.is(pictureFor(9, [1, 2, 3]), 1)
  t.is(pictureFor(1, [1]), null)
})

test('whatever is wanted and comes: each number goes out once, in steps of one source, and time never goes back', (t) => {
  const event = fc.oneof(
    fc.record({ want: fc.integer({ min: 0, max: 2 }) }),
    fc.record({ from: fc.integer({ min: 0, max: 2 }), key: fc.boolean() })
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300 }), (events) => {
      const { view, give } = viewer()
      const state = [0, 1, 2].map((n) => ({ sequence: 65_500 + n * 20_000, timestamp: n * 1_500_000_000 }))
      let nowMs = 0
      let last: { sequence: number; timestamp: number } | null = null
      for (const each of events) {
        nowMs += 33
        if ('want' in each) {
          view.want(each.want, nowMs)
          continue
        }
        const source = state[each.from]!
        source.sequence++
        source.timestamp += 3000
        const sent = give(each.from, source.sequence, source.timestamp, each.key ? keyFrame : slice, nowMs)
        if (sent === null) continue
        if (last !== null) {
          t.is(sequenceDistance(sent.sequenceNumber, last.sequence), 1)
          t.true(((sent.timestamp - last.timestamp) | 0) > 0)
        }
        last = { sequence: sent.sequenceNumber, timestamp: sent.timestamp }
      }
    })
  )
})
