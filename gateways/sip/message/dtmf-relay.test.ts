import test from 'ava'
import { readDtmfInfo } from './dtmf-relay.ts'

test('keys by INFO are read in the forms that phones send', (t) => {
  t.deepEqual(readDtmfInfo('application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n'), { digit: '5', durationMs: 160 })
  t.deepEqual(readDtmfInfo('application/dtmf-relay', 'Signal= #\nDuration = 90'), { digit: '#', durationMs: 90 })
  t.deepEqual(readDtmfInfo('application/dtmf', ' d\r\n'), { digit: 'D', durationMs: 0 })
  for (const bad of ['', 'Signal=55', 'Signal=', 'hello', 'x'.repeat(300)])
    t.is(readDtmfInfo('application/dtmf-relay', bad), null)
})
