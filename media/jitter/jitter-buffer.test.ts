import test from 'ava'
import fc from 'fast-check'
import { pcmu } from '../codec/g711.ts'
import { l16 } from '../codec/l16.ts'
import { opus } from '../codec/opus.ts'
import { noise, voice } from '../testing/signals.ts'
import { signalLevel, sine } from '../tone.ts'
import { JitterBuffer } from './jitter-buffer.ts'

const out = new Int16Array(160)
const buffer = (more: { readonly maxDelayMs?: number; readonly targetDelayMs?: number } = {}) =>
  new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20, ...more }, pcmu.createDecoder())
/** A packet whose samples all say its number. */
const payload = (n: number) => new Uint8Array(160).fill(n & 0x7f)
const put = (to: JitterBuffer, n: number, nowMs: number, first = 0) =>
  to.put((first + n) & 0xffff, (first * 160 + n * 160) >>> 0, payload(n), 0, 160, nowMs)
const decoded = Int16Array.from({ length: 256 }, (_, octet) => {
  const one = new Int16Array(1)
  pcmu.createDecoder().decode(Uint8Array.of(octet), 0, 1, one)
  return one[0]!
})
const says = (n: number) => out.every((sample) => sample === decoded[n & 0x7f])

test('plays in order from the target delay on, whatever the order of arrival', (t) => {
  const jitter = buffer()
  put(jitter, 1, 0)
  t.false(jitter.take(out, 15))
  put(jitter, 3, 39)
  put(jitter, 2, 40)
  for (const [n, at] of [
    [1, 41],
    [2, 61],
    [3, 81]
  ] as const) {
    t.true(jitter.take(out, at))
    t.true(says(n))
  }
  t.is(jitter.counts.dropped, 0)
})

test('numbers and timestamps wrap around', (t) => {
  const jitter = buffer()
  const first = 0xfffe
  for (let n = 0; n < 6; n++) jitter.put((first + n) & 0xffff, (2 ** 32 - 320 + n * 160) >>> 0, payload(n), 0, 160, n * 20)
  for (let n = 0; n < 6; n++) {
    t.true(jitter.take(out, 20 + 20 * n))
    t.true(says(n))
  }
  t.like(jitter.counts, { dropped: 0, concealed: 0, skipped: 0 })
})

test('a lost packet is made up, a duplicate and a late one are dropped', (t) => {
  const jitter = buffer()
  for (const n of [0, 0, 2]) put(jitter, n, n * 20)
  t.true(jitter.take(out, 20))
  t.true(jitter.take(out, 40))
  t.is(out[0], decoded[0]!)
  put(jitter, 1, 41)
  t.true(jitter.take(out, 60))
  t.is(out[159], decoded[2]!)
  t.like(jitter.counts, { dropped: 2, late: 1, duplicates: 1, concealed: 1, skipped: 0 })
})

test('what is not here may come late: it is played, not thrown away', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 5; n++) {
    put(jitter, n, n * 20)
    jitter.take(out, n * 20 + 20)
  }
  // Packet 5 comes 30 ms late, and all after it.
  jitter.take(out, 120)
  put(jitter, 5, 130)
  t.true(jitter.take(out, 140))
  t.is(out[159], decoded[5]!)
  t.like(jitter.counts, { dropped: 0, concealed: 1 })
})

test('after a pause, a new talkspurt waits for the target again', (t) => {
  const jitter = buffer()
  put(jitter, 0, 0)
  for (let n = 0; n < 12; n++) jitter.take(out, 20 + 20 * n)
  t.false(jitter.take(out, 280))
  put(jitter, 50, 1000)
  t.false(jitter.take(out, 1010))
  t.true(jitter.take(out, 1020))
  t.is(out[159], decoded[50]!)
})

test('silence told by timestamps is no loss, whether it is bridged or long', (t) => {
  const jitter = buffer()
  let n = 0
  let timestamp = 0
  const say = (now: number) => jitter.put(n++, timestamp, payload(n), 0, 160, now)
  for (let now = 0; now < 12_000; now += 20, timestamp += 160) {
    // Talks 200 ms, is silent for 60, and for 800 ms after each two seconds.
    if (now % 260 < 200 && now % 2800 < 2000) say(now)
    jitter.take(out, now + 5)
  }
  t.like(jitter.counts, { dropped: 0, concealed: 0, recovered: 0 })
})

/** A sender with a clock of its own, a path with jitter of its own. What a tick hears goes to `heard`. */
function run(
  jitter: JitterBuffer,
  options: {
    readonly seconds: number
    readonly ppm?: number
    readonly sound: (n: number) => Uint8Array
    readonly packetClock: number
    readonly delayMs?: (n: number) => number
    readonly frame: Int16Array
    readonly heard?: (tick: number) => void
  }
): void {
  const { seconds, ppm = 0, sound, packetClock, delayMs = () => 0, frame, heard } = options
  const interval = 20 / (1 + ppm / 1e6)
  let sent = 0
  const underway: { n: number; at: number }[] = []
  for (let tick = 0; tick < seconds * 50; tick++) {
    const now = tick * 20 + 7
    for (; sent * interval <= now; sent++) {
      const at = sent * interval + delayMs(sent)
      let place = underway.length
      while (place > 0 && underway[place - 1]!.at > at) place--
      underway.splice(place, 0, { n: sent, at })
    }
    while (underway.length > 0 && underway[0]!.at <= now) {
      const { n, at } = underway.shift()!
      const bytes = sound(n)
      jitter.put(n & 0xffff, (n * packetClock) >>> 0, bytes, 0, bytes.length, at)
    }
    jitter.take(frame, now)
    heard?.(tick)
  }
}

/** A voice at 8 kHz, as packets of L16, over and over without a seam. */
const spoken = (() => {
  const sound = voice(8000, 11, -20, 4)
  const packets = Array.from({ length: 500 }, (_, n) => {
    const bytes = new Uint8Array(320)
    for (let i = 0; i < 160; i++) {
      bytes[2 * i] = sound[n * 160 + i]! >> 8
      bytes[2 * i + 1] = sound[n * 160 + i]!
    }
    return bytes
  })
  return (n: number) => packets[n % packets.length]!
})()
const l16At8 = l16.find(({ clockRateHz }) => clockRateHz === 8000)!

for (const ppm of [200, -200]) {
  test(`an hour at ${ppm} ppm: delay stays where it is, nothing is lost, made up or heard to change`, (t) => {
    const jitter = new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, l16At8.createDecoder())
    let longest = 0
    let shortest = Number.POSITIVE_INFINITY
    let largestStep = 0
    let before = 0
    run(jitter, {
      seconds: 3600,
      ppm,
      sound: spoken,
      packetClock: 160,
      frame: out,
      heard: (tick) => {
        if (tick > 100) {
          longest = Math.max(longest, jitter.delayMs)
          shortest = Math.min(shortest, jitter.delayMs)
        }
        for (const sample of out) {
          largestStep = Math.max(largestStep, Math.abs(sample - before))
          before = sample
        }
      }
    })
    t.log(`delay ${shortest.toFixed(1)} to ${longest.toFixed(1)} ms, ${JSON.stringify(jitter.counts)}`)
    t.true(longest < 60 && shortest > 5, `${shortest} to ${longest} ms`)
    t.like(jitter.counts, { dropped: 0, concealed: 0, skipped: 0, audible: 0 })
    // 200 ppm of an hour are 720 ms, in periods of 2.5 to 12.5 ms.
    const changes = ppm > 0 ? jitter.counts.shortened : jitter.counts.lengthened
    t.true(changes >= 50 && changes <= 320, `${changes} changes`)
    t.true((ppm > 0 ? jitter.counts.lengthened : jitter.counts.shortened) < 10)
    const sound = voice(8000, 11, -20, 4).subarray(0, 80_000)
    let own = 0
    for (let i = 1; i < sound.length; i++) own = Math.max(own, Math.abs(sound[i]! - sound[i - 1]!))
    t.true(largestStep < 1.7 * own, `a step of ${largestStep}, where the voice has ${own}`)
  })
}

test('the delay follows the jitter up at once, and down slowly', (t) => {
  const jitter = buffer()
  const random = noise(3)
  let spread = 10
  const delays: number[] = []
  const targets: number[] = []
  run(jitter, {
    seconds: 80,
    sound: payload,
    packetClock: 160,
    delayMs: (n) => {
      spread = n > 500 && n < 1000 ? 100 : 10
      return ((random() + 1) / 2) * spread
    },
    frame: out,
    heard: () => {
      delays.push(jitter.delayMs)
      targets.push(jitter.targetMs)
    }
  })
  t.is(Math.round(targets[490]!), 20)
  t.true(targets[560]! > 70, `${targets[560]} a second after`)
  t.true(delays[900]! > 70 && delays[900]! < 140, `${delays[900]} ms`)
  t.true(targets[1050]! > 60, 'not down yet')
  t.true(targets[3900]! < 25 && delays[3900]! < 60, `${targets[3900]} ${delays[3900]}`)
  const { late, concealed } = jitter.counts
  t.true(late + concealed < 60, JSON.stringify(jitter.counts))
})

test('packets that are overtaken are waited for, once some have been too late', (t) => {
  const jitter = buffer()
  let late = 0
  run(jitter, {
    seconds: 60,
    sound: payload,
    packetClock: 160,
    delayMs: (n) => (n % 10 === 5 ? 90 : 0),
    frame: out,
    heard: (tick) => {
      if (tick === 500) late = jitter.counts.late
    }
  })
  t.true(late > 1 && late < 12, `${late}`)
  t.true(jitter.counts.late - late < 3, `${jitter.counts.late} late`)
  t.true(jitter.targetMs >= 90 && jitter.targetMs <= 100)
})

test('after the path has stood still for 120 ms, a silent sender is soon as near as before', (t) => {
  const jitter = new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, l16At8.createDecoder())
  const silent = new Uint8Array(320)
  const delays: number[] = []
  run(jitter, {
    seconds: 10,
    sound: () => silent,
    packetClock: 160,
    delayMs: (n) => (n >= 200 && n < 206 ? 120 - 20 * (n - 200) : 0),
    frame: out,
    heard: () => delays.push(jitter.delayMs)
  })
  t.true(jitter.counts.concealed >= 4 && jitter.counts.shortened >= 6, JSON.stringify(jitter.counts))
  t.true(
    delays.slice(230).every((delay) => delay < 50),
    `${delays.slice(205, 235).map(Math.round)}`
  )
  t.is(jitter.counts.dropped, 0)
})

test('a single late packet changes nothing', (t) => {
  const jitter = buffer()
  run(jitter, {
    seconds: 20,
    sound: payload,
    packetClock: 160,
    delayMs: (n) => (n === 400 ? 150 : 0),
    frame: out,
    heard: (tick) => {
      if (tick > 450) t.true(jitter.targetMs <= 20)
    }
  })
  t.is(jitter.counts.late, 1)
})

test('whatever comes, it neither throws nor holds more than its room', (t) => {
  const packet = fc.record({
    sequence: fc.oneof(fc.nat(100), fc.nat(0xffff)),
    timestamp: fc.oneof(fc.nat(20_000), fc.nat(0xffffffff)),
    length: fc.oneof(fc.nat(200), fc.nat(1600)),
    comfort: fc.boolean(),
    takes: fc.nat(3),
    skips: fc.nat(2)
  })
  for (const codec of [pcmu, opus]) {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 120 }), (packets) => {
        const decoder = codec.createDecoder({ sampleRateHz: 8000 })
        const jitter = new JitterBuffer(
          { clockRateHz: codec.clockRateHz, sampleRateHz: 8000, frameSamples: 160, targetDelayMs: 20 },
          decoder
        )
        const bytes = new Uint8Array(1600).fill(0x78)
        let now = 0
        for (const { sequence, timestamp, length, comfort, takes, skips } of packets) {
          jitter.put(sequence, timestamp, bytes, 0, length, now, comfort)
          for (let n = 0; n < takes; n++, now += 20) jitter.take(out, now)
          jitter.skip(skips)
        }
        decoder.close()
        return jitter.depth <= 64
      }),
      { numRuns: 100, seed: 1 }
    )
  }
  t.pass()
})

for (const ptimeMs of [10, 20, 30, 60]) {
  test(`packets of ${ptimeMs} ms play without a gap`, (t) => {
    const jitter = buffer()
    const samples = ptimeMs * 8
    let sent = 0
    let silent = 0
    const began = 30 + 2 * ptimeMs
    for (let now = 1; now <= 5000; now += 20) {
      for (; (sent + 1) * ptimeMs <= now; sent++) {
        const at = (sent + 1) * ptimeMs
        jitter.put(sent, sent * samples, new Uint8Array(samples).fill(sent & 0x7f), 0, samples, at)
      }
      if (!jitter.take(out, now) && now > began) silent++
    }
    t.is(silent, 0)
    t.like(jitter.counts, { dropped: 0, skipped: 0, concealed: 0, audible: 0 })
  })
}

test('network jitter of up to the target is played out without loss', (t) => {
  const jitter = buffer()
  run(jitter, { seconds: 10, sound: payload, packetClock: 160, delayMs: (n) => (n * 7919) % 19, frame: out })
  t.like(jitter.counts, { dropped: 0, concealed: 0 })
})

const loud = new Uint8Array(160).fill(0x10)

test('a path that becomes 100 ms longer: the buffer follows', (t) => {
  const jitter = buffer()
  let sounding = 0
  run(jitter, {
    seconds: 20,
    sound: () => loud,
    packetClock: 160,
    delayMs: (n) => (n < 250 ? 0 : 100),
    frame: out,
    heard: (tick) => {
      if (tick > 300 && signalLevel(out) > -40) sounding++
    }
  })
  t.true(sounding > 640, `${sounding} of 700`)
  t.true(jitter.counts.dropped <= 6 && jitter.counts.concealed <= 12, JSON.stringify(jitter.counts))
})

test('and 100 ms shorter: what is waiting too long is played faster', (t) => {
  const jitter = new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, l16At8.createDecoder())
  let delay = 0
  run(jitter, {
    seconds: 30,
    sound: spoken,
    packetClock: 160,
    delayMs: (n) => (n < 250 ? 100 : 0),
    frame: out,
    heard: () => {
      delay = jitter.delayMs
    }
  })
  t.true(delay < 60, `${delay} ms`)
  t.like(jitter.counts, { dropped: 0, concealed: 0 })
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
  for (let n = 0; n < 4; n++) put(jitter, n, n * 20)
  jitter.take(out, 20)
  for (let n = 0; n < 5; n++) put(jitter, 0, 21)
  t.is(jitter.depth, 3)
  t.is(jitter.counts.duplicates, 5)
})

test('of a burst the last half second is kept, before playing and while it plays', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 70; n++) put(jitter, n, 0)
  t.is(jitter.depth, 25)
  t.is(jitter.counts.skipped, 45)
  t.true(jitter.take(out, 500))
  for (let n = 70; n < 100; n++) put(jitter, n, 510)
  t.is(jitter.depth, 25)
  t.is(jitter.counts.dropped, 0)
})

test('a sender who stood still for longer than is bridged is heard on, also where packets had to wait long before', (t) => {
  const jitter = buffer({ targetDelayMs: 120 })
  const late = 400
  for (let now = 0; now < 4000; now += 20) {
    const n = now / 20
    if (now < 1000) put(jitter, n, now)
    else if (now === 1000 + late) for (let held = 50; held <= n; held++) put(jitter, held, now)
    else if (now > 1000 + late) put(jitter, n, now)
    jitter.take(out, now)
  }
  t.is(jitter.counts.dropped, 0)
  t.is(jitter.counts.skipped, 0)
})

test('what was left out for want of room is among the frames that were missed', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 3; n++) put(jitter, n, n * 20)
  jitter.take(out, 40)
  t.true(says(0))
  for (let n = 3; n < 103; n++) put(jitter, n, n * 20)
  jitter.skip(99)
  t.is(jitter.counts.skipped, 99)
  jitter.take(out, 2040)
  t.true(says(100))
  t.is(jitter.depth, 2)
})

test('a number far ahead of what is played begins anew', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 10; n++) put(jitter, n, n * 20)
  jitter.take(out, 40)
  put(jitter, 80, 200)
  t.is(jitter.counts.overflow, 9)
  t.is(jitter.depth, 1)
})

test('a thread that was held up leaves out what it missed', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 10; n++) put(jitter, n, n * 20)
  jitter.take(out, 20)
  t.true(says(0))
  jitter.skip(3)
  t.is(jitter.counts.skipped, 3)
  jitter.take(out, 100)
  t.true(says(4))
})

test('comfort noise sounds until the sender speaks again', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 5; n++) put(jitter, n, n * 20)
  jitter.put(5, 800, Uint8Array.of(40), 0, 1, 100, true)
  let noisy = 0
  for (let now = 20; now < 2000; now += 20) {
    t.true(jitter.take(out, now))
    if (now > 200 && Math.abs(signalLevel(out) + 37) < 3) noisy++
  }
  t.true(noisy >= 85, `${noisy} of 90`)
  for (let n = 100; n < 110; n++) jitter.put(n - 94, n * 160, payload(3), 0, 160, n * 20)
  for (let now = 2000; now <= 2100; now += 20) jitter.take(out, now)
  t.true(says(3))
  t.like(jitter.counts, { concealed: 0, dropped: 0 })
})

test('Opus at 16 kHz: lost packets come back from the one after them', (t) => {
  const encoder = opus.createEncoder({ sampleRateHz: 16_000, parameters: { useinbandfec: '1' }, expectedLossPercent: 20 })
  const decoder = opus.createDecoder({ sampleRateHz: 16_000 })
  const jitter = new JitterBuffer({ clockRateHz: 48_000, sampleRateHz: 16_000, frameSamples: 320, targetDelayMs: 40 }, decoder)
  const said = voice(16_000, 8)
  const frame = new Int16Array(320)
  const packet = new Uint8Array(1460)
  let lost = 0
  for (let n = 0; n < 400; n++) {
    const length = encoder.encode(said.subarray(n * 320, (n + 1) * 320), packet, 0)
    if (n % 10 === 9) lost++
    else jitter.put(n, n * 960, packet, 0, length, n * 20)
    jitter.take(frame, n * 20 + 2)
  }
  t.is(jitter.counts.dropped, 0)
  t.true(jitter.counts.recovered > 20, JSON.stringify(jitter.counts))
  t.true(jitter.counts.recovered + jitter.counts.concealed >= lost - 1)
  encoder.close()
  decoder.close()
})

test('G.722: two samples for each tick of its clock', (t) => {
  const l16At16 = l16.find(({ clockRateHz }) => clockRateHz === 16_000)!
  const jitter = new JitterBuffer(
    { clockRateHz: 8000, sampleRateHz: 16_000, frameSamples: 320, targetDelayMs: 20 },
    l16At16.createDecoder()
  )
  const tone = sine(16_000, 500, -10, 16_000)
  const frame = new Int16Array(320)
  const bytes = new Uint8Array(640)
  const heard: number[] = []
  for (let n = 0; n < 50; n++) {
    for (let i = 0; i < 320; i++) {
      bytes[2 * i] = tone[n * 320 + i]! >> 8
      bytes[2 * i + 1] = tone[n * 320 + i]!
    }
    jitter.put(n, n * 160, bytes, 0, 640, n * 20)
    if (jitter.take(frame, n * 20 + 3)) heard.push(...frame)
  }
  t.deepEqual(heard, [...tone.subarray(0, heard.length)])
  t.true(heard.length > 15_000)
})

test('a packet that comes once more in a pause is not said again', (t) => {
  const jitter = buffer()
  for (let n = 0; n < 3; n++) put(jitter, n, n * 20)
  for (let now = 20; now < 500; now += 20) jitter.take(out, now)
  for (const n of [2, 1]) put(jitter, n, 500)
  for (let now = 500; now < 600; now += 20) t.false(jitter.take(out, now))
  t.is(jitter.counts.dropped, 2)
})

test('a payload that cannot be decoded is made up for', (t) => {
  const decoder = opus.createDecoder({ sampleRateHz: 8000 })
  const encoder = opus.createEncoder({ sampleRateHz: 8000 })
  const jitter = new JitterBuffer({ clockRateHz: 48_000, sampleRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, decoder)
  const said = voice(8000, 1)
  const packet = new Uint8Array(1460)
  for (let n = 0; n < 40; n++) {
    const length = encoder.encode(said.subarray(n * 160, (n + 1) * 160), packet, 0)
    if (n === 20) jitter.put(n, n * 960, Uint8Array.of(3, 0), 0, 2, n * 20)
    else jitter.put(n, n * 960, packet, 0, length, n * 20)
    t.is(jitter.take(out, n * 20 + 3), n > 0)
  }
  t.like(jitter.counts, { concealed: 1, dropped: 0 })
  encoder.close()
  decoder.close()
})

test('Opus that sends nothing in silence loses nothing', (t) => {
  const encoder = opus.createEncoder({ sampleRateHz: 16_000, parameters: { usedtx: '1' } })
  const decoder = opus.createDecoder({ sampleRateHz: 16_000 })
  const jitter = new JitterBuffer({ clockRateHz: 48_000, sampleRateHz: 16_000, frameSamples: 320, targetDelayMs: 20 }, decoder)
  const said = new Int16Array(16_000 * 6)
  for (const second of [0, 2, 4]) said.set(voice(16_000, 1, -20, second + 1), second * 16_000)
  const frame = new Int16Array(320)
  const packet = new Uint8Array(1460)
  const levels: number[] = []
  let sent = 0
  for (let n = 0; n < 300; n++) {
    const length = encoder.encode(said.subarray(n * 320, (n + 1) * 320), packet, 0)
    if (length > 0) jitter.put(sent++, n * 960, packet, 0, length, n * 20)
    jitter.take(frame, n * 20 + 3)
    levels.push(signalLevel(frame))
  }
  t.true(sent < 240, `${sent} of 300 sent`)
  t.like(jitter.counts, { dropped: 0, concealed: 0, recovered: 0, audible: 0 })
  for (const second of [0, 2, 4]) {
    const speech = levels.slice(second * 50 + 15, second * 50 + 50)
    t.true(Math.max(...speech) > -20, `${second} s`)
    if (second < 4) t.true(Math.max(...levels.slice(second * 50 + 75, second * 50 + 98)) < -50)
  }
  encoder.close()
  decoder.close()
})

test('once a packet was lost, the delay leaves time for the one that restores it', (t) => {
  const encoder = opus.createEncoder({ sampleRateHz: 16_000, parameters: { useinbandfec: '1' }, expectedLossPercent: 20 })
  const decoder = opus.createDecoder({ sampleRateHz: 16_000 })
  const jitter = new JitterBuffer({ clockRateHz: 48_000, sampleRateHz: 16_000, frameSamples: 320, targetDelayMs: 20 }, decoder)
  const said = voice(16_000, 20)
  const frame = new Int16Array(320)
  const packet = new Uint8Array(1460)
  let recovered = 0
  for (let n = 0; n < 1000; n++) {
    if (n === 200) recovered = jitter.counts.recovered
    // Each tick comes just before the packet that it could have used.
    const length = encoder.encode(said.subarray(n * 320, (n + 1) * 320), packet, 0)
    jitter.take(frame, n * 20)
    if (n % 10 !== 9) jitter.put(n, n * 960, packet, 0, length, n * 20)
  }
  t.is(jitter.targetMs, 40)
  t.true(jitter.counts.recovered - recovered > 50, JSON.stringify(jitter.counts))
  encoder.close()
  decoder.close()
})
