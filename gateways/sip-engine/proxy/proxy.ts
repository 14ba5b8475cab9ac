/**
 * The proxy: runs response contexts on transactions, timers and paths; sends on what applications give it and what was routed through us.
 *
 * @see RFC 3261 §16
 */
import { hash } from 'node:crypto'
import { headerLines, type SipRequest } from '../codec/message.ts'
import { newToken } from '../common/tokens.ts'
import { viaLine } from '../dialog/outgoing-messages.ts'
import type { Path } from '../next-hop/paths.ts'
import type { Asked } from '../transaction/asked.ts'
import { type ReceivedRequest, shownBytes } from '../transaction/received.ts'
import type { BranchTimer } from './branch.ts'
import { type Branches, createBranches } from './branches.ts'
import { createChallenges } from './challenges.ts'
import { forwardedRequest } from './forward.ts'
import { isLooped, loopBranch, routeHash } from './loop.ts'
import { createRackNumbers } from './rack-numbers.ts'
import { breadthOf, refusalOf } from './refusal.ts'
import { type ContextInput, createResponseContext, type ProxyEffect, react } from './response-context.ts'
import { createResponses } from './responses.ts'
import { isOwnUri, type Routing, routedThroughUs } from './routing.ts'
import { createRSeqNumbering } from './rseq.ts'
import type { ProxyObserver, ProxyOrder, ProxyParts, Running } from './running.ts'
import { bareUri, type Target, targetKey } from './targets.ts'

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

const ignoring: ProxyObserver = { finalResponse: () => undefined, done: () => undefined, failed: () => undefined }

export function createProxy(parts: ProxyParts): SipProxy {
  const { clock, timers, counters, log, transport, transactions, uas, records } = parts
  const active = new Map<string, Running>()
  const waits = new Set<() => void>()
  const challenges = createChallenges(clock)
  const rackNumbers = createRackNumbers(parts)
  const branches: Branches = createBranches(parts, challenges, rackNumbers, (running, input) => feed(running, input))
  const responses = createResponses(parts, rackNumbers)

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
        return branches.send(running, effect.branch)
      case 'sendCancel':
        return branches.sendCancel(running, effect.branch)
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
        return responses.forward(running, effect.branch, effect.response, effect.late)
      case 'refuse':
        return responses.refuse(running)
      case 'release':
        active.delete(running.asked.transaction.id)
        return responses.tellDone(running)
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
    const known = routing === null ? challenges.of(request) : []
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
      branches.pathTo(noPins, { uri: routing.nextHop, replaces: false }, (path) => {
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
      challenges.clear()
      rackNumbers.clear()
    }
  }
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
