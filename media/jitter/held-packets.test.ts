import test from 'ava'
import { capacity, HeldPackets } from './held-packets.ts'

const packets = (...numbers: readonly number[]) => {
  const held = new HeldPackets()
  for (const number of numbers) hold(held, number)
  return held
}
/** Its payload is the low octet of its number, three times. */
const hold = (held: HeldPackets, number: number) =>
  held.hold(number, number * 160, new Uint8Array(5).fill(number & 0xff), 1, 4, number, false)

test('the oldest, the one of a number, and the first after one, also where numbers wrap round', (t) => {
  const held = packets(2, 65_534, 0)
  t.is(held.first()?.sequenceNumber, 65_534)
  t.is(held.at(0)?.timestamp, 0)
  t.is(held.at(1), null)
  t.is(held.at(2 + capacity), null, 'of the same place, another number')
  t.is(held.after(65_534)?.sequenceNumber, 0)
  t.is(held.after(0)?.sequenceNumber, 2)
  t.is(held.after(2), null, 'one before is none after')
})

test('what was released has come all the same, until another takes its place', (t) => {
  const held = packets(7)
  const slot = held.at(7)!
  t.deepEqual([...slot.payload.subarray(0, slot.length)], [7, 7, 7])
  t.true(held.isTaken(7 + capacity))
  held.release(slot)
  t.is(held.count, 0)
  t.is(held.first(), null)
  t.true(held.hasSeen(7))
  t.false(held.isTaken(7))
  hold(held, 7 + capacity)
  t.is(held.at(7 + capacity), slot, 'the slot is used again')
  t.false(held.hasSeen(7))
  held.see(9)
  t.true(held.hasSeen(9))
  t.is(held.at(9), null)
})

test('cleared, nothing is held and nothing has come', (t) => {
  const held = packets(3, 1, 66)
  const told: number[] = []
  held.clear((number) => told.push(number))
  t.deepEqual(told, [1, 66, 3])
  t.is(held.count, 0)
  t.is(held.after(0), null)
  for (const number of [1, 3, 66]) t.false(held.hasSeen(number) || held.isTaken(number))
})
