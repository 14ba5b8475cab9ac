import test from 'ava'
import type { DataType, OpenLogicalChannel } from '../h245/h245.ts'
import { openAudio, openAudioBothWays } from './channels.ts'
import type { LocalMedia } from './media.ts'
import { judgeOffer, type OfferContext, type OfferVerdict } from './offers.ts'

const address = { ip: '127.0.0.1', port: 5000 }
const local: LocalMedia = {
  rtp: address,
  rtcp: { ...address, port: 5001 },
  codecs: ['PCMU', 'PCMA'],
  opusPayloadType: null,
  eventPayloadType: null
}
const usual: OfferContext = { codecs: ['PCMU'], passesOn: false, holding: false, hasPrecedence: false }
const pcmu = openAudio(1, 'PCMU', local)
const bothWays = openAudioBothWays(1, 'PCMU', local)
const changed = (open: OpenLogicalChannel, dataType: DataType, sessionID: number): OpenLogicalChannel => {
  const { multiplexParameters } = open.forwardLogicalChannelParameters
  if (multiplexParameters.type !== 'h2250LogicalChannelParameters') throw new TypeError('not of H.225.0')
  return {
    ...open,
    forwardLogicalChannelParameters: {
      dataType,
      multiplexParameters: { ...multiplexParameters, value: { ...multiplexParameters.value, sessionID } }
    }
  }
}
const nothing: DataType = { type: 'nullData' }
const reject = (cause: Extract<OfferVerdict, { type: 'reject' }>['cause']): OfferVerdict => ({ type: 'reject', cause })
const sound: OfferVerdict = { type: 'sound', codec: 'PCMU' }

const rows: readonly [string, OpenLogicalChannel, Partial<OfferContext>, OfferVerdict][] = [
  ['sound that is received', pcmu, {}, sound],
  ['a codec that is not', openAudio(1, 'PCMA', local), {}, reject('dataTypeNotSupported')],
  ['sound on hold', pcmu, { holding: true }, reject('dataTypeNotAvailable')],
  ['both ways', bothWays, {}, sound],
  ['both ways, and ours stays', bothWays, { hasPrecedence: true }, reject('masterSlaveConflict')],
  ['one way beside ours for both', pcmu, { hasPrecedence: true }, sound],
  [
    'another codec back',
    { ...bothWays, reverseLogicalChannelParameters: openAudioBothWays(1, 'PCMA', local).reverseLogicalChannelParameters! },
    {},
    reject('unsuitableReverseParameters')
  ],
  ['not sound, and somebody decides', changed(pcmu, nothing, 2), { passesOn: true }, { type: 'passOn' }],
  ['not sound, and nobody does', changed(pcmu, nothing, 2), {}, reject('dataTypeNotSupported')],
  ['not sound in the session of sound', changed(pcmu, nothing, 1), { passesOn: true }, reject('invalidSessionID')]
]

for (const [name, open, context, verdict] of rows) {
  test(name, (t) => t.deepEqual(judgeOffer(open, { ...usual, ...context }), verdict))
}
