/**
 * The response context of a proxied request: which targets are tried when, which responses go back at once, and when the best of the others
 * does.
 *
 * @see RFC 3261 §16.6, §16.7; RFC 5393 §5.3.3 for the breadth
 */
import { step, type Table } from '#kernel'
import type { SipResponse } from '../codec/message.ts'
import { type Failure, isChallenge } from './best-response.ts'
import {
  type BranchEffect,
  type BranchEvent,
  type BranchNews,
  type BranchState,
  type BranchTimer,
  inviteBranch,
  isLive,
  isOpen,
  nonInviteBranch
} from './branch.ts'
import { type Target, targetKey } from './targets.ts'

/**
 * `closing`: nothing new is tried, the branches under way are heard to their end. `answered`: a 2xx went back, the rest is being cancelled;
 * `over` when that is done. `refused`: the best failure went back.
 */
export type ContextState = 'searching' | 'closing' | 'answered' | 'over' | 'refused'

export type ContextEvent =
  | { readonly type: 'progress' }
  | { readonly type: 'success' }
  | { readonly type: 'failed' }
  /** 401 or 407: the caller must answer it, so no further target is tried. */
  | { readonly type: 'challenged' }
  /** 6xx. */
  | { readonly type: 'declined' }
  /** The caller's CANCEL. */
  | { readonly type: 'cancel' }
  /** No branch is open and none is to come. */
  | { readonly type: 'exhausted' }

type ContextEffect = 'forward' | 'forwardLate' | 'cancelBranches' | 'refuse' | 'release'

/** Only an INVITE has more than one 2xx that somebody must hear of. */
const again =
  (effect: ContextEffect) =>
  (_: unknown, context: ResponseContext): ContextEffect[] =>
    context.invite ? [effect] : []

export const responseContext = {
  searching: {
    progress: ['searching', () => ['forward']],
    success: ['answered', () => ['forward', 'cancelBranches']],
    failed: ['searching'],
    challenged: ['closing'],
    declined: ['closing', () => ['cancelBranches']],
    cancel: ['closing', () => ['cancelBranches']],
    exhausted: ['refused', () => ['refuse', 'release']]
  },
  closing: {
    progress: ['closing', () => ['forward']],
    success: ['answered', () => ['forward', 'cancelBranches']],
    failed: ['closing'],
    challenged: ['closing'],
    declined: ['closing', () => ['cancelBranches']],
    cancel: ['closing', () => ['cancelBranches']],
    exhausted: ['refused', () => ['refuse', 'release']]
  },
  answered: {
    progress: ['answered'],
    success: ['answered', again('forward')],
    failed: ['answered'],
    challenged: ['answered'],
    declined: ['answered'],
    cancel: ['answered'],
    exhausted: ['over', () => ['release']]
  },
  over: {
    success: ['over', again('forward')]
  },
  /** RFC 3261 §16.7 step 5: a 2xx of an INVITE goes back even then. */
  refused: {
    success: ['refused', again('forwardLate')]
  }
} satisfies Table<ContextState, ContextEvent, ContextEffect, ResponseContext>

export interface Branch {
  readonly id: number
  readonly target: Target
  state: BranchState
  /** Given up by a timer while ringing: the search has gone on without it. */
  passed: boolean
  /** Its share of Max-Breadth while it is live. */
  breadth: number
}

export interface ResponseContext {
  state: ContextState
  readonly invite: boolean
  readonly simultaneous: boolean
  readonly branches: Branch[]
  /** Targets not tried yet. */
  readonly waiting: Target[]
  readonly failures: Failure[]
  /** Keys of all targets there ever were. */
  readonly seen: Set<string>
  /** What is left of Max-Breadth. */
  breadth: number
  /** Whether the caller has sent CANCEL. */
  cancelled: boolean
}

/** Targets of one request, redirections included. */
export const maxTargets = 64

/** @param breadth Max-Breadth, at least 1. */
export function createResponseContext(parts: {
  readonly invite: boolean
  readonly simultaneous: boolean
  readonly targets: readonly Target[]
  readonly breadth: number
}): ResponseContext {
  const context: ResponseContext = {
    state: 'searching',
    invite: parts.invite,
    simultaneous: parts.simultaneous,
    branches: [],
    waiting: [],
    failures: [],
    seen: new Set(),
    breadth: parts.breadth,
    cancelled: false
  }
  for (const target of parts.targets) addTarget(context, target)
  return context
}

export type ContextInput =
  | { readonly type: 'begin' }
  | { readonly type: 'cancel' }
  | { readonly type: 'provisional' | 'success'; readonly branch: number; readonly response: SipResponse }
  /** @param redirects targets of a 3xx that is to be followed. */
  | {
      readonly type: 'failure'
      readonly branch: number
      readonly response: SipResponse
      readonly redirects: readonly Target[]
    }
  | { readonly type: 'timeout' | 'unsendable'; readonly branch: number }
  | { readonly type: 'expired'; readonly branch: number; readonly timer: BranchTimer }

export type ProxyEffect =
  | { readonly type: 'send' | 'sendCancel' | 'abandon' | 'stopTimers'; readonly branch: Branch }
  | { readonly type: 'startTimer' | 'stopTimer'; readonly branch: Branch; readonly timer: BranchTimer }
  /** Hand a response on; `late`: past the server transaction, which has ended with another one. */
  | { readonly type: 'forward'; readonly branch: Branch; readonly response: SipResponse; readonly late: boolean }
  /** Send the best of the failures. */
  | { readonly type: 'refuse' }
  /** Nothing more will be decided: the context can be forgotten. */
  | { readonly type: 'release' }

/** Takes one input. The context is changed in place, the effects are to be carried out in order. */
export function react(context: ResponseContext, input: ContextInput): ProxyEffect[] {
  const effects: ProxyEffect[] = []
  if (input.type === 'cancel') {
    context.cancelled = true
    driveContext(context, { type: 'cancel' }, null, null, effects)
  } else if (input.type !== 'begin') {
    const branch = context.branches[input.branch]
    if (branch !== undefined) driveBranch(context, branch, branchEvent(input), input, effects)
  }
  while (context.state === 'searching' && mayLaunch(context)) launch(context, effects)
  if (!isDecided(context.state) && !context.branches.some(({ state }) => isOpen(state))) {
    driveContext(context, { type: 'exhausted' }, null, null, effects)
  }
  return effects
}

function isDecided(state: ContextState): boolean {
  return state === 'over' || state === 'refused'
}

function branchEvent(input: Exclude<ContextInput, { type: 'begin' | 'cancel' }>): BranchEvent {
  if (input.type === 'expired') return { type: `${input.timer}Expired` }
  if (input.type === 'provisional' && input.response.status === 100) return { type: 'trying' }
  return { type: input.type }
}

function driveBranch(context: ResponseContext, branch: Branch, event: BranchEvent, input: ContextInput, effects: ProxyEffect[]) {
  const table: Table<BranchState, BranchEvent, BranchEffect> = context.invite ? inviteBranch : nonInviteBranch
  const next = step(table, branch.state, event, undefined)
  branch.state = next.state
  if (!isLive(branch.state)) {
    context.breadth += branch.breadth
    branch.breadth = 0
  }
  for (const effect of next.effects) {
    if (effect.type === 'tell') heard(context, branch, effect.news, input, effects)
    else effects.push({ ...effect, branch })
  }
}

function heard(context: ResponseContext, branch: Branch, news: BranchNews, input: ContextInput, effects: ProxyEffect[]) {
  const response = 'response' in input ? input.response : null
  const tell = (event: ContextEvent) => driveContext(context, event, branch, response, effects)
  switch (news) {
    case 'progress':
    case 'success':
      return tell({ type: news })
    case 'passed':
      branch.passed = true
      return tell({ type: 'failed' })
    case 'timeout':
      context.failures.push({ status: 408, response: null })
      return tell({ type: 'failed' })
    case 'unsendable':
      context.failures.push({ status: 503, response: null })
      return tell({ type: 'failed' })
    case 'failure': {
      if (input.type !== 'failure') return
      const { status } = input.response
      if (context.state === 'searching' && input.redirects.filter((target) => addTarget(context, target)).length > 0) {
        return tell({ type: 'failed' })
      }
      // The 487 of a branch that a timer gave up was not asked for by the caller.
      if (branch.passed && status === 487) context.failures.push({ status: 408, response: null })
      else context.failures.push({ status, response: input.response })
      return tell({ type: status >= 600 ? 'declined' : isChallenge(status) ? 'challenged' : 'failed' })
    }
  }
}

function driveContext(
  context: ResponseContext,
  event: ContextEvent,
  branch: Branch | null,
  response: SipResponse | null,
  effects: ProxyEffect[]
) {
  const table: Table<ContextState, ContextEvent, ContextEffect, ResponseContext> = responseContext
  const next = step(table, context.state, event, context)
  context.state = next.state
  for (const effect of next.effects) {
    if (effect === 'refuse' || effect === 'release') effects.push({ type: effect })
    else if (effect === 'cancelBranches') {
      for (const each of context.branches) {
        if (each !== branch) driveBranch(context, each, { type: 'cancel' }, { type: 'cancel' }, effects)
      }
    } else if (branch !== null && response !== null) {
      effects.push({ type: 'forward', branch, response, late: effect === 'forwardLate' })
    }
  }
}

/** @returns false where the target was there before, or there are too many. */
function addTarget(context: ResponseContext, target: Target): boolean {
  const key = targetKey(target.uri)
  if (context.seen.has(key) || context.seen.size >= maxTargets) return false
  context.seen.add(key)
  context.waiting.push(target)
  return true
}

function mayLaunch(context: ResponseContext): boolean {
  if (context.waiting.length === 0 || context.breadth === 0) return false
  return context.simultaneous || !context.branches.some(({ state }) => isLive(state))
}

/**
 * RFC 5393 §5.3.3: the breadths of the branches under way add up to no more than the one received. Where it does not suffice for all at once
 * the others wait for one to end.
 */
function launch(context: ResponseContext, effects: ProxyEffect[]) {
  const share = context.simultaneous ? Math.max(1, Math.floor(context.breadth / context.waiting.length)) : context.breadth
  const target = context.waiting.shift()!
  const branch: Branch = { id: context.branches.length, target, state: 'unsent', passed: false, breadth: share }
  context.breadth -= share
  context.branches.push(branch)
  driveBranch(context, branch, { type: 'launch' }, { type: 'begin' }, effects)
}
