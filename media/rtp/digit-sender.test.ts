import test from 'ava'
import fc from 'fast-check'
import { Leg } from '../leg.ts'
import type { AudioTerms } from '../sdp.ts'
import { type DigitFrame, DigitSender } from './digit-sender.ts'
import { decodeRtp, emptyRtpHeader } from './rtp.ts'
import { DigitCollector, decodeTelephoneEvent } from './telephone-event.ts'

test('property: digits arrive once each and in order, with one packet in five lost', (t) => {
  const keys = fc.array(fc.tuple(fc.constantFrom(...'0123456789*#ABCD'), fc.integer({ min: 2, max: 30 })), { maxLength: 12 })
  fc.assert(
    fc.property(keys, fc.infiniteStream(fc.nat(4)), (pressed, chance) => {
      const sender = new DigitSender()
      const heard: string[] = []
      const collector = new DigitCollector(8000, (digit) => void heard.push(digit))
      for (const [digit, frames] of pressed) t.true(sender.press(digit, frames))
      const packet = Buffer.alloc(4)
      const out: DigitFrame = { first: false, age: 0, segment: 0 }
      const event = { event: 0, end: false, volume: 0, duration: 0 }
      let lostInARow = 0
      for (let frame = 0; frame < 1000; frame++) {
        const nowMs = frame * 20
        collector.tick(nowMs)
        if (sender.idle) continue
        if (sender.write(packet, 0, 160, out) === 0) continue
        // two losses in a row leave at least one of three ends
        const lost = lostInARow < 2 && chance.next().value === 0
        lostInARow = lost ? lostInARow + 1 : 0
        if (lost) continue
        decodeTelephoneEvent(packet, 0, 4, event)
        collector.receive(event, (frame - out.age) * 160, nowMs)
      }
      t.is(heard.join(''), pressed.map(([digit]) => digit).join(''))
    }),
    { numRuns: 100 }
  )
})

test('what is no digit is not taken, nor more than can wait', (t) => {
  const sender = new DigitSender()
  for (const digit of ['', 'x', '12']) t.false(sender.press(digit, 5))
  for (let n = 0; n < 64; n++) t.true(sender.press('1', 5))
  t.false(sender.press('1', 5))
})

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
  remoteControl: null,
  controlMuxed: false,
  direction: 'sendrecv',
  held: false,
  srtp: null,
  reports: { summary: null, voip: false },
  ice: null
}

test('a leg sends a digit in place of sound: same stream, one timestamp, marker on the first, and sound goes on where it would be', (t) => {
  const sent: { type: number; marker: boolean; sequence: number; timestamp: number }[] = []
  const header = emptyRtpHeader()
  const leg = new Leg(
    { jitterTargetMs: 20, latchWindowMs: 5000, mediaTimeoutMs: 3000, cname: 'us', highestRateHz: 48_000 },
    {
      frame: (samples) => new Int16Array(samples),
      freeFrame: () => undefined,
      sendRtp: (packet, length) => {
        decodeRtp(Buffer.from(packet.subarray(0, length)), header)
        const { payloadType: type, marker, sequenceNumber: sequence, timestamp } = header
        sent.push({ type, marker, sequence, timestamp })
        return true
      },
      sendRtcp: () => undefined,
      digit: () => undefined,
      silent: () => undefined,
      strangers: () => undefined
    }
  )
  leg.agree(terms, 0)
  const payload = Buffer.alloc(172, 0xff)
  leg.send(payload, 160, false)
  leg.press('5', 60)
  for (let n = 0; n < 4; n++) leg.send(payload, 160, false)
  leg.pass()
  leg.send(payload, 160, false)
  const [first] = sent
  t.deepEqual(
    sent.map(({ type, marker, sequence, timestamp }) => [
      type,
      marker,
      (sequence - first!.sequence) & 0xffff,
      (timestamp - first!.timestamp) >>> 0
    ]),
    [
      [0, true, 0, 0],
      [101, true, 1, 160],
      [101, false, 2, 160],
      [101, false, 3, 160],
      [101, false, 4, 160],
      [101, false, 5, 160],
      [0, true, 6, 960]
    ]
  )
  leg.agree({ ...terms, eventPayloadType: null }, 0)
  leg.press('5', 60)
  leg.send(payload, 160, false)
  t.is(sent.at(-1)!.type, 0)
})

test('RFC 4733 §2.5.1.3: a key that outlasts what a packet can tell goes on in segments, and is one digit', (t) => {
  for (const clockRateHz of [8000, 48_000]) {
    const frameClock = clockRateHz / 50
    const frames = Math.ceil((0xffff * 2.5) / frameClock)
    const sender = new DigitSender()
    const heard: [string, number][] = []
    const collector = new DigitCollector(clockRateHz, (digit, durationMs) => void heard.push([digit, durationMs]))
    sender.press('7', frames)
    const packet = Buffer.alloc(4)
    const out: DigitFrame = { first: false, age: 0, segment: 0 }
    const event = { event: 0, end: false, volume: 0, duration: 0 }
    const told: [timestamp: number, duration: number, end: boolean, marker: boolean][] = []
    for (let frame = 0; sender.write(packet, 0, frameClock, out) > 0; frame++) {
      decodeTelephoneEvent(packet, 0, 4, event)
      const timestamp = (frame - out.age) * frameClock + out.segment
      told.push([timestamp, event.duration, event.end, out.first])
      collector.receive(event, timestamp, frame * 20)
    }
    t.deepEqual(heard, [['7', frames * 20]])
    t.deepEqual([...new Set(told.map(([timestamp]) => timestamp))], [0, 0xffff, 2 * 0xffff])
    for (const at of [0, 0xffff]) {
      const last = told.filter(([timestamp]) => timestamp === at).at(-1)!
      t.deepEqual(last.slice(1, 3), [0xffff, false])
    }
    t.is(told.filter(([, , end]) => end).length, 3)
    t.is(told.filter(([, , , marker]) => marker).length, 1)
  }
})
