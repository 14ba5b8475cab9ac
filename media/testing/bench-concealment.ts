/**
 * How a voice sounds after loss: sent through each codec and the jitter buffer in simulated time, with packets lost at random or
 * in bursts, and compared with the same without loss.
 *
 *     node media/testing/bench-concealment.ts [--json]
 *
 * The measure is the log-spectral distance: the difference in level, in dB, root mean square over 16 bands and then over the
 * frames in which there is sound. It is 0 for what is the same; of a voice without every tenth packet, replaced by silence, it is
 * about 3. It is no listening test.
 */

import { jsonLines, type Metric, table } from '#scripts/bench/report.ts'
import type { Decoder, FormatParameters } from '../codec/codec.ts'
import { codecNamed } from '../codec/codecs.ts'
import { noise, voice } from '../codec/signals.ts'
import { JitterBuffer } from '../jitter/jitter-buffer.ts'

const seconds = 100
const frameMs = 20
const packets = (seconds * 1000) / frameMs

/** Two states, as Gilbert had it: mean length of a burst in packets. */
function losses(share: number, burst: number, seed: number): boolean[] {
  const random = noise(Math.imul(seed, 0x9e3779b1))
  const leave = 1 / burst
  const enter = (leave * share) / (1 - share)
  let bad = false
  return Array.from({ length: packets }, () => {
    const chance = (random() + 1) / 2
    bad = burst === 1 ? chance < share : bad ? chance >= leave : chance < enter
    return bad
  })
}

const bands = 16
/** Levels this far below the loudest count as silence: what is softer is hardly heard beside it. */
const rangeDb = 45

/** Level of each band in each frame, in dB. */
function spectrum(sound: Int16Array, rateHz: number): Float64Array[] {
  const hop = (rateHz * frameMs) / 1000
  const size = rateHz <= 8000 ? 256 : 512
  const edges = Array.from({ length: bands + 1 }, (_, n) => Math.round((mel(n / bands, rateHz) / rateHz) * size))
  const real = new Float64Array(size)
  const imaginary = new Float64Array(size)
  const frames: Float64Array[] = []
  for (let at = 0; at + size <= sound.length; at += hop) {
    for (let i = 0; i < size; i++) {
      real[i] = sound[at + i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size))
      imaginary[i] = 0
    }
    transform(real, imaginary)
    frames.push(
      Float64Array.from({ length: bands }, (_, n) => {
        let power = 0
        for (let k = edges[n]!; k < Math.max(edges[n + 1]!, edges[n]! + 1); k++) power += real[k]! ** 2 + imaginary[k]! ** 2
        return 10 * Math.log10(power / size ** 2 + 1)
      })
    )
  }
  return frames
}

/** Frequency at a share of the way from 100 Hz to 0.45 of the rate, in equal steps of pitch as it is heard. */
function mel(share: number, rateHz: number): number {
  const [low, high] = [100, 0.45 * rateHz].map((hz) => Math.log(1 + hz / 700)) as [number, number]
  return 700 * (Math.exp(low + share * (high - low)) - 1)
}

/** Fourier transform in place, radix 2. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[real[i], real[j]] = [real[j]!, real[i]!]
      ;[imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!]
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    for (let k = 0; k < length / 2; k++) {
      const [c, s] = [Math.cos((-2 * Math.PI * k) / length), Math.sin((-2 * Math.PI * k) / length)]
      for (let i = k; i < size; i += length) {
        const j = i + length / 2
        const [re, im] = [real[j]! * c - imaginary[j]! * s, real[j]! * s + imaginary[j]! * c]
        real[j] = real[i]! - re
        imaginary[j] = imaginary[i]! - im
        real[i] = real[i]! + re
        imaginary[i] = imaginary[i]! + im
      }
    }
  }
}

/** @param a of what is meant */
function distance(a: readonly Float64Array[], b: readonly Float64Array[]): number {
  const floor = Math.max(...a.map((frame) => Math.max(...frame))) - rangeDb
  const above = (level: number) => Math.max(level, floor)
  let sum = 0
  let count = 0
  a.forEach((frame, n) => {
    if (Math.max(...frame) < floor) return
    sum += frame.reduce((squares, level, band) => squares + (above(level) - above(b[n]![band]!)) ** 2, 0) / bands
    count++
  })
  return Math.sqrt(sum / count)
}

interface Heard {
  readonly sound: Int16Array
  readonly concealed: number
  readonly recovered: number
}

const withoutConcealment = (decoder: Decoder): Decoder => ({
  decode: (...packet) => decoder.decode(...packet),
  samplesIn: (...packet) => decoder.samplesIn(...packet),
  conceal: (out) => out.fill(0),
  pause: (out) => decoder.pause(out),
  pausing: false,
  reset: () => decoder.reset(),
  close: () => decoder.close()
})

/** @param silence nothing is made up or restored */
function play(name: string, rateHz: number, sent: readonly Uint8Array[], lost: readonly boolean[], silence = false): Heard {
  const codec = codecNamed(name)!
  const real = codec.createDecoder({ sampleRateHz: rateHz })
  const decoder = silence ? withoutConcealment(real) : real
  const frame = (rateHz * frameMs) / 1000
  const clock = (codec.clockRateHz * frameMs) / 1000
  const jitter = new JitterBuffer(
    { clockRateHz: codec.clockRateHz, sampleRateHz: rateHz, frameSamples: frame, targetDelayMs: 40 },
    decoder
  )
  const sound = new Int16Array(packets * frame)
  for (let n = 0; n < packets; n++) {
    const payload = sent[n]!
    if (!lost[n]) jitter.put(n & 0xffff, n * clock, payload, 0, payload.length, n * frameMs)
    jitter.take(sound.subarray(n * frame, (n + 1) * frame), n * frameMs + 5)
  }
  decoder.close()
  const { concealed, recovered } = jitter.counts
  return { sound, concealed, recovered }
}

const formats: readonly { readonly name: string; readonly rateHz: number; readonly parameters: FormatParameters }[] = [
  { name: 'PCMU', rateHz: 8000, parameters: {} },
  { name: 'G722', rateHz: 16_000, parameters: {} },
  { name: 'G729', rateHz: 8000, parameters: { annexb: 'no' } },
  { name: 'opus', rateHz: 16_000, parameters: { useinbandfec: '1' } }
]

const rows: string[][] = [['codec', 'loss', 'lost %', 'restored %', 'made up, dB', 'silence, dB']]
const metrics: Metric[] = []
for (const { name, rateHz, parameters } of formats) {
  const said = voice(rateHz, seconds, -20, 3)
  const encoder = codecNamed(name)!.createEncoder({ sampleRateHz: rateHz, parameters })
  const frame = (rateHz * frameMs) / 1000
  const sent = Array.from({ length: packets }, (_, n) => {
    const out = new Uint8Array(1460)
    return out.slice(0, encoder.encode(said.subarray(n * frame, (n + 1) * frame), out, 0))
  })
  encoder.close()
  const none = Array<boolean>(packets).fill(false)
  const whole = spectrum(play(name, rateHz, sent, none).sound, rateHz)
  for (const burst of [1, 3]) {
    for (const percent of [1, 5, 10]) {
      const lost = losses(percent / 100, burst, 77 + percent)
      lost.fill(false, 0, 25)
      const { sound, recovered } = play(name, rateHz, sent, lost)
      const count = lost.filter(Boolean).length
      const madeUp = distance(whole, spectrum(sound, rateHz))
      const silent = distance(whole, spectrum(play(name, rateHz, sent, lost, true).sound, rateHz))
      const pattern = burst === 1 ? 'random' : `bursts of ${burst}`
      const share = (100 * count) / packets
      const restored = (100 * recovered) / count
      rows.push([name, `${percent} % ${pattern}`, ...[share, restored, madeUp, silent].map((x) => x.toFixed(1))])
      metrics.push({
        metric: `media.concealment_${name.toLowerCase()}_${percent}_${burst === 1 ? 'random' : 'burst'}`,
        value: madeUp,
        unit: 'dB',
        note: `log-spectral distance to the same without loss; ${restored.toFixed(0)} % of lost packets restored from the next`
      })
    }
  }
}
console.log(process.argv.includes('--json') ? jsonLines(metrics) : table(rows))
