import test from 'ava'
import { assessLeg, type LegFacts, voipMetricsOf } from './leg-quality.ts'
import { Reception } from './reception.ts'

const heard = (lost: (n: number) => boolean, packets = 1000) => {
  const reception = new Reception()
  for (let n = 0; n < packets; n++) if (!lost(n)) reception.arrived(n)
  return reception.summary()
}
const facts = (more: Partial<LegFacts> = {}): LegFacts => ({
  codec: 'PCMU',
  reception: heard(() => false),
  packetMs: 20,
  jitterMaxMs: 1,
  endSystemDelayMs: 40,
  roundTripMs: null,
  economy: null,
  peer: null,
  ...more
})

test('nothing came in: nothing is said', (t) => {
  t.is(assessLeg(facts({ reception: new Reception().summary() })), null)
})

test('an undisturbed call is as good as the model has them', (t) => {
  t.like(assessLeg(facts()), { expected: 1000, lost: 0, rFactor: 93.2, mosListening: 4.41, mosConversational: 4.41, burstMs: 0 })
})

test('loss lowers both scores, delay that of conversation alone', (t) => {
  const lossy = assessLeg(facts({ reception: heard((n) => n % 20 === 10) }))!
  t.is(lossy.lost, 50)
  t.true(lossy.mosListening < 4.1 && lossy.mosListening === lossy.mosConversational)
  const far = assessLeg(facts({ roundTripMs: 600 }))!
  t.is(far.mosListening, 4.41)
  t.true(far.mosConversational < 3.8)
})

test('what the encoder saved is told', (t) => {
  t.is(assessLeg(facts())!.economy, null)
  t.is(assessLeg(facts({ economy: 0.6666 }))!.economy, 0.67)
})

test('bursts are told in milliseconds', (t) => {
  const quality = assessLeg(facts({ packetMs: 30, reception: heard((n) => n >= 500 && n < 504) }))!
  t.like(quality, { burstMs: 120, burstDensity: 1, gapDensity: 0 })
})

test('what the peer is told has the same figures', (t) => {
  const quality = assessLeg(facts({ reception: heard((n) => n % 20 === 10), roundTripMs: 12.4 }))!
  t.like(voipMetricsOf(quality, 7, 12.4, { nominalMs: 40, maximumMs: 240 }), {
    ssrc: 7,
    lossRate: 0.05,
    discardRate: 0,
    roundTripMs: 12.4,
    endSystemDelayMs: 40,
    rFactor: quality.rFactor,
    jitterBuffer: { adaptive: true, nominalMs: 40, maximumMs: 240, absoluteMaximumMs: 240 }
  })
})
