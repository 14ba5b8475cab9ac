/**
 * One recording as it is written: records of the ring become files, and each second of each file a hash.
 *
 * Time is that of the conference: fifty frames are a second. Without sockets and clock; files are written at once, so it belongs into a thread that may wait.
 * A second is complete in all files, or in none: what an error has left half done is taken back.
 */
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '#kernel'
import { limit } from '../mixer/kernel.ts'
import { frameMs, frameSamples } from '../mixer/lane.ts'
import { createResampler, type Resampler } from '../resample/resampler.ts'
import { type RecordedAudio, type RecordingManifest, recordingFiles, streamFile } from './files.ts'
import { sha256Of } from './read.ts'
import { type RingRecord, recordKinds } from './ring.ts'
import { encodeRecord, largestPacket } from './rtpdump.ts'
import { type SecondLine, streamNames, writeIndexLine } from './second.ts'
import { GrowingFile, opusFile, packetFile, type SoundFile, wavFile } from './track.ts'

export interface RecordingPlan {
  readonly id: string
  readonly folder: string
  readonly audio: RecordedAudio
  /** Seconds of one batch. */
  readonly batchSeconds: number
  /** As in the manifest. */
  readonly startedAt: number
}

export interface RecordingEvents {
  /** Seconds are on the disk; in the order of their leaves. */
  readonly batch: (number: number, seconds: readonly SecondLine[]) => void
  /** Frames were missing; silence stands in their place. */
  readonly gap: (second: number, milliseconds: number) => void
}

const framesPerSecond = 1000 / frameMs
/** A batch of the ledger has 65,536 leaves at most; a second adds two for each participant. */
const mostLeaves = 60_000
/** Frames come in bursts after a pause; only beyond this is something missing. */
const gapMs = 500

/** Sound of one channel on its way into a file: a second is collected, at the file's rate. */
class Channel {
  readonly stream: string
  readonly sound: SoundFile
  readonly #rateHz: number
  readonly #second: Int16Array
  #resampler: Resampler | null = null
  #fromHz: number

  constructor(stream: string, sound: SoundFile, rateHz: number) {
    this.stream = stream
    this.sound = sound
    this.#rateHz = rateHz
    this.#fromHz = rateHz
    this.#second = new Int16Array(rateHz)
  }

  /** @param samples a frame; null for silence */
  put(frame: number, samples: Int16Array | null, fromHz: number): void {
    const length = frameSamples(this.#rateHz)
    const out = this.#second.subarray(frame * length, (frame + 1) * length)
    if (samples === null) {
      out.fill(0)
      return
    }
    if (fromHz !== this.#fromHz) {
      this.#fromHz = fromHz
      this.#resampler = fromHz === this.#rateHz ? null : createResampler(fromHz, this.#rateHz)
    }
    if (this.#resampler === null) out.set(samples)
    else this.#resampler.resample(samples, out)
  }

  /** Puts the second into the file. */
  end(): Uint8Array {
    const octets = Uint8Array.from(this.sound.add(this.#second))
    this.#second.fill(0)
    return octets
  }
}

interface Packet {
  readonly second: number
  readonly timeMs: number
  readonly octets: Uint8Array
}

/** Sound and packets of one participant. */
class Track {
  readonly channel: Channel
  readonly dump: GrowingFile
  readonly rtpStream: string
  readonly packets: Packet[] = []
  /** Nothing is taken of it after this second. */
  ends = false
  lastMs = 0

  constructor(channel: Channel, dump: GrowingFile, rtpStream: string) {
    this.channel = channel
    this.dump = dump
    this.rtpStream = rtpStream
  }
}

/** Replaces a small file in one step. */
function replaceFile(path: string, text: string): void {
  const next = `${path}.new`
  writeFileSync(next, text, { mode: 0o600 })
  renameSync(next, path)
}

export const writeManifest = (folder: string, manifest: RecordingManifest): void =>
  replaceFile(recordingFiles(folder).manifest, `${JSON.stringify(manifest, null, 2)}\n`)

export class RecordingWriter {
  readonly plan: RecordingPlan
  readonly #events: RecordingEvents
  readonly #index: GrowingFile
  readonly #mix: Channel
  readonly #tracks = new Map<number, Track>()
  readonly #ended = new Set<number>()
  /** Parts of the frame that is being put together. */
  readonly #parts = new Map<number, Int16Array>()
  #sum = new Int32Array(0)
  #mixed = new Int16Array(0)
  /** Time of the first frame on the ring's clock. */
  #beganMs: number | null = null
  #frames = 0
  #batch = 0
  #batchLines: SecondLine[] = []
  #batchFrom = 0
  #closed = false

  /** Makes the folder. @throws errors of the file system */
  constructor(plan: RecordingPlan, manifest: RecordingManifest, events: RecordingEvents) {
    this.plan = plan
    this.#events = events
    makeFolder(plan.folder)
    writeManifest(plan.folder, manifest)
    this.#index = new GrowingFile(recordingFiles(plan.folder).index)
    this.#mix = this.#openChannel(streamNames.mix)
  }

  /** Whole seconds written. */
  get seconds(): number {
    return Math.floor(this.#frames / framesPerSecond)
  }

  #openChannel(stream: string): Channel {
    const { folder, audio, id } = this.plan
    const path = join(folder, streamFile(stream, audio.format))
    const serial = stream === streamNames.mix ? 1 : 1 + Number(stream.split('/')[1])
    const sound =
      audio.format === 'wav'
        ? wavFile(path, audio.sampleRateHz)
        : opusFile(path, audio.sampleRateHz, serial, [`TITLE=${id} ${stream}`])
    this.#note({ opens: stream, second: this.seconds })
    return new Channel(stream, sound, audio.sampleRateHz)
  }

  #note(line: Parameters<typeof writeIndexLine>[0]): void {
    this.#index.append(Buffer.from(writeIndexLine(line), 'utf8'))
    this.#index.keep()
  }

  /** A participant is recorded from this second on. */
  open(slot: number): void {
    if (this.#tracks.has(slot) || this.#ended.has(slot)) return
    const channel = this.#openChannel(streamNames.track(slot))
    const rtpStream = streamNames.rtp(slot)
    const { folder, audio, startedAt } = this.plan
    const dump = packetFile(join(folder, streamFile(rtpStream, audio.format)), startedAt)
    this.#note({ opens: rtpStream, second: this.seconds })
    this.#tracks.set(slot, new Track(channel, dump, rtpStream))
  }

  /** A participant is recorded no longer; its files end with this second. */
  close(slot: number): void {
    const track = this.#tracks.get(slot)
    if (track !== undefined) track.ends = true
    else this.#ended.add(slot)
  }

  /** Takes a record of the ring. @throws errors of the file system: {@link abandon} then */
  take(record: RingRecord): void {
    if (this.#closed) return
    if (record.kind === recordKinds.frame) this.#frame(record)
    else if (record.kind === recordKinds.part) {
      if (record.slot > 0) this.open(record.slot)
      if (record.slot === 0 || this.#tracks.has(record.slot)) this.#part(record)
    } else this.#packet(record)
  }

  #part({ slot, octets }: RingRecord): void {
    const samples = new Int16Array(octets.buffer, octets.byteOffset, octets.byteLength / 2)
    const before = this.#parts.get(slot)
    // several sounds may be played to all
    if (before === undefined || before.length !== samples.length) this.#parts.set(slot, samples)
    else for (let i = 0; i < samples.length; i++) before[i] = limit(before[i]! + samples[i]!)
  }

  #packet({ slot, timeMs, octets }: RingRecord): void {
    this.open(slot)
    const track = this.#tracks.get(slot)
    if (track === undefined || octets.length === 0 || octets.length > largestPacket) return
    const sinceMs = Math.max(0, timeMs - (this.#beganMs ?? timeMs))
    // a packet that comes when its second is over stands at the beginning of the next
    const at = Math.max(sinceMs, track.lastMs, this.seconds * 1000)
    track.lastMs = at
    track.packets.push({ second: Math.floor(at / 1000), timeMs: at, octets })
  }

  #frame({ timeMs, rateHz }: RingRecord): void {
    this.#beganMs ??= timeMs
    const missingMs = timeMs - this.#beganMs - this.#frames * frameMs
    if (missingMs > gapMs) {
      this.#events.gap(this.seconds, missingMs)
      const parts = [...this.#parts]
      this.#parts.clear()
      for (let left = Math.round(missingMs / frameMs); left > 0; left--) this.#put(rateHz)
      for (const [slot, part] of parts) this.#parts.set(slot, part)
    }
    this.#put(rateHz)
  }

  #put(rateHz: number): void {
    const at = this.#frames % framesPerSecond
    const samples = frameSamples(rateHz)
    if (this.#sum.length !== samples) {
      this.#sum = new Int32Array(samples)
      this.#mixed = new Int16Array(samples)
    }
    this.#sum.fill(0)
    for (const part of this.#parts.values()) {
      if (part.length !== samples) continue
      for (let i = 0; i < samples; i++) this.#sum[i]! += part[i]!
    }
    for (let i = 0; i < samples; i++) this.#mixed[i] = limit(this.#sum[i]!)
    this.#mix.put(at, this.#mixed, rateHz)
    for (const [slot, { channel }] of this.#tracks) {
      const part = this.#parts.get(slot)
      channel.put(at, part?.length === samples ? part : null, rateHz)
    }
    this.#parts.clear()
    if (at === framesPerSecond - 1) this.#endSecond(this.seconds)
    this.#frames++
  }

  #endSecond(second: number): void {
    const lines: SecondLine[] = []
    const add = (stream: string, file: GrowingFile, write: () => Uint8Array) => {
      const from = file.length
      const octets = write()
      lines.push({ stream, second, from, to: from + octets.length, sha256: sha256Of(octets) })
    }
    const channels = [this.#mix, ...[...this.#tracks.values()].map(({ channel }) => channel)]
    for (const channel of channels) add(channel.stream, channel.sound.file, () => channel.end())
    for (const { rtpStream, dump, packets } of this.#tracks.values()) {
      add(rtpStream, dump, () => {
        const due = packets.findIndex((packet) => packet.second > second)
        const taken = packets.splice(0, due < 0 ? packets.length : due)
        const octets = Buffer.concat(taken.map(({ timeMs, octets: packet }) => encodeRecord({ offsetMs: timeMs, packet })))
        dump.append(octets)
        return octets
      })
    }
    this.#batchLines.push(...lines)
    for (const file of this.#files()) file.keep()
    for (const [slot, track] of this.#tracks) {
      if (!track.ends) continue
      this.#endTrack(track)
      this.#tracks.delete(slot)
      this.#ended.add(slot)
    }
    const isFull = second + 1 - this.#batchFrom >= this.plan.batchSeconds || this.#batchLines.length >= mostLeaves
    if (isFull) this.#endBatch(second + 1)
  }

  #endTrack({ channel, dump }: Track): void {
    channel.sound.close()
    dump.sync()
    dump.close()
  }

  /** Everything of the batch is on the disk before anybody is told of it. */
  #endBatch(from: number): void {
    const seconds = this.#batchLines
    if (seconds.length === 0) return
    this.#batchLines = []
    this.#batchFrom = from
    this.#note({ batch: this.#batch, seconds })
    for (const file of this.#files()) file.sync()
    this.#events.batch(this.#batch++, seconds)
  }

  #files(): GrowingFile[] {
    const tracks = [...this.#tracks.values()]
    return [this.#mix.sound.file, ...tracks.flatMap(({ channel, dump }) => [channel.sound.file, dump]), this.#index]
  }

  /** The ledger has a batch. */
  witnessed(batch: number, entry: number | null): void {
    if (this.#closed) appendFileSync(recordingFiles(this.plan.folder).index, writeIndexLine({ witnessed: batch, entry }))
    else this.#note({ witnessed: batch, entry })
  }

  /** Ends the recording: the second that has begun is filled with silence. @throws errors of the file system */
  end(): void {
    if (this.#closed) return
    this.#parts.clear()
    while (this.#frames % framesPerSecond !== 0) this.#put(this.plan.audio.sampleRateHz)
    this.#endBatch(this.seconds)
  }

  /** Closes the files of a recording that has ended. Idempotent. */
  finish(manifest: RecordingManifest): void {
    if (this.#closed) return
    this.#closed = true
    for (const track of this.#tracks.values()) this.#endTrack(track)
    this.#mix.sound.close()
    this.#index.sync()
    this.#index.close()
    writeManifest(this.plan.folder, manifest)
  }

  /** The disk takes no more: a second that is not whole in all files is taken back, what is left is told as a last batch. Idempotent. */
  abandon(manifest: (seconds: number) => RecordingManifest): void {
    if (this.#closed) return
    this.#closed = true
    const tried = (act: () => void) => {
      try {
        act()
      } catch {
        // the disk that failed may fail again: what can be saved is saved
      }
    }
    const tracks = [...this.#tracks.values()]
    const sounds = [this.#mix, ...tracks.map(({ channel }) => channel)].map(({ sound }) => sound)
    for (const sound of sounds) tried(() => sound.cutBack())
    for (const { dump } of tracks) tried(() => dump.cutBack())
    tried(() => this.#index.cutBack())
    const seconds = this.#batchLines
    if (seconds.length > 0) {
      tried(() => this.#note({ batch: this.#batch, seconds }))
      for (const file of this.#files()) tried(() => file.sync())
      this.#events.batch(this.#batch, seconds)
    }
    for (const sound of sounds) tried(() => sound.close())
    for (const { dump } of tracks) tried(() => dump.close())
    tried(() => this.#index.close())
    tried(() => writeManifest(this.plan.folder, manifest(this.seconds)))
  }
}
