import test from 'ava'
import { wayBeyond } from './way.ts'

const unreported = { rFactor: null, mosListening: null, mosConversational: null, jitterMs: null }

test('the stream to the browser tells round trip and loss, not the one it is made of', (t) => {
  const made = { type: 'inbound-rtp', roundTripTime: 900, packetsLost: 77 }
  t.deepEqual(wayBeyond([made, { type: 'outbound-rtp', roundTripTime: 48.5, packetsLost: 3 }]), {
    roundTripMs: 48.5,
    peer: { lost: 3, ...unreported }
  })
})

test('before the browser has reported nothing is known; more duplicates than losses are no loss', (t) => {
  const nothing = { roundTripMs: null, peer: null }
  t.deepEqual(wayBeyond([]), nothing)
  t.deepEqual(wayBeyond([{ type: 'inbound-rtp', roundTripTime: 5, packetsLost: 0 }]), nothing)
  t.deepEqual(wayBeyond([{ type: 'outbound-rtp', packetsLost: 0 }]), nothing)
  t.deepEqual(wayBeyond([{ type: 'outbound-rtp', roundTripTime: 0, packetsLost: 0 }]), nothing)
  t.is(wayBeyond([{ type: 'outbound-rtp', roundTripTime: 5, packetsLost: -2 }]).peer?.lost, 0)
})
