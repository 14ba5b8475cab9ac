/** H.225.0 v8 §7.19: service control indication (SCI, SCR). */
import { boolean, choice, type Infer, nothing, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { ClearToken } from '../../h235/tokens.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import { CallIdentifier, ConferenceIdentifier, EndpointIdentifier, NonStandardParameter, RequestSeqNum } from '../identifiers.ts'
import { CryptoH323Token, ICV } from '../security.ts'
import { ServiceControlSession } from '../service-control.ts'

export const ServiceControlIndication = sequence(
  {
    requestSeqNum: RequestSeqNum,
    nonStandardData: optional(NonStandardParameter),
    serviceControl: sequenceOf(ServiceControlSession),
    endpointIdentifier: optional(EndpointIdentifier),
    callSpecific: optional(
      sequence(
        {
          callIdentifier: CallIdentifier,
          conferenceID: ConferenceIdentifier,
          answeredCall: boolean
        },
        {}
      )
    ),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV),
    featureSet: optional(FeatureSet),
    genericData: optional(sequenceOf(GenericData))
  },
  {}
)
export type ServiceControlIndication = Infer<typeof ServiceControlIndication>

export const ServiceControlResponse = sequence(
  {
    requestSeqNum: RequestSeqNum,
    result: optional(
      choice(
        {
          started: nothing,
          failed: nothing,
          stopped: nothing,
          notAvailable: nothing,
          neededFeatureNotSupported: nothing
        },
        {}
      )
    ),
    nonStandardData: optional(NonStandardParameter),
    tokens: optional(sequenceOf(ClearToken)),
    cryptoTokens: optional(sequenceOf(CryptoH323Token)),
    integrityCheckValue: optional(ICV),
    featureSet: optional(FeatureSet),
    genericData: optional(sequenceOf(GenericData))
  },
  {}
)
export type ServiceControlResponse = Infer<typeof ServiceControlResponse>
