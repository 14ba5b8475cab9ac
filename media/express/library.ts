/** The compiled half of the express lane, and its memory. Built at set-up from express.c; where it is missing everything takes the usual way. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { aLaw, muLaw } from '../codec/g711.ts'
import { gate, release } from '../mixer/speakers.ts'
import {
  conferenceFields,
  cycleSamples,
  heardSamples,
  LegRecord,
  laneFields,
  laneFrame,
  laneSlots,
  legFields,
  ofLane,
  waitingSamples
} from './record.ts'

const file = fileURLToPath(new URL('../build/express.so', import.meta.url))

interface Library {
  /** Names of the fields of a leg, a conference and the lane, in their order. */
  readonly fields: () => string
  /** Octets of a part, by its number. */
  readonly size: (part: number) => number
  readonly open: (laneAt: number, octets: number, ringAt: number) => void
  readonly tick: (laneAt: number, capacity: number, dueMs: number, nowMs: number) => number
  readonly address: (of: Uint8Array) => number
}

const parts = {
  lane: 0,
  conference: 1,
  leg: 2,
  handed: 3,
  handedSize: 4,
  handedOctets: 5,
  expand: 6,
  compressMu: 7,
  compressA: 8,
  frames: 9,
  frameSize: 10,
  arrivals: 11,
  shares: 12,
  packets: 13,
  heard: 14,
  before: 15,
  waiting: 16,
  cycle: 17
} as const

const lineLength = 64
const shareBins = 100
const packetRoom = 192
/** What {@link LaneMemory.tick} ends with. */
export const outcome = { done: 0, left: 1, pull: 2, deliver: 3 } as const
/** Members of the largest conference. */
export const mostMembers = 512

let loaded: Library | null | undefined

function library(): Library | null {
  loaded ??= load()
  return loaded
}

function load(): Library | null {
  if (process.platform !== 'linux' || !existsSync(file)) return null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const native = koffi.load(file)
    const library: Library = {
      fields: native.func('const char *express_fields(void)'),
      size: native.func('int express_size(int)'),
      open: native.func('void express_open(size_t, double, size_t)'),
      tick: native.func('int express_tick(size_t, int, double, double)'),
      address: (of) => Number(koffi.address(of))
    }
    const expected = `${[legFields, conferenceFields, laneFields].map((fields) => fields.join(' ')).join(' / ')} `
    return library.fields() === expected ? library : null
  } catch {
    // Built for another system, or before the sources changed: the usual way is as right.
    return null
  }
}

/** A packet that was read and is not the lane's to judge; good until the next call. */
export interface HandedPacket {
  readonly packet: Buffer
  readonly address: number
  readonly port: number
  readonly arrivedMs: number
  readonly wallMs: number
}

/** Memory of one lane: what lies in it is read and written by both halves. */
export class LaneMemory {
  readonly fields: Float64Array
  /** Conferences in the order in which they are mixed. */
  readonly order: Int32Array
  /** Legs that began or ended to speak, and that lead from now on. */
  readonly turned: Int32Array
  readonly crowned: Int32Array
  readonly #library: Library
  readonly #capacity: number
  readonly #memory: ArrayBuffer
  readonly #start: number
  readonly #laneAt: number
  readonly #conferencesAt: number
  readonly #legsAt: number
  readonly #sizes: Readonly<Record<keyof typeof parts, number>>

  /**
   * @param capacity legs, and conferences, at most
   * @param ringAt of the socket layer whose sockets are the legs': it must outlive the lane
   * @returns null where the lane is not built
   */
  static open(capacity: number, ringAt: number): LaneMemory | null {
    const native = library()
    return native === null ? null : new LaneMemory(native, capacity, ringAt)
  }

  private constructor(native: Library, capacity: number, ringAt: number) {
    const sizes = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, native.size(part)]))
    this.#sizes = sizes as Record<keyof typeof parts, number>
    const { lane, conference, leg } = this.#sizes
    const octets = lane + capacity * (conference + leg + 3 * 4)
    this.#library = native
    this.#capacity = capacity
    this.#memory = new ArrayBuffer(octets + lineLength)
    const address = native.address(new Uint8Array(this.#memory))
    this.#start = (lineLength - (address % lineLength)) % lineLength
    this.#laneAt = address + this.#start
    this.#conferencesAt = this.#start + lane
    this.#legsAt = this.#conferencesAt + capacity * conference
    const orderAt = this.#legsAt + capacity * leg
    this.fields = new Float64Array(this.#memory, this.#start, laneFields.length)
    this.order = new Int32Array(this.#memory, orderAt, capacity)
    this.turned = new Int32Array(this.#memory, orderAt + 4 * capacity, capacity)
    this.crowned = new Int32Array(this.#memory, orderAt + 8 * capacity, capacity)
    native.open(this.#laneAt, octets, ringAt)
    this.#writeTables()
  }

  #writeTables(): void {
    const { expand, compressMu, compressA } = this.#sizes
    const samples = new Int16Array(this.#memory, this.#start + expand, 512)
    samples.set(muLaw.expand)
    samples.set(aLaw.expand, 256)
    const mu = new Uint8Array(this.#memory, this.#start + compressMu, 1 << 14)
    for (let n = 0; n < mu.length; n++) mu[n] = muLaw.compress[n << 2]!
    const a = new Uint8Array(this.#memory, this.#start + compressA, 1 << 13)
    for (let n = 0; n < a.length; n++) a[n] = aLaw.compress[n << 3]!
    this.fields[ofLane.gate] = gate
    this.fields[ofLane.release] = release
  }

  leg(index: number): LegRecord {
    const at = this.#legsAt + index * this.#sizes.leg
    return new LegRecord(
      new Float64Array(this.#memory, at, legFields.length),
      new Float64Array(this.#memory, at + this.#sizes.arrivals, laneSlots),
      new Float64Array(this.#memory, at + this.#sizes.shares, shareBins),
      new Uint8Array(this.#memory, at + this.#sizes.packets, laneSlots * packetRoom),
      {
        heard: new Int16Array(this.#memory, at + this.#sizes.heard, heardSamples),
        before: new Int16Array(this.#memory, at + this.#sizes.before, heardSamples),
        waiting: new Int16Array(this.#memory, at + this.#sizes.waiting, waitingSamples),
        cycle: new Float32Array(this.#memory, at + this.#sizes.cycle, cycleSamples)
      }
    )
  }

  conference(index: number): Float64Array {
    const at = this.#conferencesAt + index * this.#sizes.conference
    return new Float64Array(this.#memory, at, conferenceFields.length)
  }

  /** Sound of a member of the conference that is being mixed, by its place among them. */
  frame(place: number): Int16Array {
    return new Int16Array(this.#memory, this.#start + this.#sizes.frames + place * this.#sizes.frameSize, laneFrame)
  }

  /** What a member that is only mixed gets: a payload behind room for a header. */
  payload(place: number): Buffer {
    return Buffer.from(this.#memory, this.#start + this.#sizes.frames + place * this.#sizes.frameSize, this.#sizes.frameSize)
  }

  handed(n: number): HandedPacket {
    const at = this.#start + this.#sizes.handed + n * this.#sizes.handedSize
    const [length, address, port, arrivedMs, wallMs] = new Float64Array(this.#memory, at, 5)
    const packet = Buffer.from(this.#memory, at + this.#sizes.handedOctets, length)
    return { packet, address: address!, port: port!, arrivedMs: arrivedMs!, wallMs: wallMs! }
  }

  /** Begins a frame. @param leftOut frames before it that nobody heard */
  begin(conferences: number, wallOffsetMs: number, leftOut: number): void {
    const { fields } = this
    fields[ofLane.conferences] = conferences
    fields[ofLane.wallOffset] = wallOffsetMs
    fields[ofLane.leftOut] = leftOut
    fields[ofLane.atConference] = 0
    fields[ofLane.turned] = 0
    fields[ofLane.crowned] = 0
  }

  /** Mixes, from where it stopped before. @returns an {@link outcome} */
  tick(dueMs: number, nowMs: number): number {
    return this.#library.tick(this.#laneAt, this.#capacity, dueMs, nowMs)
  }
}
