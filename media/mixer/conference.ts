/**
 * One conference: who is mixed, what each participant hears, and what is encoded once for many.
 *
 * The mix has the highest sample rate among its participants. Only the loudest voices are in it (speakers.ts); each of them hears the mix less its own part,
 * and all others hear the same, encoded once for each codec. So the work grows with the voices and the codecs, not with the square of the participants.
 *
 * Without sockets and clock. `tick` allocates nothing.
 */

import { InfraFabricError } from '#kernel'
import { type LegRecord, of } from '../express/record.ts'
import { Downlink, type SendFormat } from './downlink.ts'
import { AutoGain } from './gain.ts'
import { Headroom } from './headroom.ts'
import { gainOfBoth, gainOfDecibels, unityGain } from './kernel.ts'
import { frameSamples, Lane, type MixTools } from './lane.ts'
import { Playback } from './playback.ts'
import type { Sound } from './sounds.ts'
import { newVoice, SpeakerChoice, type Standing, type Voice } from './speakers.ts'

/** A participant's stream as the mixer uses it. */
export interface Party {
  /** Sound of this tick at `rateHz`, after {@link pull}; may be changed by the mixer. */
  readonly frame: Int16Array
  /** Sample rate of what the participant sends; 0 before it is known. */
  readonly rateHz: number
  /** How to send to it; null before that is known. A new object means that it has changed: {@link Conference.refresh}. */
  readonly format: SendFormat | null
  /** Whether it takes sound now. */
  readonly listening: boolean
  /** Loss that it has reported of what it is sent, in per cent; 0 for next to none. */
  readonly lossPercent: number
  /** Fills `frame`. @returns whether there is something in it to mix */
  readonly pull: (nowMs: number) => boolean
  /** Sends a payload that stands in `packet` behind room for a header, which is written here. */
  readonly send: (packet: Buffer, octets: number, comfortNoise: boolean) => void
  /** Lets the time of a frame pass in which nothing is sent. */
  readonly pass: () => void
}

/** What the chair and the participant have set. */
export interface MemberControls {
  /** May be heard: not muted, and no observer. */
  readonly speaks: boolean
  /** How loud the others hear it, in dB. */
  readonly heardDb: number
  /** How loud it hears the others, in dB. */
  readonly hearsDb: number
}

export interface ConferenceEvents {
  readonly speaking: (member: Member, speaking: boolean) => void
  readonly dominant: (member: Member) => void
  /** Nothing can be sent to a member any more: its codec has failed. */
  readonly failed: (member: Member, error: InfraFabricError) => void
}

export interface ConferenceOptions {
  /** Voices mixed at most. */
  readonly voices: number
  readonly autoGain: boolean
}

export const openControls: MemberControls = { speaks: true, heardDb: 0, hearsDb: 0 }
const lowestRateHz = 8000
/** Sounds played at once to a conference, or to one participant. */
const mostSounds = 4

/** Is shown every frame when it was mixed; what it is given is good until it returns. */
export interface FrameTap {
  readonly frame: (nowMs: number, rateHz: number, members: readonly Member[], playing: readonly Playing[]) => void
}

/** A participant in the mixer. */
export class Member implements Voice {
  readonly id: number
  readonly party: Party
  sounding = false
  power = 0
  selected = newVoice.selected
  score = newVoice.score
  activity = newVoice.activity
  speaking = newVoice.speaking
  turning = newVoice.turning
  controls: MemberControls = openControls
  readonly autoGain = new AutoGain()
  /** Gain that `controls` and `autoGain` ask for. */
  gain = unityGain
  /** Gain of the others' sound for this one. */
  hearsGain = unityGain
  /** The same at the end of the frame before: from there it is faded. */
  hearsApplied = unityGain
  /** Gain at the end of the frame before; 0 when it was kept out of the mix. */
  applied = 0
  /** Whether sound of it came in this frame, heard or not. */
  streaming = false
  /** The same for the frame before. */
  streamed = false
  /** Whether it has a part of the mix. */
  mixed = false
  /** Its part of the mix of this tick, null when it has none; `partBefore` the same at the rate before, in the tick of a change. */
  part: Int16Array | null = null
  partBefore: Int16Array | null = null
  uplink: Lane | null = null
  uplinkRateHz = 0
  uplinkBefore: Lane | null = null
  /** Format for which the downlinks below are. */
  format: SendFormat | null = null
  shared: Downlink | null = null
  own: Downlink | null = null
  /** Number under which it is recorded; 0 while it is not. */
  slot = 0
  /** Its codec has failed: nothing is sent until there is another format. */
  broken = false
  /** Sounds for this one alone. */
  readonly playing: Playing[] = []
  /** While the express lane mixes it. */
  #record: LegRecord | null = null

  constructor(id: number, party: Party) {
    this.id = id
    this.party = party
  }

  setGain(autoGain: boolean): void {
    this.gain = gainOfDecibels(this.controls.heardDb + (autoGain ? this.autoGain.decibels : 0))
  }

  /** Lets the express lane mix it. */
  lend(record: LegRecord): void {
    const { fields } = record
    this.#record = record
    this.autoGain.lend(record)
    fields[of.speaks] = Number(this.controls.speaks)
    fields[of.heardDb] = this.controls.heardDb
    fields[of.gain] = this.gain
    fields[of.hearsGain] = this.hearsGain
    fields[of.applied] = this.applied
    fields[of.streaming] = Number(this.streaming)
    fields[of.selected] = Number(this.selected)
    fields[of.score] = this.score
    fields[of.activity] = this.activity
    fields[of.speaking] = Number(this.speaking)
    fields[of.turning] = this.turning
  }

  /** The inverse of {@link lend}. */
  follow(): void {
    this.glance()
    const record = this.#record!
    const { fields } = record
    this.#record = null
    this.autoGain.follow(record)
    this.gain = fields[of.gain]!
    this.applied = fields[of.applied]!
    this.streaming = fields[of.streaming] !== 0
    this.selected = fields[of.selected] !== 0
    this.score = fields[of.score]!
    this.activity = fields[of.activity]!
    this.turning = fields[of.turning]!
  }

  /** What the express lane shows of it: `power`, `speaking` and `mixed` are of the last frame. */
  glance(): void {
    if (this.#record === null) return
    const { fields } = this.#record
    this.power = fields[of.power]!
    this.speaking = fields[of.speaking] !== 0
    this.mixed = fields[of.part] !== 0
  }
}

/** Where a conference is in the express lane. */
export interface ConferenceSeat {
  /** Gives it back: the members follow their records. */
  readonly leave: () => void
}

/** A playback and its way into the mix. */
export interface Playing {
  readonly playback: Playback
  uplink: Lane
  uplinkBefore: Lane | null
  part: Int16Array | null
  partBefore: Int16Array | null
}

/** A sum at one sample rate, and room for what one participant hears of it. */
class Bus {
  readonly rateHz: number
  readonly sum: Int32Array
  readonly heard: Int16Array
  readonly #tools: MixTools

  constructor(tools: MixTools, rateHz: number) {
    this.#tools = tools
    this.rateHz = rateHz
    this.sum = tools.kernel.sum(frameSamples(rateHz))
    this.heard = tools.kernel.frame(frameSamples(rateHz))
  }

  close(): void {
    this.#tools.kernel.free(this.sum)
    this.#tools.kernel.free(this.heard)
  }
}

export class Conference {
  readonly #tools: MixTools
  readonly #options: ConferenceOptions
  readonly #events: ConferenceEvents
  readonly #choice: SpeakerChoice<Member>
  readonly #members: Member[] = []
  readonly #shared = new Map<string, Downlink>()
  /** Sounds for all. */
  readonly #playing: Playing[] = []
  readonly headroom = new Headroom()
  #tap: FrameTap | null = null
  #bus: Bus
  /** The bus at the rate before, in the tick of a change. */
  #before: Bus | null = null
  #tick = 0
  /** Somebody has come, gone, or agreed to another format. */
  #changed = true
  /** While the express lane mixes it. */
  #seat: ConferenceSeat | null = null

  constructor(tools: MixTools, options: ConferenceOptions, events: ConferenceEvents) {
    this.#tools = tools
    this.#options = options
    this.#events = events
    this.#choice = new SpeakerChoice(options.voices)
    this.#bus = new Bus(tools, lowestRateHz)
  }

  get size(): number {
    return this.#members.length
  }

  get members(): readonly Member[] {
    return this.#members
  }

  get rateHz(): number {
    return this.#bus.rateHz
  }

  /** Records; null while nothing is recorded. */
  get tap(): FrameTap | null {
    return this.#tap
  }

  set tap(tap: FrameTap | null) {
    this.#seat?.leave()
    this.#tap = tap
  }

  get options(): ConferenceOptions {
    return this.#options
  }

  get events(): ConferenceEvents {
    return this.#events
  }

  /** Whether the express lane mixes it; {@link tick} must not be called then. */
  get lent(): boolean {
    return this.#seat !== null
  }

  /** Lets the express lane mix it. @returns who leads; null where there is more to it than voices at 8 kHz, and it stays here */
  lend(seat: ConferenceSeat): Standing<Member> | null {
    const plain = !this.#changed && this.#before === null && this.rateHz === lowestRateHz && this.tap === null
    if (!plain || this.#playing.length > 0 || this.#seat !== null) return null
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      if (member.playing.length > 0 || member.broken || member.format !== member.party.format) return null
    }
    this.#seat = seat
    return this.#choice.standing
  }

  /** Goes on where the express lane was. */
  follow(standing: Standing<Member>): void {
    this.#choice.standing = standing
    this.#seat = null
  }

  add(id: number, party: Party): Member {
    this.#seat?.leave()
    const member = new Member(id, party)
    this.#members.push(member)
    this.#changed = true
    return member
  }

  remove(member: Member): void {
    const at = this.#members.indexOf(member)
    if (at < 0) return
    this.#seat?.leave()
    this.#members.splice(at, 1)
    this.#changed = true
    this.#choice.forget(member)
    this.#dropDownlinks(member)
    member.uplink?.close()
    member.uplinkBefore?.close()
    for (const playing of member.playing.splice(0)) this.#stop(playing)
  }

  /** To be called when the rate or the format of a party has changed. */
  refresh(): void {
    this.#seat?.leave()
    this.#changed = true
  }

  control(member: Member, controls: MemberControls): void {
    this.#seat?.leave()
    member.controls = controls
    member.hearsGain = gainOfDecibels(controls.hearsDb)
    member.setGain(this.#options.autoGain)
  }

  /**
   * Plays a sound to all, or to one. Several sound at once, up to {@link mostSounds}; one more is over before it begins.
   *
   * @param ended told once, in a tick or when the conference or the participant goes before its end
   * @throws {RangeError} for a sample rate that cannot be changed into that of the mix
   */
  play(sound: Sound, to: Member | null, ended: (whole: boolean) => void): void {
    this.#seat?.leave()
    const list = to === null ? this.#playing : to.playing
    if (list.length >= mostSounds) {
      ended(false)
      return
    }
    const playback = new Playback(this.#tools.kernel, sound, ended)
    const uplink = new Lane(this.#tools, sound.sampleRateHz, this.#bus.rateHz)
    list.push({ playback, uplink, uplinkBefore: null, part: null, partBefore: null })
  }

  /** Mixes and sends one frame. */
  tick(nowMs: number): void {
    this.#tick++
    if (this.#changed) this.#followFormats()
    this.#pull(nowMs)
    const { dominant, turned } = this.#choice.choose(this.#members)
    this.#mix()
    if (this.#tap !== null) this.#tap.frame(nowMs, this.#bus.rateHz, this.#members, this.#playing)
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      this.#send(member)
      member.hearsApplied = member.hearsGain
    }
    this.#finishChange()
    for (let n = 0; n < turned.length; n++) this.#events.speaking(turned[n]!, turned[n]!.speaking)
    if (dominant) this.#events.dominant(this.#choice.dominant!)
  }

  /** Ends every sound and gives back all memory; the members are the caller's. */
  close(): void {
    for (const member of [...this.#members]) this.remove(member)
    for (const playing of this.#playing.splice(0)) this.#stop(playing)
    this.#bus.close()
  }

  /** Downlinks and the rate of the mix follow what participants have agreed to. */
  #followFormats(): void {
    this.#changed = false
    let wantedHz = lowestRateHz
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      const { format, rateHz } = member.party
      if (format !== member.format) {
        this.#dropDownlinks(member)
        member.format = format
        if (format !== null) this.#share(member, format)
      }
      if (rateHz > wantedHz) wantedHz = rateHz
      if (format !== null && format.rateHz > wantedHz) wantedHz = format.rateHz
    }
    if (wantedHz !== this.#bus.rateHz) this.#retune(wantedHz)
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      if (member.party.rateHz === member.uplinkRateHz) continue
      member.uplink?.close()
      member.uplinkBefore?.close()
      member.uplinkBefore = null
      member.uplinkRateHz = member.party.rateHz
      member.uplink = new Lane(this.#tools, member.uplinkRateHz, this.#bus.rateHz)
    }
  }

  #share(member: Member, format: SendFormat): void {
    const shared = this.#shared.get(format.key) ?? this.#downlink(member, format)
    if (shared === null) return
    this.#shared.set(format.key, shared)
    shared.users++
    member.shared = shared
  }

  /** @returns null when the codec gives no encoder: that is told once */
  #downlink(member: Member, format: SendFormat): Downlink | null {
    try {
      return new Downlink(this.#tools, format, this.#bus.rateHz)
    } catch (error) {
      if (!(error instanceof InfraFabricError)) throw error
      member.broken = true
      this.#events.failed(member, error)
      return null
    }
  }

  #dropDownlinks(member: Member): void {
    const { shared, own } = member
    member.broken = false
    own?.close()
    member.own = null
    member.shared = null
    if (shared === null || --shared.users > 0) return
    this.#shared.delete(shared.format.key)
    shared.close()
  }

  /** Begins a change of rate: in this tick everything is mixed at both rates, and each participant goes over from one to the other. */
  #retune(rateHz: number): void {
    this.#before = this.#bus
    this.#bus = new Bus(this.#tools, rateHz)
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      member.own?.retune(rateHz)
      if (member.uplink !== null) {
        member.uplinkBefore = member.uplink
        member.uplink = new Lane(this.#tools, member.uplinkRateHz, rateHz)
        // The last frame fills the filter, so that the new rate does not begin with silence.
        if (member.party.frame.length === frameSamples(member.uplinkRateHz)) member.uplink.run(member.party.frame)
      }
      for (const playing of member.playing) this.#retunePlaying(playing, rateHz)
    }
    for (const playing of this.#playing) this.#retunePlaying(playing, rateHz)
    for (const shared of this.#shared.values()) shared.retune(rateHz)
  }

  #retunePlaying(playing: Playing, rateHz: number): void {
    playing.uplinkBefore = playing.uplink
    playing.uplink = new Lane(this.#tools, playing.playback.rateHz, rateHz)
    playing.uplink.run(playing.playback.frame)
  }

  #finishChange(): void {
    if (this.#before === null) return
    this.#before.close()
    this.#before = null
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      member.uplinkBefore?.close()
      member.uplinkBefore = null
      member.partBefore = null
      for (const playing of member.playing) this.#finishPlaying(playing)
    }
    for (const playing of this.#playing) this.#finishPlaying(playing)
  }

  #finishPlaying(playing: Playing): void {
    playing.uplinkBefore?.close()
    playing.uplinkBefore = null
    playing.partBefore = null
  }

  #pull(nowMs: number): void {
    const { kernel } = this.#tools
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      member.streamed = member.streaming
      member.streaming = member.party.pull(nowMs)
      // Who is being muted is faded once more.
      member.sounding = member.streaming && (member.controls.speaks || member.applied > 0)
      member.power = member.sounding ? kernel.power(member.party.frame) : 0
    }
  }

  #mix(): void {
    const { kernel } = this.#tools
    this.#bus.sum.fill(0)
    this.#before?.sum.fill(0)
    for (let n = 0; n < this.#members.length; n++) {
      const member = this.#members[n]!
      member.part = null
      member.partBefore = null
      member.mixed = false
      if (!member.sounding) {
        member.applied = 0
        continue
      }
      if (member.selected && this.#options.autoGain && member.autoGain.update(member.power)) member.setGain(true)
      const wanted = member.selected && member.controls.speaks ? gainOfBoth(member.gain, this.headroom.gain) : 0
      // Who begins to send begins at once; who was kept out, or loses the place, is faded.
      const from = member.streamed ? member.applied : wanted
      member.applied = wanted
      if (wanted === 0 && from === 0) continue
      const { frame } = member.party
      if (wanted !== unityGain || from !== unityGain) kernel.scale(frame, from, wanted)
      member.part = member.uplink!.run(frame)
      member.mixed = true
      kernel.add(this.#bus.sum, member.part)
      if (this.#before === null) continue
      member.partBefore = (member.uplinkBefore ?? member.uplink!).run(frame)
      if (member.partBefore.length === this.#before.sum.length) kernel.add(this.#before.sum, member.partBefore)
      else member.partBefore = null
    }
    this.#pullPlaying(this.#playing)
    for (let n = 0; n < this.#playing.length; n++) {
      const { part, partBefore } = this.#playing[n]!
      kernel.add(this.#bus.sum, part!)
      if (this.#before !== null && partBefore !== null) kernel.add(this.#before.sum, partBefore)
    }
    this.headroom.update(kernel.peak(this.#bus.sum))
  }

  /** Takes this tick's part of each sound; those that are over are ended and leave the list. */
  #pullPlaying(list: Playing[]): void {
    for (let n = list.length - 1; n >= 0; n--) {
      const playing = list[n]!
      if (!playing.playback.pull()) {
        list.splice(n, 1)
        this.#stop(playing)
        continue
      }
      playing.part = playing.uplink.run(playing.playback.frame)
      playing.partBefore = playing.uplinkBefore?.run(playing.playback.frame) ?? null
    }
  }

  #stop({ playback, uplink, uplinkBefore }: Playing): void {
    playback.end()
    uplink.close()
    uplinkBefore?.close()
    this.#tools.kernel.free(playback.frame)
  }

  #send(member: Member): void {
    const { party, shared } = member
    if (member.playing.length > 0) this.#pullPlaying(member.playing)
    if (shared === null || member.broken || !party.listening) {
      party.pass()
      return
    }
    const { hearsGain, hearsApplied } = member
    const alone = member.part !== null || member.playing.length > 0 || hearsGain !== unityGain || hearsApplied !== unityGain
    let downlink: Downlink | null = shared
    if (alone && shared.users > 1) {
      member.own ??= this.#downlink(member, shared.format)
      downlink = member.own
    }
    if (downlink === null) {
      party.pass()
      return
    }
    downlink.expect(party.lossPercent)
    if (downlink.tick !== this.#tick) {
      downlink.tick = this.#tick
      const heard = this.#hear(this.#bus, member, member.part, false)
      if (this.#before === null) downlink.render(heard)
      else downlink.cross(this.#hear(this.#before, member, member.partBefore, true), heard)
    }
    if (downlink.octets > 0) party.send(downlink.packet, downlink.octets, downlink.comfortNoise)
    else party.pass()
  }

  /** What a member hears of a bus. Nobody but the member, and who hears exactly the same, may be given it. */
  #hear(bus: Bus, member: Member, own: Int16Array | null, before: boolean): Int16Array {
    const { kernel } = this.#tools
    kernel.without(bus.sum, own, bus.heard)
    const { hearsGain, hearsApplied } = member
    if (hearsGain !== unityGain || hearsApplied !== unityGain) kernel.scale(bus.heard, hearsApplied, hearsGain)
    for (let n = 0; n < member.playing.length; n++) {
      const part = before ? member.playing[n]!.partBefore : member.playing[n]!.part
      if (part !== null) kernel.blend(bus.heard, part)
    }
    return bus.heard
  }
}
