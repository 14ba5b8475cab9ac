import {
  type Callee,
  type CallOut,
  type CallOutProgress,
  type CallOutRequest,
  type CallsOut,
  type Clock,
  type ConferencePort,
  errorCode,
  type Guard,
  type IdentityVoucher,
  InfraFabricError,
  isAcceptableTraceId,
  type JsonObject,
  type Log,
  newTraceId,
  type ParticipantRole,
  type RequestSigner,
  systemClock,
  type Witness
} from '#kernel'
import { takeCall } from './call/incoming.ts'
import { type Opening, readOpening } from './call/opening.ts'
import { type OutgoingCall, placeCall } from './call/outgoing.ts'
import type { Call, CallPorts, CallSettings } from './call/parts.ts'
import { resolveConfig, type SipApplicationConfig } from './config.ts'
import { endLeftDialog, type LeftCall, type OpenCall } from './dialog/left-dialogs.ts'
import { allowedMethods, supported } from './dialog/requests.ts'
import { edgeReportEvent, readEdgeReport } from './edge/report.ts'
import { clip, readNameAddr } from './message/headers.ts'
import { reasonOfStatus, refusal } from './message/refusal.ts'
import { createAggregate } from './record/aggregate.ts'
import type { CallSnapshot, SipApplicationEvent } from './record/events.ts'
import { components } from './record/values.ts'
import { newServerConnection, type RequestHandler, type SipResponse, type SipServerConnection } from './server/drachtio.ts'
import { type ResponseSeen, watchResponses } from './server/responses.ts'
import { findReplaced } from './transfer/replaces.ts'

/** What the application is given. */
export interface SipApplicationPorts {
  readonly witness: Witness
  readonly guard: Guard
  readonly conference: ConferencePort
  readonly log: Log
  readonly clock?: Clock
  /** Role in the conference of an approved caller, by registry id. Default: everybody is an expert. */
  readonly roleOf?: (registryId: string) => ParticipantRole
  /** Somebody of the registry whom a SIP URI names, for transfers; null for anybody else. Left out: nobody may hand a call over. */
  readonly transferTo?: (uri: string) => Callee | null
  /** Signs calls out with this suite's own key. Left out: they carry no signature. */
  readonly sign?: RequestSigner
  /** Vouches for who calls (STIR). Left out: calls out carry no Identity. */
  readonly vouch?: IdentityVoucher
  /**
   * Whether who is called under a URI, at a contact, must describe the session first: a SIP phone in a browser, or one of which nobody knows whether it has IPv4
   * or IPv6. Left out: nobody must.
   */
  readonly describesFirst?: (uri: string, contact: string) => Promise<boolean>
  /** Whether a name that is no conference can be joined like one: a terminal behind another gateway. Where any conference may be dialled, all can. */
  readonly isPlace?: (name: string) => boolean
  /**
   * Experts whose calls are taken up again that an earlier run left, or that lost the SIP server, by their address and the conference; null for those who are hung
   * up on. Left out: all are.
   */
  readonly takeUp?: (uri: string, conference: string) => Callee | null
  /** Calls that an earlier run of this application left open; they are closed in the record before the first call is taken. */
  readonly openCalls?: (application: string) => Promise<readonly OpenCall[]>
  /** Is told every response that goes out or comes in, of requests inside and outside of calls. */
  readonly onResponse?: (response: ResponseSeen) => void
  /** Joins the connection to a server that needs no address, in this process. Left out: it connects to that of the configuration. */
  readonly join?: (connection: Pick<SipServerConnection, 'connect'>) => void
}

/** Counters since the start. */
export interface SipApplicationStats {
  readonly calls: number
  readonly active: number
  readonly answered: number
  readonly established: number
  readonly rejected: number
  readonly securityRejected: number
  readonly ended: number
  /** Requests from addresses that are not the edge. */
  readonly untrusted: number
  /** Reports of the edge, and those among them that could not be read. */
  readonly edgeReports: number
  readonly badEdgeReports: number
  /** Entries that neither the ledger nor the spool took. */
  readonly unrecorded: number
  /** Calls of an earlier run that were closed in the record. */
  readonly closedAfterRestart: number
  /** Of those, and of the calls that lost the SIP server, the ones that go on. */
  readonly takenUp: number
}

export interface SipApplication {
  readonly stats: () => SipApplicationStats
  /** All calls, or that of a trace. */
  readonly calls: (traceId?: string) => readonly CallSnapshot[]
  readonly onEvent: (listener: (event: SipApplicationEvent) => void) => void
  readonly callsOut: CallsOut
  /** Tells that the server saw `100 Trying` for a call out, by its Call-ID: the drachtio protocol does not show it to applications. */
  readonly trying: (callId: string) => void
  /** Shows a text on the telephone of a call, by the call's trace. @returns whether it took it; null where it cannot be asked */
  readonly showText: (traceId: string, text: string) => Promise<boolean | null>
  /** Where calls out go: the edge's inner address, known once the edge runs. */
  readonly routeCallsOut: (proxy: string) => void
  /** Refuses new calls with 503, ends the present ones with BYE, and resolves when they are over and recorded (or the drain timed out). */
  readonly drain: () => Promise<void>
  /** Drains, then leaves the server. Idempotent. */
  readonly close: () => Promise<void>
}

/** Methods we take outside a dialog only to refuse them. */
const refusedMethods = ['register', 'message', 'info', 'notify', 'subscribe', 'refer', 'update', 'bye', 'prack'] as const

const reportIntervalMs = 10_000

/**
 * Connects to a drachtio server and takes calls from the edge.
 *
 * @throws {ConfigError} for a configuration that cannot be used; {InfraFabricError} `sip.server.unreachable`, `sip.server.refused`, or what the
 * witness threw when calls left open by an earlier run could not be closed in the record.
 */
export function startSipApplication(config: SipApplicationConfig, ports: SipApplicationPorts): Promise<SipApplication> {
  const connection = newServerConnection()
  if (ports.onResponse !== undefined) watchResponses(connection, ports.clock ?? systemClock, ports.onResponse)
  return runSipApplication(config, ports, connection)
}

/** {@link startSipApplication} on a connection of the caller's. */
export async function runSipApplication(
  config: SipApplicationConfig,
  ports: SipApplicationPorts,
  server: SipServerConnection
): Promise<SipApplication> {
  const settings = resolveConfig(config)
  const clock = ports.clock ?? systemClock
  const { log, witness } = ports
  const named = new Set(settings.conferences)
  const conferences =
    settings.conferences === null ? null : { has: (name: string) => named.has(name) || ports.isPlace?.(name) === true }
  const trusted = new Set(settings.trustedEdges.map(plainAddress))
  const calls = new Map<string, Call>()
  /** The same by their traces. */
  const traced = new Map<string, Call>()
  const keep = (id: string, call: Call) => {
    calls.set(id, call)
    traced.set(call.traceId, call)
  }
  const forget = (id: string, call: Call) => {
    // one that is taken up has its Call-ID
    if (calls.get(id) === call) calls.delete(id)
    traced.delete(call.traceId)
  }
  const outgoing = new Map<string, OutgoingCall>()
  let proxy = settings.proxy
  const listeners = new Set<(event: SipApplicationEvent) => void>()
  const strangers = createAggregate(reportIntervalMs, 1000)
  const counters = {
    calls: 0,
    answered: 0,
    established: 0,
    rejected: 0,
    securityRejected: 0,
    ended: 0,
    untrusted: 0,
    edgeReports: 0,
    badEdgeReports: 0,
    unrecorded: 0,
    closedAfterRestart: 0,
    takenUp: 0
  }
  let draining = false
  let closed: Promise<void> | null = null

  const emit = (event: SipApplicationEvent) => {
    if (event.type === 'answered') counters.answered++
    else if (event.type === 'established') counters.established++
    else if (event.type === 'ended') counters.ended++
    else if (event.type === 'rejected') event.security ? counters.securityRejected++ : counters.rejected++
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        log.error({ code: errorCode(error) }, 'a listener failed')
      }
    }
  }

  /** Entry that belongs to no call of ours. */
  const tell = (event: string, payload: JsonObject, claimedTraceId: string | null) => {
    witness
      .record({
        component: components.proxy,
        event,
        traceId: newTraceId(),
        ...(claimedTraceId !== null && isAcceptableTraceId(claimedTraceId) ? { parentTraceId: claimedTraceId } : {}),
        payload
      })
      .catch((error: unknown) => {
        counters.unrecorded++
        log.error({ event, code: errorCode(error) }, 'entry not recorded')
      })
  }

  const answer = (response: SipResponse, status: number, headers: Record<string, string> = {}) =>
    response.send(status, { headers: status >= 300 ? { ...headers, Reason: reasonOfStatus(status) } : headers })

  /** Lets through what comes from the edge; everything else gets 403 and, at most once per source and interval, an entry. */
  const fromEdge =
    (handler: RequestHandler): RequestHandler =>
    (request, response) => {
      if (request.source === 'application') return
      const source = plainAddress(request.source_address)
      if (trusted.has(source)) {
        try {
          return handler(request, response)
        } catch (error) {
          log.error({ code: errorCode(error), method: request.method }, 'request could not be handled')
          return answer(response, 500)
        }
      }
      counters.untrusted++
      const count = strangers.note(source, clock.monotonicMs())
      const { status, code, layer, reason } = refusal('edge.source.untrusted', 'the request did not come through the edge')
      answer(response, status)
      if (count === null) return
      log.warn({ source, count }, 'request from an address that is not the edge')
      tell(
        'SECURITY_REJECTED',
        {
          layer,
          code,
          reason,
          status,
          method: clip(request.method, 32),
          source,
          callId: clip(request.get('Call-ID') ?? '', 256),
          count
        },
        null
      )
    }

  const callPorts = {
    server,
    witness,
    guard: ports.guard,
    conference: ports.conference,
    roleOf: ports.roleOf ?? (() => 'expert'),
    log,
    clock,
    transfers:
      ports.transferTo === undefined
        ? null
        : { calleeOf: ports.transferTo, calls: { place: (wish, onProgress) => callsOut.place(wish, onProgress) }, clock }
  } satisfies CallPorts
  const callSettings = {
    application: settings.application,
    failClosed: new Set(settings.failClosed),
    sessionTimer: settings,
    setupTimeoutMs: settings.setupTimeoutMs
  } satisfies CallSettings

  const callsOut: CallsOut = { place: (wish, onProgress) => placeOut(wish, onProgress, null) }

  const placeOut = (wish: CallOutRequest, onProgress: (progress: CallOutProgress) => void, takenUp: LeftCall | null): CallOut => {
    counters.calls++
    const engaged = [...outgoing.values()]
      .map((call) => call.snapshot())
      .filter(({ expertId, state }) => expertId === wish.callee.id && state !== 'ended' && state !== 'cancelling').length
    const blocked = draining
      ? refusal('sip.draining', 'the application is shutting down')
      : calls.size >= settings.maxCalls
        ? refusal('sip.capacity.exceeded', `${settings.maxCalls} calls at a time`)
        : engaged >= settings.maxCallsPerExpert
          ? refusal('sip.expert.engaged', `${settings.maxCallsPerExpert} calls out to one expert at a time`)
          : proxy === null
            ? refusal('call-out.unrouted', 'no edge is there to call through')
            : null
    const call = placeCall(
      {
        ...callPorts,
        sign: ports.sign ?? null,
        vouch: ports.vouch ?? null,
        describesFirst: ports.describesFirst ?? (async () => false)
      },
      { ...callSettings, proxy: proxy ?? '', domain: settings.domain, number: settings.number },
      {
        onEvent: emit,
        onUnrecorded: () => counters.unrecorded++,
        onOver: () => {
          forget(call.callOut.callId, call)
          if (outgoing.get(call.callOut.callId) === call) outgoing.delete(call.callOut.callId)
        }
      },
      wish,
      onProgress,
      blocked,
      takenUp
    )
    keep(call.callOut.callId, call)
    outgoing.set(call.callOut.callId, call)
    return call.callOut
  }

  const invite: RequestHandler = (request, response) => {
    const read = readOpening(request, conferences, settings.hazards)
    const found =
      read.replaces === null || read.refusal !== null
        ? null
        : findReplaced(read.replaces, calls.values(), ports.transferTo !== undefined)
    const replaced = found?.ok === true ? found.call : null
    const opening = replaced === null ? read : inThePlaceOf(replaced.snapshot(), read)
    const key = `${opening.callId};${opening.fromTag}`
    const refused =
      opening.refusal ??
      (draining
        ? refusal('sip.draining', 'the application is shutting down')
        : calls.size >= settings.maxCalls
          ? refusal('sip.capacity.exceeded', `${settings.maxCalls} calls at a time`)
          : calls.has(key)
            ? refusal('sip.call.merged', 'a call with this Call-ID and From tag is there already')
            : found?.ok === false
              ? found.refusal
              : null)
    const id = calls.has(key) ? `${key};${newTraceId()}` : key
    counters.calls++
    const call = takeCall(
      callPorts,
      callSettings,
      {
        onEvent: emit,
        onUnrecorded: () => counters.unrecorded++,
        onOver: () => forget(id, call)
      },
      { request, response, opening: { ...opening, refusal: refused }, replaced }
    )
    keep(id, call)
  }

  const options: RequestHandler = (_request, response) =>
    draining
      ? answer(response, 503, { 'Retry-After': '10' })
      : answer(response, 200, { Allow: allowedMethods, Accept: 'application/sdp', Supported: supported })

  const publish: RequestHandler = (request, response) => {
    if (request.get('Event')?.split(';')[0]?.trim().toLowerCase() !== edgeReportEvent)
      return answer(response, 489, { 'Allow-Events': edgeReportEvent })
    const result = readEdgeReport(request.body)
    if (!result.ok) {
      counters.badEdgeReports++
      log.error({ problems: result.problems }, 'report of the edge cannot be read')
      return answer(response, 400)
    }
    counters.edgeReports++
    answer(response, 200)
    const { status, code, traceId, user, source, transport, to } = result.report
    if (status === 200)
      return tell(code.endsWith('.bound') ? 'sip_registered' : 'sip_unregistered', { user, source, transport, to }, traceId)
    tell('SECURITY_REJECTED', { ...result.report }, result.report.traceId)
    emit({ type: 'edge-refused', at: clock.now(), ...result.report })
  }

  const refuseMethod: RequestHandler = (request, response) =>
    readNameAddr(request.get('To'))?.tag == null ? answer(response, 405, { Allow: allowedMethods }) : answer(response, 481)

  server.use('invite', fromEdge(invite))
  server.use('options', fromEdge(options))
  server.use('publish', fromEdge(publish))
  for (const method of refusedMethods) server.use(method, fromEdge(refuseMethod))

  /** Calls of an earlier run, or from before the SIP server was lost, whose peers have not been told. */
  const left: OpenCall[] = []
  /** The callee with whom a call of an earlier run goes on, null where it does not. */
  const goesOnWith = ({ dialog, place }: OpenCall): Callee | null =>
    dialog == null || place?.hazard == null ? null : (ports.takeUp?.(dialog.remoteUri, place.conference) ?? null)

  const takeUpLeft = () => {
    if (proxy === null) return
    for (const call of left.splice(0)) {
      const { dialog, traceId, callId } = call
      if (dialog == null) continue
      const leftCall = { traceId, callId, dialog }
      const callee = goesOnWith(call)
      if (callee === null) endLeftDialog(server, proxy, leftCall, log)
      else void takeUp(leftCall, call, callee)
    }
  }

  /** Goes on with a call, or hangs up where IF.guard or the peer does not want to. */
  const takeUp = async (leftCall: LeftCall, { parentTraceId, traceId, place }: OpenCall, callee: Callee): Promise<void> => {
    const wish: CallOutRequest = {
      callee,
      hazard: place!.hazard!,
      conference: place!.conference,
      role: ports.roleOf?.(callee.id) ?? 'expert',
      parentTraceId: parentTraceId ?? traceId,
      ringTimeoutMs: takeUpTimeoutMs,
      earlyMedia: 'ignored',
      offer: 'late',
      claim: () => true
    }
    const answered = await placeOut(wish, () => undefined, leftCall).answered
    if (answered.ok) counters.takenUp++
    else if (answered.status !== 481 && answered.status !== 408) endLeftDialog(server, proxy!, leftCall, log)
  }

  const closeOpenCalls = async (): Promise<void> => {
    const open = (await ports.openCalls?.(settings.application)) ?? []
    await Promise.all(
      open.map((call) =>
        witness.record({
          component: components.proxy,
          event: 'TERMINATED',
          traceId: call.traceId,
          ...(call.parentTraceId === undefined ? {} : { parentTraceId: call.parentTraceId }),
          payload: {
            callId: call.callId,
            hungUpBy: 'application',
            reason: 'application-restart',
            takenUp: goesOnWith(call) !== null,
            byeFollows: call.dialog != null && goesOnWith(call) === null,
            durationMs: call.receivedAt === null ? null : Math.max(0, clock.now() - call.receivedAt),
            leg: null
          }
        })
      )
    )
    counters.closedAfterRestart = open.length
    left.push(...open)
  }

  /** Attempts to connect, without end (0). */
  const attempts = { retryMaxDelay: 2000, maxAttempts: 0 }

  /**
   * Resolves once logged in. Later losses are reconnected by drachtio-srf; calls in progress are over with the connection, which knew their dialogs, and those that
   * were established are taken up over the next one, or hung up on.
   */
  const connect = (): Promise<void> => {
    const first = Promise.withResolvers<void>()
    let lastProblem = 'no connection'
    let isConnected = false
    const giveUp = clock.after(settings.connectTimeoutMs, () =>
      first.reject(new InfraFabricError('sip.server.unreachable', `drachtio server: ${lastProblem}`))
    )
    server.on('connect', (error) => {
      giveUp()
      if (closed !== null) return server.disconnect()
      if (error) return first.reject(new InfraFabricError('sip.server.refused', 'the drachtio server refused the log-in'))
      first.resolve()
      isConnected = true
      emit({ type: 'signalling', at: clock.now(), state: 'connected' })
      takeUpLeft()
    })
    server.on('error', (error) => {
      lastProblem = errorCode(error)
      log.warn({ code: lastProblem }, 'connection to the drachtio server failed')
    })
    server.on('close', () => {
      // an attempt to connect anew that fails is closed, too
      if (closed !== null || !isConnected) return
      isConnected = false
      emit({ type: 'signalling', at: clock.now(), state: 'lost' })
      for (const call of calls.values()) {
        const open = call.left()
        if (open !== null) left.push(open)
        call.signallingLost()
      }
    })
    if (ports.join === undefined) server.connect({ ...settings.drachtio, reconnect: attempts })
    else ports.join(server)
    return first.promise
  }

  const drain = async (): Promise<void> => {
    draining = true
    for (const call of calls.values())
      call.stop({ by: 'application', reason: 'draining' }, refusal('sip.draining', 'the application is shutting down'))
    const timeout = Promise.withResolvers<void>()
    const cancel = clock.after(settings.drainTimeoutMs, timeout.resolve)
    await Promise.race([Promise.all([...calls.values()].map((call) => call.over)), timeout.promise])
    cancel()
  }

  const disconnect = () => {
    // without a connection drachtio-srf cannot be told to leave, and would try for ever: it looks here before each attempt
    attempts.maxAttempts = 1
    try {
      server.disconnect()
    } catch (error) {
      log.debug({ code: errorCode(error) }, 'no connection to leave')
    }
  }

  await closeOpenCalls()
  try {
    await connect()
  } catch (error) {
    closed = Promise.resolve()
    disconnect()
    throw error
  }

  return {
    // a call that is cancelled is over, though its last answer is still waited for
    stats: () => ({ ...counters, active: [...calls.values()].filter((call) => call.snapshot().state !== 'cancelling').length }),
    calls: (traceId) => {
      if (traceId === undefined) return [...calls.values()].map((call) => call.snapshot())
      const call = traced.get(traceId)
      return call === undefined ? [] : [call.snapshot()]
    },
    onEvent: (listener) => void listeners.add(listener),
    callsOut,
    trying: (callId) => outgoing.get(callId)?.trying(),
    showText: async (traceId, text) => (await traced.get(traceId)?.showText(text)) ?? null,
    routeCallsOut: (next) => {
      proxy = next
      takeUpLeft()
    },
    drain,
    close: () => {
      closed ??= drain().then(disconnect)
      return closed
    }
  }
}

/** The INVITE of a call that takes the place of another: it gets into the conference of that one, and is about what that one is about. */
function inThePlaceOf({ conference, hazard }: CallSnapshot, opening: Opening): Opening {
  if (conference === null) return opening
  const own = opening.hazard ?? hazard
  return { ...opening, dialled: { conference, hazard: own }, hazard: own }
}

/** How long a peer has to go on with a call of an earlier run. */
const takeUpTimeoutMs = 10_000

/** An address as sets compare it: no IPv4-mapped form, no brackets, lower case. */
function plainAddress(address: string): string {
  return address
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, '')
}
