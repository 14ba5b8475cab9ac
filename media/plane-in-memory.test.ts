import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import type { FormatParameters } from './codec/codec.ts'
import { codecNamed } from './codec/codecs.ts'
import type { Endpoint } from './latch.ts'
import { Leg } from './leg.ts'
import { Conference } from './mixer/conference.ts'
import { bestKernel } from './mixer/kernels.ts'
import { createResampler } from './resample/resampler.ts'
import { noReports } from './rtp/rtcp-xr-attribute.ts'
import { decodeRtp, emptyRtpHeader, encodeRtp, rtpHeaderLength } from './rtp/rtp.ts'
import type { AudioTerms } from './sdp.ts'
import { sine, toneLevel } from './tone.ts'

/** Participants of one conference with real codecs and jitter buffers, and neither sockets nor clock: seconds of it take milliseconds. */
function scene(t: ExecutionContext, options: { readonly voices?: number; readonly highestRateHz?: number } = {}) {
  const kernel = bestKernel(4 << 20)
  const conference = new Conference(
    { kernel, createResampler, economy: { level: 0 } },
    { voices: options.voices ?? 8, autoGain: false },
    { speaking: () => undefined, dominant: () => undefined, failed: () => undefined }
  )
  let now = 0
  const phones: Phone[] = []
  t.teardown(() => {
    conference.close()
    for (const { leg } of phones) leg.close()
  })

  class Phone {
    readonly leg: Leg
    readonly id = phones.length
    readonly rateHz: number
    readonly source: Endpoint
    heard: Int16Array[] = []
    packets = 0
    says: Int16Array | null
    readonly #packet = Buffer.alloc(2048)
    readonly #encoder
    readonly #decoder
    readonly #clockRateHz: number
    readonly #frame: Int16Array
    readonly #decoded: Int16Array
    readonly #header = emptyRtpHeader()
    recording = true
    #sequence = 0
    #at = 0

    constructor(name: string, frequencyHz: number | null) {
      const codec = codecNamed(name)!
      this.rateHz = codec.sampleRateHz
      this.#clockRateHz = codec.clockRateHz
      // A steady tone is background to the voice detection of G.729.
      const parameters: FormatParameters = codec.name === 'G729' ? { annexb: 'no' } : {}
      this.#encoder = codec.createEncoder({ parameters })
      this.#decoder = codec.createDecoder()
      this.#frame = new Int16Array(this.rateHz / 50)
      this.#decoded = new Int16Array((this.rateHz * 120) / 1000)
      this.says = frequencyHz === null ? null : sine(this.rateHz, frequencyHz, -14, this.rateHz)
      this.source = { address: '192.0.2.1', port: 4000 + 2 * this.id }
      this.leg = new Leg(
        {
          jitterTargetMs: 20,
          latchWindowMs: 5000,
          mediaTimeoutMs: 1e9,
          cname: 'us',
          highestRateHz: options.highestRateHz ?? 48_000
        },
        {
          sendRtp: (packet, length) => this.#hear(packet, length),
          sendRtcp: () => undefined,
          frame: kernel.frame,
          freeFrame: kernel.free,
          digit: () => undefined,
          silent: () => undefined,
          strangers: () => undefined
        }
      )
      const terms: AudioTerms = {
        codec: codec.name,
        clockRateHz: codec.clockRateHz,
        payloadType: codec.staticPayloadType ?? 96,
        parameters,
        comfortNoisePayloadType: null,
        eventPayloadType: null,
        eventClockRateHz: 8000,
        packetMs: 20,
        received: null,
        remote: this.source,
        remoteControl: null,
        controlMuxed: false,
        direction: 'sendrecv',
        held: false,
        srtp: null,
        reports: noReports,
        ice: null
      }
      this.leg.agree(terms, now)
    }

    #hear(packet: Buffer, length: number): boolean {
      this.packets++
      if (!this.recording) return true
      decodeRtp(packet.subarray(0, length), this.#header)
      const count = this.#decoder.decode(packet, rtpHeaderLength, length, this.#decoded)
      this.heard.push(this.#decoded.slice(0, count))
      return true
    }

    speak(): void {
      const { says } = this
      if (says === null) return
      for (let i = 0; i < this.#frame.length; i++) this.#frame[i] = says[(this.#at + i) % says.length]!
      const codec = this.leg.format!.codec
      encodeRtp(
        this.#packet,
        false,
        codec.staticPayloadType ?? 96,
        this.#sequence & 0xffff,
        (this.#sequence * (this.#clockRateHz / 50)) >>> 0,
        this.id + 1
      )
      const octets = this.#encoder.encode(this.#frame, this.#packet, rtpHeaderLength)
      this.#sequence++
      this.#at += this.#frame.length
      if (octets > 0) this.leg.receive(viewOf(this.#packet, rtpHeaderLength + octets), this.source, now)
    }

    level(frequencyHz: number): number {
      const all = this.heard.flatMap((part) => [...part])
      return toneLevel(Int16Array.from(all.slice(-this.rateHz / 2)), this.rateHz, frequencyHz)
    }
  }

  return {
    conference,
    join: (codec: string, frequencyHz: number | null) => {
      const phone = new Phone(codec, frequencyHz)
      const member = conference.add(phone.id, phone.leg)
      phones.push(phone)
      return { phone, member }
    },
    run: (ticks: number) => {
      for (let n = 0; n < ticks; n++) {
        now += 20
        for (let p = 0; p < phones.length; p++) phones[p]!.speak()
        conference.tick(now + 10)
      }
    }
  }
}

const views = new Map<ArrayBufferLike, (Buffer | undefined)[]>()

/** The front of a packet, made once for each length. */
function viewOf(packet: Buffer, length: number): Buffer {
  let known = views.get(packet.buffer)
  if (known === undefined) {
    known = []
    views.set(packet.buffer, known)
  }
  known[length] ??= packet.subarray(0, length)
  return known[length]
}

const served = ['PCMU', 'PCMA', 'G722', 'G729', 'OPUS'].filter((name) => codecNamed(name)?.servedBy() != null)

test('every codec hears every other, less itself, in one conference', (t) => {
  const { conference, join, run } = scene(t)
  const tones = [400, 600, 900, 1300, 1900]
  const phones = served.map((codec, n) => join(codec, tones[n]!).phone)
  run(100)
  t.is(conference.rateHz, served.includes('OPUS') ? 48_000 : 16_000)
  for (const [listener, phone] of phones.entries()) {
    for (let speaker = 0; speaker < phones.length; speaker++) {
      const level = phone.level(tones[speaker]!)
      if (speaker === listener) t.true(level < -40, `${served[listener]} hears itself at ${level}`)
      else t.true(level > -19 && level < -9, `${served[listener]} hears ${served[speaker]} at ${level}`)
    }
  }
})

test('wideband sound reaches those who can hear it, and the mix is no wider than it may be', (t) => {
  for (const [highestRateHz, mixHz] of [
    [48_000, 48_000],
    [16_000, 16_000]
  ] as const) {
    const { conference, join, run } = scene(t, { highestRateHz })
    const { phone: wide } = join('G722', 6000)
    const { phone: listener } = join('G722', null)
    const { phone: narrow } = join('PCMU', null)
    run(5)
    t.is(conference.rateHz, 16_000)
    if (served.includes('OPUS')) {
      join('OPUS', null)
      run(5)
      t.is(conference.rateHz, mixHz)
    }
    run(60)
    t.true(wide.packets > 60)
    t.true(listener.level(6000) > -18)
    t.true(narrow.level(2000) < -50, 'nothing is folded back')
  }
})

test('a change of the rate is not heard as a click', (t) => {
  const { conference, join, run } = scene(t)
  join('PCMU', 400)
  const { phone } = join('PCMU', null)
  run(30)
  phone.heard = []
  const { member } = join('G722', null)
  run(30)
  t.is(conference.rateHz, 16_000)
  conference.remove(member)
  run(30)
  t.is(conference.rateHz, 8000)
  const heard = Int16Array.from(phone.heard.flatMap((part) => [...part]))
  // Beyond the tone there is nothing but the noise of µ-law: a click would be as loud as the tone.
  const steepest = 2 * Math.PI * (400 / 8000) * 32_767 * 10 ** (-14 / 20)
  let worst = 0
  for (let i = 1; i < heard.length; i++) worst = Math.max(worst, Math.abs(heard[i]! - heard[i - 1]!))
  t.true(worst < steepest * 1.4, `a step of ${worst}, the tone has ${steepest}`)
})

test('three hundred listeners of one codec cost one encoding', (t) => {
  const { join, run, conference } = scene(t)
  const speakers = [join('PCMU', 400), join('PCMA', 700)]
  const listeners = Array.from({ length: 300 }, () => join('PCMU', null).phone)
  for (const phone of listeners) phone.recording = false
  run(50)
  t.is(conference.members.filter(({ own }) => own !== null).length, 1, 'only the speaker who shares its codec has its own')
  t.true(listeners.every(({ packets }) => packets === 50))
  t.true(speakers[1]!.phone.level(400) > -18)
})

test('packets that are forged, malformed or of another stream are dropped and counted, and nobody hears them', (t) => {
  const { join, run } = scene(t)
  const { phone: victim } = join('PCMU', 400)
  const { phone: listener } = join('PCMU', null)
  run(20)
  const packet = Buffer.alloc(172, 0x10)
  encodeRtp(packet, false, 0, 500, 0, 99)
  const before = victim.leg.stats().received
  for (let n = 0; n < 50; n++) {
    packet.writeUInt16BE(500 + 7 * n, 2)
    victim.leg.receive(packet, { address: '203.0.113.9', port: 4000 }, 400)
    victim.leg.receive(packet, victim.source, 400)
    victim.leg.receive(packet.subarray(0, n % 12), victim.source, 400)
    victim.leg.receive(Buffer.alloc(40, n), victim.source, 400)
  }
  run(40)
  const { received } = victim.leg.stats()
  t.is(victim.leg.strangers, 50)
  t.true(received.errors - before.errors >= 145, `${received.errors - before.errors} errors`)
  t.true(Math.abs(listener.level(400) + 14) < 1.5)
})

test.serial('ten thousand frames of ten calls take no memory: packets in, mixed, packets out', (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { join, run } = scene(t, { voices: 4 })
  for (let n = 0; n < 10; n++) {
    const { phone } = join(n % 2 === 0 ? 'PCMU' : 'PCMA', 300 + 50 * n)
    phone.recording = false
  }
  run(2000)
  collect()
  // Room for new objects is 16 MB: as long as less is taken, nothing is collected, and all that was taken still counts.
  const before = process.memoryUsage()
  run(10_000)
  const after = process.memoryUsage()
  const taken = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  // Numbers that cross calls as doubles are boxed, 12 octets each: a few of them, and no object.
  t.true(taken / 100_000 < 48, `${taken / 100_000} octets a packet`)
})
