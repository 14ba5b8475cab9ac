import { type NameAddress, tagOf } from '../codec/address.ts'
import type { CSeq } from '../codec/cseq.ts'
import { headerLines, type SipRequest, withHeaderValue } from '../codec/message.ts'
import { commonHeaders } from '../codec/sanity.ts'
import { markReceived, type Via } from '../codec/via.ts'
import { type Endpoint, type Flow, transportTraits } from '../transport/port.ts'
import { serverKey } from './key.ts'

/** Where the responses to a request go. All that is kept of a request once it is answered. */
export interface ResponsePath {
  readonly flow: Flow
  /** Where to send a response when the connection of the request is gone (RFC 3261 §18.2.2). */
  readonly fallback: Endpoint
}

/** A request that passed the sanity checks, with what every step needs of it. */
export interface ReceivedRequest extends ResponsePath {
  readonly message: SipRequest
  readonly via: Via
  /** Via header values of responses: as received, the top one marked with the packet's source. */
  readonly vias: readonly string[]
  /** Key of its server transaction. */
  readonly key: string
  readonly callId: string
  readonly cseq: CSeq
  readonly from: NameAddress
  readonly fromTag: string
  readonly toTag: string
}

/** @param message must have passed `requestInsanity`. */
export function receivedRequest(message: SipRequest, flow: Flow): ReceivedRequest {
  const lines = headerLines(message, 'via')
  const { via, from, to, callId, cseq } = commonHeaders(message)
  lines[0] = markReceived(lines[0]!, via, flow.remote.address, flow.remote.port)
  return {
    message,
    flow,
    fallback: { address: flow.remote.address, port: via.port ?? transportTraits[flow.listener.transport].defaultPort },
    via,
    vias: lines,
    key: serverKey(message, via, message.method),
    callId,
    cseq,
    from,
    fromTag: tagOf(from),
    toTag: tagOf(to)
  }
}

/** The request as the application sees it: as received, with the top Via marked. */
export function shownBytes(received: ReceivedRequest): Buffer {
  return withHeaderValue(received.message, 'via', received.vias[0]!)
}
