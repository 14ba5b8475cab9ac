/** Plays a plan at the applications of both sides, and keeps what each of them believes. */
import type { Clock } from '#kernel'
import { header } from '../codec/message.ts'
import type { Action, CalleePlan, CallPlan, Plan, SinglePlan, SubscriptionPlan } from './plan.ts'
import type { Random } from './random.ts'
import type { Incoming, Response, User } from './user.ts'

/** One side of a call or subscription. */
export interface Leg {
  readonly user: User
  readonly role: 'caller' | 'callee'
  readonly dialogId: string
  state: 'early' | 'confirmed' | 'ended'
  /** Why it ended. */
  end: string
  /** Whether a 2xx was sent or shown here. */
  answered: boolean
  acknowledged: boolean
  byeSent: boolean
  inviting: boolean
  updating: boolean
  /** INVITEs of the peer without an answer. */
  readonly asked: Set<string>
}

export interface Call {
  readonly id: string
  readonly plan: Plan
  readonly caller: User
  readonly legs: Leg[]
  readonly log: string[]
  /** Final status the caller was shown; 0: none yet. */
  final: number
  cancelled: boolean
  /** Callees so far, to give each its own part of the plan. */
  reached: number
}

export interface Stage {
  readonly clock: Clock
  readonly random: Random
  readonly violation: (call: Call | null, text: string) => void
  readonly count: (what: string) => void
  /** Whether every message arrives at once, and in order. */
  readonly calm: boolean
  /** Loses everything of that Call-ID from now on. */
  readonly cut: (callId: string) => void
}

const description = (version: number): string => `v=0\r\no=- 1 ${version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n`
const callOnly = new Set(['INVITE', 'UPDATE', 'INFO', 'BYE', 'ACK'])
const gone = /unable to find dialog/
const noTransaction = /unknown transaction/

export interface Players {
  readonly start: (call: Call, target: string) => void
  readonly incoming: (user: User, incoming: Incoming) => void
}

export function createPlayers(stage: Stage, calls: ReadonlyMap<string, Call>): Players {
  const { clock, random, count } = stage
  const legs = new Map<string, { readonly call: Call; readonly leg: Leg }>()

  const note = (call: Call, text: string): void => void call.log.push(`${clock.monotonicMs()} ${text}`)
  const later = (ms: number, then: () => void): void => void clock.after(ms, then)

  const addLeg = (call: Call, user: User, role: Leg['role'], dialogId: string): Leg => {
    const leg: Leg = {
      user,
      role,
      dialogId,
      state: 'early',
      end: '',
      answered: false,
      acknowledged: false,
      byeSent: false,
      inviting: false,
      updating: false,
      asked: new Set()
    }
    call.legs.push(leg)
    legs.set(`${user.address} ${dialogId}`, { call, leg })
    return leg
  }

  const end = (call: Call, leg: Leg, why: string) => {
    if (leg.state === 'ended') return
    leg.state = 'ended'
    leg.end = why
    leg.asked.clear()
    note(call, `${leg.user.address} ${leg.role} ended: ${why}`)
  }

  // In a call

  const hangUp = (call: Call, leg: Leg) => {
    if (leg.state !== 'confirmed' || leg.byeSent) return
    leg.byeSent = true
    note(call, `${leg.user.address} hangs up`)
    leg.user.request(leg, ['BYE sip:placeholder SIP/2.0'], {
      // A BYE that waited for the ACK can find the dialog gone.
      refusable: gone,
      replied: ({ ok }) => {
        if (!ok) end(call, leg, 'gone before BYE')
      },
      response: ({ status }) => end(call, leg, `BYE ${status}`)
    })
  }

  /** Hang-up that is always there in the end, whatever the plan says. */
  const atLast = (call: Call, leg: Leg) => later(420_000, () => hangUp(call, leg))

  const established = (call: Call, plan: CallPlan, leg: Leg) => {
    for (const { side, action, afterMs } of plan.steps) {
      if (side === leg.role) later(afterMs, () => act(call, leg, action))
    }
    const afterMs = plan.hangUp[leg.role]
    if (afterMs !== null) later(afterMs, () => hangUp(call, leg))
    if (leg.role === 'caller' && plan.cutAfterMs !== null) {
      later(plan.cutAfterMs, () => stage.cut(leg.dialogId.slice(0, leg.dialogId.indexOf(';'))))
    }
  }

  const act = (call: Call, leg: Leg, action: Action) => {
    if (leg.state !== 'confirmed' || leg.byeSent || !leg.acknowledged) return
    note(call, `${leg.user.address} ${action}`)
    count(action)
    if (action === 'reinvite') return reinvite(call, leg, 3)
    if (action === 'update') return update(call, leg)
    const lines =
      action === 'refer' || action === 'referWithoutSubscription'
        ? ['REFER sip:placeholder SIP/2.0', 'Refer-To: <sip:carol@10.0.0.3>', `Refer-Sub: ${action === 'refer'}`]
        : [`${action.toUpperCase()} sip:placeholder SIP/2.0`]
    leg.user.request(leg, lines, {
      response: ({ status }) => {
        count(`${action} ${status}`)
        if (status === 481) hangUp(call, leg)
      }
    })
  }

  const reinvite = (call: Call, leg: Leg, tries: number) => {
    if (leg.state !== 'confirmed' || leg.byeSent || leg.inviting) return
    leg.inviting = true
    const body = description(tries)
    leg.user.request(leg, ['INVITE sip:placeholder SIP/2.0'], {
      body,
      refusable: leg.asked.size > 0 ? /another INVITE/ : /^$/,
      replied: ({ ok }) => {
        if (!ok) leg.inviting = false
      },
      response: ({ status }) => {
        leg.inviting = false
        count(`reinvite ${status}`)
        leg.user.request(leg, ['ACK sip:placeholder SIP/2.0'], {
          refusable: status >= 300 || leg.state === 'ended' ? /ACK for non-success|unable/ : /^$/
        })
        if ((status === 491 || status === 500) && tries > 0) {
          const waitMs = leg.role === 'caller' ? random.between(2100, 4000) : random.between(0, 2000)
          later(waitMs, () => reinvite(call, leg, tries - 1))
        }
        if (status === 481 || status === 408) hangUp(call, leg)
      }
    })
  }

  const update = (call: Call, leg: Leg) => {
    if (leg.updating) return
    leg.updating = true
    leg.user.request(leg, ['UPDATE sip:placeholder SIP/2.0'], {
      body: description(9),
      response: ({ status }) => {
        leg.updating = false
        count(`update ${status}`)
        if (status === 481) hangUp(call, leg)
      }
    })
  }

  // Caller

  const callOut = (call: Call, plan: CallPlan, target: string) => {
    const user = call.caller
    let leg: Leg | undefined
    let transactionId = ''
    let updated = false
    /** Reliable responses that are acknowledged, by To tag and RSeq. */
    const pracked = new Set<string>()
    const lines = [`INVITE sip:bob@${target} SIP/2.0`, `X-Call: ${call.id}`]
    if (plan.requires100rel) lines.push('Require: 100rel', 'Supported: timer')
    else lines.push('Supported: 100rel, timer', 'Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK')
    if (plan.sessionTimer === 'uac' || plan.sessionTimer === 'uas')
      lines.push(`Session-Expires: 90;refresher=${plan.sessionTimer}`)
    const cancel = () => {
      if (call.final !== 0 || call.cancelled) return
      call.cancelled = true
      note(call, 'caller cancels')
      user.cancel(transactionId)
    }
    const acknowledge = (callerLeg: Leg) => {
      if (callerLeg.state === 'ended') return
      user.request(callerLeg, ['ACK sip:x SIP/2.0'], { body: plan.lateOffer ? description(2) : '' })
      callerLeg.acknowledged = true
      established(call, plan, callerLeg)
    }
    const provisional = (callerLeg: Leg, { message }: Response) => {
      const rseq = header(message, 'rseq')
      if (rseq === undefined) return
      const reliable = `${header(message, 'to')} ${rseq}`
      if (pracked.has(reliable)) stage.violation(call, `reliable response ${rseq} is shown again`)
      const answer = plan.lateOffer && message.body.length > 0 ? description(2) : ''
      user.request(callerLeg, ['PRACK sip:x SIP/2.0', `RAck: ${rseq} ${header(message, 'cseq')}`], {
        body: answer,
        response: ({ status }) => {
          count(`prack ${status}`)
          if (status === 200) pracked.add(reliable)
          if (stage.calm && status === 500) stage.violation(call, 'a PRACK is out of order')
          if (plan.earlyUpdate && !updated && !plan.forked && callerLeg.state === 'early' && call.final === 0 && status === 200) {
            updated = true
            count('early update')
            update(call, callerLeg)
          }
        }
      })
    }
    const final = (callerLeg: Leg, { status, madeUp }: Response) => {
      call.final = status
      note(call, `caller has ${status}${madeUp ? ' made up' : ''}`)
      count(`INVITE ${status}${madeUp ? ' made up' : ''}`)
      if (status >= 300) {
        user.request(callerLeg, ['ACK sip:x SIP/2.0'], { refusable: /ACK for non-success/ })
        return end(call, callerLeg, `${status}`)
      }
      callerLeg.state = 'confirmed'
      callerLeg.answered = true
      atLast(call, callerLeg)
      if (plan.ackAfterMs === 0) acknowledge(callerLeg)
      else later(plan.ackAfterMs, () => acknowledge(callerLeg))
    }
    user.request('new', lines, {
      body: plan.lateOffer ? '' : description(1),
      replied: ({ message, transactionId: id }) => {
        if (message === null) return
        transactionId = id
        const tag = /;tag=([^;]+)/.exec(header(message, 'from')!)![1]
        leg = addLeg(call, user, 'caller', `${header(message, 'call-id')};from-tag=${tag}`)
        if (plan.cancelAfterMs !== null) later(plan.cancelAfterMs, cancel)
        later(120_000, cancel)
      },
      response: (response) => (response.status < 200 ? provisional(leg!, response) : final(leg!, response))
    })
  }

  // Callee

  const callIn = (call: Call, plan: CallPlan, user: User, incoming: Incoming) => {
    const mine: CalleePlan = plan.callees[call.reached++ % plan.callees.length]!
    const callId = header(incoming.message, 'call-id')!
    const tag = /;tag=([^;]+)/.exec(header(incoming.message, 'from')!)![1]
    const leg = addLeg(call, user, 'callee', `${callId};from-tag=${tag}`)
    leg.asked.add(incoming.transactionId)
    note(call, `${user.address} is called`)
    const shown = { ...incoming, dialogId: leg.dialogId }
    mine.provisional.forEach((kind, index) => {
      later(mine.provisionalAfterMs + index * 40, () => {
        if (leg.state !== 'early' || leg.answered) return
        const status = kind.slice(0, 3)
        const reliably = kind.endsWith('reliable') ? ['Require: 100rel'] : []
        user.respond(shown, [`SIP/2.0 ${status} Progress`, ...reliably], { body: status === '183' ? description(1) : '' })
      })
    })
    later(mine.finalAfterMs, () => {
      if (leg.state !== 'early') return
      if (mine.final === 'answer') return answer(call, plan, leg, shown)
      if (mine.final === 'none') return
      const status = { busy: '486 Busy Here', decline: '603 Decline', redirect: '302 Moved' }[mine.final]
      const contact = mine.final === 'redirect' ? ['Contact: <sip:carol@10.9.9.9>'] : []
      user.respond(shown, [`SIP/2.0 ${status}`, ...contact])
      leg.asked.clear()
      end(call, leg, status)
    })
    // An answer that comes too late: without any response the engine has answered by then.
    if (mine.final === 'none' && mine.provisional.length === 0) {
      later(70_000, () => user.respond(shown, ['SIP/2.0 200 OK'], { refusable: noTransaction }))
    }
  }

  const answer = (call: Call, plan: CallPlan, leg: Leg, incoming: Incoming) => {
    const timer =
      plan.sessionTimer === null
        ? []
        : [`Session-Expires: 90${plan.sessionTimer === 'without refresher' ? '' : `;refresher=${plan.sessionTimer}`}`]
    leg.user.respond(incoming, ['SIP/2.0 200 OK', 'Allow: INVITE, UPDATE', ...timer], { body: description(1) })
    leg.asked.clear()
    if (leg.state !== 'early') return
    leg.state = 'confirmed'
    leg.answered = true
    note(call, `${leg.user.address} answers`)
    atLast(call, leg)
    const { callee } = plan.hangUp
    // Some hang up without waiting for the ACK: the engine must.
    if (callee !== null && callee % 5 === 0) later(callee, () => hangUp(call, leg))
  }

  // Subscriptions

  const notify = (call: Call, leg: Leg, event: string, state: string, done?: () => void) => {
    leg.user.request(leg, ['NOTIFY sip:placeholder SIP/2.0', `Event: ${event}`, `Subscription-State: ${state}`], {
      refusable: gone,
      replied: ({ ok }) => {
        if (!ok) done?.()
      },
      response: ({ status }) => {
        count(`notify ${status}`)
        if (call.plan.kind !== 'call' && (status === 481 || status === 408)) end(call, leg, `NOTIFY ${status}`)
        done?.()
      }
    })
  }

  const subscribe = (call: Call, plan: SubscriptionPlan, target: string) => {
    const user = call.caller
    let leg: Leg | undefined
    const isRefer = plan.kind === 'refer'
    const lines = isRefer
      ? [`REFER sip:bob@${target} SIP/2.0`, `X-Call: ${call.id}`, 'Refer-To: <sip:carol@10.0.0.3>']
      : [`SUBSCRIBE sip:bob@${target} SIP/2.0`, `X-Call: ${call.id}`, 'Event: presence', `Expires: ${plan.expiresS}`]
    const again = (expiresS: number) => {
      if (leg?.state !== 'confirmed') return
      user.request(leg, ['SUBSCRIBE sip:placeholder SIP/2.0', 'Event: presence', `Expires: ${expiresS}`], {
        refusable: gone,
        response: ({ status }) => {
          count(`subscribe again ${status}`)
          if (status >= 300) end(call, leg!, `SUBSCRIBE ${status}`)
        }
      })
    }
    user.request('new', lines, {
      replied: ({ message }) => {
        const tag = /;tag=([^;]+)/.exec(header(message!, 'from')!)![1]
        leg = addLeg(call, user, 'caller', `${header(message!, 'call-id')};from-tag=${tag}`)
      },
      response: ({ status }) => {
        call.final = status
        count(`${plan.kind} ${status}`)
        if (status >= 300) return end(call, leg!, `${status}`)
        leg!.answered = true
        if (leg!.state === 'early') leg!.state = 'confirmed'
        if (!isRefer && plan.ends === 'unsubscribe') later(random.between(0, 20_000), () => again(0))
        if (!isRefer && plan.ends === 'refresh') {
          later(10_000, () => again(60))
          later(40_000, () => again(0))
        }
        later(300_000, () => end(call, leg!, 'expired'))
      }
    })
  }

  const subscribed = (call: Call, plan: SubscriptionPlan, user: User, incoming: Incoming) => {
    const tag = /;tag=([^;]+)/.exec(header(incoming.message, 'from')!)![1]
    const leg = addLeg(call, user, 'callee', `${header(incoming.message, 'call-id')};from-tag=${tag}`)
    const shown = { ...incoming, dialogId: leg.dialogId }
    const event = plan.kind === 'refer' ? 'refer' : 'presence'
    if (plan.refused) {
      user.respond(shown, ['SIP/2.0 489 Bad Event'])
      return end(call, leg, '489')
    }
    if (plan.notifyFirst) notify(call, leg, event, 'active;expires=60')
    later(random.between(0, 300), () => {
      if (leg.state === 'ended') return
      user.respond(shown, ['SIP/2.0 202 Accepted', ...(plan.kind === 'subscribe' ? [`Expires: ${plan.expiresS}`] : [])])
      leg.state = 'confirmed'
      leg.answered = true
      if (plan.expiresS === 0 || plan.kind === 'refer') {
        notify(call, leg, event, 'active;expires=60')
        later(1000, () => notify(call, leg, event, 'terminated;reason=noresource', () => end(call, leg, 'terminated')))
      } else {
        notify(call, leg, event, `active;expires=${plan.expiresS}`)
        if (plan.ends === 'notifier') {
          later(random.between(100, 15_000), () => {
            if (leg.state === 'confirmed') notify(call, leg, event, 'terminated', () => end(call, leg, 'terminated'))
          })
        }
      }
      later(300_000, () => end(call, leg, 'expired'))
    })
  }

  // Requests without a dialog

  const single = (call: Call, plan: SinglePlan, target: string) => {
    call.caller.request('new', [`${plan.kind.toUpperCase()} sip:bob@${target} SIP/2.0`, `X-Call: ${call.id}`], {
      response: ({ status, madeUp }) => {
        call.final = status
        count(`${plan.kind} ${status}${madeUp ? ' made up' : ''}`)
        const expected = plan.answerAfterMs === null ? 408 : plan.status
        if (status !== expected && !madeUp) stage.violation(call, `${plan.kind} was answered ${status}, not ${expected}`)
      }
    })
  }

  const inDialog = (user: User, incoming: Incoming) => {
    const known = legs.get(`${user.address} ${incoming.dialogId}`)
    const { method, message } = incoming
    if (known === undefined)
      return stage.violation(null, `${user.address}: ${method} in dialog ${incoming.dialogId} that nobody has`)
    const { call, leg } = known
    if (leg.state === 'ended' && call.plan.kind === 'call' && callOnly.has(method)) {
      stage.violation(call, `${user.address} is shown ${method} in a call that is over`)
    }
    note(call, `${user.address} is shown ${method}${incoming.unsolicited ? ` unsolicited ${header(message, 'reason')}` : ''}`)
    const respond = (line: string, afterMs: number, lines: readonly string[] = [], body = '') =>
      later(afterMs, () => user.respond(incoming, [`SIP/2.0 ${line}`, ...lines], { body }))
    switch (method) {
      case 'BYE':
        leg.asked.clear()
        if (incoming.unsolicited) {
          count(`unsolicited ${/text="([^"]*)"/.exec(header(message, 'reason') ?? '')?.[1]}`)
          return end(call, leg, `told: ${/text="([^"]*)"/.exec(header(message, 'reason') ?? '')?.[1]}`)
        }
        end(call, leg, 'BYE of the peer')
        return user.respond(incoming, ['SIP/2.0 200 OK'])
      case 'ACK':
        if (leg.acknowledged) return
        leg.acknowledged = true
        if (leg.role === 'callee' && call.plan.kind === 'call' && leg.state === 'confirmed') established(call, call.plan, leg)
        return
      case 'CANCEL':
        if (!leg.asked.delete(incoming.transactionId))
          return stage.violation(call, `${user.address}: CANCEL of an answered INVITE`)
        // Of a re-INVITE.
        if (leg.answered) return
        return end(call, leg, 'cancelled')
      case 'PRACK':
        return user.respond(incoming, ['SIP/2.0 200 OK'])
      case 'INVITE': {
        leg.asked.add(incoming.transactionId)
        // A refresh that is refused ends the call.
        const isRefresh = header(message, 'session-expires') !== undefined
        later(random.pick([0, 0, 20, 800]), () => {
          // Answered by the engine where the call ended meanwhile.
          if (!leg.asked.delete(incoming.transactionId)) return
          if (random.chance(0.1) && !isRefresh) user.respond(incoming, ['SIP/2.0 488 Not Acceptable Here'])
          else user.respond(incoming, ['SIP/2.0 200 OK'], { body: description(3) })
        })
        return
      }
      case 'UPDATE':
        return respond('200 OK', random.pick([0, 0, 30, 500]), [], message.body.length > 0 ? description(4) : '')
      case 'REFER': {
        if (/false/.test(header(message, 'refer-sub') ?? ''))
          return user.respond(incoming, ['SIP/2.0 202 Accepted', 'Refer-Sub: false'])
        user.respond(incoming, ['SIP/2.0 202 Accepted'])
        const event = `refer;id=${/^\d+/.exec(header(message, 'cseq')!)![0]}`
        notify(call, leg, event, 'active;expires=60')
        return later(random.between(0, 3000), () => notify(call, leg, event, 'terminated;reason=noresource'))
      }
      case 'NOTIFY': {
        user.respond(incoming, ['SIP/2.0 200 OK'])
        const terminated = /^terminated/.test(header(message, 'subscription-state') ?? '')
        if (terminated && call.plan.kind !== 'call') end(call, leg, 'terminated')
        return
      }
      case 'SUBSCRIBE': {
        const expires = header(message, 'expires')!
        user.respond(incoming, ['SIP/2.0 200 OK', `Expires: ${expires}`])
        const over = expires === '0'
        return notify(call, leg, 'presence', over ? 'terminated;reason=timeout' : `active;expires=${expires}`, () => {
          if (over) end(call, leg, 'terminated')
        })
      }
      default:
        return respond('200 OK', random.pick([0, 0, 100, 1500]))
    }
  }

  return {
    start: (call, target) => {
      const { plan } = call
      if (plan.kind === 'call') callOut(call, plan, target)
      else if (plan.kind === 'subscribe' || plan.kind === 'refer') subscribe(call, plan, target)
      else single(call, plan as SinglePlan, target)
    },
    incoming: (user, incoming) => {
      const fromCaller = incoming.dialogId === '' ? incoming : null
      if (fromCaller === null) return inDialog(user, incoming)
      const call = calls.get(header(incoming.message, 'x-call') ?? '')
      if (incoming.method === 'CANCEL') {
        const tag = /;tag=([^;]+)/.exec(header(incoming.message, 'from')!)?.[1]
        return inDialog(user, { ...incoming, dialogId: `${header(incoming.message, 'call-id')};from-tag=${tag}` })
      }
      if (call === undefined) return stage.violation(null, `${user.address}: ${incoming.method} of no call`)
      const { plan } = call
      if (plan.kind === 'call' && incoming.method === 'INVITE') callIn(call, plan, user, incoming)
      else if ((plan.kind === 'subscribe' || plan.kind === 'refer') && incoming.method === plan.kind.toUpperCase()) {
        subscribed(call, plan, user, incoming)
      } else if (plan.kind === incoming.method.toLowerCase()) {
        const { answerAfterMs, status } = plan as SinglePlan
        if (answerAfterMs !== null) later(answerAfterMs, () => user.respond(incoming, [`SIP/2.0 ${status} Answer`]))
      } else stage.violation(call, `${user.address}: a new ${incoming.method}`)
    }
  }
}
