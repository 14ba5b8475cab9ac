/** The dialogs the engine knows, with what runs in them. */
import { randomInt } from 'node:crypto'
import type { AcceptedContext, AcceptedState } from '../dialog/accepted.ts'
import { type Dialog, dialogId, withTag } from '../dialog/dialog.ts'
import type { ReliableContext, ReliableState } from '../dialog/reliable.ts'
import type { ArmedTimer } from '../dialog/session-timer.ts'
import type { Flow, Listener } from '../transport/port.ts'
import type { Application } from './application.ts'
import { newToken } from './core.ts'
import type { ResponsePath } from './received.ts'
import type { ClientTransaction, ServerTransaction } from './transactions.ts'

/** A 2xx we sent to an INVITE, until its ACK. */
export interface AcceptedInvite {
  state: AcceptedState
  readonly context: AcceptedContext
  readonly transactionId: string
  readonly cseq: number
  readonly back: ResponsePath
  readonly bytes: Buffer
  cancelTimers: (() => void)[]
}

/** A reliable provisional response, until its PRACK. Only the first of the queue is on the wire. */
export interface ReliableProvisional {
  state: ReliableState
  readonly context: ReliableContext
  readonly rseq: number
  readonly cseq: number
  readonly invite: ServerTransaction
  readonly status: number
  readonly bytes: Buffer
  cancelTimers: (() => void)[]
}

/** A 2xx we got to an INVITE, and the ACK for it. */
export interface AnsweredInvite {
  readonly cseq: number
  readonly transactionId: string
  /** Null until the application has sent its ACK. */
  ack: Buffer | null
  transmitAck: (() => void) | null
  /** Send BYE as soon as the ACK is out. */
  readonly cancelled: boolean
}

export interface Session {
  /** As the application knows it. */
  readonly id: string
  readonly side: 'uas' | 'uac'
  /** Method that creates the dialog. */
  readonly method: 'INVITE' | 'SUBSCRIBE'
  dialog: Dialog
  state: 'early' | 'confirmed' | 'ended'
  /** Owner; null once its connection is gone. */
  application: Application | null
  readonly listener: Listener
  /** Path of the peer's first message, for peers that cannot be reached by their Contact; null where it can. */
  peerFlow: Flow | null
  /** Contact of requests and responses we send in the dialog. */
  contact: string
  /** Unanswered INVITE of the peer. */
  inviteServer: ServerTransaction | null
  /** Unanswered UPDATE of the peer. */
  updateServer: ServerTransaction | null
  /** Our INVITE without a final response. */
  inviteClient: ClientTransaction | null
  accepted: AcceptedInvite | null
  answered: AnsweredInvite | null
  readonly reliable: ReliableProvisional[]
  nextRSeq: number
  /** Highest RSeq received, so that a repeated reliable response is not shown twice. */
  remoteRSeq: number
  /** Our latest session description and its type, for session refreshes. */
  localBody: { readonly type: string; readonly body: Buffer } | null
  timer: ArmedTimer | null
  cancelTimer: (() => void) | null
}

export interface NewSession
  extends Pick<Session, 'side' | 'method' | 'dialog' | 'application' | 'listener' | 'contact' | 'peerFlow'> {
  /** Tag in From of the request that creates the dialog. */
  readonly creatorTag: string
}

export function newSession(parts: NewSession): Session {
  const { creatorTag, ...known } = parts
  return {
    ...known,
    id: dialogId(known.dialog.callId, creatorTag),
    state: 'early',
    inviteServer: null,
    updateServer: null,
    inviteClient: null,
    accepted: null,
    answered: null,
    reliable: [],
    nextRSeq: randomInt(1, 0x4000_0000),
    remoteRSeq: 0,
    localBody: null,
    timer: null,
    cancelTimer: null
  }
}

/** Gives the session its local tag: the application's wish in its first response, else a new one. */
export function ensureLocalTag(session: Session, wanted: string): string {
  if (session.dialog.localTag === '') {
    const localTag = /^[A-Za-z0-9\-.!%*_+`'~]{1,128}$/.test(wanted) ? wanted : newToken()
    session.dialog = { ...session.dialog, localTag, localAddress: withTag(session.dialog.localAddress, localTag) }
  }
  return session.dialog.localTag
}

export interface Sessions {
  readonly add: (session: Session) => void
  readonly get: (id: string) => Session | undefined
  /** The confirmed session with that Call-ID that was made last. */
  readonly byCallId: (callId: string) => Session | undefined
  /** The session a received request with a To tag belongs to. */
  readonly matching: (callId: string, fromTag: string, toTag: string) => Session | undefined
  readonly confirm: (session: Session) => void
  /** Stops everything that runs in the session and forgets it. */
  readonly end: (session: Session) => void
  readonly all: () => Iterable<Session>
  readonly count: () => number
}

export function createSessions(): Sessions {
  const byId = new Map<string, Session>()
  const confirmed = new Map<string, Session>()

  const matches = (session: Session | undefined, localTag: string, remoteTag: string): session is Session =>
    session !== undefined &&
    session.dialog.localTag === localTag &&
    (session.dialog.remoteTag === remoteTag || session.dialog.remoteTag === '')

  return {
    add: (session) => void byId.set(session.id, session),
    get: (id) => byId.get(id),
    byCallId: (callId) => confirmed.get(callId),
    matching: (callId, fromTag, toTag) => {
      const created = byId.get(dialogId(callId, fromTag))
      if (created?.side === 'uas' && matches(created, toTag, fromTag)) return created
      const ours = byId.get(dialogId(callId, toTag))
      return ours?.side === 'uac' && matches(ours, toTag, fromTag) ? ours : undefined
    },
    confirm: (session) => {
      session.state = 'confirmed'
      confirmed.set(session.dialog.callId, session)
    },
    end: (session) => {
      if (session.state === 'ended') return
      session.state = 'ended'
      if (byId.get(session.id) === session) byId.delete(session.id)
      if (confirmed.get(session.dialog.callId) === session) confirmed.delete(session.dialog.callId)
      session.cancelTimer?.()
      session.cancelTimer = null
      for (const waiting of [session.accepted, ...session.reliable]) for (const cancel of waiting?.cancelTimers ?? []) cancel()
    },
    all: () => byId.values(),
    count: () => byId.size
  }
}
