import test from 'ava'
import { reasonOfBye } from './end-cause.ts'

test('a BYE says why in terms of SIP or Q.850', (t) => {
  t.is(reasonOfBye({ by: 'conference', reason: 'media-timeout' }), 'SIP;cause=408;text="Media timeout"')
  t.is(reasonOfBye({ by: 'application', reason: 'anything else' }), 'Q.850;cause=16;text="Normal call clearing"')
})
