/**
 * Evidence that is a picture or a video, beside the people of a conference: for room systems by H.239, for telephones in their stream of slides. Whoever has
 * neither has its page or its link.
 *
 * One is seen at a time, each for some seconds at least, a video to its end, the last one until its call ends. While a terminal presents, nothing is shown
 * here; what was seen before comes back afterwards, a video from its beginning.
 */
import { type Clock, errorCode, type Log } from '#kernel'
import {
  type ClipType,
  clipTypes,
  largestClip,
  largestStill,
  openSlides,
  type SlideShown,
  type Slides,
  type Stages,
  stillTypes
} from '#media'
import type { EvidenceItem } from '#webrtc'

export interface EvidencePicturesParts {
  readonly stages: Stages
  /** Takes the second screen of the terminals in a conference. @returns null while a terminal presents */
  readonly present: (conference: string) => Screens | null
  /** Told when a terminal does not present any more. */
  readonly onPresentationEnd: (listener: (conference: string) => void) => void
  /** A whole file. @throws when it cannot be read */
  readonly read: (item: EvidenceItem) => Promise<Buffer>
  /** Where a whole file lies. @throws when it cannot be read */
  readonly locate: (item: EvidenceItem) => Promise<string>
  /** Somebody has been shown a picture of a call. */
  readonly shown: (call: string, item: EvidenceItem, shown: SlideShown) => void
  /** A picture cannot be shown. */
  readonly failed: (call: string, item: EvidenceItem, code: string) => void
  readonly clock: Clock
  readonly log: Log
}

export interface Screens {
  /** Told when a terminal presents, or nobody is there. */
  readonly onEnd: (listener: () => void) => void
  readonly end: () => void
}

export interface EvidencePictures {
  /** A call has got a file: shown where it is a picture or a video. */
  readonly offered: (call: string, conference: string, item: EvidenceItem) => void
  /** A file is not to be seen any more. */
  readonly withdrawn: (id: string) => void
  readonly callEnded: (call: string) => void
  /** Idempotent. */
  readonly close: () => void
}

interface Picture {
  readonly item: EvidenceItem
  /** Calls that it belongs to. */
  readonly calls: Set<string>
}

interface Room {
  readonly slides: Slides
  /** In the order in which they came. */
  readonly pictures: Map<string, Picture>
  /** Of the one that is to be seen now. */
  current: string | null
  /** Whether the current one has been seen for as long as each is. */
  isSeen: boolean
  screens: Screens | null
  stopWaiting: () => void
}

/** How long each picture is seen at least. */
const leastMs = 5000

export const isStill = ({ mediaType, bytes }: Pick<EvidenceItem, 'mediaType' | 'bytes'>): boolean =>
  stillTypes.some((type) => type === mediaType) && bytes <= largestStill

/** The media type of a video that is played; null for what is none. */
export const clipTypeOf = ({ mediaType, bytes }: Pick<EvidenceItem, 'mediaType' | 'bytes'>): ClipType | null =>
  bytes <= largestClip ? (clipTypes.find((type) => type === mediaType) ?? null) : null

export function createEvidencePictures(parts: EvidencePicturesParts): EvidencePictures {
  const { stages, present, read, locate, clock, log } = parts
  const rooms = new Map<string, Room>()

  function openRoom(conference: string): Room {
    const tell = (id: string, act: (call: string, item: EvidenceItem) => void): void => {
      const picture = room.pictures.get(id)
      if (picture !== undefined) for (const call of picture.calls) act(call, picture.item)
    }
    const slides = openSlides({
      stages,
      conference,
      log,
      onShown: (shown) => tell(shown.id, (call, item) => parts.shown(call, item, shown)),
      onPlayed: () => goOn(conference, room),
      onFailed: (id, code) => fail(conference, room, id, code)
    })
    const room: Room = {
      slides,
      pictures: new Map(),
      current: null,
      isSeen: true,
      screens: null,
      stopWaiting: () => undefined
    }
    rooms.set(conference, room)
    return room
  }

  function fail(conference: string, room: Room, id: string, code: string): void {
    const picture = room.pictures.get(id)
    if (picture === undefined) return
    for (const call of picture.calls) parts.failed(call, picture.item, code)
    remove(conference, room, id)
  }

  /** The picture that came after this one; the last one where it is none of them. */
  function followingOf({ pictures }: Room, id: string | null): string | null {
    const ids = [...pictures.keys()]
    return id !== null && pictures.has(id) ? (ids[ids.indexOf(id) + 1] ?? null) : (ids.at(-1) ?? null)
  }

  /** Shows a picture from now on; null for none. */
  function begin(conference: string, room: Room, id: string | null): void {
    room.stopWaiting()
    room.current = id
    room.isSeen = id === null
    if (id === null) {
      room.slides.clear()
      room.screens?.end()
      room.screens = null
      if (room.pictures.size > 0) return
      room.slides.close()
      rooms.delete(conference)
      return
    }
    if (takeScreens(conference, room)) project(conference, room, id)
  }

  /** @returns false while a terminal presents */
  function takeScreens(conference: string, room: Room): boolean {
    if (room.screens !== null) return true
    const screens = present(conference)
    if (screens === null) return false
    room.screens = screens
    screens.onEnd(() => {
      if (room.screens !== screens) return
      room.screens = null
      room.stopWaiting()
      room.slides.clear()
    })
    return true
  }

  function project(conference: string, room: Room, id: string): void {
    const { item } = room.pictures.get(id)!
    const isCurrent = (): boolean => rooms.get(conference) === room && room.current === id && room.screens !== null
    const type = clipTypeOf(item)
    const ready =
      type === null
        ? read(item).then((octets) => () => room.slides.show(id, octets))
        : locate(item).then((path) => () => room.slides.play(id, { path, type }))
    ready.then(
      (show) => {
        if (!isCurrent()) return
        show()
        room.stopWaiting = clock.after(leastMs, () => {
          room.isSeen = true
          goOn(conference, room)
        })
      },
      (error: unknown) => {
        log.warn({ code: errorCode(error), evidence: id }, 'a picture cannot be read')
        fail(conference, room, id, errorCode(error))
      }
    )
  }

  /** Shows the next one, if there is one and this one has been seen. */
  function goOn(conference: string, room: Room): void {
    if (!room.isSeen || room.slides.isPlaying() || room.current === null) return
    const next = followingOf(room, room.current)
    if (next !== null) begin(conference, room, next)
  }

  function remove(conference: string, room: Room, id: string): void {
    const next = followingOf(room, id)
    room.pictures.delete(id)
    if (room.current === id) begin(conference, room, next ?? followingOf(room, null))
    else if (room.pictures.size === 0) begin(conference, room, null)
  }

  parts.onPresentationEnd((conference) => {
    const room = rooms.get(conference)
    if (room !== undefined && room.current !== null && room.screens === null) begin(conference, room, room.current)
  })

  return {
    offered: (call, conference, item) => {
      if (!isStill(item) && clipTypeOf(item) === null) return
      const room = rooms.get(conference) ?? openRoom(conference)
      const known = room.pictures.get(item.id)
      if (known !== undefined) {
        known.calls.add(call)
        return
      }
      room.pictures.set(item.id, { item, calls: new Set([call]) })
      if (room.isSeen && !room.slides.isPlaying()) begin(conference, room, item.id)
    },
    withdrawn: (id) => {
      for (const [conference, room] of [...rooms]) if (room.pictures.has(id)) remove(conference, room, id)
    },
    callEnded: (call) => {
      for (const [conference, room] of [...rooms])
        for (const [id, { calls }] of [...room.pictures]) if (calls.delete(call) && calls.size === 0) remove(conference, room, id)
    },
    close: () => {
      for (const [conference, room] of [...rooms]) {
        room.pictures.clear()
        begin(conference, room, null)
      }
    }
  }
}
