/** Responses that go back to the caller. @see RFC 3261 §16.7 */
import type { SipResponse } from '../codec/message.ts'
import { newToken } from '../common/tokens.ts'
import { refusalReason } from '../drachtio/cdr.ts'
import { registerFlow } from '../next-hop/registered-flow.ts'
import { bestFailure, otherChallenges } from './best-response.ts'
import { forwardedResponse } from './forward.ts'
import type { RackNumbers } from './rack-numbers.ts'
import type { Branch } from './response-context.ts'
import { isCall, type ProxyParts, type Running } from './running.ts'

/** Sends back what comes of a request. */
export interface Responses {
  readonly forward: (running: Running, branch: Branch, response: SipResponse, late: boolean) => void
  /** Answers a request of which no branch succeeded. */
  readonly refuse: (running: Running) => void
  readonly tellDone: (running: Running) => void
}

export function createResponses(
  { transactions, paths, transport, clock, timers, counters, records, uas }: ProxyParts,
  { rseqFor }: RackNumbers
): Responses {
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

  return { forward, refuse, tellDone }
}
