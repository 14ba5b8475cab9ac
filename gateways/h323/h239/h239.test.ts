import test from 'ava'
import { h239, h245 } from '../h323.ts'

test('each message comes back from its encoding', (t) => {
  const messages: h239.PresentationMessage[] = [
    { type: 'flowControlReleaseRequest', channelId: 5, bitRate: 3840 },
    { type: 'flowControlReleaseResponse', channelId: 5, accepted: false },
    { type: 'presentationTokenRequest', terminalLabel: 0, channelId: 5, symmetryBreaking: 77 },
    { type: 'presentationTokenResponse', terminalLabel: 0, channelId: 5, accepted: true },
    { type: 'presentationTokenRelease', terminalLabel: 1, channelId: 5 },
    { type: 'presentationTokenIndicateOwner', terminalLabel: 1, channelId: 5 }
  ]
  for (const message of messages) {
    const octets = h245.multimediaSystemControlMessage.encode(h239.presentationMessage(message))
    const decoded = h245.multimediaSystemControlMessage.decode(octets)
    t.true(decoded.type !== 'unknownExtension' && decoded.value.type.startsWith('generic'))
    const generic = (decoded as { value: { value: h245.GenericMessage } }).value.value
    t.deepEqual(h239.presentationMessageOf(generic), message)
    t.is(h239.presentationMessageOf({ ...generic, messageContent: [] }), undefined)
    t.is(h239.presentationMessageOf({ ...generic, subMessageIdentifier: 99 }), undefined)
    t.is(h239.presentationMessageOf({ ...generic, messageIdentifier: { type: 'standard', value: '0.0.8.239.3' } }), undefined)
  }
})

test('capabilities: control, and video in a role', (t) => {
  t.true(h239.isControlCapability(h239.controlCapability))
  t.false(h239.isControlCapability({ type: 'maxPendingReplacementFor', value: 1 }))
  const h261 = {
    type: 'h261VideoCapability',
    value: { temporalSpatialTradeOffCapability: false, maxBitRate: 100, stillImageTransmission: false }
  } as const
  t.is(h239.rolesOf(h239.extendedVideo([h261], h239.roles.presentation)), 1)
  t.is(h239.rolesOf(h261), undefined)
})
