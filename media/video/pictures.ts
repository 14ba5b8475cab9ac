/** Pictures of participants who say where theirs go otherwise than in SDP: the port for H.323. Each conference has a stage for its people and one for content. */
import { type Clock, InfraFabricError, type Log, type PictureKind, type PictureLeg, type PicturePort, systemClock } from '#kernel'
import type { MediaPlane } from '../media.ts'
import { PlainVideo } from './plain-video.ts'
import { Stage } from './stage.ts'

export interface PicturesConfig {
  /** IPv4 address of the sockets. */
  readonly address: string
  /** First and last UDP port; each participant's pictures take a pair. */
  readonly portRange: readonly [number, number]
  readonly log: Log
  readonly clock?: Clock
}

export interface Pictures extends PicturePort {
  /** Closes every socket. Idempotent. */
  readonly close: () => void
}

const tickMs = 250
/** What every H.264 terminal takes; levels are the gateway's affair. */
const profileLevelId = '42e01f'

export function createPictures(plane: MediaPlane, { address, portRange, log, clock = systemClock }: PicturesConfig): Pictures {
  const stages = new Map<string, { readonly stage: Stage; readonly seats: Set<PlainVideo>; opening: number }>()
  const keyOf = (conference: string, kind: PictureKind): string => `${conference}\n${kind}`
  let isClosed = false
  let stopTicking = (): void => {}

  /** Who leads the talk: may begin to show its picture later. */
  const leading = new Map<string, string>()
  const showLeading = (conference: string): void => {
    const participant = leading.get(conference)
    if (participant !== undefined) stages.get(keyOf(conference, 'people'))?.stage.speaks(participant, clock.monotonicMs())
  }

  plane.onConferenceEvent((event) => {
    if (event.type === 'dominant') {
      leading.set(event.conference, event.participant)
      showLeading(event.conference)
    } else if (event.type === 'left' && !plane.conferences().includes(event.conference)) leading.delete(event.conference)
  })
  const keepTicking = (): void => {
    stopTicking = clock.after(tickMs, () => {
      for (const { stage } of stages.values()) stage.tick(clock.monotonicMs())
      keepTicking()
    })
  }
  keepTicking()

  function enter(key: string) {
    let entered = stages.get(key)
    if (entered === undefined) {
      entered = { stage: new Stage(), seats: new Set(), opening: 0 }
      stages.set(key, entered)
    }
    return entered
  }

  async function open(conference: string, participant: string, kind: PictureKind): Promise<PictureLeg | null> {
    const key = keyOf(conference, kind)
    const entered = enter(key)
    const { stage, seats } = entered
    entered.opening++
    const mayBeSeen = (): boolean =>
      plane.roster(conference).some((member) => member.participant === participant && member.role !== 'observer')
    let video: PlainVideo
    try {
      video = await PlainVideo.open(address, portRange, participant, mayBeSeen, stage, clock)
    } catch (error) {
      if (!(error instanceof InfraFabricError)) throw error
      log.warn({ code: error.code, conference }, 'a participant goes without pictures')
      return null
    } finally {
      entered.opening--
    }
    if (isClosed) {
      video.close()
      return null
    }
    seats.add(video)
    return {
      rtp: { address, port: video.port },
      rtcp: { address, port: video.port + 1 },
      agree: ({ rtp, rtcp, sends, receives }) => {
        video.agree({
          at: 0,
          protocol: 'RTP/AVP',
          payloadType: sends ?? receives ?? 0,
          ...(receives === null ? {} : { receivedPayloadType: receives }),
          profileLevelId,
          remote: rtp,
          remoteControl: rtcp,
          controlMuxed: false,
          direction: sends === null ? (receives === null ? 'inactive' : 'recvonly') : receives === null ? 'sendonly' : 'sendrecv',
          // H.245 has a command of its own; FIR is for those that go by RTCP
          pictureLoss: false
        })
        showLeading(conference)
      },
      refresh: () => video.refresh(),
      onKeyFrameWanted: (listener) => {
        video.keyFrameWanted = listener
      },
      close: () => {
        video.close()
        seats.delete(video)
        if (seats.size + entered.opening === 0) stages.delete(key)
      }
    }
  }

  return {
    open,
    show: (conference, viewer, source) =>
      stages.get(keyOf(conference, 'people'))?.stage.choose(viewer, source, clock.monotonicMs()),
    shownTo: (conference, participant, kind) => stages.get(keyOf(conference, kind))?.stage.shownTo(participant) ?? null,
    close: () => {
      isClosed = true
      stopTicking()
      for (const { seats } of stages.values()) for (const video of seats) video.close()
      stages.clear()
    }
  }
}
