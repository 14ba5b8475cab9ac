import test from 'ava'
import { type PresentationMessage, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import { contentVideo, h264Video, kindOf, takes } from './h264.ts'
import { createPresentation, house } from './presentation.ts'

const request: PresentationMessage = { type: 'presentationTokenRequest', terminalLabel: 0, channelId: 4, symmetryBreaking: 9 }
const release: PresentationMessage = { type: 'presentationTokenRelease', terminalLabel: 0, channelId: 4 }
const read = (message: ReturnType<typeof presentationMessage> | null | undefined) =>
  message == null || message.type === 'unknownExtension'
    ? null
    : presentationMessageOf((message.value as { value: Parameters<typeof presentationMessageOf>[0] }).value)

test('one token: given, asked for again, refused to others, given back by its owner alone', (t) => {
  const presentation = createPresentation()
  const take = (who: string, label: number, message: PresentationMessage) =>
    presentation.take(who, label, presentationMessage(message), () => true)
  const given = take('a', 1, request)!
  t.deepEqual(read(given.answer), { type: 'presentationTokenResponse', terminalLabel: 1, channelId: 4, accepted: true })
  t.deepEqual(read(given.others), { type: 'presentationTokenIndicateOwner', terminalLabel: 1, channelId: 4 })
  t.like(read(take('b', 2, request)!.answer), { accepted: false })
  t.is(take('b', 2, request)!.others, null)
  t.like(read(take('a', 1, request)!.answer), { accepted: true })
  t.is(take('b', 2, release)!.ended, null)
  t.is(take('a', 1, release)!.ended, 'a')
  t.is(presentation.owner(), null)
  take('b', 2, request)
  t.false(presentation.end('a'))
  t.true(presentation.end('b'))
  t.like(read(take('a', 1, { type: 'flowControlReleaseRequest', channelId: 4, bitRate: 100 })!.answer), { accepted: false })
  t.is(
    presentation.take(
      'a',
      1,
      { type: 'request', value: { type: 'roundTripDelayRequest', value: { sequenceNumber: 1 } } },
      () => true
    ),
    null
  )
})

test('what the conference shows gives way to a terminal that may, and to no other', (t) => {
  const presentation = createPresentation()
  t.true(presentation.begin())
  const ask = (who: string, mayDisplace: boolean) =>
    presentation.take(who, 1, presentationMessage(request), (symmetryBreaking) => mayDisplace && symmetryBreaking === 9)!
  t.like(read(ask('a', false).answer), { accepted: false })
  t.is(presentation.owner(), house)
  const displaced = ask('a', true)
  t.like(read(displaced.answer), { accepted: true })
  t.is(displaced.ended, house)
  t.false(presentation.begin(), 'a terminal presents')
  t.false(presentation.end(house))
  t.true(presentation.end('a'))
  t.true(presentation.begin())
  const granted = { type: 'presentationTokenResponse', terminalLabel: 0, channelId: 7, accepted: true } as const
  t.deepEqual(presentation.take('a', 1, presentationMessage(granted), () => true)!.granted, { channelId: 7, accepted: true })
  t.true(presentation.end(house))
  t.is(presentation.owner(), null)
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
