import type { ConferenceLeg, Table } from '#kernel'
import type { EndCause } from '../message/end-cause.ts'
import type { Refusal } from '../message/refusal.ts'

/**
 * One inbound call, from the INVITE that passed the first look to its end.
 *
 *     screening ─► joining ─► recording ─► answering ─► answered ─► established
 *         └───────────┴───────────┴────────────┴───────────┴────────────┴──► ended
 *
 * `withdrawing` is the 200 that is on its way although the call is already to end.
 */
export const callStates = [
  'screening',
  'joining',
  'recording',
  'answering',
  'withdrawing',
  'answered',
  'established',
  'ended'
] as const
export type CallState = (typeof callStates)[number]

export type CallEvent =
  /** IF.guard said yes. */
  | { readonly type: 'approved' }
  /** The answer is long in coming: the caller is to hear that it rings. */
  | { readonly type: 'ringDue' }
  /** Somebody said no: IF.guard, the conference, the witness, or the set-up took too long. */
  | { readonly type: 'refused'; readonly refusal: Refusal }
  | { readonly type: 'joined'; readonly leg: ConferenceLeg; readonly sdp: string }
  /** Every entry without which there is no call is durable. */
  | { readonly type: 'recorded' }
  | { readonly type: 'sent' }
  /** The server would not send our 200: the INVITE transaction was gone. */
  | { readonly type: 'notSent' }
  /** ACK; `answer` is its body, empty when it has none. */
  | { readonly type: 'acknowledged'; readonly answer: string }
  | { readonly type: 'cancelled' }
  /** The dialog ended at the far side or in the server; no BYE is due. */
  | { readonly type: 'hungUp'; readonly cause: EndCause }
  /** Something on our side ends the call: media timeout, drain, a failed leg. */
  | { readonly type: 'stopped'; readonly cause: EndCause; readonly refusal: Refusal }

export type CallEffect =
  | { readonly type: 'ring' }
  | { readonly type: 'join' }
  | { readonly type: 'keepLeg'; readonly leg: ConferenceLeg; readonly sdp: string }
  | { readonly type: 'awaitRecords' }
  | { readonly type: 'answer' }
  | { readonly type: 'noteAnswered' }
  | { readonly type: 'establish'; readonly answer: string }
  | { readonly type: 'refuse'; readonly refusal: Refusal }
  | { readonly type: 'bye'; readonly cause: EndCause }
  /** BYE for a 200 that went out after the call had ended, with the cause of that end. */
  | { readonly type: 'lateBye' }
  | { readonly type: 'end'; readonly cause: EndCause }
  /** A leg that came too late. */
  | { readonly type: 'dropLeg'; readonly leg: ConferenceLeg }

const cancelledByCaller: EndCause = { by: 'caller', reason: 'cancelled' }
const answerNotSent: EndCause = { by: 'caller', reason: 'gone-before-answer' }

/** Rows shared by the states before our final answer. */
const beforeAnswer = {
  refused: ['ended', (e: Extract<CallEvent, { type: 'refused' }>) => [{ type: 'refuse', refusal: e.refusal }]],
  stopped: ['ended', (e: Extract<CallEvent, { type: 'stopped' }>) => [{ type: 'refuse', refusal: e.refusal }]],
  cancelled: ['ended', () => [{ type: 'end', cause: cancelledByCaller }]],
  hungUp: ['ended', (e: Extract<CallEvent, { type: 'hungUp' }>) => [{ type: 'end', cause: e.cause }]]
} as const satisfies Table<CallState, CallEvent, CallEffect>[CallState]

/** Rows shared by the states with a confirmed dialog. */
const inDialog = {
  stopped: [
    'ended',
    (e: Extract<CallEvent, { type: 'stopped' }>) => [
      { type: 'bye', cause: e.cause },
      { type: 'end', cause: e.cause }
    ]
  ],
  hungUp: ['ended', (e: Extract<CallEvent, { type: 'hungUp' }>) => [{ type: 'end', cause: e.cause }]]
} as const satisfies Table<CallState, CallEvent, CallEffect>[CallState]

export const callTable = {
  screening: { ...beforeAnswer, approved: ['joining', () => [{ type: 'join' }]] },
  joining: {
    ...beforeAnswer,
    ringDue: ['joining', () => [{ type: 'ring' }]],
    joined: ['recording', (e) => [{ type: 'keepLeg', leg: e.leg, sdp: e.sdp }, { type: 'awaitRecords' }]]
  },
  recording: {
    ...beforeAnswer,
    ringDue: ['recording', () => [{ type: 'ring' }]],
    recorded: ['answering', () => [{ type: 'answer' }]]
  },
  answering: {
    sent: ['answered', () => [{ type: 'noteAnswered' }]],
    notSent: ['ended', () => [{ type: 'end', cause: answerNotSent }]],
    cancelled: ['ended', () => [{ type: 'end', cause: cancelledByCaller }]],
    stopped: ['withdrawing', (e) => [{ type: 'end', cause: e.cause }]],
    hungUp: ['ended', (e) => [{ type: 'end', cause: e.cause }]]
  },
  withdrawing: {
    sent: ['ended', () => [{ type: 'lateBye' }]],
    notSent: ['ended'],
    cancelled: ['ended']
  },
  answered: { ...inDialog, acknowledged: ['established', (e) => [{ type: 'establish', answer: e.answer }]] },
  established: { ...inDialog },
  ended: {
    joined: ['ended', (e) => [{ type: 'dropLeg', leg: e.leg }]],
    sent: ['ended', () => [{ type: 'lateBye' }]]
  }
} satisfies Table<CallState, CallEvent, CallEffect>
