/** What is to happen in one call, drawn from a seed. Times are milliseconds of simulated time. */
import type { Random } from './random.ts'

export type Action = 'reinvite' | 'update' | 'info' | 'message' | 'options' | 'refer' | 'referWithoutSubscription'

export interface Step {
  readonly side: 'caller' | 'callee'
  readonly action: Action
  /** After the call is established on that side. */
  readonly afterMs: number
}

export interface CalleePlan {
  readonly provisional: readonly ('180' | '183' | '180 reliable' | '183 reliable')[]
  readonly provisionalAfterMs: number
  readonly final: 'answer' | 'busy' | 'decline' | 'redirect' | 'none'
  readonly finalAfterMs: number
}

export interface CallPlan {
  readonly kind: 'call'
  /** Through a proxy to two callees at once. */
  readonly forked: boolean
  readonly recordRoute: boolean
  readonly callees: readonly CalleePlan[]
  /** INVITE without a description: the offer comes in the answer, the answer in the ACK. */
  readonly lateOffer: boolean
  readonly requires100rel: boolean
  readonly earlyUpdate: boolean
  readonly cancelAfterMs: number | null
  readonly ackAfterMs: number
  readonly steps: readonly Step[]
  /** Who hangs up how long after the call is established on their side; null: leaves it to the other. */
  readonly hangUp: { readonly caller: number | null; readonly callee: number | null }
  readonly sessionTimer: 'uac' | 'uas' | 'without refresher' | null
  /** The network loses everything of the call from then on: only session timers end it. */
  readonly cutAfterMs: number | null
}

export interface SubscriptionPlan {
  readonly kind: 'subscribe' | 'refer'
  readonly expiresS: number
  readonly notifyFirst: boolean
  readonly ends: 'unsubscribe' | 'notifier' | 'expiry' | 'refresh'
  readonly refused: boolean
}

export interface SinglePlan {
  readonly kind: 'message' | 'options' | 'register'
  /** Null: the other side's application never answers. */
  readonly answerAfterMs: number | null
  readonly status: number
}

export type Plan = CallPlan | SubscriptionPlan | SinglePlan

const actions: readonly Action[] = ['reinvite', 'update', 'info', 'message', 'options', 'refer', 'referWithoutSubscription']

function calleePlan(random: Random): CalleePlan {
  const first = random.pick(['180', '183', '180 reliable', '183 reliable'] as const)
  const provisional = random.chance(0.15) ? [] : random.chance(0.2) ? [first, '183 reliable' as const, '180' as const] : [first]
  const kind = random.next()
  return {
    provisional,
    provisionalAfterMs: random.between(0, 300),
    final: kind < 0.78 ? 'answer' : kind < 0.88 ? 'busy' : kind < 0.92 ? 'decline' : kind < 0.96 ? 'redirect' : 'none',
    finalAfterMs: random.chance(0.2) ? 0 : random.between(0, 4000)
  }
}

function callPlan(random: Random): CallPlan {
  const forked = random.chance(0.15)
  const steps: Step[] = []
  for (let count = random.pick([0, 0, 0, 1, 1, 2, 4]); count > 0; count--) {
    steps.push({ side: random.pick(['caller', 'callee']), action: random.pick(actions), afterMs: random.between(0, 4000) })
  }
  if (random.chance(0.08)) {
    // Both at once: glare.
    const afterMs = random.between(50, 2000)
    for (const side of ['caller', 'callee'] as const) steps.push({ side, action: random.pick(['reinvite', 'update']), afterMs })
  }
  const sessionTimer = random.chance(0.06) ? random.pick(['uac', 'uas', 'without refresher'] as const) : null
  const longMs = sessionTimer === null ? random.between(0, 6000) : random.between(100_000, 300_000)
  const who = random.next()
  return {
    kind: 'call',
    forked,
    recordRoute: random.chance(0.5),
    callees: [calleePlan(random), calleePlan(random)],
    lateOffer: random.chance(0.1),
    requires100rel: random.chance(0.05),
    earlyUpdate: random.chance(0.3),
    cancelAfterMs: random.chance(0.15) ? random.between(0, 5000) : null,
    ackAfterMs: random.chance(0.9) ? 0 : random.between(0, random.chance(0.2) ? 40_000 : 3000),
    steps,
    hangUp: {
      caller: who < 0.4 || who > 0.8 ? longMs : null,
      callee: who >= 0.4 ? longMs : null
    },
    sessionTimer,
    cutAfterMs: sessionTimer !== null && !forked && random.chance(0.3) ? random.between(1000, 90_000) : null
  }
}

export function drawPlan(random: Random): Plan {
  const kind = random.next()
  if (kind < 0.8) return callPlan(random)
  if (kind < 0.9) {
    return {
      kind: kind < 0.87 ? 'subscribe' : 'refer',
      expiresS: random.pick([0, 30, 60, 120]),
      notifyFirst: random.chance(0.3),
      ends: random.pick(['unsubscribe', 'notifier', 'expiry', 'refresh']),
      refused: random.chance(0.1)
    }
  }
  return {
    kind: random.pick(['message', 'options', 'register']),
    answerAfterMs: random.chance(0.1) ? null : random.chance(0.2) ? random.between(2000, 8000) : random.between(0, 500),
    status: random.pick([200, 200, 200, 202, 403, 404, 500])
  }
}
