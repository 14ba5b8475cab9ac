/** One stream of a still picture: its group of pictures again and again, at the pace of its rate. No sockets; time is the clock's. */
import type { Clock } from '#kernel'
import { createPacketWriter } from './packet-writer.ts'
import { type StillGroup, stillGroup, stillRate } from './still-encoder.ts'

export interface StillPlayer {
  /** Sends this group from now on, a whole picture first. */
  readonly play: (group: StillGroup) => void
  /** Begins again with a whole picture, as soon as the one is out that is being sent. */
  readonly restart: () => void
  /** Idempotent. */
  readonly close: () => void
}

export interface StillPlayerConfig {
  readonly clock: Clock
  readonly kbps: number
  readonly send: (packet: Buffer) => void
  /** The last packet of a picture that needs no other has been sent. */
  readonly onWhole: () => void
}

/** Between two looks at what may be sent. */
const paceMs = 20
/** What may be sent at once: the parameter sets and the beginning of the picture stay together, so that nobody comes in between. */
const burstOctets = 6000

export function createStillPlayer({ clock, kbps, send, onWhole }: StillPlayerConfig): StillPlayer {
  const packetsOf = createPacketWriter('h264')
  let group: StillGroup = []
  let next = 0
  let dueMs = 0
  /** Of the picture that is being sent. */
  let packets: Buffer[] = []
  let isWhole = false
  let isAskedAgain = false
  let room = burstOctets
  let lastMs = clock.monotonicMs()
  let stop: (() => void) | null = null

  function step(): void {
    stop = null
    const now = clock.monotonicMs()
    room = Math.min(burstOctets, room + ((now - lastMs) * kbps) / 8)
    lastMs = now
    for (;;) {
      if (packets.length === 0 && !begin(now)) break
      for (let packet = packets[0]; packet !== undefined && room > 0; packet = packets[0]) {
        room -= packet.length
        packets.shift()
        send(packet)
      }
      if (packets.length > 0) break
      if (isWhole) onWhole()
      isWhole = false
    }
    stop = clock.after(packets.length > 0 ? paceMs : Math.max(1, dueMs - now), step)
  }

  /** @returns false before the next picture is due */
  function begin(now: number): boolean {
    if (isAskedAgain && next > 0) next = 0
    else if (now < dueMs) return false
    isAskedAgain = false
    const units = group[next]
    if (units === undefined) return false
    isWhole = next === 0
    packets = packetsOf(units, now)
    next = (next + 1) % stillGroup
    dueMs = Math.max(dueMs + 1000 / stillRate, now)
    return true
  }

  return {
    play: (units) => {
      group = units
      next = 0
      // what is still being sent is of the picture before
      isWhole = false
      dueMs = clock.monotonicMs()
      stop?.()
      step()
    },
    restart: () => {
      isAskedAgain = true
      if (packets.length > 0 || group.length === 0) return
      stop?.()
      step()
    },
    close: () => {
      stop?.()
      stop = null
      group = []
      packets = []
    }
  }
}
