import { pdu } from '../asn1/asn1.ts'
import { OpenLogicalChannel } from './logical-channel.ts'
import { MultimediaSystemControlMessage } from './message.ts'

/** An H.245 message: one TPKT, or one element of `h245Control` where it is tunnelled. */
export const multimediaSystemControlMessage = pdu('MultimediaSystemControlMessage', MultimediaSystemControlMessage)

/** One element of `fastStart`. */
export const openLogicalChannel = pdu('OpenLogicalChannel', OpenLogicalChannel)
