/** What a peer tells of itself in the messages of call signalling. */
import type { Address } from '../control/media.ts'
import { addressOf } from '../gatekeeper/addresses.ts'
import type { AliasAddress, EndpointType, H323UserInformation } from '../h225/h225.ts'
import { elementOctets, ie, partyNumber, type Q931Message, text } from '../q931/q931.ts'

export interface RemoteParty {
  readonly address: Address | null
  readonly aliases: readonly AliasAddress[]
  /** Calling or connected number, digits; null where there is none. */
  readonly number: string | null
  readonly display: string | null
  readonly endpointType: EndpointType | null
}

export const unknownParty: RemoteParty = { address: null, aliases: [], number: null, display: null, endpointType: null }

/**
 * The party as it is known after a message of it.
 *
 * @param direction of the call, as seen from here
 * @throws {DecodeError} for elements of a wrong form
 */
export function partyAfter(
  party: RemoteParty,
  message: Q931Message,
  information: H323UserInformation | undefined,
  direction: 'outbound' | 'inbound'
): RemoteParty {
  const body = information?.['h323-uu-pdu']['h323-message-body']
  const display = elementOctets(message, ie.display)
  const number = elementOctets(message, direction === 'inbound' ? ie.callingPartyNumber : ie.connectedNumber)
  const known = {
    ...party,
    ...(display !== undefined && { display: text.decode(display) }),
    ...(number !== undefined && { number: partyNumber.decode(number).digits })
  }
  switch (body?.type) {
    case 'setup': {
      const { sourceAddress, sourceInfo, sourceCallSignalAddress } = body.value
      const address = sourceCallSignalAddress === undefined ? null : addressOf(sourceCallSignalAddress)
      return { ...known, aliases: sourceAddress ?? [], endpointType: sourceInfo, address }
    }
    case 'connect':
      return { ...known, aliases: body.value.connectedAddress ?? known.aliases, endpointType: body.value.destinationInfo }
    case 'alerting':
      return { ...known, aliases: body.value.alertingAddress ?? known.aliases, endpointType: body.value.destinationInfo }
    default:
      return known
  }
}
