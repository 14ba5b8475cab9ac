import test from 'ava'
import {
  DecodeError,
  errorCode,
  isAcceptableTraceId,
  isTraceId,
  manualClock,
  newTraceId,
  runMachine,
  step,
  systemClock,
  type Table
} from '#kernel'

test('a manual clock fires timers in order of expiry, then of creation, and never a cancelled one', (t) => {
  const clock = manualClock()
  const fired: string[] = []
  clock.after(20, () => fired.push('late'))
  clock.after(10, () => {
    fired.push('first')
    clock.after(5, () => fired.push('nested'))
  })
  clock.after(10, () => fired.push('second'))
  const cancel = clock.after(12, () => fired.push('never'))
  cancel()
  clock.advance(19)
  t.deepEqual(fired, ['first', 'second', 'nested'])
  clock.advance(1)
  t.deepEqual(fired, ['first', 'second', 'nested', 'late'])
  t.is(clock.pending(), 0)
})

test('trace ids are 32 lowercase hex digits; foreign ids are kept only when they are harmless', (t) => {
  t.true(isTraceId(newTraceId()))
  t.false(isTraceId('0'.repeat(32)))
  t.true(isAcceptableTraceId('case-42/urgent'))
  for (const bad of ['', 'a b', 'x\r\nVia: y', 'é', 'x'.repeat(129), '<script>']) t.false(isAcceptableTraceId(bad), bad)
})

test('a step without a row changes nothing and says so', (t) => {
  const door = {
    open: { push: ['shut', () => ['slam']] },
    shut: {}
  } satisfies Table<'open' | 'shut', { type: 'push' }, string>
  t.deepEqual(step<'open' | 'shut', { type: 'push' }, string, void>(door, 'open', { type: 'push' }, undefined), {
    state: 'shut',
    effects: ['slam'],
    allowed: true
  })
  t.deepEqual(step<'open' | 'shut', { type: 'push' }, string, void>(door, 'shut', { type: 'push' }, undefined), {
    state: 'shut',
    effects: [],
    allowed: false
  })
})

test('a machine at work takes an event that an effect fires from its next state, and tells of those without a row', (t) => {
  type Door = 'open' | 'shut' | 'locked'
  const table = {
    open: { push: ['shut', () => ['slam']] },
    shut: { turn: ['locked', () => ['click']] },
    locked: {}
  } satisfies Table<Door, { type: 'push' } | { type: 'turn' }, string>
  const heard: string[] = []
  const door = runMachine<Door, { type: 'push' } | { type: 'turn' }, string>(
    table,
    'open',
    (effect) => {
      heard.push(effect)
      if (effect === 'slam') door.fire({ type: 'turn' })
    },
    (state, { type }) => heard.push(`${type} in ${state}`)
  )
  door.fire({ type: 'push' })
  door.fire({ type: 'push' })
  t.deepEqual(heard, ['slam', 'click', 'push in locked'])
  t.is(door.state(), 'locked')
})

test('errors carry a code, and decoding errors the place', (t) => {
  const error = new DecodeError('rtp.header.short', 'header is cut off', { path: 'rtp.header', bitOffset: 88 })
  t.is(errorCode(error), 'rtp.header.short')
  t.regex(error.message, /octet 11/)
  t.is(errorCode(new Error('plain')), 'unknown')
})

test('a delay beyond 24.8 days does not expire at once', async (t) => {
  let expired = false
  const cancel = systemClock.after(5_000_000_000, () => {
    expired = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  cancel()
  t.false(expired)
})
