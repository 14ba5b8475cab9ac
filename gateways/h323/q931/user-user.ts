import { DecodeError } from '#kernel'
import type { H323UserInformation } from '../h225/call-signalling.ts'
import { h323UserInformation } from '../h225/pdus.ts'
import { ie } from './elements.ts'
import { elementOctets, type Q931Message } from './message.ts'

/** X.680 and X.690 coded user information. @see Q.931 §4.5.30 */
const discriminator = 0x05

/**
 * The H.225.0 part of a call signalling message; undefined where it has none.
 *
 * @throws {DecodeError} `h323.q931.element`, and whatever PER finds
 */
export function userInformationOf(message: Q931Message): H323UserInformation | undefined {
  const octets = elementOctets(message, ie.userUser)
  if (octets === undefined) return undefined
  if (octets[0] !== discriminator) {
    throw new DecodeError('h323.q931.element', `user-user element with protocol discriminator ${octets[0]}`, {
      path: 'Q931.userUser',
      bitOffset: 0
    })
  }
  return h323UserInformation.decode(octets.subarray(1))
}

/**
 * The message with this H.225.0 part, in the place of its old one, else behind the other elements.
 *
 * @throws {EncodeError} `h323.per.encode`
 */
export function withUserInformation(message: Q931Message, information: H323UserInformation): Q931Message {
  const element = { id: ie.userUser, octets: Buffer.concat([Buffer.of(discriminator), h323UserInformation.encode(information)]) }
  const at = message.elements.findIndex(({ id, codeset }) => id === ie.userUser && codeset === undefined)
  return { ...message, elements: at < 0 ? [...message.elements, element] : message.elements.with(at, element) }
}
