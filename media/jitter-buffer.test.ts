import test from 'ava'
import fc from 'fast-check'
import { pcmu } from './codec/g711.ts'
import { JitterBuffer } from './jitter-buffer.ts'

const out = new Int16Array(160)
const buffer = () => new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, pcmu.createDecoder())
/** A packet whose samples all say its number. */
const payload = (n: number) => new Uint8Array(160).fill(n & 0x7f)
const put = (to: JitterBuffer, n: number, nowMs: number, first = 0) =>
  to.put((first + n) & 0xffff, (first * 160 + n * 160) >>> 0, payload(n), 0, 160, nowMs)
const decoded = Int16Array.from({ length: 256 }, (_, octet) => {
  const one = new Int16Array(1)
  pcmu.createDecoder().decode(Uint8Array.of(octet), 0, 1, one)
  return one[0]!
})

test('plays in order from the target delay on, whatever the order of arrival', (t) => {
  const jitter = buffer()
  put(jitter, 2, 0)
  put(jitter, 1, 1)
  t.false(jitter.take(out, 19))
  put(jitter, 3, 19)
  for (const [n, at] of [
    [1, 20],
    [2, 40],
    [3, 60]
  ] as const) {
    t.true(jitter.take(out, at))
    t.true(out.every((sample) => sample === decoded[n]))
  }
  t.is(jitter.counts.dropped, 0)
})

test('numbers and timestamps wrap around', (t) => {
  const jitter = buffer()
  const first = 0xfffe
  for (let n = 0; n < 6; n++) jitter.put((first + n) & 0xffff, (2 ** 32 - 320 + n * 160) >>> 0, payload(n), 0, 160, n)
  for (let n = 0; n < 6; n++) {
    t.true(jitter.take(out, 20 + 20 * n))
    t.is(out[0], decoded[n]!)
  }
  t.deepEqual(jitter.counts, { dropped: 0, concealed: 0, skipped: 0 })
})

test('a lost packet is made up at half the level, a duplicate and a late one are dropped', (t) => {
  const jitter = buffer()
  for (const n of [0, 0, 2]) put(jitter, n, n)
  t.true(jitter.take(out, 20))
  t.true(jitter.take(out, 40))
  t.is(out[0], decoded[0]! >> 1)
  put(jitter, 1, 41)
  t.true(jitter.take(out, 60))
  t.is(out[0], decoded[2]!)
  t.deepEqual(jitter.counts, { dropped: 2, concealed: 1, skipped: 0 })
})

test('after a pause, a new talkspurt waits for the target again', (t) => {
  const jitter = buffer()
  put(jitter, 0, 0)
  for (let n = 0; n < 12; n++) jitter.take(out, 20 + 20 * n)
  t.false(jitter.take(out, 280))
  put(jitter, 50, 1000)
  t.false(jitter.take(out, 1010))
  t.true(jitter.take(out, 1020))
  t.is(out[0], decoded[50]!)
})

for (const [name, ppm] of [
  ['fast', 1000],
  ['slow', -1000]
] as const) {
  test(`ten minutes of a sender whose clock is 0.1 % too ${name}: delay stays bounded, little is lost`, (t) => {
    const jitter = buffer()
    const interval = 20 / (1 + ppm / 1e6)
    let sent = 0
    let deepest = 0
    let played = 0
    for (let tick = 1; tick <= 30_000; tick++) {
      const now = tick * 20 + 7
      for (; sent * interval <= now; sent++) put(jitter, sent, sent * interval)
      if (jitter.take(out, now)) played++
      deepest = Math.max(deepest, jitter.depth)
    }
    t.true(deepest <= 5, `${deepest} held`)
    t.true(played > 29_800, `${played} played`)
    t.true(jitter.counts.dropped < 100 && jitter.counts.concealed < 600, JSON.stringify(jitter.counts))
  })
}

test('whatever comes, it neither throws nor holds more than its room', (t) => {
  const packet = fc.record({
    sequence: fc.nat(0xffff),
    timestamp: fc.oneof(fc.nat(20_000), fc.nat(0xffffffff)),
    length: fc.oneof(fc.nat(200), fc.nat(1600)),
    takes: fc.nat(3)
  })
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 120 }), (packets) => {
      const jitter = buffer()
      const bytes = new Uint8Array(1600)
      let now = 0
      for (const { sequence, timestamp, length, takes } of packets) {
        jitter.put(sequence, timestamp, bytes, 0, length, now)
        for (let n = 0; n < takes; n++, now += 20) jitter.take(out, now)
      }
      return jitter.depth <= 50
    }),
    { numRuns: 150, seed: 1 }
  )
  const jitter = buffer()
  const long = new Uint8Array(1500)
  let now = 0
  for (let n = 0; n < 300; n++) {
    jitter.put(n, n * 1500, long, 0, 1500, now)
    for (let take = 0; take < 9; take++, now += 20) jitter.take(out, now)
  }
  t.true(jitter.counts.skipped > 0)
})

test('an hour at ±200 ppm: depth and delay stay bounded, and little is made up or left out', (t) => {
  for (const ppm of [200, -200]) {
    const jitter = buffer()
    const interval = 20 / (1 + ppm / 1e6)
    let sent = 0
    let deepest = 0
    for (let tick = 1; tick <= 180_000; tick++) {
      const now = tick * 20 + 7
      for (; sent * interval <= now; sent++) put(jitter, sent, sent * interval)
      jitter.take(out, now)
      if (tick % 25 === 0) deepest = Math.max(deepest, jitter.depth)
    }
    t.true(deepest <= 4, `${ppm}: ${deepest} held`)
    const { dropped, concealed, skipped } = jitter.counts
    // 200 ppm of an hour are 36 frames.
    if (ppm > 0) t.true(skipped >= 30 && skipped <= 40 && dropped + concealed < 20, JSON.stringify(jitter.counts))
    else t.true(skipped === 0 && dropped < 120 && concealed < 120, JSON.stringify(jitter.counts))
  }
})

for (const ptimeMs of [10, 20, 30, 60]) {
  test(`packets of ${ptimeMs} ms play without a gap`, (t) => {
    const jitter = buffer()
    const samples = ptimeMs * 8
    let sent = 0
    let silent = 0
    const began = 20 + ptimeMs
    for (let now = 1; now <= 5000; now += 20) {
      for (; sent * ptimeMs <= now; sent++) {
        jitter.put(sent, sent * samples, new Uint8Array(samples).fill(sent & 0x7f), 0, samples, sent * ptimeMs)
      }
      if (!jitter.take(out, now) && now > began) silent++
    }
    t.is(silent, 0)
    const { dropped, skipped } = jitter.counts
    t.is(dropped + skipped, 0)
  })
}

test('network jitter of up to the target is played out without loss', (t) => {
  const jitter = buffer()
  const pending = Array.from({ length: 500 }, (_, n) => ({ n, at: n * 20 + ((n * 7919) % 19) })).sort((a, b) => a.at - b.at)
  for (let now = 0; now < 10_000; now += 20) {
    while (pending.length > 0 && pending[0]!.at <= now) {
      const { n, at } = pending.shift()!
      put(jitter, n, at)
    }
    jitter.take(out, now)
  }
  t.is(jitter.counts.dropped, 0)
  t.true(jitter.counts.concealed <= 12, `${jitter.counts.concealed} made up`)
})

test('a path that becomes 100 ms longer: some are late, then the buffer follows', (t) => {
  const jitter = buffer()
  let heard = 0
  for (let now = 0; now < 4000; now += 20) {
    const n = now / 20
    if (n < 50) put(jitter, n, now)
    else if (n >= 55) put(jitter, n - 5, now)
    if (jitter.take(out, now) && n >= 70) heard++
  }
  t.true(heard > 125, `${heard} of 130`)
  t.true(jitter.counts.dropped <= 6, `${jitter.counts.dropped} dropped`)
})

test('a sender whose time jumps is heard again', (t) => {
  for (const jump of [0x40000000, 0x90000000]) {
    const jitter = buffer()
    let sounding = 0
    for (let n = 0; n < 100; n++) {
      const timestamp = (n * 160 + (n < 50 ? 0 : jump)) >>> 0
      jitter.put(n, timestamp, payload(n), 0, 160, n * 20)
      if (jitter.take(out, n * 20 + 5) && n >= 70) sounding++
    }
    t.true(sounding >= 28, `${jump}: ${sounding} of 30`)
  }
})

test('repeats of what was played do not throw away what waits', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 4; n++) put(jitter, n, n)
  t.true(jitter.take(out, 20))
  t.true(jitter.take(out, 40))
  for (const n of [0, 1, 0, 1]) put(jitter, n, 41)
  t.is(jitter.depth, 2)
  t.true(jitter.take(out, 60))
  t.is(out[0], decoded[2]!)
  t.is(jitter.counts.dropped, 4)
})

test('when there is no more room, the buffer begins anew with what comes', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 51; n++) put(jitter, n, 0)
  t.is(jitter.counts.dropped, 50)
  t.is(jitter.depth, 1)
  t.true(jitter.take(out, 20))
  t.is(out[0], decoded[50]!)
})

test('after a stall of the mixer, frames never asked for do not lengthen the delay', (t) => {
  const jitter = buffer()
  let n = 0
  const sendUntil = (nowMs: number) => {
    for (; n * 20 <= nowMs; n++) put(jitter, n, n * 20)
  }
  for (let now = 5; now < 1000; now += 20) {
    sendUntil(now)
    jitter.take(out, now)
  }
  const before = jitter.depth
  sendUntil(1205)
  jitter.skip(10)
  jitter.take(out, 1205)
  t.true(jitter.depth <= before + 1, `${jitter.depth} held`)
})

test('a burst that leaves several frames too many is worked off within a second, but for one', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 8; n++) put(jitter, n, 0)
  for (let n = 8; n < 50; n++) {
    jitter.take(out, (n - 7) * 20)
    put(jitter, n, (n - 7) * 20)
  }
  t.true(jitter.depth <= 4, `${jitter.depth} held`)
})
