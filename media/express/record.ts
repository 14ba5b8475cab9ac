/** What the express lane knows of a leg: one record in the lane's memory, of numbers as JavaScript has them. The fields are those of express.c, in its order. */
import { placesOf } from '../native.ts'

export const legFields = [
  ...['mode', 'rough', 'next', 'descriptor', 'address', 'port', 'law', 'payloadType'],
  ...['peerSsrc', 'highest', 'cycles', 'received', 'transit', 'jitter16', 'differences', 'differencesSum'],
  ...['differencesSquares', 'differenceLeast', 'differenceMost', 'calm', 'receivedPackets', 'receivedBytes', 'lastHeard', 'held'],
  ...['newest', 'newestExtended', 'minTarget', 'maxTarget', 'weight', 'highestBin', 'fastest', 'fastestBefore'],
  ...['windowEnds', 'targetAt', 'lastArrival', 'lastTransit', 'target', 'lastPlayed', 'nextTimestamp', 'left'],
  ...['slack', 'delay', 'restUntil', 'speaks', 'streaming', 'streamed', 'sounding', 'power'],
  ...['selected', 'score', 'activity', 'speaking', 'turning', 'gainFrames', 'gainPower', 'gainDecibels'],
  ...['heardDb', 'gain', 'hearsGain', 'applied', 'part', 'sequence', 'timestamp', 'ssrc'],
  ...['marker', 'sentPackets', 'sentBytes', 'sentDropped', 'noisy', 'skipped', 'passed'],
  ...[
    'playing',
    'hasPlayed',
    'concealedInRow',
    'concealedMs',
    'credit',
    'unsure',
    'clean',
    'concealed',
    'shortened',
    'lengthened'
  ],
  ...['audible', 'lost', 'lag', 'cycleLength', 'cycleAt', 'jump', 'jumpLeft', 'unheard']
] as const
export const conferenceFields = [
  'first',
  'slow',
  'places',
  'autoGain',
  'dominant',
  'challenger',
  'challengedFor',
  'headroom',
  'headroomBefore',
  'calmFrames'
] as const
export const laneFields = [
  ...['conferences', 'gate', 'release', 'wallOffset', 'leftOut', 'atConference', 'leg', 'skips', 'handed', 'turned', 'crowned']
] as const

/** Where a field stands in {@link LegRecord.fields}, and in those of a conference and of the lane. */
export const of = placesOf(legFields)
export const ofConference = placesOf(conferenceFields)
export const ofLane = placesOf(laneFields)

/** Modes of a leg: not in the lane, carried by it, or only mixed by it. */
export const mode = { absent: 0, carried: 1, attended: 2 } as const

/** Samples and octets of a frame of G.711; packets with nothing but it. */
export const laneFrame = 160
const laneHeader = 12
export const laneSlots = 32
const slotOctets = 192
/** Frames held at most: half a second. */
export const mostHeld = 25
/** Frames played last that are kept: concealment and time-stretching look back as far. */
export const keptFrames = 3
/** Samples kept of a rough leg: heard last, played last, what waits behind those at most, and periods that are repeated in a gap. */
export const heardSamples = 400
const pastSamples = 120
export const waitingSamples = pastSamples + 640
export const cycleSamples = 360

/** Sound of a leg that is not calm. */
export interface RoughSound {
  /** What was heard last, or made up. */
  readonly heard: Int16Array
  /** The same as it stood before the gap. */
  readonly before: Int16Array
  /** What was played last, and behind it what waits. */
  readonly waiting: Int16Array
  /** The periods that are repeated. */
  readonly cycle: Float32Array
}

/** A leg's record as views of the lane's memory. */
export class LegRecord {
  readonly fields: Float64Array
  /** When the packets came that are held, by their slots. */
  readonly arrivals: Float64Array
  /** Of delays: delay-estimate.ts. */
  readonly shares: Float64Array
  readonly sound: RoughSound
  readonly #packets: Uint8Array

  constructor(fields: Float64Array, arrivals: Float64Array, shares: Float64Array, packets: Uint8Array, sound: RoughSound) {
    this.fields = fields
    this.arrivals = arrivals
    this.shares = shares
    this.sound = sound
    this.#packets = packets
  }

  /** Slot of a packet. */
  slot(sequenceNumber: number): number {
    return sequenceNumber & (laneSlots - 1)
  }

  /** The payload of a packet that is held, or is among those played last. */
  payload(sequenceNumber: number): Uint8Array {
    const start = slotOctets * this.slot(sequenceNumber) + laneHeader
    return this.#packets.subarray(start, start + laneFrame)
  }
}
