import test from 'ava'
import {
  type CallOutAnswer,
  type CallOutEnd,
  type CallOutProgress,
  type CallOutRefusal,
  type CallOutRequest,
  type LegStats,
  silentLog,
  type WitnessEvent
} from '#kernel'
import { callOutward, type H323Event } from './bridge.ts'

const callee = {
  id: 'expert-1',
  uri: 'sip:expert-1@x',
  contact: 'sip:expert-1@127.0.0.1',
  specialisations: ['safety'],
  contrarian: false
}
const refusal: CallOutRefusal = {
  ok: false,
  by: 'callee',
  security: false,
  status: 486,
  code: 'sip.486',
  reason: 'busy',
  retryAfterMs: null
}

/** Both sides as the test plays them. */
function scene() {
  const done: string[] = []
  const entries: WitnessEvent[] = []
  const answered = Promise.withResolvers<CallOutAnswer>()
  const outEnded = Promise.withResolvers<CallOutEnd>()
  const callerEnded = Promise.withResolvers<{ cause: number; stats: LegStats | null }>()
  const listeners: ((event: H323Event) => void)[] = []
  let progress: (event: CallOutProgress) => void = () => undefined
  let key: (participant: string, digit: string) => void = () => undefined
  let wish: CallOutRequest | null = null
  const over = callOutward(
    {
      calls: {
        place: (request, onProgress) => {
          wish = request
          progress = onProgress
          return {
            traceId: 'b'.repeat(32),
            callId: 'x',
            answered: answered.promise,
            ended: outEnded.promise,
            hold: async (on) => {
              done.push(`hold ${on}`)
              return { ok: true }
            },
            stop: (why) => {
              done.push(`stop ${why}`)
              answered.resolve({ ...refusal, status: 487 })
              outEnded.resolve({ by: 'application', reason: why, durationMs: 0 })
            }
          }
        }
      },
      floor: {
        onKey: (_, listener) => {
          key = listener
          return () => void done.push('deaf')
        },
        sendDigit: (_conference, participant, digit, durationMs) => void done.push(`${participant} hears ${digit} ${durationMs}`)
      },
      witness: {
        record: async (event) => {
          entries.push(event)
          return { state: 'spooled' }
        }
      },
      log: silentLog,
      ringTimeoutMs: 1000
    },
    {
      traceId: 'a'.repeat(32),
      parentTraceId: 'case-1',
      participant: 'room-1',
      onEvent: (listener) => void listeners.push(listener),
      proceed: () => void done.push('proceed'),
      alert: (inBand) => void done.push(`alert ${inBand}`),
      answer: async () => {
        done.push('answer')
        return true
      },
      sendDigit: (digit) => void done.push(`room-1 hears ${digit}`),
      release: (cause) => {
        done.push(`release ${cause}`)
        callerEnded.resolve({ cause, stats: null })
      },
      ended: callerEnded.promise
    },
    callee
  )
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    done,
    entries,
    answered,
    outEnded,
    callerEnded,
    over,
    settle,
    wish: () => wish!,
    progress: (event: CallOutProgress) => progress(event),
    key: (participant: string, digit: string) => key(participant, digit),
    tell: (event: H323Event) => {
      for (const listener of listeners) listener(event)
    },
    states: () => entries.filter(({ event }) => event === 'BRIDGE_STATE_CHANGED').map(({ payload }) => payload.state)
  }
}

test('a terminal reaches an expert: it rings once, answers when he does, keys cross, the end comes through', async (t) => {
  const s = scene()
  t.like(s.wish(), { hazard: 'safety', conference: `bridge-${'a'.repeat(32)}`, parentTraceId: 'case-1', role: 'expert' })
  s.progress({ type: 'trying' })
  s.progress({ type: 'ringing', status: 180, earlyMedia: false })
  s.progress({ type: 'ringing', status: 180, earlyMedia: false })
  s.answered.resolve({ ok: true, participant: 'expert-1-b', codec: 'PCMU', setupMs: 5 })
  await s.settle()
  s.key('expert-1-b', '3')
  s.key('room-1', '4')
  s.tell({ type: 'digit', digit: '5', durationMs: 90 })
  s.tell({ type: 'held', held: true })
  s.tell({ type: 'held', held: false })
  s.outEnded.resolve({ by: 'callee', reason: 'bye', durationMs: 1000 })
  await s.over
  t.deepEqual(
    s.done.filter((each) => !each.startsWith('stop')),
    [
      'proceed',
      'alert false',
      'answer',
      'room-1 hears 3',
      'expert-1-b hears 5 90',
      'hold true',
      'hold false',
      'release 16',
      'deaf'
    ]
  )
  t.deepEqual(s.states(), ['SETUP', 'RINGING', 'CONNECTED', 'HOLD', 'CONNECTED', 'DISCONNECTING', 'DISCONNECTED'])
  t.like(s.entries.at(-1), { event: 'TERMINATED', parentTraceId: 'case-1', payload: { hungUpBy: 'callee', cause: 16 } })
})

test('early sound is an alerting in band; busy is busy on the other side', async (t) => {
  const s = scene()
  s.progress({ type: 'ringing', status: 183, earlyMedia: true })
  s.answered.resolve(refusal)
  s.outEnded.resolve({ by: 'callee', reason: 'sip.486', durationMs: 0 })
  await s.over
  t.deepEqual(s.done.slice(0, 3), ['proceed', 'alert true', 'release 17'])
  t.like(s.entries.find(({ event }) => event === 'BRIDGE_FAILED')?.payload, { step: 'sip-leg', status: 486 })
  t.is(s.states().at(-1), 'DISCONNECTED')
})

test('a Q.850 cause in the Reason of a final response or a BYE is what the terminal is told', async (t) => {
  const declined = scene()
  declined.answered.resolve({ ...refusal, status: 480, code: 'sip.480', reasonHeader: 'Q.850;cause=20' })
  declined.outEnded.resolve({ by: 'callee', reason: 'sip.480', durationMs: 0 })
  await declined.over
  t.true(declined.done.includes('release 20'))
  const hungUp = scene()
  hungUp.answered.resolve({ ok: true, participant: 'expert-1-b', codec: 'PCMU', setupMs: 5 })
  hungUp.outEnded.resolve({ by: 'callee', reason: 'bye', reasonHeader: 'SIP;cause=200, Q.850;cause=41', durationMs: 1000 })
  await hungUp.over
  t.true(hungUp.done.includes('release 41'))
})

test('a terminal that gives up while it rings: the call out is cancelled, and no answer is claimed any more', async (t) => {
  const s = scene()
  t.true(s.wish().claim())
  s.callerEnded.resolve({ cause: 16, stats: null })
  await s.over
  t.false(s.wish().claim())
  t.true(s.done.includes('stop cancelled'))
})
