/** Pictures of participants who say where theirs go otherwise than in SDP: the port for H.323. Each conference has a stage for its people and one for content. */
import { type Clock, InfraFabricError, type Log, type PictureKind, type PictureLeg, type PicturePort, systemClock } from '#kernel'
import type { MediaPlane } from '../media.ts'
import { PlainVideo } from './plain-video.ts'
import { createStages, type HeldStage, type Stages } from './stages.ts'

export interface PicturesConfig {
  /** IPv4 address of the sockets. */
  readonly address: string
  /** First and last UDP port; each participant's pictures take a pair. */
  readonly portRange: readonly [number, number]
  /** Where pictures meet those of others. Default: none but those that come here. */
  readonly stages?: Stages
  readonly log: Log
  readonly clock?: Clock
}

export interface Pictures extends PicturePort {
  /** Closes every socket. Idempotent. */
  readonly close: () => void
}

/** What every H.264 terminal takes; levels are the gateway's affair. */
const profileLevelId = '42e01f'

export function createPictures(plane: MediaPlane, config: PicturesConfig): Pictures {
  const { address, portRange, log, clock = systemClock } = config
  const stages = config.stages ?? createStages(plane, clock)
  const seats = new Map<PlainVideo, HeldStage>()
  let isClosed = false

  async function open(conference: string, participant: string, kind: PictureKind): Promise<PictureLeg | null> {
    const held = stages.hold(conference, kind)
    const mayBeSeen = (): boolean =>
      plane.roster(conference).some((member) => member.participant === participant && member.role !== 'observer')
    let video: PlainVideo
    try {
      video = await PlainVideo.open(address, portRange, participant, mayBeSeen, held.stage, clock)
    } catch (error) {
      held.release()
      if (!(error instanceof InfraFabricError)) throw error
      log.warn({ code: error.code, conference }, 'a participant goes without pictures')
      return null
    }
    if (isClosed) {
      video.close()
      held.release()
      return null
    }
    seats.set(video, held)
    return {
      rtp: { address, port: video.port },
      rtcp: { address, port: video.port + 1 },
      agree: ({ rtp, rtcp, sends, receives, takes }) => {
        video.agree({
          at: 0,
          kind,
          protocol: 'RTP/AVP',
          payloadType: sends ?? receives ?? 0,
          ...(receives === null ? {} : { receivedPayloadType: receives }),
          profileLevelId,
          remote: rtp,
          remoteControl: rtcp,
          controlMuxed: false,
          direction: sends === null ? (receives === null ? 'inactive' : 'recvonly') : receives === null ? 'sendonly' : 'sendrecv',
          // H.245 has a command of its own; FIR is for those that go by RTCP
          pictureLoss: false,
          takes
        })
        stages.showLeading(conference)
      },
      refresh: () => video.refresh(),
      onKeyFrameWanted: (listener) => {
        video.keyFrameWanted = listener
      },
      close: () => {
        video.close()
        held.release()
        seats.delete(video)
      }
    }
  }

  return {
    open,
    show: (conference, viewer, source) => stages.at(conference, 'people')?.choose(viewer, source, clock.monotonicMs()),
    shownTo: (conference, participant, kind) => stages.at(conference, kind)?.shownTo(participant) ?? null,
    close: () => {
      isClosed = true
      for (const [video, { release }] of seats) {
        video.close()
        release()
      }
      seats.clear()
      if (config.stages === undefined) stages.close()
    }
  }
}
