/**
 * How a voice sounds after loss: sent through each codec and the jitter buffer in simulated time, with packets lost at random or
 * in bursts, and compared with the same without loss.
 *
 *     node media/testing/bench-concealment.ts [--json]
 *
 * The measure is the log-spectral distance (spectral.ts). It is 0 for what is the same; of a voice without every tenth packet,
 * replaced by silence, it is about 3.
 */

import { jsonLines, type Metric, table } from '#scripts/bench/report.ts'
import type { Decoder, FormatParameters } from '../codec/codec.ts'
import { codecNamed } from '../codec/codecs.ts'
import { JitterBuffer } from '../jitter/jitter-buffer.ts'
import { gilbertLosses } from './impairment.ts'
import { voice } from './signals.ts'
import { heardDistance } from './spectral.ts'

const seconds = 100
const frameMs = 20
const packets = (seconds * 1000) / frameMs

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
  const encoder = codecNamed(name)!.createEncoder({ sampleRateHz: rateHz, parameters, expectedLossPercent: 10 })
  const frame = (rateHz * frameMs) / 1000
  const sent = Array.from({ length: packets }, (_, n) => {
    const out = new Uint8Array(1460)
    return out.slice(0, encoder.encode(said.subarray(n * frame, (n + 1) * frame), out, 0))
  })
  encoder.close()
  const none = Array<boolean>(packets).fill(false)
  const whole = play(name, rateHz, sent, none).sound
  // Where the delay has been changed, what follows is the same, later.
  const distance = (sound: Int16Array) => heardDistance(whole, sound, rateHz, 200)
  for (const burst of [1, 3]) {
    for (const percent of [1, 5, 10]) {
      const lost = gilbertLosses(packets, percent / 100, burst, 77 + percent)
      lost.fill(false, 0, 25)
      const { sound, recovered } = play(name, rateHz, sent, lost)
      const count = lost.filter(Boolean).length
      const madeUp = distance(sound)
      const silent = distance(play(name, rateHz, sent, lost, true).sound)
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
