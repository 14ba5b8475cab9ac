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
  t.deepEqual(findOpenCalls(entries, 'sip-1'), [{ traceId: 'c', parentTraceId: 'case', callId: 'c@phone', receivedAt: 7 }])
})

test('calls of another application are its own affair', (t) => {
  t.deepEqual(findOpenCalls([invite('a', 'sip-2')], 'sip-1'), [])
})
