/**
 * G.722 at 64 kbit/s over RTP. The clock says 8000 Hz, though there are 16,000 samples a second: RFC 1890 had it wrong, and it was kept.
 *
 * libspandsp encodes, bit for bit like the code in g722-adpcm.ts, which stands in for it, at twice the speed. Decoding is ours in any case: where the filter bank exceeds full scale, libspandsp 0.0.6 wraps around
 * (a click), the recommendation and this decoder limit.
 *
 * @see RFC 3551 §4.5.2, ITU-T G.722 (09/2012)
 */
import type { CodecDefinition, CoderOptions } from './codec.ts'
import { largestPayload } from './codec.ts'
import { G722Decoder, G722Encoder } from './g722-adpcm.ts'
import { checkRate, loadLibrary, Owned, once, unavailable } from './native.ts'
import { type Compressor, type Expander, WaveformDecoder, WaveformEncoder } from './waveform.ts'

const bitRate = 64_000
const rates = [16_000]

const library = once(() =>
  loadLibrary(['libspandsp.so.2'], {
    g722_encode_init: 'void *g722_encode_init(void *, int, int)',
    g722_encode_free: 'int g722_encode_free(void *)',
    g722_encode: 'int g722_encode(void *, uint8_t *, int16_t *, int)'
  })
)

/** Octets on their way out of the library. */
const octets = new Uint8Array(largestPayload)

/** Two samples an octet; an odd number, or more than a packet holds, cannot be coded. */
const octetsFor = (samples: number) => (samples % 2 === 0 && samples / 2 <= largestPayload ? samples / 2 : 0)

function nativeCompressor(): Compressor {
  const spandsp = library()!
  const handle = spandsp.g722_encode_init(null, bitRate, 0)
  if (handle === null) throw unavailable('G722', 'memory for an encoder')
  const state = new Owned(handle, spandsp.g722_encode_free)
  return {
    compress: (samples, out, at) => {
      if (state.handle === null) return 0
      const length: number = spandsp.g722_encode(state.handle, octets, samples, samples.length)
      for (let i = 0; i < length; i++) out[at + i] = octets[i]!
      return length
    },
    octetsFor,
    reset: () => {
      if (state.handle !== null) spandsp.g722_encode_init(state.handle, bitRate, 0)
    },
    close: state.close
  }
}

function ownCompressor(): Compressor {
  const encoder = new G722Encoder()
  let open = true
  return {
    compress: (samples, out, at) => {
      if (!open) return 0
      const length = samples.length >> 1
      for (let i = 0; i < length; i++) out[at + i] = encoder.encode(samples[2 * i]!, samples[2 * i + 1]!)
      return length
    },
    octetsFor,
    reset: () => encoder.reset(),
    close: () => {
      open = false
    }
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

function definition(native: () => boolean): CodecDefinition {
  const rate = (options: CoderOptions | undefined) => checkRate('G722', rates, options?.sampleRateHz ?? 16_000)
  return {
    name: 'G722',
    clockRateHz: 8000,
    channels: 1,
    sampleRateHz: 16_000,
    sampleRatesHz: rates,
    staticPayloadType: 9,
    packetMs: 20,
    parameters: null,
    comfortNoise: true,
    offered: true,
    servedBy: () => (native() ? 'libspandsp (encoder), InfraFabric (decoder)' : 'InfraFabric'),
    createDecoder: (options) => new WaveformDecoder(expander(), rate(options)),
    createEncoder: (options) => new WaveformEncoder(native() ? nativeCompressor() : ownCompressor(), rate(options), options)
  }
}

export const g722 = definition(() => library() !== null)

/** What serves where libspandsp is missing; for its test. */
export const g722ByOwn = definition(() => false)
