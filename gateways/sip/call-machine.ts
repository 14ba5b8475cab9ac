import type { ConferenceLeg, Table } from '#kernel'
import type { Refusal } from './refusal.ts'

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

/** Why and by whom a call ended. */
export interface EndCause {
  readonly by: 'caller' | 'callee' | 'application' | 'conference' | 'sip-server'
  /** Stable: `bye`, `cancelled`, `media-timeout`, … */
  readonly reason: string
  /** Of the far side, Q.850: said in the BYE as it is. */
  readonly cause?: number
  /** Reason of the BYE that came, where it has one (RFC 3326). */
  readonly reasonHeader?: string
}

export type CallEvent =
  /** IF.guard said yes. */
  | { readonly type: 'approved' }
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
  screening: { ...beforeAnswer, approved: ['joining', () => [{ type: 'ring' }, { type: 'join' }]] },
  joining: {
    ...beforeAnswer,
    joined: ['recording', (e) => [{ type: 'keepLeg', leg: e.leg, sdp: e.sdp }, { type: 'awaitRecords' }]]
  },
  recording: { ...beforeAnswer, recorded: ['answering', () => [{ type: 'answer' }]] },
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

/** `Reason` of a BYE or CANCEL that we send. @see RFC 3326 §2 */
export function reasonOfBye(cause: EndCause): string {
  if (cause.cause !== undefined) return `Q.850;cause=${cause.cause}`
  const [protocol, code, text] = byeReasons[cause.reason] ?? ['Q.850', 16, 'Normal call clearing']
  return `${protocol};cause=${code};text="${text}"`
}

const byeReasons: Readonly<Record<string, readonly [protocol: 'SIP' | 'Q.850', cause: number, text: string]>> = {
  'media-timeout': ['SIP', 408, 'Media timeout'],
  'media-failed': ['SIP', 500, 'Media failure'],
  'internal-error': ['SIP', 500, 'Server internal error'],
  'answer-refused': ['SIP', 488, 'Not Acceptable Here'],
  'answer-malformed': ['SIP', 502, 'Malformed answer'],
  'peer-silent': ['SIP', 408, 'Request Timeout'],
  'peer-forgot': ['SIP', 481, 'Call/Transaction Does Not Exist'],
  draining: ['SIP', 503, 'Service shutting down'],
  cancelled: ['SIP', 487, 'Request Terminated'],
  'no-answer': ['Q.850', 19, 'No answer from user'],
  'answered-elsewhere': ['SIP', 200, 'Call completed elsewhere'],
  transferred: ['SIP', 200, 'Call transferred'],
  replaced: ['SIP', 200, 'Call replaced'],
  'application-restart': ['SIP', 500, 'Restarted'],
  'escalation-ended': ['Q.850', 16, 'Normal call clearing']
}
