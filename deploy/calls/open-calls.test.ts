import test from 'ava'
import { findOpenCalls, type RecordedEvent } from './open-calls.ts'

const invite = (traceId: string, application = 'sip-1', parentTraceId?: string): RecordedEvent => ({
  event: 'INVITE',
  traceId,
  parentTraceId,
  at: 7,
  payload: { application, callId: `${traceId}@phone` }
})
const end = (traceId: string, event = 'TERMINATED'): RecordedEvent => ({ event, traceId, at: 9, payload: {} })

test('a call is open from its INVITE until it was terminated or rejected', (t) => {
  const entries = [
    invite('a'),
    invite('b'),
    invite('c', 'sip-1', 'case'),
    end('a'),
    end('b', 'REJECTED'),
    invite('d'),
    end('d', 'SECURITY_REJECTED')
  ]
  t.deepEqual(findOpenCalls(entries, 'sip-1'), [
    { traceId: 'c', parentTraceId: 'case', callId: 'c@phone', receivedAt: 7, bridges: [] }
  ])
})

test('calls of another application are its own affair', (t) => {
  t.deepEqual(findOpenCalls([invite('a', 'sip-2')], 'sip-1'), [])
})

test('what ran beside a call is left as it stood; what was closed, or is told by others, is not', (t) => {
  const change = (payload: object): RecordedEvent => ({
    event: 'BRIDGE_STATE_CHANGED',
    traceId: 'a',
    at: 8,
    payload: { ...payload }
  })
  const [found] = findOpenCalls(
    [
      invite('a'),
      change({ bridge: 'h323', target: 'guardian-1', state: 'CONNECTING' }),
      change({ bridge: 'h323', target: 'guardian-2', state: 'ACTIVE' }),
      change({ bridge: 'h323', target: 'guardian-1', state: 'ACTIVE' }),
      change({ bridge: 'webrtc', target: null, state: 'DEGRADED' }),
      change({ bridge: 'ndi', target: null, state: 'ACTIVE' }),
      change({ bridge: 'h323', target: 'guardian-2', state: 'CLOSED' }),
      change({ bridge: 'ndi', target: null, state: 'FAILED' }),
      change({ previous: 'SETUP', state: 'CONNECTED' }),
      change({ bridge: 'ndi', target: 7, state: 'ACTIVE' }),
      { ...change({ bridge: 'h323', target: 'guardian-3', state: 'ACTIVE' }), traceId: 'b' }
    ],
    'sip-1'
  )
  t.deepEqual(found!.bridges, [
    { bridge: 'h323', target: 'guardian-1', state: 'ACTIVE' },
    { bridge: 'webrtc', target: null, state: 'DEGRADED' },
    { bridge: 'ndi', target: null, state: 'FAILED' }
  ])
})
