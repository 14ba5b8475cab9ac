import test from 'ava'
import fc from 'fast-check'
import { InfraFabricError, manualClock, step } from '#kernel'
import {
  type Holder,
  holdLease,
  type LeaseAnswer,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseLink,
  type LeaseState,
  leaseTable
} from './lease.ts'

const times = { leaseMs: 3000 }
const events: LeaseEvent[] = [
  ...(['begin', 'renewed', 'lost', 'end', 'retry', 'renew', 'expired'] as const).map((type) => ({ type })),
  { type: 'acquired', token: '7' },
  { type: 'refused', holder: { name: 'other', address: 'h:1' }, remainingMs: 100 },
  { type: 'failed', code: 'ledger.store.unreachable' }
]

/** A server's lease, in memory; `fail` makes it out of reach. */
function memoryLease(clock: { now: () => number }) {
  let held: { holder: Holder; token: string; until: number } | null = null
  let fence = 0
  const state = { fail: false, asked: 0 }
  const reach = () => {
    state.asked++
    if (state.fail) throw new InfraFabricError('ledger.store.unreachable', 'out of reach')
    if (held !== null && held.until <= clock.now()) held = null
  }
  const link = (holder: Holder): LeaseLink => ({
    acquire: async (): Promise<LeaseAnswer> => {
      reach()
      if (held !== null && held.holder !== holder)
        return { type: 'refused', holder: held.holder, remainingMs: held.until - clock.now() }
      held = { holder, token: String(++fence), until: clock.now() + times.leaseMs }
      return { type: 'acquired', token: held.token }
    },
    renew: async (token) => {
      reach()
      if (held?.token !== token) return false
      held.until = clock.now() + times.leaseMs
      return true
    },
    release: async (token) => {
      reach()
      if (held?.token === token) held = null
    }
  })
  return { link, state, holder: () => held?.holder.name ?? null }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

async function pass(clock: ReturnType<typeof manualClock>, ms: number) {
  for (let at = 0; at < ms; at += 50) {
    clock.advance(50)
    await settle()
  }
}

test('every pair of state and event: what is allowed leads to a state of the table', (t) => {
  let allowed = 0
  for (const state of Object.keys(leaseTable) as LeaseState[]) {
    for (const event of events) {
      const next = step(leaseTable, state, event, times)
      t.true(next.state in leaseTable)
      if (next.allowed) allowed++
      else t.is(next.state, state)
    }
  }
  t.is(
    allowed,
    Object.values(leaseTable).reduce((sum, rows) => sum + Object.keys(rows).length, 0)
  )
})

test('whatever happens: who leads has a timer that ends it, who waits has one that asks, and a closed lease has none', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (told) => {
      let state: LeaseState = 'idle'
      const timers = new Set<string>()
      for (const event of told) {
        if (['retry', 'renew', 'expired'].includes(event.type) && !timers.delete(event.type)) continue
        const next: { state: LeaseState; effects: readonly LeaseEffect[] } = step(leaseTable, state, event, times)
        state = next.state
        for (const effect of next.effects) {
          if (effect.type === 'start') timers.add(effect.timer)
          if (effect.type === 'stop') timers.delete(effect.timer)
        }
        if (state === 'leading' || state === 'renewing') t.true(timers.has('expired'))
        if (state === 'waiting') t.deepEqual([...timers], ['retry'])
        if (state === 'closed') t.is(timers.size, 0)
      }
    })
  )
})

test('one leads and renews; another waits, is told who leads, and takes over when the lease ends, under a higher token', async (t) => {
  const clock = manualClock()
  const { link, holder } = memoryLease(clock)
  let dead = false
  const first = link({ name: 'first', address: 'a:1' })
  const never = new Promise<never>(() => {})
  const dying: LeaseLink = {
    ...first,
    acquire: () => (dead ? never : first.acquire()),
    renew: (token) => (dead ? never : first.renew(token))
  }
  const a = await holdLease(dying, clock, times)
  const b = await holdLease(link({ name: 'second', address: 'b:1' }), clock, times)
  t.deepEqual(a.standing(), { leads: true, token: '1' })
  t.deepEqual(b.standing(), { leads: false, holder: { name: 'first', address: 'a:1' }, code: null })
  await pass(clock, 20_000)
  t.is(holder(), 'first')
  dead = true
  await pass(clock, times.leaseMs + 1100)
  t.deepEqual(b.standing(), { leads: true, token: '2' })
  t.false(a.standing().leads, 'who cannot renew does not think that it leads')
  await b.close()
  t.is(holder(), null, 'given back')
})

test('a server out of reach: the leader stands until its lease ends, and asks again', async (t) => {
  const clock = manualClock()
  const { link, state } = memoryLease(clock)
  const lease = await holdLease(link({ name: 'first', address: '' }), clock, times)
  state.fail = true
  await pass(clock, 2900)
  t.true(lease.standing().leads)
  await pass(clock, 200)
  t.like(lease.standing(), { leads: false, code: 'ledger.store.unreachable' })
  const asked = state.asked
  await pass(clock, 10_000)
  t.true(state.asked - asked <= 11, 'not more often than three times in a lease')
  state.fail = false
  await pass(clock, 1100)
  t.deepEqual(lease.standing(), { leads: true, token: '2' })
  await lease.close()
  t.is(clock.pending(), 0)
})

test('closing while the lease is asked for gives it back', async (t) => {
  const clock = manualClock()
  const { link, holder } = memoryLease(clock)
  const other = await holdLease(link({ name: 'other', address: '' }), clock, times)
  const mine = link({ name: 'mine', address: '' })
  const late = Promise.withResolvers<void>()
  let wait: Promise<void> = Promise.resolve()
  const lease = await holdLease({ ...mine, acquire: () => wait.then(mine.acquire) }, clock, times)
  await other.close()
  wait = late.promise
  await pass(clock, 1100)
  const closed = lease.close()
  late.resolve()
  await closed
  t.is(holder(), null)
  t.is(clock.pending(), 0)
})
