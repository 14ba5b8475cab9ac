/** The council's page in the suite: browsers join the conferences of the telephones. */

import type { RunningGuard } from '#guard'
import type { Clock, Log, Witness } from '#kernel'
import { createRooms, type MediaPlane, type RoomLeg, type Rooms, type Stages } from '#media'
import { type BrowserLeg, type CouncilPorts, type CouncilRooms, type CouncilService, startCouncilService } from '#webrtc'
import type { SuiteConfig } from './config.ts'
import { freeUdpRange } from './free-ports.ts'
import { recordingGuard } from './guard.ts'
import { type CallsFollowed, followCalls } from './webrtc-context.ts'

export interface WebRtcPorts {
  readonly media: MediaPlane
  readonly stages: Stages
  readonly guard: RunningGuard
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
}

/** Browsers as the suite runs them. */
export interface RunningWebRtc {
  readonly council: CouncilService
  readonly rooms: Rooms
  /** Is to be told what the suite tells, and of escalations. */
  readonly calls: CallsFollowed
  /** Hazards that a party of the registry is called for; none for a Guardian's id or nobody's. */
  readonly specialisationsOf: (id: string) => readonly string[]
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

/** Asks IF.guard for who has shown a seat's token, as for who has shown a password: from there on the rules are those of calls. */
function admission({ escalation, failClosed }: SuiteConfig, { guard, witness, clock }: WebRtcPorts): CouncilPorts['admit'] {
  const recording = recordingGuard(guard, witness, failClosed)
  return async (context, { party: id, conference, hazard, participant, from }) => {
    const party = guard.registry().byId(id)
    if (party === undefined) return 'guard.registered.unknown'
    const { verdict, code } = await recording.decide(context, {
      direction: 'inbound',
      method: 'JOIN',
      callId: participant,
      cseq: 1,
      fromUri: party.uri,
      toUri: `sip:${conference}@${escalation.domain}`,
      claimedTraceId: null,
      hazard,
      signature: null,
      body: new Uint8Array(),
      edge: { ...from, certificateIdentity: null, authenticatedUser: party.digestUser, digestAlgorithm: null },
      receivedAt: clock.now()
    })
    return verdict === 'approve' ? null : code
  }
}

/** Starts mediasoup and the council's page. @throws as createRooms and startCouncilService */
export async function startWebRtc(config: SuiteConfig, ports: WebRtcPorts): Promise<RunningWebRtc> {
  const { listen, webrtc } = config
  const { media, guard, witness, clock, log } = ports
  const address = webrtc.address ?? listen.address
  const rooms = await createRooms(media, {
    stages: ports.stages,
    address,
    announcedAddress: webrtc.announcedAddress,
    portRange: webrtc.ports ?? (await freeUdpRange(address, webrtc.maxBrowsers * portsEach)),
    workers: webrtc.workers,
    maxBrowsers: webrtc.maxBrowsers,
    clock,
    log: log.child({ of: 'mediasoup' })
  })
  const calls = followCalls(guard, clock)
  try {
    const council = await startCouncilService(
      { address, port: webrtc.port, tls: webrtc.tls, url: webrtc.url, seatMs: webrtc.seatHours * hourMs },
      {
        rooms: councilRooms(rooms, media),
        calls,
        admit: admission(config, ports),
        roleOf: (id) => guard.registry().byId(id)?.role,
        witness,
        clock,
        log
      }
    )
    return {
      council,
      rooms,
      calls,
      specialisationsOf: (id) => guard.registry().byId(id)?.specialisations ?? [],
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
