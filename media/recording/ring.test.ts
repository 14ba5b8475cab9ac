import test from 'ava'
import fc from 'fast-check'
import { RingReader, type RingRecord, RingWriter, recordKinds, ringMemory } from './ring.ts'

const drain = (reader: RingReader) => {
  const records: RingRecord[] = []
  reader.drain((record) => records.push(record))
  return records
}

test('what is written is read, in its order, round and round', (t) => {
  const packet = fc.record({
    slot: fc.integer({ min: 0, max: 65_535 }),
    octets: fc.uint8Array({ maxLength: 300 }),
    drain: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
      const memory = ringMemory(1024)
      const writer = new RingWriter(memory)
      const reader = new RingReader(memory)
      const read: RingRecord[] = []
      const written: { slot: number; octets: Uint8Array }[] = []
      for (const [n, { slot, octets, drain: now }] of packets.entries()) {
        const lost = writer.lost
        writer.packet(slot, n, octets)
        if (writer.lost === lost) written.push({ slot, octets })
        if (now) read.push(...drain(reader))
      }
      read.push(...drain(reader))
      t.deepEqual(
        read.map(({ slot, octets }) => ({ slot, octets })),
        written
      )
      t.is(read.length + reader.lost, packets.length)
    })
  )
})

test('samples and the end of a frame', (t) => {
  const memory = ringMemory(2048)
  const writer = new RingWriter(memory)
  const samples = Int16Array.of(1, -2, 32_767, -32_768, 5)
  writer.part(7, 40, 8000, samples)
  writer.frame(40, 8000)
  const [part, frame] = drain(new RingReader(memory))
  t.like(part, { kind: recordKinds.part, slot: 7, timeMs: 40, rateHz: 8000 })
  t.deepEqual(new Int16Array(part!.octets.buffer), samples)
  t.like(frame, { kind: recordKinds.frame, slot: 0, timeMs: 40, rateHz: 8000 })
})

test('a ring that nobody reads loses what comes, and says how much', (t) => {
  const memory = ringMemory(1024)
  const writer = new RingWriter(memory)
  for (let n = 0; n < 10; n++) writer.packet(1, n, new Uint8Array(200))
  t.is(writer.lost, 6)
  const reader = new RingReader(memory)
  t.deepEqual(
    drain(reader).map(({ timeMs }) => timeMs),
    [0, 1, 2, 3]
  )
  writer.packet(1, 10, new Uint8Array(200))
  t.is(drain(reader)[0]!.timeMs, 10)
  t.throws(() => ringMemory(1000), { instanceOf: RangeError })
})

test('positions go on beyond 32 bits', (t) => {
  const memory = ringMemory(1024)
  new Int32Array(memory, 0, 2).fill(-24)
  const writer = new RingWriter(memory)
  const reader = new RingReader(memory)
  for (let n = 0; n < 5; n++) {
    writer.packet(n, n, Uint8Array.of(n, n + 1, n + 2))
    t.like(drain(reader)[0], { slot: n, octets: Uint8Array.of(n, n + 1, n + 2) })
  }
})
