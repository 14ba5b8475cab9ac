/**
 * One target of a proxied request: what happens to it between the request sent there and its end. Time arrives as events.
 *
 * @see RFC 3261 §16.7, §16.8, §16.10
 */
import type { Table } from '#kernel'

/**
 * `cancelHeld`: to be cancelled as soon as a provisional response allows it (RFC 3261 §9.1). `abandoned`: given up without a response, counted
 * as 408 (§16.8); should it still ring, it is cancelled (`dismissing`).
 */
export type BranchState = 'unsent' | 'trying' | 'proceeding' | 'cancelHeld' | 'cancelling' | 'abandoned' | 'dismissing' | 'ended'

/** `provisional` and `final` are the application's, `cancelled` bounds the wait behind a CANCEL. */
export type BranchTimer = 'provisional' | 'final' | 'C' | 'cancelled'

export type BranchEvent =
  | { readonly type: 'launch' }
  /** 100. */
  | { readonly type: 'trying' }
  /** 101 to 199. */
  | { readonly type: 'provisional' }
  | { readonly type: 'success' }
  | { readonly type: 'failure' }
  /** The transaction ended without a final response. */
  | { readonly type: 'timeout' }
  | { readonly type: 'unsendable' }
  | { readonly type: 'provisionalExpired' }
  | { readonly type: 'finalExpired' }
  | { readonly type: 'CExpired' }
  | { readonly type: 'cancelledExpired' }
  /** The response context needs the branch no more. */
  | { readonly type: 'cancel' }

/** What the response context hears of a branch. `passed`: given up and being cancelled; its end is told later. */
export type BranchNews = 'progress' | 'success' | 'failure' | 'timeout' | 'unsendable' | 'passed'

export type BranchEffect =
  | { readonly type: 'send' }
  | { readonly type: 'sendCancel' }
  /** End the client transaction without a final response; it comes back as `timeout`. */
  | { readonly type: 'abandon' }
  | { readonly type: 'startTimer'; readonly timer: BranchTimer }
  | { readonly type: 'stopTimer'; readonly timer: BranchTimer }
  | { readonly type: 'stopTimers' }
  | { readonly type: 'tell'; readonly news: BranchNews }

const send: BranchEffect = { type: 'send' }
const stopTimers: BranchEffect = { type: 'stopTimers' }
const abandon: BranchEffect = { type: 'abandon' }
const startTimer = (timer: BranchTimer): BranchEffect => ({ type: 'startTimer', timer })
const stopTimer = (timer: BranchTimer): BranchEffect => ({ type: 'stopTimer', timer })
const tell = (news: BranchNews): BranchEffect => ({ type: 'tell', news })
const cancelIt = (): BranchEffect[] => [stopTimers, { type: 'sendCancel' }, startTimer('cancelled')]
const ended = (news: BranchNews) => (): BranchEffect[] => [stopTimers, tell(news)]

/** However a branch with a client transaction ends. */
const ends = {
  success: ['ended', ended('success')],
  failure: ['ended', ended('failure')],
  timeout: ['ended', ended('timeout')],
  unsendable: ['ended', ended('unsendable')]
} as const

/** A branch that was given up still hands on a 2xx: somebody has answered the call. */
const endsUnheard = {
  success: ['ended', ended('success')],
  failure: ['ended', () => [stopTimers]],
  timeout: ['ended', () => [stopTimers]],
  unsendable: ['ended', () => [stopTimers]]
} as const

const givenUp = ['abandoned', ended('timeout')] as const
const passed = ['cancelling', () => [...cancelIt(), tell('passed')]] as const

/** Branch of an INVITE. */
export const inviteBranch = {
  unsent: {
    launch: ['trying', () => [startTimer('provisional'), startTimer('final'), startTimer('C'), send]]
  },
  trying: {
    ...ends,
    trying: ['proceeding', () => [stopTimer('provisional')]],
    provisional: ['proceeding', () => [stopTimer('provisional'), startTimer('C'), tell('progress')]],
    provisionalExpired: givenUp,
    finalExpired: givenUp,
    CExpired: givenUp,
    cancel: ['cancelHeld', () => [stopTimers]]
  },
  proceeding: {
    ...ends,
    trying: ['proceeding'],
    provisional: ['proceeding', () => [startTimer('C'), tell('progress')]],
    finalExpired: passed,
    CExpired: passed,
    cancel: ['cancelling', cancelIt]
  },
  cancelHeld: {
    ...ends,
    trying: ['cancelling', cancelIt],
    provisional: ['cancelling', () => [...cancelIt(), tell('progress')]]
  },
  cancelling: {
    ...ends,
    trying: ['cancelling'],
    provisional: ['cancelling', () => [tell('progress')]],
    cancelledExpired: ['cancelling', () => [abandon]]
  },
  abandoned: {
    ...endsUnheard,
    trying: ['dismissing', cancelIt],
    provisional: ['dismissing', cancelIt]
  },
  dismissing: {
    ...endsUnheard,
    trying: ['dismissing'],
    provisional: ['dismissing'],
    cancelledExpired: ['dismissing', () => [abandon]]
  },
  /** The 2xx comes again until its ACK arrives (RFC 6026 §7.1). */
  ended: { success: ['ended', () => [tell('success')]] }
} satisfies Table<BranchState, BranchEvent, BranchEffect>

/** Branch of any other method: it cannot be cancelled, and has no timer C. */
export const nonInviteBranch = {
  unsent: {
    launch: ['trying', () => [startTimer('provisional'), startTimer('final'), send]]
  },
  trying: {
    ...ends,
    trying: ['proceeding', () => [stopTimer('provisional')]],
    provisional: ['proceeding', () => [stopTimer('provisional')]],
    provisionalExpired: givenUp,
    finalExpired: givenUp,
    cancel: ['abandoned', () => [stopTimers]]
  },
  proceeding: {
    ...ends,
    trying: ['proceeding'],
    provisional: ['proceeding'],
    finalExpired: givenUp,
    cancel: ['abandoned', () => [stopTimers]]
  },
  cancelHeld: {},
  cancelling: {},
  abandoned: endsUnheard,
  dismissing: {},
  ended: {}
} satisfies Table<BranchState, BranchEvent, BranchEffect>

/** Waiting for an answer that may decide the search. */
export function isLive(state: BranchState): boolean {
  return state === 'trying' || state === 'proceeding'
}

/** What a response context waits for before it ends. */
export function isOpen(state: BranchState): boolean {
  return isLive(state) || state === 'cancelHeld' || state === 'cancelling'
}
