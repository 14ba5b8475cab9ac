import {
  type Callee,
  type CallOut,
  type CallOutAnswer,
  type CallOutProgress,
  type CallOutRefusal,
  type CallsOut,
  type Clock,
  errorCode,
  type JsonObject,
  type Log
} from '#kernel'
import type { EscalationEventBody } from './events.ts'
import { type Branch, type Hunt, type HuntEvent, newHunt, stepHunt } from './hunt.ts'
import { type EscalationResult, resultOf } from './result.ts'
import { retryDelayMs } from './retry.ts'
import type { EscalateSettings } from './settings.ts'
import type { BranchView, LegKind, LegView } from './view.ts'

export interface LegOptions {
  readonly kind: LegKind
  readonly candidates: readonly Callee[]
  readonly width: number
  readonly escalation: string
  readonly traceId: string
  readonly hazard: string
  readonly conference: string
  readonly ringTimeoutMs: number
  readonly settings: EscalateSettings
  readonly calls: CallsOut
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly tell: (body: EscalationEventBody) => void
  readonly record: (event: string, payload: JsonObject) => void
  /** Told once: somebody is in the conference, or nobody will be. */
  readonly onResult: (result: EscalationResult) => void
  /** Told once: every call of the leg is over. */
  readonly onOver: () => void
}

/** One hunt of an escalation, with its calls. */
export interface EscalationLeg {
  readonly view: () => LegView
  readonly begin: () => void
  readonly cancel: () => void
  /** Holds or resumes who has answered. */
  readonly hold: (on: boolean) => Promise<HoldOutcome>
}

export type HoldOutcome = Awaited<ReturnType<CallOut['hold']>>

/** States of a call that waits for its answer. */
const waiting: ReadonlySet<BranchView['state']> = new Set(['calling', 'trying', 'ringing'])

interface Call {
  readonly branch: Branch<Callee>
  readonly view: { -readonly [key in keyof BranchView]: BranchView[key] }
  readonly out: CallOut
}

export function createLeg(options: LegOptions): EscalationLeg {
  const { kind, escalation, traceId, hazard, conference, settings, clock, tell, record, log } = options
  const calls = new Map<number, Call>()
  const timers = new Map<number, () => void>()
  const refusals: CallOutRefusal[] = []
  let hunt: Hunt<Callee> = newHunt(options.candidates, options.width)
  let open = 0
  let result: EscalationResult | null = null
  let connected: { expert: string; participant: string } | null = null
  let over = false

  const ofBranch = ({ id, candidate }: Branch<Callee>) => ({
    escalation,
    trace_id: traceId,
    leg: kind,
    branch: id,
    expert: candidate.id
  })

  const dispatch = (event: HuntEvent) => {
    const next = stepHunt(hunt, event)
    hunt = next.hunt
    for (const effect of next.effects) {
      switch (effect.type) {
        case 'call':
          call(effect.branch)
          break
        case 'stop':
          calls
            .get(effect.branch.id)
            ?.out.stop(connected !== null && effect.why === 'cancelled' ? 'escalation-ended' : effect.why)
          break
        case 'wait':
          timers.set(
            effect.branch.id,
            clock.after(effect.delayMs, () => {
              timers.delete(effect.branch.id)
              dispatch({ type: 'due', branch: effect.branch.id })
            })
          )
          break
        case 'unwait':
          timers.get(effect.branch.id)?.()
          timers.delete(effect.branch.id)
          break
        case 'exhausted':
          conclude(resultOf(refusals))
      }
    }
    endWhenDone()
  }

  const conclude = (concluded: EscalationResult) => {
    if (result !== null) return
    result = concluded
    record('escalation_result', { leg: kind, status: concluded.status, code: concluded.code, reason: concluded.reason })
    tell({ type: 'result', escalation, trace_id: traceId, leg: kind, result: concluded })
    options.onResult(concluded)
  }

  /** The leg is over with its last call, when no other is to come. */
  const endWhenDone = () => {
    if (over || open > 0 || timers.size > 0 || result === null) return
    over = true
    options.onOver()
  }

  const call = (branch: Branch<Callee>) => {
    open++
    const { id, candidate, attempt } = branch
    const out = options.calls.place(
      {
        callee: candidate,
        hazard,
        conference,
        role: 'expert',
        parentTraceId: traceId,
        ringTimeoutMs: options.ringTimeoutMs,
        earlyMedia: settings.earlyMedia,
        offer: settings.offer,
        claim: () => {
          dispatch({ type: 'claim', branch: id })
          return hunt.phase === 'claimed' && hunt.winner === id
        }
      },
      (progress) => onProgress(branch, progress)
    )
    const view: Call['view'] = {
      branch: id,
      expert: candidate.id,
      attempt,
      call_id: out.callId,
      call_trace_id: out.traceId,
      state: 'calling',
      sip_status: null,
      code: null,
      reason: null,
      setup_ms: null,
      duration_ms: null
    }
    calls.set(id, { branch, view, out })
    record('escalation_calling', {
      leg: kind,
      branch: id,
      expertId: candidate.id,
      attempt,
      callId: out.callId,
      callTraceId: out.traceId
    })
    tell({ ...ofBranch(branch), type: 'calling', attempt, call_id: out.callId, call_trace_id: out.traceId })
    out.answered.then((answer) => onAnswer(branch, view, answer)).catch((error: unknown) => failed(error, 'answer'))
    out.ended
      .then(({ by, reason, durationMs }) => {
        open--
        if (view.state === 'connected') {
          view.state = 'ended'
          view.duration_ms = durationMs
          record('escalation_hung_up', { leg: kind, branch: id, expertId: candidate.id, by, reason, durationMs })
          tell({ ...ofBranch(branch), type: 'hung-up', by, reason, duration_ms: durationMs })
        }
        endWhenDone()
      })
      .catch((error: unknown) => failed(error, 'end'))
  }

  const failed = (error: unknown, during: string) => log.error({ code: errorCode(error), during }, 'escalation leg')

  const onProgress = (branch: Branch<Callee>, progress: CallOutProgress) => {
    const view = calls.get(branch.id)?.view
    if (view === undefined || progress.type === 'calling' || !waiting.has(view.state)) return
    view.state = progress.type
    if (progress.type === 'trying') return tell({ ...ofBranch(branch), type: 'trying' })
    view.sip_status = progress.status
    tell({ ...ofBranch(branch), type: 'ringing', sip_status: progress.status, early_media: progress.earlyMedia })
  }

  const onAnswer = (branch: Branch<Callee>, view: Call['view'], answer: CallOutAnswer) => {
    const { id, candidate, attempt } = branch
    if (answer.ok) {
      dispatch({ type: 'connected', branch: id })
      view.state = 'connected'
      view.sip_status = 200
      view.setup_ms = answer.setupMs
      connected = { expert: candidate.id, participant: answer.participant }
      tell({
        ...ofBranch(branch),
        type: 'connected',
        participant: answer.participant,
        codec: answer.codec,
        setup_ms: answer.setupMs
      })
      return conclude({ status: 'connected', code: 'escalate.connected', reason: `${candidate.id} is in ${conference}` })
    }
    view.state = 'failed'
    view.sip_status = answer.status ?? view.sip_status
    view.code = answer.code
    view.reason = answer.reason
    const wanted = hunt.phase === 'hunting' || hunt.winner === id
    const again = wanted ? retryDelayMs(answer, attempt, settings.retry, options.random()) : null
    if (wanted) refusals.push(answer)
    record('escalation_branch_failed', {
      leg: kind,
      branch: id,
      expertId: candidate.id,
      by: answer.by,
      status: answer.status,
      code: answer.code,
      reason: answer.reason,
      againInMs: again
    })
    tell({
      ...ofBranch(branch),
      type: 'branch-failed',
      sip_status: answer.status,
      code: answer.code,
      reason: answer.reason,
      again_in_ms: again
    })
    dispatch({ type: 'failed', branch: id, again })
  }

  return {
    view: () => ({
      kind,
      state: over ? 'ended' : connected === null ? 'hunting' : 'connected',
      result,
      expert: connected?.expert ?? null,
      participant: connected?.participant ?? null,
      branches: [...calls.values()].map(({ view }) => ({ ...view }))
    }),
    begin: () => dispatch({ type: 'begin' }),
    hold: (on) =>
      (hunt.winner === null ? undefined : calls.get(hunt.winner)?.out)?.hold(on) ??
      Promise.resolve({ ok: false, code: 'escalate.not-connected', reason: 'nobody has answered yet' }),
    cancel: () => {
      dispatch({ type: 'cancelled' })
      conclude({ status: 'failed', code: 'escalate.cancelled', reason: 'cancelled before an expert was connected' })
      endWhenDone()
    }
  }
}
