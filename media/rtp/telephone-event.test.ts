import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { DigitCollector, decodeTelephoneEvent, encodeTelephoneEvent, eventOfDigit } from './telephone-event.ts'

function collector() {
  const told: string[] = []
  const digits = new DigitCollector(8000, (digit, durationMs) => told.push(`${digit} ${durationMs}`))
  const packet = (event: number, timestamp: number, duration: number, end: boolean, nowMs: number) =>
    digits.receive({ event, end, volume: 10, duration }, timestamp, nowMs)
  return { digits, told, packet }
}

test('a payload, field by field, there and back', (t) => {
  const out = { event: 0, end: false, volume: 0, duration: 0 }
  decodeTelephoneEvent(Buffer.from('0b8a0320', 'hex'), 0, 4, out)
  t.deepEqual(out, { event: 11, end: true, volume: 10, duration: 800 })
  decodeTelephoneEvent(Buffer.from('ff4affff', 'hex'), 0, 4, out)
  t.deepEqual(out, { event: 255, end: false, volume: 10, duration: 65_535 })
  fc.assert(
    fc.property(fc.nat(255), fc.boolean(), fc.nat(63), fc.nat(0xffff), (event, end, volume, duration) => {
      const packet = Buffer.alloc(6)
      encodeTelephoneEvent({ event, end, volume, duration }, packet, 2)
      decodeTelephoneEvent(packet, 2, 6, out)
      t.deepEqual(out, { event, end, volume, duration })
    }),
    { numRuns: 100, seed: 1 }
  )
})

test('too short a payload is refused', (t) => {
  const out = { event: 0, end: false, volume: 0, duration: 0 }
  for (let length = 0; length < 4; length++) {
    const error = t.throws(() => decodeTelephoneEvent(Buffer.alloc(20), 12, 12 + length, out), { instanceOf: DecodeError })
    t.is(error.code, 'rtp.telephone-event.short')
  }
})

test('digits have their codes', (t) => {
  t.deepEqual(
    [...'0123456789*#ABCD'].map(eventOfDigit),
    Array.from({ length: 16 }, (_, n) => n)
  )
  t.is(eventOfDigit('d'), 15)
  for (const none of ['', 'x', '12']) t.is(eventOfDigit(none), -1)
})

test('an event is told once, at its first end, though the end comes three times', (t) => {
  const { told, packet, digits } = collector()
  for (const [duration, end] of [
    [160, false],
    [320, false],
    [800, true],
    [800, true],
    [800, true]
  ] as const)
    packet(5, 1000, duration, end, duration / 8)
  digits.tick(10_000)
  t.deepEqual(told, ['5 100'])
})

test('every end lost: told after a pause, and not again when the event turns out to go on', (t) => {
  const { told, packet, digits } = collector()
  packet(9, 1000, 160, false, 0)
  packet(9, 1000, 560, false, 50)
  digits.tick(200)
  t.deepEqual(told, [])
  digits.tick(201)
  t.deepEqual(told, ['9 70'])
  packet(9, 1000, 1600, false, 220)
  packet(9, 1000, 1600, true, 240)
  digits.tick(1000)
  t.deepEqual(told, ['9 70'])
})

test('every end lost: the next event ends it', (t) => {
  const { told, packet } = collector()
  packet(1, 1000, 400, false, 0)
  packet(1, 3000, 400, true, 100)
  t.deepEqual(told, ['1 50', '1 50'])
})

test('a packet of an earlier event that comes late says nothing', (t) => {
  const { told, packet } = collector()
  packet(1, 1000, 400, true, 0)
  packet(2, 3000, 400, false, 50)
  packet(1, 1000, 400, true, 60)
  packet(2, 3000, 480, true, 70)
  t.deepEqual(told, ['1 50', '2 60'])
})

test('a key held for 10 s comes in segments and is one digit', (t) => {
  const { told, packet } = collector()
  packet(7, 100, 65_535, false, 8192)
  packet(7, 65_635, 160, false, 8212)
  packet(7, 65_635, 14_465, true, 10_000)
  t.deepEqual(told, ['7 10000'])
})

test('a packet of the segment before, out of order, begins no other digit', (t) => {
  const { told, packet } = collector()
  packet(7, 100, 65_440, false, 8180)
  packet(7, 65_635, 160, false, 8212)
  packet(7, 100, 65_535, false, 8214)
  packet(7, 65_635, 14_465, true, 10_000)
  packet(7, 100, 65_535, false, 10_001)
  t.deepEqual(told, ['7 10000'])
})

test('events that are no DTMF are not told', (t) => {
  const { told, packet } = collector()
  for (const event of [16, 32, 64, 255]) packet(event, event * 1000, 400, true, event)
  t.deepEqual(told, [])
})

test('a new stream ends the event and may go back in time', (t) => {
  const { told, packet, digits } = collector()
  packet(3, 50_000, 400, false, 0)
  digits.reset()
  packet(4, 40_000, 400, true, 30)
  t.deepEqual(told, ['3 50', '4 50'])
})
