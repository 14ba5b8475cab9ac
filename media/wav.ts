import { DecodeError } from '#kernel'

/** PCM, 16 bits, one channel: the WAV files that tests and phones exchange. */
export interface Wave {
  readonly sampleRateHz: number
  readonly samples: Int16Array
}

const headerLength = 44

/** A RIFF/WAVE file, 16 bits. @param channels each of which has the same samples */
export function encodeWav({ sampleRateHz, samples }: Wave, channels = 1): Buffer {
  const step = 2 * channels
  const file = Buffer.alloc(headerLength + step * samples.length)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(file.length - 8, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(channels, 22)
  file.writeUInt32LE(sampleRateHz, 24)
  file.writeUInt32LE(step * sampleRateHz, 28)
  file.writeUInt16LE(step, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(step * samples.length, 40)
  for (let i = 0, at = headerLength; i < samples.length; i++) {
    for (let channel = 0; channel < channels; channel++, at += 2) file.writeInt16LE(samples[i]!, at)
  }
  return file
}

/**
 * Reads a RIFF/WAVE file of 16-bit PCM; of several channels the first is taken. A data chunk that says it is longer than the file or 0 long (a recorder
 * that was stopped) gives what is there.
 *
 * @throws {DecodeError} `wav.malformed`, `wav.unsupported`
 */
export function decodeWav(file: Buffer): Wave {
  const fault = (code: string, message: string, octet: number) =>
    new DecodeError(code, message, { path: 'wav', bitOffset: octet * 8 })
  if (file.length < 12 || file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw fault('wav.malformed', 'not a RIFF/WAVE file', 0)
  }
  let format: { channels: number; sampleRateHz: number } | null = null
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4)
    const length = file.readUInt32LE(at + 4)
    const start = at + 8
    if (id === 'fmt ') {
      if (start + 16 > file.length) throw fault('wav.malformed', 'format chunk is cut off', start)
      if (file.readUInt16LE(start) !== 1 || file.readUInt16LE(start + 14) !== 16)
        throw fault('wav.unsupported', 'expected 16-bit PCM', start)
      format = { channels: file.readUInt16LE(start + 2), sampleRateHz: file.readUInt32LE(start + 4) }
      if (format.channels === 0) throw fault('wav.malformed', 'no channels', start + 2)
    } else if (id === 'data') {
      if (format === null) throw fault('wav.malformed', 'data before format', at)
      const step = 2 * format.channels
      const count = Math.floor(((length === 0 ? file.length : Math.min(start + length, file.length)) - start) / step)
      return {
        sampleRateHz: format.sampleRateHz,
        samples: Int16Array.from({ length: count }, (_, i) => file.readInt16LE(start + i * step))
      }
    }
    at = start + length + (length & 1)
  }
  throw fault('wav.malformed', 'no data chunk', file.length)
}
