/**
 * Calls from SIP to H.323: to the SIP gateway a terminal's alias is a conference like any other, which it joins; behind it, the terminal is called and both
 * meet in a conference of their own.
 */
import {
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  type JoinRequest,
  type LegEvent,
  type LegStats,
  type Log,
  type MediaRefusal,
  systemClock,
  type Witness
} from '#kernel'
import { reasonOfCause, statusOfCause } from './causes.ts'
import { type Agreement, type CodecName, negotiate } from './negotiation.ts'
import { bridgeConference } from './outward.ts'
import type { H323Event, H323Leg, H323Side } from './ports.ts'
import { sipOfH323 } from './progress.ts'
import { type BridgeRecorder, countsOf, createBridgeRecorder } from './record.ts'
import { type Step, setUp } from './set-up.ts'

export * from './causes.ts'
export * from './negotiation.ts'
export * from './outward.ts'
export * from './ports.ts'
export * from './progress.ts'
export * from './set-up.ts'
export * from './states.ts'

export interface BridgeConfig {
  /** The media plane. */
  readonly conference: ConferencePort
  readonly h323: H323Side
  readonly witness: Witness
  readonly log: Log
  /** Alias of the terminal that a conference's name means; null for a conference. */
  readonly targetOf: (conference: string) => string | null
  /** Codecs that are coded here. */
  readonly codecs: ReadonlySet<CodecName>
  /** Both ways of the sound must be open within this time of the answer, ms. Default 5000. */
  readonly mediaTimeoutMs?: number
  readonly clock?: Clock
}

/** Q.850. */
const causes = { normal: 16, bearerNotImplemented: 65, temporaryFailure: 41, timerExpired: 102 } as const
const usualDigitMs = 160

/** The conference port for SIP: what it means by a terminal's alias is bridged, everything else passes. */
export const bridgedConferences = (config: BridgeConfig): ConferencePort => ({
  join: (context, request) => {
    const target = config.targetOf(request.conference)
    return target === null ? config.conference.join(context, request) : bridge(config, context, request, target)
  }
})

type Joined = Awaited<ReturnType<ConferencePort['join']>>

async function bridge(config: BridgeConfig, context: CallContext, request: JoinRequest, target: string): Promise<Joined> {
  const { traceId } = context
  const conference = bridgeConference(traceId)
  const record = createBridgeRecorder(config, context, { conference, target })
  let near: { readonly leg: ConferenceLeg; readonly sdp: string } | null = null
  let far: H323Leg | null = null
  let refused: MediaRefusal | null = null
  let agreement: Agreement | null = null
  const media = createMediaWatch(config.clock ?? systemClock)

  const steps: readonly Step[] = [
    {
      name: 'sip-leg',
      run: async () => {
        record.move('sip', 'joining')
        const joined = await config.conference.join(context, { ...request, conference })
        if (!joined.ok) {
          refused = joined
          return { ok: false, code: joined.code, reason: joined.reason, cause: causes.bearerNotImplemented }
        }
        near = joined
        if (context.signal.aborted) await joined.leg.leave()
        return { ok: true }
      },
      undo: async () => void (await near?.leg.leave())
    },
    {
      name: 'h323-leg',
      run: async () => {
        record.move('h323', 'joining')
        const called = config.h323.dial({
          target,
          conference,
          participant: `${target}-${traceId.slice(0, 8)}`,
          role: request.role,
          parentTraceId: context.parentTraceId ?? traceId
        })
        far = called
        called.onEvent((event) => {
          media.take(event)
          takeProgress(event)
        })
        const answer = await called.answered
        if (answer.ok) return { ok: true }
        return {
          ok: false,
          code: 'bridge.h323.refused',
          reason: `${reasonOfCause(answer.cause)} ${answer.reason ?? ''}`.trim(),
          cause: answer.cause
        }
      },
      undo: async (cause) => {
        far?.release(cause)
        await far?.ended
      }
    },
    {
      name: 'codecs',
      run: async () => {
        const theirs = await media.codec(config.mediaTimeoutMs ?? 5000)
        const ours = codecNameOf(near?.leg.codec() ?? null)
        agreement = negotiate({
          sip: ours === null ? null : [ours],
          h323: theirs === null ? null : [theirs],
          here: config.codecs
        })
        if (agreement !== null) return { ok: true }
        return { ok: false, code: 'bridge.no-codec', reason: 'no codec on one side', cause: causes.bearerNotImplemented }
      },
      undo: async () => undefined
    },
    {
      name: 'media',
      run: async () =>
        (await media.both(config.mediaTimeoutMs ?? 5000))
          ? { ok: true }
          : { ok: false, code: 'bridge.no-media', reason: 'the terminal opened no sound both ways', cause: causes.timerExpired },
      undo: async () => undefined
    },
    {
      name: 'record',
      run: async () => {
        record.move('h323', 'connected')
        await record.durable('BRIDGE_ESTABLISHED', { h323TraceId: far?.traceId ?? null, ...agreement })
        return { ok: true }
      },
      undo: async () => undefined
    }
  ]

  function takeProgress(event: H323Event): void {
    if (event.type !== 'proceeding' && event.type !== 'alerting' && event.type !== 'progress') return
    const told = sipOfH323(event)
    if (event.type === 'alerting') {
      record.move('h323', 'ringing', { inBand: event.inBand })
      record.move('sip', 'ringing')
    }
    if (told?.sdp === true && near !== null) request.onEarlyMedia?.(near.sdp)
  }

  const result = await setUp(steps, context.signal)
  if (!result.ok) {
    const { step: at, code, reason, cause, undone } = result
    for (const side of ['sip', 'h323'] as const) record.move(side, 'failed')
    for (const side of ['sip', 'h323'] as const) record.move(side, 'left')
    record.tell('BRIDGE_FAILED', { step: at, code, reason, cause, undone: undone.map((each) => ({ ...each })) })
    await record.settled()
    return refused ?? { ok: false, code: 'call.refused', reason: `${at}: ${reason}`, status: statusOfCause(cause) }
  }
  const { leg, sdp } = near!
  record.move('sip', 'connected')
  return { ok: true, leg: joined(leg, far!, record), sdp }
}

/** The SIP side's leg, tied to the call of the H.323 side. */
function joined(leg: ConferenceLeg, far: H323Leg, record: BridgeRecorder): ConferenceLeg {
  const listeners: ((event: LegEvent) => void)[] = []
  let left: Promise<LegStats> | null = null
  let isHeld = false
  const tell = (event: LegEvent): void => {
    for (const listener of listeners) listener(event)
  }
  const hold = (held: boolean): void => {
    if (held === isHeld) return
    isHeld = held
    record.move('sip', held ? 'held' : 'resumed')
    if (held) far.hold()
    else far.retrieve()
  }
  leg.onEvent((event) => {
    if (event.type === 'dtmf') far.sendDigit(event.digit, event.durationMs)
    tell(event)
  })
  far.onEvent((event) => {
    if (event.type === 'held') record.move('h323', event.held ? 'held' : 'resumed')
    else if (event.type === 'digit') leg.sendDigit?.(event.digit, event.durationMs ?? usualDigitMs)
  })
  void far.ended.then(({ cause }) => {
    record.move('h323', 'leaving')
    record.move('h323', 'left')
    if (left === null) tell({ type: 'ended', cause })
  })

  async function leave(): Promise<LegStats> {
    record.move('sip', 'leaving')
    const stats = await leg.leave()
    far.release(causes.normal)
    const { cause, stats: theirs } = await far.ended
    record.move('sip', 'left')
    record.quality('sip', stats)
    record.quality('h323', theirs)
    record.tell('TERMINATED', { cause, sip: countsOf(stats), h323: theirs === null ? null : countsOf(theirs) })
    await record.settled()
    return stats
  }

  return {
    codec: leg.codec,
    localSdp: leg.localSdp,
    stats: leg.stats,
    ...(leg.sendDigit === undefined ? {} : { sendDigit: leg.sendDigit }),
    offered: async (sdp) => {
      const answer = await leg.offered(sdp)
      if (answer.ok) hold(answer.held)
      return answer
    },
    answered: async (sdp) => {
      const agreed = await leg.answered(sdp)
      if (agreed.ok) hold(agreed.held)
      return agreed
    },
    leave: () => {
      left ??= leave()
      return left
    },
    onEvent: (listener) => void listeners.push(listener)
  }
}

/** `opus/48000/2` as the name alone; null for none, and for what H.323 does not have. */
function codecNameOf(codec: string | null): CodecName | null {
  const name = codec?.split('/')[0] ?? ''
  return (['opus', 'G722', 'PCMU', 'PCMA', 'G729'] as const).find((known) => known.toLowerCase() === name.toLowerCase()) ?? null
}

interface MediaWatch {
  readonly take: (event: H323Event) => void
  /** Null when nothing was opened in time. */
  readonly codec: (timeoutMs: number) => Promise<CodecName | null>
  readonly both: (timeoutMs: number) => Promise<boolean>
}

function createMediaWatch(clock: Clock): MediaWatch {
  const opened = Promise.withResolvers<CodecName>()
  const whole = Promise.withResolvers<true>()
  const within = async <T, N>(what: Promise<T>, timeoutMs: number, none: N): Promise<T | N> => {
    const late = Promise.withResolvers<N>()
    const cancel = clock.after(timeoutMs, () => late.resolve(none))
    try {
      return await Promise.race([what, late.promise])
    } finally {
      cancel()
    }
  }
  return {
    take: (event) => {
      if (event.type !== 'media') return
      opened.resolve(event.codec)
      if (event.both) whole.resolve(true)
    },
    codec: (timeoutMs) => within(opened.promise, timeoutMs, null),
    both: (timeoutMs) => within(whole.promise, timeoutMs, false)
  }
}
