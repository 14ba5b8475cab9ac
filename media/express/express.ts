/**
 * The express lane of a media thread: conferences of G.711 in which nothing happens but sound are mixed by compiled code, all in one call a frame (express.c).
 *
 * A leg that has more to it than the lane knows (another codec beside G.711 keeps the whole conference out, encryption and checks the leg alone), or that gets
 * another packet than the next one of its stream (loss, another order, keys, noise, a stranger's), is attended to by {@link Leg} as ever, and only mixed here; as soon
 * as the packets are in order again, the lane has it back. Whoever is in the lane sends and counts the same as outside.
 */
import { aLaw } from '../codec/g711.ts'
import { type LaneSeat, type Leg, lawOf } from '../leg.ts'
import type { Conference, ConferenceSeat, Member } from '../mixer/conference.ts'
import type { NativeSocket, NativeUdp } from '../udp/native.ts'
import { LaneMemory, mostMembers, outcome } from './library.ts'
import { type LegRecord, laneFrame, mode, of, ofConference, ofLane } from './record.ts'

/** A participant of a conference, in the order of its members. */
export interface LaneParty {
  readonly leg: Leg
  readonly socket: NativeSocket
}

/** Times in a row that a leg may leave the lane in the frame after it came in, before it is kept out for a while: a flood of strangers' packets does not have it go in and out. */
const mostHasty = 3
const restFrames = 10

/** A leg's place in the lane. */
class Seat implements LaneSeat {
  readonly index: number
  readonly record: LegRecord
  party: LaneParty | null = null
  member: Member | null = null
  carriage: Carriage | null = null
  /** Frames that it has still to leave out, when it left the lane in the frame that is being mixed; else −1. */
  skips = -1
  /** Frame of the lane in which it came in last, and from which on it may again. */
  #entered = -1
  #mayEnter = 0
  /** Times in a row that it has left at once. */
  #hasty = 0

  constructor(index: number, record: LegRecord) {
    this.index = index
    this.record = record
  }

  get carried(): boolean {
    return this.record.fields[of.mode] === mode.carried
  }

  /** A leg that was never here sits down. */
  take(carriage: Carriage, member: Member, party: LaneParty): void {
    this.carriage = carriage
    this.member = member
    this.party = party
    this.#entered = -1
    this.#mayEnter = 0
    this.#hasty = 0
  }

  /**
   * Lets the lane carry the leg, if its packets are in order. However much waits in its socket: the lane reads all of that sooner than anybody else.
   *
   * @param frame of the lane, counted
   */
  enter(frame: number): void {
    const { leg, socket } = this.party!
    if (frame < this.#mayEnter || socket.descriptor < 0 || !leg.lend(this)) return
    if (this.record.fields[of.unheard] === 0) socket.claim()
    this.#entered = frame
    this.record.fields[of.mode] = mode.carried
    this.carriage!.fields[ofConference.slow]!--
  }

  /** Something came that the lane does not know. @param frame of the lane, counted */
  turnOut(frame: number): void {
    this.leave()
    this.#hasty = frame - this.#entered <= 1 ? this.#hasty + 1 : 0
    if (this.#hasty === mostHasty) {
      this.#hasty = 0
      this.#mayEnter = frame + restFrames
    }
  }

  readonly leave = (): void => {
    if (!this.carried) return
    this.record.fields[of.mode] = mode.attended
    this.carriage!.fields[ofConference.slow]!++
    this.party!.leg.follow()
  }
}

/** A conference in the lane. */
class Carriage implements ConferenceSeat {
  readonly index: number
  readonly fields: Float64Array
  mixer: Conference | null = null
  seats: Seat[] = []
  readonly #lane: ExpressLane

  constructor(lane: ExpressLane, index: number, fields: Float64Array) {
    this.#lane = lane
    this.index = index
    this.fields = fields
  }

  /** At least half of the legs must be carried for the lane to be the shorter way. */
  get worthwhile(): boolean {
    return 2 * this.fields[ofConference.slow]! <= this.seats.length
  }

  readonly leave = (): void => this.#lane.release(this)
}

export class ExpressLane {
  /** Whose memory the compiled code uses, too. */
  readonly layer: NativeUdp
  readonly #memory: LaneMemory
  readonly #capacity: number
  readonly #carriages = new Map<Conference, Carriage>()
  /** Made when they are first needed, lowest first, so that legs of one conference lie side by side. */
  readonly #seats: Seat[] = []
  readonly #freeSeats: Seat[] = []
  readonly #all: Carriage[] = []
  readonly #freeCarriages: Carriage[] = []
  /** Views by the place of a member: made once. */
  readonly #sounds: Int16Array[] = []
  readonly #payloads: Buffer[] = []
  /** Frames so far. */
  #frame = 0

  /**
   * @param layer of the legs' sockets: used as long as the lane is
   * @returns null where it is not built
   */
  static open(capacity: number, layer: NativeUdp): ExpressLane | null {
    const memory = LaneMemory.open(capacity, layer.ringAt)
    return memory === null ? null : new ExpressLane(memory, capacity, layer)
  }

  private constructor(memory: LaneMemory, capacity: number, layer: NativeUdp) {
    this.#memory = memory
    this.layer = layer
    this.#capacity = capacity
  }

  /** Conferences in the lane. */
  get conferences(): number {
    return this.#carriages.size
  }

  /** Legs that are carried. */
  get carried(): number {
    return this.#seats.reduce((sum, seat) => sum + Number(seat.carried), 0)
  }

  /**
   * Takes a conference into the lane if that is worth while, and out of it if it no longer is: to be called once a frame, so that legs spend few of them outside.
   *
   * @param parties one for each member of the conference, in their order
   * @returns whether it looked as if the lane could carry it, and it could not: to be asked again later
   */
  consider(mixer: Conference, parties: readonly LaneParty[]): boolean {
    const known = this.#carriages.get(mixer)
    if (known === undefined) return this.#isReady(mixer, parties) && !this.#join(mixer, parties)
    if (known.fields[ofConference.slow] === 0) return false
    for (const seat of known.seats) if (!seat.carried) seat.enter(this.#frame)
    if (known.worthwhile) return false
    known.leave()
    return true
  }

  #isReady({ members }: Conference, parties: readonly LaneParty[]): boolean {
    if (members.length === 0 || members.length > mostMembers) return false
    if (members.length > this.#capacity - this.#seats.length + this.#freeSeats.length) return false
    if (!members.every(({ format }) => format === null || lawOf(format) !== null)) return false
    return 2 * parties.reduce((sum, { leg }) => sum + Number(leg.calm), 0) >= members.length
  }

  #join(mixer: Conference, parties: readonly LaneParty[]): boolean {
    const { members, options } = mixer
    const carriage = this.#freeCarriages.pop() ?? this.#addCarriage()
    const standing = mixer.lend(carriage)
    if (standing === null) {
      this.#freeCarriages.push(carriage)
      return false
    }
    carriage.mixer = mixer
    const { fields } = carriage
    carriage.seats = members.map((member, n) => this.#sit(carriage, member, parties[n]!))
    const indexOf = (member: Member | null) => carriage.seats.find((seat) => seat.member === member)?.index ?? -1
    for (const [n, { record }] of carriage.seats.entries()) record.fields[of.next] = carriage.seats[n + 1]?.index ?? -1
    fields[ofConference.first] = carriage.seats[0]!.index
    fields[ofConference.slow] = members.length
    fields[ofConference.places] = options.voices
    fields[ofConference.autoGain] = Number(options.autoGain)
    fields[ofConference.dominant] = indexOf(standing.dominant)
    fields[ofConference.challenger] = indexOf(standing.challenger)
    fields[ofConference.challengedFor] = standing.challengedFor
    mixer.headroom.lend(fields)
    this.#memory.order[this.#carriages.size] = carriage.index
    this.#carriages.set(mixer, carriage)
    for (const seat of carriage.seats) seat.enter(this.#frame)
    if (carriage.worthwhile) return true
    carriage.leave()
    return false
  }

  #addCarriage(): Carriage {
    const carriage = new Carriage(this, this.#all.length, this.#memory.conference(this.#all.length))
    this.#all.push(carriage)
    return carriage
  }

  #addSeat(): Seat {
    const seat = new Seat(this.#seats.length, this.#memory.leg(this.#seats.length))
    this.#seats.push(seat)
    return seat
  }

  #sit(carriage: Carriage, member: Member, party: LaneParty): Seat {
    const seat = this.#freeSeats.pop() ?? this.#addSeat()
    const { fields } = seat.record
    fields.fill(0)
    fields[of.mode] = mode.attended
    fields[of.descriptor] = party.socket.descriptor
    fields[of.law] = Number(lawOf(member.format) === aLaw)
    member.lend(seat.record)
    seat.take(carriage, member, party)
    return seat
  }

  /** Gives a conference back to its mixer. */
  release(carriage: Carriage): void {
    const { mixer, seats, fields } = carriage
    if (mixer === null) return
    const memberAt = (index: number) => (index < 0 ? null : this.#seats[index]!.member)
    const standing = {
      dominant: memberAt(fields[ofConference.dominant]!),
      challenger: memberAt(fields[ofConference.challenger]!),
      challengedFor: fields[ofConference.challengedFor]!
    }
    for (const seat of seats.toReversed()) {
      seat.leave()
      seat.member!.follow()
      seat.record.fields[of.mode] = mode.absent
      seat.party = null
      seat.member = null
      seat.carriage = null
      this.#freeSeats.push(seat)
    }
    carriage.mixer = null
    carriage.seats = []
    this.#carriages.delete(mixer)
    this.#freeCarriages.push(carriage)
    let n = 0
    for (const { index } of this.#carriages.values()) this.#memory.order[n++] = index
    mixer.headroom.follow(fields)
    mixer.follow(standing)
  }

  /**
   * Mixes and sends one frame of every conference in the lane.
   *
   * @param dueMs when the frame was due
   * @param wallOffsetMs wall clock less monotonic clock
   * @param leftOut frames due before this one that nobody is to hear
   */
  tick(dueMs: number, nowMs: number, wallOffsetMs: number, leftOut: number): void {
    const memory = this.#memory
    this.#frame++
    if (this.#carriages.size === 0) return
    memory.begin(this.#carriages.size, wallOffsetMs, leftOut)
    for (let came = memory.tick(dueMs, nowMs); came !== outcome.done; came = memory.tick(dueMs, nowMs)) {
      if (came === outcome.left) this.#handOver(this.#seats[memory.fields[ofLane.leg]!]!)
      else {
        const { seats } = this.#all[memory.order[memory.fields[ofLane.atConference]!]!]!
        for (let place = 0; place < seats.length; place++) {
          const seat = seats[place]!
          if (seat.carried) continue
          if (came === outcome.pull) this.#pull(seat, place, dueMs, leftOut)
          else this.#deliver(seat, place)
        }
        // The lane goes on without looking at the clock.
        if (came === outcome.deliver) seats[0]!.party!.socket.flush()
      }
    }
    this.#tell()
  }

  /** The leg has left: what was read for it is its own to judge. */
  #handOver(seat: Seat): void {
    const { socket } = seat.party!
    seat.turnOut(this.#frame)
    seat.skips = this.#memory.fields[ofLane.skips]!
    const count = this.#memory.fields[ofLane.handed]!
    for (let n = 0; n < count; n++) {
      const { packet, address, port, arrivedMs, wallMs } = this.#memory.handed(n)
      socket.hand(packet, address, port, arrivedMs, wallMs)
    }
  }

  /** Gives the lane the sound of a leg that is only mixed. */
  #pull(seat: Seat, place: number, dueMs: number, leftOut: number): void {
    const { fields } = seat.record
    const { leg, socket } = seat.party!
    socket.turn(leftOut)
    const skips = seat.skips < 0 ? leftOut : seat.skips
    seat.skips = -1
    if (skips > 0) leg.skip(skips)
    fields[of.streamed] = fields[of.streaming]!
    const streaming = leg.pull(dueMs)
    fields[of.streaming] = Number(streaming)
    if (streaming) this.#sound(place).set(leg.frame)
  }

  #deliver({ party }: Seat, place: number): void {
    const { leg } = party!
    if (leg.listening) leg.send(this.#payload(place), laneFrame, false)
    else leg.pass()
  }

  #sound(place: number): Int16Array {
    this.#sounds[place] ??= this.#memory.frame(place)
    return this.#sounds[place]
  }

  #payload(place: number): Buffer {
    this.#payloads[place] ??= this.#memory.payload(place)
    return this.#payloads[place]
  }

  /** Tells of who began or ended to speak, and who leads. */
  #tell(): void {
    const { fields, turned, crowned } = this.#memory
    for (let n = 0; n < fields[ofLane.turned]!; n++) {
      const { record, member, carriage } = this.#seats[turned[n]!]!
      carriage!.mixer!.events.speaking(member!, record.fields[of.speaking] !== 0)
    }
    for (let n = 0; n < fields[ofLane.crowned]!; n++) {
      const { member, carriage } = this.#seats[crowned[n]!]!
      carriage!.mixer!.events.dominant(member!)
    }
  }
}
