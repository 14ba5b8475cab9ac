/** The council's page in the suite: browsers join the conferences of the telephones. */

import type { RunningGuard } from '#guard'
import type { Clock, Log, Witness } from '#kernel'
import { createRooms, type MediaPlane, type RoomLeg, type Rooms } from '#media'
import { type BrowserLeg, type CouncilRooms, type CouncilService, startCouncilService } from '#webrtc'
import type { SuiteConfig } from './config.ts'
import { freeUdpRange } from './free-ports.ts'

export interface WebRtcPorts {
  readonly media: MediaPlane
  readonly guard: RunningGuard
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
}

/** Browsers as the suite runs them. */
export interface RunningWebRtc {
  readonly council: CouncilService
  readonly rooms: Rooms
  readonly close: () => Promise<void>
}

const hourMs = 3_600_000
/** A browser takes two, the picture of a telephone two. */
const portsEach = 2

const isBrowser = (leg: object): leg is RoomLeg => 'onConnection' in leg

function councilRooms(rooms: Rooms, media: MediaPlane): CouncilRooms {
  return {
    join: async (context, request) => {
      const joined = await rooms.join(context, request)
      if (!joined.ok) return joined
      const { leg, sdp } = joined
      if (isBrowser(leg)) return { ok: true, leg: leg satisfies BrowserLeg, sdp }
      await leg.leave()
      return { ok: false, code: 'sdp.unsupported-profile', reason: 'not the offer of a browser' }
    },
    roster: (conference) =>
      media.roster(conference).map(({ participant, role, mutedBySelf, mutedByChair, handRaised, speaking, dominant }) => ({
        participant,
        role,
        muted: mutedBySelf || mutedByChair,
        handRaised,
        speaking,
        dominant
      })),
    mute: (conference, participant, muted) => media.mute(conference, participant, muted, 'self'),
    raiseHand: media.raiseHand,
    onChange: (listener) =>
      media.onConferenceEvent(({ type, conference }) => {
        if (type !== 'key' && type !== 'sending' && type !== 'locked') listener(conference)
      })
  }
}

/** Starts mediasoup and the council's page. @throws as createRooms and startCouncilService */
export async function startWebRtc({ listen, webrtc }: SuiteConfig, ports: WebRtcPorts): Promise<RunningWebRtc> {
  const { media, guard, witness, clock, log } = ports
  const address = webrtc.address ?? listen.address
  const rooms = await createRooms(media, {
    address,
    announcedAddress: webrtc.announcedAddress,
    portRange: webrtc.ports ?? (await freeUdpRange(address, webrtc.maxBrowsers * portsEach)),
    workers: webrtc.workers,
    maxBrowsers: webrtc.maxBrowsers,
    clock,
    log: log.child({ of: 'mediasoup' })
  })
  try {
    const council = await startCouncilService(
      { address, port: webrtc.port, tls: webrtc.tls, url: webrtc.url, seatMs: webrtc.seatHours * hourMs },
      { rooms: councilRooms(rooms, media), roleOf: (id) => guard.registry().byId(id)?.role, witness, clock, log }
    )
    return {
      council,
      rooms,
      close: async () => {
        await council.close()
        await rooms.close()
      }
    }
  } catch (error) {
    await rooms.close()
    throw error
  }
}
