import { createHash } from 'node:crypto'
import {
  type CallBridge,
  type CallsOut,
  type Clock,
  errorCode,
  InfraFabricError,
  type JsonObject,
  type Log,
  newTraceId,
  systemClock,
  type Witness
} from '#kernel'
import { type RetryOutcome, runBridges } from './bridges.ts'
import { createEventLog, type EventLog } from './events.ts'
import { createLeg, type EscalationLeg, type HoldOutcome } from './leg.ts'
import { type IfMessage, type IfMessageInput, ifMessageSchema } from './message.ts'
import { type ExpertDirectory, planEscalation } from './plan.ts'
import type { EscalationResult } from './result.ts'
import { defaultEscalateSettings, type EscalateSettings } from './settings.ts'
import type { EscalationView, LegView } from './view.ts'

export interface EscalatorPorts {
  readonly calls: CallsOut
  /** The registry as it is now. */
  readonly directory: () => ExpertDirectory
  readonly witness: Witness
  readonly log: Log
  readonly clock?: Clock
  /** What runs beside the call of an expert who is connected; asked for then. */
  readonly bridges?: (wish: BridgeWish) => readonly CallBridge[]
  /** 0 ≤ random < 1. Default Math.random. */
  readonly random?: () => number
}

export interface BridgeWish {
  readonly conference: string
  readonly ndiVideo: boolean
}

export interface Requester {
  /** Name of the token, or of the program. */
  readonly by: string
  /** 1 to 128 printable ASCII characters: the same key of the same requester makes one escalation, however often it comes. */
  readonly idempotencyKey?: string | undefined
}

export interface Escalator {
  /**
   * Begins an escalation. It goes on by itself: follow it by its events, or await {@link Escalator.result}.
   *
   * @returns `created` is false when the key was known: the escalation is the one made then.
   * @throws {InfraFabricError} `escalate.message.invalid`, `escalate.key.invalid`, `escalate.key.reused` (with another message), `escalate.busy`,
   * `escalate.closed`; `escalate.unrecorded` when the wish could not be recorded: no record, no call
   */
  readonly escalate: (
    message: IfMessageInput,
    requester: Requester
  ) => Promise<{ readonly escalation: EscalationView; readonly created: boolean }>
  readonly get: (id: string) => EscalationView | undefined
  /** Newest first. */
  readonly list: () => readonly EscalationView[]
  /** Resolves when it is known what became of it. @throws {InfraFabricError} `escalate.unknown` */
  readonly result: (id: string) => Promise<EscalationView>
  /** Resolves when every call is over. @throws {InfraFabricError} `escalate.unknown` */
  readonly ended: (id: string) => Promise<EscalationView>
  /**
   * Puts who has answered on hold, so that the council speaks among itself, or resumes.
   *
   * @throws {InfraFabricError} `escalate.unknown`
   */
  readonly hold: (id: string, on: boolean, by: string) => Promise<HoldOutcome>
  /**
   * Opens bridges anew that have FAILED beside the call of an escalation.
   *
   * @param target null for every one of the kind
   */
  readonly retryBridge: (id: string, bridge: string, target: string | null, by: string) => RetryOutcome
  /** Cancels what rings, hangs up on who has answered. @returns false when there is no such escalation */
  readonly cancel: (id: string, by: string) => boolean
  readonly events: EventLog
  /** Cancels every escalation and resolves when all have ended. Idempotent. */
  readonly close: () => Promise<void>
}

const component = 'IF.escalate'

interface Running {
  readonly view: () => EscalationView
  readonly cancel: (by: string) => void
  readonly hold: (on: boolean, by: string) => Promise<HoldOutcome>
  readonly retryBridge: (bridge: string, target: string | null, by: string) => RetryOutcome
  readonly result: Promise<void>
  readonly ended: Promise<void>
}

export function createEscalator(settings: Partial<EscalateSettings>, ports: EscalatorPorts): Escalator {
  const config: EscalateSettings = { ...defaultEscalateSettings, ...settings }
  const { witness, calls, log, clock = systemClock, random = Math.random } = ports
  const events = createEventLog(clock, config.rememberedEvents, (error) =>
    log.error({ code: errorCode(error) }, 'a listener failed')
  )
  const open = new Map<string, Running>()
  const ended = new Map<string, Running>()
  const keys = new Map<string, { readonly hash: string; readonly made: Promise<Running> }>()
  /** Escalations that are being recorded: they hold a place already, and closing waits for them. */
  const beginning = new Set<Promise<unknown>>()
  let closed: Promise<void> | null = null

  const find = (id: string): Running | undefined => open.get(id) ?? ended.get(id)
  const known = (id: string): Running => {
    const running = find(id)
    if (running === undefined) throw new InfraFabricError('escalate.unknown', 'there is no such escalation')
    return running
  }

  const begin = async (message: IfMessage, hash: string, requester: Requester): Promise<Running> => {
    if (closed !== null) throw new InfraFabricError('escalate.closed', 'the suite is shutting down')
    if (open.size + beginning.size >= config.mostOpen)
      throw new InfraFabricError('escalate.busy', `${config.mostOpen} escalations at a time`)
    const made = recordAndHunt(message, hash, requester)
    beginning.add(made)
    try {
      return await made
    } finally {
      beginning.delete(made)
    }
  }

  const recordAndHunt = async (message: IfMessage, hash: string, requester: Requester): Promise<Running> => {
    const { payload } = message
    const id = newTraceId()
    const traceId = payload.trace_id ?? newTraceId()
    const createdAt = clock.now()
    const told = (event: string, facts: JsonObject) =>
      witness.record({ component, event, traceId, payload: { escalation: id, ...facts } })
    const record = (event: string, facts: JsonObject) => {
      told(event, facts).catch((error: unknown) => log.error({ event, code: errorCode(error) }, 'entry not recorded'))
    }
    const resulted = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    const contextEnd = new AbortController()
    const legs: EscalationLeg[] = []
    let result: EscalationResult | null = null
    let state: EscalationView['state'] = 'hunting'
    let openLegs = 0
    const bridgesLog = log.child({ escalation: id })
    const bridges = runBridges(
      { clock, log: bridgesLog, witness },
      { escalation: id },
      ({ view, previous, state }) =>
        events.tell({ type: 'bridge', escalation: id, trace_id: traceId, bridge: view, previous, bridge_state: state }),
      ({ bridge, target }, by) => events.tell({ type: 'bridge-retried', escalation: id, trace_id: traceId, bridge, target, by })
    )

    const finish = () => {
      if (state === 'ended') return
      state = 'ended'
      contextEnd.abort()
      void bridges.stop('call.ended').then(() => {
        record('escalation_ended', { status: result!.status, code: result!.code })
        events.tell({ type: 'ended', escalation: id, trace_id: traceId, result: result! })
        open.delete(id)
        ended.set(id, running)
        if (ended.size > config.remembered) ended.delete(ended.keys().next().value!)
        over.resolve()
      })
    }

    const concluded = (outcome: EscalationResult) => {
      if (result !== null) return
      result = outcome
      if (outcome.status === 'connected') state = 'connected'
      resulted.resolve()
    }

    const startBridges = ({ expert, branches }: LegView) => {
      const { conference } = payload
      const callTrace = branches.find(({ state }) => state === 'connected')!.call_trace_id
      const context = {
        traceId: callTrace,
        parentTraceId: traceId,
        log: log.child({ traceId: callTrace }),
        signal: contextEnd.signal,
        now: clock.now
      }
      const wanted = ports.bridges?.({ conference, ndiVideo: payload.ndi_video_enabled }) ?? []
      bridges.start(wanted, context, { conference, expertId: expert! })
    }

    const onLegOver = (main: boolean) => {
      openLegs--
      if (main) for (const other of legs) if (other.view().result === null) other.cancel()
      if (openLegs === 0) finish()
    }

    const addLeg = (kind: 'expert' | 'contrarian', candidates: Parameters<typeof createLeg>[0]['candidates']) => {
      const main = kind === 'expert'
      openLegs++
      const leg = createLeg({
        kind,
        candidates,
        width: payload.hunt === 'parallel' ? config.mostParallel : 1,
        escalation: id,
        traceId,
        hazard: payload.hazard,
        conference: payload.conference,
        ringTimeoutMs: payload.ring_timeout_s === null ? config.ringTimeoutMs : payload.ring_timeout_s * 1000,
        settings: config,
        calls,
        clock,
        random,
        log: log.child({ escalation: id, leg: kind }),
        tell: events.tell,
        record,
        onResult: (outcome) => {
          if (!main) return
          concluded(outcome)
          if (outcome.status !== 'connected') for (const other of legs) if (other !== leg) other.cancel()
          if (outcome.status === 'connected') startBridges(leg.view())
        },
        onOver: () => onLegOver(main)
      })
      legs.push(leg)
    }

    const running: Running = {
      view: () => ({
        id,
        trace_id: traceId,
        state,
        degraded: bridges.state() === 'DEGRADED' || bridges.state() === 'FAILED',
        bridge_state: bridges.state(),
        created_at: new Date(createdAt).toISOString(),
        requested_by: requester.by,
        sender: message.sender,
        message_id: message.message_id,
        hazard: payload.hazard,
        conference: payload.conference,
        result,
        legs: legs.map((leg) => leg.view()),
        bridges: [...bridges.views()],
        evidence_files: payload.evidence_files.map((file) => ({ ...file }))
      }),
      cancel: (by) => {
        if (state === 'ended') return
        record('escalation_cancelled', { by })
        for (const leg of legs) leg.cancel()
      },
      hold: async (on, by) => {
        record('escalation_hold', { on, by })
        const connected = legs.filter((leg) => leg.view().state === 'connected')
        const outcomes = await Promise.all((connected.length === 0 ? legs.slice(0, 1) : connected).map((leg) => leg.hold(on)))
        return (
          outcomes.find((outcome) => !outcome.ok) ??
          outcomes[0] ?? { ok: false, code: 'escalate.not-connected', reason: 'nobody was called' }
        )
      },
      retryBridge: bridges.retry,
      result: resulted.promise,
      ended: over.promise
    }

    try {
      await told('escalation_requested', {
        requestedBy: requester.by,
        sender: message.sender,
        messageId: message.message_id,
        messageSha256: hash,
        hazard: payload.hazard,
        specialisation: payload.specialisation ?? payload.hazard,
        expertId: payload.expert,
        conference: payload.conference,
        hunt: payload.hunt,
        contrarian: payload.contrarian,
        ndiVideo: payload.ndi_video_enabled,
        summarySha256: payload.summary === null ? null : sha256(payload.summary),
        evidence: payload.evidence_files.map(({ name, sha256: hash, bytes }) => ({ name, sha256: hash, bytes }))
      })
    } catch (error) {
      throw new InfraFabricError('escalate.unrecorded', 'the escalation could not be recorded, so nobody is called', {
        cause: error
      })
    }
    open.set(id, running)
    events.tell({ type: 'requested', escalation: id, trace_id: traceId, hazard: payload.hazard, sender: message.sender })
    const end = (outcome: EscalationResult): Running => {
      record('escalation_result', { leg: 'expert', ...outcome })
      events.tell({ type: 'result', escalation: id, trace_id: traceId, leg: 'expert', result: outcome })
      concluded(outcome)
      finish()
      return running
    }
    if (closed !== null) return end({ status: 'failed', code: 'escalate.closed', reason: 'the suite shut down meanwhile' })
    const plan =
      config.conferences !== null && !config.conferences.includes(payload.conference)
        ? ({ ok: false, code: 'escalate.conference.unknown', reason: 'there is no such conference' } as const)
        : planEscalation(message, ports.directory(), config)
    if (!plan.ok) return end({ status: 'rejected', code: plan.code, reason: plan.reason })
    addLeg('expert', plan.experts)
    if (plan.contrarians !== null) addLeg('contrarian', plan.contrarians)
    for (const leg of [...legs]) leg.begin()
    return running
  }

  return {
    escalate: async (input, requester) => {
      const parsed = ifMessageSchema.safeParse(input)
      if (!parsed.success) {
        const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || '(root)'}: ${message}`)
        throw new InfraFabricError('escalate.message.invalid', problems.join('; '))
      }
      const message = parsed.data
      const hash = sha256(JSON.stringify(message))
      const { idempotencyKey } = requester
      if (idempotencyKey === undefined) return { escalation: (await begin(message, hash, requester)).view(), created: true }
      if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey))
        throw new InfraFabricError('escalate.key.invalid', 'an idempotency key has 1 to 128 printable ASCII characters')
      const key = `${requester.by} ${idempotencyKey}`
      const before = keys.get(key)
      if (before !== undefined) {
        if (before.hash !== hash) throw new InfraFabricError('escalate.key.reused', 'the key stood for another message')
        return { escalation: (await before.made).view(), created: false }
      }
      const made = begin(message, hash, requester)
      keys.set(key, { hash, made })
      if (keys.size > config.remembered) keys.delete(keys.keys().next().value!)
      try {
        return { escalation: (await made).view(), created: true }
      } catch (error) {
        keys.delete(key)
        throw error
      }
    },
    get: (id) => find(id)?.view(),
    list: () =>
      [...open.values(), ...ended.values()].map((each) => each.view()).sort((a, b) => (a.created_at < b.created_at ? 1 : -1)),
    result: async (id) => {
      const running = known(id)
      await running.result
      return running.view()
    },
    ended: async (id) => {
      const running = known(id)
      await running.ended
      return running.view()
    },
    hold: (id, on, by) => known(id).hold(on, by),
    retryBridge: (id, bridge, target, by) =>
      find(id)?.retryBridge(bridge, target, by) ?? {
        ok: false,
        code: 'bridge.call-unknown',
        reason: 'there is no such escalation'
      },
    cancel: (id, by) => {
      const running = find(id)
      running?.cancel(by)
      return running !== undefined
    },
    events,
    close: () => {
      closed ??= (async () => {
        for (const running of open.values()) running.cancel('shutdown')
        await Promise.allSettled(beginning)
        await Promise.all([...open.values()].map((running) => running.ended))
      })()
      return closed
    }
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')
