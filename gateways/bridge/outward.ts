/** Calls from H.323 to SIP: a terminal calls the alias of somebody who is reached by SIP; he is called, and both meet in a conference of their own. */
import type { Callee, CallsOut, LegStats, Log, Witness } from '#kernel'
import { causeOfReason, causeOfSip } from './causes.ts'
import type { H323Event } from './ports.ts'
import { h323OfSip } from './progress.ts'
import { countsOf, createBridgeRecorder } from './record.ts'

/** A call that came from a terminal. */
export interface H323Caller {
  readonly traceId: string
  /** Trace that came with the call. */
  readonly parentTraceId: string | undefined
  readonly participant: string
  readonly onEvent: (listener: (event: H323Event) => void) => void
  readonly proceed: () => void
  /** Rings; `inBand` joins the conference, so that what the called side says before its answer is heard. */
  readonly alert: (inBand: boolean) => void
  /** Joins the conference and answers. @returns false when the call has ended meanwhile */
  readonly answer: () => Promise<boolean>
  readonly sendDigit: (digit: string, durationMs: number) => void
  /** Idempotent. */
  readonly release: (cause: number) => void
  readonly ended: Promise<{ readonly cause: number; readonly stats: LegStats | null }>
}

/** Keys of the SIP side, by the conference's floor. */
export interface BridgeFloor {
  /** @returns stops listening */
  readonly onKey: (conference: string, listener: (participant: string, digit: string) => void) => () => void
  readonly sendDigit: (conference: string, participant: string, digit: string, durationMs: number) => void
}

export interface OutwardConfig {
  readonly calls: CallsOut
  readonly floor: BridgeFloor
  readonly witness: Witness
  readonly log: Log
  readonly ringTimeoutMs: number
}

const causes = { normal: 16, temporaryFailure: 41 } as const
const usualDigitMs = 160

const bridgePrefix = 'bridge-'

/** Name of the conference in which both sides of a call meet. */
export const bridgeConference = (traceId: string): string => `${bridgePrefix}${traceId}`

/** Whether a conference was made for one call between both sides: with that it is over. */
export const isBridgeConference = (conference: string): boolean => conference.startsWith(bridgePrefix)

/** Takes a terminal's call to somebody who is reached by SIP. Resolves when it is over and recorded. */
export async function callOutward(config: OutwardConfig, caller: H323Caller, callee: Callee): Promise<void> {
  const { traceId, parentTraceId } = caller
  const conference = bridgeConference(traceId)
  const record = createBridgeRecorder(
    config,
    { traceId, ...(parentTraceId === undefined ? {} : { parentTraceId }) },
    {
      conference,
      target: callee.id
    }
  )
  let isOver = false
  let isAlerting = false
  let sipParticipant: string | null = null
  record.move('h323', 'joining')
  caller.proceed()
  record.move('sip', 'joining')
  const out = config.calls.place(
    {
      callee,
      hazard: callee.specialisations[0] ?? '',
      conference,
      role: 'expert',
      parentTraceId: parentTraceId ?? traceId,
      ringTimeoutMs: config.ringTimeoutMs,
      earlyMedia: 'heard',
      offer: 'early',
      claim: () => !isOver
    },
    (progress) => {
      const told = progress.type === 'ringing' ? h323OfSip({ status: progress.status, sdp: progress.earlyMedia }) : null
      if (told === null || told.type === 'proceeding' || isAlerting || isOver) return
      isAlerting = true
      record.move('sip', 'ringing')
      record.move('h323', 'ringing', { inBand: told.inBand })
      caller.alert(told.inBand)
    }
  )
  const stopKeys = config.floor.onKey(conference, (participant, digit) => {
    if (participant !== caller.participant) caller.sendDigit(digit, usualDigitMs)
  })
  caller.onEvent((event) => {
    if (event.type === 'held') {
      record.move('h323', event.held ? 'held' : 'resumed')
      void out.hold(event.held)
    } else if (event.type === 'digit' && sipParticipant !== null)
      config.floor.sendDigit(conference, sipParticipant, event.digit, event.durationMs ?? usualDigitMs)
  })
  void caller.ended.then(() => {
    isOver = true
    out.stop(sipParticipant === null ? 'cancelled' : 'escalation-ended')
  })

  const answer = await out.answered
  if (answer.ok) {
    sipParticipant = answer.participant
    record.move('sip', 'connected')
    if (await caller.answer()) {
      record.move('h323', 'connected')
      record.tell('BRIDGE_ESTABLISHED', { sip: answer.codec, setupMs: answer.setupMs })
    } else caller.release(causes.temporaryFailure)
    void out.ended.then(({ reasonHeader }) => caller.release(causeOfReason(reasonHeader) ?? causes.normal))
  } else {
    record.tell('BRIDGE_FAILED', { step: 'sip-leg', code: answer.code, status: answer.status, by: answer.by })
    caller.release(answer.status === null ? causes.temporaryFailure : causeOfSip(answer.status, answer.reasonHeader))
  }
  const { cause, stats } = await caller.ended
  stopKeys()
  record.move('h323', 'leaving')
  record.move('h323', 'left')
  const end = await out.ended
  record.move('sip', 'leaving')
  record.move('sip', 'left')
  record.quality('h323', stats)
  record.tell('TERMINATED', { cause, hungUpBy: end.by, reason: end.reason, h323: stats === null ? null : countsOf(stats) })
  await record.settled()
}
