/** Pictures in the conferences of an MCU: who is sent which, who presents, and what the conference itself shows. */
import { randomInt } from 'node:crypto'
import type { Clock, JsonObject, PicturePort } from '#kernel'
import type { Call, CallEvent, ChannelAcceptance, ChannelOffer, MediaPlace } from '../endpoint/endpoint.ts'
import { isControlCapability } from '../h239/h239.ts'
import type { Capability, MultimediaSystemControlMessage } from '../h245/h245.ts'
import { contentCapabilityOf, kindOf, takes } from './h264.ts'
import { createHousePresentation, type HousePresentation } from './house-presentation.ts'
import { createPictureSide, type PictureSide } from './picture-side.ts'
import { createPresentation, house, type Presentation } from './presentation.ts'

/** One terminal, as far as its pictures are concerned. */
export interface PictureLegParts {
  readonly call: Call
  readonly place: MediaPlace
  readonly tell: (event: string, payload: JsonObject) => void
}

/** One terminal's pictures. */
export interface LegPictures {
  /** Opens the ports. */
  readonly begin: () => Promise<void>
  /** What the terminal takes has become known, or has changed. */
  readonly capable: (capabilities: readonly Capability[]) => void
  /** A channel that is not sound. */
  readonly accept: (offer: ChannelOffer) => ChannelAcceptance | null
  readonly take: (event: CallEvent) => void
  /** @returns whether the message is one of H.239 */
  readonly takeH245: (message: MultimediaSystemControlMessage) => boolean
  readonly close: () => void
}

/** Something that the conference itself shows, until it ends it or a terminal presents. */
export interface Showing {
  /** Told once, unless `end` comes before. */
  readonly onEnd: (listener: () => void) => void
  /** Idempotent. */
  readonly end: () => void
}

export interface ConferencePictures {
  readonly leg: (parts: PictureLegParts) => LegPictures
  /** A participant of any protocol has left, or has ended what it presents. */
  readonly left: (conference: string, participant: string) => void
  /** Nobody is there any more. */
  readonly over: (conference: string) => void
  /** Shows what is on the conference's stage for content to all terminals that take it. @returns null while a terminal presents */
  readonly show: (conference: string) => Showing | null
  /** Told when a terminal does not present any more. */
  readonly onFree: (listener: (conference: string) => void) => void
}

export interface PictureRules {
  readonly pictures: PicturePort
  /** H.241 table 8-4. */
  readonly videoLevel: number
  readonly mcuNumber: number
  readonly clock: Clock
  /** Terminal number of a participant; null for nobody's. */
  readonly numberOf: (conference: string, participant: string) => number | null
  readonly chairOf: (conference: string) => string | null
}

interface Seat extends PictureLegParts {
  capabilities: readonly Capability[]
  people: PictureSide | null
  content: PictureSide | null
  isOver: boolean
}

interface Room {
  readonly presentation: Presentation
  readonly seats: Map<string, Seat>
  showing: { readonly terminals: HousePresentation; readonly ended: () => void } | null
}

/** H.245 has MCU and terminal number in one for H.239. */
const labelOf = (mcuNumber: number, terminalNumber: number): number => mcuNumber * 256 + terminalNumber
const symmetrySteps = 1 << 24

export function createConferencePictures(rules: PictureRules): ConferencePictures {
  const { pictures, videoLevel, mcuNumber, clock, numberOf, chairOf } = rules
  const rooms = new Map<string, Room>()
  const freeListeners: ((conference: string) => void)[] = []

  function roomOf(conference: string): Room {
    const room = rooms.get(conference) ?? { presentation: createPresentation(), seats: new Map(), showing: null }
    rooms.set(conference, room)
    return room
  }

  /** A call that comes in has its seat before it is in the conference. */
  function sweep(conference: string, { seats, showing, presentation }: Room): void {
    if (seats.size === 0 && showing === null && presentation.owner() === null) rooms.delete(conference)
  }

  /** Sends a terminal what it can take: who speaks, and what is presented. */
  function serve(room: Room, seat: Seat): void {
    const { place, capabilities, people, content } = seat
    const owner = room.presentation.owner()
    if (takes(capabilities, 'people', videoLevel)) people?.open()
    if (owner === house) offer(room, seat)
    else if (owner !== null && owner !== place.participant && takes(capabilities, 'content', videoLevel)) content?.open()
  }

  function offer(room: Room, { call, place, capabilities, content, tell }: Seat): void {
    const capability = contentCapabilityOf(capabilities)
    if (content === null || capability === null || !capabilities.some(isControlCapability)) return
    room.showing?.terminals.offer(place.participant, capability, {
      reserveChannel: call.reserveChannel,
      send: call.sendH245,
      open: content.open,
      stop: content.stop,
      answered: (accepted) => tell('h323_presentation_offered', { accepted })
    })
  }

  function ended(conference: string, room: Room, participant: string): void {
    room.seats.get(participant)?.tell('h323_presentation_ended', {})
    for (const { content } of room.seats.values()) content?.stop()
    for (const listener of freeListeners) listener(conference)
  }

  function left(conference: string, participant: string): void {
    const room = rooms.get(conference)
    room?.showing?.terminals.left(participant)
    if (room?.presentation.end(participant) === true) ended(conference, room, participant)
  }

  /** @param to who has the token now */
  function endShowing(room: Room, to: string | null): void {
    const { showing } = room
    room.showing = null
    room.presentation.end(house)
    showing?.terminals.end(to)
    if (to !== null) showing?.ended()
  }

  function takeH245({ call, place: { conference, participant } }: Seat, message: MultimediaSystemControlMessage): boolean {
    const room = roomOf(conference)
    const number = numberOf(conference, participant)
    if (number === null) return false
    const chair = chairOf(conference)
    const outcome = room.presentation.take(participant, labelOf(mcuNumber, number), message, (symmetryBreaking) => {
      const isAllowed = chair === null || chair === participant
      return isAllowed && room.showing?.terminals.yields(participant, symmetryBreaking) !== false
    })
    if (outcome === null) return false
    if (outcome.ended === house) endShowing(room, participant)
    if (outcome.answer !== null) call.sendH245(outcome.answer)
    if (outcome.granted !== null)
      room.showing?.terminals.granted(participant, outcome.granted.channelId, outcome.granted.accepted)
    if (typeof outcome.ended === 'string') ended(conference, room, outcome.ended)
    if (outcome.others === null) return true
    for (const [other, { capabilities, call: toOther }] of room.seats)
      if (other !== participant && capabilities.some(isControlCapability)) toOther.sendH245(outcome.others)
    return true
  }

  function accept(seat: Seat, offered: ChannelOffer): ChannelAcceptance | null {
    const { conference, participant } = seat.place
    const room = roomOf(conference)
    const kind = offered.dataType.type === 'videoData' ? kindOf(offered.dataType.value) : null
    if (kind === 'people') return seat.people?.accept(offered) ?? null
    if (kind === null || seat.content === null || room.presentation.owner() !== participant) return null
    const accepted = seat.content.accept(offered)
    seat.tell('h323_presentation_started', {})
    for (const other of room.seats.values()) serve(room, other)
    return accepted
  }

  function leg(parts: PictureLegParts): LegPictures {
    const { call, place } = parts
    const { conference, participant } = place
    const seat: Seat = { ...parts, capabilities: [], people: null, content: null, isOver: false }
    roomOf(conference).seats.set(participant, seat)
    return {
      begin: async () => {
        const [people, content] = await Promise.all([
          pictures.open(conference, participant, 'people'),
          pictures.open(conference, participant, 'content')
        ])
        if (seat.isOver) {
          people?.close()
          content?.close()
          return
        }
        seat.people = people === null ? null : createPictureSide(call, people, 'people', videoLevel)
        seat.content = content === null ? null : createPictureSide(call, content, 'content', videoLevel)
        serve(roomOf(conference), seat)
      },
      capable: (capabilities) => {
        seat.capabilities = capabilities
        serve(roomOf(conference), seat)
      },
      accept: (offered) => accept(seat, offered),
      take: (event) => {
        seat.people?.take(event)
        seat.content?.take(event)
        if (event.type === 'channelClosed' && !event.own && seat.content?.isSending() === false) left(conference, participant)
      },
      takeH245: (message) => takeH245(seat, message),
      close: () => {
        seat.isOver = true
        const room = rooms.get(conference)
        if (room?.seats.get(participant) === seat) {
          room.seats.delete(participant)
          sweep(conference, room)
        }
        seat.people?.close()
        seat.content?.close()
      }
    }
  }

  return {
    leg,
    left,
    over: (conference) => {
      const room = rooms.get(conference)
      if (room === undefined) return
      const { showing } = room
      endShowing(room, null)
      showing?.ended()
      sweep(conference, room)
    },
    show: (conference) => {
      const room = roomOf(conference)
      if (room.showing !== null || !room.presentation.begin()) return null
      const listeners: (() => void)[] = []
      const random = () => randomInt(symmetrySteps) / symmetrySteps
      const showing = {
        terminals: createHousePresentation(labelOf(mcuNumber, 0), clock, random),
        ended: () => {
          for (const listener of listeners) listener()
        }
      }
      room.showing = showing
      for (const seat of room.seats.values()) serve(room, seat)
      return {
        onEnd: (listener) => void listeners.push(listener),
        end: () => {
          if (room.showing === showing) endShowing(room, null)
        }
      }
    },
    onFree: (listener) => void freeListeners.push(listener)
  }
}
