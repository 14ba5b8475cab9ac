/** Where SIP and H.323 meet: the bridge's ports on the MCU, the media plane and the SIP application. */
import {
  type BridgeFloor,
  bridgeConference,
  bridgedConferences,
  callOutward,
  type H323Event,
  type H323Leg,
  type H323Side
} from '#bridge'
import type { AdmittedCaller, H323Call, Mcu } from '#h323/mcu'
import {
  type Callee,
  type CallsOut,
  type Clock,
  type ConferencePort,
  InfraFabricError,
  type Log,
  type ParticipantRole,
  type Witness
} from '#kernel'
import type { MediaPlane } from '#media'
import type { RunningH323 } from './h323.ts'

export interface BridgePorts {
  readonly clock: Clock
  /** Where calls for no terminal meet. */
  readonly conference: ConferencePort
  readonly witness: Witness
  readonly log: Log
}

const codecs = new Set(['opus', 'G722', 'PCMU', 'PCMA', 'G729'] as const)

/** The conference port for SIP, and which names lead to terminals. @param running null where H.323 is off, or does not run yet */
export function sipToH323(
  running: () => RunningH323 | null,
  { conference, witness, log, clock }: BridgePorts
): { readonly conference: ConferencePort; readonly isPlace: (name: string) => boolean } {
  const isPlace = (name: string): boolean => running()?.isTerminal(name) === true
  const h323: H323Side = {
    dial: ({ target, conference, participant, role, parentTraceId }) => {
      const mcu = running()?.mcu
      if (mcu === undefined) throw new InfraFabricError('suite.h323.off', 'H.323 does not run')
      return legOf(mcu, target, { conference, participant, role }, parentTraceId)
    }
  }
  const targetOf = (name: string): string | null => (isPlace(name) ? name : null)
  return { isPlace, conference: bridgedConferences({ conference, h323, witness, log, clock, targetOf, codecs }) }
}

type Place = { readonly conference: string; readonly participant: string; readonly role: ParticipantRole }

function legOf(mcu: Mcu, target: string, place: Place, parentTraceId: string): H323Leg {
  const { call, stats } = mcu.place(target, place, parentTraceId)
  return {
    traceId: call.traceId,
    onEvent: (listener) => forward(call, listener),
    answered: call.connected.then(
      () => ({ ok: true }) as const,
      async () => ({ ok: false, ...(await call.ended) }) as const
    ),
    ended: call.ended.then(({ cause }) => ({ cause, stats: stats() })),
    hold: call.hold,
    retrieve: call.retrieve,
    sendDigit: call.sendDigit,
    release: call.release
  }
}

/** Tells what a bridge wants to know of a call. Keys that came as RTP are told by the floor. */
function forward(call: H323Call, listener: (event: H323Event) => void): void {
  call.onEvent((event) => {
    if (event.type === 'proceeding' || event.type === 'alerting' || event.type === 'progress' || event.type === 'held')
      listener(event)
    else if (event.type === 'digit') listener({ type: 'digit', digit: event.digit, durationMs: event.durationMs })
    else if (event.type === 'media') {
      const { codec, sends, receives } = event.terms
      listener({ type: 'media', codec, both: sends && receives })
    }
  })
}

export interface H323ToSipPorts extends Omit<BridgePorts, 'conference' | 'clock'> {
  readonly calls: CallsOut
  readonly floor: BridgeFloor
  readonly ringTimeoutMs: number
}

/** The plane's floor, for bridges: it is listened to once, however many calls there are. */
export function bridgeFloor(media: MediaPlane): BridgeFloor {
  const listeners = new Map<string, (participant: string, digit: string) => void>()
  media.onConferenceEvent((event) => {
    if (event.type === 'key') listeners.get(event.conference)?.(event.participant, event.digit)
  })
  return {
    onKey: (conference, listener) => {
      listeners.set(conference, listener)
      return () => void listeners.delete(conference)
    },
    sendDigit: media.sendDigit
  }
}

/** Takes a terminal's call to an expert. */
export function callExpert(
  { calls, floor, witness, log, ringTimeoutMs }: H323ToSipPorts,
  {
    call,
    parentTraceId,
    stats
  }: { readonly call: H323Call; readonly parentTraceId: string | undefined; readonly stats: (place: Place) => H323Stats },
  caller: AdmittedCaller,
  callee: Callee
): Promise<void> {
  const conference = bridgeConference(call.traceId)
  const participant = `${caller.name}-${call.traceId.slice(0, 8)}`
  const place = { conference, participant, role: caller.role }
  return callOutward(
    { calls, floor, witness, log, ringTimeoutMs },
    {
      traceId: call.traceId,
      parentTraceId,
      participant,
      onEvent: (listener) => forward(call, listener),
      proceed: call.proceed,
      alert: (inBand) => void call.alert(inBand ? place : undefined).catch(() => call.release()),
      answer: () => call.answer(place),
      sendDigit: call.sendDigit,
      release: call.release,
      ended: call.ended.then(({ cause }) => ({ cause, stats: stats(place)() }))
    },
    callee
  )
}

type H323Stats = ReturnType<Mcu['place']>['stats']
