import { createHolding, type HoldOutcome } from '../dialog/reinvite.ts'
import { type CallInside, handleInDialog } from '../dialog/requests.ts'
import { showText } from '../dialog/show-text.ts'
import { type EndCause, serverCause } from '../message/end-cause.ts'
import { clip } from '../message/headers.ts'
import { type Refusal, refusal } from '../message/refusal.ts'
import type { Refresher } from '../message/session-timer.ts'
import { components } from '../record/values.ts'
import type { SipDialog, SipRequest } from '../server/drachtio.ts'
import { handleTransfers, type TransferContext } from '../transfer/transfer.ts'
import type { CallParts, CallPorts, CallSettings } from './parts.ts'

export interface CallDialogOptions {
  /** There is a dialog, and it is not about to end. */
  readonly isLive: () => boolean
  readonly peer: 'caller' | 'callee'
  /** Who refreshes the session where a request of the peer does not say it. */
  readonly refresher: Refresher
  /** An ACK came; false where it is not that of the INVITE that made the dialog. */
  readonly acknowledged: (sdp: string) => boolean
  /** The dialog is over; no BYE of ours is due. */
  readonly hungUp: (cause: EndCause) => void
  /** What the peer says it takes. */
  readonly allow: () => string | undefined
  readonly transfer: () => Omit<TransferContext, 'handedOver'>
  readonly stop: (cause: EndCause, refusal: Refusal) => void
}

/** The dialog of a call in either direction: what comes inside it, holds, transfers, and its end. */
export interface CallDialog {
  /** From now on it is the dialog of the call. */
  readonly keep: (created: SipDialog) => SipDialog
  /** Null before there is one. */
  readonly current: () => SipDialog | null
  readonly hold: (on: boolean) => Promise<HoldOutcome>
  readonly showText: (text: string) => Promise<boolean | null>
  readonly tags: () => { readonly local: string; readonly remote: string } | null
}

export function createCallDialog(
  parts: CallParts,
  { clock, transfers }: Pick<CallPorts, 'clock' | 'transfers'>,
  { sessionTimer }: Pick<CallSettings, 'sessionTimer'>,
  { isLive, peer, refresher, acknowledged, hungUp, allow, transfer, stop }: CallDialogOptions
): CallDialog {
  const { recorder, exchange } = parts
  let dialog: SipDialog | null = null
  let acknowledgedOnce = false
  const inside: CallInside = {
    isLive,
    leg: parts.leg,
    tell: recorder.tell,
    event: parts.event,
    bridge: parts.bridge.move,
    exchange,
    contain: parts.contain,
    describe: parts.describe,
    sessionId: parts.sessionId,
    sessionTimer,
    refresher,
    log: parts.log
  }
  const holding = createHolding(inside, () => dialog, {
    clock,
    random: Math.random,
    ownsCallId: peer === 'callee',
    gone: (reason) => stop({ by: 'application', reason }, refusal('call-out.stopped', reason))
  })
  parts.context.signal.addEventListener('abort', holding.over, { once: true })

  const destroyed = (bye: SipRequest, reason: string) => {
    const ours = bye.source === 'application'
    if (ours) {
      recorder.tell(components.sip, 'sip_bye_sent', { by: 'sip-server', reason: clip(reason, 128) })
      return hungUp(serverCause(reason))
    }
    const reasonHeader = clip(bye.get('Reason') ?? '', 128)
    recorder.tell(components.sip, 'sip_bye_received', { reason: reasonHeader })
    hungUp({ by: peer, reason: 'bye', ...(reasonHeader !== '' && { reasonHeader }) })
  }

  const takeAck = ({ body }: Pick<SipRequest, 'body'>) => {
    acknowledgedOnce = true
    if (!acknowledged(body) && exchange.state() === 'offering') parts.takeAnswer(body, () => undefined)
  }

  /** drachtio-srf tells of an ACK a turn later than of a BYE that was read with it, when it has dropped the listeners of the dialog. */
  const destroyedInTurn = (created: SipDialog, bye: SipRequest, reason: string) => {
    if (peer === 'callee' || acknowledgedOnce) return destroyed(bye, reason)
    queueMicrotask(() => created.on('ack', (ack) => parts.contain(() => takeAck(ack))))
    setImmediate(() => parts.contain(() => destroyed(bye, reason)))
  }

  return {
    keep: (created) => {
      dialog = created
      created.on('ack', (ack) => parts.contain(() => takeAck(ack)))
      created.on('destroy', (bye, reason) => parts.contain(() => destroyedInTurn(created, bye, reason)))
      handleInDialog(created, inside)
      handleTransfers(created, inside, transfers, () => ({
        ...transfer(),
        handedOver: () => stop({ by: 'application', reason: 'transferred' }, refusal('call-out.stopped', 'transferred'))
      }))
      return created
    },
    current: () => dialog,
    hold: holding.hold,
    showText: (text) => showText(inside, dialog, allow(), text),
    tags: () => (dialog === null || !isLive() ? null : { local: dialog.sip.localTag, remote: dialog.sip.remoteTag ?? '' })
  }
}
