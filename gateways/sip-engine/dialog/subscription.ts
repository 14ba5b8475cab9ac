import type { Table } from '#kernel'
import { parseEvent, parseSubscriptionState } from '../codec/event.ts'

/**
 * One subscription of a dialog, as this side keeps track of it, whichever side subscribed: a SUBSCRIBE, or a REFER that was not answered with
 * `Refer-Sub: false`.
 *
 * @see RFC 6665 §4.1.2, RFC 3515 §2.4.4, RFC 4488, RFC 5057 §4
 */
export type SubscriptionState = 'requested' | 'awaitingNotify' | 'active' | 'ending' | 'terminated'

export type SubscriptionEvent =
  /** A 2xx to SUBSCRIBE or REFER, the first or a refresh. */
  | { readonly type: 'accepted'; readonly expiresMs: number }
  /** A 2xx to a SUBSCRIBE with `Expires: 0`: one last NOTIFY is to come. */
  | { readonly type: 'unsubscribed' }
  /** NOTIFY with a state other than `terminated`; `expiresMs` null where it does not say how long the subscription lasts. */
  | { readonly type: 'notified'; readonly expiresMs: number | null }
  /** NOTIFY with `terminated`, a failure that ends the subscription, or the end of the dialog. */
  | { readonly type: 'over' }
  /** 64·T1 without the NOTIFY that must come (timer N). */
  | { readonly type: 'N' }
  /** The time granted has passed, and 64·T1 for the NOTIFY that says so. */
  | { readonly type: 'expired' }

export type SubscriptionEffect =
  | { readonly type: 'startTimer'; readonly timer: 'N' | 'expired'; readonly delayMs: number }
  | { readonly type: 'stopTimers' }

export interface SubscriptionContext {
  readonly t1Ms: number
  /** What the latest 2xx or NOTIFY granted. */
  expiresMs: number
}

const stopTimers: SubscriptionEffect = { type: 'stopTimers' }

const timerN = (context: SubscriptionContext): SubscriptionEffect => ({
  type: 'startTimer',
  timer: 'N',
  delayMs: 64 * context.t1Ms
})

const lasting = (context: SubscriptionContext, expiresMs: number | null): SubscriptionEffect[] => {
  if (expiresMs !== null) context.expiresMs = expiresMs
  return [stopTimers, { type: 'startTimer', timer: 'expired', delayMs: context.expiresMs + 64 * context.t1Ms }]
}

const over = (): SubscriptionEffect[] => [stopTimers]

export const subscription = {
  /** A NOTIFY may come before the 2xx (RFC 6665 §4.1.2.4). */
  requested: {
    accepted: [
      'awaitingNotify',
      (event, context) => {
        context.expiresMs = event.expiresMs
        return [timerN(context)]
      }
    ],
    unsubscribed: ['ending', (_, context) => [timerN(context)]],
    notified: ['active', (event, context) => lasting(context, event.expiresMs)],
    over: ['terminated', over]
  },
  awaitingNotify: {
    accepted: [
      'awaitingNotify',
      (event, context) => {
        context.expiresMs = event.expiresMs
        return []
      }
    ],
    unsubscribed: ['ending'],
    notified: ['active', (event, context) => lasting(context, event.expiresMs)],
    over: ['terminated', over],
    N: ['terminated', over]
  },
  active: {
    accepted: ['active', (event, context) => lasting(context, event.expiresMs)],
    unsubscribed: ['ending', (_, context) => [stopTimers, timerN(context)]],
    notified: ['active', (event, context) => (event.expiresMs === null ? [] : lasting(context, event.expiresMs))],
    over: ['terminated', over],
    expired: ['terminated', over]
  },
  /** A NOTIFY that crossed the SUBSCRIBE which ends it may still say `active`. */
  ending: {
    accepted: ['active', (event, context) => lasting(context, event.expiresMs)],
    unsubscribed: ['ending'],
    notified: ['ending'],
    over: ['terminated', over],
    N: ['terminated', over]
  },
  terminated: {}
} satisfies Table<SubscriptionState, SubscriptionEvent, SubscriptionEffect, SubscriptionContext>

/**
 * Name of a subscription within its dialog: event package and `id`, as the Event header field has them.
 *
 *     Event: refer;id=93809823        refer;93809823
 */
export function subscriptionKey(eventHeader: string): string {
  const event = parseEvent(eventHeader)
  return event === undefined ? ';' : `${event.type.toLowerCase()};${event.params.get('id') ?? ''}`
}

export interface NotifiedState {
  readonly terminated: boolean
  /** Null where `expires` is missing. */
  readonly expiresMs: number | null
}

/** Reads a Subscription-State header field; a NOTIFY without one, or with one that is malformed, counts as active. @see RFC 6665 §8.2.3 */
export function notifiedState(header: string): NotifiedState {
  const read = parseSubscriptionState(header)
  const expiresS = read?.expiresS ?? null
  return { terminated: read?.state === 'terminated', expiresMs: expiresS === null ? null : expiresS * 1000 }
}
