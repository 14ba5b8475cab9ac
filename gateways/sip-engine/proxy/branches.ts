/** Branches of a proxied request: each goes to one target, at one of its addresses after another. @see RFC 3261 §16.6 */
import type { SipResponse } from '../codec/message.ts'
import { emptyBody } from '../codec/serialize.ts'
import { uriScheme } from '../codec/uri.ts'
import { newToken } from '../common/tokens.ts'
import { viaLine } from '../dialog/outgoing-messages.ts'
import type { Path, PathFailure, PathFound } from '../next-hop/paths.ts'
import type { Told } from '../transaction/transaction.ts'
import { isChallenge } from './best-response.ts'
import type { Challenges } from './challenges.ts'
import { branchAck, branchCancel, forwardedRequest, recordLines, type SentBranch } from './forward.ts'
import { loopBranch } from './loop.ts'
import type { RackNumbers } from './rack-numbers.ts'
import type { Branch, ContextInput } from './response-context.ts'
import { isOwnUri } from './routing.ts'
import { isCall, type ProxyParts, type Running } from './running.ts'
import { redirectTargets, type Target, targetKey } from './targets.ts'

/** Sends a request to its targets. */
export interface Branches {
  /** Path to a target; undefined where there is none. */
  readonly pathTo: (running: Pick<Running, 'pins'>, target: Target, found: PathFound) => void
  readonly send: (running: Running, branch: Branch) => void
  readonly sendCancel: (running: Running, branch: Branch) => void
}

/** @param feed takes what becomes of a branch. */
export function createBranches(
  { transactions, paths, transport, records }: ProxyParts,
  challenges: Challenges,
  { rackFor }: RackNumbers,
  feed: (running: Running, input: ContextInput) => void
): Branches {
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
    if (isChallenge(response.status)) challenges.remember(response, running.context.branches[branch]!.target.uri, sent.path)
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

  return { pathTo, send, sendCancel }
}
