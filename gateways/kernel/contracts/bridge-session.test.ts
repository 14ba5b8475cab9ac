import test from 'ava'
import fc from 'fast-check'
import { manualClock } from '../clock.ts'
import { silentLog } from '../log.ts'
import { step } from '../machine.ts'
import {
  type BridgeAttempt,
  type BridgeFacts,
  type BridgePhase,
  type BridgePhaseEffect,
  type BridgePhaseEvent,
  bridgePhases,
  bridgePhaseTable,
  type OpenBridgeEvent,
  seenOf,
  startBridgeSession
} from './bridge-session.ts'
import type { CallBridgeState } from './call-bridge.ts'

interface FakeAttempt {
  readonly signal: AbortSignal
  readonly tell: (event: OpenBridgeEvent) => void
  readonly resolve: (result: 'open' | 'refused' | 'failed') => void
  /** 0 before it has resolved as open. */
  opens: number
  closes: number
  readonly letClose: () => void
}

/** A bridge whose attempts the test resolves. @param closes whether it closes at once, or waits for the test */
function fakeBridge(closes: 'at once' | 'when let' = 'at once') {
  const clock = manualClock()
  const attempts: FakeAttempt[] = []
  const states: [CallBridgeState, string | null][] = []
  const session = startBridgeSession(
    (signal, tell) => {
      const result = Promise.withResolvers<BridgeAttempt>()
      const closing = Promise.withResolvers<void>()
      let isResolved = false
      const attempt: FakeAttempt = {
        signal,
        tell,
        opens: 0,
        closes: 0,
        letClose: closing.resolve,
        resolve: (how) => {
          if (isResolved) return
          isResolved = true
          if (how === 'refused') result.resolve({ ok: false, reason: 'fake.refused' })
          else if (how === 'failed') result.reject(Object.assign(new Error('no'), { code: 'fake.failed' }))
          else {
            attempt.opens++
            const close = async () => {
              attempt.closes++
              if (closes === 'when let') await closing.promise
            }
            result.resolve({ ok: true, bridge: { close } })
          }
        }
      }
      attempts.push(attempt)
      return result.promise
    },
    { clock, log: silentLog }
  )
  session.onChange(({ state, reason }) => states.push([state, reason]))
  return { clock, attempts, states, session }
}

const settled = async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const events: readonly BridgePhaseEvent[] = [
  { type: 'begin' },
  { type: 'opened' },
  { type: 'failed', reason: 'x' },
  { type: 'refused', reason: 'x' },
  { type: 'timedOut' },
  { type: 'impaired', reason: 'x' },
  { type: 'recovered' },
  { type: 'lost', reason: 'x' },
  { type: 'left', reason: 'x' },
  { type: 'steady' },
  { type: 'cleared' },
  { type: 'spent' },
  { type: 'due' },
  { type: 'end' }
]

test('every phase with every event: what is open is closed by whatever leads away from it, and the end leads to CLOSED', (t) => {
  const holds = new Set<BridgePhase>(['active', 'impaired'])
  const opens = new Set<BridgePhase>(['connecting', 'reconnecting'])
  for (const phase of bridgePhases)
    for (const event of events) {
      const facts: BridgeFacts = { reason: null, attempts: 1 }
      const next = step<BridgePhase, BridgePhaseEvent, BridgePhaseEffect, BridgeFacts>(bridgePhaseTable, phase, event, facts)
      const name = `${phase} × ${event.type}`
      if (!next.allowed) {
        t.is(next.state, phase, name)
        continue
      }
      if (holds.has(phase) && !holds.has(next.state)) t.deepEqual(next.effects, ['close'], name)
      if (opens.has(next.state)) t.deepEqual(next.effects, ['open'], name)
      if (opens.has(phase) && (event.type === 'timedOut' || event.type === 'end')) t.deepEqual(next.effects, ['abandon'], name)
      if ('reason' in event) t.is(facts.reason, 'x', name)
      if (next.state === 'active') t.is(facts.reason, null, name)
    }
  for (const phase of bridgePhases)
    t.is('end' in bridgePhaseTable[phase], phase !== 'ending' && phase !== 'closed', `${phase} can be ended`)
  t.is(seenOf.waiting, 'DEGRADED')
})

test('a bridge that fails is tried after 1, 2 and 4 s, is DEGRADED meanwhile, and then FAILED', async (t) => {
  const { clock, attempts, states, session } = fakeBridge()
  t.is(session.state(), 'CONNECTING')
  for (const [at, ms] of [1000, 2000, 4000].entries()) {
    attempts[at]!.resolve('failed')
    await settled()
    t.is(session.state(), 'DEGRADED')
    clock.advance(ms - 1)
    t.is(attempts.length, at + 1, `not before ${ms} ms`)
    clock.advance(1)
    t.is(attempts.length, at + 2)
  }
  attempts[3]!.resolve('failed')
  await settled()
  t.deepEqual(states, [
    ['DEGRADED', 'fake.failed'],
    ['FAILED', 'fake.failed']
  ])
  clock.advance(3_600_000)
  t.is(attempts.length, 4)
  t.is(clock.pending(), 0)
  await session.close('over')
  t.deepEqual(states.at(-1), ['CLOSED', 'fake.failed'])
})

test('an attempt has 10 s; what opens after that is closed', async (t) => {
  const { clock, attempts, session } = fakeBridge()
  clock.advance(9999)
  t.false(attempts[0]!.signal.aborted)
  clock.advance(1)
  t.true(attempts[0]!.signal.aborted)
  t.is(session.state(), 'DEGRADED')
  attempts[0]!.resolve('open')
  await settled()
  t.is(attempts[0]!.closes, 1)
  clock.advance(1000)
  attempts[1]!.resolve('open')
  await settled()
  t.is(session.state(), 'ACTIVE')
  await session.close('over')
  t.is(attempts[1]!.closes, 1)
  t.is(clock.pending(), 0)
})

test('a refusal is not tried again', async (t) => {
  const { clock, attempts, states } = fakeBridge()
  attempts[0]!.resolve('refused')
  await settled()
  t.deepEqual(states, [['FAILED', 'fake.refused']])
  clock.advance(60_000)
  t.is(attempts.length, 1)
})

test('impaired and recovered; lost and opened anew; left and not opened again', async (t) => {
  const { clock, attempts, states, session } = fakeBridge()
  attempts[0]!.resolve('open')
  await settled()
  attempts[0]!.tell({ type: 'impaired', reason: 'fake.slow' })
  attempts[0]!.tell({ type: 'recovered' })
  attempts[0]!.tell({ type: 'lost', reason: 'fake.lost' })
  attempts[0]!.tell({ type: 'recovered' })
  await settled()
  t.is(attempts[0]!.closes, 1)
  clock.advance(1000)
  attempts[1]!.resolve('open')
  await settled()
  attempts[1]!.tell({ type: 'left', reason: 'fake.left' })
  await settled()
  t.deepEqual(states, [
    ['ACTIVE', null],
    ['DEGRADED', 'fake.slow'],
    ['ACTIVE', null],
    ['DEGRADED', 'fake.lost'],
    ['ACTIVE', null],
    ['CLOSED', 'fake.left']
  ])
  t.is(clock.pending(), 0)
  await session.close('over')
})

test('a bridge that is lost over and over is given up; one that was steady has all its attempts again', async (t) => {
  const flapping = async (steadyMs: number) => {
    const { clock, attempts, session } = fakeBridge()
    for (let turn = 0; turn < 6 && session.state() !== 'FAILED'; turn++) {
      attempts.at(-1)!.resolve('open')
      await settled()
      clock.advance(steadyMs)
      attempts.at(-1)!.tell({ type: 'lost', reason: 'fake.lost' })
      await settled()
      clock.advance(4000)
    }
    return session.state()
  }
  t.is(await flapping(9999), 'FAILED')
  t.is(await flapping(10_000), 'DEGRADED')
})

test('what is told before the attempt has resolved counts', async (t) => {
  const { attempts, states } = fakeBridge()
  attempts[0]!.tell({ type: 'impaired', reason: 'fake.slow' })
  attempts[0]!.resolve('open')
  await settled()
  t.deepEqual(states, [
    ['ACTIVE', null],
    ['DEGRADED', 'fake.slow']
  ])
})

test('a bridge that does not close is given up after 10 s', async (t) => {
  const { clock, attempts, session } = fakeBridge('when let')
  attempts[0]!.resolve('open')
  await settled()
  let isOver = false
  void session.close('over').then(() => {
    isOver = true
  })
  await settled()
  t.is(session.state(), 'ACTIVE')
  t.false(isOver)
  clock.advance(10_000)
  await settled()
  t.true(isOver)
  t.is(session.state(), 'CLOSED')
  t.is(clock.pending(), 0)
})

test('a bridge that waits for somebody is IDLE until then, and closes from there', async (t) => {
  const clock = manualClock()
  for (const comes of [true, false]) {
    const there = Promise.withResolvers<void>()
    const states: CallBridgeState[] = []
    let opens = 0
    let signal: AbortSignal | null = null
    const session = startBridgeSession(
      async () => {
        opens++
        return { ok: true, bridge: { close: async () => {} } }
      },
      {
        clock,
        log: silentLog,
        ready: (aborted) => {
          signal = aborted
          return there.promise
        }
      }
    )
    session.onChange(({ state }) => states.push(state))
    t.is(session.state(), 'IDLE')
    if (comes) there.resolve()
    await settled()
    t.is(opens, comes ? 1 : 0)
    await session.close('over')
    t.true(signal!.aborted)
    there.resolve()
    await settled()
    t.is(opens, comes ? 1 : 0, 'what comes after the end opens nothing')
    t.deepEqual(states, comes ? ['CONNECTING', 'ACTIVE', 'CLOSED'] : ['CLOSED'])
    t.is(clock.pending(), 0)
  }
})

const move = fc.oneof(
  fc.record({ do: fc.constantFrom('open', 'refused', 'failed', 'close', 'recovered', 'end'), of: fc.nat(7) }),
  fc.record({ do: fc.constantFrom('impaired', 'lost', 'left'), of: fc.nat(7) }),
  fc.record({ do: fc.constant('advance'), of: fc.constantFrom(1, 999, 1000, 2000, 4000, 10_000) })
)

test('in whatever order things happen, nothing is left after the end', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 40 }), async (moves) => {
      const { clock, attempts, session, states } = fakeBridge('when let')
      const mostOpen = () => attempts.filter(({ opens, closes }) => opens > closes).length
      for (const { do: what, of } of moves) {
        const attempt = attempts[of % attempts.length]!
        if (what === 'advance') clock.advance(of)
        else if (what === 'end') void session.close('over')
        else if (what === 'close') attempt.letClose()
        else if (what === 'open' || what === 'refused' || what === 'failed') attempt.resolve(what)
        else if (what === 'recovered') attempt.tell({ type: 'recovered' })
        else attempt.tell({ type: what as 'impaired' | 'lost' | 'left', reason: `fake.${what}` })
        await settled()
        if (mostOpen() > 1) return false
      }
      const over = session.close('over')
      await settled()
      // what is still under way resolves as it likes; what is being closed takes longer than anybody waits
      clock.advance(10_000)
      await over
      for (const attempt of attempts) {
        attempt.resolve('open')
        attempt.tell({ type: 'lost', reason: 'fake.lost' })
      }
      await settled()
      const isFree = attempts.every(({ opens, closes }) => opens === closes)
      const isOver = session.state() === 'CLOSED' && states.filter(([state]) => state === 'CLOSED').length === 1
      return isFree && isOver && clock.pending() === 0
    }),
    { numRuns: 300 }
  )
  t.pass()
})
