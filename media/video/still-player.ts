/** One stream of pictures for those who take video alone, at the pace of its rate. No sockets; time is the clock's. */
import type { Clock } from '#kernel'
import { createPacketWriter } from './packet-writer.ts'
import { type StillGroup, stillRate } from './still-encoder.ts'

/** Pictures to send, one after the other. */
export interface PictureSource {
  /** The next one, and whether it needs no other; null while there is none. */
  readonly next: () => { readonly units: readonly Buffer[]; readonly isWhole: boolean } | null
  /** Pictures a second, as of now. */
  readonly rate: () => number
  /** How far it may be behind, ms, and be sent faster until it is not. */
  readonly mostLateMs: number
  /** Begins again with a picture that needs no other. @returns false where it cannot */
  readonly restart: () => boolean
}

/** A group of pictures again and again. */
export function repeated(group: StillGroup): PictureSource {
  let at = 0
  return {
    next: () => {
      const units = group[at]
      if (units === undefined) return null
      const isWhole = at === 0
      at = (at + 1) % group.length
      return { units, isWhole }
    },
    rate: () => stillRate,
    mostLateMs: 0,
    restart: () => {
      const isBegun = at > 0
      at = 0
      return isBegun
    }
  }
}

export interface StillPlayer {
  /** Sends these pictures from now on. */
  readonly play: (source: PictureSource) => void
  /** Begins again with a whole picture where the source can, as soon as the one is out that is being sent. */
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
  let source: PictureSource | null = null
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
    if (source !== null) stop = clock.after(packets.length > 0 ? paceMs : Math.max(1, dueMs - now), step)
  }

  /** @returns false before the next picture is due, and while there is none */
  function begin(now: number): boolean {
    if (source === null) return false
    if (isAskedAgain && source.restart()) dueMs = Math.min(dueMs, now)
    isAskedAgain = false
    if (now < dueMs) return false
    const picture = source.next()
    if (picture === null) {
      dueMs = now + paceMs
      return false
    }
    isWhole = picture.isWhole
    packets = packetsOf(picture.units, dueMs)
    dueMs = Math.max(dueMs + 1000 / source.rate(), now - source.mostLateMs)
    return true
  }

  return {
    play: (pictures) => {
      source = pictures
      // what is still being sent is of the picture before
      isWhole = false
      dueMs = clock.monotonicMs()
      stop?.()
      step()
    },
    restart: () => {
      isAskedAgain = true
      if (packets.length > 0 || source === null) return
      stop?.()
      step()
    },
    close: () => {
      stop?.()
      stop = null
      source = null
      packets = []
    }
  }
}
