import test from 'ava'
import {
  type CallContext,
  type Clock,
  type ConferenceLeg,
  type ConferencePort,
  InfraFabricError,
  type LegEvent,
  type LegStats,
  silentLog,
  systemClock,
  type WitnessEvent
} from '#kernel'
import {
  type BridgeConfig,
  bridgedConferences,
  type CodecName,
  type H323Event,
  type H323Leg,
  type H323Request
} from './bridge.ts'

const stats: LegStats = {
  codec: 'PCMU/8000',
  received: { packets: 10, bytes: 1600, errors: 1, dropped: 2 },
  sent: { packets: 11, bytes: 1760, errors: 0, dropped: 0 },
  jitterMs: 1,
  lost: 0,
  roundTripMs: null,
  encrypted: true,
  ice: null,
  quality: null
}

/** Timers that keep the process alive: nothing else here does. */
const clock: Clock = {
  ...systemClock,
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms)
    return () => clearTimeout(timer)
  }
}

/** Both sides as the test plays them. */
function scene(more: Partial<BridgeConfig> = {}, codec: string | null = 'G722/8000') {
  const done: string[] = []
  const entries: WitnessEvent[] = []
  const abort = new AbortController()
  const near: ((event: LegEvent) => void)[] = []
  const far: ((event: H323Event) => void)[] = []
  const answer = Promise.withResolvers<Awaited<H323Leg['answered']>>()
  const ended = Promise.withResolvers<Awaited<H323Leg['ended']>>()
  let request: H323Request | null = null
  const leg: ConferenceLeg = {
    codec: () => codec,
    localSdp: () => 'v=0 local',
    offered: async (sdp) => ({ ok: true, sdp: 'v=0 answer', held: sdp.includes('sendonly') }),
    answered: async () => ({ ok: true, held: false }),
    stats: async () => stats,
    sendDigit: (digit, durationMs) => void done.push(`sip digit ${digit} ${durationMs}`),
    leave: async () => {
      done.push('sip left')
      return stats
    },
    onEvent: (listener) => void near.push(listener)
  }
  const conference: ConferencePort = {
    join: async (_, asked) => {
      done.push(`sip joins ${asked.conference.slice(0, 10)}`)
      return asked.offer === 'bad'
        ? { ok: false, code: 'sdp.no-common-codec', reason: 'none' }
        : { ok: true, leg, sdp: 'v=0 local' }
    }
  }
  const port = bridgedConferences({
    conference,
    h323: {
      dial: (asked) => {
        request = asked
        done.push(`dial ${asked.target}`)
        return {
          traceId: 'f'.repeat(32),
          onEvent: (listener) => void far.push(listener),
          answered: answer.promise,
          ended: ended.promise,
          hold: () => void done.push('hold'),
          retrieve: () => void done.push('retrieve'),
          sendDigit: (digit, durationMs) => void done.push(`h323 digit ${digit} ${durationMs}`),
          release: (cause) => {
            done.push(`release ${cause}`)
            answer.resolve({ ok: false, cause, reason: null })
            ended.resolve({ cause, stats: { ...stats, codec: 'PCMA', encrypted: false } })
          }
        }
      }
    },
    witness: {
      record: async (event) => {
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    log: silentLog,
    targetOf: (name) => (name.startsWith('room-') ? name : null),
    codecs: new Set<CodecName>(['opus', 'G722', 'PCMU', 'PCMA']),
    mediaTimeoutMs: 50,
    clock,
    ...more
  })
  const context: CallContext = {
    traceId: 'a'.repeat(32),
    parentTraceId: 'caller-1',
    log: silentLog,
    signal: abort.signal,
    now: () => 0
  }
  const early: string[] = []
  const join = (conferenceName = 'room-1', offer: string | null = 'v=0') =>
    port.join(context, {
      conference: conferenceName,
      participant: 'expert-1',
      role: 'expert',
      offer,
      onEarlyMedia: (sdp) => void early.push(sdp)
    })
  const tellFar = (event: H323Event) => {
    for (const listener of far) listener(event)
  }
  const tellNear = (event: LegEvent) => {
    for (const listener of near) listener(event)
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  const states = () => entries.filter(({ event }) => event === 'BRIDGE_STATE_CHANGED').map(({ payload }) => payload.state)
  return { join, done, entries, early, tellFar, tellNear, answer, ended, abort, settle, states, request: () => request }
}

const open = { type: 'media', codec: 'G722', both: true } as const

test('five steps to a bridge, digits and hold across it, and its end', async (t) => {
  const { join, done, entries, tellFar, tellNear, answer, settle, states, request } = scene()
  const joining = join()
  await settle()
  t.like(request(), { target: 'room-1', conference: `bridge-${'a'.repeat(32)}`, parentTraceId: 'caller-1', role: 'expert' })
  tellFar({ type: 'alerting', inBand: false })
  tellFar(open)
  answer.resolve({ ok: true })
  const joined = await joining
  if (!joined.ok) return t.fail(joined.reason)
  t.deepEqual(states(), ['SETUP', 'RINGING', 'CONNECTED'])
  const established = entries.find(({ event }) => event === 'BRIDGE_ESTABLISHED')!
  t.like(established.payload, { stage: 'direct', sip: 'G722', h323: 'G722', target: 'room-1', h323TraceId: 'f'.repeat(32) })
  t.is(established.parentTraceId, 'caller-1')
  tellNear({ type: 'dtmf', digit: '5', durationMs: 120 })
  tellFar({ type: 'digit', digit: '#', durationMs: null })
  await joined.leg.offered('v=0 a=sendonly')
  await joined.leg.offered('v=0 a=sendonly')
  await joined.leg.offered('v=0')
  tellFar({ type: 'held', held: true })
  tellFar({ type: 'held', held: false })
  t.deepEqual(states().slice(3), ['HOLD', 'CONNECTED', 'HOLD', 'CONNECTED'])
  await joined.leg.leave()
  await joined.leg.leave()
  t.deepEqual(done, [
    'sip joins bridge-aaa',
    'dial room-1',
    'h323 digit 5 120',
    'sip digit # 160',
    'hold',
    'retrieve',
    'sip left',
    'release 16'
  ])
  t.deepEqual(states().slice(-2), ['DISCONNECTING', 'DISCONNECTED'])
  t.like(entries.at(-1), {
    event: 'TERMINATED',
    payload: { cause: 16, sip: { encrypted: true }, h323: { encrypted: false, codec: 'PCMA' } }
  })
})

test('the terminal ends the call: the SIP side is told with the cause', async (t) => {
  const { join, tellFar, answer, ended, settle, states } = scene()
  const joining = join()
  await settle()
  tellFar(open)
  answer.resolve({ ok: true })
  const joined = await joining
  if (!joined.ok) return t.fail(joined.reason)
  const told: LegEvent[] = []
  joined.leg.onEvent((event) => told.push(event))
  ended.resolve({ cause: 27, stats: null })
  await settle()
  t.deepEqual(told, [{ type: 'ended', cause: 27 }])
  await joined.leg.leave()
  t.is(states().at(-1), 'DISCONNECTED')
})

test('sound before the answer goes to the SIP side, once there is some', async (t) => {
  const { join, early, tellFar, answer, settle } = scene()
  const joining = join()
  await settle()
  tellFar({ type: 'progress', inBand: false })
  t.deepEqual(early, [])
  tellFar({ type: 'progress', inBand: true })
  t.deepEqual(early, ['v=0 local'])
  answer.resolve({ ok: false, cause: 17, reason: 'inConf' })
  t.like(await joining, { ok: false, code: 'call.refused', status: 486 })
})

const failures: readonly (readonly [
  string,
  string,
  (s: ReturnType<typeof scene>) => Promise<void> | void,
  Parameters<typeof scene>,
  object,
  readonly string[]
])[] = [
  ['the SIP leg', 'sip-leg', () => undefined, [], { code: 'sdp.no-common-codec' }, ['sip joins bridge-aaa']],
  [
    'a terminal that is busy',
    'h323-leg',
    ({ answer, ended }) => {
      answer.resolve({ ok: false, cause: 17, reason: 'inConf' })
      ended.resolve({ cause: 17, stats: null })
    },
    [],
    { code: 'call.refused', status: 486 },
    ['sip joins bridge-aaa', 'dial room-1', 'release 17', 'sip left']
  ],
  [
    'codecs: nothing is spoken on both sides',
    'codecs',
    ({ answer, tellFar }) => {
      tellFar({ type: 'media', codec: 'PCMU', both: true })
      answer.resolve({ ok: true })
    },
    [{}, 'G729/8000'],
    { code: 'call.refused', status: 488 },
    ['sip joins bridge-aaa', 'dial room-1', 'release 65', 'sip left']
  ],
  [
    'media: the terminal opens one way only',
    'media',
    ({ answer, tellFar }) => {
      tellFar({ ...open, both: false })
      answer.resolve({ ok: true })
    },
    [],
    { code: 'call.refused', status: 504 },
    ['sip joins bridge-aaa', 'dial room-1', 'release 102', 'sip left']
  ],
  [
    'the record',
    'record',
    ({ answer, tellFar }) => {
      tellFar(open)
      answer.resolve({ ok: true })
    },
    [
      {
        witness: {
          record: async ({ event }) => {
            if (event === 'BRIDGE_ESTABLISHED') throw new InfraFabricError('witness.unrecorded', 'no')
            return { state: 'spooled' }
          }
        }
      }
    ],
    { code: 'call.refused', status: 503 },
    ['sip joins bridge-aaa', 'dial room-1', 'release 41', 'sip left']
  ]
]
for (const [name, at, play, how, expected, done] of failures)
  test(`a failure is cleaned up after and named: ${name}`, async (t) => {
    const s = scene(...how)
    const joining = s.join('room-1', at === 'sip-leg' ? 'bad' : 'v=0')
    await s.settle()
    await play(s)
    t.like(await joining, { ok: false, ...expected })
    t.deepEqual(s.done, done)
    const failed = s.entries.find(({ event }) => event === 'BRIDGE_FAILED')
    if (at !== 'record') t.is(failed?.payload.step, at)
    if (at !== 'record') {
      t.true(s.states().includes('ERROR'))
      t.is(s.states().at(-1), 'DISCONNECTED')
    }
  })

test('the caller gives up while the terminal rings: it is released at once', async (t) => {
  const { join, done, abort, tellFar, settle } = scene()
  const joining = join()
  await settle()
  tellFar({ type: 'alerting', inBand: false })
  abort.abort()
  t.like(await joining, { ok: false })
  t.deepEqual(done.slice(-2), ['release 16', 'sip left'])
})

test('conferences are joined as they are', async (t) => {
  const { join, done } = scene()
  t.true((await join('council')).ok)
  t.deepEqual(done, ['sip joins council'])
})
