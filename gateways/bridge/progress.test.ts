import test from 'ava'
import { h323OfSip, sipOfH323 } from './progress.ts'

test('progress of H.323 in SIP', (t) => {
  t.deepEqual(sipOfH323({ type: 'proceeding' }), { status: 100, sdp: false })
  t.deepEqual(sipOfH323({ type: 'alerting', inBand: false }), { status: 180, sdp: false })
  t.deepEqual(sipOfH323({ type: 'alerting', inBand: true }), { status: 183, sdp: true })
  t.deepEqual(sipOfH323({ type: 'progress', inBand: true }), { status: 183, sdp: true })
  t.is(sipOfH323({ type: 'progress', inBand: false }), null)
})

test('progress of SIP in H.323', (t) => {
  t.deepEqual(h323OfSip({ status: 100, sdp: false }), { type: 'proceeding' })
  t.deepEqual(h323OfSip({ status: 180, sdp: false }), { type: 'alerting', inBand: false })
  t.deepEqual(h323OfSip({ status: 180, sdp: true }), { type: 'alerting', inBand: true })
  t.deepEqual(h323OfSip({ status: 183, sdp: true }), { type: 'progress', inBand: true })
  for (const status of [181, 182, 183, 199]) t.is(h323OfSip({ status, sdp: false }), null)
})
