import test from 'ava'
import { step } from '#kernel'
import { type OfferAnswerEvent, type OfferAnswerState, offerAnswerTable } from './offer-answer.ts'

const stepExchange = (state: OfferAnswerState, type: OfferAnswerEvent['type']) =>
  step<OfferAnswerState, OfferAnswerEvent, never, void>(offerAnswerTable, state, { type }, undefined)

test('an offer is answered before the next one', (t) => {
  t.is(stepExchange('stable', 'theirOffer').state, 'answering')
  t.false(stepExchange('answering', 'theirOffer').allowed)
  t.false(stepExchange('offering', 'theirOffer').allowed)
  t.is(stepExchange('offering', 'theirAnswer').state, 'stable')
})
