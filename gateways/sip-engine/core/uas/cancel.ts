/** CANCEL. @see RFC 3261 §9.2 */
import { newId } from '../../common/ids.ts'
import { newToken } from '../../common/tokens.ts'
import { dialogId } from '../../dialog/dialog.ts'
import { networkMessage } from '../../drachtio/server-message.ts'
import { serverKey } from '../../transaction/key.ts'
import { type ReceivedRequest, shownBytes } from '../../transaction/received.ts'
import type { Core } from '../core.ts'
import { answer, wireFacts } from './answer.ts'
import type { ShownRequests } from './shown.ts'

const cancelAfterAnswer = 'SIP ;cause=200 ;text="CANCEL after 200 OK"'

/** @returns deals with a CANCEL. */
export function createCancelled(core: Core, { get, localTagOf, settleWith }: ShownRequests): (received: ReceivedRequest) => void {
  const { transactions, sessions } = core

  const cancelled = (received: ReceivedRequest) => {
    const cancel = { transaction: transactions.openServer(received), received }
    const invite = transactions.findServer(serverKey(received.message, received.via, 'INVITE'), received)
    if (invite === undefined) return answer(core, cancel, 481, newToken())
    if (core.proxy.cancel(invite.id, received.message)) return answer(core, cancel, 200, newToken())
    const shown = get(invite.id)
    if (shown !== undefined) {
      const tag = localTagOf(shown)
      const shownDialog = shown.answered || !shown.creating ? shown.dialogId : ''
      answer(core, cancel, 200, tag)
      if (shown.held) {
        core.uac.tellGone(shown.session!, cancelAfterAnswer)
        return settleWith(shown, 487)
      }
      settleWith(shown, 487)
      shown.application.send(
        networkMessage(newId(), wireFacts(core, received.message.bytes.length, received.flow), invite.id, shownDialog),
        shownBytes(received)
      )
      return
    }
    const session = sessions.get(dialogId(received.callId, received.fromTag))
    const answered = session?.accepted.some(({ transactionId, creating }) => creating && transactionId === invite.id)
    if (session === undefined || !answered) return answer(core, cancel, 200, received.toTag || newToken())
    // Departure from RFC 3261 §9.2 and §15 as drachtio-server does it: the caller gave up, so the call is ended without waiting for its ACK.
    answer(core, cancel, 481, session.dialog.localTag)
    core.uac.bye(session, cancelAfterAnswer)
  }

  return cancelled
}
