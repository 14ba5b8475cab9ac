/**
 * The media plane: conferences that carry sound. This thread negotiates and keeps the roster; packets are the workers' (worker.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ConferencePort,
  errorCode,
  InfraFabricError,
  type JoinRequest,
  type LegEvent,
  type LegStats,
  type Log,
  type MediaRefusal,
  type ParticipantRole
} from '#kernel'
import { checkAddress, checkConfig, limitsOf, type MediaConfig, soundProblem } from './config.ts'
import { levelFlags, levelWords, type WorkerMetrics } from './control.ts'
import { IceCredentials } from './ice/ice-attributes.ts'
import type { Rooms, RoomsConfig } from './mediasoup/rooms.ts'
import type { MemberControls } from './mixer/conference.ts'
import { levelOfPower } from './mixer/kernel.ts'
import { type KeyAction, KeySequence } from './mixer/keys.ts'
import { type Sound, sounds } from './mixer/sounds.ts'
import { PlaneLeg } from './plane-leg.ts'
import { sharePorts } from './ports.ts'
import { type AudioTerms, readDescription } from './sdp.ts'
import { Secrecy, type SrtpPolicy } from './srtp/secrecy.ts'
import { type OpenedPort, Thread, type ThreadLegEvent } from './thread.ts'
import { familyOf, plainAddress } from './udp/inet.ts'

export { pcma } from './codec/g711.ts'
export { type ConferenceLimits, type MediaConfig, soundProblem } from './config.ts'
export type { WorkerMetrics } from './control.ts'
export { type MediaDelay, measureMediaDelay } from './delay.ts'
export { type HouseLine, type HouseLineConfig, openHouseLine } from './house-line.ts'
export type { DataLink, DataLinkEvent, DataPipe } from './mediasoup/data-link.ts'
export type { ConnectionEvent, MediasoupCounts, RoomLeg, Rooms, RoomsConfig } from './mediasoup/rooms.ts'
export type { KeyAction, KeyCommand, KeyTable } from './mixer/keys.ts'
export { type Sound, sounds } from './mixer/sounds.ts'
export { defaultPolicy, type RecordingPolicy } from './recording/policy.ts'
export {
  createRecorder,
  type Recorder,
  type RecorderEvent,
  type RecorderRefusal,
  type RecordingStatus
} from './recording/recorder.ts'
export { RtpPhone, type RtpPhoneOptions } from './rtp-phone.ts'
export { signalLevel, sine, toneLevel } from './tone.ts'
export { type ClipFile, type ClipType, clipTypes, largestClip } from './video/clip-probe.ts'
export { type EncoderConfig, openEncoder, type VideoEncoder } from './video/encoder.ts'
export { openPictureFeed, type PictureFeed } from './video/feed.ts'
export { createPictures, type Pictures, type PicturesConfig } from './video/pictures.ts'
export { describeRtpOut, openRtpOut, type RtpDestination } from './video/rtp-out.ts'
export { openSlides, type SlideShown, type Slides } from './video/slides.ts'
export { createStages, type Stages } from './video/stages.ts'
export { stillPicture } from './video/still.ts'
export { largestStill } from './video/still-encoder.ts'
export { stillTypes } from './video/still-size.ts'
export { openPictureView, type PictureView, type PictureViewConfig } from './video/view.ts'
export { decodeWav, encodeWav, type Wave } from './wav.ts'

export interface RosterEntry {
  readonly participant: string
  readonly role: ParticipantRole
  readonly codec: string | null
  readonly held: boolean
  /** Muted by itself, by the chair, or not heard because it observes. */
  readonly mutedBySelf: boolean
  readonly mutedByChair: boolean
  readonly handRaised: boolean
  /** How loud the others hear it, and it the others, in dB: 0 is as it comes. */
  readonly heardDb: number
  readonly hearsDb: number
  readonly speaking: boolean
  /** Leads the talk. */
  readonly dominant: boolean
  /** Whether it was in the mix of the last frame, and how loud that frame was: dBFS, −∞ for silence. */
  readonly mixed: boolean
  readonly levelDbfs: number
}

/** What happens in conferences, told when it has happened. */
export type ConferenceEvent =
  | { readonly type: 'joined'; readonly conference: string; readonly participant: string; readonly role: ParticipantRole }
  | { readonly type: 'left'; readonly conference: string; readonly participant: string }
  | {
      readonly type: 'role'
      readonly conference: string
      readonly participant: string
      readonly traceId: string
      readonly role: ParticipantRole
    }
  | {
      readonly type: 'muted'
      readonly conference: string
      readonly participant: string
      readonly traceId: string
      readonly muted: boolean
      readonly by: MuteBy
    }
  /** In dB, as in the roster. Told of what others set, not of what a participant sets for itself. */
  | {
      readonly type: 'volume'
      readonly conference: string
      readonly participant: string
      readonly traceId: string
      readonly heardDb: number
      readonly hearsDb: number
    }
  | { readonly type: 'hand'; readonly conference: string; readonly participant: string; readonly raised: boolean }
  | { readonly type: 'speaking'; readonly conference: string; readonly participant: string; readonly speaking: boolean }
  | { readonly type: 'dominant'; readonly conference: string; readonly participant: string }
  | { readonly type: 'locked'; readonly conference: string; readonly locked: boolean }
  /** The participant's first packet has come: from now on it can hear. */
  | { readonly type: 'sending'; readonly conference: string; readonly participant: string }
  /** Whatever the keys table makes of it. */
  | { readonly type: 'key'; readonly conference: string; readonly participant: string; readonly digit: string }

export type MuteBy = 'self' | 'chair'

/**
 * `join` throws {@link InfraFabricError} `media.closed`, `media.worker.lost` where no refusal fits; a leg whose thread is lost, or that has left, throws the latter.
 *
 * All that names a participant or a conference throws `media.participant.unknown`, `media.conference.unknown` when there is none.
 */
export interface MediaPlane extends ConferencePort {
  /** Whether legs are encrypted. */
  readonly srtp: SrtpPolicy
  readonly conferences: () => readonly string[]
  readonly roster: (conference: string) => readonly RosterEntry[]
  /** A participant is heard when neither it nor the chair has muted it. Neither undoes what the other has done. */
  readonly mute: (conference: string, participant: string, muted: boolean, by: MuteBy) => void
  /** Floor role: observers hear and are not heard. */
  readonly setRole: (conference: string, participant: string, role: ParticipantRole) => void
  readonly raiseHand: (conference: string, participant: string, raised: boolean) => void
  /** A key of a participant that came otherwise than in its sound (H.245 user input, SIP INFO). @param digit 0–9 * # A–D */
  readonly press: (conference: string, participant: string, digit: string) => void
  /** Sends a digit to a participant as telephone-event (RFC 4733), in place of sound for so long. One whose phone takes none hears nothing of it. */
  readonly sendDigit: (conference: string, participant: string, digit: string, durationMs: number) => void
  /** Sets how loud the others hear a participant, and it the others. Each from −60 to 12 dB. @throws {RangeError} */
  readonly setVolume: (
    conference: string,
    participant: string,
    volume: { readonly heardDb?: number; readonly hearsDb?: number }
  ) => void
  /** Nobody joins a locked conference (`conference.locked`). The lock goes with the last participant. */
  readonly lock: (conference: string, locked: boolean) => void
  /**
   * Plays a sound to a conference, or to one participant of it, over whatever is said. Sounds at the same time are mixed.
   *
   * @returns whether all of it was played: false when the conference or the participant went before its end
   * @throws {InfraFabricError} `media.sound.invalid`
   */
  readonly announce: (conference: string, sound: Sound, to?: string) => Promise<boolean>
  readonly onConferenceEvent: (listener: (event: ConferenceEvent) => void) => void
  /** Told of each leg that has left: how it sounded. Legs of lost threads are not told. */
  readonly onLegEnd: (listener: (stats: LegStats) => void) => void
  /**
   * Copies what is to be recorded of a conference into a ring, from now on; null ends that. Of participants, only those are in it whom
   * `recordParticipant` has given a number above 0. The ring is the plane's until it is told null: see recording/ring.ts.
   */
  readonly record: (conference: string, ring: SharedArrayBuffer | null) => void
  readonly recordParticipant: (conference: string, participant: string, slot: number) => void
  /** One for each thread. @throws {InfraFabricError} `media.closed`, `media.worker.lost` */
  readonly threadMetrics: () => Promise<readonly WorkerMetrics[]>
  /** All threads together: sums, and the worst of times. @throws {InfraFabricError} `media.closed`, `media.worker.lost` */
  readonly metrics: () => Promise<WorkerMetrics>
  /** Ends every leg and the threads. Idempotent. */
  readonly close: () => Promise<void>
}

interface Member {
  readonly id: number
  readonly conference: string
  readonly participant: string
  /** Of the call that brought it. */
  readonly traceId: string
  role: ParticipantRole
  codec: string | null
  held: boolean
  mutedBySelf: boolean
  mutedByChair: boolean
  handRaised: boolean
  heardDb: number
  hearsDb: number
  speaking: boolean
  dominant: boolean
  /** Null until its ports are open. */
  place: { readonly thread: Thread; readonly index: number } | null
  readonly keys: KeySequence
}

interface ConferenceRecord {
  /** Place of its thread in the list of threads. */
  readonly slot: number
  locked: boolean
  members: readonly Member[]
}

/** Pause before a lost thread is replaced, so that one that cannot live does not eat the machine. */
const restartPauseMs = 100
/** Of a participant's volume, in dB. */
export const volumeBounds = { least: -60, most: 12 }
const volumeStepDb = 3

const planeClosed = () => new InfraFabricError('media.closed', 'the media plane is closed')

export { isWebRtc } from './mediasoup/sdp-webrtc.ts'

/** Browsers beside telephones in the conferences of a plane: `createRooms` of mediasoup/rooms.ts, which is loaded where it is used. */
export async function createRooms(plane: MediaPlane, config: RoomsConfig): Promise<Rooms> {
  return (await import('./mediasoup/rooms.ts')).createRooms(plane, config)
}

/** The best of a thread that serves, also after the one before was lost. */
class ThreadSlot {
  readonly #start: () => Promise<Thread>
  readonly #log: Log
  #thread: Promise<Thread>
  closing = false

  constructor(start: (onLost: (thread: Thread) => void) => Promise<Thread>, lost: (thread: Thread) => void, log: Log) {
    this.#log = log
    this.#start = () =>
      start((thread) => {
        lost(thread)
        this.#replace()
      })
    this.#thread = this.#start()
  }

  #replace(): void {
    if (this.closing) return
    this.#thread = sleep(restartPauseMs).then(() => {
      if (this.closing) throw planeClosed()
      return this.#start()
    })
    this.#thread.catch((error: unknown) => {
      if (!this.closing) this.#log.fatal({ code: errorCode(error) }, 'media thread cannot be started')
    })
  }

  first(): Promise<Thread> {
    return this.#thread
  }

  /** The thread that serves new legs. One that could not be started is tried again. */
  async running(): Promise<Thread> {
    if (this.closing) throw planeClosed()
    const tried = this.#thread
    try {
      return await tried
    } catch (error) {
      if (this.closing) throw planeClosed()
      if (tried !== this.#thread) return this.running()
      this.#log.warn({ code: errorCode(error) }, 'media thread started again')
      this.#thread = this.#start()
      return this.#thread
    }
  }

  async close(): Promise<void> {
    this.closing = true
    const last = await this.#thread.catch(() => null)
    await last?.shutdown()
  }
}

/** Starts the media plane. @throws {ConfigError} */
export async function createMediaPlane(config: MediaConfig): Promise<MediaPlane> {
  const checked = checkConfig(config)
  const addresses = checked.address6 === null ? [checked.address] : [checked.address, plainAddress(checked.address6)]
  await Promise.all(addresses.map(checkAddress))
  const { log } = checked
  const ports = sharePorts(checked.portRange)
  const levels = new Float32Array(new SharedArrayBuffer(4 * levelWords * ports.count))
  let nextId = 0
  let closing: Promise<void> | null = null
  const members = new Map<number, Member>()
  const conferences = new Map<string, ConferenceRecord>()
  const listeners: ((event: ConferenceEvent) => void)[] = []
  const endListeners: ((stats: LegStats) => void)[] = []
  const tell = (event: ConferenceEvent) => {
    for (const listener of listeners) listener(event)
  }
  const membersOf = (conference: string) => conferences.get(conference)?.members ?? []

  const lost = (thread: Thread) => {
    if (closing === null) log.error({ legs: thread.legs.size, cause: String(thread.cause ?? 'it ended') }, 'media thread lost')
    for (const id of thread.legs.keys()) remove(id)
  }
  const slots = Array.from({ length: checked.threads }, (_, slot) => {
    const settings = {
      addresses,
      ports,
      levels,
      owner: slot + 1,
      jitterTargetMs: checked.jitterTargetMs,
      mediaTimeoutMs: checked.mediaTimeoutMs,
      latchWindowMs: checked.latchWindowMs,
      reportIntervalMs: checked.reportIntervalMs,
      autoGain: checked.autoGain,
      highestRateHz: checked.highestRateHz,
      economy: checked.economy,
      udp: checked.udp
    }
    return new ThreadSlot((onLost) => Thread.start(settings, onLost), lost, log)
  })
  try {
    await Promise.all(slots.map((slot) => slot.first()))
  } catch (error) {
    await Promise.all(slots.map((slot) => slot.close()))
    throw error
  }

  /** The thread with the fewest participants. */
  function leastLoaded(): number {
    const load = slots.map(() => 0)
    for (const { slot, members: present } of conferences.values()) load[slot]! += present.length
    return load.indexOf(Math.min(...load))
  }

  function enter(member: Member): ConferenceRecord {
    let record = conferences.get(member.conference)
    if (record === undefined) {
      record = { slot: leastLoaded(), locked: false, members: [] }
      conferences.set(member.conference, record)
    }
    record.members = [...record.members, member]
    members.set(member.id, member)
    return record
  }

  function remove(id: number): void {
    const member = members.get(id)
    if (member === undefined) return
    members.delete(id)
    const { conference, participant, place } = member
    const record = conferences.get(conference)!
    record.members = record.members.filter((other) => other !== member)
    if (record.members.length === 0) conferences.delete(conference)
    if (place === null) return
    tell({ type: 'left', conference, participant })
    if (record.members.length > 0 && checked.exitSound !== null && closing === null) play(conference, checked.exitSound, null)
  }

  function find(conference: string, participant: string): Member {
    for (const member of conferences.get(conference)?.members ?? []) if (member.participant === participant) return member
    throw new InfraFabricError('media.participant.unknown', `${participant} is not in ${conference}`)
  }

  function findConference(conference: string): ConferenceRecord {
    const record = conferences.get(conference)
    if (record === undefined) throw new InfraFabricError('media.conference.unknown', `there is no conference ${conference}`)
    return record
  }

  const controlsOf = ({ role, mutedBySelf, mutedByChair, heardDb, hearsDb }: Member): MemberControls => ({
    speaks: role !== 'observer' && !mutedBySelf && !mutedByChair,
    heardDb,
    hearsDb
  })

  function control(member: Member): void {
    member.place?.thread.post({ type: 'control', leg: member.id, controls: controlsOf(member) })
  }

  async function playIn(thread: Thread, conference: string, sound: Sound, leg: number | null): Promise<boolean> {
    try {
      const played = await thread.request('played', (request) => ({ type: 'play', request, conference, leg, sound }), null)
      return played.whole
    } catch (error) {
      if (errorCode(error) !== 'media.worker.lost') throw error
      return false
    }
  }

  /** Thread of a conference; undefined before anybody has ports. */
  const threadOf = (conference: string) => membersOf(conference).find(({ place }) => place !== null)?.place?.thread

  /** Plays a sound of our own; whether it is heard is nobody's concern. */
  function play(conference: string, sound: Sound, to: Member | null): void {
    const thread = to === null ? threadOf(conference) : to.place?.thread
    if (thread !== undefined && !thread.lost) thread.post({ type: 'play', request: null, conference, leg: to?.id ?? null, sound })
  }

  function setMute(member: Member, muted: boolean, by: MuteBy): void {
    const { conference, participant, traceId } = member
    const field = by === 'self' ? 'mutedBySelf' : 'mutedByChair'
    if (member[field] === muted) return
    member[field] = muted
    control(member)
    tell({ type: 'muted', conference, participant, traceId, muted, by })
  }

  function setHand(member: Member, raised: boolean): void {
    const { conference, participant } = member
    if (member.handRaised === raised) return
    member.handRaised = raised
    tell({ type: 'hand', conference, participant, raised })
  }

  function setLock(conference: string, record: ConferenceRecord, locked: boolean): void {
    if (record.locked === locked) return
    record.locked = locked
    tell({ type: 'locked', conference, locked })
  }

  const withinBounds = (decibels: number) => Math.max(volumeBounds.least, Math.min(volumeBounds.most, decibels))

  /** What keys do, each with the sound that the participant hears. */
  const actions: Readonly<Record<KeyAction, (member: Member) => Sound>> = {
    mute: (member) => {
      setMute(member, !member.mutedBySelf, 'self')
      return member.mutedBySelf ? sounds.muted : sounds.unmuted
    },
    hand: (member) => {
      setHand(member, !member.handRaised)
      return sounds.done
    },
    lock: ({ conference }) => {
      const record = conferences.get(conference)!
      setLock(conference, record, !record.locked)
      return sounds.done
    },
    louder: (member) => {
      member.hearsDb = withinBounds(member.hearsDb + volumeStepDb)
      control(member)
      return sounds.done
    },
    softer: (member) => {
      member.hearsDb = withinBounds(member.hearsDb - volumeStepDb)
      control(member)
      return sounds.done
    }
  }

  function press(member: Member, digit: string): void {
    const { conference, participant } = member
    tell({ type: 'key', conference, participant, digit })
    const action = member.keys.press(digit, member.role, performance.now())
    if (action !== null) play(conference, actions[action](member), member)
  }

  function observe(id: number, event: ThreadLegEvent | LegEvent): void {
    const member = members.get(id)
    if (member === undefined) return
    const { conference, participant } = member
    if (event.type === 'dtmf') press(member, event.digit)
    else if (event.type === 'speaking') {
      member.speaking = event.speaking
      tell({ type: 'speaking', conference, participant, speaking: event.speaking })
    } else if (event.type === 'sending') tell({ type: 'sending', conference, participant })
    else if (event.type === 'dominant') {
      for (const other of membersOf(conference)) other.dominant = other === member
      tell({ type: 'dominant', conference, participant })
    }
  }

  const join = async (traceId: string, request: JoinRequest): Promise<Awaited<ReturnType<ConferencePort['join']>>> => {
    if (closing !== null) throw planeClosed()
    const { conference, participant, role, offer, family = 4 } = request
    const keys = { secrecy: new Secrecy(checked.srtp), ice: new IceCredentials(checked.ice === 'lite') }
    const read = offer === null ? null : readDescription(offer, keys.secrecy, keys.ice, addresses.map(familyOf))
    if (read !== null && !read.ok) return read
    const refuse = (code: MediaRefusal['code'], reason: string): MediaRefusal => ({ ok: false, code, reason })
    const wanted = read === null ? family : familyOf(read.terms.remote.address)
    const address = addresses.find((each) => familyOf(each) === wanted)
    if (address === undefined) return refuse('sdp.no-address', `no IPv${wanted} here`)
    const present = membersOf(conference)
    if (present.some((member) => member.participant === participant)) {
      return refuse('conference.full', `${participant} is in ${conference} already`)
    }
    if (conferences.get(conference)?.locked === true) return refuse('conference.locked', `${conference} is locked`)
    const { maxParticipants, voices } = limitsOf(checked, conference)
    if (present.length >= maxParticipants) {
      return refuse('conference.full', `${conference} has ${maxParticipants} participants`)
    }
    const id = nextId++
    const member: Member = {
      id,
      conference,
      participant,
      traceId,
      role,
      codec: null,
      held: false,
      mutedBySelf: false,
      mutedByChair: false,
      handRaised: false,
      heardDb: 0,
      hearsDb: 0,
      speaking: false,
      dominant: false,
      place: null,
      keys: new KeySequence(checked.keys)
    }
    const { slot } = enter(member)
    let thread: Thread
    let opened: OpenedPort
    try {
      thread = await slots[slot]!.running()
      opened = await thread.open({
        leg: id,
        address,
        conference,
        voices,
        controls: controlsOf(member),
        terms: read?.terms ?? null
      })
      if (closing !== null) throw planeClosed()
      member.place = { thread, index: opened.index }
    } catch (error) {
      remove(id)
      if (closing !== null) throw planeClosed()
      if (errorCode(error) !== 'conference.no-ports') throw error
      return refuse('conference.no-ports', (error as InfraFabricError).message)
    }
    const changed = (terms: AudioTerms | null) => {
      if (terms === null) remove(id)
      else {
        member.codec = terms.codec
        member.held = terms.held
      }
    }
    const named = familyOf(address) === 4 ? (checked.announcedAddress ?? address) : address
    const leg = new PlaneLeg(thread, id, opened, named, keys, read?.terms ?? null, {
      changed,
      observe: (event) => observe(id, event),
      ended: (stats) => {
        for (const listener of endListeners) listener(stats)
      }
    })
    const sdp = read === null ? leg.offer() : leg.answer(read)
    tell({ type: 'joined', conference, participant, role })
    if (checked.entrySound !== null) play(conference, checked.entrySound, null)
    return { ok: true, leg, sdp }
  }

  const threadMetrics = () =>
    Promise.all(
      slots.map(async (slot) => {
        const thread = await slot.running()
        return (await thread.request('metrics', (request) => ({ type: 'metrics', request }))).metrics
      })
    )

  return {
    srtp: checked.srtp,
    join: ({ traceId }, request) => join(traceId, request),
    conferences: () => [...conferences.keys()],
    roster: (conference) =>
      membersOf(conference).map((member) => {
        const { participant, role, codec, held, mutedBySelf, mutedByChair, handRaised, heardDb, hearsDb } = member
        const at = member.place === null ? -1 : levelWords * member.place.index
        return {
          participant,
          role,
          codec,
          held,
          mutedBySelf,
          mutedByChair,
          handRaised,
          heardDb,
          hearsDb,
          speaking: member.speaking,
          dominant: member.dominant,
          mixed: at >= 0 && (levels[at + 1]! & levelFlags.mixed) !== 0,
          levelDbfs: levelOfPower(at < 0 ? 0 : levels[at]!)
        }
      }),
    mute: (conference, participant, muted, by) => setMute(find(conference, participant), muted, by),
    setRole: (conference, participant, role) => {
      const member = find(conference, participant)
      if (member.role === role) return
      member.role = role
      control(member)
      tell({ type: 'role', conference, participant, traceId: member.traceId, role })
    },
    raiseHand: (conference, participant, raised) => setHand(find(conference, participant), raised),
    press: (conference, participant, digit) => press(find(conference, participant), digit),
    sendDigit: (conference, participant, digit, durationMs) => {
      const { id: leg, place } = find(conference, participant)
      place?.thread.post({ type: 'press', leg, digit, durationMs })
    },
    setVolume: (conference, participant, { heardDb, hearsDb }) => {
      const member = find(conference, participant)
      for (const decibels of [heardDb, hearsDb]) {
        if (decibels !== undefined && withinBounds(decibels) !== decibels)
          throw new RangeError(`a volume is from ${volumeBounds.least} to ${volumeBounds.most} dB, not ${decibels}`)
      }
      member.heardDb = heardDb ?? member.heardDb
      member.hearsDb = hearsDb ?? member.hearsDb
      control(member)
      tell({
        type: 'volume',
        conference,
        participant,
        traceId: member.traceId,
        heardDb: member.heardDb,
        hearsDb: member.hearsDb
      })
    },
    lock: (conference, locked) => setLock(conference, findConference(conference), locked),
    announce: async (conference, sound, to) => {
      const { slot } = findConference(conference)
      const member = to === undefined ? null : find(conference, to)
      const problem = soundProblem(sound)
      if (problem !== null) throw new InfraFabricError('media.sound.invalid', problem)
      return playIn(member?.place?.thread ?? (await slots[slot]!.running()), conference, sound, member?.id ?? null)
    },
    onConferenceEvent: (listener) => void listeners.push(listener),
    onLegEnd: (listener) => void endListeners.push(listener),
    record: (conference, ring) => {
      findConference(conference)
      threadOf(conference)?.post({ type: 'record', conference, ring })
    },
    recordParticipant: (conference, participant, slot) => {
      const member = find(conference, participant)
      member.place?.thread.post({ type: 'recordLeg', leg: member.id, slot })
    },
    threadMetrics,
    metrics: async () => (await threadMetrics()).reduce(together),
    close: () => {
      closing ??= Promise.all(slots.map((slot) => slot.close())).then(() => undefined)
      return closing
    }
  }
}

/** Sums of two threads' counts, and the worse of their times. */
function together(a: WorkerMetrics, b: WorkerMetrics): WorkerMetrics {
  const sum = (name: 'received' | 'sent') => ({
    packets: a[name].packets + b[name].packets,
    bytes: a[name].bytes + b[name].bytes,
    errors: a[name].errors + b[name].errors,
    dropped: a[name].dropped + b[name].dropped
  })
  return {
    legs: a.legs + b.legs,
    conferences: a.conferences + b.conferences,
    ticks: a.ticks + b.ticks,
    overruns: a.overruns + b.overruns,
    lateP50Ms: Math.max(a.lateP50Ms, b.lateP50Ms),
    lateP99Ms: Math.max(a.lateP99Ms, b.lateP99Ms),
    workP99Ms: Math.max(a.workP99Ms, b.workP99Ms),
    received: sum('received'),
    sent: sum('sent'),
    strangers: a.strangers + b.strangers,
    cpuMs: a.cpuMs + b.cpuMs,
    gcMaxMs: Math.max(a.gcMaxMs, b.gcMaxMs),
    gcPauses: a.gcPauses + b.gcPauses,
    express: a.express + b.express,
    economy: a.economy > b.economy ? a.economy : b.economy,
    udp: a.udp,
    kernel: a.kernel
  }
}
