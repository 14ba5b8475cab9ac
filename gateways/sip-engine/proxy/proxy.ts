/**
 * The proxy: runs response contexts on transactions, timers and paths; sends on what applications give it and what was routed through us.
 *
 * @see RFC 3261 §16
 */

import { hash } from 'node:crypto'
import type { Clock, Log } from '#kernel'
import { parseAddress, tagOf } from '../codec/address.ts'
import { parseRAck } from '../codec/cseq.ts'
import { parseAuthSchemes } from '../codec/digest.ts'
import { header, headerLines, type SipRequest, type SipResponse } from '../codec/message.ts'
import { emptyBody, type HeaderLine } from '../codec/serialize.ts'
import { uriScheme } from '../codec/uri.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import { newToken } from '../common/tokens.ts'
import { viaLine } from '../dialog/outgoing-messages.ts'
import { type CallRecords, refusalReason } from '../drachtio/cdr.ts'
import type { Path, PathFailure, PathFound, Paths } from '../next-hop/paths.ts'
import { registerFlow } from '../next-hop/registered-flow.ts'
import type { AnswerOptions, Asked } from '../transaction/asked.ts'
import { type ReceivedRequest, shownBytes } from '../transaction/received.ts'
import type { ClientTransaction, Told, Transactions } from '../transaction/transactions.ts'
import type { TransportPort } from '../transport/port.ts'
import { bestFailure, isChallenge, otherChallenges } from './best-response.ts'
import type { BranchTimer } from './branch.ts'
import { branchAck, branchCancel, forwardedRequest, forwardedResponse, recordLines, type SentBranch } from './forward.ts'
import { isLooped, loopBranch, routeHash } from './loop.ts'
import { createMemory } from './memory.ts'
import { breadthOf, refusalOf } from './refusal.ts'
import {
  type Branch,
  type ContextInput,
  createResponseContext,
  type ProxyEffect,
  type ResponseContext,
  react
} from './response-context.ts'
import { isOwnUri, type Routing, routedThroughUs } from './routing.ts'
import { createRSeqNumbering, numberThrough, type RSeqNumbering } from './rseq.ts'
import { bareUri, redirectTargets, type Target, targetKey } from './targets.ts'

export interface SipProxy {
  /** Sends a request on; refused requests are answered here. */
  readonly start: (asked: Asked, order: ProxyOrder, observer: ProxyObserver) => void
  /** Sends on a request in a dialog that was routed through us. @param local whether it is in a dialog of ours. */
  readonly onward: (asked: Asked, local: boolean) => boolean
  /** The same for the ACK of a 2xx, which has no transaction. */
  readonly acknowledged: (received: ReceivedRequest, local: boolean) => boolean
  /** Cancels a proxied INVITE that has no final response; false when there is none. */
  readonly cancel: (inviteTransactionId: string, cancel: SipRequest) => boolean
  /** Requests without a final response. */
  readonly count: () => number
  readonly close: () => void
}

export interface ProxyOrder {
  /** URIs to send to, at least one. They take the place of the Request-URI where that is one of ours. */
  readonly destinations: readonly string[]
  /** Whether to stay in the path of later requests: Record-Route, or Path for REGISTER. */
  readonly remainInDialog: boolean
  readonly followRedirects: boolean
  /** All destinations at once, or one after the other. */
  readonly simultaneous: boolean
  /** A destination is given up when no response came so soon; null: only when its transaction ends. */
  readonly provisionalTimeoutMs: number | null
  /** … no final response. */
  readonly finalTimeoutMs: number | null
  /** Header fields to add. */
  readonly extra: readonly HeaderLine[]
}

/** Is told how the request fares. `done` or `failed` comes last, and once. */
export interface ProxyObserver {
  readonly finalResponse: (response: SipResponse, path: Path) => void
  readonly done: () => void
  /** @param text why nothing was sent, as an application is told. */
  readonly failed: (text: string) => void
}

/** A branch that has its path. */
interface Sent extends SentBranch {
  readonly path: Path
  readonly branchId: string
  readonly transaction: ClientTransaction
}

interface Running {
  readonly asked: Asked
  readonly order: ProxyOrder
  readonly observer: ProxyObserver
  /** Null for what an application sends on. */
  readonly routing: Routing | null
  readonly routed: string
  readonly context: ResponseContext
  readonly pins: ReadonlyMap<string, Path>
  readonly sent: Map<number, Sent>
  readonly timers: Map<string, () => void>
  readonly inputs: ContextInput[]
  readonly numbering: RSeqNumbering
  readonly sinceMs: number
  busy: boolean
  told: boolean
  /** Reason values of the caller's CANCEL. */
  reasons: readonly string[]
}

/** The challenge of a destination, so that the answer goes where the question came from. */
interface Challenger {
  readonly uri: string
  readonly path: Path
}

const challengeMs = 2000
const maxRemembered = 10_000
const ignoring: ProxyObserver = { finalResponse: () => undefined, done: () => undefined, failed: () => undefined }

/** What the proxy is made of. */
export interface ProxyParts {
  readonly transactions: Transactions
  readonly paths: Paths
  readonly transport: TransportPort
  readonly clock: Clock
  readonly timers: EngineTimers
  readonly counters: EngineCounters
  readonly log: Log
  readonly records: CallRecords
  /** Answers what is not sent on. */
  readonly uas: { readonly answer: (asked: Asked, status: number, tag: string, options?: AnswerOptions) => Buffer }
}

export function createProxy(parts: ProxyParts): SipProxy {
  const { transactions, paths, clock, timers, counters, log, transport, uas, records } = parts
  const active = new Map<string, Running>()
  const waits = new Set<() => void>()
  const challengers = createMemory<Challenger>(challengeMs, maxRemembered)
  /** RSeq of a fork by the number its response went back with. RFC 3262 §3: it waits for its PRACK for 64·T1. */
  const renumbered = createMemory<number>(64 * timers.t1Ms, maxRemembered)

  // Inputs and effects

  /** Sending may fail at once and come back as an input, so inputs queue. */
  const feed = (running: Running, input: ContextInput) => {
    running.inputs.push(input)
    if (running.busy) return
    running.busy = true
    try {
      for (let next = running.inputs.shift(); next !== undefined; next = running.inputs.shift()) {
        for (const effect of react(running.context, next)) perform(running, effect)
      }
    } finally {
      running.busy = false
    }
  }

  const perform = (running: Running, effect: ProxyEffect) => {
    switch (effect.type) {
      case 'send':
        return send(running, effect.branch)
      case 'sendCancel':
        return sendCancel(running, effect.branch)
      case 'abandon': {
        const sent = running.sent.get(effect.branch.id)
        if (sent !== undefined) transactions.abandon(sent.transaction)
        return
      }
      case 'startTimer':
        return startTimer(running, effect.branch.id, effect.timer)
      case 'stopTimer':
        return stopTimer(running, effect.branch.id, effect.timer)
      case 'stopTimers':
        for (const timer of ['provisional', 'final', 'C', 'cancelled'] as const) stopTimer(running, effect.branch.id, timer)
        return
      case 'forward':
        return forward(running, effect.branch, effect.response, effect.late)
      case 'refuse':
        return refuse(running)
      case 'release':
        active.delete(running.asked.transaction.id)
        return tellDone(running)
    }
  }

  const delayOf = ({ order }: Running, timer: BranchTimer): number | null => {
    if (timer === 'provisional') return order.provisionalTimeoutMs
    if (timer === 'final') return order.finalTimeoutMs
    return timer === 'C' ? timers.timerCMs : 64 * timers.t1Ms
  }

  const startTimer = (running: Running, branch: number, timer: BranchTimer) => {
    stopTimer(running, branch, timer)
    const delayMs = delayOf(running, timer)
    if (delayMs === null) return
    const stop = clock.after(delayMs, () => {
      waits.delete(stop)
      running.timers.delete(`${branch} ${timer}`)
      feed(running, { type: 'expired', branch, timer })
    })
    waits.add(stop)
    running.timers.set(`${branch} ${timer}`, stop)
  }

  const stopTimer = (running: Running, branch: number, timer: BranchTimer) => {
    const stop = running.timers.get(`${branch} ${timer}`)
    if (stop === undefined) return
    stop()
    waits.delete(stop)
    running.timers.delete(`${branch} ${timer}`)
  }

  // Branches

  const pathTo = (running: Pick<Running, 'pins'>, { uri }: Target, found: PathFound) => {
    const known = running.pins.get(targetKey(uri)) ?? paths.registered(uri)
    if (known !== undefined) return found(known)
    const scheme = uriScheme(uri)
    const hop = scheme === 'sip' || scheme === 'sips' ? paths.hop(uri) : undefined
    if (hop === undefined || hop === 'unsupported') found(undefined)
    else paths.to(hop, found)
  }

  const send = (running: Running, branch: Branch) =>
    pathTo(running, branch.target, (path) => {
      if (path === undefined || branch.state !== 'trying') return feed(running, { type: 'unsendable', branch: branch.id })
      sendOn(running, branch, path)
    })

  const sendOn = (running: Running, branch: Branch, wanted: Path) => {
    const { request, vias, requestUri, routes } = requestOf(running, branch.target)
    const branchId = loopBranch(newToken(), running.routed)
    const inbound = running.asked.received.flow.listener
    const encode = ({ listener }: Path) => {
      const parts: SentBranch = { request, requestUri, via: viaLine(listener, branchId), routes }
      const bytes = forwardedRequest({
        ...parts,
        vias,
        breadth: branch.breadth,
        record: running.order.remainInDialog ? recordLines(request, requestUri, inbound, listener) : [],
        extra: running.order.extra,
        rack: rackFor(running.asked.received)
      })
      return { parts, bytes }
    }
    const small = encode(wanted)
    const path = paths.fitting(wanted, small.bytes.length)
    const { parts, bytes } = path === wanted ? small : encode(path)
    const transaction = transactions.openClient({
      method: request.method,
      branch: branchId,
      bytes,
      reliable: path.listener.transport !== 'udp',
      transmit: path.transmit,
      makeAck: (response) => branchAck(parts, response),
      tell: (what, response) => told(running, branch, what, response)
    })
    running.sent.set(branch.id, { ...parts, path, branchId, transaction })
    if (isCall(running.asked.received)) records.attempt('application', bytes)
    transactions.start(transaction)
  }

  /** Sends a request that failed to the next address of its target. @see RFC 3263 §4.3 */
  const again = (running: Running, branch: Branch, cause: PathFailure): boolean => {
    if (running.context.branches[branch.id]!.state !== 'trying') return false
    const path = paths.after(running.sent.get(branch.id)!.path, cause)
    if (path !== null) sendOn(running, branch, path)
    return path !== null
  }

  const requestOf = ({ asked, routing }: Running, target: Target) => {
    const { message: request, vias } = asked.received
    if (routing !== null) return { request, vias, requestUri: routing.requestUri, routes: routing.routes }
    const requestUri = target.replaces || isOwnUri(request.uri, transport.listeners) ? target.uri : request.uri
    return { request, vias, requestUri, routes: [] }
  }

  const told = (running: Running, branch: Branch, what: Told, response: SipResponse | null) => {
    const { id } = branch
    switch (what) {
      case 'provisional':
      case 'success':
        return feed(running, { type: what, branch: id, response: response! })
      case 'failure':
        if (response!.status === 503 && again(running, branch, 'unavailable')) return
        return failed(running, id, response!)
      case 'timeout':
        if (again(running, branch, 'timeout')) return
        return feed(running, { type: 'timeout', branch: id })
      case 'transportError':
        if (again(running, branch, 'transportError')) return
        return feed(running, { type: 'unsendable', branch: id })
      case 'unacknowledged':
        return
    }
  }

  const failed = (running: Running, branch: number, response: SipResponse) => {
    const { order, asked } = running
    const sent = running.sent.get(branch)!
    if (isChallenge(response.status)) rememberChallenge(response, running.context.branches[branch]!.target.uri, sent.path)
    if (!running.told) running.observer.finalResponse(response, sent.path)
    const follow = order.followRedirects && response.status < 400
    const redirects = follow ? redirectTargets(response, uriScheme(asked.received.message.uri) === 'sips') : []
    feed(running, { type: 'failure', branch, response, redirects })
  }

  /** Its answer is of no interest; the INVITE's is. */
  const sendCancel = (running: Running, branch: Branch) => {
    const sent = running.sent.get(branch.id)
    if (sent === undefined) return
    const transaction = transactions.openClient({
      method: 'CANCEL',
      branch: sent.branchId,
      bytes: branchCancel(sent, running.reasons),
      reliable: sent.path.listener.transport !== 'udp',
      transmit: sent.path.transmit,
      makeAck: () => emptyBody,
      tell: () => undefined
    })
    transactions.start(transaction)
  }

  // Responses

  const forward = (running: Running, branch: Branch, response: SipResponse, late: boolean) => {
    const { transaction, received } = running.asked
    const bytes = forwardedResponse(response, received.vias, { rseq: rseqFor(running, response) })
    if (late) {
      counters.responsesSent++
      transport.reply(transaction.back.flow, transaction.back.fallback, bytes, () => counters.transportErrors++)
      return
    }
    transactions.respond(transaction, response.status, bytes)
    if (transaction.method === 'REGISTER') registerFlow(paths, received, bytes)
    if (response.status < 200 || running.told) return
    if (isCall(received)) {
      records.start('network', 'proxy-uac', response.bytes)
      records.start('application', 'proxy-uas', bytes)
    }
    running.observer.finalResponse(response, running.sent.get(branch.id)!.path)
    tellDone(running)
  }

  /** Where we stay in the path, reliable provisional responses are numbered through; elsewhere the PRACK may not come this way. */
  const rseqFor = ({ asked, order, numbering }: Running, response: SipResponse): number | undefined => {
    const rseq = Number(header(response, 'rseq') ?? 0)
    if (response.status >= 200 || !(rseq > 0) || !order.remainInDialog) return undefined
    const toTag = tagOf(parseAddress(header(response, 'to')!)!)
    const number = numberThrough(numbering, toTag, rseq)
    if (number !== rseq) renumbered.keep(rackKey(asked.received.callId, toTag, number), rseq, clock.monotonicMs())
    return number
  }

  /** RAck of a PRACK as the fork knows it. */
  const rackFor = ({ message, callId, toTag }: ReceivedRequest): string | undefined => {
    const rack = message.method === 'PRACK' ? parseRAck(header(message, 'rack') ?? '') : undefined
    if (rack === undefined) return undefined
    const rseq = renumbered.recall(rackKey(callId, toTag, rack.rseq), clock.monotonicMs())
    return rseq === undefined ? undefined : `${rseq} ${rack.cseq.number} ${rack.cseq.method}`
  }

  const refuse = (running: Running) => {
    const { asked, context } = running
    const best = bestFailure(context.failures, context.cancelled)
    if (best.response !== null) {
      const extra = otherChallenges(context.failures, best)
      const bytes = forwardedResponse(best.response, asked.received.vias, { extra })
      if (isCall(asked.received)) records.stop('application', refusalReason(best.status), bytes)
      return transactions.respond(asked.transaction, best.status, bytes)
    }
    const unsent = !context.cancelled && context.failures.every(({ status, response }) => status === 503 && response === null)
    refuseWith(running, unsent ? 500 : best.status)
    if (!unsent || running.told) return
    running.told = true
    running.observer.failed('error proxying request to ')
  }

  /** RFC 4320 §4.2: a non-INVITE request is never answered 408, and not at all once its sender has given up. */
  const refuseWith = ({ asked, sinceMs }: Running, status: number) => {
    const { transaction, received } = asked
    const silent = status === 408 && transaction.method !== 'INVITE'
    if (silent && clock.monotonicMs() - sinceMs >= 64 * timers.t1Ms) return transactions.forget(transaction)
    const bytes = uas.answer(asked, silent ? 504 : status, received.toTag || newToken())
    if (isCall(received)) records.stop('application', refusalReason(status), bytes)
  }

  const tellDone = (running: Running) => {
    if (running.told) return
    running.told = true
    running.observer.done()
  }

  // Challenges

  const rememberChallenge = (response: SipResponse, uri: string, path: Path) => {
    for (const nonce of noncesOf(response, ['www-authenticate', 'proxy-authenticate'])) {
      challengers.keep(nonce, { uri, path }, clock.monotonicMs())
    }
  }

  /** Who asked for the credentials in a request. */
  const challengersOf = (request: SipRequest): Challenger[] => {
    if (challengers.size() === 0) return []
    return noncesOf(request, ['authorization', 'proxy-authorization'])
      .map((nonce) => challengers.recall(nonce, clock.monotonicMs()))
      .filter((each) => each !== undefined)
  }

  // Requests

  const begin = (asked: Asked, order: ProxyOrder, routing: Routing | null, observer: ProxyObserver) => {
    const { received, transaction } = asked
    const request = received.message
    const routed = routeHash(request)
    const refusal = refusalOf(request, isLooped(request, transport.listeners, routed))
    if (refusal !== undefined) {
      uas.answer(asked, refusal.status, received.toTag || newToken(), { headers: refusal.headers })
      return observer.failed(refusal.text)
    }
    if (request.method === 'INVITE' && transaction.status === 0) uas.answer(asked, 100, '')
    const known = routing === null ? challengersOf(request) : []
    const wanted = order.destinations.map((destination): Target => ({ uri: bareUri(destination), replaces: false }))
    const asking = wanted.filter(({ uri }) => known.some((each) => each.uri === uri))
    const running: Running = {
      asked,
      order,
      observer,
      routing,
      routed,
      context: createResponseContext({
        invite: request.method === 'INVITE',
        simultaneous: order.simultaneous,
        targets: [...asking, ...wanted],
        breadth: breadthOf(request)
      }),
      pins: new Map(known.map(({ uri, path }) => [targetKey(uri), path])),
      sent: new Map(),
      timers: new Map(),
      inputs: [],
      numbering: createRSeqNumbering(),
      sinceMs: clock.monotonicMs(),
      busy: false,
      told: false,
      reasons: []
    }
    active.set(transaction.id, running)
    feed(running, { type: 'begin' })
  }

  /** Where a request that names us in its route goes; undefined where it is for us, or was not routed through us. */
  const onwardRouting = (request: SipRequest, local: boolean): Routing | undefined => {
    const routing = routedThroughUs(request, transport.listeners)
    if (routing === undefined || routing.routes.length > 0) return routing
    return local || isOwnUri(routing.requestUri, transport.listeners) ? undefined : routing
  }

  return {
    start: (asked, order, observer) => begin(asked, order, null, observer),
    onward: (asked, local) => {
      if (asked.received.toTag === '') return false
      const routing = onwardRouting(asked.received.message, local)
      if (routing === undefined) return false
      if (asked.transaction.method === 'BYE' && records.on) records.stop('network', 'normal-release', shownBytes(asked.received))
      begin(asked, { ...alongRoute, destinations: [routing.nextHop] }, routing, ignoring)
      return true
    },
    acknowledged: (received, local) => {
      const { message: request, vias } = received
      const routing = onwardRouting(request, local)
      if (routing === undefined) return false
      const routed = routeHash(request)
      if (refusalOf(request, isLooped(request, transport.listeners, routed)) !== undefined) {
        counters.stray++
        return true
      }
      pathTo(noPins, { uri: routing.nextHop, replaces: false }, (path) => {
        if (path === undefined) return void log.debug({ callId: received.callId }, 'no way to send ACK on')
        // RFC 3261 §16.11: the same ACK gets the same branch when it comes again.
        const via = viaLine(path.listener, loopBranch(token(vias[0]!), routed))
        const bytes = forwardedRequest({ ...routing, request, via, vias, breadth: breadthOf(request), record: [], extra: [] })
        counters.requestsSent++
        path.transmit(bytes, () => counters.transportErrors++)
      })
      return true
    },
    cancel: (inviteTransactionId, cancel) => {
      const running = active.get(inviteTransactionId)
      if (running === undefined) return false
      running.reasons = headerLines(cancel, 'reason')
      feed(running, { type: 'cancel' })
      return true
    },
    count: () => active.size,
    close: () => {
      for (const stop of waits) stop()
      waits.clear()
      active.clear()
      challengers.clear()
      renumbered.clear()
    }
  }
}

/** Whether a request is to set up a call, which call records are about. */
function isCall({ message, toTag }: ReceivedRequest): boolean {
  return message.method === 'INVITE' && toTag === ''
}

function rackKey(callId: string, toTag: string, rseq: number): string {
  return `${callId} ${toTag} ${rseq}`
}

const alongRoute = {
  remainInDialog: false,
  followRedirects: false,
  simultaneous: false,
  provisionalTimeoutMs: null,
  finalTimeoutMs: null,
  extra: []
} as const

const noPins = { pins: new Map<string, Path>() }

function token(via: string): string {
  return hash('sha256', via, 'hex').slice(0, 16)
}

function noncesOf(message: SipRequest | SipResponse, keys: readonly string[]): string[] {
  return keys
    .flatMap((key) => headerLines(message, key))
    .flatMap((value) => parseAuthSchemes(value) ?? [])
    .map(({ params }) => params.get('nonce'))
    .filter((nonce) => nonce !== undefined)
}
