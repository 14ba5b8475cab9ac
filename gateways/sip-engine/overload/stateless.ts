/**
 * Responses without a transaction: to requests that are not taken. Nothing is kept of them, and the same request gets the same response
 * whenever it comes (RFC 3261 §8.2.7).
 */
import type { Clock } from '#kernel'
import { header, headerLines, type SipRequest } from '../codec/message.ts'
import { ackTag, type ScannedRequest, scanRequest } from '../codec/scan.ts'
import { emptyBody, encodeResponse, type HeaderLine } from '../codec/serialize.ts'
import { firstVia, markReceived, parseVia, type Via } from '../codec/via.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import { steadyToken } from '../common/tokens.ts'
import { withTag } from '../dialog/dialog.ts'
import { branchKey } from '../transaction/key.ts'
import type { Transactions } from '../transaction/transactions.ts'
import { type Endpoint, type Flow, type TransportPort, transportTraits } from '../transport/port.ts'
import { hashOf, type Overload } from './overload.ts'

export interface Stateless {
  readonly refuse: (message: SipRequest, flow: Flow, status: number, reason: string, headers?: readonly HeaderLine[]) => void
  /** Refuses a new request because of too much load. */
  readonly overloaded: (message: SipRequest, flow: Flow, key: string) => void
  /**
   * Deals with what can be dealt with before it is read: a new request in usual form that is not taken, a repeat of one that was taken, the
   * ACK for a refusal.
   *
   * @returns false when the message is still to be handled.
   */
  readonly unread: (bytes: Buffer, flow: Flow) => boolean
}

/** What a refusal repeats, in the order of the wire. */
interface Repeated {
  readonly vias: string[]
  /** The topmost; undefined where it cannot be read. */
  readonly via: Via | undefined
  readonly others: HeaderLine[]
}

export interface StatelessParts {
  readonly counters: EngineCounters
  readonly transactions: Transactions
  readonly transport: TransportPort
  readonly overload: Overload
  readonly clock: Clock
  readonly timers: EngineTimers
}

/** @param waiting how many new requests wait for an application. */
export function createStateless(parts: StatelessParts, waiting: () => number): Stateless {
  const { counters, transactions, transport, overload, clock, timers } = parts
  let latestMs = Number.NEGATIVE_INFINITY

  const fallbackOf = (via: Via | undefined, flow: Flow): Endpoint => ({
    address: flow.remote.address,
    port: via?.port ?? transportTraits[flow.listener.transport].defaultPort
  })

  const respond = ({ vias, via, others }: Repeated, flow: Flow, status: number, reason: string): void => {
    // A Via that cannot be read goes back as it is: the answer still finds the peer, by the source of its packet.
    if (via !== undefined) vias[0] = markReceived(vias[0]!, via, flow.remote.address, flow.remote.port)
    const headers: HeaderLine[] = vias.map((value) => ['Via', value])
    headers.push(...others)
    latestMs = clock.monotonicMs()
    counters.responsesSent++
    transport.reply(flow, fallbackOf(via, flow), encodeResponse({ status, reason, headers, body: emptyBody }), notSent)
  }

  const notSent = (): void => void counters.transportErrors++

  const refuse: Stateless['refuse'] = (message, flow, status, reason, more = []) => {
    if (message.method === 'ACK' || message.defect?.code === 'sip.header.bare-line-end') return
    const vias = headerLines(message, 'via')
    if (vias[0] === undefined) return
    const via = parseVia(firstVia(vias[0]))
    const others: HeaderLine[] = []
    for (const [name, key] of repeated) {
      const value = header(message, key)
      if (value !== undefined) others.push([name, key === 'to' ? withTag(value, tagFor(message, vias[0], via)) : value])
    }
    others.push(...more)
    respond({ vias, via, others }, flow, status, reason)
  }

  const refuseUnread = ({ vias, via, from, to, callId, cseq }: ScannedRequest, flow: Flow, key: string): void => {
    counters.requestsReceived++
    counters.shed++
    const others: HeaderLine[] = [
      ['From', from],
      ['To', `${to};tag=${statelessTag(key)}`],
      ['Call-ID', callId],
      ['CSeq', cseq],
      retryAfter(key)
    ]
    respond({ vias, via, others }, flow, 503, overloadReason)
  }

  return {
    refuse,
    overloaded: (message, flow, key) => {
      counters.shed++
      refuse(message, flow, 503, overloadReason, [retryAfter(key)])
    },
    unread: (bytes, flow) => {
      if (clock.monotonicMs() - latestMs < 64 * timers.t1Ms) {
        const tag = ackTag(bytes)
        if (tag !== undefined && isStatelessTag(tag)) {
          counters.requestsReceived++
          return true
        }
      }
      if (!overload.pressed(waiting())) return false
      const request = scanRequest(bytes)
      if (request === undefined || request.method === 'ACK' || request.method === 'CANCEL') return false
      const key = branchKey(request.via, request.method)
      if (key === undefined) return false
      const known = transactions.findServer(key, { flow, fallback: fallbackOf(request.via, flow) })
      if (known !== undefined) {
        counters.requestsReceived++
        transactions.requestAgain(known)
        return true
      }
      if (overload.admits(key, waiting())) return false
      refuseUnread(request, flow, key)
      return true
    }
  }
}

const overloadReason = 'Overloaded'

/** 1 to 10 s, evenly: different from call to call, so that those refused do not come back all at once, and the same for each copy. */
function retryAfter(key: string): HeaderLine {
  return ['Retry-After', `${1 + ((hashOf(key) >>> 0) % 10)}`]
}

const repeated = [
  ['From', 'from'],
  ['To', 'to'],
  ['Call-ID', 'call-id'],
  ['CSeq', 'cseq']
] as const

function tagFor(message: SipRequest, via: string, read: Via | undefined): string {
  const key = read === undefined ? undefined : branchKey(read, message.method)
  return statelessTag(key ?? `${via}|${header(message, 'call-id')}|${header(message, 'from')}|${header(message, 'cseq')}`)
}

const mark = 's'
const tokenDigits = 16
const checkDigits = 4

/** The same tag whenever the same request comes, told from all others by its check. @param text what tells the request from others. */
function statelessTag(text: string): string {
  const token = mark + steadyToken(text)
  return token + steadyToken(token).slice(0, checkDigits)
}

function isStatelessTag(tag: string): boolean {
  const token = tag.slice(0, mark.length + tokenDigits)
  return (
    tag.length === mark.length + tokenDigits + checkDigits &&
    tag.startsWith(mark) &&
    steadyToken(token).startsWith(tag.slice(-checkDigits))
  )
}
