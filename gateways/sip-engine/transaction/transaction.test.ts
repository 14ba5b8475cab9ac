import test from 'ava'
import fc from 'fast-check'
import { type Step, step, type Table, type TypedEvent } from '#kernel'
import type { Effect, TransactionContext } from './effects.ts'
import { inviteClient } from './invite-client.ts'
import { inviteServer } from './invite-server.ts'
import { nonInviteClient } from './non-invite-client.ts'
import { nonInviteServer } from './non-invite-server.ts'

type Loose = Table<string, TypedEvent, Effect, TransactionContext>

const machines: Record<string, { table: Loose; events: readonly string[]; first: string; timers: readonly string[] }> = {
  'INVITE client': {
    table: inviteClient as Loose,
    events: ['start', 'provisional', 'success', 'failure', 'transportError', 'abandon', 'A', 'B', 'D', 'M'],
    first: 'initial',
    timers: ['A', 'B', 'D', 'M']
  },
  'INVITE server': {
    table: inviteServer as Loose,
    events: ['request', 'ack', 'sendProvisional', 'sendSuccess', 'sendFailure', 'transportError', 'G', 'H', 'I', 'L'],
    first: 'proceeding',
    timers: ['G', 'H', 'I', 'L']
  },
  'non-INVITE client': {
    table: nonInviteClient as Loose,
    events: ['start', 'provisional', 'success', 'failure', 'transportError', 'E', 'F', 'K'],
    first: 'initial',
    timers: ['E', 'F', 'K']
  },
  'non-INVITE server': {
    table: nonInviteServer as Loose,
    events: ['request', 'sendProvisional', 'sendFinal', 'transportError', 'J'],
    first: 'trying',
    timers: ['J']
  }
}

const context = (reliable: boolean): TransactionContext => ({ t1Ms: 500, t2Ms: 4000, t4Ms: 5000, reliable, intervalMs: 500 })

const written = (effects: readonly Effect[]): string[] =>
  effects.map((effect) => {
    if (effect.type === 'startTimer') return `+${effect.timer} ${effect.delayMs}`
    if (effect.type === 'stopTimer') return `-${effect.timer}`
    return effect.type === 'tell' ? effect.what : effect.type
  })

/** The transitions RFC 3261 §17 and RFC 6026 draw; a pair that is not listed must change nothing. */
const drawn: Record<string, Record<string, string>> = {
  'INVITE client': {
    'initial start': 'calling',
    'calling A': 'calling',
    'calling B': 'terminated',
    'calling provisional': 'proceeding',
    'calling success': 'accepted',
    'calling failure': 'completed',
    'calling transportError': 'terminated',
    'proceeding provisional': 'proceeding',
    'proceeding success': 'accepted',
    'proceeding failure': 'completed',
    'proceeding transportError': 'terminated',
    'proceeding abandon': 'terminated',
    'completed failure': 'completed',
    'completed D': 'terminated',
    'accepted success': 'accepted',
    'accepted M': 'terminated'
  },
  'INVITE server': {
    'proceeding request': 'proceeding',
    'proceeding sendProvisional': 'proceeding',
    'proceeding sendSuccess': 'accepted',
    'proceeding sendFailure': 'completed',
    'proceeding transportError': 'proceeding',
    'completed request': 'completed',
    'completed ack': 'confirmed',
    'completed G': 'completed',
    'completed H': 'terminated',
    'completed transportError': 'terminated',
    'confirmed request': 'confirmed',
    'confirmed ack': 'confirmed',
    'confirmed I': 'terminated',
    'confirmed transportError': 'confirmed',
    'accepted request': 'accepted',
    'accepted ack': 'accepted',
    'accepted sendSuccess': 'accepted',
    'accepted L': 'terminated',
    'accepted transportError': 'accepted'
  },
  'non-INVITE client': {
    'initial start': 'trying',
    'trying E': 'trying',
    'trying F': 'terminated',
    'trying provisional': 'proceeding',
    'trying success': 'completed',
    'trying failure': 'completed',
    'trying transportError': 'terminated',
    'proceeding E': 'proceeding',
    'proceeding F': 'terminated',
    'proceeding provisional': 'proceeding',
    'proceeding success': 'completed',
    'proceeding failure': 'completed',
    'proceeding transportError': 'terminated',
    'completed provisional': 'completed',
    'completed success': 'completed',
    'completed failure': 'completed',
    'completed K': 'terminated',
    'completed transportError': 'completed'
  },
  'non-INVITE server': {
    'trying request': 'trying',
    'trying sendProvisional': 'proceeding',
    'trying sendFinal': 'completed',
    'trying transportError': 'trying',
    'proceeding request': 'proceeding',
    'proceeding sendProvisional': 'proceeding',
    'proceeding sendFinal': 'completed',
    'proceeding transportError': 'proceeding',
    'completed request': 'completed',
    'completed J': 'terminated',
    'completed transportError': 'terminated'
  }
}

for (const [name, { table, events, first, timers }] of Object.entries(machines)) {
  test(`${name}: every state × event does what is drawn, and nothing else`, (t) => {
    for (const state of Object.keys(table)) {
      for (const type of events) {
        const taken = step(table, state, { type }, context(false))
        const expected = drawn[name]![`${state} ${type}`]
        t.is(taken.allowed, expected !== undefined, `${state} ${type}`)
        t.is(taken.state, expected ?? state, `${state} ${type}`)
        if (!taken.allowed) t.deepEqual(taken.effects, [])
      }
    }
  })

  test(`${name}: whatever happens in whatever order, it ends when its timers run out, and a timer that runs can be taken`, (t) => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), fc.boolean(), (order, reliable) => {
        const ctx = context(reliable)
        const running = new Set<string>()
        let state = first
        const take = (type: string): void => {
          if (timers.includes(type)) {
            if (!running.has(type)) return
            running.delete(type)
          }
          const taken: Step<string, Effect> = step(table, state, { type }, ctx)
          if (timers.includes(type) && state !== 'terminated') t.true(taken.allowed, `${state} has no row for its timer ${type}`)
          state = taken.state
          for (const effect of taken.effects) {
            if (effect.type === 'startTimer') {
              t.true(effect.delayMs >= 0)
              running.add(effect.timer)
            } else if (effect.type === 'stopTimer') running.delete(effect.timer)
          }
          if (state === 'terminated') running.clear()
        }
        for (const type of order) take(type)
        for (let round = 0; round < 50 && running.size > 0; round++) take([...running][0]!)
        const waits = name.includes('server') ? ['proceeding', 'trying'] : ['proceeding', 'initial']
        t.true(state === 'terminated' || waits.includes(state), state)
      }),
      { numRuns: 300 }
    )
  })
}

const run = (table: Loose, first: string, reliable: boolean, order: readonly string[]): string[][] => {
  const ctx = context(reliable)
  let state = first
  return order.map((type) => {
    const taken: Step<string, Effect> = step(table, state, { type }, ctx)
    state = taken.state
    return written(taken.effects)
  })
}

test('INVITE client over UDP: timer A doubles without a cap, B at 64*T1, D at 32 s', (t) => {
  t.deepEqual(run(inviteClient as Loose, 'initial', false, ['start', 'A', 'A', 'A', 'A', 'failure', 'failure']), [
    ['sendRequest', '+A 500', '+B 32000'],
    ['sendRequest', '+A 1000'],
    ['sendRequest', '+A 2000'],
    ['sendRequest', '+A 4000'],
    ['sendRequest', '+A 8000'],
    ['-A', '-B', 'sendAck', '+D 32000', 'failure'],
    ['sendAck']
  ])
})

test('INVITE client over TCP: no timer A, D at zero', (t) => {
  t.deepEqual(run(inviteClient as Loose, 'initial', true, ['start', 'provisional', 'failure', 'D']), [
    ['sendRequest', '+B 32000'],
    ['-A', '-B', 'provisional'],
    ['sendAck', '+D 0', 'failure'],
    []
  ])
})

test('INVITE server: G doubles up to T2, H at 64*T1, I at T4; reliable: no G, I at zero', (t) => {
  t.deepEqual(run(inviteServer as Loose, 'proceeding', false, ['sendFailure', 'G', 'G', 'G', 'G', 'ack']), [
    ['sendResponse', '+G 500', '+H 32000'],
    ['sendResponse', '+G 1000'],
    ['sendResponse', '+G 2000'],
    ['sendResponse', '+G 4000'],
    ['sendResponse', '+G 4000'],
    ['-G', '-H', '+I 5000']
  ])
  t.deepEqual(run(inviteServer as Loose, 'proceeding', true, ['sendFailure', 'ack']), [
    ['sendResponse', '+H 32000'],
    ['-G', '-H', '+I 0']
  ])
})

test('non-INVITE client: E doubles up to T2, is T2 in proceeding; K is T4, or zero where nothing is lost', (t) => {
  t.deepEqual(run(nonInviteClient as Loose, 'initial', false, ['start', 'E', 'E', 'E', 'E', 'provisional', 'E', 'success']), [
    ['sendRequest', '+E 500', '+F 32000'],
    ['sendRequest', '+E 1000'],
    ['sendRequest', '+E 2000'],
    ['sendRequest', '+E 4000'],
    ['sendRequest', '+E 4000'],
    ['provisional'],
    ['sendRequest', '+E 4000'],
    ['-E', '-F', '+K 5000', 'success']
  ])
  t.deepEqual(run(nonInviteClient as Loose, 'initial', true, ['start', 'failure']), [
    ['sendRequest', '+F 32000'],
    ['-E', '-F', '+K 0', 'failure']
  ])
})

test('non-INVITE server: J at 64*T1, zero where nothing is lost', (t) => {
  t.deepEqual(run(nonInviteServer as Loose, 'trying', false, ['sendFinal', 'request']), [
    ['sendResponse', '+J 32000'],
    ['sendResponse']
  ])
  t.deepEqual(run(nonInviteServer as Loose, 'trying', true, ['sendFinal']), [['sendResponse', '+J 0']])
})
