/**
 * The MCU: terminals call a conference by its alias, or are called into it, and are equals there with whoever came by SIP or WebRTC. Sound is the media
 * plane's affair; the MC here numbers participants, keeps the chair and answers what terminals ask.
 *
 * @see H.323 §6.4, §8.4.3
 */
import {
  InfraFabricError,
  type LegStats,
  newTraceId,
  type ParticipantRole,
  type PicturePort,
  recordOfQuality,
  systemClock,
  type Witness
} from '#kernel'
import type { Call, Endpoint, EndpointConfig, MediaPlace, OpenMedia, ReleaseCause } from '../endpoint/endpoint.ts'
import { createEndpoint } from '../endpoint/service.ts'
import type { AliasAddress } from '../h225/h225.ts'
import { controlCapability } from '../h239/h239.ts'
import type { Capability, MultimediaSystemControlMessage } from '../h245/h245.ts'
import { traceData, traceOf } from '../h460/trace-id.ts'
import { type ConferencePictures, createConferencePictures, type LegPictures, type Showing } from './conference-pictures.ts'
import { type ConferenceControl, createConferenceControl, type McEffect } from './control.ts'
import { contentVideo, h264Video, usualLevel } from './h264.ts'
import { createLegRecorder, type LegRecorder } from './leg.ts'
import type { AdmittedCaller, Floor } from './ports.ts'

export { conferenceMedia } from '../endpoint/conference-media.ts'
export type { Call as H323Call } from '../endpoint/endpoint.ts'
export { traceOf } from '../h460/trace-id.ts'
export type { Showing } from './conference-pictures.ts'
export type { AdmittedCaller, Floor, FloorEvent, FloorMember } from './ports.ts'

export interface McuConfig extends Omit<EndpointConfig, 'kind' | 'media' | 'witness'> {
  readonly media: OpenMedia
  readonly floor: Floor
  readonly witness: Witness
  /** Conference that a dialled address means; null for none. */
  readonly conferenceOf: (called: readonly AliasAddress[]) => string | null
  /** Who has this call, as the gatekeeper admitted it; null for nobody it knows. */
  readonly callerOf: (callId: string) => AdmittedCaller | null
  /**
   * Takes a call that is for no conference, and looks after it; false for one that is refused.
   *
   * @param stats last counts of the call's sound in a place, once it has ended
   */
  readonly elsewhere?: (call: Call, caller: AdmittedCaller, stats: (place: MediaPlace) => PlacedCall['stats']) => boolean
  /** Where pictures are switched: H.264 baseline without transcoding, and H.239 content beside. Without it there is sound alone. */
  readonly pictures?: PicturePort
  /** H.264 level (H.241 table 8-4) that terminals send at most, and have to take to be sent pictures. Default 71: level 3.1. */
  readonly videoLevel?: number
  /** Among several MCs. Default 0. */
  readonly mcuNumber?: number
}

export interface Terminal {
  readonly participant: string
  /** Terminal number (H.245), 1–192. */
  readonly number: number
  readonly name: string
  readonly protocol: 'h323' | 'other'
  readonly role: ParticipantRole
  readonly codec: string | null
  readonly chair: boolean
  readonly muted: boolean
  readonly held: boolean
  readonly handRaised: boolean
  readonly speaking: boolean
  /** Call identifier, 32 hex digits; null for another protocol. */
  readonly call: string | null
  readonly traceId: string | null
}

export interface ConferenceView {
  readonly conference: string
  readonly terminals: readonly Terminal[]
}

export type InviteResult =
  | { readonly ok: true; readonly participant: string; readonly traceId: string }
  /** Q.850 cause of the end. */
  | { readonly ok: false; readonly cause: number; readonly reason: string | null; readonly traceId: string }

/** A call out that is under way. */
export interface Invitation {
  readonly participant: string
  readonly traceId: string
  /** Never rejects. */
  readonly answered: Promise<InviteResult>
  /** Resolves when it is over, answered or not. Never rejects. */
  readonly ended: Promise<ReleaseCause>
  /** Gives it up, or hangs up. Idempotent. */
  readonly cancel: () => void
}

export interface InviteOptions {
  readonly role: ParticipantRole
  /** Begins its name in the conference. */
  readonly name: string
  /** Trace of whoever asked: goes with the call. */
  readonly parentTraceId?: string
}

/** A call of the MCU that is no conference's: for a bridge. */
export interface PlacedCall {
  readonly call: Call
  /** Last counts of its sound; null before its end, and where there was none. */
  readonly stats: () => LegStats | null
}

/** What names a conference or a terminal throws `h323.mcu.unknown` when there is none. */
export interface Mcu {
  readonly endpoint: Endpoint
  readonly conferences: () => readonly ConferenceView[]
  readonly conference: (name: string) => ConferenceView
  /** Calls a terminal into a conference. @throws {InfraFabricError} as `Endpoint.dial` */
  readonly invite: (conference: string, target: string, options: InviteOptions) => Invitation
  /** Calls a terminal for somebody else, who looks after the call. @throws {InfraFabricError} as `Endpoint.dial` */
  readonly place: (target: string, place: MediaPlace, parentTraceId: string) => PlacedCall
  /**
   * Shows a text on a terminal that takes text as user input, beyond the keys that all take.
   *
   * @returns false for a terminal that does not say so
   * @see H.245 §7.2.2.11 (UserInputCapability: iA5String, generalString), §7.14.6
   */
  readonly showText: (conference: string, participant: string, text: string) => boolean
  /**
   * Shows what is on the conference's stage for content to all terminals that take it by H.239, until it is ended, a terminal presents, or nobody is there.
   *
   * @returns null while a terminal presents, or something is shown already, and where there are no pictures
   */
  readonly show: (conference: string) => Showing | null
  /** Told when a terminal does not present any more. */
  readonly onPresentationEnd: (listener: (conference: string) => void) => void
  /** Ends a terminal's call. Those of other protocols are not this MCU's to end. */
  readonly drop: (conference: string, participant: string) => void
  /** Takes the token of the chair from whoever has it. */
  readonly withdrawChair: (conference: string) => void
  /** Releases every call, unregisters, and resolves when all is recorded. Idempotent. */
  readonly close: () => Promise<void>
}

/** Q.850. */
const causes = { unallocated: 1, normal: 16, rejected: 21, temporaryFailure: 41 } as const
/** Master-slave determination of an MCU with audio (H.323 table 1). */
const audioMcu = 190

interface Leg {
  readonly call: Call
  readonly place: MediaPlace
  readonly name: string
  readonly record: LegRecorder
  connectedMs: number | null
  /** Has told its capabilities. */
  speaksH245: boolean
  capabilities: readonly Capability[]
  readonly pictures: LegPictures | null
}

/** @throws {InfraFabricError} as `createEndpoint` */
export async function createMcu(config: McuConfig): Promise<Mcu> {
  const {
    floor,
    witness,
    conferenceOf,
    callerOf,
    elsewhere,
    mcuNumber = 0,
    media,
    pictures,
    videoLevel = usualLevel,
    ...rest
  } = config
  const { log } = config
  const clock = config.clock ?? systemClock
  const legs = new Map<string, Leg>()
  const controls = new Map<string, ConferenceControl>()
  const settling = new Set<Promise<void>>()
  const stats = new Map<string, LegStats | null>()
  const keyOf = (conference: string, participant: string): string => `${conference}\n${participant}`
  let closing: Promise<void> | null = null

  /** Keeps the last counts of each place, which go into the record. */
  const counted: OpenMedia = async (context, place) => {
    const opened = await media(context, place)
    if (!opened.ok) return opened
    const close = async (): Promise<LegStats | null> => {
      const last = await opened.media.close()
      stats.set(keyOf(place.conference, place.participant), last)
      return last
    }
    return { ok: true, media: { ...opened.media, close } }
  }

  const received = (value: ReturnType<typeof h264Video>): Capability => ({ type: 'receiveVideoCapability', value })
  const video = [received(h264Video(videoLevel)), received(contentVideo(videoLevel)), controlCapability]
  const capabilities = [...(config.capabilities ?? []), ...(pictures === undefined ? [] : video)]
  const endpoint = await createEndpoint({
    ...rest,
    kind: 'mcu',
    terminalType: audioMcu,
    media: counted,
    witness: null,
    capabilities
  })

  const shared: ConferencePictures | null =
    pictures === undefined
      ? null
      : createConferencePictures({
          pictures,
          videoLevel,
          mcuNumber,
          clock,
          numberOf: (conference, participant) =>
            controls
              .get(conference)
              ?.members()
              .find((member) => member.participant === participant)?.number ?? null,
          chairOf: (conference) => controls.get(conference)?.chair() ?? null
        })

  const legOf = (conference: string, participant: string): Leg | undefined => legs.get(keyOf(conference, participant))

  function controlOf(conference: string): ConferenceControl {
    let control = controls.get(conference)
    if (control === undefined) {
      control = createConferenceControl(mcuNumber)
      controls.set(conference, control)
    }
    return control
  }

  function perform(conference: string, effects: readonly McEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
          legOf(conference, effect.to)?.call.sendH245(effect.message)
          break
        case 'drop':
          legOf(conference, effect.by)?.record.tell('h323_terminal_dropped', { dropped: effect.participant })
          legOf(conference, effect.participant)?.call.release(causes.normal)
          break
        case 'end':
          legOf(conference, effect.by)?.record.tell('h323_conference_dropped', {})
          for (const leg of legs.values()) if (leg.place.conference === conference) leg.call.release(causes.normal)
          break
        case 'chair':
          if (effect.participant !== null) legOf(conference, effect.participant)?.record.tell('h323_chair_taken', {})
          break
        case 'floorAsked':
          floor.raiseHand(conference, effect.participant, true)
          break
        case 'watch':
          pictures?.show(conference, effect.viewer, effect.source)
          break
        case 'broadcast':
          pictures?.show(conference, null, effect.source)
          break
      }
    }
  }

  floor.onConferenceEvent((event) => {
    if (event.type === 'joined') {
      const { conference, participant } = event
      const effects = controlOf(conference).join(participant, legOf(conference, participant)?.name ?? participant)
      if (effects === null) log.warn({ conference }, 'no terminal number is free')
      else perform(conference, effects)
      // its capabilities may have come before its sound (early H.245)
      if (legOf(conference, participant)?.speaksH245 === true) perform(conference, greet(conference, participant))
    } else if (event.type === 'left') {
      const { conference, participant } = event
      const control = controlOf(conference)
      shared?.left(conference, participant)
      perform(conference, control.leave(participant))
      if (control.members().length === 0) {
        controls.delete(conference)
        shared?.over(conference)
      }
    }
  })

  /** Takes up a call whose conference is known. */
  function enter(call: Call, place: MediaPlace, name: string, parentTraceId: string | undefined): Leg {
    const { conference, participant, role } = place
    const record = createLegRecorder({ witness, log: log.child({ traceId: call.traceId }) }, call.traceId, parentTraceId, {
      call: call.id,
      conference,
      participant
    })
    const leg: Leg = {
      call,
      place,
      name,
      record,
      connectedMs: null,
      speaksH245: false,
      capabilities: [],
      pictures: shared?.leg({ call, place, tell: record.tell }) ?? null
    }
    legs.set(keyOf(conference, participant), leg)
    record.move('joining', { role, direction: call.direction })
    call.onChannel((offer) => leg.pictures?.accept(offer) ?? null)
    call.onEvent((event) => {
      leg.pictures?.take(event)
      switch (event.type) {
        case 'alerting':
          return record.move('ringing', { inBand: event.inBand })
        case 'connected':
          leg.connectedMs = clock.monotonicMs()
          record.move('connected')
          return record.tell('BRIDGE_ESTABLISHED', { codec: call.terms()?.codec ?? null, name })
        case 'held':
          return record.move(event.held ? 'held' : 'resumed')
        case 'digit':
          record.tell('h323_dtmf_received', { digit: event.digit, durationMs: event.durationMs, by: event.by })
          // what came as RTP the plane has seen itself
          if (event.by !== 'rtp') floor.press(conference, participant, event.digit)
          return
        case 'capabilities':
          leg.speaksH245 = true
          leg.capabilities = event.capabilities
          leg.pictures?.capable(event.capabilities)
          return perform(conference, greet(conference, participant))
        case 'h245':
          return takeH245(leg, event.message)
        default:
          return
      }
    })
    const over = call.ended.then(async ({ cause, reason }) => {
      legs.delete(keyOf(conference, participant))
      leg.pictures?.close()
      record.move('leaving')
      const last = stats.get(keyOf(conference, participant)) ?? null
      stats.delete(keyOf(conference, participant))
      record.move('left')
      const quality = last === null ? null : recordOfQuality(last)
      if (quality !== null) record.tell('leg_quality', quality)
      record.tell('TERMINATED', {
        cause,
        reason,
        durationMs: leg.connectedMs === null ? 0 : Math.round(clock.monotonicMs() - leg.connectedMs),
        leg: last === null ? null : { ...last, received: { ...last.received }, sent: { ...last.sent }, quality: null }
      })
      await record.settled()
    })
    settling.add(over)
    void over.finally(() => settling.delete(over))
    return leg
  }

  function greet(conference: string, participant: string): readonly McEffect[] {
    const effects = controlOf(conference).ready(participant)
    if (effects.length === 0) return effects
    const message: MultimediaSystemControlMessage = {
      type: 'indication',
      value: { type: 'mcLocationIndication', value: { signalAddress: signalAddressOf(endpoint) } }
    }
    return [{ type: 'send', to: participant, message }, ...effects]
  }

  function takeH245(leg: Leg, message: MultimediaSystemControlMessage): void {
    const { conference, participant } = leg.place
    if (leg.pictures?.takeH245(message) === true) return
    const effects = controlOf(conference).take(participant, message)
    if (effects !== null) {
      perform(conference, effects)
      return
    }
    if (message.type !== 'indication' || message.value.type !== 'miscellaneousIndication') return
    // a terminal whose microphone is off says that its channel is not active (H.245 §B.14.4)
    const { type } = message.value.value.type
    if (type === 'logicalChannelInactive' || type === 'logicalChannelActive')
      floor.mute(conference, participant, type === 'logicalChannelInactive', 'self')
  }

  endpoint.onCall((call) => {
    const conference = conferenceOf(call.called)
    const caller = callerOf(call.id)
    if (
      closing === null &&
      conference === null &&
      caller !== null &&
      elsewhere?.(call, caller, (place) => lastOf(call, place)) === true
    )
      return
    const refused = closing !== null ? causes.temporaryFailure : conference === null ? causes.unallocated : causes.rejected
    if (closing !== null || conference === null || caller === null) {
      const record = createLegRecorder({ witness, log }, call.traceId, traceOf(call.genericData), { call: call.id, conference })
      record.tell('REJECTED', { cause: refused, caller: caller?.name ?? null })
      const settled = record.settled()
      settling.add(settled)
      void settled.finally(() => settling.delete(settled))
      return call.release(refused)
    }
    const participant = `${caller.name}-${call.traceId.slice(0, 8)}`
    const place = { conference, participant, role: caller.role }
    const leg = enter(call, place, call.remote().display ?? caller.name, traceOf(call.genericData))
    call.proceed()
    const answer = async (): Promise<void> => {
      await leg.pictures?.begin()
      await call.answer(place)
    }
    answer().catch((error: unknown) => {
      log.error({ traceId: call.traceId, error: String(error) }, 'a call could not be answered')
      call.release(causes.temporaryFailure)
    })
  })

  /** Counts that a place has left behind when its call has ended. */
  function lastOf(call: Call, { conference, participant }: MediaPlace): () => LegStats | null {
    let last: LegStats | null = null
    void call.ended.then(() => {
      last = stats.get(keyOf(conference, participant)) ?? null
      stats.delete(keyOf(conference, participant))
    })
    return () => last
  }

  const find = (conference: string, participant: string): Leg => {
    const leg = legOf(conference, participant)
    if (leg === undefined) throw new InfraFabricError('h323.mcu.unknown', `no terminal ${participant} in ${conference}`)
    return leg
  }
  const view = (conference: string): ConferenceView => {
    const control = controls.get(conference)
    if (control === undefined) throw new InfraFabricError('h323.mcu.unknown', `no conference ${conference}`)
    const roster = new Map(floor.roster(conference).map((member) => [member.participant, member]))
    return {
      conference,
      terminals: control.members().flatMap(({ participant, number, name }) => {
        const member = roster.get(participant)
        if (member === undefined) return []
        const leg = legOf(conference, participant)
        return [
          {
            participant,
            number,
            name,
            protocol: leg === undefined ? ('other' as const) : ('h323' as const),
            role: member.role,
            codec: member.codec,
            chair: control.chair() === participant,
            muted: member.mutedBySelf || member.mutedByChair,
            held: member.held,
            handRaised: member.handRaised,
            speaking: member.speaking,
            call: leg?.call.id ?? null,
            traceId: leg?.call.traceId ?? null
          }
        ]
      })
    }
  }

  async function shut(): Promise<void> {
    await endpoint.close()
    while (settling.size > 0) await Promise.all(settling)
  }

  return {
    endpoint,
    conferences: () => [...controls.keys()].map(view),
    conference: view,
    invite: (conference, target, { role, name, parentTraceId }) => {
      const participant = `${name}-${newTraceId().slice(0, 8)}`
      const place = { conference, participant, role }
      const trace = parentTraceId === undefined ? {} : { genericData: [traceData(parentTraceId)] }
      const call = endpoint.dial(target, { ...place, ...trace })
      const { pictures: own } = enter(call, place, name, parentTraceId)
      own
        ?.begin()
        .catch((error: unknown) =>
          log.error({ traceId: call.traceId, error: String(error) }, 'a terminal is called without pictures')
        )
      const { traceId } = call
      const answered = call.connected.then(
        (): InviteResult => ({ ok: true, participant, traceId }),
        async (): Promise<InviteResult> => ({ ok: false, ...(await call.ended), traceId })
      )
      return { participant, traceId, answered, ended: call.ended, cancel: () => call.release(causes.normal) }
    },
    place: (target, place, parentTraceId) => {
      const call = endpoint.dial(target, { ...place, genericData: [traceData(parentTraceId)] })
      return { call, stats: lastOf(call, place) }
    },
    showText: (conference, participant, text) => {
      const { call, capabilities } = find(conference, participant)
      if (!capabilities.some(takesText)) return false
      call.sendH245({
        type: 'indication',
        value: { type: 'userInput', value: { type: 'alphanumeric', value: text } }
      })
      return true
    },
    show: (conference) => (controls.has(conference) ? (shared?.show(conference) ?? null) : null),
    onPresentationEnd: (listener) => shared?.onFree(listener),
    drop: (conference, participant) => find(conference, participant).call.release(causes.normal),
    withdrawChair: (conference) => perform(conference, controls.get(conference)?.withdraw() ?? []),
    close: () => {
      closing ??= shut()
      return closing
    }
  }
}

const takesText = (capability: Capability): boolean =>
  (capability.type === 'receiveUserInputCapability' || capability.type === 'receiveAndTransmitUserInputCapability') &&
  (capability.value.type === 'iA5String' || capability.value.type === 'generalString')

function signalAddressOf({ address: { ip, port } }: Endpoint) {
  return {
    type: 'unicastAddress',
    value: { type: 'iPAddress', value: { network: Buffer.from(ip.split('.').map(Number)), tsapIdentifier: port } }
  } as const
}
