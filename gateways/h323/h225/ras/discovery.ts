/** H.225.0 v8 §7.8: gatekeeper discovery (GRQ, GCF, GRJ). */
import { boolean, choice, type Infer, nothing, objectIdentifier, optional, sequence, sequenceOf } from '../../asn1/asn1.ts'
import { AuthenticationMechanism, ClearToken } from '../../h235/tokens.ts'
import { AliasAddress, TransportAddress } from '../addresses.ts'
import { QseriesOptions } from '../call-types.ts'
import { Endpoint } from '../endpoint.ts'
import { EndpointType } from '../endpoint-type.ts'
import { AlternateGK, AltGKInfo, RehomingModel } from '../gatekeepers.ts'
import { FeatureSet, GenericData } from '../generic-data.ts'
import { GatekeeperIdentifier, NonStandardParameter, ProtocolIdentifier, RequestSeqNum } from '../identifiers.ts'
import { CryptoH323Token, ICV, IntegrityMechanism } from '../security.ts'
import { SecurityErrors } from '../security-errors.ts'

export const GatekeeperRequest = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    rasAddress: TransportAddress,
    endpointType: EndpointType,
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    callServices: optional(QseriesOptions),
    endpointAlias: optional(sequenceOf(AliasAddress))
  },
  {
    alternateEndpoints: sequenceOf(Endpoint),
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    authenticationCapability: sequenceOf(AuthenticationMechanism),
    algorithmOIDs: sequenceOf(objectIdentifier),
    integrity: sequenceOf(IntegrityMechanism),
    integrityCheckValue: ICV,
    supportsAltGK: nothing,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    supportsAssignedGK: boolean,
    assignedGatekeeper: AlternateGK
  }
)
export type GatekeeperRequest = Infer<typeof GatekeeperRequest>

export const GatekeeperConfirm = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    rasAddress: TransportAddress
  },
  {
    alternateGatekeeper: sequenceOf(AlternateGK),
    authenticationMode: AuthenticationMechanism,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    algorithmOID: objectIdentifier,
    integrity: sequenceOf(IntegrityMechanism),
    integrityCheckValue: ICV,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData),
    assignedGatekeeper: AlternateGK,
    rehomingModel: RehomingModel
  }
)
export type GatekeeperConfirm = Infer<typeof GatekeeperConfirm>

export const GatekeeperRejectReason = choice(
  {
    resourceUnavailable: nothing,
    terminalExcluded: nothing,
    invalidRevision: nothing,
    undefinedReason: nothing
  },
  {
    securityDenial: nothing,
    genericDataReason: nothing,
    neededFeatureNotSupported: nothing,
    securityError: SecurityErrors
  }
)
export type GatekeeperRejectReason = Infer<typeof GatekeeperRejectReason>

export const GatekeeperReject = sequence(
  {
    requestSeqNum: RequestSeqNum,
    protocolIdentifier: ProtocolIdentifier,
    nonStandardData: optional(NonStandardParameter),
    gatekeeperIdentifier: optional(GatekeeperIdentifier),
    rejectReason: GatekeeperRejectReason
  },
  {
    altGKInfo: AltGKInfo,
    tokens: sequenceOf(ClearToken),
    cryptoTokens: sequenceOf(CryptoH323Token),
    integrityCheckValue: ICV,
    featureSet: FeatureSet,
    genericData: sequenceOf(GenericData)
  }
)
export type GatekeeperReject = Infer<typeof GatekeeperReject>
