import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { InfraFabricError } from '#kernel'
import type { Economy } from '../codec/codec.ts'
import { pcmu } from '../codec/g711.ts'
import { rtpHeaderLength } from '../rtp/rtp.ts'
import { voice } from '../testing/signals.ts'
import { sine, toneLevel } from '../tone.ts'
import { Conference, type Member, openControls, type Party } from './conference.ts'
import type { SendFormat } from './downlink.ts'
import { unityGain } from './kernel.ts'
import { kernels } from './kernels.ts'
import { frameSamples, type MixTools } from './lane.ts'

/** A codec that changes nothing: 16-bit samples, machine order. */
const bare = (sampleRateHz: number): SendFormat['codec'] => ({
  ...pcmu,
  name: `BARE${sampleRateHz}`,
  sampleRateHz,
  sampleRatesHz: [sampleRateHz],
  createEncoder: () => {
    encoders++
    return {
      encode: (samples, out, at) => {
        encodings++
        for (let i = 0; i < samples.length; i++) {
          out[at + 2 * i] = samples[i]! & 0xff
          out[at + 2 * i + 1] = samples[i]! >> 8
        }
        return 2 * samples.length
      },
      wroteComfortNoise: false,
      tune: (economy, lossPercent) => {
        tuned[0] = economy
        tuned[1] = lossPercent
      },
      reset: () => undefined,
      close: () => {
        encoders--
      }
    }
  }
})
let encoders = 0
let encodings = 0
/** What an encoder was told last. */
const tuned = [0, 0]

/** Changes the rate by linear interpolation between the samples: enough to follow a slow sine. */
const tools = (): MixTools => ({
  kernel: kernels().at(-1)!,
  economy: { level: 0 },
  createResampler: (fromHz, toHz) => {
    let last = 0
    return {
      resample: (input, out) => {
        for (let i = 0; i < out.length; i++) {
          const at = ((i + 1) * fromHz) / toHz - 1
          const n = Math.floor(at)
          const [a, b] = [n < 0 ? last : input[n]!, input[Math.min(input.length - 1, n + 1)]!]
          out[i] = Math.round(a + (b - a) * (at - n))
        }
        last = input.at(-1)!
      }
    }
  }
})

interface FakeParty extends Party {
  says: ((i: number) => number) | null
  heard: number[]
  sent: number
  listening: boolean
  lossPercent: number
  format: SendFormat | null
}

function party(of: MixTools, rateHz: number, says: ((i: number) => number) | null = null): FakeParty {
  let at = 0
  const frame = of.kernel.frame(frameSamples(rateHz))
  const fake: FakeParty = {
    frame,
    rateHz,
    format: { codec: bare(rateHz), options: {}, rateHz, key: `bare ${rateHz}` },
    listening: true,
    lossPercent: 0,
    says,
    heard: [],
    sent: 0,
    pull: () => {
      for (let i = 0; i < frame.length; i++) frame[i] = Math.round(fake.says?.(at + i) ?? 0)
      at += frame.length
      return fake.says !== null
    },
    send: (packet, octets) => {
      fake.sent++
      for (let i = 0; i < octets; i += 2) fake.heard.push(packet.readInt16LE(rtpHeaderLength + i))
    },
    pass: () => undefined
  }
  return fake
}

const options = { voices: 8, autoGain: false }

function scene(more: Partial<typeof options> = {}) {
  const told: string[] = []
  const of = tools()
  const conference = new Conference(
    of,
    { ...options, ...more },
    {
      speaking: ({ id }, speaking) => told.push(`${id} ${speaking ? 'speaks' : 'is silent'}`),
      dominant: ({ id }) => told.push(`${id} leads`),
      failed: ({ id }, { code }) => told.push(`${id} ${code}`)
    }
  )
  let now = 0
  const members: Member[] = []
  const join = (says: ((i: number) => number) | null = null, rateHz = 8000) => {
    const fake = party(of, rateHz, says)
    members.push(conference.add(members.length, fake))
    return fake
  }
  const run = (ticks: number) => {
    for (let n = 0; n < ticks; n++) {
      now += 20
      conference.tick(now)
    }
  }
  return { conference, join, run, members, told, economy: of.economy as { level: Economy } }
}

const constant = (value: number) => () => value
const last = (fake: FakeParty) => fake.heard.at(-1)
const hears = (fake: FakeParty) => {
  fake.heard = []
  return () => new Set(fake.heard)
}

test.serial('three parties: each hears exactly the other two', (t) => {
  const { join, run, conference } = scene()
  const parties = [100, 20, 3].map((value) => join(constant(value)))
  run(3)
  t.deepEqual(
    parties.map((fake) => [...new Set(fake.heard)]),
    [[23], [103], [120]]
  )
  conference.close()
  t.is(encoders, 0)
})

test.serial(
  'thirty parties: the eight loudest are heard, by each other less themselves, and by all others the same, encoded once',
  (t) => {
    const { join, run, members } = scene()
    const parties = Array.from({ length: 30 }, (_, n) => join(constant(n < 8 ? 1000 + 2 ** n : 1)))
    run(50)
    encodings = 0
    run(1)
    t.is(encodings, 9, 'eight own, one shared')
    const sum = parties.slice(0, 8).reduce((total, _, n) => total + 1000 + 2 ** n, 0)
    for (const [n, fake] of parties.entries()) t.is(last(fake), n < 8 ? sum - 1000 - 2 ** n : sum)
    t.is(members.filter(({ part }) => part !== null).length, 8)
  }
)

test.serial('silent members of a small conference share one encoding as well', (t) => {
  const { join, run } = scene()
  const [a, b, c] = [join(constant(500)), join(), join()]
  run(2)
  encodings = 0
  run(1)
  t.is(encodings, 2)
  t.deepEqual([last(a!), last(b!), last(c!)], [0, 500, 500])
})

test.serial('who encodes for many prepares for the largest loss among them, and saves time when the thread does', (t) => {
  const { join, run, economy } = scene()
  const [first, second] = [join(), join(), join()] as const
  run(2)
  t.deepEqual(tuned, [0, 0])
  first.lossPercent = 2
  second.lossPercent = 5
  economy.level = 2
  run(2)
  t.deepEqual(tuned, [2, 5])
  second.lossPercent = 0
  run(2)
  t.deepEqual(tuned, [2, 2])
})

test.serial('a mute fades within a frame and holds; an unmute fades in', (t) => {
  const { conference, join, run, members } = scene()
  const [, listener] = [join(constant(8000)), join()]
  run(2)
  conference.control(members[0]!, { ...openControls, speaks: false })
  listener.heard = []
  run(3)
  const faded = listener.heard.slice(0, 160)
  t.true(faded[0]! > 7900 && faded[159]! < 100 && faded.every((value, i) => i === 0 || value <= faded[i - 1]!))
  t.true(listener.heard.slice(160).every((value) => value === 0))
  conference.control(members[0]!, openControls)
  listener.heard = []
  run(2)
  t.true(listener.heard[0]! < 100)
  t.is(last(listener), 8000)
})

test.serial('who begins to send is heard from its first sample', (t) => {
  const { join, run } = scene()
  const [a, b] = [join(), join()]
  run(2)
  const heard = hears(b)
  a.says = constant(1234)
  run(1)
  t.deepEqual([...heard()], [1234])
})

test.serial('volume: how loud one is heard, and how loud one hears', (t) => {
  const { conference, join, run, members } = scene()
  const [a, b, c] = [join(constant(1000)), join(), join()]
  run(1)
  conference.control(members[0]!, { ...openControls, heardDb: 6.0206 })
  conference.control(members[2]!, { ...openControls, hearsDb: -6.0206 })
  run(2)
  t.is(members[0]!.gain, 2 * unityGain)
  t.deepEqual([last(a), last(b), last(c)], [0, 2000, 1000])
})

test.serial('automatic gain raises a soft voice', (t) => {
  const { join, run } = scene({ autoGain: true })
  const soft = sine(8000, 400, -38, 8000)
  const [, b] = [join((i) => soft[i % 8000]!), join()]
  run(600)
  const level = toneLevel(Int16Array.from(b.heard.slice(-4000)), 8000, 400)
  t.true(level > -27 && level < -25, `${level}`)
})

test.serial('speakers and the leader are told', (t) => {
  const { join, run, told } = scene()
  join(constant(3000))
  join()
  run(20)
  t.deepEqual(told, ['0 speaks', '0 leads'])
})

test.serial('sounds for all and for one; over at their end, or when the listener goes', (t) => {
  const { conference, join, run, members } = scene()
  const [a, b] = [join(constant(1000)), join()]
  run(1)
  const ended: string[] = []
  const sound = (value: number, samples: number) => ({ samples: new Int16Array(samples).fill(value), sampleRateHz: 8000 })
  conference.play(sound(10, 320), null, (whole) => ended.push(`all ${whole}`))
  conference.play(sound(7, 1600), members[1]!, (whole) => ended.push(`one ${whole}`))
  const heard = [hears(a), hears(b)]
  run(2)
  t.deepEqual(
    heard.map((set) => [...set()]),
    [[10], [1017]]
  )
  run(1)
  t.deepEqual(ended, ['all true'])
  t.deepEqual([last(a), last(b)], [0, 1007])
  conference.remove(members[1]!)
  t.deepEqual(ended, ['all true', 'one false'])
})

test.serial('the rate of the mix follows the participants, up and down, without a click', (t) => {
  const { conference, join, run, members } = scene()
  const tone = (rateHz: number) => (i: number) => 8000 * Math.sin((2 * Math.PI * 200 * i) / rateHz)
  const [, narrow] = [join(tone(8000)), join()]
  run(20)
  t.is(conference.rateHz, 8000)
  narrow.heard = []
  const wide = join(null, 16_000)
  run(20)
  t.is(conference.rateHz, 16_000)
  conference.remove(members[2]!)
  run(20)
  t.is(conference.rateHz, 8000)
  const steepest = 8000 * 2 * Math.sin((Math.PI * 200) / 8000)
  for (let i = 1; i < narrow.heard.length; i++) {
    const step = Math.abs(narrow.heard[i]! - narrow.heard[i - 1]!)
    if (step > steepest * 1.3) t.fail(`a step of ${step} at sample ${i}`)
  }
  t.true(toneLevel(Int16Array.from(wide.heard.slice(-3200)), 16_000, 200) > -13)
  t.is(wide.heard.length, 20 * 320)
})

test.serial('a participant that takes no sound is left alone, and its time passes', (t) => {
  const { join, run, conference } = scene()
  const [a] = [join(), join(constant(100))]
  a.listening = false
  run(5)
  t.is(a.sent, 0)
  a.format = null
  conference.refresh()
  a.listening = true
  run(5)
  t.is(a.sent, 0)
})

test.serial('a codec that gives no encoder costs its own participant the sound, is told once, and nobody else', (t) => {
  const { conference, join, run, told } = scene()
  const [a, b, c] = [join(constant(100)), join(constant(20)), join()]
  const bad: SendFormat = {
    ...c.format!,
    key: 'bad',
    codec: {
      ...c.format!.codec,
      createEncoder: () => {
        throw new InfraFabricError('media.codec.unavailable', 'no library')
      }
    }
  }
  c.format = bad
  run(5)
  t.deepEqual(
    told.filter((what) => what.includes('codec')),
    ['2 media.codec.unavailable']
  )
  t.is(c.sent, 0)
  t.deepEqual([last(a), last(b)], [20, 100])
  c.format = { ...a.format! }
  conference.refresh()
  run(1)
  t.is(last(c), 120)
})

test.serial('ten thousand frames take no memory', (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const of = tools()
  const conference = new Conference(
    of,
    { voices: 4, autoGain: true },
    { speaking: () => undefined, dominant: () => undefined, failed: () => undefined }
  )
  for (let n = 0; n < 10; n++) {
    const fake = party(of, 8000, constant(0))
    const payload = (i: number) => ((i * (n + 1)) % 600) - 300
    conference.add(n, {
      frame: fake.frame,
      rateHz: 8000,
      format: fake.format,
      listening: true,
      lossPercent: 0,
      pull: () => {
        for (let i = 0; i < 160; i++) fake.frame[i] = payload(i)
        return true
      },
      send: () => undefined,
      pass: () => undefined
    })
  }
  const run = () => {
    for (let tick = 0; tick < 10_000; tick++) conference.tick(tick * 20)
  }
  run()
  collect()
  const before = process.memoryUsage()
  run()
  const after = process.memoryUsage()
  const octets = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 10_000
  // one object for each party would take ten times as much; what a compiler that is still at work leaves behind is below
  t.true(octets < 160, `${octets} octets a frame of ten parties`)
})

/** Largest bend of a sound from sample to sample: a click is one many times that of the sound itself. */
const bend = (sound: readonly number[]) =>
  sound.reduce((most, _, i) => (i < 2 ? most : Math.max(most, Math.abs(sound[i]! - 2 * sound[i - 1]! + sound[i - 2]!))), 0)

test.serial('no click: gains of voices and listeners change within a frame, and so do mutes and places', (t) => {
  const { join, conference, members, run } = scene({ voices: 1 })
  // at its crest where a frame begins
  const speaker = join((i) => 12_000 * Math.cos((2 * Math.PI * 100 * i) / 8000))
  const listener = join()
  run(20)
  const steady = bend(listener.heard)
  const clicks = (what: string, change: () => void) => {
    listener.heard.length = 0
    run(3)
    change()
    run(3)
    t.true(bend(listener.heard) < 4 * steady, `${what}: ${bend(listener.heard)} of ${steady}`)
  }
  const [first, second] = [members[0]!, members[1]!]
  clicks('hears less', () => conference.control(second, { ...openControls, hearsDb: -20 }))
  clicks('hears more', () => conference.control(second, openControls))
  clicks('is heard less', () => conference.control(first, { ...openControls, heardDb: -20 }))
  clicks('is heard more', () => conference.control(first, openControls))
  clicks('muted', () => conference.control(first, { ...openControls, speaks: false }))
  clicks('unmuted', () => conference.control(first, openControls))
  // a louder one takes the only place, and loses it again
  const louder = join(null)
  clicks('place lost', () => {
    louder.says = (i) => 15_000 * (1 - Math.cos((2 * Math.PI * 50 * i) / 8000))
  })
  t.true(speaker.sent > 0)
})

test.serial(
  'many talkers at once get softer together, and are neither cut nor bent: distortion stays far below the voices',
  (t) => {
    for (const talkers of [2, 4, 8]) {
      const { join, run } = scene()
      const voice = (hz: number, level: number) => (i: number) => level * Math.sin((2 * Math.PI * hz * i) / 8000)
      // whole periods in the half second that is looked at; speech at −18 dBFS each
      const tones = Array.from({ length: talkers }, (_, n) => 210 + 130 * n)
      const level = 32_767 * 10 ** (-18 / 20)
      for (const hz of tones) join(voice(hz, level))
      const listener = join()
      run(10)
      listener.heard.length = 0
      run(50)
      const heard = listener.heard.slice(-4000)
      const power = heard.reduce((sum, sample) => sum + sample * sample, 0) / heard.length
      const wanted = tones.reduce((sum, hz) => {
        let [re, im] = [0, 0]
        for (const [i, sample] of heard.entries()) {
          re += sample * Math.cos((2 * Math.PI * hz * i) / 8000)
          im += sample * Math.sin((2 * Math.PI * hz * i) / 8000)
        }
        return sum + (2 * (re * re + im * im)) / heard.length ** 2
      }, 0)
      const distortion = 10 * Math.log10(Math.max(1e-12, (power - wanted) / wanted))
      t.log(`${talkers} talkers: ${distortion.toFixed(1)} dB of distortion`)
      t.true(distortion < (talkers < 8 ? -75 : -55))
      t.true(heard.every((sample) => Math.abs(sample) < 32_767))
    }
  }
)

/** Samples after which the gain has met the first loud sums: the frames with them are bent. */
const settled = 8000

/**
 * How much of what is heard is not what was said, in dB: what is left of each frame when the sum of the voices is taken out of it, at a gain that moves evenly from its
 * beginning to its end, as gains do.
 */
function distortionOf(said: (i: number) => number, heard: readonly number[]): number {
  let [rest, total] = [0, 0]
  for (let at = settled; at + 160 <= heard.length; at += 160) {
    let [xx, xr, rr, xy, ry, yy] = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < 160; i++) {
      const x = said(at + i)
      const r = (x * i) / 160
      const y = heard[at + i]!
      xx += x * x
      xr += x * r
      rr += r * r
      xy += x * y
      ry += r * y
      yy += y * y
    }
    const determinant = xx * rr - xr * xr || 1
    const explained = (xy * (xy * rr - ry * xr) + ry * (ry * xx - xy * xr)) / determinant
    rest += Math.max(0, yy - explained)
    total += explained
  }
  return 10 * Math.log10(rest / total)
}

test.serial('voices that are loud together: who listens hears their sum softer, and so does each the sum of the others', (t) => {
  for (const [talkers, level] of [
    [3, -18],
    [8, -18],
    [8, -12]
  ] as const) {
    const { join, run } = scene()
    const voices = Array.from({ length: talkers }, (_, n) => voice(8000, 20, level, n + 1))
    const parties = voices.map((samples) => join((i) => samples[i]!))
    const listener = join()
    run(1000)
    const sumBut = (own: number) => (i: number) => voices.reduce((sum, samples, n) => (n === own ? sum : sum + samples[i]!), 0)
    const [all, others] = [distortionOf(sumBut(-1), listener.heard), distortionOf(sumBut(0), parties[0]!.heard)]
    t.log(`${talkers} voices at ${level} dBFS: distortion ${all.toFixed(1)} dB, without their own ${others.toFixed(1)} dB`)
    t.true(all < -40 && others < -40)
  }
})
