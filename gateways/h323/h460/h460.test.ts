import test from 'ava'
import { h225, h460 } from '../h323.ts'

const guid = Buffer.alloc(16, 7)

test('each parameter comes back from the generic data it was put in, and is absent from any other', (t) => {
  const call = {
    callSignallingAddress: { type: 'ipAddress', value: { ip: Buffer.from([127, 0, 0, 1]), port: 1720 } },
    callID: { guid }
  } as const
  const report = { type: 'final', value: { mediaInfo: [] } } as const
  const list = [
    h460.incomingCallIndication.encode(call),
    h460.qualityReport.encode(report),
    h460.sessionIdentifier.encode(guid, Buffer.alloc(16, 8))
  ]
  t.deepEqual(h460.incomingCallIndication.decode(list), call)
  t.deepEqual(h460.qualityReport.decode(list), report)
  t.deepEqual(h460.sessionIdentifier.decode(list), { local: guid, remote: Buffer.alloc(16, 8) })
  t.deepEqual(h460.lrqKeepAlive.decode([h460.lrqKeepAlive.encode({ lrqKeepAliveInterval: 20 })]), { lrqKeepAliveInterval: 20 })
  t.is(h460.lrqKeepAlive.decode(list), undefined)
  t.is(h460.qualityReport.decode(undefined), undefined)
  t.is(h460.sessionIdentifier.decode([h460.sessionIdentifier.encode(guid, Buffer.alloc(3))]), undefined)
})

test('features are found by their number, in whichever list of the set they stand', (t) => {
  const set: h225.FeatureSet = {
    replacementFeatureSet: false,
    desiredFeatures: [h460.feature(h460.features.signallingTraversal)]
  }
  t.true(h460.hasFeature(set, 18))
  t.false(h460.hasFeature(set, 19))
  t.false(h460.hasFeature(undefined, 18))
  t.is(h460.parameterOf(h460.featureOf(set.desiredFeatures, 18), 1), undefined)
})

test('H.460.17: RAS messages in a FACILITY', (t) => {
  const messages: h225.RasMessage[] = [
    { type: 'requestInProgress', value: { requestSeqNum: 9, delay: 5000 } },
    { type: 'disengageConfirm', value: { requestSeqNum: 10 } }
  ]
  const octets = h460.rasOverH225.messagesOf([h460.rasOverH225.encode(messages)])
  t.deepEqual(
    octets.map((message) => h225.rasMessage.decode(message)),
    messages
  )
  t.deepEqual(h460.rasOverH225.messagesOf(undefined), [])
})

test('H.460.19: traversal parameters in generic information', (t) => {
  const parameters = { multiplexID: 7, keepAlivePayloadType: 101, keepAliveInterval: 9 }
  t.deepEqual(h460.mediaTraversal.decode([h460.mediaTraversal.encode(parameters)]), parameters)
  t.is(h460.mediaTraversal.decode([]), undefined)
})

test('the trace id of the suite crosses call signalling; what is none, or another maker’s, is not taken', (t) => {
  const uuie = (data: h225.GenericData) => h460.traceOf([h460.feature(h460.features.sessionIdentifier), data])
  t.is(uuie(h460.traceData('a'.repeat(32))), 'a'.repeat(32))
  t.is(uuie(h460.traceData('caller/7:b@x')), 'caller/7:b@x')
  t.is(uuie(h460.traceData('two words')), undefined)
  t.is(uuie(h460.feature(27)), undefined)
  t.is(h460.traceOf(undefined), undefined)
  const { id } = h460.traceData('x')
  t.is(uuie({ id, parameters: [{ id: h460.standard(1), content: { type: 'number8', value: 1 } }] }), undefined)
})
