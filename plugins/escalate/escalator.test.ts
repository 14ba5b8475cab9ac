import test from 'ava'
import fc from 'fast-check'
import {
  type BridgedCall,
  type CallBridge,
  type CallBridgeChange,
  type CallBridgeSession,
  type CallBridgeState,
  type CallContext,
  type Callee,
  errorCode,
  manualClock,
  silentLog,
  type WitnessEvent
} from '#kernel'
import { type BridgeWish, createEscalator } from './escalator.ts'
import { createEventLog } from './events.ts'
import type { IfMessageInput } from './message.ts'
import type { EscalateSettings } from './settings.ts'
import { fakeCalls } from './testing/fake-calls.ts'
import { escalationEvents, escalationView } from './view.ts'

const callee = (id: string, contrarian = false): Callee => ({
  id,
  uri: `sip:${id}@external.advisor`,
  contact: `sip:${id}@192.0.2.7;transport=tls`,
  specialisations: ['safety'],
  contrarian
})

function start(settings: Partial<EscalateSettings> = {}, bridges: (wish: BridgeWish) => readonly CallBridge[] = () => []) {
  const clock = manualClock()
  const calls = fakeCalls()
  const experts = [callee('one'), callee('two'), callee('three'), callee('doubter', true)]
  const entries: WitnessEvent[] = []
  const witness: { refuse: boolean; gate: Promise<void> | null } = { refuse: false, gate: null }
  const escalator = createEscalator(settings, {
    calls,
    clock,
    log: silentLog,
    random: () => 0,
    bridges,
    directory: () => ({
      byId: (id) => experts.find((each) => each.id === id),
      bySpecialisation: (hazard) => (hazard === 'safety' ? experts : [])
    }),
    witness: {
      record: async (event) => {
        await witness.gate
        if (witness.refuse) throw new Error('disk full')
        entries.push(event)
        return { state: 'spooled' }
      }
    }
  })
  const told = () => escalator.events.after(0).map(({ type }) => type)
  const begin = async (payload: Partial<IfMessageInput['payload']> = {}, idempotencyKey?: string) =>
    (await escalator.escalate(message(payload), { by: 'tester', idempotencyKey })).escalation
  return { escalator, calls, clock, entries, witness, told, begin }
}

const message = (payload: Partial<IfMessageInput['payload']> = {}): IfMessageInput => ({
  performative: 'escalate',
  sender: 'agent',
  payload: { hazard: 'safety', ...payload }
})

const file = { name: 'log.txt', sha256: 'a'.repeat(64), bytes: 12 }

const settled = async () => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('an expert answers, talks, hangs up: view, events and record agree', async (t) => {
  const { escalator, calls, begin, told, entries } = start()
  const { id } = await begin({ trace_id: 'case-42', expert: 'one' })
  const call = calls.calls[0]!
  t.like(call.request, { hazard: 'safety', conference: 'council', parentTraceId: 'case-42', ringTimeoutMs: 30_000 })
  call.progress({ type: 'calling' })
  call.progress({ type: 'trying' })
  call.progress({ type: 'ringing', status: 180, earlyMedia: false })
  t.true(call.answer())
  const connected = await escalator.result(id)
  t.like(connected, { state: 'connected', trace_id: 'case-42', result: { status: 'connected' } })
  call.hangUp({ durationMs: 61_000 })
  const ended = await escalator.ended(id)
  t.like(ended.legs[0], { state: 'ended', expert: 'one', participant: 'p1' })
  t.like(ended.legs[0]!.branches[0], { state: 'ended', duration_ms: 61_000, setup_ms: 20 })
  t.deepEqual(told(), ['requested', 'calling', 'trying', 'ringing', 'connected', 'result', 'hung-up', 'ended'])
  t.deepEqual(
    entries.map(({ event }) => event),
    ['escalation_requested', 'escalation_calling', 'escalation_result', 'escalation_hung_up', 'escalation_ended']
  )
  t.true(entries.every(({ traceId, component }) => traceId === 'case-42' && component === 'IF.escalate'))
  t.notThrows(() => escalationView.parse(ended))
  for (const event of escalator.events.after(0)) t.notThrows(() => escalationEvents[event.type].parse(event), event.type)
})

test('sequential hunting goes on past a busy and a declining expert', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin()
  calls.calls[0]!.refuse({ status: 486 })
  await settled()
  calls.calls[1]!.refuse({ status: 603, code: 'sip.603' })
  await settled()
  t.is(calls.calls.length, 3)
  calls.calls[2]!.answer()
  t.like((await escalator.result(id)).legs[0], { expert: 'three' })
})

test('nobody is reached: the weightiest refusal is the result', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin()
  calls.calls[0]!.refuse({ status: 603, code: 'sip.603', reason: 'Decline' })
  await settled()
  calls.calls[1]!.refuse({ status: 486 })
  await settled()
  calls.calls[2]!.refuse({ by: 'caller', status: null, code: 'call-out.no-answer' })
  t.like(await escalator.ended(id), { state: 'ended', result: { status: 'rejected', code: 'sip.603', reason: 'Decline' } })
})

test('IF.guard says no: rejected, or security_rejected for an attack', async (t) => {
  const { escalator, calls, begin } = start()
  const plain = await begin({ expert: 'one' })
  calls.calls[0]!.refuse({ by: 'guard', status: null, code: 'guard.rate.exceeded' })
  t.like(await escalator.result(plain.id), { result: { status: 'rejected', code: 'guard.rate.exceeded' } })
  const attack = await begin({ expert: 'one' })
  calls.calls[1]!.refuse({ by: 'guard', status: null, code: 'guard.x.y', security: true })
  t.like(await escalator.result(attack.id), { result: { status: 'security_rejected' } })
})

test('parallel hunting: the first answer wins, the others are stopped and a late one is not heard', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin({ hunt: 'parallel' })
  const [one, two, three] = calls.calls
  t.true(two!.answer())
  t.deepEqual([one!.stops, three!.stops], [['answered-elsewhere'], ['answered-elsewhere']])
  t.false(one!.answer())
  t.like(await escalator.result(id), { legs: [{ expert: 'two' }] })
})

test('503 with Retry-After: called again when it is time', async (t) => {
  const { escalator, calls, begin, clock } = start()
  const { id } = await begin({ expert: 'one' })
  calls.calls[0]!.refuse({ status: 503, code: 'sip.503', retryAfterMs: 5000 })
  await settled()
  clock.advance(4999)
  t.is(calls.calls.length, 1)
  clock.advance(1)
  calls.calls[1]!.answer()
  t.like((await escalator.result(id)).legs[0]!.branches[1], { attempt: 2, expert: 'one' })
})

test('a contrarian is called too, and the escalation ends with the last call', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin({ expert: 'one', contrarian: true })
  const [expert, contrarian] = calls.calls
  t.is(contrarian!.request.callee.id, 'doubter')
  expert!.answer()
  contrarian!.answer()
  await settled()
  expert!.hangUp()
  await settled()
  t.is(escalator.get(id)!.state, 'connected')
  contrarian!.hangUp()
  t.like(await escalator.ended(id), {
    legs: [
      { kind: 'expert', expert: 'one' },
      { kind: 'contrarian', expert: 'doubter' }
    ]
  })
})

test('no expert, no contrarian: the contrarian is stopped when nobody else is reached', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin({ expert: 'one', contrarian: true })
  calls.calls[0]!.refuse({ status: 486 })
  const ended = await escalator.ended(id)
  t.deepEqual(calls.calls[1]!.stops, ['cancelled'])
  t.like(ended, { result: { status: 'failed', code: 'sip.486' } })
})

test('cancelled while it rings, while it waits, and while they talk', async (t) => {
  const { escalator, calls, begin, clock } = start()
  const ringing = await begin({ expert: 'one' })
  t.true(escalator.cancel(ringing.id, 'tester'))
  t.like(await escalator.ended(ringing.id), { result: { status: 'failed', code: 'escalate.cancelled' } })

  const waiting = await begin({ expert: 'one' })
  calls.calls[1]!.refuse({ status: 503, code: 'sip.503' })
  await settled()
  escalator.cancel(waiting.id, 'tester')
  t.like(await escalator.ended(waiting.id), { result: { code: 'escalate.cancelled' } })
  t.is(clock.pending(), 0)

  const talking = await begin({ expert: 'one' })
  calls.calls[2]!.answer()
  await escalator.result(talking.id)
  escalator.cancel(talking.id, 'tester')
  t.like(await escalator.ended(talking.id), { result: { status: 'connected' } })
  t.deepEqual(calls.calls[2]!.stops, ['escalation-ended'])
  t.false(escalator.cancel('0'.repeat(32), 'tester'))
})

test('an idempotency key escalates once, and never stands for another message', async (t) => {
  const { escalator, calls } = start()
  const by = { by: 'tester', idempotencyKey: 'k1' }
  const [first, second] = await Promise.all([escalator.escalate(message(), by), escalator.escalate(message(), by)])
  t.deepEqual([first.created, second.created], [true, false])
  t.is(first.escalation.id, second.escalation.id)
  t.is(calls.calls.length, 1)
  t.is(errorCode(await t.throwsAsync(escalator.escalate(message({ expert: 'one' }), by))), 'escalate.key.reused')
  t.true((await escalator.escalate(message(), { by: 'another', idempotencyKey: 'k1' })).created)
  t.is(
    errorCode(await t.throwsAsync(escalator.escalate(message(), { by: 'tester', idempotencyKey: 'ä' }))),
    'escalate.key.invalid'
  )
})

test('no record, no call; and the same key may be tried again', async (t) => {
  const { escalator, calls, witness } = start()
  witness.refuse = true
  const by = { by: 'tester', idempotencyKey: 'k1' }
  t.is(errorCode(await t.throwsAsync(escalator.escalate(message(), by))), 'escalate.unrecorded')
  t.is(calls.calls.length, 0)
  witness.refuse = false
  t.true((await escalator.escalate(message(), by)).created)
})

test('limits: escalations at a time, and how many are remembered', async (t) => {
  const { escalator, calls, begin } = start({ mostOpen: 2, remembered: 2 })
  const first = await begin({ expert: 'one' })
  await begin({ expert: 'two' })
  t.is(errorCode(await t.throwsAsync(begin())), 'escalate.busy')
  calls.calls[0]!.refuse({})
  await escalator.ended(first.id)
  for (let n = 0; n < 3; n++) {
    const next = await begin({ expert: 'one' })
    calls.calls.at(-1)!.refuse({})
    await escalator.ended(next.id)
  }
  t.is(escalator.list().length, 3)
  t.is(escalator.get(first.id), undefined)
  t.is(errorCode(await t.throwsAsync(escalator.ended(first.id))), 'escalate.unknown')
})

test('what is not a message, and a conference there is none of', async (t) => {
  const { escalator, begin, calls } = start()
  const error = await t.throwsAsync(escalator.escalate({ performative: 'inform' } as never, { by: 'tester' }))
  t.is(errorCode(error), 'escalate.message.invalid')
  t.like(await begin({ conference: 'elsewhere' }), { result: { status: 'rejected', code: 'escalate.conference.unknown' } })
  t.like(await begin({ expert: 'nobody' }), { state: 'ended', result: { code: 'escalate.expert.unknown' } })
  t.is(calls.calls.length, 0)
})

/** A bridge that the test moves. */
function fakeBridge(name: string, target?: string) {
  const opened: {
    context: CallContext
    call: BridgedCall
    closed: string[]
    move: (state: CallBridgeState, reason?: string) => void
  }[] = []
  const bridge: CallBridge = {
    name,
    ...(target === undefined ? {} : { target }),
    open: (context, call) => {
      let state: CallBridgeState = 'CONNECTING'
      const listeners: ((change: CallBridgeChange) => void)[] = []
      const closed: string[] = []
      const move = (next: CallBridgeState, reason: string | null = null) => {
        const previous = state
        state = next
        for (const listener of listeners) listener({ state, previous, reason })
      }
      opened.push({ context, call, closed, move })
      const session: CallBridgeSession = {
        state: () => state,
        onChange: (listener) => void listeners.push(listener),
        close: async (reason) => {
          closed.push(reason)
          move('CLOSED', reason)
        }
      }
      return { ok: true, session }
    }
  }
  return { bridge, opened }
}

test('bridges begin with the answer and end with the call; one that fails leaves the others and the call, degraded', async (t) => {
  const [h323, webrtc, ndi] = [fakeBridge('h323', 'room-1'), fakeBridge('webrtc'), fakeBridge('ndi')]
  const wishes: BridgeWish[] = []
  const { escalator, calls, begin, entries } = start({}, (wish) => {
    wishes.push(wish)
    return [h323.bridge, webrtc.bridge, ndi.bridge]
  })
  const { id } = await begin({ trace_id: 'case-42', expert: 'one', ndi_video_enabled: true, evidence_files: [file] })
  t.deepEqual(wishes, [])
  t.is(escalator.get(id)!.bridge_state, 'IDLE')
  calls.calls[0]!.answer()
  await settled()
  t.deepEqual(wishes, [{ conference: 'council', ndiVideo: true }])
  const [{ context, call }] = h323.opened as [(typeof h323.opened)[0]]
  const callTrace = escalator.get(id)!.legs[0]!.branches[0]!.call_trace_id
  t.like(context, { traceId: callTrace, parentTraceId: 'case-42' })
  t.deepEqual(call, { conference: 'council', expertId: 'one' })
  for (const { opened } of [h323, webrtc, ndi]) opened[0]!.move('ACTIVE')
  t.like(escalator.get(id), { degraded: false, bridge_state: 'ACTIVE' })
  ndi.opened[0]!.move('DEGRADED', 'ndi.frames.none')
  t.like(escalator.get(id), { state: 'connected', degraded: true, bridge_state: 'DEGRADED' })
  ndi.opened[0]!.move('FAILED', 'ndi.source.gone')
  t.like(escalator.get(id), {
    state: 'connected',
    degraded: true,
    evidence_files: [{ name: 'log.txt', bytes: 12 }],
    bridges: [
      { bridge: 'h323', target: 'room-1', state: 'ACTIVE', reason: null },
      { bridge: 'webrtc', target: null, state: 'ACTIVE' },
      { bridge: 'ndi', state: 'FAILED', reason: 'ndi.source.gone' }
    ]
  })
  calls.calls[0]!.hangUp()
  const ended = await escalator.ended(id)
  t.is(ended.bridge_state, 'CLOSED')
  for (const { opened } of [h323, webrtc, ndi]) t.deepEqual(opened[0]!.closed, ['call.ended'])
  t.true(context.signal.aborted)
  const changes = entries.filter(({ event }) => event === 'BRIDGE_STATE_CHANGED')
  t.deepEqual(
    changes.filter(({ payload }) => payload.bridge === 'ndi').map(({ payload }) => [payload.previous, payload.state]),
    [
      ['IDLE', 'CONNECTING'],
      ['CONNECTING', 'ACTIVE'],
      ['ACTIVE', 'DEGRADED'],
      ['DEGRADED', 'FAILED'],
      ['FAILED', 'CLOSED']
    ]
  )
  t.true(changes.every(({ traceId, parentTraceId }) => traceId === callTrace && parentTraceId === 'case-42'))
})

test('a bridge that is not there is skipped with its reason, which is no fault', async (t) => {
  const bridge: CallBridge = { name: 'ndi', open: () => ({ ok: false, skipped: 'ndi.off', detail: 'NDI is off' }) }
  const { escalator, calls, begin, entries } = start({}, () => [bridge])
  const { id } = await begin({ expert: 'one', ndi_video_enabled: true })
  calls.calls[0]!.answer()
  t.like(await escalator.result(id), {
    degraded: false,
    bridges: [{ bridge: 'ndi', state: 'IDLE', skipped: 'ndi.off', reason: 'NDI is off' }]
  })
  calls.calls[0]!.hangUp()
  await escalator.ended(id)
  t.like(
    entries.find(({ event }) => event === 'BRIDGE_SKIPPED'),
    { payload: { bridge: 'ndi', skipped: 'ndi.off' } }
  )
  t.false(entries.some(({ event }) => event === 'BRIDGE_STATE_CHANGED'))
})

test('held and resumed, expert and contrarian alike', async (t) => {
  const { escalator, calls, begin } = start()
  const { id } = await begin({ expert: 'one', contrarian: true })
  t.like(await escalator.hold(id, true, 'tester'), { ok: false, code: 'escalate.not-connected' })
  for (const call of calls.calls) call.answer()
  await settled()
  t.deepEqual(await escalator.hold(id, true, 'tester'), { ok: true })
  t.deepEqual(await escalator.hold(id, false, 'tester'), { ok: true })
  t.deepEqual(
    calls.calls.map(({ holds }) => holds),
    [
      [true, false],
      [true, false]
    ]
  )
})

test('closing cancels what is open', async (t) => {
  const { escalator, calls, begin } = start()
  await begin({ expert: 'one' })
  await escalator.close()
  t.is(calls.open(), 0)
  t.is(errorCode(await t.throwsAsync(begin())), 'escalate.closed')
})

test('those that are being recorded count, so that many at once are no more than may be', async (t) => {
  const { begin, calls } = start({ mostOpen: 2 })
  const all = await Promise.allSettled(Array.from({ length: 5 }, () => begin({ expert: 'one' })))
  t.deepEqual(
    all.map((each) => (each.status === 'fulfilled' ? 'begun' : errorCode(each.reason))),
    ['begun', 'begun', 'escalate.busy', 'escalate.busy', 'escalate.busy']
  )
  t.is(calls.calls.length, 2)
})

test('one that was being recorded when the suite shut down calls nobody, and has its end in the record', async (t) => {
  const { escalator, begin, calls, witness, entries } = start()
  const recorded = Promise.withResolvers<void>()
  witness.gate = recorded.promise
  const begun = begin({ expert: 'one' })
  const closing = escalator.close()
  recorded.resolve()
  t.like(await begun, { result: { status: 'failed', code: 'escalate.closed' } })
  await closing
  t.is(calls.calls.length, 0)
  t.deepEqual(
    entries.map(({ event }) => event),
    ['escalation_requested', 'escalation_result', 'escalation_ended']
  )
})

test('events of a later run stand behind those of the one before, for who goes on behind a number', async (t) => {
  const clock = manualClock(1_700_000_000_000)
  const numbered = () => createEventLog(clock, 3, (error) => t.fail(String(error)))
  const requested = { type: 'requested', escalation: '0'.repeat(32), trace_id: 't', hazard: 'safety', sender: 's' } as const
  const before = numbered()
  for (let n = 0; n < 5; n++) before.tell(requested)
  const seen = before.after(0).map(({ id }) => id)
  t.deepEqual([seen.length, before.after(seen[0]!).length, before.after(before.last()).length], [3, 2, 0])
  clock.advance(1000)
  const next = numbered()
  t.is(next.after(before.last()).length, 0)
  next.tell(requested)
  t.is(next.after(before.last()).length, 1)
  t.is(next.after(next.last() + 60_000).length, 1, 'a number of a run whose clock was ahead')
})

const action = fc.record({
  call: fc.nat({ max: 9 }),
  what: fc.constantFrom('answer', 'busy', 'unavailable', 'hangUp', 'cancel', 'time', 'ring')
})

test('in every order of events each escalation has one result, ends, and leaves no call and no timer', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('sequential' as const, 'parallel' as const),
      fc.boolean(),
      fc.array(action, { maxLength: 15 }),
      async (hunt, contrarian, actions) => {
        const { escalator, calls, begin, clock } = start()
        const { id } = await begin({ hunt, contrarian })
        for (const { call, what } of actions) {
          const target = calls.calls[call % Math.max(1, calls.calls.length)]
          if (what === 'cancel') escalator.cancel(id, 'tester')
          else if (what === 'time') clock.advance(3000)
          else if (what === 'answer') target?.answer()
          else if (what === 'busy') target?.refuse({ status: 486 })
          else if (what === 'unavailable') target?.refuse({ status: 503, code: 'sip.503' })
          else if (what === 'hangUp') target?.hangUp()
          else target?.progress({ type: 'ringing', status: 180, earlyMedia: false })
          await settled()
        }
        escalator.cancel(id, 'tester')
        const ended = await escalator.ended(id)
        const events = escalator.events.after(0).map(({ type }) => type)
        return (
          ended.state === 'ended' &&
          ended.result !== null &&
          events.filter((type) => type === 'ended').length === 1 &&
          events.at(-1) === 'ended' &&
          events.filter((type) => type === 'result').length === ended.legs.length &&
          calls.open() === 0 &&
          clock.pending() === 0
        )
      }
    ),
    { numRuns: 60 }
  )
  t.pass()
})
