import test from 'ava'
import fc from 'fast-check'
import { type Step, step, type Table, type TypedEvent } from '#kernel'
import { accepted } from './accepted.ts'
import { reliable } from './reliable.ts'
import { notifiedState, subscription, subscriptionKey } from './subscription.ts'

type Effect = { readonly type: string; readonly timer?: string; readonly delayMs?: number }
type Event = TypedEvent & { readonly expiresMs?: number | null }
type Loose = Table<string, Event, Effect, { t1Ms: number; t2Ms: number; intervalMs: number; expiresMs: number }>

interface Machine {
  readonly table: Loose
  readonly events: readonly Event[]
  readonly first: string
  readonly last: readonly string[]
  /** `state event` → next state; a pair that is not listed must change nothing. */
  readonly drawn: Record<string, string>
}

const named = (...types: string[]): Event[] => types.map((type) => ({ type }))

const machines: Record<string, Machine> = {
  'a 2xx until its ACK': {
    table: accepted as Loose,
    events: named('answered', 'ack', 'retransmit', 'ackTimeout'),
    first: 'initial',
    last: ['confirmed', 'failed'],
    drawn: {
      'initial answered': 'awaitingAck',
      'awaitingAck ack': 'confirmed',
      'awaitingAck retransmit': 'awaitingAck',
      'awaitingAck ackTimeout': 'failed'
    }
  },
  'a reliable provisional response until its PRACK': {
    table: reliable as Loose,
    events: named('sent', 'prack', 'retransmit', 'prackTimeout', 'ended'),
    first: 'initial',
    last: ['acknowledged', 'failed'],
    drawn: {
      'initial sent': 'awaitingPrack',
      'awaitingPrack prack': 'acknowledged',
      'awaitingPrack retransmit': 'awaitingPrack',
      'awaitingPrack prackTimeout': 'failed',
      'awaitingPrack ended': 'failed'
    }
  },
  'a subscription': {
    table: subscription as unknown as Loose,
    events: [
      { type: 'accepted', expiresMs: 60_000 },
      { type: 'notified', expiresMs: null },
      { type: 'notified', expiresMs: 30_000 },
      ...named('unsubscribed', 'over', 'N', 'expired')
    ],
    first: 'requested',
    last: ['terminated'],
    drawn: {
      'requested accepted': 'awaitingNotify',
      'requested unsubscribed': 'ending',
      'requested notified': 'active',
      'requested over': 'terminated',
      'awaitingNotify accepted': 'awaitingNotify',
      'awaitingNotify unsubscribed': 'ending',
      'awaitingNotify notified': 'active',
      'awaitingNotify over': 'terminated',
      'awaitingNotify N': 'terminated',
      'active accepted': 'active',
      'active unsubscribed': 'ending',
      'active notified': 'active',
      'active over': 'terminated',
      'active expired': 'terminated',
      'ending accepted': 'active',
      'ending unsubscribed': 'ending',
      'ending notified': 'ending',
      'ending over': 'terminated',
      'ending N': 'terminated'
    }
  }
}

const context = () => ({ t1Ms: 500, t2Ms: 4000, intervalMs: 500, expiresMs: 60_000 })

for (const [name, { table, events, first, last, drawn }] of Object.entries(machines)) {
  test(`${name}: every state × event`, (t) => {
    for (const state of Object.keys(table)) {
      for (const event of events) {
        const taken = step(table, state, event, context())
        t.is(taken.allowed ? taken.state : undefined, drawn[`${state} ${event.type}`], `${state} ${event.type}`)
      }
    }
  })

  test(`${name}: in any order of events, what is over stays over and leaves no timer, and every wait has one`, (t) => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 60 }), (order) => {
        const running = new Map<string, number>()
        const at = context()
        let state = first
        for (const event of order) {
          // A timer that is not running does not expire.
          const isTimer = ['retransmit', 'ackTimeout', 'prackTimeout', 'N', 'expired'].includes(event.type)
          if (isTimer && !running.delete(event.type)) continue
          const before = state
          const taken: Step<string, Effect> = step(table, state, event, at)
          state = taken.state
          if (last.includes(before)) {
            if (taken.effects.length > 0 || state !== before) return false
          }
          for (const effect of taken.effects) {
            if (effect.type === 'stopTimers') running.clear()
            if (effect.type === 'startTimer') {
              if (running.has(effect.timer!) || !(effect.delayMs! > 0)) return false
              running.set(effect.timer!, effect.delayMs!)
            }
          }
          if (last.includes(state) && running.size > 0) return false
          if (state !== first && !last.includes(state) && running.size === 0) return false
        }
        return true
      }),
      { numRuns: 1000 }
    )
    t.pass()
  })
}

test('the name of a subscription is its event package and id', (t) => {
  t.is(subscriptionKey('presence'), 'presence;')
  t.is(subscriptionKey(' Refer ; id=93809823'), 'refer;93809823')
  t.is(subscriptionKey('dialog;sla;ID = x'), 'dialog;x')
  t.is(subscriptionKey(''), ';')
})

test('Subscription-State is read', (t) => {
  t.deepEqual(notifiedState('active;expires=60'), { terminated: false, expiresMs: 60_000 })
  t.deepEqual(notifiedState('Terminated;reason=timeout'), { terminated: true, expiresMs: null })
  t.deepEqual(notifiedState('terminatedly'), { terminated: false, expiresMs: null })
  t.deepEqual(notifiedState(''), { terminated: false, expiresMs: null })
})
