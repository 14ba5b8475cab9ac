/** All tracks of a recording in one WAV file, a channel each, piece by piece: whatever the length, the memory is that of two seconds. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { opus } from '../codec/opus.ts'
import { granuleRateHz, oggPackets } from './ogg-opus.ts'
import { octetsOf, type ReadRecording } from './read.ts'
import type { SecondLine } from './second.ts'
import { preSkip } from './track.ts'
import { encodeWaveHeader } from './wave-writer.ts'

/** Order of the channels: the mix, then each participant's track. Outside the time in which somebody was recorded, a channel is silent. */
export const waveChannels = ({ streams }: ReadRecording): readonly string[] =>
  [...streams.keys()].filter((stream) => !stream.startsWith('rtp/'))

/** One stream, second by second. */
interface Channel {
  /** Samples of a second, to be asked for in order; null outside of its time. */
  readonly next: () => Int16Array | null
  readonly close: () => void
}

type Lines = ReadonlyMap<number, SecondLine>

function wavChannel(recording: ReadRecording, lines: Lines, rateHz: number): Channel {
  let second = 0
  return {
    next: () => {
      const line = lines.get(second++)
      if (line === undefined) return null
      const octets = octetsOf(recording, line)
      return Int16Array.from({ length: Math.min(rateHz, octets.length >> 1) }, (_, n) => octets.readInt16LE(2 * n))
    },
    close: () => {}
  }
}

/** What is decoded is later by the look-ahead of the encoder: the end of each second stands at the beginning of the next. */
function opusChannel(recording: ReadRecording, lines: Lines, rateHz: number): Channel {
  const decoder = opus.createDecoder({ sampleRateHz: rateHz })
  const late = (preSkip * rateHz) / granuleRateHz
  let second = 0
  const decoded = (): Int16Array | null => {
    const line = lines.get(second++)
    if (line === undefined) return null
    const samples = new Int16Array(rateHz)
    let at = 0
    for (const packet of oggPackets(octetsOf(recording, line)))
      at += decoder.decode(packet, 0, packet.length, samples.subarray(at))
    return samples
  }
  let coming = decoded()
  return {
    next: () => {
      const now = coming
      coming = decoded()
      if (now === null) return null
      const samples = new Int16Array(rateHz)
      samples.set(now.subarray(late))
      if (coming !== null) samples.set(coming.subarray(0, late), rateHz - late)
      return samples
    },
    close: () => decoder.close()
  }
}

/**
 * @param path must not be there yet, and is not there after an error
 * @returns octets written
 * @throws {InfraFabricError} `media.codec.unavailable` where the sound is kept as Opus and nothing decodes it; {DecodeError} `ogg.malformed`
 */
export function exportWave(recording: ReadRecording, path: string): number {
  const { manifest, streams } = recording
  const { format, sampleRateHz } = manifest.audio
  const names = waveChannels(recording)
  const lines = names.map((stream) => new Map(streams.get(stream)!.map((line) => [line.second, line])))
  const seconds = 1 + Math.max(-1, ...lines.map((of) => Math.max(-1, ...of.keys())))
  const step = 2 * names.length
  const fd = openSync(path, 'wx', 0o600)
  const channels: Channel[] = []
  try {
    for (const of of lines) channels.push((format === 'wav' ? wavChannel : opusChannel)(recording, of, sampleRateHz))
    const header = encodeWaveHeader({ channels: names.length, sampleRateHz }, step * sampleRateHz * seconds)
    let at = writeSync(fd, header)
    for (let second = 0; second < seconds; second++) {
      const out = Buffer.alloc(step * sampleRateHz)
      for (const [channel, { next }] of channels.entries()) {
        const samples = next() ?? []
        for (let n = 0; n < samples.length; n++) out.writeInt16LE(samples[n]!, n * step + 2 * channel)
      }
      for (let done = 0; done < out.length; ) done += writeSync(fd, out, done, out.length - done, at + done)
      at += out.length
    }
    return at
  } catch (error) {
    rmSync(path)
    throw error
  } finally {
    for (const { close } of channels) close()
    closeSync(fd)
  }
}
