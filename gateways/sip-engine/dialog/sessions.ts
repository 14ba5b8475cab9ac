/** The dialogs the engine knows, with what runs in them. */
import { randomInt } from 'node:crypto'
import type { RetainedBody } from '../common/retained.ts'
import { newCSeq, newDialogTag } from '../common/tokens.ts'
import type { Application } from '../drachtio/application.ts'
import type { ResponsePath } from '../transaction/received.ts'
import type { ClientTransaction, ServerTransaction } from '../transaction/transaction.ts'
import type { Flow, Listener } from '../transport/port.ts'
import type { AcceptedContext, AcceptedState } from './accepted.ts'
import { type Dialog, dialogId, withTag } from './dialog.ts'
import type { ReliableContext, ReliableState } from './reliable.ts'
import type { ArmedTimer } from './session-timer.ts'
import type { Subscription } from './subscriptions.ts'

/** A 2xx we sent to an INVITE, until its ACK. */
export interface AcceptedInvite {
  state: AcceptedState
  readonly context: AcceptedContext
  readonly transactionId: string
  readonly cseq: number
  /** Whether it made the dialog. */
  readonly creating: boolean
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
  /** Whether it has a session description: a 2xx must then wait for its PRACK (RFC 3262 §3). */
  readonly described: boolean
  cancelTimers: (() => void)[]
}

/** An early dialog of a forked INVITE that is not the one at hand. */
export type Fork = Pick<Session, 'dialog' | 'remoteRSeq' | 'peerFlow'>

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
  readonly method: 'INVITE' | 'SUBSCRIBE' | 'REFER'
  /** Of a forked INVITE: the early dialog at hand, which is the one that was last heard of. */
  dialog: Dialog
  /** The other early dialogs of a forked INVITE, by the peer's tag; null where there are none. */
  forks: Map<string, Fork> | null
  state: 'early' | 'confirmed' | 'ended'
  /** Whether there is, or may be, a call in the dialog. BYE ends it; subscriptions can outlive it. */
  call: boolean
  readonly subscriptions: Map<string, Subscription>
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
  /** Our UPDATE without a final response. */
  updateClient: ClientTransaction | null
  /** An offer in an INVITE or UPDATE that has no answer yet, by the side that made it (RFC 3264). */
  offer: 'none' | 'local' | 'remote'
  /** Waiting for their ACK. More than one: the peer may send a re-INVITE whose predecessor's ACK was lost. */
  readonly accepted: AcceptedInvite[]
  answered: AnsweredInvite | null
  /** Our BYE, which must not go out before the ACK (RFC 3261 §15), as what sends it. */
  heldBye: (() => void) | null
  /** A 2xx that waits for the PRACK of a session description, as what sends it. */
  heldAnswer: (() => void) | null
  readonly reliable: ReliableProvisional[]
  /** The reliable response that a final one overtook: its PRACK is still welcome (RFC 3262 §3). */
  overtaken: Pick<ReliableProvisional, 'rseq' | 'cseq'> | null
  nextRSeq: number
  /** Latest RSeq received in the INVITE at hand; 0 before the first. */
  remoteRSeq: number
  /** Our latest session description and its type, for session refreshes. */
  localBody: RetainedBody | null
  timer: ArmedTimer | null
  cancelTimer: (() => void) | null
  /** Whether the peer's Allow names UPDATE; null before it told. */
  peerUpdates: boolean | null
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
    forks: null,
    call: known.method === 'INVITE',
    subscriptions: new Map(),
    inviteServer: null,
    updateServer: null,
    inviteClient: null,
    updateClient: null,
    offer: 'none',
    accepted: [],
    answered: null,
    heldBye: null,
    heldAnswer: null,
    reliable: [],
    overtaken: null,
    nextRSeq: randomInt(1, 0x4000_0000),
    remoteRSeq: 0,
    localBody: null,
    timer: null,
    cancelTimer: null,
    peerUpdates: null
  }
}

/** An INVITE of ours has at most so many early dialogs. */
export const maxForks = 32

/** Makes the early dialog with that tag of the peer the one at hand; false where there is none with that tag. */
export function turnTo(session: Session, remoteTag: string): boolean {
  if (session.dialog.remoteTag === remoteTag) return true
  const fork = session.forks?.get(remoteTag)
  if (fork === undefined) return false
  setAside(session)
  session.forks!.delete(remoteTag)
  Object.assign(session, fork)
  return true
}

/** Keeps the early dialog at hand for later, before another takes its place. */
export function setAside(session: Session): void {
  const { dialog, remoteRSeq, peerFlow } = session
  if (dialog.remoteTag === '') return
  session.forks ??= new Map()
  session.forks.set(dialog.remoteTag, { dialog, remoteRSeq, peerFlow })
}

/** Lets a BYE go that waited for the ACK; false when there is none. In a session that is over it finds so. */
export function sendHeldBye(session: Session): boolean {
  const held = session.heldBye
  session.heldBye = null
  held?.()
  return held !== null
}

/** Gives the session its local tag: the application's wish in its first response, else a new one. */
export function ensureLocalTag(session: Session, wanted: string): string {
  if (session.dialog.localTag === '') {
    const localTag = /^[A-Za-z0-9\-.!%*_+`'~]{1,128}$/.test(wanted) ? wanted : newDialogTag()
    session.dialog = { ...session.dialog, localTag, localAddress: withTag(session.dialog.localAddress, localTag) }
  }
  return session.dialog.localTag
}

/** Number of the next request in a session's dialog, which remembers it. */
export function nextCSeq(session: Session): number {
  const cseq = session.dialog.localCSeq === 0 ? newCSeq() : session.dialog.localCSeq + 1
  session.dialog = { ...session.dialog, localCSeq: cseq }
  return cseq
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
  /** The call is over, if there was one: forgets the session unless a subscription keeps it. */
  readonly endCall: (session: Session) => void
  /** Forgets the session when nothing keeps it any more. */
  readonly release: (session: Session) => void
  readonly all: () => Iterable<Session>
  readonly count: () => number
}

export function createSessions(): Sessions {
  const byId = new Map<string, Session>()
  const confirmed = new Map<string, Session>()

  const matches = (session: Session | undefined, localTag: string, remoteTag: string): session is Session =>
    session !== undefined &&
    session.dialog.localTag === localTag &&
    (session.dialog.remoteTag === remoteTag || session.dialog.remoteTag === '' || session.forks?.has(remoteTag) === true)

  const stopCall = (session: Session): void => {
    session.call = false
    session.cancelTimer?.()
    session.cancelTimer = null
    session.timer = null
    for (const waiting of [...session.accepted, ...session.reliable])
      for (const cancel of waiting.cancelTimers.splice(0)) cancel()
    session.accepted.length = 0
    session.reliable.length = 0
    session.heldAnswer = null
    sendHeldBye(session)
  }

  const end = (session: Session): void => {
    if (session.state === 'ended') return
    session.state = 'ended'
    if (byId.get(session.id) === session) byId.delete(session.id)
    if (confirmed.get(session.dialog.callId) === session) confirmed.delete(session.dialog.callId)
    for (const { cancelTimers } of session.subscriptions.values()) for (const cancel of cancelTimers.splice(0)) cancel()
    session.subscriptions.clear()
    stopCall(session)
  }

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
    end,
    endCall: (session) => {
      if (session.state === 'ended') return
      if (session.subscriptions.size === 0) end(session)
      else stopCall(session)
    },
    release: (session) => {
      if (session.state === 'confirmed' && !session.call && session.subscriptions.size === 0) end(session)
    },
    all: () => byId.values(),
    count: () => byId.size
  }
}
