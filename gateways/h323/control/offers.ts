/** What is to become of a channel that the peer wants to open. Pure. */
import type { OpenLogicalChannel } from '../h245/h245.ts'
import { sessions } from './channels.ts'
import { codecOf } from './codecs.ts'
import type { RejectCause } from './entities/lcse.ts'
import type { AudioCodec } from './media.ts'

export interface OfferContext {
  /** What is received here. */
  readonly codecs: readonly AudioCodec[]
  /** Whether somebody decides about channels that are not sound. */
  readonly passesOn: boolean
  /** This side holds the call. */
  readonly holding: boolean
  /** A channel for both ways is open from here, or is being opened, and this side is master. */
  readonly hasPrecedence: boolean
}

export type OfferVerdict =
  | { readonly type: 'reject'; readonly cause: RejectCause }
  /** Not sound: somebody else decides. */
  | { readonly type: 'passOn' }
  | { readonly type: 'sound'; readonly codec: AudioCodec }

const reject = (cause: RejectCause): OfferVerdict => ({ type: 'reject', cause })

export function judgeOffer(open: OpenLogicalChannel, context: OfferContext): OfferVerdict {
  const { dataType, multiplexParameters } = open.forwardLogicalChannelParameters
  if (multiplexParameters.type !== 'h2250LogicalChannelParameters') return reject('dataTypeALCombinationNotSupported')
  if (dataType.type !== 'audioData') {
    if (dataType.type === 'unknownExtension') return reject('unknownDataType')
    if (multiplexParameters.value.sessionID === sessions.audio) return reject('invalidSessionID')
    return context.passesOn ? { type: 'passOn' } : reject('dataTypeNotSupported')
  }
  const codec = codecOf(dataType.value)
  if (codec === null || !context.codecs.includes(codec)) return reject('dataTypeNotSupported')
  // while we hold, nothing can be received here
  if (context.holding) return reject('dataTypeNotAvailable')
  const back = open.reverseLogicalChannelParameters
  if (back !== undefined) {
    const backCodec = back.dataType.type === 'audioData' ? codecOf(back.dataType.value) : null
    if (backCodec !== codec || back.multiplexParameters?.type !== 'h2250LogicalChannelParameters') {
      return reject('unsuitableReverseParameters')
    }
    // two channels for the same: the master's stays (H.245 §C.5.1.3)
    if (context.hasPrecedence) return reject('masterSlaveConflict')
  }
  return { type: 'sound', codec }
}
