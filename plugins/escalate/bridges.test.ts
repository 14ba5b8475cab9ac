import test from 'ava'
import fc from 'fast-check'
import {
  type BridgeAttempt,
  type CallBridge,
  type CallBridgeState,
  type CallContext,
  callBridgeStates,
  manualClock,
  type OpenBridgeEvent,
  silentLog,
  startBridgeSession
} from '#kernel'
import { type BridgeChange, callBridgeState, runBridges } from './bridges.ts'

const witness = { record: async () => ({ state: 'spooled' as const }) }
const call = { conference: 'council', expertId: 'one' }
const contextOf = (signal: AbortSignal): CallContext => ({ traceId: 'case-42', log: silentLog, signal, now: () => 0 })
const running = (...states: CallBridgeState[]) => states.map((state) => ({ state, skipped: null }))

test('the state of the call is that of its bridges, by the first rule that holds', (t) => {
  const cases: [CallBridgeState, CallBridgeState[]][] = [
    ['IDLE', []],
    ['CONNECTING', ['CONNECTING', 'ACTIVE', 'ACTIVE']],
    ['CONNECTING', ['IDLE', 'ACTIVE', 'ACTIVE']],
    ['ACTIVE', ['ACTIVE', 'ACTIVE', 'ACTIVE']],
    ['ACTIVE', ['ACTIVE', 'CLOSED']],
    ['DEGRADED', ['ACTIVE', 'DEGRADED', 'ACTIVE']],
    ['DEGRADED', ['ACTIVE', 'CONNECTING', 'FAILED']],
    ['DEGRADED', ['DEGRADED', 'FAILED']],
    ['FAILED', ['FAILED', 'FAILED']],
    ['FAILED', ['FAILED', 'CLOSED']],
    ['CLOSED', ['CLOSED', 'CLOSED']]
  ]
  for (const [state, of] of cases) t.is(callBridgeState(running(...of)), state, of.join(' '))
  t.is(callBridgeState([...running('ACTIVE'), { state: 'IDLE', skipped: 'ndi.off' }]), 'ACTIVE', 'what is skipped does not count')
  for (const a of callBridgeStates)
    for (const b of callBridgeStates) t.is(callBridgeState(running(a, b)), callBridgeState(running(b, a)), 'in any order')
})

test('a bridge that throws has failed; one that does not close is left after 12 s', async (t) => {
  const clock = manualClock()
  const changes: BridgeChange[] = []
  const bridges = runBridges({ clock, log: silentLog, witness }, {}, (change) => changes.push(change))
  const throwing: CallBridge = {
    name: 'ndi',
    open: () => {
      throw Object.assign(new Error('no'), { code: 'ndi.broken' })
    }
  }
  const stuck: CallBridge = {
    name: 'webrtc',
    open: () => ({ ok: true, session: { state: () => 'ACTIVE', onChange: () => {}, close: () => new Promise(() => {}) } })
  }
  bridges.start([throwing, stuck], contextOf(new AbortController().signal), call)
  t.like(bridges.views(), [{ state: 'FAILED', reason: 'ndi.broken' }, { state: 'ACTIVE' }])
  t.is(bridges.state(), 'DEGRADED')
  const stopped = bridges.stop('over')
  clock.advance(12_000)
  await stopped
  t.like(bridges.views(), [{ state: 'CLOSED' }, { state: 'CLOSED', reason: 'bridge.close.timeout' }])
  t.is(clock.pending(), 0)
})

test('what has failed is opened anew on an operator’s word; what has not, or is over, is refused with a reason', async (t) => {
  const { held, attempts, clock, bridges } = counted()
  const entries: { event: string; payload: Record<string, unknown> }[] = []
  const recording = {
    record: async (entry: (typeof entries)[0]) => {
      entries.push(entry)
      return { state: 'spooled' as const }
    }
  }
  const all = runBridges({ clock, log: silentLog, witness: recording }, { escalation: 'x' }, () => {})
  const codeOf = (...wanted: Parameters<typeof all.retry>) => {
    const outcome = all.retry(...wanted)
    return outcome.ok ? outcome.bridges.map(({ bridge, state }) => `${bridge} ${state}`) : outcome.code
  }
  t.is(codeOf('h323', null, 'anna'), 'bridge.not-connected')
  const skipping: CallBridge = { name: 'video', open: () => ({ ok: false, skipped: 'video.off', detail: 'off' }) }
  all.start([...bridges, skipping], contextOf(new AbortController().signal), call)
  t.is(codeOf('h323', null, 'anna'), 'bridge.not-failed')
  t.is(codeOf('video', null, 'anna'), 'bridge.not-failed')
  t.is(codeOf('smoke', null, 'anna'), 'bridge.unknown')
  t.is(codeOf('h323', 'nobody', 'anna'), 'bridge.unknown')
  attempts[0]!.resolve('refuse')
  attempts[1]!.resolve('open')
  await settled()
  t.is(all.state(), 'DEGRADED')
  t.deepEqual(codeOf('h323', null, 'anna'), ['h323 CONNECTING'])
  t.is(codeOf('h323', null, 'anna'), 'bridge.not-failed', 'once is enough')
  await settled()
  t.is(attempts.length, 4)
  attempts[3]!.resolve('open')
  await settled()
  t.like(all.views()[0], { state: 'ACTIVE', reason: null })
  t.deepEqual(held, { h323: 1, webrtc: 1, ndi: 0 })
  const retried = entries.filter(({ event }) => event === 'BRIDGE_RETRIED')
  t.deepEqual(
    retried.map(({ payload }) => payload),
    [{ escalation: 'x', bridge: 'h323', target: null, reason: 'fake.refused', by: 'anna' }]
  )
  const stopped = all.stop('call.ended')
  t.is(codeOf('h323', null, 'anna'), 'bridge.call-over')
  for (const attempt of attempts) attempt.letClose()
  attempts[2]!.resolve('fail')
  await settled()
  await stopped
  t.deepEqual(held, { h323: 0, webrtc: 0, ndi: 0 })
  t.is(clock.pending(), 0)
})

test('a bridge that threw is opened anew, and the end that comes meanwhile wins', async (t) => {
  const clock = manualClock()
  let opened = 0
  const throwing: CallBridge = {
    name: 'ndi',
    open: () => {
      opened++
      throw Object.assign(new Error('no'), { code: 'ndi.broken' })
    }
  }
  const all = runBridges({ clock, log: silentLog, witness }, {}, () => {})
  all.start([throwing], contextOf(new AbortController().signal), call)
  t.true(all.retry('ndi', null, 'anna').ok)
  await settled()
  t.is(opened, 2)
  t.like(all.views(), [{ state: 'FAILED', reason: 'ndi.broken' }])
  t.true(all.retry('ndi', null, 'anna').ok)
  await all.stop('call.ended')
  await settled()
  t.is(opened, 2)
  t.like(all.views(), [{ state: 'CLOSED' }])
  t.is(clock.pending(), 0)
})

/** What bridges hold: a model that counts. */
function counted() {
  const held = { h323: 0, webrtc: 0, ndi: 0 }
  const attempts: {
    readonly resolve: (how: string) => void
    readonly letClose: () => void
    readonly tell: (event: OpenBridgeEvent) => void
  }[] = []
  const clock = manualClock()
  const bridgeOf = (name: keyof typeof held): CallBridge => ({
    name,
    open: () => ({
      ok: true,
      session: startBridgeSession(
        (_signal, tell) => {
          const result = Promise.withResolvers<BridgeAttempt>()
          const closing = Promise.withResolvers<void>()
          let isResolved = false
          const close = () =>
            closing.promise.then(() => {
              held[name]--
            })
          attempts.push({
            tell,
            letClose: closing.resolve,
            resolve: (how) => {
              if (isResolved) return
              isResolved = true
              if (how === 'fail') result.reject(new Error('no'))
              else if (how === 'refuse') result.resolve({ ok: false, reason: 'fake.refused' })
              else {
                held[name]++
                result.resolve({ ok: true, bridge: { close } })
              }
            }
          })
          return result.promise
        },
        { clock, log: silentLog }
      )
    })
  })
  return { held, attempts, clock, bridges: [bridgeOf('h323'), bridgeOf('webrtc'), bridgeOf('ndi')] }
}

const settled = async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const move = fc.oneof(
  fc.record({ do: fc.constantFrom('open', 'open', 'fail', 'refuse', 'close'), of: fc.nat(11) }),
  fc.record({ do: fc.constantFrom('impaired', 'recovered', 'lost', 'left'), of: fc.nat(11) }),
  fc.record({ do: fc.constant('retry'), of: fc.nat(2) }),
  fc.record({ do: fc.constant('advance'), of: fc.constantFrom(500, 1000, 2000, 4000, 10_000) })
)

test('in whatever order three bridges open, fail, are tried again, come back and close: nothing is left after the end, and every change names the one before', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 30 }), fc.array(move, { maxLength: 12 }), async (before, after) => {
      const { held, attempts, clock, bridges } = counted()
      const seen = new Map<string, CallBridgeState>()
      let isChained = true
      const all = runBridges({ clock, log: silentLog, witness }, {}, ({ view, previous, state }) => {
        isChained &&= (seen.get(view.bridge) ?? 'IDLE') === previous && view.state !== previous
        isChained &&= callBridgeStates.includes(state)
        seen.set(view.bridge, view.state)
      })
      const take = async ({ do: what, of }: { do: string; of: number }) => {
        const attempt = attempts[of % attempts.length]!
        if (what === 'advance') clock.advance(of)
        else if (what === 'retry') all.retry(bridges[of % bridges.length]!.name, null, 'anna')
        else if (what === 'close') attempt.letClose()
        else if (what === 'recovered') attempt.tell({ type: 'recovered' })
        else if (what === 'impaired' || what === 'lost' || what === 'left') attempt.tell({ type: what, reason: `fake.${what}` })
        else attempt.resolve(what)
        await settled()
      }
      all.start(bridges, contextOf(new AbortController().signal), call)
      for (const each of before) await take(each)
      const stopped = all.stop('call.ended')
      // results that come late, closes that take their time
      for (const each of after) await take(each)
      clock.advance(12_000)
      await stopped
      for (const attempt of attempts) {
        attempt.resolve('open')
        attempt.letClose()
      }
      await settled()
      const isOver = all.views().every(({ state }) => state === 'CLOSED') && all.state() === 'CLOSED'
      return isChained && isOver && clock.pending() === 0 && Object.values(held).every((count) => count === 0)
    }),
    { numRuns: 200 }
  )
  t.pass()
})

test('the other two go on when one is lost; whatever the order in which they end, each closes once', async (t) => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0]
  ] as const
  for (const order of orders) {
    const { held, attempts, clock, bridges } = counted()
    const all = runBridges({ clock, log: silentLog, witness }, {}, () => {})
    all.start(bridges, contextOf(new AbortController().signal), call)
    for (const attempt of attempts) attempt.resolve('open')
    await settled()
    t.is(all.state(), 'ACTIVE')
    for (const [turn, at] of order.entries()) {
      attempts[at]!.tell({ type: 'left', reason: 'fake.left' })
      attempts[at]!.letClose()
      await settled()
      t.is(all.views().filter(({ state }) => state === 'ACTIVE').length, 2 - turn)
    }
    await all.stop('call.ended')
    t.deepEqual(held, { h323: 0, webrtc: 0, ndi: 0 }, order.join(' '))
    t.is(attempts.length, 3)
    t.is(clock.pending(), 0)
  }
})
