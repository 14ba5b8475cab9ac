import test from 'ava'
import fc from 'fast-check'
import { Latch, probation } from './latch.ts'

const phone = { address: '198.51.100.7', port: 4000 }
const nat = { address: '203.0.113.9', port: 61_000 }
const stranger = { address: '192.0.2.66', port: 5555 }
const windowMs = 5000
const latch = (signalled = phone) => new Latch(signalled, windowMs, 0)
/** Sends `count` packets in order. @returns what became of each */
const send = (to: Latch, source: typeof phone, nowMs: number, count = probation, ssrc = 1, first = 100) =>
  Array.from({ length: count }, (_, n) => to.accept({ ...source }, ssrc, (first + n) & 0xffff, nowMs))

test('the signalled address is believed at once, also long after the window', (t) => {
  const early = latch()
  t.deepEqual(send(early, phone, 0, 1), [true])
  t.true(early.latched)
  t.deepEqual(send(latch(), phone, 60_000, 1), [true])
})

test('before anything is heard, packets go to the signalled address', (t) => {
  t.deepEqual(latch().destination, phone)
})

test('another source is believed after some packets in order, within the window', (t) => {
  const to = latch()
  t.deepEqual(send(to, nat, 100), [false, false, true])
  t.deepEqual(to.destination, nat)
  t.deepEqual(send(to, nat, 60_000, 1, 9, 7), [true])
})

test('another source is not believed after the window, not even when it began within', (t) => {
  const to = latch()
  t.deepEqual(send(to, nat, windowMs, probation - 1), [false, false])
  t.false(to.accept(nat, 1, 102, windowMs + 1))
  t.deepEqual(send(to, nat, windowMs + 1), [false, false, false])
  t.deepEqual(to.destination, phone)
})

test('packets out of order, of another stream or of another source begin the count anew', (t) => {
  const gap = latch()
  t.deepEqual(
    [100, 102, 103].map((n) => gap.accept(nat, 1, n, 0)),
    [false, false, false]
  )
  t.true(gap.accept(nat, 1, 104, 0))
  const streams = latch()
  t.deepEqual(
    [1, 1, 2, 2].map((ssrc, n) => streams.accept(nat, ssrc, n, 0)),
    [false, false, false, false]
  )
  const mixed = latch()
  t.deepEqual(
    [nat, nat, stranger, nat].map((source, n) => mixed.accept(source, 1, n, 0)),
    [false, false, false, false]
  )
  t.deepEqual(send(latch(), nat, 0, 3, 1, 0xfffe), [false, false, true])
})

test('once latched to the signalled address, nobody takes over', (t) => {
  const to = latch()
  send(to, phone, 0, 1)
  t.deepEqual(send(to, stranger, 10, 1000), Array(1000).fill(false))
  t.deepEqual(to.destination, phone)
})

test('the signalled address wins over a guess within the window, not after it', (t) => {
  const within = latch()
  send(within, nat, 0)
  t.true(within.accept(phone, 2, 1, windowMs))
  t.deepEqual(within.destination, phone)
  t.false(within.accept(nat, 1, 103, windowMs))
  const after = latch()
  send(after, nat, 0)
  t.false(after.accept(phone, 2, 1, windowMs + 1))
  t.deepEqual(after.destination, nat)
})

test('an offer that repeats the address changes nothing and opens no window', (t) => {
  const to = latch()
  send(to, nat, 0)
  to.signal({ ...phone }, 10_000)
  t.deepEqual(to.destination, nat)
  t.deepEqual(send(to, stranger, 10_001), [false, false, false])
})

test('an offer with a new address ends the old source and opens the window', (t) => {
  const to = latch()
  send(to, nat, 0)
  const moved = { address: '198.51.100.8', port: 4100 }
  to.signal(moved, 10_000)
  t.deepEqual(to.destination, moved)
  t.false(to.accept(nat, 1, 500, 10_001))
  t.true(to.accept(moved, 3, 1, 10_002))
})

test('no source is guessed while the signalled address is 0.0.0.0', (t) => {
  const to = latch({ address: '0.0.0.0', port: 4000 })
  t.deepEqual(send(to, nat, 0, 10), Array(10).fill(false))
  to.signal(phone, 1000)
  t.deepEqual(send(to, phone, 1001, 1), [true])
})

test('control packets come from the host of the stream', (t) => {
  const to = latch()
  t.true(to.acceptsControl({ ...phone, port: 4001 }))
  send(to, nat, 0)
  t.true(to.acceptsControl({ ...nat, port: 1 }))
  t.false(to.acceptsControl({ ...phone, port: 4001 }))
})

test('whatever strangers send, what is latched stays', (t) => {
  const packet = fc.record({ port: fc.nat(3), ssrc: fc.nat(2), sequence: fc.nat(10), now: fc.nat(20_000) })
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 100 }), (packets) => {
      const to = latch()
      send(to, phone, 0, 1)
      return packets.every(({ port, ssrc, sequence, now }) => !to.accept({ ...stranger, port }, ssrc, sequence, now))
    }),
    { numRuns: 100, seed: 1 }
  )
  t.pass()
})
