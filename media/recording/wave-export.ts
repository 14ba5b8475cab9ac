/** All tracks of a recording in one WAV file, a channel each, piece by piece: whatever the length, the memory is that of a second. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { InfraFabricError } from '#kernel'
import { streamFile } from './files.ts'
import { type ReadRecording, readOctets } from './read.ts'
import { encodeWaveHeader } from './wave-writer.ts'

/** Order of the channels: the mix, then each participant's track. Outside the time in which somebody was recorded, a channel is silent. */
export const waveChannels = ({ streams }: ReadRecording): readonly string[] =>
  [...streams.keys()].filter((stream) => !stream.startsWith('rtp/'))

/**
 * @param path must not be there yet
 * @returns octets written
 * @throws {InfraFabricError} `recording.export.format` for a recording that is kept as Opus
 */
export function exportWave(recording: ReadRecording, path: string): number {
  const { manifest, folder, streams } = recording
  const { format, sampleRateHz } = manifest.audio
  if (format !== 'wav')
    throw new InfraFabricError('recording.export.format', 'its sound is kept as Opus: take its files, or export a vCon')
  const channels = waveChannels(recording)
  const lines = channels.map((stream) => new Map(streams.get(stream)!.map((line) => [line.second, line])))
  const seconds = 1 + Math.max(-1, ...lines.map((of) => Math.max(-1, ...of.keys())))
  const step = 2 * channels.length
  const fd = openSync(path, 'wx', 0o600)
  try {
    const header = encodeWaveHeader({ channels: channels.length, sampleRateHz }, step * sampleRateHz * seconds)
    let at = writeSync(fd, header)
    for (let second = 0; second < seconds; second++) {
      const out = Buffer.alloc(step * sampleRateHz)
      for (const [channel, of] of lines.entries()) {
        const line = of.get(second)
        if (line === undefined) continue
        const samples = readOctets(join(folder, streamFile(channels[channel]!, format)), line.from, line.to)
        for (let n = 0; n + 1 < samples.length; n += 2) samples.copy(out, (n / 2) * step + 2 * channel, n, n + 2)
      }
      for (let done = 0; done < out.length; ) done += writeSync(fd, out, done, out.length - done, at + done)
      at += out.length
    }
    return at
  } finally {
    closeSync(fd)
  }
}
