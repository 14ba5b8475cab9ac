/** RIFF/WAVE files of 16-bit PCM, and the strength of a tone in them. */
import { DecodeError } from '#kernel'

export interface Wav {
  readonly clockRateHz: number
  /** One channel. */
  readonly samples: Int16Array
}

/** @throws {DecodeError} `wav.format` for anything but 16-bit mono PCM. */
export function decodeWav(octets: Buffer): Wav {
  const wrong = (message: string, at: number) => new DecodeError('wav.format', message, { path: 'RIFF', bitOffset: at * 8 })
  if (octets.length < 12 || octets.toString('latin1', 0, 4) !== 'RIFF' || octets.toString('latin1', 8, 12) !== 'WAVE')
    throw wrong('not a WAVE file', 0)
  let clockRateHz = 0
  for (let at = 12; at + 8 <= octets.length; ) {
    const id = octets.toString('latin1', at, at + 4)
    // A file that is still being written has a length of 0 or beyond its end.
    const length = octets.readUInt32LE(at + 4)
    const start = at + 8
    if (id === 'fmt ') {
      if (length < 16 || start + 16 > octets.length) throw wrong('fmt chunk is short', at)
      if (octets.readUInt16LE(start) !== 1 || octets.readUInt16LE(start + 2) !== 1 || octets.readUInt16LE(start + 14) !== 16)
        throw wrong('not 16-bit mono PCM', start)
      clockRateHz = octets.readUInt32LE(start + 4)
    } else if (id === 'data') {
      if (clockRateHz === 0) throw wrong('data before fmt', at)
      const end = length === 0 ? octets.length : Math.min(octets.length, start + length)
      const samples = new Int16Array((end - start) >>> 1)
      for (let index = 0; index < samples.length; index++) samples[index] = octets.readInt16LE(start + 2 * index)
      return { clockRateHz, samples }
    }
    at = start + length + (length & 1)
  }
  throw wrong('no data chunk', octets.length)
}

export function encodeWav({ clockRateHz, samples }: Wav): Buffer {
  const octets = Buffer.alloc(44 + 2 * samples.length)
  octets.write('RIFF', 0, 'latin1')
  octets.writeUInt32LE(36 + 2 * samples.length, 4)
  octets.write('WAVEfmt ', 8, 'latin1')
  octets.writeUInt32LE(16, 16)
  octets.writeUInt16LE(1, 20)
  octets.writeUInt16LE(1, 22)
  octets.writeUInt32LE(clockRateHz, 24)
  octets.writeUInt32LE(2 * clockRateHz, 28)
  octets.writeUInt16LE(2, 32)
  octets.writeUInt16LE(16, 34)
  octets.write('data', 36, 'latin1')
  octets.writeUInt32LE(2 * samples.length, 40)
  for (const [index, sample] of samples.entries()) octets.writeInt16LE(sample, 44 + 2 * index)
  return octets
}

/** A sine at `level` of full scale, 8 kHz. */
export function sine(frequencyHz: number, lengthMs: number, level = 0.25): Wav {
  const clockRateHz = 8000
  const samples = new Int16Array(Math.round((clockRateHz * lengthMs) / 1000))
  for (let index = 0; index < samples.length; index++)
    samples[index] = Math.round(32_767 * level * Math.sin((2 * Math.PI * frequencyHz * index) / clockRateHz))
  return { clockRateHz, samples }
}

/** Share of the signal's power that is at `frequencyHz`, 0 to 1 (Goertzel). 0 for silence. */
export function toneShare({ clockRateHz, samples }: Wav, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / clockRateHz)
  // Half a second at a time: the clocks of two machines drift too far for one long sum.
  const block = clockRateHz >> 1
  let tone = 0
  let total = 0
  for (let start = 0; start + block <= samples.length; start += block) {
    let s1 = 0
    let s2 = 0
    for (let index = start; index < start + block; index++) {
      const sample = samples[index]!
      total += sample * sample
      const s0 = sample + coefficient * s1 - s2
      s2 = s1
      s1 = s0
    }
    tone += (2 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2)) / block
  }
  return total === 0 ? 0 : tone / total
}
