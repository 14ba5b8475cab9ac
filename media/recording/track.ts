/** Files of sound and of packets while they grow. Each call leaves a file that can be read. */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { Encoder } from '../codec/codec.ts'
import { largestPayload } from '../codec/codec.ts'
import { opus } from '../codec/opus.ts'
import { OggOpusWriter } from './ogg-opus.ts'
import { encodeDumpHeader } from './rtpdump.ts'
import { encodeWaveHeader, waveHeaderLength } from './wave-writer.ts'

/** Writes all of it; a disk may take less at once. */
function writeAll(fd: number, octets: Uint8Array, position: number): void {
  for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at, octets.length - at, position + at)
}

/** A file that only grows, second by second. */
export class GrowingFile {
  readonly #fd: number
  #length = 0
  #kept = 0
  #open = true

  /** @param path must not be there yet */
  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600)
  }

  get length(): number {
    return this.#length
  }

  append(octets: Uint8Array): void {
    writeAll(this.#fd, octets, this.#length)
    this.#length += octets.length
  }

  /** Writes over what is there. */
  overwrite(octets: Uint8Array, position: number): void {
    writeAll(this.#fd, octets, position)
  }

  /** What was appended so far is whole. */
  keep(): void {
    this.#kept = this.#length
  }

  /** Takes back what was appended since {@link keep}. */
  cutBack(): void {
    if (!this.#open) return
    ftruncateSync(this.#fd, this.#kept)
    this.#length = this.#kept
  }

  sync(): void {
    if (this.#open) fdatasyncSync(this.#fd)
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#fd)
  }
}

/** Sound of one channel. */
export interface SoundFile {
  readonly file: GrowingFile
  /** Takes one second. @returns the octets that stand for it in the file */
  readonly add: (samples: Int16Array) => Uint8Array
  /** Takes back seconds that are not kept. */
  readonly cutBack: () => void
  /** Nothing follows. Idempotent. */
  readonly close: () => void
}

export function wavFile(path: string, sampleRateHz: number): SoundFile {
  const file = new GrowingFile(path)
  const format = { channels: 1, sampleRateHz }
  file.append(encodeWaveHeader(format, 0))
  file.keep()
  const writeHeader = () => file.overwrite(encodeWaveHeader(format, file.length - waveHeaderLength), 0)
  return {
    file,
    add: (samples) => {
      const octets = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)
      file.append(octets)
      writeHeader()
      return octets
    },
    cutBack: () => {
      file.cutBack()
      writeHeader()
    },
    close: () => file.close()
  }
}

/** Look-ahead of the encoder, in samples at 48 kHz: what is decoded is later by it. @see RFC 7845 §4.2 */
export const preSkip = 312
const frameSamplesAt48k = 960
/** A packet of 20 ms that holds nothing: the decoder makes up silence. @see RFC 6716 §3.1, §2.1.9 */
const emptyPacket = Uint8Array.of(0xf8)

export function opusFile(path: string, sampleRateHz: number, serial: number, comments: readonly string[]): SoundFile {
  const file = new GrowingFile(path)
  const encoder: Encoder = opus.createEncoder({ sampleRateHz })
  const writer = new OggOpusWriter({ serial, channels: 1, inputRateHz: sampleRateHz, preSkip, comments })
  const frame = sampleRateHz / 50
  file.append(writer.head())
  file.keep()
  let ended = false
  return {
    file,
    add: (samples) => {
      const pages: Uint8Array[] = []
      for (let at = 0; at < samples.length; at += frame) {
        const out = new Uint8Array(largestPayload)
        const octets = encoder.encode(samples.subarray(at, at + frame), out, 0)
        const page = writer.add(octets === 0 ? emptyPacket : out.subarray(0, octets), frameSamplesAt48k)
        if (page !== null) pages.push(page)
      }
      const rest = writer.flush(false)
      if (rest !== null) pages.push(rest)
      const octets = Buffer.concat(pages)
      file.append(octets)
      return octets
    },
    cutBack: () => file.cutBack(),
    close: () => {
      if (ended) return
      ended = true
      encoder.close()
      try {
        file.append(writer.flush(true)!)
      } finally {
        file.close()
      }
    }
  }
}

/** Packets of one participant. Where they came from is nobody's concern here: the source stands as 0.0.0.0/0. */
export function packetFile(path: string, startedAtMs: number): GrowingFile {
  const file = new GrowingFile(path)
  file.append(encodeDumpHeader({ address: '0.0.0.0', port: 0 }, startedAtMs))
  file.keep()
  return file
}
