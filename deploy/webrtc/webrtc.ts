/** The council's page in the suite: browsers join the conferences of the telephones. */

import type { RunningGuard } from '#guard'
import type { Clock, Log, Witness } from '#kernel'
import { createRooms, type MediaPlane, type RoomLeg, type Rooms, type Stages } from '#media'
import {
  type BrowserLeg,
  type CouncilPorts,
  type CouncilRooms,
  type CouncilService,
  type Given,
  type SeatTerms,
  startCouncilService
} from '#webrtc'
import { freeUdpRange } from '../edge/free-ports.ts'
import { type EvidenceParts, type RunningEvidence, startEvidence } from '../evidence/evidence.ts'
import { recordingGuard } from '../record/guard.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { type CallsFollowed, followCalls } from './context.ts'

import type { SipOverWebSocket, SipSeat } from './sip-phones.ts'

export interface WebRtcPorts {
  readonly media: MediaPlane
  readonly stages: Stages
  readonly guard: RunningGuard
  readonly sip: SipOverWebSocket
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
  /** Folder of the evidence. */
  readonly evidenceFolder: string
  readonly showOn: EvidenceParts['showOn']
  readonly terminals: EvidenceParts['terminals']
  readonly screens: EvidenceParts['screens']
}

/** Browsers as the suite runs them. */
export interface RunningWebRtc {
  readonly council: CouncilService
  readonly rooms: Rooms
  readonly evidence: RunningEvidence
  /** Is to be told what the suite tells, and of escalations. */
  readonly calls: CallsFollowed
  /**
   * Gives a party of the registry a seat: by the link of the page, and by SIP where there is a WebSocket for it.
   *
   * @param terms without a hazard an expert is called for the first of its specialisations
   * @returns null for nobody's id
   */
  readonly invite: (terms: SeatTerms) => Promise<(Given & { readonly sip: SipSeat | null }) | null>
  readonly close: () => Promise<void>
}

const hourMs = 3_600_000
/** A browser takes three: itself, its sound toward the mixer, its evidence; the picture of a telephone two, its slides two more. */
const portsEach = 3

const isBrowser = (leg: object): leg is RoomLeg => 'onConnection' in leg

function councilRooms(rooms: Rooms, media: MediaPlane): CouncilRooms {
  return {
    join: async (context, { kind, ...request }) => {
      const joined = await rooms.join(context, request)
      if (!joined.ok) return joined
      const { leg, sdp } = joined
      if (isBrowser(leg)) return { ok: true, leg: leg satisfies BrowserLeg, sdp }
      if (kind === 'agent') return { ok: true, leg, sdp }
      await leg.leave()
      return { ok: false, code: 'sdp.unsupported-profile', reason: 'not the offer of a browser' }
    },
    roster: (conference) =>
      media.roster(conference).map(({ participant, role, mutedBySelf, mutedByChair, handRaised, speaking, dominant }) => ({
        participant,
        role,
        muted: mutedBySelf || mutedByChair,
        mutedBySelf,
        handRaised,
        speaking,
        dominant
      })),
    mute: (conference, participant, muted) => media.mute(conference, participant, muted, 'self'),
    raiseHand: media.raiseHand,
    press: media.press,
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
  const { media, guard, sip, witness, clock, log } = ports
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
    const evidence = await startEvidence(config, ports.evidenceFolder, {
      rooms,
      witness,
      clock,
      log: log.child({ of: 'evidence' }),
      showOn: ports.showOn,
      terminals: ports.terminals,
      stages: ports.stages,
      screens: ports.screens
    })
    const council = await startCouncilService(
      { address, port: webrtc.port, tls: webrtc.tls, url: webrtc.url, seatMs: webrtc.seatHours * hourMs },
      {
        rooms: councilRooms(rooms, media),
        evidence: evidence.pages,
        calls,
        admit: admission(config, ports),
        roleOf: (id) => guard.registry().byId(id)?.role,
        revoked: sip.take,
        sip: {
          url: sip.url,
          onVoice: sip.onVoice,
          terms: (seat, conference, hazard) => {
            const given = sip.seatOf(seat)
            if (given === null) return null
            const { url, uri, user } = given
            const place = hazard === null ? conference : `${conference}-${hazard}`
            return { url, uri, user, target: `sip:${place}@${config.escalation.domain}` }
          }
        },
        witness,
        clock,
        log
      }
    )
    evidence.servedAt(council.url)
    return {
      council,
      rooms,
      evidence,
      calls,
      invite: async (terms) => {
        const party = guard.registry().byId(terms.id)
        if (party === undefined) return null
        const given = council.invite({ ...terms, hazard: terms.hazard ?? party.specialisations[0] ?? null })
        if (given === null) return null
        const { seat, token, expiresAt } = given
        const { digestUser, uri } = party
        return { ...given, sip: await sip.give({ seat, token, digestUser, uri, expiresAt }) }
      },
      close: async () => {
        sip.close()
        await council.close()
        await evidence.close()
        await rooms.close()
      }
    }
  } catch (error) {
    await rooms.close()
    throw error
  }
}
