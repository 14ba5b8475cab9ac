/** CANCEL. @see RFC 3261 §9.1 */
import { emptyBody } from '../../codec/serialize.ts'
import { parseVia } from '../../codec/via.ts'
import { cancelFor } from '../../dialog/outgoing-messages.ts'
import type { ClientTransaction } from '../../transaction/transaction.ts'
import type { Core } from '../core.ts'
import type { Outgoing, Outgoings } from './outgoing.ts'

export interface Cancels {
  /** Cancels an INVITE for the engine's own reasons. */
  readonly cancelOwn: (transaction: ClientTransaction) => void
  /** Sends the CANCEL of a request now, or as soon as a provisional response allows it. */
  readonly startCancel: (item: Outgoing) => void
  /** Sends it now. */
  readonly sendCancel: (item: Outgoing) => void
  /** The call of a re-INVITE is over: its final response must come soon. */
  readonly outlive: (transaction: ClientTransaction) => void
}

export function createCancels({ transactions, clock, timers }: Core, outgoings: Outgoings): Cancels {
  const cancelOwn = (transaction: ClientTransaction) => {
    const item = outgoings.get(transaction.id)
    if (item === undefined) return
    item.cancelBytes ??= cancelFor(item.request, [])
    startCancel(item)
  }

  const startCancel = (item: Outgoing) => {
    if (item.cancel !== 'none') return
    item.cancel = 'held'
    if (item.transaction.state === 'proceeding') sendCancel(item)
  }

  /** The CANCEL has a transaction of its own, with the branch of the INVITE. Its response is nobody's concern. */
  const sendCancel = (item: Outgoing) => {
    item.cancel = 'sent'
    const branch = parseVia(item.request.headers.find(([name]) => name === 'Via')![1])!.params.get('branch')!
    const transaction = transactions.openClient({
      method: 'CANCEL',
      branch,
      bytes: item.cancelBytes!,
      reliable: item.path.listener.transport !== 'udp',
      transmit: item.path.transmit,
      makeAck: () => emptyBody,
      tell: () => undefined
    })
    transactions.start(transaction)
    abandonLater(item)
  }

  /** An INVITE that has a provisional response waits for the final one as long as it takes, unless it has no meaning any more. */
  const abandonLater = (item: Outgoing) => {
    item.cancelTimer ??= clock.after(64 * timers.t1Ms, () => {
      item.cancelTimer = null
      transactions.abandon(item.transaction)
    })
  }

  const outlive = (transaction: ClientTransaction) => {
    const item = outgoings.get(transaction.id)
    if (item !== undefined) abandonLater(item)
  }

  return { cancelOwn, startCancel, sendCancel, outlive }
}
