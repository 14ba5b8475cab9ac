/**
 * Headers of WAV files that grow: 16-bit PCM in any number of channels, beyond 4 GiB as RF64.
 *
 *     RIFF size WAVE | JUNK 28 octets | fmt 16 | data size …        up to 4 GiB
 *     RF64 −1   WAVE | ds64 28        | fmt 16 | data −1 …          beyond
 *
 * The header is written anew now and then: what a crash leaves is a file that says it is as long as it was then.
 *
 * @see EBU Tech 3306 (RF64)
 */
export interface WaveFormat {
  readonly channels: number
  readonly sampleRateHz: number
}

/** Octets in front of the samples. */
export const waveHeaderLength = 12 + 36 + 24 + 8

const largest = 0xffff_ffff

/** @param octets of samples in the file, a whole number of frames */
export function encodeWaveHeader({ channels, sampleRateHz }: WaveFormat, octets: number): Buffer {
  const out = Buffer.alloc(waveHeaderLength)
  const size = waveHeaderLength - 8 + octets
  const large = size > largest
  out.write(large ? 'RF64' : 'RIFF', 0, 'latin1')
  out.writeUInt32LE(large ? largest : size, 4)
  out.write(large ? 'WAVEds64' : 'WAVEJUNK', 8, 'latin1')
  out.writeUInt32LE(28, 16)
  if (large) {
    out.writeBigUInt64LE(BigInt(size), 20)
    out.writeBigUInt64LE(BigInt(octets), 28)
    out.writeBigUInt64LE(BigInt(octets / (2 * channels)), 36)
  }
  out.write('fmt ', 48, 'latin1')
  out.writeUInt32LE(16, 52)
  out.writeUInt16LE(1, 56)
  out.writeUInt16LE(channels, 58)
  out.writeUInt32LE(sampleRateHz, 60)
  out.writeUInt32LE(2 * channels * sampleRateHz, 64)
  out.writeUInt16LE(2 * channels, 68)
  out.writeUInt16LE(16, 70)
  out.write('data', 72, 'latin1')
  out.writeUInt32LE(large ? largest : octets, 76)
  return out
}
