/**
 * G.722 at 64 kbit/s over RTP. The clock says 8000 Hz, though there are 16,000 samples a second: RFC 1890 had it wrong, and it
 * was kept.
 *
 * @see RFC 3551 §4.5.2, ITU-T G.722 (09/2012)
 */

import { checkRate } from '../native.ts'
import type { CodecDefinition } from './codec.ts'
import { largestPayload } from './codec.ts'
import { G722Decoder, G722Encoder } from './g722-adpcm.ts'
import { type Compressor, type Expander, WaveformDecoder, WaveformEncoder } from './waveform.ts'

const rates = [16_000]

function compressor(): Compressor {
  const encoder = new G722Encoder()
  return {
    compress: (samples, out, at) => {
      const length = samples.length >> 1
      for (let i = 0; i < length; i++) out[at + i] = encoder.encode(samples[2 * i]!, samples[2 * i + 1]!)
      return length
    },
    octetsFor: (samples) => (samples % 2 === 0 && samples / 2 <= largestPayload ? samples / 2 : 0),
    reset: () => encoder.reset()
  }
}

function expander(): Expander {
  const decoder = new G722Decoder()
  return {
    octetsPerSample: 0.5,
    expand: (packet, start, count, out) => {
      for (let i = 0; i < count >> 1; i++) decoder.decode(packet[start + i]!, out, 2 * i)
    },
    reset: () => decoder.reset()
  }
}

export const g722: CodecDefinition = {
  name: 'G722',
  clockRateHz: 8000,
  channels: 1,
  sampleRateHz: 16_000,
  sampleRatesHz: rates,
  staticPayloadType: 9,
  packing: { stepMs: 1, octetsPerMs: 8 },
  parameters: null,
  comfortNoise: true,
  offered: true,
  servedBy: () => 'InfraFabric',
  createDecoder: (options) => new WaveformDecoder(expander(), checkRate('G722', rates, options?.sampleRateHz ?? 16_000)),
  createEncoder: (options) =>
    new WaveformEncoder(compressor(), checkRate('G722', rates, options?.sampleRateHz ?? 16_000), options)
}
