import { pdu } from '../asn1/asn1.ts'
import { H323UserInformation } from './call-signalling.ts'
import { RasMessage } from './ras/ras.ts'

/** A RAS message: one UDP datagram, or the content of a H.460.17 parameter. */
export const rasMessage = pdu('RasMessage', RasMessage)

/** The content of the user-user information element of a call signalling message. */
export const h323UserInformation = pdu('H323-UserInformation', H323UserInformation)
