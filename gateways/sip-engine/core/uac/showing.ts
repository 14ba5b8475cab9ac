import type { SipResponse } from '../../codec/message.ts'
import { newId } from '../../common/ids.ts'
import { madeUpResponse } from '../../dialog/outgoing-messages.ts'
import { networkMessage, type WireFacts } from '../../drachtio/server-message.ts'
import type { Flow } from '../../transport/port.ts'
import type { Core } from '../core.ts'
import type { Outgoing } from './outgoing.ts'

/** Shows an application what comes of its requests. */
export interface Showing {
  /** Where the response at hand came from; null for what no response told. */
  readonly flow: () => Flow | null
  /** Handles a response that came over that flow. */
  readonly during: <T>(flow: Flow, handle: () => T) => T
  readonly show: (item: Outgoing, response: SipResponse) => void
  /** Shows a response that no peer sent. */
  readonly showMadeUp: (item: Outgoing, status: number, reason: string) => void
}

export function createShowing(core: Core): Showing {
  let currentFlow: Flow | null = null

  const show = (item: Outgoing, response: SipResponse) => {
    if (item.application === null) return
    const flow = currentFlow
    const facts: WireFacts = {
      octets: response.bytes.length,
      transport: item.path.listener.transport,
      address: flow?.remote.address ?? '',
      port: flow?.remote.port ?? 0,
      time: core.time()
    }
    item.application.send(networkMessage(newId(), facts, item.transaction.id, item.dialogId), response.bytes)
  }

  const showMadeUp = (item: Outgoing, status: number, reason: string) => {
    const madeUp: WireFacts = { octets: 0, transport: item.path.listener.transport, address: '', port: 0, time: core.time() }
    item.application?.send(
      networkMessage(newId(), madeUp, item.transaction.id, item.dialogId),
      madeUpResponse(item.request, status, reason)
    )
  }

  return {
    flow: () => currentFlow,
    during: (flow, handle) => {
      currentFlow = flow
      const handled = handle()
      currentFlow = null
      return handled
    },
    show,
    showMadeUp
  }
}
