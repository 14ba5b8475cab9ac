/** H.225.0 v8 §7.16–7.18: non-standard and unknown messages, request in progress, available resources. */
import { boolean, type Infer, integer, octetString, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { CallCapacity } from '../capacity.ts'
import { SupportedProtocols } from '../endpoint-type.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import { EndpointIdentifier, NonStandardParameter, ProtocolIdentifier, RequestSeqNum } from '../identifiers.ts'
import { CryptoH323Token, ICV } from '../security.ts'

export const NonStandardMessage = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: NonStandardParameter
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData)
  }
)
export type NonStandardMessage = Infer<typeof NonStandardMessage>

export const UnknownMessageResponse = sequence(
  {
    requestSeqNum: RequestSeqNum
  },
  {
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    messageNotUnderstood: octetString()
  }
)
export type UnknownMessageResponse = Infer<typeof UnknownMessageResponse>

export const RequestInProgress = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV),
    delay: integer(1, 65_535)
  },
  {}
)
export type RequestInProgress = Infer<typeof RequestInProgress>

export const ResourcesAvailableIndicate = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    endpointIdentifier: EndpointIdentifier,
    protocols: sequenceOf(SupportedProtocols),
    almostOutOfResources: boolean,
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV)
  },
  {
    capacity: CallCapacity,
    genericData: sequenceOf(GenericData)
  }
)
export type ResourcesAvailableIndicate = Infer<typeof ResourcesAvailableIndicate>

export const ResourcesAvailableConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV)
  },
  {
    genericData: sequenceOf(GenericData)
  }
)
export type ResourcesAvailableConfirm = Infer<typeof ResourcesAvailableConfirm>
