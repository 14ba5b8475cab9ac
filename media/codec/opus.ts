/**
 * Opus over RTP: one packet of 2.5 to 120 ms, the clock always at 48 kHz, whatever the coders work at.
 *
 * Coded by libopus, or, where it is missing, by its WebAssembly build in `opusscript`, which reads no redundancy. Sound goes out
 * in one channel; two channels that come in are mixed down by the decoder.
 *
 * @see RFC 6716 (Opus), RFC 7587 (RTP payload format)
 */

import { checkRate, loadLibrary, Owned, once, unavailable } from '../native.ts'
import type { CodecDefinition, CoderOptions, Decoder, Economy, Encoder, FormatParameters } from './codec.ts'
import { largestPayload } from './codec.ts'
import { Concealment } from './concealment.ts'
import { opusHasRedundancy, opusPacketUnits } from './opus-packet.ts'
import { loadOpusScript, type OpusScriptCoder } from './opus-script.ts'

const rates = [8000, 12_000, 16_000, 24_000, 48_000]

/** Requests of `opus_encoder_ctl`. @see opus_defines.h */
const setRequest = {
  bitrate: 4002,
  maxBandwidth: 4004,
  vbr: 4006,
  complexity: 4010,
  inbandFec: 4012,
  packetLossPercent: 4014,
  dtx: 4016,
  signal: 4024
} as const
const applicationVoip = 2048
/** Linear prediction up to 8 kHz, transform above; and the transform alone, which has no redundancy and takes a third of the time. */
const model = { voice: 3001, transform: 3002 } as const

/** One encoded frame that takes up to two octets says only that there is silence (DTX) and need not be sent. */
const largestSilentPacket = 2
/** After the first packets of silence, redecoding nothing gives comfort noise; later there is silence. */
const longestPauseMs = 1000

const library = once(() =>
  loadLibrary(['libopus.so.0', 'libopus.0.dylib'], {
    opus_get_version_string: 'const char *opus_get_version_string()',
    opus_encoder_create: 'void *opus_encoder_create(int32_t, int, int, _Out_ int *)',
    opus_encoder_ctl: 'int opus_encoder_ctl(void *, int, ...)',
    opus_encoder_destroy: 'void opus_encoder_destroy(void *)',
    opus_encode: 'int32_t opus_encode(void *, int16_t *, int, uint8_t *, int32_t)',
    opus_decoder_create: 'void *opus_decoder_create(int32_t, int, _Out_ int *)',
    opus_decoder_ctl: 'int opus_decoder_ctl(void *, int, ...)',
    opus_decoder_destroy: 'void opus_decoder_destroy(void *)',
    opus_decode: 'int opus_decode(void *, uint8_t *, int32_t, int16_t *, int, int)'
  })
)

const resetState = 4028

/** Octets on their way into and out of the library; one call at a time, so one for all coders of a thread. */
const octets = new Uint8Array(largestPayload)
/** Samples that the library writes where the caller's buffer does not suit it: 120 ms at 48 kHz. */
const scratch = new Int16Array(5760)

/** Copies a payload to where the library reads it. @returns its length, 0 when it cannot be one */
function take(packet: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length <= 0 || length > octets.length || start < 0 || end > packet.length) return 0
  for (let i = 0; i < length; i++) octets[i] = packet[start + i]!
  return length
}

/** Settings of an encoder, from what the peer's description asks for. @see RFC 7587 §6.1, §7.1 */
export interface OpusSettings {
  readonly bitrate: number
  /** The same with redundancy. */
  readonly redundantBitrate: number
  /** The same for the transform alone; null where it would not be as good, or cannot do what is asked for. */
  readonly transformBitrate: number | null
  readonly maxBandwidth: number
  readonly constantBitrate: boolean
  readonly redundancy: boolean
  readonly silence: boolean
}

const bandwidths: readonly (readonly [playbackRateHz: number, request: number])[] = [
  [8000, 1101],
  [12_000, 1102],
  [16_000, 1103],
  [24_000, 1104],
  [48_000, 1105]
]
/** For one voice, by the highest playback rate: as usual; with redundancy; and by the transform alone, as much as G.711 takes at most, where it is as good. @see RFC 7587 §3.1.1 */
const bitrates = [
  { playbackRateHz: 8000, usual: 16_000, redundant: 20_000, transform: null },
  { playbackRateHz: 16_000, usual: 24_000, redundant: 32_000, transform: 48_000 },
  { playbackRateHz: 48_000, usual: 40_000, redundant: 48_000, transform: 64_000 }
] as const
/** Less is no wish that Opus can meet. */
const leastBitrate = 6000
/** With less the transform alone is not as good as the voice model. */
const leastTransformBitrate = 48_000

const whole = (value: string | undefined) => (value !== undefined && /^\d{1,7}$/.test(value) ? Number(value) : null)

export function opusSettings(sampleRateHz: number, parameters: FormatParameters): OpusSettings {
  const playback = Math.min(sampleRateHz, whole(parameters.maxplaybackrate) ?? 48_000)
  const asked = whole(parameters.maxaveragebitrate)
  const most = asked === null || asked < leastBitrate ? Number.POSITIVE_INFINITY : asked
  const silence = parameters.usedtx === '1'
  const { usual, redundant, transform } = bitrates.find(({ playbackRateHz }) => playbackRateHz >= playback) ?? bitrates[2]
  return {
    bitrate: Math.min(usual, most),
    redundantBitrate: Math.min(redundant, most),
    transformBitrate: transform === null || silence || most < leastTransformBitrate ? null : Math.min(transform, most),
    maxBandwidth: (bandwidths.find(([rate]) => rate >= playback) ?? bandwidths.at(-1)!)[1],
    constantBitrate: parameters.cbr === '1',
    redundancy: parameters.useinbandfec === '1',
    silence
  }
}

/** What of an encoder changes while it is at work. */
export interface OpusTuning {
  readonly signal: number
  readonly bitrate: number
  readonly complexity: number
  /** Loss that redundancy is made for, in per cent; 0 for none. */
  readonly lossPercent: number
}

/** By {@link Economy}: of the voice model, with redundancy (below 1 there is none at these rates), and of the transform alone. */
const voiceComplexity = [5, 1, 0] as const
const redundantComplexity = [5, 1, 1] as const
const transformComplexity = { 1: 10, 2: 0 } as const
/** Redundancy costs sound where nothing is lost, the more the more loss it is made for; from 6 % on more costs as much as it restores. */
const redundancyPercent = { least: 2, most: 6 }

export function opusTuning(settings: OpusSettings, economy: Economy, lossPercent: number): OpusTuning {
  const { bitrate, redundantBitrate, transformBitrate } = settings
  if (settings.redundancy && lossPercent > 0) {
    const { least, most } = redundancyPercent
    const prepared = Math.max(least, Math.min(most, Math.round(lossPercent)))
    return { signal: model.voice, bitrate: redundantBitrate, complexity: redundantComplexity[economy], lossPercent: prepared }
  }
  if (economy === 0 || transformBitrate === null)
    return { signal: model.voice, bitrate, complexity: voiceComplexity[economy], lossPercent: 0 }
  return { signal: model.transform, bitrate: transformBitrate, complexity: transformComplexity[economy], lossPercent: 0 }
}

class OpusDecoder implements Decoder {
  readonly #library = library()!
  readonly #state: Owned
  readonly #unit: number
  readonly #longestPause: number
  #paused = 0
  pausing = false

  constructor(sampleRateHz: number) {
    const error = [0]
    const handle = this.#library.opus_decoder_create(sampleRateHz, 1, error)
    if (handle === null) throw unavailable('opus', `a decoder (libopus error ${error[0]})`)
    this.#state = new Owned(handle, this.#library.opus_decoder_destroy)
    this.#unit = sampleRateHz / 400
    this.#longestPause = (longestPauseMs * sampleRateHz) / 1000
  }

  samplesIn(packet: Uint8Array, start: number, end: number): number {
    return opusPacketUnits(packet, start, end) * this.#unit
  }

  decode(packet: Uint8Array, start: number, end: number, out: Int16Array): number {
    const length = take(packet, start, end)
    const { handle } = this.#state
    if (handle === null || length === 0) return 0
    const samples: number = this.#library.opus_decode(handle, octets, length, out, out.length, 0)
    if (samples <= 0) return 0
    this.pausing = length <= largestSilentPacket
    this.#paused = 0
    return samples
  }

  recover(nextPacket: Uint8Array, start: number, end: number, out: Int16Array): number {
    const { handle } = this.#state
    if (handle === null || out.length % this.#unit !== 0 || !opusHasRedundancy(nextPacket, start, end)) return 0
    const length = take(nextPacket, start, end)
    if (length === 0) return 0
    return Math.max(0, this.#library.opus_decode(handle, octets, length, out, out.length, 1))
  }

  conceal(out: Int16Array): void {
    const { handle } = this.#state
    if (handle === null) out.fill(0)
    else if (out.length % this.#unit === 0)
      out.fill(0, Math.max(0, this.#library.opus_decode(handle, null, 0, out, out.length, 0)))
    else {
      const wanted = Math.min(scratch.length, Math.ceil(out.length / this.#unit) * this.#unit)
      const samples = this.#library.opus_decode(handle, null, 0, scratch, wanted, 0)
      for (let i = 0; i < out.length; i++) out[i] = i < samples ? scratch[i]! : 0
    }
  }

  pause(out: Int16Array): boolean {
    this.#paused += out.length
    if (!this.pausing || this.#paused > this.#longestPause) {
      out.fill(0)
      return false
    }
    this.conceal(out)
    return true
  }

  reset(): void {
    if (this.#state.handle !== null) this.#library.opus_decoder_ctl(this.#state.handle, resetState)
    this.pausing = false
    this.#paused = 0
  }

  close(): void {
    this.#state.close()
  }
}

type SetRequest = (request: number, value: number) => void

/** Tells an encoder its settings, and from time to time others. */
class Tuner {
  readonly #set: SetRequest
  readonly #settings: OpusSettings
  #economy: Economy = 0
  #lossPercent: number

  constructor(set: SetRequest, settings: OpusSettings, lossPercent: number) {
    this.#set = set
    this.#settings = settings
    this.#lossPercent = lossPercent
    this.begin()
  }

  /** All of them, of an encoder that is new. */
  begin(): void {
    const { maxBandwidth, constantBitrate, silence } = this.#settings
    this.#set(setRequest.maxBandwidth, maxBandwidth)
    this.#set(setRequest.vbr, constantBitrate ? 0 : 1)
    this.#set(setRequest.dtx, silence ? 1 : 0)
    this.#apply()
  }

  readonly tune = (economy: Economy, lossPercent: number): void => {
    if (economy === this.#economy && lossPercent === this.#lossPercent) return
    this.#economy = economy
    this.#lossPercent = lossPercent
    this.#apply()
  }

  #apply(): void {
    const { signal, bitrate, complexity, lossPercent } = opusTuning(this.#settings, this.#economy, this.#lossPercent)
    this.#set(setRequest.signal, signal)
    this.#set(setRequest.bitrate, bitrate)
    this.#set(setRequest.complexity, complexity)
    this.#set(setRequest.inbandFec, lossPercent > 0 ? 1 : 0)
    this.#set(setRequest.packetLossPercent, lossPercent)
  }
}

class OpusEncoder implements Encoder {
  readonly #library = library()!
  readonly #state: Owned
  readonly tune: (economy: Economy, lossPercent: number) => void
  readonly wroteComfortNoise = false

  constructor(sampleRateHz: number, settings: OpusSettings, expectedLossPercent: number) {
    const error = [0]
    const handle = this.#library.opus_encoder_create(sampleRateHz, 1, applicationVoip, error)
    if (handle === null) throw unavailable('opus', `an encoder (libopus error ${error[0]})`)
    this.#state = new Owned(handle, this.#library.opus_encoder_destroy)
    const set = (request: number, value: number) => {
      if (this.#state.handle !== null) this.#library.opus_encoder_ctl(this.#state.handle, request, 'int', value)
    }
    this.tune = new Tuner(set, settings, expectedLossPercent).tune
  }

  encode(samples: Int16Array, out: Uint8Array, at: number): number {
    const { handle } = this.#state
    const room = Math.min(octets.length, out.length - at)
    if (handle === null || room <= 0) return 0
    const length: number = this.#library.opus_encode(handle, samples, samples.length, octets, room)
    if (length <= largestSilentPacket) return 0
    for (let i = 0; i < length; i++) out[at + i] = octets[i]!
    return length
  }

  reset(): void {
    if (this.#state.handle !== null) this.#library.opus_encoder_ctl(this.#state.handle, resetState)
  }

  close(): void {
    this.#state.close()
  }
}

/** Opus by WebAssembly. Losses are made up from the sound alone. */
class ScriptDecoder implements Decoder {
  readonly #coder: OpusScriptCoder
  readonly #concealment: Concealment
  readonly #unit: number
  pausing = false

  constructor(coder: OpusScriptCoder, sampleRateHz: number) {
    this.#coder = coder
    this.#concealment = new Concealment(sampleRateHz)
    this.#unit = sampleRateHz / 400
  }

  samplesIn(packet: Uint8Array, start: number, end: number): number {
    return opusPacketUnits(packet, start, end) * this.#unit
  }

  decode(packet: Uint8Array, start: number, end: number, out: Int16Array): number {
    const expected = this.samplesIn(packet, start, end)
    if (expected === 0 || expected > out.length || end > packet.length || end - start > largestPayload) return 0
    const samples = this.#coder.decode(packet, start, end, out)
    if (samples === 0) return 0
    this.pausing = end - start <= largestSilentPacket
    this.#concealment.heard(out, samples)
    return samples
  }

  conceal(out: Int16Array): void {
    this.#concealment.conceal(out)
  }

  pause(out: Int16Array): boolean {
    out.fill(0)
    return false
  }

  reset(): void {
    this.#concealment.reset()
    this.pausing = false
  }

  close(): void {
    this.#coder.close()
  }
}

class ScriptEncoder implements Encoder {
  readonly #coder: OpusScriptCoder
  readonly #tuner: Tuner
  readonly #unit: number
  readonly tune: (economy: Economy, lossPercent: number) => void
  readonly wroteComfortNoise = false

  constructor(coder: OpusScriptCoder, sampleRateHz: number, settings: OpusSettings, expectedLossPercent: number) {
    this.#coder = coder
    this.#unit = sampleRateHz / 400
    this.#tuner = new Tuner((request, value) => coder.set(request, value), settings, expectedLossPercent)
    this.tune = this.#tuner.tune
  }

  encode(samples: Int16Array, out: Uint8Array, at: number): number {
    if (samples.length === 0 || samples.length % this.#unit !== 0 || samples.length > 24 * this.#unit) return 0
    const length = this.#coder.encode(samples, out, at)
    return length <= largestSilentPacket ? 0 : length
  }

  reset(): void {
    this.#coder.reset()
    this.#tuner.begin()
  }

  close(): void {
    this.#coder.close()
  }
}

/** Opus coded by libopus, or by WebAssembly. */
function definition(native: () => boolean): CodecDefinition {
  const rate = (options: CoderOptions | undefined) => checkRate('opus', rates, options?.sampleRateHz ?? 48_000)
  return {
    name: 'opus',
    clockRateHz: 48_000,
    channels: 2,
    sampleRateHz: 48_000,
    sampleRatesHz: rates,
    staticPayloadType: null,
    packing: { stepMs: 20, octetsPerMs: null },
    parameters: 'minptime=10;useinbandfec=1',
    comfortNoise: false,
    tunable: true,
    offered: true,
    servedBy: () => {
      if (native()) return library()!.opus_get_version_string()
      return loadOpusScript() === null ? null : 'opusscript (WebAssembly)'
    },
    createDecoder: (options) => {
      const sampleRateHz = rate(options)
      return native() ? new OpusDecoder(sampleRateHz) : new ScriptDecoder(scriptCoder(sampleRateHz), sampleRateHz)
    },
    createEncoder: (options) => {
      const sampleRateHz = rate(options)
      const settings = opusSettings(sampleRateHz, options?.parameters ?? {})
      const loss = options?.expectedLossPercent ?? 0
      return native()
        ? new OpusEncoder(sampleRateHz, settings, loss)
        : new ScriptEncoder(scriptCoder(sampleRateHz), sampleRateHz, settings, loss)
    }
  }
}

function scriptCoder(sampleRateHz: number): OpusScriptCoder {
  const loaded = loadOpusScript()
  if (loaded === null) throw unavailable('opus', 'neither libopus nor opusscript')
  return loaded.create(sampleRateHz, applicationVoip)
}

export const opus = definition(() => library() !== null)

/** What serves where libopus is missing; for its test. */
export const opusByScript = definition(() => false)
