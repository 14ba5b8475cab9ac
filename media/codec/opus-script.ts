/**
 * Opus as WebAssembly, from the package `opusscript` (libopus 1.4, one fixed memory of 16 MiB), for where libopus is missing.
 *
 * The package's own front class lays its buffers at twice their address, so that several coders write over one another; here its
 * inner object is called, with buffers of our own. It takes and gives samples as pairs of 16-bit words, each with one octet in
 * it.
 */
import { createRequire } from 'node:module'
import { InfraFabricError } from '#kernel'
import { once } from '../native.ts'

/** The inner object: numbers are addresses in the module's memory. */
interface Handler {
  _encode(samples: number, octets: number, out: number, frameSamples: number): number
  _decode(packet: number, length: number, out: number): number
  _encoder_ctl(request: number, value: number): number
}

interface OpusModule {
  readonly HEAPU8: Uint8Array
  readonly HEAPU16: Uint16Array
  readonly OpusScriptHandler: {
    new (sampleRateHz: number, channels: number, application: number): Handler
    destroy_handler(handler: Handler): void
  }
  _malloc(octets: number): number
}

export interface OpusScriptCoder {
  /** @param samples 2.5 to 60 ms. @returns octets, 0 when they do not fit or the coder failed */
  readonly encode: (samples: Int16Array, out: Uint8Array, at: number) => number
  /** @returns samples, 0 for a packet that is malformed or does not fit */
  readonly decode: (packet: Uint8Array, start: number, end: number, out: Int16Array) => number
  readonly set: (request: number, value: number) => void
  readonly reset: () => void
  readonly close: () => void
}

/** Coders at once: the memory holds some more, and ends the process when it is full. */
const mostCoders = 128
/** 120 ms at 48 kHz, in octets of the module's format. */
const samplesOctets = 5760 * 4
const packetOctets = 4000

export interface OpusScript {
  /** @throws {InfraFabricError} `media.codec.unavailable` when all coders are in use */
  readonly create: (sampleRateHz: number, application: number) => OpusScriptCoder
}

/** @returns null when the package or WebAssembly is missing */
export const loadOpusScript = once((): OpusScript | null => {
  try {
    const make = createRequire(import.meta.url)('opusscript/build/opusscript_native_wasm.js') as () => OpusModule
    return opusScript(make())
  } catch {
    return null
  }
})

function opusScript(module: OpusModule): OpusScript {
  const samplesAt = module._malloc(samplesOctets)
  const packetAt = module._malloc(packetOctets)
  const words = module.HEAPU16.subarray(samplesAt >> 1, (samplesAt + samplesOctets) >> 1)
  const octets = module.HEAPU8.subarray(packetAt, packetAt + packetOctets)
  let coders = 0

  const create = (sampleRateHz: number, application: number): OpusScriptCoder => {
    if (coders >= mostCoders) {
      throw new InfraFabricError(
        'media.codec.unavailable',
        `opus: ${mostCoders} coders without libopus are in use, and there is no room for more`
      )
    }
    const open = () => new module.OpusScriptHandler(sampleRateHz, 1, application)
    let handler: Handler | null = open()
    coders++
    const release = () => {
      if (handler !== null) module.OpusScriptHandler.destroy_handler(handler)
      handler = null
    }
    return {
      encode: (samples, out, at) => {
        if (handler === null || samples.length * 2 > words.length) return 0
        for (let i = 0; i < samples.length; i++) {
          words[2 * i] = samples[i]! & 0xff
          words[2 * i + 1] = (samples[i]! >> 8) & 0xff
        }
        const length = handler._encode(samplesAt, samples.length * 2, packetAt, samples.length)
        if (length <= 0 || length > out.length - at) return 0
        for (let i = 0; i < length; i++) out[at + i] = octets[i]!
        return length
      },
      decode: (packet, start, end, out) => {
        const length = end - start
        if (handler === null || length <= 0 || length > octets.length) return 0
        for (let i = 0; i < length; i++) octets[i] = packet[start + i]!
        const samples = handler._decode(packetAt, length, samplesAt)
        if (samples <= 0 || samples > out.length) return 0
        for (let i = 0; i < samples; i++) out[i] = words[2 * i]! | (words[2 * i + 1]! << 8)
        return samples
      },
      set: (request, value) => {
        handler?._encoder_ctl(request, value)
      },
      reset: () => {
        if (handler === null) return
        release()
        handler = open()
      },
      close: () => {
        if (handler === null) return
        release()
        coders--
      }
    }
  }
  return { create }
}
