import test from 'ava'
import { Latch, probation } from './latch.ts'

const at = (port: number, address = '127.0.0.1') => ({ address, port })
const send = (latch: Latch, port: number, from: number, count: number, nowMs: number, ssrc = 1) =>
  Array.from({ length: count }, (_, n) => latch.accept(at(port), ssrc, (from + n) & 0xffff, nowMs))

test('the signalled source is believed at once, and nobody after it', (t) => {
  const latch = new Latch(at(4000), 1000, 0)
  t.deepEqual(send(latch, 4000, 0, 1, 10), [true])
  t.deepEqual(send(latch, 5000, 0, 50, 20), Array(50).fill(false))
  t.deepEqual(latch.destination, at(4000))
})

test('another source is believed with its third packet in order, across the wrap', (t) => {
  const latch = new Latch(at(9), 1000, 0)
  t.deepEqual(send(latch, 5000, 65_535, probation, 10), [false, false, true])
  t.deepEqual(latch.destination, at(5000))
  t.deepEqual(send(latch, 6000, 0, 50, 20), Array(50).fill(false))
})

test('gaps, changing SSRCs and the end of the window are no proof', (t) => {
  const latch = new Latch(at(9), 1000, 0)
  for (let n = 0; n < 20; n++) t.false(latch.accept(at(5000), 1, n * 2, 10))
  for (let n = 0; n < 20; n++) t.false(latch.accept(at(5000), n, n, 10))
  t.deepEqual(send(latch, 5000, 100, 10, 1001), Array(10).fill(false))
  t.false(latch.latched)
})

test('the signalled source takes its place back within the window, not after it', (t) => {
  for (const [nowMs, back] of [
    [500, true],
    [1500, false]
  ] as const) {
    const latch = new Latch(at(4000), 1000, 0)
    send(latch, 5000, 0, probation, 10)
    t.is(latch.accept(at(4000), 2, 0, nowMs), back)
  }
})

test('only an offer with another address opens the latch again', (t) => {
  const latch = new Latch(at(4000), 1000, 0)
  send(latch, 4000, 0, 1, 10)
  latch.signal(at(4000), 5000)
  t.true(latch.latched)
  latch.signal(at(4002), 5000)
  t.false(latch.latched)
  t.deepEqual(latch.destination, at(4002))
})
