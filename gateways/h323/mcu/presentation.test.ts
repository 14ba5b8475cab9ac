import test from 'ava'
import { type PresentationMessage, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import { contentVideo, h264Video, kindOf, takes } from './h264.ts'
import { createPresentation } from './presentation.ts'

const request: PresentationMessage = { type: 'presentationTokenRequest', terminalLabel: 0, channelId: 4, symmetryBreaking: 9 }
const release: PresentationMessage = { type: 'presentationTokenRelease', terminalLabel: 0, channelId: 4 }
const read = (message: ReturnType<typeof presentationMessage> | null | undefined) =>
  message == null || message.type === 'unknownExtension'
    ? null
    : presentationMessageOf((message.value as { value: Parameters<typeof presentationMessageOf>[0] }).value)

test('one token: given, asked for again, refused to others, given back by its owner alone', (t) => {
  const presentation = createPresentation()
  const take = (who: string, label: number, message: PresentationMessage) =>
    presentation.take(who, label, presentationMessage(message))
  const given = take('a', 1, request)!
  t.deepEqual(read(given.answer), { type: 'presentationTokenResponse', terminalLabel: 1, channelId: 4, accepted: true })
  t.deepEqual(read(given.others), { type: 'presentationTokenIndicateOwner', terminalLabel: 1, channelId: 4 })
  t.like(read(take('b', 2, request)!.answer), { accepted: false })
  t.is(take('b', 2, request)!.others, null)
  t.like(read(take('a', 1, request)!.answer), { accepted: true })
  t.false(take('b', 2, release)!.ended)
  t.true(take('a', 1, release)!.ended)
  t.is(presentation.owner(), null)
  take('b', 2, request)
  t.false(presentation.end('a'))
  t.true(presentation.end('b'))
  t.like(read(take('a', 1, { type: 'flowControlReleaseRequest', channelId: 4, bitRate: 100 })!.answer), { accepted: false })
  t.is(
    presentation.take('a', 1, { type: 'request', value: { type: 'roundTripDelayRequest', value: { sequenceNumber: 1 } } }),
    null
  )
})

test('who takes what: kind and level of H.264 in capabilities', (t) => {
  t.is(kindOf(h264Video(71)), 'people')
  t.is(kindOf(contentVideo(71)), 'content')
  t.is(
    kindOf({
      type: 'h261VideoCapability',
      value: { temporalSpatialTradeOffCapability: false, maxBitRate: 1, stillImageTransmission: false }
    }),
    null
  )
  const receives = (video: ReturnType<typeof h264Video>) => [{ type: 'receiveVideoCapability' as const, value: video }]
  t.true(takes(receives(h264Video(78)), 'people', 71))
  t.false(takes(receives(h264Video(64)), 'people', 71))
  t.false(takes(receives(h264Video(78)), 'content', 71))
  t.true(takes(receives(contentVideo(71)), 'content', 71))
  t.false(takes([{ type: 'transmitVideoCapability', value: h264Video(78) }], 'people', 71))
})
