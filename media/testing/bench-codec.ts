/**
 * Processor time of each codec, of changing the sample rate, and of the jitter buffer, for 20 ms of one voice.
 *
 *     node media/testing/bench-codec.ts [--json]
 */
import { jsonLines, type Metric, table } from '#scripts/bench/report.ts'
import type { Economy } from '../codec/codec.ts'
import { codecs } from '../codec/codecs.ts'
import { Concealment } from '../codec/concealment.ts'
import { pcmu } from '../codec/g711.ts'
import { opusByScript } from '../codec/opus.ts'
import { packetMsFor } from '../codec/packing.ts'
import { JitterBuffer } from '../jitter/jitter-buffer.ts'
import { createResampler } from '../resample/resampler.ts'
import { voice } from './signals.ts'

const frames = 250
const rounds = 7
const anyTime = { wantedMs: null, mostMs: null }

/** Microseconds of processor time for one call, the least of some rounds: what else the machine does only adds. */
function cost(call: (n: number) => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const { user, system } = process.cpuUsage()
    for (let n = 0; n < frames; n++) call(n)
    const after = process.cpuUsage()
    least = Math.min(least, (after.user + after.system - user - system) / frames)
  }
  return least
}

const rows: string[][] = [['20 ms of', 'by', 'encode, µs', 'decode, µs']]
const metrics: Metric[] = []
const measured = (metric: string, value: number, note: string) => metrics.push({ metric, value, unit: 'µs', note })

for (const codec of [...codecs, opusByScript].filter(
  (codec) => packetMsFor(codec, anyTime) !== null && codec.servedBy() !== null
)) {
  const economies: readonly Economy[] = codec.tunable === true ? [0, 1, 2] : [0]
  for (const sampleRateHz of codec.sampleRatesHz.filter((rate) => [8000, 16_000, 48_000].includes(rate)))
    for (const economy of economies) {
      const frame = sampleRateHz / 50
      const said = voice(sampleRateHz, (frames + 1) / 50)
      const encoder = codec.createEncoder({ sampleRateHz, parameters: { annexb: 'no' } })
      encoder.tune?.(economy, 0)
      const decoder = codec.createDecoder({ sampleRateHz })
      const views = Array.from({ length: frames }, (_, n) => said.subarray(n * frame, (n + 1) * frame))
      const packets = views.map((view) => {
        const out = new Uint8Array(1460)
        return out.subarray(0, encoder.encode(view, out, 0))
      })
      const packet = new Uint8Array(1460)
      const out = new Int16Array(frame)
      const encode = cost((n) => encoder.encode(views[n]!, packet, 0))
      const decode = cost((n) => decoder.decode(packets[n]!, 0, packets[n]!.length, out))
      encoder.close()
      decoder.close()
      const by = codec.servedBy()!
      const name = `${codec.name} at ${sampleRateHz / 1000} kHz${economies.length > 1 ? `, economy ${economy}` : ''}`
      rows.push([name, by, encode.toFixed(1), decode.toFixed(1)])
      measured('media.codec_encode', encode, `${name}, ${by}`)
      measured('media.codec_decode', decode, `${name}, ${by}`)
    }
}

const others: string[][] = [['20 ms of', 'µs']]
const other = (metric: string, name: string, call: (n: number) => void) => {
  const value = cost(call)
  others.push([name, value.toFixed(1)])
  measured(metric, value, name)
}
for (const [from, to] of [
  [8000, 16_000],
  [16_000, 8000],
  [8000, 48_000],
  [48_000, 8000],
  [16_000, 48_000],
  [48_000, 16_000]
] as const) {
  const resampler = createResampler(from, to)
  const [input, output] = [voice(from, 0.02).subarray(0, from / 50), new Int16Array(to / 50)]
  other('media.resample', `sample rate from ${from / 1000} to ${to / 1000} kHz`, () => resampler.resample(input, output))
}
for (const rate of [8000, 16_000]) {
  const concealment = new Concealment(rate)
  const said = voice(rate, 5)
  const out = new Int16Array(rate / 50)
  other('media.conceal', `made-up sound at ${rate / 1000} kHz, the first of a gap`, (n) => {
    concealment.heard(said.subarray((n % 200) * out.length, ((n % 200) + 1) * out.length), out.length)
    concealment.conceal(out)
  })
}
const jitter = new JitterBuffer({ clockRateHz: 8000, frameSamples: 160, targetDelayMs: 20 }, pcmu.createDecoder())
const payload = new Uint8Array(160)
const out = new Int16Array(160)
let at = 0
other('media.jitter_buffer', 'jitter buffer, decoding of G.711 included', () => {
  jitter.put(at & 0xffff, (at * 160) >>> 0, payload, 0, 160, at * 20)
  jitter.take(out, at++ * 20 + 5)
})
console.log(process.argv.includes('--json') ? jsonLines(metrics) : `${table(rows)}\n\n${table(others)}`)
