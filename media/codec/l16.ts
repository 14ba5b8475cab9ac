/** L16: samples of 16 bits as they are, the high octet first. @see RFC 3551 §4.5.11 */

import { checkRate } from '../native.ts'
import type { CodecDefinition } from './codec.ts'
import { largestPayload } from './codec.ts'
import { type Compressor, type Expander, WaveformDecoder, WaveformEncoder } from './waveform.ts'

const expander: Expander = {
  octetsPerSample: 2,
  expand: (packet, start, count, out) => {
    for (let i = 0, at = start; i < count; i++, at += 2) out[i] = (packet[at]! << 8) | packet[at + 1]!
  },
  reset: () => {}
}

const compressor: Compressor = {
  compress: (samples, out, at) => {
    for (let i = 0, to = at; i < samples.length; i++, to += 2) {
      out[to] = samples[i]! >> 8
      out[to + 1] = samples[i]!
    }
    return 2 * samples.length
  },
  octetsFor: (samples) => (2 * samples <= largestPayload ? 2 * samples : 0),
  reset: () => {}
}

function definition(sampleRateHz: number): CodecDefinition {
  const rates = [sampleRateHz]
  return {
    name: 'L16',
    clockRateHz: sampleRateHz,
    channels: 1,
    sampleRateHz,
    sampleRatesHz: rates,
    staticPayloadType: null,
    packing: { stepMs: 1, octetsPerMs: (2 * sampleRateHz) / 1000 },
    parameters: null,
    comfortNoise: true,
    offered: false,
    servedBy: () => 'InfraFabric',
    createDecoder: (options) => new WaveformDecoder(expander, checkRate('L16', rates, options?.sampleRateHz ?? sampleRateHz)),
    createEncoder: (options) =>
      new WaveformEncoder(compressor, checkRate('L16', rates, options?.sampleRateHz ?? sampleRateHz), options)
  }
}

export const l16: readonly CodecDefinition[] = [48_000, 16_000, 8000].map(definition)
