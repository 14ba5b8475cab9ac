import type { ConferenceLeg, Table } from '#kernel'
import type { EndCause } from '../message/end-cause.ts'
import type { Refusal } from '../message/refusal.ts'
import type { SipDialog } from '../server/drachtio.ts'

/**
 * One call out, from the wish to its end.
 *
 *     screening ─► joining ─► recording ─► inviting ─► proceeding ─► accepting ─► established
 *         └───────────┴───────────┤            └────────────┴──► cancelling │            │
 *                                 └──────────────────────────────────┴──────┴────────────┴──► ended
 *
 * With a late offer there is nothing to join before the answer: `screening` goes straight to `recording`.
 */
export const outgoingStates = [
  'screening',
  'joining',
  'recording',
  /** The INVITE is out, and nothing came back yet. */
  'inviting',
  /** A provisional response came. */
  'proceeding',
  /** CANCEL is out, or goes out as soon as the INVITE is; the final response is awaited (RFC 3261 §9.1). */
  'cancelling',
  /** 200 came, and the conference is taking its session description. */
  'accepting',
  'established',
  'ended'
] as const
export type OutgoingState = (typeof outgoingStates)[number]

/** A 200 as drachtio-srf gives it. */
export type Accepted =
  /** Answer to our offer; the ACK is out. */
  | { readonly kind: 'answer'; readonly dialog: SipDialog; readonly sdp: string }
  /** Offer of the callee, which the ACK has to answer. `withdraw` sends ACK and BYE. */
  | {
      readonly kind: 'offer'
      readonly sdp: string
      readonly acknowledge: (answer: string) => Promise<SipDialog>
      readonly withdraw: () => Promise<void>
    }

/** How the callee, or the network in its place, said no. */
export interface Declined {
  readonly status: number
  /** Where it is not that of the status. */
  readonly code?: string
  /** Text of the status line, for the record. */
  readonly reason: string
  readonly retryAfterMs: number | null
  /** Reason of the response, where it has one (RFC 3326, RFC 6432). */
  readonly reasonHeader?: string
  /** The status was made up: nobody answered, or nobody could be reached. */
  readonly byNetwork: boolean
}

export type OutgoingEvent =
  | { readonly type: 'approved' }
  /** IF.guard said yes to a call with a late offer. */
  | { readonly type: 'approvedLate' }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  | { readonly type: 'joined'; readonly leg: ConferenceLeg; readonly sdp: string }
  | { readonly type: 'recorded' }
  /** The server has sent the INVITE. */
  | { readonly type: 'sent' }
  /** 422: the callee wants a longer session interval (RFC 4028 §7.3). */
  | { readonly type: 'intervalTooSmall'; readonly minSeconds: number }
  /** 488: the callee may be one that takes no keys with RTP/AVP. @param sdp the offer with RTP/SAVP */
  | { readonly type: 'profileRefused'; readonly sdp: string }
  | { readonly type: 'progress'; readonly status: number; readonly tag: string | null; readonly sdp: string }
  | { readonly type: 'accepted'; readonly accepted: Accepted }
  | { readonly type: 'declined'; readonly declined: Declined }
  /** Both session descriptions are agreed on. */
  | { readonly type: 'agreed' }
  /** The dialog ended at the far side or in the server; no BYE is due. */
  | { readonly type: 'hungUp'; readonly cause: EndCause }
  /** Something on our side ends the call: a cancelled escalation, no answer in time, another callee that was faster, drain. */
  | { readonly type: 'stopped'; readonly cause: EndCause; readonly refusal: Refusal }
  /** No final response came in the time after a CANCEL. */
  | { readonly type: 'forgotten' }

export type OutgoingEffect =
  | { readonly type: 'join' }
  | { readonly type: 'keepLeg'; readonly leg: ConferenceLeg; readonly sdp: string }
  | { readonly type: 'awaitRecords' }
  | { readonly type: 'invite'; readonly sessionExpires: number | null }
  /** The next INVITE has another offer. */
  | { readonly type: 'reoffer'; readonly sdp: string }
  | { readonly type: 'noteSent' }
  | { readonly type: 'noteProgress'; readonly status: number; readonly tag: string | null; readonly sdp: string }
  | { readonly type: 'cancel'; readonly cause: EndCause }
  /** CANCEL for an INVITE that went out after the call had been given up. */
  | { readonly type: 'lateCancel' }
  | { readonly type: 'accept'; readonly accepted: Accepted }
  /** Answer the callee's offer in the ACK. */
  | { readonly type: 'acknowledge'; readonly sdp: string }
  | { readonly type: 'establish' }
  /** ACK and BYE for a 200 that nobody waits for any more. */
  | { readonly type: 'withdraw'; readonly accepted: Accepted }
  /** BYE, and where the ACK is not out yet, ACK before it. */
  | { readonly type: 'bye'; readonly cause: EndCause }
  | { readonly type: 'refuse'; readonly refusal: Refusal }
  | { readonly type: 'decline'; readonly declined: Declined }
  | { readonly type: 'giveUp'; readonly cause: EndCause; readonly refusal: Refusal }
  | { readonly type: 'end'; readonly cause: EndCause }
  | { readonly type: 'endCancelled' }
  | { readonly type: 'dropLeg'; readonly leg: ConferenceLeg }

type Row<T extends OutgoingEvent['type']> = (event: Extract<OutgoingEvent, { type: T }>) => readonly OutgoingEffect[]

const giveUp: Row<'stopped'> = ({ cause, refusal }) => [{ type: 'giveUp', cause, refusal }, { type: 'endCancelled' }]

/** Rows shared by the states before the INVITE. */
const beforeInvite = {
  refused: ['ended', ((e) => [{ type: 'refuse', refusal: e.refusal }]) as Row<'refused'>],
  stopped: ['ended', giveUp],
  hungUp: ['ended', ((e) => [{ type: 'end', cause: e.cause }]) as Row<'hungUp'>]
} as const satisfies Table<OutgoingState, OutgoingEvent, OutgoingEffect>[OutgoingState]

/** Rows shared by the states in which the INVITE waits for its final response. */
const waiting = {
  progress: ['proceeding', (({ status, tag, sdp }) => [{ type: 'noteProgress', status, tag, sdp }]) as Row<'progress'>],
  accepted: ['accepting', ((e) => [{ type: 'accept', accepted: e.accepted }]) as Row<'accepted'>],
  profileRefused: [
    'inviting',
    (({ sdp }) => [
      { type: 'reoffer', sdp },
      { type: 'invite', sessionExpires: null }
    ]) as Row<'profileRefused'>
  ],
  declined: ['ended', ((e) => [{ type: 'decline', declined: e.declined }]) as Row<'declined'>],
  stopped: [
    'cancelling',
    (({ cause, refusal }) => [
      { type: 'cancel', cause },
      { type: 'giveUp', cause, refusal }
    ]) as Row<'stopped'>
  ],
  hungUp: ['ended', ((e) => [{ type: 'end', cause: e.cause }]) as Row<'hungUp'>]
} as const satisfies Table<OutgoingState, OutgoingEvent, OutgoingEffect>[OutgoingState]

export const outgoingTable = {
  screening: {
    ...beforeInvite,
    approved: ['joining', () => [{ type: 'join' }]],
    approvedLate: ['recording', () => [{ type: 'awaitRecords' }]]
  },
  joining: {
    ...beforeInvite,
    joined: ['recording', (e) => [{ type: 'keepLeg', leg: e.leg, sdp: e.sdp }, { type: 'awaitRecords' }]]
  },
  recording: { ...beforeInvite, recorded: ['inviting', () => [{ type: 'invite', sessionExpires: null }]] },
  inviting: {
    ...waiting,
    sent: ['inviting', () => [{ type: 'noteSent' }]],
    intervalTooSmall: ['inviting', (e) => [{ type: 'invite', sessionExpires: e.minSeconds }]]
  },
  proceeding: {
    ...waiting,
    intervalTooSmall: ['inviting', (e) => [{ type: 'invite', sessionExpires: e.minSeconds }]]
  },
  cancelling: {
    sent: ['cancelling', () => [{ type: 'noteSent' }, { type: 'lateCancel' }]],
    intervalTooSmall: ['ended', () => [{ type: 'endCancelled' }]],
    profileRefused: ['ended', () => [{ type: 'endCancelled' }]],
    accepted: ['ended', (e) => [{ type: 'withdraw', accepted: e.accepted }, { type: 'endCancelled' }]],
    declined: ['ended', () => [{ type: 'endCancelled' }]],
    hungUp: ['ended', () => [{ type: 'endCancelled' }]],
    forgotten: ['ended', () => [{ type: 'endCancelled' }]]
  },
  accepting: {
    joined: [
      'accepting',
      (e) => [
        { type: 'keepLeg', leg: e.leg, sdp: e.sdp },
        { type: 'acknowledge', sdp: e.sdp }
      ]
    ],
    agreed: ['established', () => [{ type: 'establish' }]],
    refused: [
      'ended',
      (e) => [
        { type: 'bye', cause: answerRefused },
        { type: 'refuse', refusal: e.refusal }
      ]
    ],
    stopped: [
      'ended',
      ({ cause, refusal }) => [{ type: 'bye', cause }, { type: 'giveUp', cause, refusal }, { type: 'endCancelled' }]
    ],
    hungUp: ['ended', (e) => [{ type: 'end', cause: e.cause }]]
  },
  established: {
    stopped: [
      'ended',
      (e) => [
        { type: 'bye', cause: e.cause },
        { type: 'end', cause: e.cause }
      ]
    ],
    hungUp: ['ended', (e) => [{ type: 'end', cause: e.cause }]]
  },
  ended: {
    joined: ['ended', (e) => [{ type: 'dropLeg', leg: e.leg }]],
    sent: ['ended', () => [{ type: 'lateCancel' }]],
    accepted: ['ended', (e) => [{ type: 'withdraw', accepted: e.accepted }]]
  }
} satisfies Table<OutgoingState, OutgoingEvent, OutgoingEffect>

const answerRefused: EndCause = { by: 'application', reason: 'answer-refused' }
