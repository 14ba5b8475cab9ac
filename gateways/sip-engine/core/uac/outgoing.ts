/** Requests on their way: each is a transaction, or several, one after another, at the addresses of its next hop. */
import type { SipResponse } from '../../codec/message.ts'
import { encodeRequest, type OutgoingRequest } from '../../codec/serialize.ts'
import { newBranch } from '../../common/tokens.ts'
import { ackFor, readdressed } from '../../dialog/outgoing-messages.ts'
import type { AnsweredInvite, Fork, Session } from '../../dialog/sessions.ts'
import type { Application } from '../../drachtio/application.ts'
import type { Path, PathFailure } from '../../next-hop/paths.ts'
import type { ClientTransaction, Told } from '../../transaction/transaction.ts'
import type { Core } from '../core.ts'

export interface NewOutgoing {
  readonly request: OutgoingRequest
  readonly branch: string
  readonly path: Path
  /** Null for requests of the engine. */
  readonly application: Application | null
  readonly session: Session | null
  /** Whether the request creates its session. */
  readonly creating: boolean
  /** As shown with its responses. */
  readonly dialogId: string
  /** Told the final response of a request of the engine, or null when there will be none. */
  readonly done?: (response: SipResponse | null) => void
}

/** A request on its way, until its final response. */
export interface Outgoing extends Omit<NewOutgoing, 'branch' | 'application' | 'done' | 'request' | 'path'> {
  /** These three change when the request goes to another address. */
  request: OutgoingRequest
  path: Path
  transaction: ClientTransaction
  /** Null for requests of the engine, and once the application is gone. */
  application: Application | null
  /** `held`: waits for the first provisional response (RFC 3261 §9.1). */
  cancel: 'none' | 'held' | 'sent'
  cancelBytes: Buffer | null
  cancelTimer: (() => void) | null
  /** When it was made, by the monotonic clock. */
  readonly sinceMs: number
  /** The 2xx of an INVITE by the tag in To, and the ACK of each: every one comes again until its ACK arrives. */
  answers: Map<string, AnsweredInvite> | null
  /** The early dialogs that were there when the INVITE was answered. */
  forks: Map<string, Fork> | null
  readonly done: ((response: SipResponse | null) => void) | null
}

/** Requests on their way, by the ids of their transactions. */
export interface Outgoings extends Iterable<Outgoing> {
  readonly get: (transactionId: string) => Outgoing | undefined
  /** Makes the transaction of a request, which is not sent yet. */
  readonly open: (request: NewOutgoing) => Outgoing
  /**
   * Sends a request that failed to the next address of its next hop, as a new transaction that the application knows by the same id.
   *
   * @returns false when there is none, or the request is not wanted any more.
   * @see RFC 3263 §4.3
   */
  readonly again: (item: Outgoing, cause: PathFailure) => boolean
  /** It has its final response, or will have none. */
  readonly remove: (item: Outgoing) => void
  readonly close: () => void
}

/** @param told what becomes of a request, as its transaction says. */
export function createOutgoings(
  { transactions, paths, clock }: Core,
  told: (item: Outgoing, what: Told, response: SipResponse | null) => void
): Outgoings {
  const outgoing = new Map<string, Outgoing>()

  const open = (parts: NewOutgoing): Outgoing => {
    const item: Outgoing = {
      ...attempt(parts, (what, response) => told(item, what, response)),
      application: parts.application,
      session: parts.session,
      creating: parts.creating,
      dialogId: parts.dialogId,
      cancel: 'none',
      cancelBytes: null,
      cancelTimer: null,
      sinceMs: clock.monotonicMs(),
      answers: null,
      forks: null,
      done: parts.done ?? null
    }
    const { session, request, transaction } = item
    outgoing.set(transaction.id, item)
    if (session !== null && (request.method === 'INVITE' || request.method === 'UPDATE')) {
      if (request.method === 'INVITE') {
        session.inviteClient = transaction
        session.remoteRSeq = 0
      } else session.updateClient = transaction
      if (request.body.length > 0) session.offer = 'local'
    }
    return item
  }

  /** One transaction of a request, on its path or, where the request is too large for that, on the one beside it. */
  const attempt = (
    { request: asked, path: wanted, branch, id }: Pick<NewOutgoing, 'request' | 'path' | 'branch'> & { readonly id?: string },
    tell: (what: Told, response: SipResponse | null) => void
  ) => {
    const small = encodeRequest(asked)
    const path = paths.fitting(wanted, small.length)
    const request = path === wanted ? asked : readdressed(asked, path.listener, branch)
    const transaction = transactions.openClient({
      ...(id === undefined ? {} : { id }),
      method: request.method,
      branch,
      bytes: path === wanted ? small : encodeRequest(request),
      reliable: path.listener.transport !== 'udp',
      transmit: path.transmit,
      makeAck: (response) => ackFor(request, response),
      tell
    })
    return { request, path, transaction }
  }

  const again = (item: Outgoing, cause: PathFailure): boolean => {
    const { session, transaction: before } = item
    if (item.cancel !== 'none' || (session !== null && item.creating && session.dialog.remoteTag !== '')) return false
    const path = paths.after(item.path, cause)
    if (path === null) return false
    const branch = newBranch()
    const request = readdressed(item.request, path.listener, branch)
    Object.assign(
      item,
      attempt({ request, path, branch, id: before.id }, (what, response) => told(item, what, response))
    )
    if (session?.inviteClient === before) session.inviteClient = item.transaction
    if (session?.updateClient === before) session.updateClient = item.transaction
    transactions.start(item.transaction)
    return true
  }

  const remove = (item: Outgoing) => {
    outgoing.delete(item.transaction.id)
    item.cancelTimer?.()
    item.cancelTimer = null
  }

  return {
    [Symbol.iterator]: () => outgoing.values(),
    get: (transactionId) => outgoing.get(transactionId),
    open,
    again,
    remove,
    close: () => {
      for (const item of outgoing.values()) item.cancelTimer?.()
      outgoing.clear()
    }
  }
}
