/** Messages of call signalling, built of what a call knows of itself. @see H.225.0 §7.3 */
import { type Address, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { AliasAddress, EndpointType, FacilityReason, GenericData, H323UserInformation, H323UUPDU } from '../h225/h225.ts'
import { h225ProtocolIdentifier } from '../h225/version.ts'
import {
  bearerCapability,
  cause as causeElement,
  type InformationElement,
  ie,
  type MessageType,
  octet,
  partyNumber,
  progressIndicator,
  type Q931Message,
  text,
  userCause,
  withUserInformation
} from '../q931/q931.ts'
import { reasonFor } from './causes.ts'

/** What stays the same in all messages of a call. */
export interface CallIdentity {
  readonly callReference: number
  /** True on the called side. */
  readonly callReferenceFlag: boolean
  /** 16 octets each. */
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
}

export interface Party {
  readonly aliases: readonly AliasAddress[]
  readonly endpointType: EndpointType
  readonly display: string | null
}

/** What is decided anew for each message. */
export interface Extras {
  readonly tunnelling: boolean
  /** Encoded H.245 messages. */
  readonly h245Control?: readonly Uint8Array[]
  readonly fastStart?: readonly Uint8Array[]
  readonly fastConnectRefused?: boolean
  readonly h245Address?: Address
  /** In-band sound is there: progress indicator 8. */
  readonly inBand?: boolean
  readonly supplementary?: readonly Uint8Array[]
  readonly genericData?: readonly GenericData[]
}

type Body = H323UUPDU['h323-message-body']

const element = (id: number, octets: Uint8Array): InformationElement => ({ id, octets })
const speech = { codingStandard: 0, transferCapability: 16, transferMode: 0, transferRate: 16, layer1Protocol: 5 }
const displayOf = (display: string | null): InformationElement[] =>
  display === null ? [] : [element(ie.display, text.encode(display.slice(0, 80)))]
/** In-band information, from the user. */
const inBandElement = element(ie.progressIndicator, progressIndicator.encode({ codingStandard: 0, location: 0, description: 8 }))
const unknownNumber = { typeOfNumber: 0, numberingPlan: 1 }
const digitsOf = (aliases: readonly AliasAddress[]): string | undefined =>
  aliases.flatMap((alias) => (alias.type === 'dialedDigits' ? [alias.value] : []))[0]
const numberElement = (id: number, aliases: readonly AliasAddress[], presented: boolean): InformationElement[] => {
  const digits = digitsOf(aliases)
  if (digits === undefined) return []
  const presentation = presented ? { presentation: 0, screening: 0 } : {}
  return [element(id, partyNumber.encode({ ...unknownNumber, ...presentation, digits }))]
}

function compose(
  { callReference, callReferenceFlag }: CallIdentity,
  messageType: MessageType,
  elements: readonly InformationElement[],
  body: Body,
  { tunnelling, h245Control, supplementary, genericData }: Extras
): Q931Message {
  const information: H323UserInformation = {
    'h323-uu-pdu': {
      'h323-message-body': body,
      ...(supplementary !== undefined && supplementary.length > 0 && { h4501SupplementaryService: supplementary }),
      h245Tunneling: tunnelling,
      ...(h245Control !== undefined && h245Control.length > 0 && { h245Control }),
      ...(genericData !== undefined && genericData.length > 0 && { genericData })
    }
  }
  return withUserInformation({ callReference, callReferenceFlag, messageType, elements }, information)
}

/** Parts that the answers to a SETUP share. */
function answerParts(identity: CallIdentity, { endpointType }: Party, extras: Extras) {
  return {
    protocolIdentifier: h225ProtocolIdentifier,
    destinationInfo: endpointType,
    ...(extras.h245Address !== undefined && { h245Address: transportAddressOf(extras.h245Address) }),
    callIdentifier: { guid: identity.callIdentifier },
    ...(extras.fastStart !== undefined && { fastStart: extras.fastStart }),
    multipleCalls: false,
    maintainConnection: false,
    ...(extras.fastConnectRefused === true && { fastConnectRefused: null })
  }
}

export interface SetupParts {
  readonly destination: readonly AliasAddress[]
  /** Never left out: some terminals cannot do without. */
  readonly destCallSignalAddress: Address
  readonly sourceCallSignalAddress: Address
  /** Given by the gatekeeper, where calls are routed. */
  readonly endpointIdentifier: string | null
  /** A call without media, for a supplementary service alone. */
  readonly callIndependent?: boolean
}

export function setup(identity: CallIdentity, own: Party, parts: SetupParts, extras: Extras): Q931Message {
  const elements = [
    element(ie.bearerCapability, bearerCapability.encode(speech)),
    ...displayOf(own.display),
    ...numberElement(ie.callingPartyNumber, own.aliases, true),
    ...numberElement(ie.calledPartyNumber, parts.destination, false)
  ]
  const body: Body = {
    type: 'setup',
    value: {
      protocolIdentifier: h225ProtocolIdentifier,
      ...(extras.h245Address !== undefined && { h245Address: transportAddressOf(extras.h245Address) }),
      sourceAddress: own.aliases,
      sourceInfo: own.endpointType,
      ...(parts.destination.length > 0 && { destinationAddress: parts.destination }),
      destCallSignalAddress: transportAddressOf(parts.destCallSignalAddress),
      activeMC: false,
      conferenceID: identity.conferenceId,
      conferenceGoal: { type: parts.callIndependent === true ? 'callIndependentSupplementaryService' : 'create' },
      callType: { type: 'pointToPoint' },
      sourceCallSignalAddress: transportAddressOf(parts.sourceCallSignalAddress),
      callIdentifier: { guid: identity.callIdentifier },
      ...(extras.fastStart !== undefined && { fastStart: extras.fastStart }),
      mediaWaitForConnect: false,
      canOverlapSend: false,
      ...(parts.endpointIdentifier !== null && { endpointIdentifier: parts.endpointIdentifier }),
      multipleCalls: false,
      maintainConnection: false,
      // the media plane has one codec for both ways
      ...(extras.fastStart !== undefined && { symmetricOperationRequired: null })
    }
  }
  return compose(identity, 'setup', elements, body, extras)
}

export const callProceeding = (identity: CallIdentity, own: Party, extras: Extras): Q931Message =>
  compose(
    identity,
    'callProceeding',
    displayOf(own.display),
    { type: 'callProceeding', value: answerParts(identity, own, extras) },
    extras
  )

export const alerting = (identity: CallIdentity, own: Party, extras: Extras): Q931Message =>
  compose(
    identity,
    'alerting',
    [...(extras.inBand === true ? [inBandElement] : []), ...displayOf(own.display)],
    { type: 'alerting', value: { ...answerParts(identity, own, extras), alertingAddress: own.aliases } },
    extras
  )

export const progress = (identity: CallIdentity, own: Party, extras: Extras): Q931Message =>
  compose(
    identity,
    'progress',
    [inBandElement, ...displayOf(own.display)],
    { type: 'progress', value: answerParts(identity, own, extras) },
    extras
  )

export const connect = (identity: CallIdentity, own: Party, extras: Extras): Q931Message =>
  compose(
    identity,
    'connect',
    [element(ie.bearerCapability, bearerCapability.encode(speech)), ...displayOf(own.display)],
    {
      type: 'connect',
      value: { ...answerParts(identity, own, extras), conferenceID: identity.conferenceId, connectedAddress: own.aliases }
    },
    extras
  )

/** @param reason where it is another than the one of the cause */
export function releaseComplete(identity: CallIdentity, cause: number, extras: Extras, reason = reasonFor(cause)): Q931Message {
  const why = reason === null ? {} : { reason: { type: reason } as { type: 'undefinedReason' } }
  return compose(
    identity,
    'releaseComplete',
    [element(ie.cause, causeElement.encode(userCause(cause)))],
    {
      type: 'releaseComplete',
      value: {
        protocolIdentifier: h225ProtocolIdentifier,
        ...why,
        callIdentifier: { guid: identity.callIdentifier }
      }
    },
    extras
  )
}

export interface FacilityParts {
  readonly reason: Exclude<FacilityReason['type'], 'unknownExtension'>
  readonly alternativeAddress?: Address
  readonly alternativeAliases?: readonly AliasAddress[]
}

export const facility = (identity: CallIdentity, parts: FacilityParts, extras: Extras): Q931Message =>
  compose(
    identity,
    'facility',
    [element(ie.facility, Buffer.alloc(0))],
    {
      type: 'facility',
      value: {
        protocolIdentifier: h225ProtocolIdentifier,
        ...(parts.alternativeAddress !== undefined && { alternativeAddress: transportAddressOf(parts.alternativeAddress) }),
        ...(parts.alternativeAliases !== undefined && { alternativeAliasAddress: parts.alternativeAliases }),
        reason: { type: parts.reason },
        callIdentifier: { guid: identity.callIdentifier },
        ...(extras.h245Address !== undefined && { h245Address: transportAddressOf(extras.h245Address) })
      }
    },
    extras
  )

/** INFORMATION with a text for the display, or with digits pressed. */
export function information(
  identity: CallIdentity,
  parts: { readonly display?: string; readonly keypad?: string },
  extras: Extras
): Q931Message {
  const elements = [
    ...displayOf(parts.display ?? null),
    ...(parts.keypad === undefined ? [] : [element(ie.keypadFacility, text.encode(parts.keypad))])
  ]
  const body: Body = {
    type: 'information',
    value: { protocolIdentifier: h225ProtocolIdentifier, callIdentifier: { guid: identity.callIdentifier } }
  }
  return compose(identity, 'information', elements, body, extras)
}

/** NOTIFY. @param indicator of Q.931 §4.5.22: 0 user suspended, 1 user resumed; of Q.953: 0x79 hold, 0x7a retrieve */
export const notify = (identity: CallIdentity, indicator: number, extras: Extras): Q931Message =>
  compose(
    identity,
    'notify',
    [element(ie.notificationIndicator, octet.encode(0x80 | indicator))],
    {
      type: 'notify',
      value: { protocolIdentifier: h225ProtocolIdentifier, callIdentifier: { guid: identity.callIdentifier } }
    },
    extras
  )

/** STATUS. @param state number of Q.931 table 4-8 @param cause 30 answers an enquiry, 97, 101 tell of a message that does not fit */
export const status = (identity: CallIdentity, state: number, cause: number, extras: Extras): Q931Message =>
  compose(
    identity,
    'status',
    [element(ie.cause, causeElement.encode(userCause(cause))), element(ie.callState, octet.encode(state))],
    {
      type: 'status',
      value: { protocolIdentifier: h225ProtocolIdentifier, callIdentifier: { guid: identity.callIdentifier } }
    },
    extras
  )

export const statusInquiry = (identity: CallIdentity, extras: Extras): Q931Message =>
  compose(
    identity,
    'statusInquiry',
    [],
    {
      type: 'statusInquiry',
      value: { protocolIdentifier: h225ProtocolIdentifier, callIdentifier: { guid: identity.callIdentifier } }
    },
    extras
  )
