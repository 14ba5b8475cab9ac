/** ACK. @see RFC 3261 §13.3.1.4 */
import { newId } from '../../common/ids.ts'
import { sendHeldBye } from '../../dialog/sessions.ts'
import { networkMessage } from '../../drachtio/server-message.ts'
import { type ReceivedRequest, shownBytes } from '../../transaction/received.ts'
import type { Core } from '../core.ts'
import { wireFacts } from './answer.ts'
import type { ShownRequests } from './shown.ts'

/** @returns deals with an ACK. */
export function createAcknowledged(core: Core, { acknowledgements }: ShownRequests): (received: ReceivedRequest) => void {
  const { transactions, sessions, counters } = core

  const acknowledged = (received: ReceivedRequest) => {
    const transaction = transactions.findServer(received.key, received)
    if (transaction !== undefined && transaction.status >= 300) return transactions.acknowledge(transaction)
    const session = sessions.matching(received.callId, received.fromTag, received.toTag)
    if (core.proxy.acknowledged(received, session !== undefined)) return
    if (session === undefined) {
      counters.stray++
      return
    }
    const waiting = acknowledgements.acknowledge(session, received.cseq.number)
    if (waiting === undefined) return
    if (session.offer === 'local') session.offer = 'none'
    session.application?.send(
      networkMessage(newId(), wireFacts(core, received.message.bytes.length, received.flow), waiting.transactionId, session.id),
      shownBytes(received)
    )
    sendHeldBye(session)
  }

  return acknowledged
}
