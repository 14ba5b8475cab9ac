/**
 * One conference twice, on the same packets at the same times: as the media thread mixes it without the express lane, and with it. What the participants are sent,
 * what is told of them, and what is counted must be the same.
 */

import { ExpressLane } from '../express/express.ts'
import { cycleSamples, heardSamples, LegRecord, laneSlots, legFields, of, waitingSamples } from '../express/record.ts'
import { Leg, type LegOutput } from '../leg.ts'
import { Conference, type Member, type MemberControls } from '../mixer/conference.ts'
import { bestKernel } from '../mixer/kernels.ts'
import { createResampler } from '../resample/resampler.ts'
import { decodeRtcp } from '../rtp/rtcp.ts'
import { noReports } from '../rtp/rtcp-xr-attribute.ts'
import { encodeRtp, rtpHeaderLength } from '../rtp/rtp.ts'
import { encodeTelephoneEvent } from '../rtp/telephone-event.ts'
import type { AudioTerms } from '../sdp.ts'
import { libc } from '../udp/libc.ts'
import { NativeSocket, type NativeUdp, nativeUdp } from '../udp/native.ts'

export type LawName = 'PCMU' | 'PCMA'

/** What a participant does for once, in place of the packet that is due or beside it. */
export const incidents = [
  ...[
    'lose',
    'swap',
    'twice',
    'noise',
    'key',
    'restart',
    'jump',
    'half',
    'long',
    'huge',
    'stranger',
    'garbage',
    'padded',
    'hold',
    'burst',
    'press'
  ],
  ...['outage', 'blackout', 'mute', 'soft', 'deaf', 'skip', 'sleep', 'standstill', 'stall', 'report', 'refresh']
] as const
export type Incident = (typeof incidents)[number]

export interface Script {
  readonly laws: readonly LawName[]
  readonly ticks: number
  readonly voices: number
  readonly autoGain: boolean
  /** Faster than ours by so many millionths: of each participant's clock. */
  readonly drifts: readonly number[]
  /** Before each participant sends its first packet; infinite for one who only listens. */
  readonly silentTicks: readonly number[]
  readonly incidents: readonly { readonly tick: number; readonly who: number; readonly what: Incident }[]
  readonly seed: number
  readonly jitterTargetMs: number
  /** Whether somebody is being called, too, who has agreed to nothing yet. */
  readonly guest: boolean
  /** Packets that a participant's network holds back at most; one reading of a socket takes no more than eight, where the lane does not carry it, and a fast clock adds one. */
  readonly mostWithheld: number
}

export interface Account {
  /** What each participant was sent, with numbers counted from its first packet. */
  readonly sent: readonly (readonly string[])[]
  readonly told: readonly string[]
  readonly stats: readonly unknown[]
  /** What each leg would lend to the lane at the end: the whole state of its stream; null where it is not calm. */
  readonly lent: readonly unknown[]
  /** Frames of legs that the lane carried. */
  readonly carried: number
}

const address = '127.0.0.1'
const cn = 13
const keys = 101
const frameMs = 20
/** Ports are tried from here on; test files run side by side. */
const lowestPort = 33_000
let nextPort = lowestPort + (process.pid % 20_000)

const kernel = bestKernel(8 << 20)

/** How packets reach the legs of one of the two, and how a frame is mixed. */
interface World {
  readonly legs: readonly Leg[]
  readonly members: readonly Member[]
  readonly conference: Conference
  readonly arrive: (who: number, packet: Buffer, from: 'phone' | 'stranger') => void
  /** @param leftOut frames that were due before and nobody is to hear */
  readonly tick: (nowMs: number, reading: boolean, leftOut: number) => void
  readonly close: () => void
  readonly sent: string[][]
  readonly told: string[]
  carried: number
}

function termsOf(law: LawName, port: number): AudioTerms {
  return {
    codec: law,
    clockRateHz: 8000,
    payloadType: law === 'PCMU' ? 0 : 8,
    parameters: {},
    comfortNoisePayloadType: null,
    eventPayloadType: keys,
    eventClockRateHz: 8000,
    packetMs: 20,
    received: null,
    remote: { address, port },
    remoteControl: null,
    controlMuxed: false,
    direction: 'sendrecv',
    held: false,
    srtp: null,
    reports: { ...noReports, summary: { loss: true, duplicates: true, jitter: true }, voip: true },
    ice: null
  }
}

/** A packet as a line: numbers relative to the first of its participant. */
function describer() {
  let first: { readonly sequence: number; readonly timestamp: number } | null = null
  return (packet: Buffer) => {
    const [sequence, timestamp] = [packet.readUInt16BE(2), packet.readUInt32BE(4)]
    first ??= { sequence, timestamp }
    const numbers = `${(sequence - first.sequence) & 0xffff} ${(timestamp - first.timestamp) >>> 0}`
    return `${packet[0]!.toString(16)} ${packet[1]!.toString(16)} ${numbers} ${packet.toString('hex', rtpHeaderLength)}`
  }
}

/** What a report says of the stream that came in. */
const describeReports = (packet: Buffer) =>
  JSON.stringify(
    decodeRtcp(packet, false).map((report) => {
      if (report.type === 'senderReport') return [report.blocks, report.sender.packets, report.sender.octets]
      return report.type === 'extendedReport' ? [report.report.summaries, report.report.voip] : report.type
    })
  )

/** Whoever is in the conference: by the law that is spoken, or nothing. */
const present = ({ laws, guest }: Script): readonly (LawName | null)[] => (guest ? [...laws, null] : laws)

/** What both have in common. */
function build(script: Script, outputs: (who: number) => Pick<LegOutput, 'sendRtp'>, ports: readonly number[]) {
  const told: string[] = []
  const conference = new Conference(
    { kernel, createResampler, economy: { level: 0 } },
    { voices: script.voices, autoGain: script.autoGain },
    {
      speaking: ({ id }, speaking) => told.push(`${id} ${speaking ? 'speaks' : 'is silent'}`),
      dominant: ({ id }) => told.push(`${id} leads`),
      failed: () => undefined
    }
  )
  const legs = present(script).map((law, who) => {
    const leg = new Leg(
      { jitterTargetMs: script.jitterTargetMs, latchWindowMs: 5000, mediaTimeoutMs: 1e9, cname: 'us', highestRateHz: 48_000 },
      {
        ...outputs(who),
        sendRtcp: (packet) => void told.push(`${who} reports ${describeReports(packet)}`),
        frame: kernel.frame,
        freeFrame: kernel.free,
        digit: (digit, durationMs) => told.push(`${who} pressed ${digit} for ${durationMs}`),
        silent: () => undefined,
        strangers: (packets) => told.push(`${who} has ${packets} strangers`)
      }
    )
    if (law !== null) leg.agree(termsOf(law, ports[who]!), 0)
    return leg
  })
  const members = legs.map((leg, who) => conference.add(who, leg))
  return { told, conference, legs, members }
}

/** Without the lane, and without sockets. */
function plainWorld(script: Script, arrivedMs: () => number): World {
  const sent: string[][] = script.laws.map(() => [])
  const describe = script.laws.map(describer)
  const ports = script.laws.map((_, who) => 4000 + 2 * who)
  const built = build(
    script,
    (who) => ({
      sendRtp: (packet, length) => {
        sent[who]!.push(describe[who]!(packet.subarray(0, length)))
        return true
      }
    }),
    ports
  )
  const sources = ports.map((port) => ({ address, port }))
  const waiting: { who: number; packet: Buffer; from: 'phone' | 'stranger' }[] = []
  return {
    ...built,
    sent,
    carried: 0,
    arrive: (who, packet, from) => void waiting.push({ who, packet, from }),
    tick: (nowMs, reading, leftOut) => {
      if (reading)
        for (const { who, packet, from } of waiting.splice(0))
          built.legs[who]!.receive(packet, from === 'phone' ? sources[who]! : { address: '192.0.2.9', port: 9 }, arrivedMs())
      if (leftOut > 0) for (const leg of built.legs) leg.skip(leftOut)
      built.conference.tick(nowMs)
    },
    close: () => {
      built.conference.close()
      for (const leg of built.legs) leg.close()
    }
  }
}

/** With the lane, over sockets on the loopback interface. */
async function laneWorld(script: Script, udp: NativeUdp, lane: ExpressLane, arrivedMs: () => number): Promise<World> {
  const sent: string[][] = script.laws.map(() => [])
  const describe = script.laws.map(describer)
  const open = async (receive: (packet: Buffer, from: { address: string; port: number }) => void) => {
    for (;;) {
      nextPort = nextPort === 65_535 ? lowestPort : nextPort + 1
      const socket = await udp.open(address, nextPort, receive)
      if (socket instanceof NativeSocket) return socket
    }
  }
  const phones = await Promise.all(script.laws.map((_, who) => open((packet) => void sent[who]!.push(describe[who]!(packet)))))
  const stranger = await open(() => undefined)
  const sockets: NativeSocket[] = []
  const ports = phones.map(({ port }) => port)
  const built = build(script, (who) => ({ sendRtp: (packet, length, to) => sockets[who]!.send(packet, length, to) }), ports)
  for (const leg of built.legs) sockets.push(await open((packet, from) => leg.receive(packet, from, arrivedMs())))
  const parties = built.legs.map((leg, who) => ({ leg, socket: sockets[who]! }))
  const targets = sockets.map(({ port }) => ({ address, port }))
  const world: World = {
    ...built,
    sent,
    carried: 0,
    arrive: (who, packet, from) => {
      if (!(from === 'phone' ? phones[who]! : stranger).send(packet, packet.length, targets[who]!)) throw new Error('not sent')
    },
    tick: (nowMs, reading, leftOut) => {
      if (reading) udp.poll(1000)
      // Packets came a frame after now, the latest that the lane believes: far enough from what the clock of this machine says.
      lane.tick(nowMs, nowMs, -1e12, leftOut)
      if (!built.conference.lent) {
        for (const { socket } of parties) socket.turn(leftOut)
        if (leftOut > 0) for (const leg of built.legs) leg.skip(leftOut)
        built.conference.tick(nowMs)
      }
      lane.consider(built.conference, parties)
      world.carried += lane.carried
      udp.poll(1000)
    },
    close: () => {
      built.conference.close()
      for (const leg of built.legs) leg.close()
      for (const socket of [...phones, ...sockets, stranger]) socket.close()
      udp.close()
    }
  }
  return world
}

/** A participant, who sends the same to both. */
class Speaker {
  readonly #who: number
  readonly #law: LawName
  readonly #worlds: readonly World[]
  readonly #random: () => number
  readonly #mostWithheld: number
  #ssrc: number
  #sequence: number
  #timestamp: number
  #held: Buffer[] = []
  #holding = 0
  #swapping = false
  #pausing = 0
  #pressing = 0
  #loudness = 1

  constructor(who: number, { laws, mostWithheld }: Script, worlds: readonly World[], random: () => number) {
    this.#who = who
    this.#law = laws[who]!
    this.#worlds = worlds
    this.#random = random
    this.#mostWithheld = mostWithheld
    this.#ssrc = 1000 + who
    this.#sequence = Math.floor(random() * 65_536)
    this.#timestamp = Math.floor(random() * 4_294_967_296)
  }

  #send(packet: Buffer, from: 'phone' | 'stranger' = 'phone'): void {
    for (const world of this.#worlds) world.arrive(this.#who, Buffer.from(packet), from)
  }

  #packet(payloadType: number, payload: Buffer): Buffer {
    const packet = Buffer.concat([Buffer.alloc(rtpHeaderLength), payload])
    encodeRtp(packet, false, payloadType, this.#sequence, this.#timestamp, this.#ssrc)
    return packet
  }

  #sound(octets: number): Buffer {
    this.#loudness = Math.max(0.05, Math.min(1, this.#loudness + (this.#random() - 0.5) / 2))
    const reach = Math.floor(this.#loudness * 110)
    const flip = this.#law === 'PCMU' ? 0xff : 0xd5
    return Buffer.from(
      Array.from({ length: octets }, () => (Math.floor(this.#random() * reach) | (this.#random() < 0.5 ? 0x80 : 0)) ^ flip)
    )
  }

  /** The packet of one frame, and what happens to it. */
  speak(what: Incident | null): void {
    const payloadType = this.#law === 'PCMU' ? 0 : 8
    if (what === 'restart') {
      this.#ssrc += 100
      this.#sequence = Math.floor(this.#random() * 65_536)
    }
    if (what === 'jump') this.#timestamp = (this.#timestamp + 160 * Math.floor(this.#random() * 100)) >>> 0
    if (what === 'key') this.#pressing = 8
    if (what === 'noise') this.#pausing = 12
    if (what === 'swap' || what === 'hold') {
      this.#holding = 1
      this.#swapping = what === 'swap'
    }
    if (what === 'burst') this.#holding = 2 + Math.floor(this.#random() * 4)
    if (what === 'outage') this.#holding = 6 + Math.floor(this.#random() * 7)
    if (what === 'blackout') this.#holding = 30 + Math.floor(this.#random() * 40)
    const release = this.#holding === 0 ? this.#held.splice(0) : []
    if (!this.#swapping) for (const packet of release.splice(0)) this.#send(packet)
    if (this.#pressing > 0) {
      const payload = Buffer.alloc(4)
      const end = this.#pressing <= 3
      encodeTelephoneEvent({ event: 5, end, volume: 10, duration: end ? 960 : 160 * (9 - this.#pressing) }, payload, 0)
      const packet = this.#packet(keys, payload)
      packet.writeUInt32BE((this.#timestamp - 160 * (8 - this.#pressing)) >>> 0, 4)
      this.#send(packet)
      this.#pressing--
      this.#next()
    } else if (this.#pausing > 0) {
      if (this.#pausing === 12) {
        this.#send(this.#packet(cn, Buffer.of(60)))
        this.#sequence = (this.#sequence + 1) & 0xffff
      }
      this.#pausing--
      this.#timestamp = (this.#timestamp + 160) >>> 0
    } else {
      let packet = this.#packet(payloadType, this.#sound(soundOctets[what ?? ''] ?? 160))
      if (what === 'padded') {
        packet = Buffer.concat([packet, Buffer.of(0, 0, 0, 4)])
        packet[0] = 0xa0
      }
      if (this.#held.length === this.#mostWithheld) this.#holding = 1
      if (this.#holding > 0) this.#held.push(packet)
      else if (what !== 'lose') this.#send(packet)
      if (what === 'twice') this.#send(packet)
      if (what === 'stranger') this.#send(packet, 'stranger')
      if (what === 'garbage') this.#send(Buffer.from(this.#sound(700)))
      this.#next()
    }
    for (const packet of release) this.#send(packet)
    if (release.length > 0) this.#swapping = false
    if (this.#holding > 0) this.#holding--
  }

  #next(): void {
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#timestamp = (this.#timestamp + 160) >>> 0
  }
}

/** Octets of sound in one packet, where they are not those of a frame. */
const soundOctets: Readonly<Record<string, number>> = { half: 80, long: 480, huge: 1600 }

const controlsOf: Partial<Record<Incident, MemberControls>> = {
  mute: { speaks: false, heardDb: 0, hearsDb: 0 },
  soft: { speaks: true, heardDb: -7, hearsDb: 0 },
  deaf: { speaks: true, heardDb: 3, hearsDb: -12 }
}

function happen(world: World, who: number, what: Incident, nowMs: number): void {
  const controls = controlsOf[what]
  if (controls !== undefined) world.conference.control(world.members[who]!, controls)
  if (what === 'press') world.legs[who]!.press('7', 100)
  if (what === 'report') world.legs[who]!.report(nowMs, 1e12 + nowMs, false)
  if (what === 'refresh') world.conference.refresh()
}

function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}

const unlike: readonly string[] = ['address', 'port', 'sequence', 'timestamp', 'ssrc']

/** What a leg would lend, by name; what differs between the two anyway is left out. */
function lentBy(leg: Leg): unknown {
  const record = new LegRecord(
    new Float64Array(legFields.length),
    new Float64Array(laneSlots),
    new Float64Array(100),
    new Uint8Array(192 * laneSlots),
    {
      heard: new Int16Array(heardSamples),
      before: new Int16Array(heardSamples),
      waiting: new Int16Array(waitingSamples),
      cycle: new Float32Array(cycleSamples)
    }
  )
  if (!leg.lend({ record, leave: () => leg.follow() })) return null
  leg.follow()
  const named = legFields.map((field) => [field, unlike.includes(field) ? 0 : record.fields[of[field]]])
  const last = record.fields[of.lastPlayed]!
  const held = record.fields[of.held]!
  const highest = record.fields[of.highest]!
  // What is known reaches back 50 ms, and one of the two zeros of µ-law is as good as the other.
  const payload = (sequence: number, from: number) =>
    [...record.payload(sequence)].slice(from).map((octet) => (octet === 0x7f ? 0xff : octet))
  const calm = record.fields[of.rough] === 0
  const played = calm ? [payload(last - 2, 80), payload(last - 1, 0), payload(last, 0)] : []
  const packets = Array.from({ length: held }, (_, n) => [payload(highest - n, 0), record.arrivals[record.slot(highest - n)]])
  const { heard, before, waiting, cycle } = record.sound
  const sound = calm ? [] : [heard, before, waiting, cycle.subarray(0, record.fields[of.cycleLength]!)].map((part) => [...part])
  return [named, [...record.shares], played, packets, sound]
}

/** Plays a script in both. @returns null where the lane is not built, or sockets are not carried that way */
export async function playTwice(script: Script): Promise<{ readonly plain: Account; readonly express: Account } | null> {
  const library = libc()
  if (library === null) return null
  // What leaves by a ring, and what leaves one by one, is the same.
  const udp = nativeUdp(library, script.seed % 2 === 0)
  const lane = ExpressLane.open(present(script).length, udp)
  if (lane === null) {
    udp.close()
    return null
  }
  let nowMs = 1000
  const arrivedMs = () => nowMs + frameMs
  const worlds = [plainWorld(script, arrivedMs), await laneWorld(script, udp, lane, arrivedMs)] as const
  const random = randomFrom(script.seed)
  const speakers = script.laws.map((_, who) => new Speaker(who, script, worlds, random))
  const spoken = script.laws.map(() => 0)
  let asleep = 0
  let leftOut = 0
  try {
    for (let tick = 0; tick < script.ticks; tick++) {
      nowMs = 1000 + frameMs * tick + random() * 3
      const now = script.incidents.filter((incident) => incident.tick === tick)
      for (const { who, what } of now) for (const world of worlds) happen(world, who, what, nowMs)
      for (const [who, speaker] of speakers.entries()) {
        const what = now.find((incident) => incident.who === who)?.what ?? null
        const due = Math.floor(Math.max(0, tick - script.silentTicks[who]!) * (1 + script.drifts[who]! / 1e6))
        for (; spoken[who]! < due; spoken[who]!++) speaker.speak(spoken[who] === due - 1 ? what : null)
      }
      const stalled = now.some(({ what }) => what === 'stall')
      // Others speak on while the thread sleeps.
      if (now.some(({ what }) => what === 'sleep')) asleep = 2 + Math.floor(random() * 7)
      if (now.some(({ what }) => what === 'standstill')) asleep = 30 + Math.floor(random() * 220)
      if (asleep > 0) {
        asleep--
        leftOut++
        continue
      }
      const skipping = leftOut + (now.some(({ what }) => what === 'skip') ? 2 : 0)
      leftOut = 0
      for (const world of worlds) {
        world.tick(nowMs, true, skipping)
        if (stalled) world.tick(nowMs, false, 0)
        if (tick % 50 === 0) for (const leg of world.legs) leg.watch(nowMs)
        if (tick % 130 === 129) for (const leg of world.legs) leg.report(nowMs, 1e12 + nowMs, false)
      }
    }
    for (const { conference } of worlds) conference.refresh()
    const [plain, express] = worlds.map(({ sent, told, legs, carried }) => ({
      lent: legs.map(lentBy),
      sent,
      told,
      stats: legs.map((leg) => leg.stats()),
      carried
    }))
    return { plain: plain!, express: express! }
  } finally {
    for (const world of worlds) world.close()
  }
}
