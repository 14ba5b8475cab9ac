/**
 * G.711: 8 bits a sample, 8000 samples a second, by tables.
 *
 * 16-bit samples lose their low bits without rounding, so that the decision values are exactly those of the tables; a negative
 * sample is coded by its ones' complement, so that one that lies on a decision value goes toward zero, as in the ITU's own
 * software.
 *
 * @see ITU-T G.711 (11/1988), tables 1a, 1b (A-law), 2a, 2b (µ-law); ITU-T G.191 (software tool library)
 */

import { checkRate } from '../native.ts'
import type { CodecDefinition } from './codec.ts'
import { type Compressor, type Expander, WaveformDecoder, WaveformEncoder } from './waveform.ts'

const bias = 33
const clip = 8158

/** µ-law octet of a 14-bit sample (−8192…8191). */
function compressMu(sample14: number): number {
  const negative = sample14 < 0
  const magnitude = Math.min(negative ? ~sample14 : sample14, clip) + bias
  const segment = 31 - Math.clz32(magnitude) - 5
  const octet = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0f)
  return ~(negative ? octet | 0x80 : octet) & 0xff
}

function expandMu(octet: number): number {
  const code = ~octet & 0xff
  const segment = (code >> 4) & 7
  const magnitude = ((((code & 0x0f) << 1) + bias) << segment) - bias
  return (code & 0x80 ? -magnitude : magnitude) * 4
}

/** A-law octet of a 13-bit sample (−4096…4095). */
function compressA(sample13: number): number {
  const negative = sample13 < 0
  const magnitude = negative ? ~sample13 : sample13
  const segment = magnitude < 32 ? 0 : 31 - Math.clz32(magnitude) - 4
  const octet = segment === 0 ? magnitude >> 1 : (segment << 4) | ((magnitude >> segment) & 0x0f)
  return (negative ? octet : octet | 0x80) ^ 0x55
}

function expandA(octet: number): number {
  const code = octet ^ 0x55
  const segment = (code >> 4) & 7
  const step = ((code & 0x0f) << 1) + 1
  const magnitude = segment === 0 ? step : (step + 32) << (segment - 1)
  return (code & 0x80 ? magnitude : -magnitude) * 8
}

/** From a 16-bit sample, as unsigned index, to an octet. */
function encodeTable(compress: (sample: number) => number, shift: number): Uint8Array {
  return Uint8Array.from({ length: 65_536 }, (_, index) => compress(((index << 16) >> 16) >> shift))
}

function decodeTable(expand: (octet: number) => number): Int16Array {
  return Int16Array.from({ length: 256 }, (_, octet) => expand(octet))
}

const expander = (table: Int16Array): Expander => ({
  octetsPerSample: 1,
  expand: (packet, start, count, out) => {
    for (let i = 0; i < count; i++) out[i] = table[packet[start + i]!]!
  },
  reset: () => {}
})

const compressor = (table: Uint8Array): Compressor => ({
  compress: (samples, out, at) => {
    for (let i = 0; i < samples.length; i++) out[at + i] = table[samples[i]! & 0xffff]!
    return samples.length
  },
  octetsFor: (samples) => samples,
  reset: () => {}
})

const rates = [8000]

function definition(name: string, payloadType: number, encode: Uint8Array, decode: Int16Array): CodecDefinition {
  return {
    name,
    clockRateHz: 8000,
    channels: 1,
    sampleRateHz: 8000,
    sampleRatesHz: rates,
    staticPayloadType: payloadType,
    packing: { stepMs: 1, octetsPerMs: 8 },
    parameters: null,
    comfortNoise: true,
    offered: true,
    servedBy: () => 'InfraFabric',
    createDecoder: (options) => new WaveformDecoder(expander(decode), checkRate(name, rates, options?.sampleRateHz ?? 8000)),
    createEncoder: (options) =>
      new WaveformEncoder(compressor(encode), checkRate(name, rates, options?.sampleRateHz ?? 8000), options)
  }
}

/** One of the two laws, as tables: from a sample, as unsigned index, to an octet, and back. */
export interface Law {
  readonly compress: Uint8Array
  readonly expand: Int16Array
}

export const muLaw: Law = { compress: encodeTable(compressMu, 2), expand: decodeTable(expandMu) }
export const aLaw: Law = { compress: encodeTable(compressA, 3), expand: decodeTable(expandA) }

export const pcmu = definition('PCMU', 0, muLaw.compress, muLaw.expand)
export const pcma = definition('PCMA', 8, aLaw.compress, aLaw.expand)
