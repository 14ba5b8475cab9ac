/**
 * Conferences for browsers and telephones alike: all are heard in one mixer, and who speaks is seen by those who share video.
 */
import { isIPv4 } from 'node:net'
import type { types } from 'mediasoup'
import {
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  ConfigError,
  errorCode,
  InfraFabricError,
  type JoinRequest,
  type Log,
  type MediaRefusal,
  messageOf,
  type PictureKind,
  systemClock
} from '#kernel'
import type { MediaPlane } from '../media.ts'
import { PlainVideo } from '../video/plain-video.ts'
import type { Stage } from '../video/stage.ts'
import { createStages, type Stages } from '../video/stages.ts'
import { VideoLeg } from '../video/video-leg.ts'
import { type DataLink, openDataLink } from './data-link.ts'
import { bridgeSuite, type PeerTransports, type RoomLeg, WebRtcPeer } from './peer.ts'
import { isWebRtc, ourCodecs, readWebRtcOffer, type WebRtcOffer } from './sdp-webrtc.ts'
import { type MediasoupCounts, MediasoupWorkers, roomsClosed } from './workers.ts'

export type { ConnectionEvent, RoomLeg } from './peer.ts'
export type { MediasoupCounts } from './workers.ts'

export interface RoomsConfig {
  /** IPv4 address on which browsers are served, and the candidate they are told. Default `127.0.0.1`. */
  readonly address?: string
  /** The address that browsers are told where it is another (NAT). */
  readonly announcedAddress?: string | null
  /** UDP ports of mediasoup, two for each browser and one for its data channels, and of telephones' video, a pair for each; not those of the plane. */
  readonly portRange: readonly [min: number, max: number]
  /** Processes of mediasoup, 1 to 64. Default 1. */
  readonly workers?: number
  /** Browsers at once, in all conferences. Default 100. */
  readonly maxBrowsers?: number
  /** Time for ICE and DTLS after the answer, in milliseconds. Default 15,000. */
  readonly connectTimeoutMs?: number
  /** Where pictures meet those of others. Default: none but those who join here. */
  readonly stages?: Stages
  readonly clock?: Clock
  readonly log: Log
}

/** `join` takes offers of browsers and of telephones; null is an offer of the plane's, of sound. Refusals and errors are those of the plane, and `media.mediasoup.lost`. */
export interface Rooms extends ConferencePort {
  readonly join: (
    context: CallContext,
    request: JoinRequest
  ) => Promise<{ readonly ok: true; readonly leg: ConferenceLeg | RoomLeg; readonly sdp: string } | MediaRefusal>
  /** Invites a browser: gives an offer of ours, and the leg's `answered` takes its answer. */
  readonly invite: (
    context: CallContext,
    request: Omit<JoinRequest, 'offer'>
  ) => Promise<{ readonly ok: true; readonly leg: RoomLeg; readonly sdp: string } | MediaRefusal>
  /**
   * Takes the offer of a browser's connection for data channels, which is beside that of its sound.
   *
   * @throws {InfraFabricError} `media.mediasoup.lost`
   */
  readonly openData: (
    offer: string
  ) => Promise<{ readonly ok: true; readonly link: DataLink; readonly sdp: string } | MediaRefusal>
  /** Whose picture a participant sees; null for nobody's. */
  readonly shownTo: (conference: string, participant: string) => string | null
  readonly counts: () => Readonly<MediasoupCounts>
  /** Process ids of mediasoup. */
  readonly pids: () => Promise<readonly number[]>
  /** Ends the legs that joined here and the processes of mediasoup; the plane stays. Idempotent. */
  readonly close: () => Promise<void>
}

function checkConfig(config: RoomsConfig) {
  const checked = {
    address: '127.0.0.1',
    announcedAddress: null,
    workers: 1,
    maxBrowsers: 100,
    connectTimeoutMs: 15_000,
    clock: systemClock,
    ...config
  }
  const problems: string[] = []
  const [min, max] = checked.portRange
  if (!isIPv4(checked.address)) problems.push(`address: expected an IPv4 address, got ${JSON.stringify(checked.address)}`)
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 1024 || max > 65_535 || max <= min)
    problems.push(`portRange: expected two ports from 1024 to 65535, the first below the second, got ${min}–${max}`)
  for (const [name, most] of [
    ['workers', 64],
    ['maxBrowsers', 10_000],
    ['connectTimeoutMs', 600_000]
  ] as const) {
    const value = checked[name]
    if (!Number.isInteger(value) || value < 1 || value > most)
      problems.push(`${name}: expected a whole number from 1 to ${most}, got ${value}`)
  }
  if (problems.length > 0) throw new ConfigError('rooms', problems)
  return checked
}

/** Starts the processes of mediasoup. @throws {ConfigError} @throws {InfraFabricError} `media.mediasoup.start` */
export async function createRooms(plane: MediaPlane, config: RoomsConfig): Promise<Rooms> {
  const { address, announcedAddress, portRange, workers: count, maxBrowsers, connectTimeoutMs, clock, log } = checkConfig(config)
  const workers = await MediasoupWorkers.start(count, log)
  const [min, max] = portRange
  const stages = config.stages ?? createStages(plane, clock)
  const peers = new Map<string, WebRtcPeer>()
  const telephones = new Map<string, VideoLeg>()
  let opening = 0
  let closing: Promise<void> | null = null
  const key = (conference: string, participant: string) => JSON.stringify([conference, participant])

  plane.onConferenceEvent((event) => {
    if (event.type === 'role') {
      peers.get(key(event.conference, event.participant))?.show(event.role !== 'observer')
      telephones.get(key(event.conference, event.participant))?.show()
    } else if (event.type === 'left') {
      peers.delete(key(event.conference, event.participant))
      telephones.delete(key(event.conference, event.participant))
    }
  })

  /** Of a conference that somebody is in: it lasts as long as that. */
  function stageOf(conference: string, kind: PictureKind = 'people'): Stage {
    const { stage, release } = stages.hold(conference, kind)
    release()
    return stage
  }

  async function transportsFor(codecs: readonly types.RouterRtpCodecCapability[]): Promise<PeerTransports> {
    const router = await workers.router([...codecs])
    const secure = plane.srtp === 'required'
    const listenInfo = { protocol: 'udp', ip: address, portRange: { min, max } } as const
    const announced = announcedAddress === null ? {} : { announcedAddress }
    try {
      const [web, plain, direct] = await Promise.all([
        router.createWebRtcTransport({ listenInfos: [{ ...listenInfo, ...announced }] }),
        router.createPlainTransport({
          listenInfo: { ...listenInfo, ip: '127.0.0.1' },
          rtcpMux: true,
          comedia: false,
          ...(secure ? { enableSrtp: true, srtpCryptoSuite: bridgeSuite } : {})
        }),
        router.createDirectTransport()
      ])
      return { router, web, plain, direct }
    } catch (error) {
      router.close()
      throw error
    }
  }

  /** @param offer null to be given one of ours */
  async function open(context: CallContext, request: JoinRequest, offer: WebRtcOffer | null) {
    const { conference, participant, role } = request
    const refuse = (code: MediaRefusal['code'], reason: string): MediaRefusal => ({ ok: false, code, reason })
    if (peers.size + opening >= maxBrowsers) return refuse('conference.full', `${maxBrowsers} browsers are connected`)
    opening++
    try {
      const transports = await transportsFor(offer?.codecs ?? ourCodecs)
      const settings = { connectTimeoutMs, clock, log: context.log }
      const join = (sdp: string | null) => plane.join(context, { ...request, offer: sdp })
      const seen = role !== 'observer'
      const stage = () => stageOf(conference)
      const opened =
        offer === null
          ? await WebRtcPeer.invite(participant, seen, transports, () => join(null), stage, settings)
          : await WebRtcPeer.open(participant, seen, offer, transports, join, stage, settings)
      if (!opened.ok) return opened
      if (closing !== null) {
        await opened.leg.leave()
        throw roomsClosed()
      }
      if (!opened.leg.left) peers.set(key(conference, participant), opened.leg)
      return opened
    } catch (error) {
      if (closing !== null) throw roomsClosed()
      if (error instanceof InfraFabricError) throw error
      const reason = messageOf(error)
      if (/no more available ports/.test(reason)) return refuse('conference.no-ports', `no port is free from ${min} to ${max}`)
      log.warn({ code: errorCode(error), reason }, 'mediasoup refused an offer')
      return refuse('sdp.unsupported-profile', 'mediasoup does not take these streams')
    } finally {
      opening--
    }
  }

  /** A telephone: its sound is the plane's affair, its picture comes to the stage. */
  async function openPlain(context: CallContext, request: JoinRequest, offer: string) {
    const joined = await plane.join(context, request)
    if (!joined.ok) return joined
    const { conference, participant } = request
    const isSeen = () =>
      plane.roster(conference).some((member) => member.participant === participant && member.role !== 'observer')
    const openVideo = (kind: PictureKind) =>
      PlainVideo.open(address, portRange, participant, isSeen, stageOf(conference, kind), clock).catch((error: unknown) => {
        if (!(error instanceof InfraFabricError)) throw error
        log.warn({ code: error.code }, 'a telephone goes without video')
        return null
      })
    const leg = new VideoLeg(joined.leg, openVideo)
    telephones.set(key(conference, participant), leg)
    return { ok: true, leg, sdp: await leg.answer(offer, joined.sdp) } as const
  }

  return {
    join: async (context, request) => {
      if (closing !== null) throw roomsClosed()
      if (request.offer === null) return plane.join(context, request)
      if (!isWebRtc(request.offer)) return openPlain(context, request, request.offer)
      const offer = readWebRtcOffer(request.offer)
      return offer.ok ? open(context, request, offer) : offer
    },
    invite: async (context, request) => {
      if (closing !== null) throw roomsClosed()
      return open(context, { ...request, offer: null }, null)
    },
    openData: async (offer) => {
      if (closing !== null) throw roomsClosed()
      const announced = announcedAddress === null ? {} : { announcedAddress }
      const listenInfo = { protocol: 'udp', ip: address, portRange: { min, max }, ...announced } as const
      return openDataLink(await workers.router([]), listenInfo, offer)
    },
    shownTo: (conference, participant) => stages.at(conference, 'people')?.shownTo(participant) ?? null,
    counts: () => ({ ...workers.counts }),
    pids: () => workers.pids(),
    close: () => {
      closing ??= (async () => {
        if (config.stages === undefined) stages.close()
        await Promise.all([...peers.values(), ...telephones.values()].map((leg) => leg.leave()))
        await workers.close()
      })()
      return closing
    }
  }
}
