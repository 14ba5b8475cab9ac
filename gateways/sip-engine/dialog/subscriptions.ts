/** Runs the subscriptions of dialogs: a dialog lives as long as its call or one of its subscriptions does (RFC 5057 §4). */
import type { Clock } from '#kernel'
import { type Step, step } from '#kernel'
import { parseCSeq } from '../codec/cseq.ts'
import type { EngineTimers } from '../common/timers.ts'
import type { Session, Sessions } from './sessions.ts'
import {
  notifiedState,
  type SubscriptionContext,
  type SubscriptionEffect,
  type SubscriptionEvent,
  type SubscriptionState,
  subscription,
  subscriptionKey
} from './subscription.ts'

/** A subscription in a dialog. */
export interface Subscription {
  state: SubscriptionState
  readonly context: SubscriptionContext
  cancelTimers: (() => void)[]
}

/** Which side sends NOTIFY. */
export type Notifier = 'local' | 'remote'

/** One header field of a request or response, by its canonical name. */
export type ReadHeader = (name: 'Event' | 'Expires' | 'Subscription-State' | 'Refer-Sub' | 'CSeq') => string | undefined

export interface Subscriptions {
  /** A SUBSCRIBE or REFER was answered with 2xx. */
  readonly accepted: (session: Session, notifier: Notifier, method: string, request: ReadHeader, response: ReadHeader) => void
  /** A NOTIFY passed, in either direction. */
  readonly notified: (session: Session, notifier: Notifier, notify: ReadHeader) => void
  /** A NOTIFY or a SUBSCRIBE in the dialog failed for good: what it was about is over (RFC 6665 §4.1.2.2, §4.2.2). */
  readonly failed: (session: Session, notifier: Notifier, request: ReadHeader) => void
}

/** A dialog with more subscriptions than this is not tracked any further. */
const maxSubscriptions = 32
const defaultExpiresS = 3600
/** RFC 3515 leaves the duration of an implicit subscription to the notifier; NOTIFY tells it. */
const referExpiresS = 180

export function createSubscriptions(parts: {
  readonly clock: Clock
  readonly timers: EngineTimers
  readonly sessions: Pick<Sessions, 'release'>
}): Subscriptions {
  const { clock, timers, sessions } = parts

  const drive = (session: Session, key: string, item: Subscription, event: SubscriptionEvent) => {
    const taken: Step<SubscriptionState, SubscriptionEffect> = step(subscription, item.state, event, item.context)
    item.state = taken.state
    for (const effect of taken.effects) {
      if (effect.type === 'stopTimers') {
        for (const cancel of item.cancelTimers.splice(0)) cancel()
      } else {
        const { timer } = effect
        item.cancelTimers.push(clock.after(effect.delayMs, () => drive(session, key, item, { type: timer })))
      }
    }
    // Over before the 2xx that makes the dialog: the 2xx finds it so.
    if (item.state !== 'terminated' || session.state === 'early') return
    session.subscriptions.delete(key)
    sessions.release(session)
  }

  /** A NOTIFY of event `refer` may leave the id of the first REFER out (RFC 3515 §2.4.6). */
  const find = (session: Session, key: string): string | undefined => {
    if (session.subscriptions.has(key)) return key
    if (!/^(local|remote) refer;/.test(key)) return undefined
    const prefix = key.slice(0, key.indexOf(';') + 1)
    const alone = key === prefix
    for (const each of session.subscriptions.keys()) {
      if (each.startsWith(prefix) && (alone || each === prefix)) return each
    }
    return undefined
  }

  const keyOf = (notifier: Notifier, method: string, request: ReadHeader): string =>
    method === 'REFER'
      ? `${notifier} refer;${parseCSeq(request('CSeq') ?? '')?.number ?? ''}`
      : `${notifier} ${subscriptionKey(request('Event') ?? '')}`

  const open = (session: Session, key: string): Subscription | undefined => {
    const known = session.subscriptions.get(key)
    if (known !== undefined || session.subscriptions.size >= maxSubscriptions) return known
    const item: Subscription = {
      state: 'requested',
      context: { t1Ms: timers.t1Ms, expiresMs: defaultExpiresS * 1000 },
      cancelTimers: []
    }
    session.subscriptions.set(key, item)
    return item
  }

  return {
    accepted: (session, notifier, method, request, response) => {
      if (session.state === 'ended') return
      if (method === 'REFER' && /^\s*false\b/i.test(response('Refer-Sub') ?? '')) return sessions.release(session)
      const key = keyOf(notifier, method, request)
      const item = open(session, key)
      if (item === undefined) return
      const expiresS = method === 'REFER' ? referExpiresS : seconds(response('Expires') ?? request('Expires'))
      drive(session, key, item, expiresS === 0 ? { type: 'unsubscribed' } : { type: 'accepted', expiresMs: expiresS * 1000 })
    },
    notified: (session, notifier, notify) => {
      if (session.state === 'ended') return
      const { terminated, expiresMs } = notifiedState(notify('Subscription-State') ?? '')
      const wanted = keyOf(notifier, 'NOTIFY', notify)
      let key = find(session, wanted)
      // The first NOTIFY can overtake the 2xx; one about something nobody subscribed to is the application's to judge.
      if (key === undefined && session.method === 'SUBSCRIBE' && session.subscriptions.size === 0) {
        open(session, wanted)
        key = wanted
      }
      const item = key === undefined ? undefined : session.subscriptions.get(key)
      if (key !== undefined && item !== undefined)
        drive(session, key, item, terminated ? { type: 'over' } : { type: 'notified', expiresMs })
    },
    failed: (session, notifier, request) => {
      const key = find(session, keyOf(notifier, 'NOTIFY', request))
      const item = key === undefined ? undefined : session.subscriptions.get(key)
      if (key !== undefined && item !== undefined) drive(session, key, item, { type: 'over' })
    }
  }
}

function seconds(value: string | undefined): number {
  const read = Number(/^\s*(\d{1,9})\b/.exec(value ?? '')?.[1] ?? defaultExpiresS)
  return Math.min(read, 86_400 * 7)
}
